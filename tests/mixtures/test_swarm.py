"""A swarm: designs are prefixes, nothing is trained twice, a table is the same in any order, and failures are named."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from mixtures.design import designed
from mixtures.proxies.climb import FIRST, chosen, importance_of, sizes
from mixtures.proxies.ground import ground
from mixtures.proxies.proxy import proxy
from mixtures.proxies.swarm import RUNS, SECONDS, SWARM, Asked, swarm, written
from mixtures.proxies.thinned import thinned
from mixtures.runs_table import MOST_RUNS, Record, read_runs_table, table
from tests.pipeline.byte_tokens import byte_tokens
from trainer.jobs.job import RESULT, made
from trainer.jobs.workers import Done, asked, done
from trainer.run.settings import TrainSettings

torch.set_num_threads(1)

MODEL = {"layers": 1, "width": 16, "heads": 2, "ffn_width": 16, "vocab": 257, "context": 16}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return byte_tokens(tmp_path_factory.mktemp("tokens"), documents=40)


def settings(tokens, **changes):
    small = {
        "model": MODEL,
        "tokens": tokens,
        "budget": 1024,
        "batch": {"tokens": 256, "micro": 16},
        "optimizer": {"rate": 1e-2},
        "precision": "fp32",
        "compile": False,
        "device": "cpu",
        "stability": {"spikes": False},
        "checkpoints": {"every": 0, "keep": 1, "asynchronous": False},
        "evaluation": {"held_out": 0.1, "every": 0},
    }
    return TrainSettings.model_validate(small | changes)


def here(folder, jobs, told=lambda one: None):
    """A pool of this very process: what is done is not done again."""
    for job in jobs:
        if done(folder, job) is None:
            made(asked(folder, job))
        told(done(folder, job))
    return [done(folder, job) for job in jobs]


def backwards(folder, jobs, told=lambda one: None):
    """The same, from the last job on."""
    here(folder, jobs[::-1], told)
    return [done(folder, job) for job in jobs]


# The design, and rounds of it


@given(st.integers(2, 7), st.integers(1, 150), st.integers(0, 150), st.integers(0, 1000))
def test_a_larger_design_begins_with_the_smaller_one(domains, runs, more, seed):
    prior = np.arange(1, domains + 1) / np.arange(1, domains + 1).sum()
    most = np.full(domains, 0.95)
    few = designed(prior, most, runs, seed=seed, least=2e-4)
    assert (designed(prior, most, runs + more, seed=seed, least=2e-4)[:runs] == few).all()


def test_a_draw_whose_weights_are_all_too_small_is_none():
    with np.errstate(invalid="raise"):
        found = designed(np.full(10, 0.1), np.ones(10), 5, seed=0, least=0.5)
    assert found.sum(axis=1) == pytest.approx(1)
    with pytest.raises(RecipeError, match=r"weights below 1\.01 are none"):
        designed(np.full(10, 0.1), np.ones(10), 1, seed=0, least=1.01)


@given(st.integers(1, 4), st.integers(70, 2000))
def test_rounds_are_halves_and_sum_to_all_runs(rounds, runs):
    found = sizes(runs, rounds)
    assert sum(found) == runs
    for number, size in enumerate(found):
        assert abs(size - Fraction(runs * 2 ** (rounds - 1 - number), 2**rounds - 1)) < 1


def test_rounds_of_the_paper():
    assert sizes(112, 3) == [64, 32, 16]  # Diao et al. 2025
    with pytest.raises(RecipeError, match=f"the first needs {FIRST}"):
        sizes(12, 3)


def planted(weights):
    """Losses of which the first domain is the best to draw from and the last the worst."""
    return 3 + weights @ np.linspace(-1, 1, weights.shape[1])


def first_round(seed, runs=30, domains=4):
    prior = np.full(domains, 1 / domains)
    most = np.array([0.6] + [1.0] * (domains - 1))
    names = [f"d{n}" for n in range(domains)]
    drawn = designed(prior, most, runs, seed=seed)
    rows = [
        Record(f"r{n:03d}", dict(zip(names, row.tolist(), strict=True)), {"all": float(planted(row[None])[0])})
        for n, row in enumerate(drawn)
    ]
    return rows, prior, most, drawn


@pytest.mark.slow  # cross-validation of four regressors, twice: 3 s of CPU
def test_a_later_round_is_better_than_the_first_within_caps_new_and_the_same_again():
    rows, prior, most, drawn = first_round(3)
    known = table(rows)
    found, said = chosen(known, importance_of(known, None), prior, most, 16, (3, 2), 2e-4)
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found <= most).all()
    assert len(np.unique(np.concatenate([found, drawn]), axis=0)) == 46
    assert planted(found).max() < np.median(planted(drawn))
    assert planted(found).mean() < np.quantile(planted(drawn), 0.1)
    assert said.runs == 16
    assert said.predicted[0] <= said.predicted[1]
    again, _ = chosen(table(rows[::-1]), np.ones(1), prior, most, 16, (3, 2), 2e-4)
    assert (found == again).all()


def test_what_counts_decides_what_is_looked_for():
    rows, *_ = first_round(0)
    known = table([Record(one.run, one.weights, {"all": 1.0, "web": 2.0}) for one in rows])
    assert importance_of(known, {"web": 3.0, "all": 1.0}).tolist() == [0.25, 0.75]
    assert importance_of(known, None).tolist() == [0.5, 0.5]


# The table


def ended(n, loss, why="", domains=("code", "web")):
    weights = {name: (n + 1) / 10 if name == domains[0] else (9 - n) / 10 for name in domains}
    one = proxy(f"s0-{n:04d}", weights, settings("t/manifest.json"), 0)
    held = {name: {"loss": loss, "bits_per_byte": loss, "bytes": 9} for name in domains} if loss is not None else {}
    return Done(one, loss, 1024, 1.5 + n, why, domains=held, trained=dict.fromkeys(domains, 512))


@given(st.permutations(range(6)))
def test_a_table_is_the_same_in_whatever_order_its_proxies_ended(tmp_path_factory, order):
    at = tmp_path_factory.mktemp("table")
    every = [ended(n, None if n == 3 else 2.0 + n, "it diverged" if n == 3 else "") for n in range(6)]
    written(every, at)
    before = [(at / name).read_bytes() for name in (RUNS, SECONDS)]
    written([every[n] for n in order], at)
    assert [(at / name).read_bytes() for name in (RUNS, SECONDS)] == before


def test_a_failed_run_stands_in_the_table_with_its_reason_and_is_left_out_of_fits(tmp_path):
    strange = ended(2, 3.0)
    strange.domains["web"]["bits_per_byte"] = math.nan
    written([ended(0, 2.0), ended(1, None, "it diverged"), strange], tmp_path)
    lines = [json.loads(line) for line in (tmp_path / RUNS).read_text().splitlines()]
    assert lines[1]["losses"] == {}
    assert lines[1]["why"] == "it diverged"
    found = read_runs_table([str(tmp_path / RUNS)])
    assert found.runs == ("s0-0000",)
    assert sorted(found.left_out) == ["s0-0001", "s0-0002"]
    assert "web" in found.left_out["s0-0002"]


def test_a_table_that_no_swarm_made_is_not_written_over(tokens, tmp_path):
    (tmp_path / RUNS).write_text("mine\n")
    with pytest.raises(RecipeError, match=r"runs\.jsonl lies there that no swarm made"):
        swarm(settings(tokens), Asked(runs=1), tmp_path, here)
    assert (tmp_path / RUNS).read_text() == "mine\n"


# Real proxies


def test_a_swarm_goes_on_trains_nothing_twice_and_grows(tokens, tmp_path):
    small, told = settings(tokens), []
    first = swarm(small, Asked(runs=3), tmp_path / "at", here, told.append)
    assert [one.job.run for one in told] == [one.job.run for one in first.done]
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "at").glob(f"proxies-*/*/{RESULT}")}
    bytes_ = {name: (tmp_path / "at" / name).read_bytes() for name in (RUNS, SECONDS, SWARM)}
    assert len(files) == 3
    seen, lines = [], tmp_path / "at" / RUNS
    swarm(small, Asked(runs=3), tmp_path / "at", backwards, lambda _: seen.append(lines.read_bytes()))
    assert seen == [bytes_[RUNS]] * 3  # whole all the time
    assert {name: (tmp_path / "at" / name).read_bytes() for name in bytes_} == bytes_
    killed = min(files)
    killed.unlink()  # as if it was killed before it could say so
    swarm(small, Asked(runs=4, seeds=2), tmp_path / "at", here)
    assert {path for path in files if path.stat().st_mtime_ns != files[path]} == {killed}
    lines = (tmp_path / "at" / RUNS).read_text().splitlines()
    assert len(lines) == 8
    assert bytes_[RUNS].decode().splitlines() == [line for line in lines if json.loads(line)["run"][8:] == ""][:3]
    other = [json.loads(line)["losses"] for line in lines[:2]]
    assert other[0] != other[1]  # seeds 0 and 1 of one mixture
    elsewhere = swarm(small, Asked(runs=3), tmp_path / "elsewhere", backwards)
    assert (tmp_path / "elsewhere" / RUNS).read_bytes() == bytes_[RUNS]
    assert (tmp_path / "elsewhere" / SWARM).read_bytes() == bytes_[SWARM]
    assert elsewhere.flops == first.flops > 0


def test_proxies_differ_in_their_mixture_alone_and_get_what_it_asks(tokens, tmp_path):
    found = swarm(settings(tokens), Asked(runs=4, seed=7), tmp_path, here)
    for one in found.done:
        assert one.job.settings.model_copy(update={"mixture": None}) == settings(tokens)
        for name, weight in one.job.weights.items():
            assert abs(one.trained.get(name, 0) - weight * one.tokens) <= MODEL["context"]


def test_a_proxy_that_diverges_is_named_and_the_others_are_what_they_were(tokens, tmp_path):
    """One of the jobs is given a rate that leaves float32 in two steps; nothing else of it is changed."""
    bad = "s0-0001"

    def one_diverges(folder, jobs, told=lambda one: None):
        hot = {"optimizer": jobs[0].settings.optimizer.model_copy(update={"rate": 3e38})}
        given = [
            type(job)(job.run, job.weights, job.settings.model_copy(update=hot)) if job.run == bad else job
            for job in jobs
        ]
        return here(folder, given, told)

    small = settings(tokens)
    whole = swarm(small, Asked(runs=3), tmp_path / "whole", here)
    found = swarm(small, Asked(runs=3), tmp_path / "at", one_diverges)
    assert list(found.failed) == [bad]
    assert found.failed[bad]
    assert [one.loss for one in found.done if one.job.run != bad] == [
        one.loss for one in whole.done if one.job.run != bad
    ]
    known = read_runs_table([str(tmp_path / "at" / RUNS)])
    assert known.runs == ("s0-0000", "s0-0002")
    assert list(known.left_out) == [bad]
    assert json.loads((tmp_path / "at" / SWARM).read_text())["failed"] == found.failed


@pytest.mark.slow
def test_later_rounds_are_chosen_by_what_came_before_and_go_on_where_they_were(tokens, tmp_path):
    small = settings(tokens)
    whole = swarm(small, Asked(runs=16, rounds=2), tmp_path / "at", here)
    assert [one.runs for one in whole.rounds] == [5]
    assert sum("-r2-" in one.job.run for one in whole.done) == 5
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "at").glob(f"proxies-*/*/{RESULT}")}
    lines = (tmp_path / "at" / RUNS).read_text()
    swarm(small, Asked(runs=16, rounds=2), tmp_path / "at", backwards)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert (tmp_path / "at" / RUNS).read_text() == lines
    first = [line for line in lines.splitlines() if "-r2-" not in line]
    swarm(small, Asked(runs=11), tmp_path / "design", here)
    assert (tmp_path / "design" / RUNS).read_text().splitlines() == first


# Small domains


def lopsided(at, documents):
    """Tokens of two domains, of which `tiny` holds so many documents."""
    from corpus.manifest import manifest_of, read_manifest, write_manifest

    large = read_manifest(byte_tokens(at, 300, ("web",)))
    (at / "web").rename(at / "kept")
    small = read_manifest(byte_tokens(at, documents, ("tiny",), seed=1))
    (at / "kept").rename(at / "web")
    write_manifest(f"{at}/manifest.json", manifest_of(large.tokenizer, [*large.shards, *small.shards]))
    return f"{at}/manifest.json"


def test_a_domain_of_10_kb_is_repeated_as_often_as_may_be_and_no_more(tmp_path):
    url = lopsided(tmp_path / "tokens", 80)
    on = ground(settings(url))
    assert 7_000 < on.tokens["tiny"] < 12_000
    large = settings(url, budget=30_000, batch={"tokens": 4096, "micro": 64}, most_epochs=2)
    assert on.most(large)[0] == pytest.approx(2 * on.read["tiny"] / 30_000, rel=1e-3)
    found = swarm(large, Asked(runs=2, seed=1), tmp_path / "at", here)
    assert not found.failed
    assert any(one.job.weights["tiny"] > 0 for one in found.done)
    assert all(one.trained.get("tiny", 0) <= 2 * on.read["tiny"] + MODEL["context"] for one in found.done)


def test_domains_that_cannot_be_trained_on_or_measured_are_named(tmp_path):
    with pytest.raises(RecipeError, match=r"'tiny' holds 1 documents, and none can be held out"):
        ground(settings(lopsided(tmp_path / "one", 1)))
    long = settings(lopsided(tmp_path / "two", 2), model=MODEL | {"context": 512})
    with pytest.raises(RecipeError, match=r"'tiny' holds \d+ tokens to train on, less than one sequence of 513"):
        ground(long)
    with pytest.raises(RecipeError, match=r"held_out is 0"):
        ground(settings(long.tokens, evaluation={"held_out": 0}))
    with pytest.raises(RecipeError, match="no loss of 'wbe'; there are: tiny, web"):
        swarm(settings(long.tokens), Asked(runs=2, targets={"wbe": 1.0}), tmp_path / "at", here)


@pytest.mark.parametrize(
    "wrong",
    [
        {"runs": 0},
        {"runs": 3, "seeds": 0},
        {"runs": 3, "rounds": 2},
        {"runs": 3, "seed": -1},
        {"runs": MOST_RUNS // 2 + 1, "seeds": 2},  # no fit would take so many
    ],
)
def test_what_makes_no_swarm_is_refused(wrong):
    with pytest.raises(RecipeError, match="swarm"):
        Asked(**wrong)


# Repeating as the real run would


def passes(found, on):
    """Over each domain's tokens to train on, of each proxy."""
    return [{name: one.trained.get(name, 0) / on.read[name] for name in on.read} for one in found.done]


