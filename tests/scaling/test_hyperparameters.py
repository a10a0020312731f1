"""Batch and learning-rate laws against what their papers print, the critical batch, and the ramp's bookkeeping."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling import hyperparameters as laws
from scaling.errors import LawError
from scaling.table import LAWS

FLOPS = st.floats(17, 26).map(lambda power: 10**power)


@pytest.mark.parametrize(
    ("flops", "rate", "batch"),
    # DeepSeek LLM 2024, table 2: 7 B and 67 B on 2 T tokens; 2,304 and 4,608 sequences of 4,096. Rounded there to 3 %.
    [(6 * 6.9e9 * 2e12, 4.2e-4, 2304 * 4096), (6 * 67e9 * 2e12, 3.2e-4, 4608 * 4096)],
)
def test_deepseeks_laws_give_deepseeks_runs(flops, rate, batch):
    assert laws.deepseek_learning_rate(flops) == pytest.approx(rate, rel=0.03)
    assert laws.deepseek_batch(flops) == pytest.approx(batch, rel=0.04)


@given(FLOPS)
def test_deepseeks_model_and_data_spend_the_compute(flops):
    # Equation 4: the exponents sum to 1 and the factors multiply to 1.0001.
    assert laws.deepseek_flops_per_token(flops) * laws.deepseek_tokens(flops) == pytest.approx(flops, rel=3e-4)


@given(FLOPS, st.floats(2, 100))
def test_deepseeks_exponents(flops, times):
    assert laws.deepseek_learning_rate(flops * times) / laws.deepseek_learning_rate(flops) == pytest.approx(
        times**-0.1250
    )
    assert laws.deepseek_batch(flops * times) / laws.deepseek_batch(flops) == pytest.approx(times**0.3271)


def test_the_step_law_is_the_mean_of_the_released_bootstraps(data):
    """At 1 B parameters and 100 B tokens within 2 %, what rounding of constants leaves; exponents within 0.5 %."""
    found = json.loads((data / "scaling" / "published_fits.json").read_text())["steplaw2025"]
    rate, batch = found["lr"], found["batch"]
    expected = rate["exp_intercept"] * 1e9 ** rate["N"] * 1e11 ** rate["D"]
    assert laws.step_law_learning_rate(1e9, 1e11) == pytest.approx(expected, rel=0.02)
    assert laws.step_law_batch(1e11) == pytest.approx(batch["exp_intercept"] * 1e11 ** batch["D"], rel=0.005)
    by_params = math.log10(laws.step_law_learning_rate(1e10, 1e11) / laws.step_law_learning_rate(1e9, 1e11))
    by_tokens = math.log10(laws.step_law_learning_rate(1e9, 1e12) / laws.step_law_learning_rate(1e9, 1e11))
    assert (by_params, by_tokens) == (pytest.approx(rate["N"], rel=0.005), pytest.approx(rate["D"], rel=0.005))


def test_the_step_law_without_the_data():
    # Li et al. 2025, equation 1, by hand: 1.79 * 10^(9 * -0.713 + 11 * 0.307) and 0.58 * 10^(11 * 0.571).
    assert laws.step_law_learning_rate(1e9, 1e11) == pytest.approx(1.79 * 10**-3.040, rel=1e-9)
    assert laws.step_law_batch(1e11) == pytest.approx(0.58 * 10**6.281, rel=1e-9)


@pytest.mark.parametrize(("loss", "batch"), [(3, 1.07e6), (2, 7.37e6)])
def test_kaplans_critical_batch(loss, batch):
    assert laws.critical_batch(loss) == pytest.approx(batch, rel=0.005)  # Kaplan et al. 2020, equation 1.4


@given(st.floats(1e3, 1e9), st.floats(1e3, 1e9))
def test_tokens_and_steps_trade_on_mccandlishs_hyperbola(batch, critical):
    # McCandlish et al. 2018, equation 2.11.
    assert (laws.more_steps(batch, critical) - 1) * (laws.more_tokens(batch, critical) - 1) == pytest.approx(1)


def test_at_twice_the_critical_batch_a_run_takes_three_times_the_tokens():
    assert (laws.more_tokens(2e6, 1e6), laws.more_steps(2e6, 1e6)) == (3.0, 1.5)


@given(st.floats(1, 1e9))
def test_a_rounded_batch_is_the_nearest_power_of_two(batch):
    rounded = laws.round_batch(batch)
    assert rounded & (rounded - 1) == 0
    assert 2**-0.51 <= rounded / batch <= 2**0.51


@given(
    st.sampled_from(list(LAWS.values())),
    st.floats(7, 12).map(lambda power: 10**power),
    st.floats(8, 14).map(lambda power: 10**power),
    st.integers(1, 1 << 25),
)
def test_a_ramp_grows_covers_the_run_and_stays_below_critical(law, params, tokens, batch):
    stretches = laws.ramp(law, params, tokens, batch)
    assert stretches[0].from_tokens == 0
    at = 0.0
    for stretch in stretches:
        assert stretch.from_tokens == at
        at += stretch.steps * stretch.batch_tokens
    assert tokens <= at < tokens + max(stretch.batch_tokens for stretch in stretches)
    sizes = [stretch.batch_tokens for stretch in stretches]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] <= batch
    for stretch in stretches[1:]:
        assert laws.critical_batch(law.loss(params, max(stretch.from_tokens, 1e5))) >= 0.95 * stretch.batch_tokens


def test_a_batch_that_critical_never_reaches_is_never_used():
    stretches = laws.ramp(LAWS["besiroglu2024"], 1e7, 1e11, 1 << 24)
    assert stretches[-1].batch_tokens < laws.critical_batch(LAWS["besiroglu2024"].loss(1e7, 1e11)) < 1 << 24


@pytest.mark.parametrize("batch", [0, -1, float("nan")])
def test_a_batch_of_nothing_is_refused(batch):
    with pytest.raises(LawError, match="batch is"):
        laws.more_tokens(batch, 1e6)
