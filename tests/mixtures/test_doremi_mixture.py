"""The mixture that DoReMi's rounds end in: its weights, the caps of a budget, and what it says of itself."""

import json
from dataclasses import replace
from fractions import Fraction
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from mixtures.doremi_alarms import Alarm
from mixtures.doremi_mixture import Round, Search, mixture, tokenizer_of
from mixtures.inventory import Inventory
from mixtures.mixture import Mixture

HELD = Inventory({"books": 1_000, "code": 50_000, "web": 200_000}, "ab" * 16)
UNIFORM = dict.fromkeys(HELD.tokens, 1 / 3)


def search(**changes) -> Search:
    asked = {"rounds": 3, "step_size": 1.0, "smoothing": 1e-3, "sampling": "uniform", "first": UNIFORM}
    return Search(**(asked | {"reference": "uniform"} | changes))


def made(weights=None, **changes) -> Round:
    weights = weights or {"books": 0.5, "code": 0.3, "web": 0.2}
    own = {"reference": UNIFORM, "weights": weights, "last": weights, "moved": 0.17, "steps": 9, "gaps": {"web": 0.01}}
    return Round(**(own | {"alarms": (), "flops": 1e9, "seconds": 1.5} | changes))


def mixed(*rounds, held=HELD, asked=None, **changes) -> Mixture:
    return mixture(asked or search(), rounds, held, **({"tokenizer": "t", "sequences": 8, "seed": 3} | changes))


def test_the_last_round_is_the_answer_and_all_rounds_are_its_evidence():
    found = mixed(made({"books": 0.1, "code": 0.1, "web": 0.8}), made(moved=5e-4, alarms=(Alarm("k", "web", "why"),)))
    assert found.weights == pytest.approx({"books": 0.5, "code": 0.3, "web": 0.2}, abs=1e-9)
    assert (found.method, found.seed, found.inputs, found.capped) == ("doremi", 3, HELD.inputs, ())
    assert found.settings["reference"] == "uniform"
    evidence = found.settings["evidence"]
    assert (evidence["converged"], evidence["tokenizer"], evidence["cost"]) == (True, "t", {"flops": 2e9})
    assert [one["moved"] for one in evidence["rounds"]] == [0.17, 5e-4]
    assert evidence["rounds"][0]["window"] == 5  # the last half of 9 steps
    assert evidence["rounds"][1]["alarms"] == [{"kind": "k", "domain": "web", "what": "why"}]
    assert tokenizer_of(found) == "t"


def test_seconds_change_no_byte_and_the_file_is_a_mixture(tmp_path):
    for name, seconds in (("one", 1.0), ("other", 99.0)):
        mixed(made(seconds=seconds)).save(str(tmp_path / f"{name}.json"))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()
    assert "seconds" not in json.dumps(json.loads((tmp_path / "one.json").read_bytes()))
    assert Mixture.load(str(tmp_path / "one.json")).method == "doremi"


def test_a_budget_lowers_what_would_be_read_too_often():
    """Half of 10,000 tokens are 5 passes over the 1,000 of books; at most 4 leave .4, the others have 3 : 2 of .6."""
    found = mixed(made(), budget=10_000)
    assert found.weights == pytest.approx({"books": 0.4, "code": 0.36, "web": 0.24})
    assert (found.capped, found.epochs["books"]) == (("books",), 4.0)
    assert mixed(made(), budget=10_000, most_epochs=5.0).weights["books"] == pytest.approx(0.5)
    with pytest.raises(RecipeError, match=r"doremi: a budget of 2,000,000 .* Lower it to 1,004,000"):
        mixed(made(), budget=2_000_000)


@given(
    parts=st.lists(st.integers(0, 10**6), min_size=3, max_size=3).filter(any),
    budget=st.integers(1, 4 * 251_000),
)
def test_within_any_budget_that_can_be_had_no_cap_is_passed(parts, budget):
    weights = dict(zip(HELD.tokens, (part / sum(parts) for part in parts), strict=True))
    found = mixed(made(weights), budget=budget)
    assert fsum(found.weights.values()) == pytest.approx(1, abs=1e-12)
    for domain, weight in found.weights.items():
        assert weight * budget <= 4 * HELD.tokens[domain] * (1 + 1e-12)
        reached = Fraction(weight) * budget >= 4 * HELD.tokens[domain] * (1 - Fraction(1, 10**12))
        assert (domain in found.capped) == reached


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rounds": 0}, "rounds is 0"),
        ({"step_size": 0.0}, "step_size is 0.0"),
        ({"step_size": float("nan")}, "step_size is nan"),
        ({"smoothing": 0.0}, "smoothing is 0.0"),
        ({"smoothing": 1.0}, "smoothing is 1.0"),
        ({"sampling": "even"}, "uniform or reference"),
        ({"first": {"books": 0.0, "code": 0.5, "web": 0.5}}, "gives books no weight"),
    ],
)
def test_what_no_search_can_be_is_refused(changes, said):
    with pytest.raises(RecipeError, match=said):
        search(**changes)


def test_batches_are_of_all_domains_alike_or_as_the_reference_was():
    weights = {"books": 0.5, "code": 0.3, "web": 0.2}
    assert search().shares(weights) == pytest.approx(UNIFORM)
    assert search(sampling="reference").shares(weights) == weights


def test_the_search_itself_may_be_alarming():
    asked = replace(search(), found_with="other", same_tokens=False)
    evidence = mixed(made(), asked=asked, sequences=2).settings["evidence"]
    assert [one["kind"] for one in evidence["alarms"]] == ["tokenizer mismatch", "small batch"]
