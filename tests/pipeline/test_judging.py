"""`winnow mix judge` on real tokens: what is refused before anything is trained, what failed, and the page."""

import io
import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from byte_tokens import byte_tokens, text_tokens
from rich.console import Console

from corpus.errors import RecipeError, ShardError
from mixtures.baselines import Proportional, Static, Uniform
from mixtures.inventory import Inventory, inventory
from mixtures.judge.measured import Measured
from mixtures.mixture import Mixture
from mixtures.proxies import judging
from pipeline.judging import judge, loaded, looking, proxies_in
from pipeline.outcome import dumped
from pipeline.report.judged import against, show_judged
from pipeline.report.judged_page import page_of
from tests.e2e.test_json import fits
from trainer.jobs.job import RESULT
from trainer.jobs.workers import Done
from trainer.monitoring.lines import told

SMALL = (
    *("model.layers=2", "model.width=16", "model.heads=2", "model.ffn_width=32", "model.context=32"),
    *("budget=2048", "batch.tokens=512", "most_epochs=1000", "device=cpu", "optimizer.rate=0.01"),
)


@dataclass
class Place:
    """Tokens with mixtures for them."""

    url: str
    held: Inventory
    files: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self):
        return self.url.rpartition("/")[0]

    def add(self, name, mixture):
        self.files[name] = f"{self.folder}/{name}.json"
        mixture.save(self.files[name])
        return self.files[name]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Three domains; one of two documents."""
    url = byte_tokens(tmp_path_factory.mktemp("tokens"), documents=60)
    found = Place(url, inventory(url))
    found.add("even", Uniform().mix(found.held))
    found.add("code-first", Static(weights={"code": 0.9, "web": 0.1}).mix(found.held, 40_000))
    found.add("all", Proportional().mix(found.held))
    return found


def ended(place, at, files, seeds, losses, overrides=SMALL, **changes):
    """Results of all proxies, as workers leave them: bits a byte by mixture, seed and domain, or why there are none."""
    settings = looking(place.folder, str(at), overrides)
    weights = {name: one.mixture.weights for name, one in loaded(files).items()}
    for (name, seed), one in judging.proxies(settings, weights, range(seeds)).items():
        folder = proxies_in(at, place.held) / one.name
        folder.mkdir(parents=True, exist_ok=True)
        own = losses(name, seed)
        said = {"why": own} if isinstance(own, str) else result(own, settings.budget) | changes
        (folder / RESULT).write_text(json.dumps(said | {"seconds": 1.5}))
        (folder / "metrics.jsonl").write_text("".join(lines(own)))


def result(own, budget):
    domains = {
        domain: {"documents": 3, "tokens": 9, "nats": 9.0, "text_tokens": 6, "text_nats": 9.0, "bytes": 7}
        | {"loss": 2 * bits, "perplexity": 9.0, "bits_per_byte": bits}
        for domain, bits in own.items()
    }
    return {"loss": 1.0, "steps": 4, "tokens": budget, "weights": "0" * 32, "domains": domains, "trained": {}}


def lines(own):
    """Of metrics.jsonl: a training loss by domain, then held-out documents, of three steps."""
    for step in (1, 2, 3) if isinstance(own, dict) else ():
        found = {domain: {"bits_per_byte": bits + 3 - step, "loss": bits} for domain, bits in own.items()}
        measure = {"step": step, "loss": 4.0, "mean_loss": 4.0, "domains": dict.fromkeys(own, 4.5 - step)}
        yield json.dumps(measure) + "\n" + json.dumps({"step": step, "held_out": found}) + "\n"


def planted(name, seed):
    """code-first is best in code by far, even overall; seeds move all alike."""
    own = {"code-first": (1.0, 3.0), "even": (1.5, 2.0), "all": (1.5, 2.0)}[name]
    jitter = np.random.default_rng([seed, len(name)]).normal(0, 1e-4, 2)
    return {domain: float(bits + 0.1 * seed + e) for domain, bits, e in zip(("code", "web"), own, jitter, strict=True)}


def shown(facts):
    """What the terminal shows."""
    console = Console(width=120, record=True, file=io.StringIO())
    show_judged(facts, console)
    return console.export_text()


# Names


def test_a_mixture_is_called_by_its_file_and_where_files_clash_by_its_method(place, tmp_path):
    files = list(place.files.values())
    assert list(loaded(files)) == list(loaded(files[::-1])) == ["all", "code-first", "even"]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    Uniform().mix(place.held).save(str(tmp_path / "a" / "mixture.json"))
    Proportional().mix(place.held).save(str(tmp_path / "b" / "mixture.json"))
    two = [str(tmp_path / name / "mixture.json") for name in ("a", "b")]
    assert list(loaded(two)) == ["proportional", "uniform"]
    Uniform().mix(place.held, 1000).save(two[1])
    with pytest.raises(RecipeError, match=r"called mixture, .* \(uniform, uniform\)\. .* names of their own"):
        loaded(two)


# Refusals, all before anything is trained


def test_what_cannot_be_compared_is_refused_and_nothing_is_trained(place, tmp_path):
    others = byte_tokens(tmp_path / "others", documents=9)
    other, bucketed, wrong = (str(tmp_path / name) for name in ("other.json", "bucketed.json", "wrong.json"))
    Uniform().mix(inventory(others)).save(other)
    Mixture.of("uniform", {}, {"low": 1.0}, place.held._replace(tokens={"low": 9}), None).save(bucketed)
    (tmp_path / "wrong.json").write_text("[]")
    even = place.files["even"]

    def refused(match, *files, error=RecipeError, settings=SMALL, **options):
        with pytest.raises(error, match=match):
            judge(place.folder, files, str(tmp_path / "judge"), overrides=settings, **options)

    two = (even, place.files["all"])
    refused("1 mixture to compare; give 2 to 64", even)
    refused(r"other: made for the tokens of a manifest with the hash .* make it anew", even, other)
    refused("bucketed: its domains are low; those of the tokens are code, web", even, bucketed)
    refused("not a mixture", even, wrong, error=ShardError)
    refused("no mixture there", even, str(tmp_path / "none.json"), error=ShardError)
    refused("--baseline best: no mixture of that name; there are: all, even", *two, baseline="best")
    refused("--target: 'books' has no held-out documents to measure; there are: code, web", *two, target="books=1")
    refused("evaluation.held_out is 0", *two, settings=(*SMALL, "evaluation.held_out=0"))
    refused("all: its proxies cannot be trained: domain 'code' .* passes", *two, settings=(*SMALL, "most_epochs=0.01"))
    refused("fewer|less than one sequence", *two, settings=(*SMALL, "model.context=65536", "batch.tokens=65536"))
    refused("'grid' is not known", *two, engine="grid")
    refused("a page ends in .html", *two, html=str(tmp_path / "page"))
    assert not list((tmp_path / "judge").glob("*"))


def test_tokens_without_held_out_documents_are_refused(tmp_path):
    place = Place(url := byte_tokens(tmp_path / "tokens", documents=1, domains=("one",)), inventory(url))
    files = [place.add(name, Uniform().mix(place.held)) for name in "ab"]
    with pytest.raises(RecipeError, match="a domain needs two documents"):
        judge(place.folder, files, str(tmp_path / "judge"), overrides=SMALL)


# Proxies


def test_trajectories_are_looked_at_ten_times_unless_settings_say_otherwise(place, tmp_path):
    settings = looking(place.folder, str(tmp_path), (*SMALL, "budget=51200"))
    assert (settings.evaluation.every, settings.monitoring.every) == (10, 10)
    assert settings.mixture is None
    assert looking(place.folder, str(tmp_path), SMALL).evaluation.every == 1  # of 4 steps
    assert looking(place.folder, str(tmp_path), (*SMALL, "evaluation.every=0")).evaluation.every == 0


def test_proxies_of_one_seed_differ_in_their_mixture_alone_and_equal_mixtures_share_them(place, tmp_path):
    settings = looking(place.folder, str(tmp_path), SMALL)
    weights = {"a": {"code": 0.5, "web": 0.5}, "b": {"web": 0.5, "code": 0.5}, "c": {"code": 0.25, "web": 0.75}}
    found = judging.proxies(settings, weights, range(3))
    assert len(found) == 9
    assert len({one.name for one in found.values()}) == 6
    for seed in range(3):
        assert found["a", seed].name == found["b", seed].name
        same = [found[name, seed].settings.model_copy(update={"mixture": None}) for name in "ac"]
        assert same[0] == same[1] == settings.model_copy(update={"seed": seed})
    asked = []

    def train(folder, jobs, told):
        asked.extend(jobs)
        return [Done(job, None, 0, 0.0, "it diverged") for job in jobs]

    tried = judging.tried(found, tmp_path, train, lambda one: None)
    assert len(asked) == 6
    assert [one.run.why for one in tried] == ["it diverged"] * 9
    assert Measured.of([one.run for one in tried]).failed.keys() == found.keys()


# The whole, of proxies that are trained already


def test_the_verdict_is_written_whole_and_is_the_same_again(place, tmp_path):
    files = list(place.files.values())
    ended(place, tmp_path / "judge", files, 3, planted)
    options = {"overrides": SMALL, "baseline": "all", "html": str(tmp_path / "page.html")}
    facts = judge(place.folder, files, str(tmp_path / "judge"), **options)
    assert sorted(facts["leaders"]) == ["all", "even"]
    assert facts["best"] is None
    assert facts["verdict"][0].endswith("At least one is better than code-first.")
    assert facts["verdict"][1] == "Beside the baseline all: worse: code-first; no significant difference: even."
    assert facts["domains"]["code"]["winner"] == "code-first"
    assert facts["domains"]["web"]["winner"] is None
    assert facts["unit"] == "bits a byte"
    assert facts["target"] == {"code": 0.5, "web": 0.5}
    assert facts["seconds"] == {"all": 4.5, "code-first": 4.5, "even": 4.5}
    one = facts["mixtures"]["code-first"]
    assert one["epochs"]["code"] == pytest.approx(0.9 * 40_000 / place.held.tokens["code"])
    assert one["proxy_epochs"]["code"] == pytest.approx(0.9 * 2048 / place.held.tokens["code"])
    assert [proxy["mean"] for proxy in one["proxies"]] == pytest.approx([2.0, 2.1, 2.2], abs=1e-3)
    written = (tmp_path / "judge" / "judged.json").read_bytes()
    again = judge(place.folder, files[::-1], str(tmp_path / "judge"), **options)
    assert (tmp_path / "judge" / "judged.json").read_bytes() == written
    assert dumped(again) == dumped(facts)
    said = json.loads(written)
    assert said == {key: value for key, value in facts.items() if key not in ("judged", "html", "seconds")}
    assert "seconds" not in {key for key in said if key != "search"}
    assert place.folder not in written.decode()  # the same tokens elsewhere, the same bytes
    other = judge(place.folder, files, str(tmp_path / "judge"), **options, target="code=1")
    assert other["best"] == "code-first"
    fits(json.loads(dumped(facts)), "judge")


def test_other_tokens_in_the_same_place_are_not_judged_by_proxies_of_before(tmp_path):
    """Uniform weights of the same domains are the same settings: what was trained on tokens that are gone is not."""
    found, asked = [], []
    for documents in (60, 50):
        url = byte_tokens(tmp_path / "tokens", documents=documents)
        place = Place(url, inventory(url))
        weights = {"even": Uniform().mix(place.held).weights}
        jobs = judging.proxies(looking(place.folder, str(tmp_path), SMALL), weights, [0])
        found.append(place.held.inputs)
        asked.append(proxies_in(tmp_path, place.held) / jobs["even", 0].name)
    assert found[0] != found[1]
    assert asked[0].name == asked[1].name
    assert asked[0] != asked[1]


def test_the_page_holds_the_figures_and_fetches_and_believes_nothing(place, tmp_path):
    files = [
        *place.files.values(),
        place.add("<script>[red]", Static(weights={"code": 0.3, "web": 0.7}).mix(place.held)),
    ]
    place.files.popitem()
    known = {"<script>[red]": "even"}
    ended(place, tmp_path / "judge", files, 2, lambda name, seed: planted(known.get(name, name), seed))
    html = tmp_path / "page.html"
    facts = judge(place.folder, files, str(tmp_path / "judge"), overrides=SMALL, seeds=2, html=str(html))
    page = html.read_text()
    assert "<script>[red]" not in page
    assert "<script>[red]" in shown(facts)
    assert "default-src 'none'" in page
    for one in facts["ranking"]:
        assert f"<td>{one['mean']:.4f}</td>" in page
    for title in ("Weights, beside", "Ranking by the target", "Which is best where", "Weights and passes", "Cost"):
        assert title in page
    assert "Held-out documents over steps: code" in page
    for domain in facts["domains"].values():
        for one in domain["pairs"]:
            best = facts["ranking"][0]["mixture"]
            turned = against(domain["pairs"], one["mixture"], best) or against(domain["pairs"], one["against"], best)
            assert f"<td>{turned['difference']:+.4f} (" in page
    assert "Training loss by domain: even" in page


def test_failed_proxies_are_named_on_the_terminal_and_on_the_page(place, tmp_path):
    files = [place.files[name] for name in ("even", "all")]
    gone = {("all", 1): "gradients were not finite for 11 steps"}
    ended(place, tmp_path / "judge", files, 3, lambda name, seed: gone.get((name, seed)) or planted(name, seed))
    facts = judge(place.folder, files, str(tmp_path / "judge"), overrides=SMALL, html=str(tmp_path / "page.html"))
    assert facts["failed"] == [{"mixture": "all", "seed": 1, "why": gone["all", 1]}]
    assert facts["seeds_of_means"] == [0, 2]
    assert {one["pairs"] for one in facts["pairs"]} == {2}
    assert gone["all", 1] in (tmp_path / "page.html").read_text()
    text = shown(facts)
    assert f"all, seed 1: left out, {gone['all', 1]}" in text
    assert "No significant difference between" in text
    proxy = facts["mixtures"]["all"]["proxies"][1]
    assert proxy == {"seed": 1, "tokens": 0, "losses": {}, "mean": None, "why": gone["all", 1]}


def test_with_one_seed_or_none_left_it_is_said_and_a_page_is_still_made(place, tmp_path):
    files = [place.files[name] for name in ("even", "all")]
    ended(place, tmp_path / "judge", files, 1, planted)
    facts = judge(place.folder, files, str(tmp_path / "judge"), overrides=SMALL, seeds=1)
    assert facts["verdict"][0].startswith("No verdict")
    assert facts["pairs"] == []
    assert [one["low"] for one in facts["ranking"]] == [None, None]
    ended(place, tmp_path / "judge", files, 1, lambda name, seed: "it diverged")
    facts = judge(place.folder, files, str(tmp_path / "judge"), overrides=SMALL, seeds=1, html=str(tmp_path / "0.html"))
    assert facts["verdict"][0].startswith("No verdict")
    assert facts["ranking"] == []
    assert facts["domains"] == {}
    assert "No verdict" in shown(facts)
    assert page_of(facts, {}).startswith("<!doctype html>")


def test_what_a_search_cost_is_told_where_its_evidence_says(place, tmp_path):
    paid = Uniform().mix(place.held).model_copy(update={"settings": {"evidence": {"cost": {"flops": 2e9}}}})
    odd = (
        Proportional()
        .mix(place.held)
        .model_copy(update={"settings": {"evidence": {"cost": {"flops": "<b>", "seconds": -1}}}})
    )
    files = [place.add("paid", paid), place.add("odd", odd)]
    for name in ("paid", "odd"):
        del place.files[name]
    ended(place, tmp_path / "judge", files, 2, lambda name, seed: planted("even", seed))
    facts = judge(place.folder, files, str(tmp_path / "judge"), overrides=SMALL, seeds=2)
    assert facts["mixtures"]["paid"]["search"] == {"flops": 2e9, "seconds": None}
    assert facts["mixtures"]["odd"]["search"] == {"flops": None, "seconds": None}
    assert not any("better than each" in line for line in facts["verdict"])


# Trained


def languages(at):
    """Two domains whose words share no letter, and one of a single document."""
    chance, texts = np.random.default_rng(0), {}
    for domain, words, documents in (("code", ("if", "def"), 90), ("note", ("lone",), 1), ("web", ("cat", "pony"), 90)):
        texts[domain] = [" ".join(chance.choice(words, 60)) for _ in range(documents)]
    url = text_tokens(at, texts)
    return Place(url, inventory(url))


@pytest.mark.slow
def test_a_mixture_without_a_domain_is_worse_there_and_what_is_trained_stays_trained(tmp_path):
    place, at = languages(tmp_path / "tokens"), tmp_path / "judge"
    half = {"code": 0.5, "web": 0.5, "note": 0.0}
    files = [
        place.add("half", Static(weights=half).mix(place.held)),
        place.add("same", Static(weights=half).mix(place.held, 2_000)),
        place.add("code", Static(weights={"code": 1.0, "web": 0.0, "note": 0.0}).mix(place.held)),
    ]
    options = {"overrides": (*SMALL, "budget=30720"), "workers": 1, "html": str(tmp_path / "page.html")}
    facts = judge(place.folder, files, str(at), **options)
    proxies = sorted(proxies_in(at, place.held).iterdir())
    assert len(proxies) == 6  # half and same share theirs
    assert facts["leaders"] == ["half", "same"]
    assert facts["verdict"] == ["No significant difference between half, same. At least one is better than code."]
    assert {one["difference"] for one in facts["pairs"] if one["against"] != "code"} == {0.0}
    assert "note has no held-out documents: it is in no figure here" in facts["notes"]
    assert facts["domains"].keys() == facts["target"].keys() == {"code", "web"}
    looks = told(proxies[0] / "metrics.jsonl").held_out
    assert list(looks) == [6, 12, 18, 24, 30, 36, 42, 48, 54, 60]
    before = {path: (path / RESULT).stat().st_mtime_ns for path in proxies}
    assert judge(place.folder, files, str(at), **options) == facts
    assert before == {path: (path / RESULT).stat().st_mtime_ns for path in proxies}
