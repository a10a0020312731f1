"""`winnow mix swarm`: proxies are told as `winnow train` is, pools agree, and what it writes is what fits read."""

import json
from types import SimpleNamespace

import pytest
import torch
from byte_tokens import byte_tokens
from typer.testing import CliRunner

from corpus.errors import RecipeError
from corpus.manifest import digest
from mixtures.proxies.swarm import RUNS, SWARM
from pipeline import mixing, swarming
from pipeline.cli import app
from pipeline.pools import pool

torch.set_num_threads(1)

SMALL = ("model.layers=1", "model.width=16", "model.heads=2", "model.ffn_width=16", "model.context=16")
RUN = (*SMALL, "budget=2K", "batch.tokens=256", "optimizer.rate=0.01")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return str(byte_tokens(tmp_path_factory.mktemp("tokens"), documents=60)).rpartition("/")[0]


def found(tokens, out, **changes):
    asked = {"runs": 3, "seed": 0, "seeds": 1, "rounds": 1, "target": None, "target_budget": None}
    asked |= {"engine": "local", "address": None, "workers": 2}
    return swarming.swarm(tokens, str(out), RUN, **(asked | changes))


def test_what_nobody_said_suits_small_runs_and_what_was_said_stays(tokens, tmp_path):
    (tmp_path / "r.yaml").write_text(
        f"train: {{tokens: {tokens}, model: {{depth: 1}}, evaluation: {{held_out: 0.2}}, stability: {{clip: 0.5}}}}"
    )
    made = swarming.proxy_settings(str(tmp_path / "r.yaml"), str(tmp_path / "at"), ["checkpoints.keep=2"])
    assert made.evaluation.held_out == 0.2
    assert (made.stability.clip, made.stability.spikes) == (0.5, False)
    assert (made.checkpoints.keep, made.checkpoints.asynchronous) == (2, False)
    assert made.evaluation.every == 0
    assert made.device in ("cpu", "cuda")
    assert swarming.proxy_settings(tokens, "at", SMALL).evaluation.held_out == 0.02


def test_a_mixture_beside_the_tokens_and_a_seed_are_not_those_of_proxies(tmp_path):
    url = byte_tokens(tmp_path)
    mixture = {"inputs": digest((tmp_path / "manifest.json").read_bytes()), "weights": {"web": 1.0}, "budget": 1234}
    (tmp_path / "mixture.json").write_text(json.dumps(mixture))
    made = swarming.proxy_settings(url, "at", ["seed=3", *SMALL])
    assert (made.mixture, made.seed, made.budget) == (None, 0, 1234)


def test_weights_that_change_on_the_way_are_refused_before_anything_is_trained(tokens):
    odm = [*SMALL, "online.method=odm"]
    with pytest.raises(RecipeError, match=r"train\.online: .* --set online=null"):
        swarming.proxy_settings(tokens, "at", odm)
    assert swarming.proxy_settings(tokens, "at", [*odm, "online=null"]).online is None


def test_why_a_proxy_failed_is_safe_to_look_at(capsys):
    swarming.told(SimpleNamespace(loss=None, why="no\x1b[2J loss\nof it", job=SimpleNamespace(run="s0-0001")))
    assert capsys.readouterr().err == "winnow: s0-0001: no\\x1b[2J loss of it\n"


def test_pools_that_there_are_not_are_refused():
    with pytest.raises(RecipeError, match="'spark' is not known; one of: local, ray"), pool("spark"):
        pass
    with pytest.raises(RecipeError, match="--engine ray"), pool("local", address="head:6379"):
        pass


def test_an_object_store_is_no_place_for_proxies(tokens):
    with pytest.raises(RecipeError, match="mounted disk"):
        found(tokens, "s3://bucket/swarm")


def typed(*words):
    return CliRunner().invoke(app, ["mix", *words])


def test_the_group_takes_a_method_or_a_command_of_its_own(tokens):
    for name in ("swarm", "METHOD"):
        assert f"  {name} " in typed("--help").output
    assert "--tau" in typed("unimax", "--help").output
    assert "--rounds" in typed("swarm", "--help").output
    for words in (
        ("uniform", tokens, "--json"),
        ("--json", "uniform", tokens),
        ("METHOD", "uniform", tokens, "--json"),
    ):
        assert json.loads(typed(*words).stdout)["weights"] == {"code": 0.5, "web": 0.5}
    assert "'swrm' is no method" in str(typed("swrm", tokens).exception)
    assert typed().exit_code == 2


@pytest.mark.slow
def test_a_swarm_on_processes_is_what_regmix_reads(tokens, tmp_path):
    facts = found(tokens, tmp_path / "swarm", runs=10)
    assert facts["proxies"] == 10
    assert facts["failed"] == {}
    assert facts["unit"] == "bits a byte"
    assert [one["loss"] for one in facts["best"]] == sorted(one["loss"] for one in facts["best"])
    told = json.loads((tmp_path / "swarm" / SWARM).read_text())
    assert told["inputs"] == facts["inputs"]
    mixture = mixing.mixed("regmix", facts["tokens"], None, None, False, runs=(facts["runs"],))
    assert mixture["settings"]["evidence"]["runs"] == 10
    assert mixture["inputs"] == facts["inputs"]
    code = [one["weights"]["code"] for one in found(tokens, tmp_path / "swarm", runs=10, target="web")["best"]]
    assert len(code) == swarming.BEST


@pytest.mark.slow
@pytest.mark.ray
def test_a_swarm_on_ray_writes_the_same_bytes(tokens, tmp_path):
    for engine in ("local", "ray"):
        found(tokens, tmp_path / engine, runs=2, engine=engine, workers=1)
    for name in (RUNS, SWARM):
        assert (tmp_path / "local" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes()