def test_proxies_of_a_target_budget_repeat_each_domain_as_often_as_the_real_run_would(tmp_path):
    url = lopsided(tmp_path / "tokens", 80)
    small, target = settings(url, budget=8_192, most_epochs=3), 4 * 8_192
    on = ground(small)
    found = swarm(small, Asked(runs=3, target_budget=target), tmp_path / "at", here)
    assert (found.ground.inputs, found.ground.tokens) == (on.inputs, on.tokens)
    for name, read in found.ground.read.items():
        assert read == pytest.approx(on.read[name] / 4, rel=0.03)  # of whole documents
    for one, own in zip(found.done, passes(found, found.ground), strict=True):
        for name, weight in one.job.weights.items():
            assert own[name] == pytest.approx(weight * target / on.read[name], rel=0.05, abs=0.02)
            assert own[name] < 3.02
    plain = swarm(small, Asked(runs=1), tmp_path / "plain", here)
    documents = [{name: own["documents"] for name, own in each.done[0].domains.items()} for each in (plain, found)]
    assert documents[0] == documents[1]  # all are held out still, and no other
    assert plain.done[0].domains["web"]["bytes"] == found.done[0].domains["web"]["bytes"]


def test_what_is_thinned_is_named_where_it_cannot_be(tmp_path):
    url = lopsided(tmp_path / "tokens", 12)
    with pytest.raises(RecipeError, match="larger"):
        swarm(settings(url), Asked(runs=1, target_budget=1024), tmp_path / "at", here)
    long = settings(url, model=MODEL | {"context": 128})
    ground(long)
    with pytest.raises(
        RecipeError, match=r"'tiny' holds \d+ tokens .* Of each domain 0.01 is left .* raise the proxies"
    ):
        swarm(long, Asked(runs=1, target_budget=102_400), tmp_path / "at", here)


