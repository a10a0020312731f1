"""Budgets: whichever quantity is given, the plan is the same; all that follows agrees with the laws it came from."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.budget import Prices, budget
from scaling.errors import LawError
from scaling.laws import Chinchilla
from scaling.table import LAWS, REPEATED

NAMED = st.sampled_from(list(LAWS))
FLOPS = st.floats(18, 26).map(lambda power: 10**power)
DOMAINS = {"web": 4e11, "code": 3e10}
SHARES = {"web": 0.8, "code": 0.2}


@given(NAMED, FLOPS)
def test_any_one_quantity_of_a_plan_gives_the_plan_back(name, flops):
    by_flops = budget(law=name, flops=flops)
    others = (
        budget(law=name, params=by_flops.params),
        budget(law=name, tokens=by_flops.tokens),
        budget(law=name, gpu_hours=flops / (3600 * 989e12 * 0.4), peak_flops=989e12, mfu=0.4),
    )
    for other in others:
        assert (other.flops, other.params, other.tokens, other.loss) == pytest.approx(
            (flops, by_flops.params, by_flops.tokens, by_flops.loss), rel=1e-9
        )


@given(NAMED, FLOPS)
def test_a_budget_agrees_with_its_law_and_with_itself(name, flops):
    found = budget(law=name, flops=flops)
    best = LAWS[name].optimal(flops)
    assert (found.params, found.tokens, found.loss) == tuple(best)
    assert found.tokens_per_param == found.tokens / found.params
    assert found.tokens <= found.steps * found.batch_tokens < found.tokens + found.batch_tokens
    assert (found.steps, found.batch_tokens) == (found.batch.steps, found.batch.tokens)
    assert [view.law for view in found.laws] == [name, *(other for other in LAWS if other != name)]
    for view in found.laws:
        assert view.loss == LAWS[view.law].loss(found.params, found.tokens)
        assert 6 * view.params * view.tokens == pytest.approx(flops)
        assert view.law == "kaplan2020" or view.optimal_loss <= min(view.loss, view.rule20_loss) * (1 + 1e-12)
    assert found.rule20.tokens_per_param == pytest.approx(20)


def test_the_keys_people_script_against_and_plain_json():
    found = budget(flops=1e23, inference_tokens=2e12, unique_tokens=DOMAINS, shares=SHARES).as_dict()
    assert {"law", "flops", "params", "tokens", "tokens_per_param", "loss"} <= set(found)
    back = json.loads(json.dumps(found, allow_nan=False))
    assert back["law"] == "besiroglu2024"
    assert set(back["data"]["optimal"]) == {"params", "tokens", "loss"}
    assert back["data"]["supply"]["domains"][0]["name"] == "code"
    assert back["asked"] == {"flops": 1e23}


def test_the_interval_is_the_laws_and_absent_where_the_law_has_none():
    found = budget(flops=1e21)
    assert (found.loss_low, found.loss_high) == LAWS["besiroglu2024"].interval(found.params, found.tokens)
    assert found.loss_low < found.loss < found.loss_high
    assert budget(law="hoffmann2022", flops=1e21).loss_low is None


def test_a_law_of_ones_own_stands_first_among_the_named():
    own = Chinchilla(1.8, 480, 2100, 0.35, 0.36, name="ours")
    found = budget(law=own, flops=1e20)
    assert [view.law for view in found.laws] == ["ours", *LAWS]
    assert found.laws[0].extrapolation is None
    json.dumps(found.as_dict(), allow_nan=False)


def test_serving_asks_for_a_smaller_model_of_the_same_loss():
    found = budget(law="sardana2024", params=13e9, inference_tokens=2e12)
    # Sardana et al. 2024, arXiv 2401.00448: 13 B quality, 2 T tokens of demand -> 7 B, 17 %.
    assert found.inference.params == pytest.approx(6.97e9, rel=0.005)
    assert found.inference.saved_share == pytest.approx(0.174, abs=0.001)
    assert found.inference.loss == found.loss
    assert budget(law="sardana2024", params=13e9).inference is None


def test_prices_turn_serving_into_dollars():
    prices = Prices(
        dollars_per_gpu_hour=2, peak_flops=989e12, train_mfu=0.4, prefill_mfu=0.4, decode_mfu=0.02, output_share=0.7
    )
    found = budget(flops=1e22, inference_tokens=1e12, prices=prices).inference
    assert found.unit == "dollars"
    assert found.params < budget(flops=1e22, inference_tokens=1e12).inference.params


def test_a_corpus_too_small_costs_loss_and_says_which_domain_ends():
    found = budget(flops=1e23, unique_tokens=DOMAINS, shares=SHARES)
    assert found.data.supply.runs_out_first == "code"
    assert found.data.extra_loss > 0
    assert found.data.loss == found.loss + found.data.extra_loss
    # Muennighoff 2023: on scarce text the best plan is no longer the one for fresh text.
    assert found.data.optimal == REPEATED.constrained_optimal(1e23, sum(DOMAINS.values()))
    assert REPEATED.constrained_loss(found.params, found.tokens, 4.3e11) == found.data.constrained_loss
    small = budget(flops=1e23, unique_tokens={"web": 4e11, "code": 3e9}, shares=SHARES)
    assert any("code runs out after 15,000,000,000 tokens" in warning for warning in small.warnings)
    assert small.data.extra_loss > found.data.extra_loss


def test_ample_text_costs_nothing():
    found = budget(flops=1e22, unique_tokens={"web": 1e14})
    assert (found.data.extra_loss, found.data.supply.epochs < 1) == (0, True)


def test_a_corpus_without_a_plan_that_repeats_gets_no_warning_about_it():
    assert not any("runs out" in warning for warning in budget(flops=1e22, unique_tokens={"web": 1e14}).warnings)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"law": "gadre2024", "flops": 1e22}, "476 times the largest run behind gadre2024"),
        ({"law": "hoffmann2022", "flops": 1e17}, "less than a tenth of hoffmann2022's smallest run"),
        ({"law": "gadre2024", "flops": 1e20}, "tokens per parameter lie outside the 20 to 320"),
        ({"flops": 1e20, "batch_tokens": 1 << 24}, "above the critical"),
    ],
)
def test_what_lies_outside_the_evidence_is_warned_of(asked, said):
    assert any(said in warning for warning in budget(**asked).warnings)


def test_a_plan_within_the_evidence_has_no_warning():
    assert budget(flops=1e21).warnings == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "exactly one of flops, gpu_hours, params or tokens, and none"),
        ({"params": 7e9, "tokens": 2e12}, "params with tokens is a plan: compare it"),
        ({"flops": 1e23, "law": "chinchila"}, "no law 'chinchila'"),
        ({"flops": 1e23, "law": "hoffman2022"}, "did you mean 'hoffmann2022'"),
        ({"flops": -1e23}, "finite number above 0"),
        ({"flops": float("nan")}, "finite number above 0"),
        ({"flops": 1000}, "PF-days"),
        ({"params": 7}, "write 7e\\+09"),
        ({"tokens": 2000}, "write 2e\\+12"),
        ({"gpu_hours": 1e5}, "needs the device's dense peak_flops"),
        ({"gpu_hours": 1e5, "peak_flops": 989, "mfu": 0.4}, "TFLOP/s must be written out"),
        ({"gpu_hours": 1e5, "peak_flops": 989e12, "mfu": 40}, "mfu is 40"),
        ({"gpu_hours": -1, "peak_flops": 989e12, "mfu": 0.4}, "gpu_hours is -1"),
        ({"flops": 1e23, "mfu": 0.4}, "peak_flops and mfu turn gpu_hours"),
        ({"flops": 1e23, "inference_tokens": 2000}, "billions"),
        ({"flops": 1e23, "batch_tokens": 0}, "batch_tokens is 0"),
        ({"flops": 1e23, "batch_tokens": 1.5}, "whole number"),
        ({"flops": 1e23, "unique_tokens": {"web": 400}}, "billions"),
        ({"flops": 1e23, "unique_tokens": {"web": 4e11}, "shares": {"wed": 1}}, "did you mean 'web'"),
        ({"flops": 1e23, "shares": {"web": 1}}, "shares"),
        ({"flops": 1e23, "prices": 1}, "prices"),
        ({"flops": 1e23, "level": 95}, "level is 95"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_mends_it(asked, said):
    with pytest.raises(LawError, match=said):
        budget(**asked)
