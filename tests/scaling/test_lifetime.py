"""The cheapest model over its life: Sardana's table, with their constants only, and the equation it must solve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import LawError
from scaling.lifetime import Prices, lifetime
from scaling.table import LAWS

SARDANA = LAWS["sardana2024"]
PRICES = Prices(
    dollars_per_gpu_hour=2, peak_flops=312e12, train_mfu=0.5, prefill_mfu=0.5, decode_mfu=0.01, output_share=0.75
)


def quality(law, params):
    """The loss of a compute-optimal model of that size: what Sardana et al. call a 13B-quality model."""
    return law.loss(params, law.tokens_for(params))


@pytest.mark.parametrize(
    ("size", "demand", "params", "tokens", "saved"),
    # Sardana et al. 2024, arXiv 2401.00448: 6 B on 1.18 times the tokens; 7 B, 17 %, 1.7e22 FLOPs; 13.6 B on 2.84
    # times the tokens, 28 %; 41.6 B on 7.92 T; 1.3 %. The digits are those of the solved equation.
    [
        (7e9, 1e11, 6.000e9, 325.0e9, 0.0085),
        (13e9, 2e12, 6.969e9, 1.248e12, 0.1745),
        (30e9, 1e13, 13.61e9, 4.426e12, 0.2798),
        (70e9, 1e13, 41.55e9, 7.923e12, 0.1195),
        (70e9, 2e12, 57.92e9, 5.203e12, 0.0131),
    ],
)
def test_sardanas_table_comes_out_with_their_constants(size, demand, params, tokens, saved):
    best = lifetime(SARDANA, quality(SARDANA, size), demand)
    assert best.optimal_params == pytest.approx(size, rel=1e-6)
    assert best.params == pytest.approx(params, rel=0.005)
    assert best.tokens == pytest.approx(tokens, rel=0.005)
    assert best.saved_share == pytest.approx(saved, abs=0.0005)


def test_the_13b_example_saves_1_7e22_flops_on_2_17_times_the_tokens():
    best = lifetime(SARDANA, quality(SARDANA, 13e9), 2e12)
    assert best.saved == pytest.approx(1.69e22, rel=0.005)
    assert best.tokens / best.optimal_tokens == pytest.approx(2.165, rel=0.005)
    assert best.unit == "FLOPs"


def test_with_rounded_exponents_the_papers_17_percent_is_10():
    law = LAWS["hoffmann2022_rounded"]
    assert lifetime(law, quality(law, 13e9), 2e12).saved_share == pytest.approx(0.10, abs=0.01)


@given(
    st.sampled_from(["hoffmann2022", "besiroglu2024", "sardana2024", "gadre2024"]),
    st.floats(9, 11.5).map(lambda power: 10**power),
    st.floats(10, 14).map(lambda power: 10**power),
)
def test_the_first_order_condition_holds_at_the_least(name, size, demand):
    """Elasticities of the loss by N and D stand as 1 + D_inf / (3 D): Lagrange's condition."""
    law = LAWS[name]
    best = lifetime(law, quality(law, size), demand)
    by_params = law.alpha * law.A * best.params**-law.alpha
    by_tokens = law.beta * law.B * best.tokens**-law.beta
    assert by_params / by_tokens == pytest.approx(1 + demand / (3 * best.tokens), rel=1e-3)
    assert law.loss(best.params, best.tokens) == pytest.approx(best.loss, rel=1e-9)
    assert best.params < best.optimal_params
    assert best.tokens > best.optimal_tokens
    assert 0 < best.saved_share < 1


@given(st.floats(10, 13).map(lambda power: 10**power), st.floats(1.5, 100))
def test_more_demand_asks_for_a_smaller_model_and_saves_more(demand, times):
    loss = quality(SARDANA, 13e9)
    some, more = lifetime(SARDANA, loss, demand), lifetime(SARDANA, loss, demand * times)
    assert more.params < some.params
    assert more.saved_share > some.saved_share


def test_dear_decoding_asks_for_a_smaller_model_in_dollars_than_in_flops():
    loss = quality(SARDANA, 70e9)
    flops, dollars = lifetime(SARDANA, loss, 2e12), lifetime(SARDANA, loss, 2e12, PRICES)
    assert dollars.unit == "dollars"
    assert dollars.params < flops.params
    assert dollars.saved_share > 10 * flops.saved_share
    hours = 6 * dollars.params * dollars.tokens / (312e12 * 0.5) / 3600
    assert dollars.train_cost == pytest.approx(2 * hours, rel=1e-9)


def test_equal_use_of_the_peak_gives_the_plan_of_the_flops():
    even = Prices(
        dollars_per_gpu_hour=2, peak_flops=312e12, train_mfu=0.4, prefill_mfu=0.4, decode_mfu=0.4, output_share=0.3
    )
    loss = quality(SARDANA, 13e9)
    flops, dollars = lifetime(SARDANA, loss, 2e12), lifetime(SARDANA, loss, 2e12, even)
    assert dollars.params == pytest.approx(flops.params, rel=1e-6)
    assert dollars.cost == pytest.approx(flops.cost * 2 / 3600 / 312e12 / 0.4, rel=1e-9)


@pytest.mark.parametrize("name", ["train_mfu", "prefill_mfu", "decode_mfu"])
@pytest.mark.parametrize("value", [0, 40, -0.1, float("nan")])
def test_a_share_of_peak_in_percent_is_refused(name, value):
    with pytest.raises(LawError, match=name):
        Prices(
            **{
                "dollars_per_gpu_hour": 2,
                "peak_flops": 1e15,
                "train_mfu": 0.4,
                "prefill_mfu": 0.4,
                "decode_mfu": 0.1,
                "output_share": 0.5,
                name: value,
            }
        )


def test_a_loss_below_the_floor_is_refused():
    with pytest.raises(LawError, match="never goes below"):
        lifetime(SARDANA, 1.6, 2e12)


def test_kaplans_law_serves_too():
    law = LAWS["kaplan2020"]
    best = lifetime(law, law.optimal(1e21).loss, 1e13)
    assert law.loss(best.params, best.tokens) == pytest.approx(best.loss, rel=1e-9)