def test_what_is_thinned_is_found_from_anywhere_and_nothing_is_written_beside_it(tmp_path, monkeypatch):
    """Proxies of a cluster start in other folders, and somebody else's manifest may name any file as its tokenizer."""
    url = byte_tokens(tmp_path / "tokens", 40)
    held = (tmp_path / "tokens" / "tokenizer.json").read_bytes()
    (tmp_path / "tokenizer.json").write_bytes(held)
    said = json.loads((tmp_path / "tokens" / "manifest.json").read_text())
    said["tokenizer"]["file"] = "../tokenizer.json"
    (tmp_path / "tokens" / "manifest.json").write_text(json.dumps(said))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = Path(thinned(url, 1, 2, 0.1, Path("at")))
    assert found.is_absolute()
    assert found.is_file()
    assert sorted(path.name for path in (tmp_path / "here" / "at").iterdir()) == [found.parent.name]


def test_a_domain_of_too_long_documents_for_its_target_budget_is_named(tmp_path):
    """A quarter of two documents to train on is one of them, half of all."""
    url = lopsided(tmp_path / "tokens", 3)
    with pytest.raises(RecipeError, match=r"of domain 'tiny' .* repeat it less than the real run. Raise the proxies"):
        swarm(settings(url, budget=4096), Asked(runs=1, target_budget=4096 * 5), tmp_path / "at", here)
