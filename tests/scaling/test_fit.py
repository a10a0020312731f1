"""The parametric fit: the published data set, planted laws, intervals, and warnings about what runs cannot say."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="fitting is in the extra `scaling`")

from scaling.errors import FitError
from scaling.fit import CONSTANTS, fit_chinchilla, fit_runs, objective
from scaling.laws import Chinchilla
from scaling.runs_csv import read_runs
from scaling.table import LAWS, fitted_law

TRUTH = Chinchilla(E=1.82, A=480.0, B=2100.0, alpha=0.348, beta=0.366, name="planted")


def _runs(seed=0, noise=0.0, law=TRUTH, budgets=7):
    """Nine ratios of tokens to parameters at each budget, as (params, tokens, loss)."""
    rng = np.random.default_rng([7, seed])
    flops = np.repeat(np.geomspace(6e18, 3e21, budgets), 9)
    ratio = np.tile(np.geomspace(1, 400, 9), budgets) * np.exp(rng.normal(0, 0.2, 9 * budgets))
    params = np.sqrt(flops / 6 / ratio)
    tokens = ratio * params
    return params, tokens, law.loss(params, tokens) * np.exp(rng.normal(0, noise, len(flops)))


@pytest.fixture(scope="module")
def chinchilla(data):
    return read_runs(data / "scaling" / "chinchilla_normalised.csv", drop_highest=5)


def test_the_240_runs_reach_the_known_optimum_within_five_seconds(chinchilla):
    # Besiroglu et al. 2024: their notebook's best objective is 0.00101827413; the runs are theirs.
    began = time.perf_counter()
    fit = fit_runs(chinchilla)
    assert time.perf_counter() - began < 5
    assert fit.points == 240
    assert fit.huber_sum <= 1.01829e-3
    # The optimum at delta 1e-3, found from 4,500 starts; the published one (482.01, 2085.43) is that at delta -> 0.
    for name, value in {"A": 477.83, "B": 2143.4, "E": 1.81722, "alpha": 0.34731, "beta": 0.36717}.items():
        assert getattr(fit, name) == pytest.approx(value, rel=1e-4), name
    assert fit.warnings == ()


def test_at_a_tiny_delta_the_fit_is_the_published_one(chinchilla):
    # Besiroglu et al. 2024, table 1, as their notebook prints it: a Huber likelihood with a free scale, in effect L1.
    fit = fit_runs(chinchilla, delta=1e-6)
    for name, value in {"A": 482.00572, "B": 2085.4342, "E": 1.81686, "alpha": 0.34781, "beta": 0.36585}.items():
        assert getattr(fit, name) == pytest.approx(value, rel=2e-3), name


def test_the_published_constants_are_a_near_equal_optimum_and_hoffmanns_are_not(chinchilla):
    laws = {name: LAWS[name] for name in ("besiroglu2024", "hoffmann2022", "hoffmann2022_rounded")}
    besiroglu, unrounded, rounded = fit_runs(chinchilla, against=laws).against
    assert besiroglu.huber_sum == pytest.approx(0.00102284, rel=1e-4)  # published_fits.json, objective_at_besiroglu
    assert besiroglu.near_equal
    assert besiroglu.most_apart < 0.001
    assert not unrounded.near_equal
    assert unrounded.huber_sum == pytest.approx(0.001231, rel=1e-3)
    assert rounded.huber_sum == pytest.approx(0.00412101, rel=1e-4)  # published_fits.json, ..._at_hoffmann_rounded
    at = objective(chinchilla.params, chinchilla.tokens, chinchilla.loss, laws["besiroglu2024"])
    assert at == pytest.approx(besiroglu.huber_sum, rel=1e-12)


def test_all_245_runs_give_another_law_and_the_fit_says_which_runs_pull(data):
    # Besiroglu et al. 2024, notebook: all points in logs a 6.28204, b 9.51270, alpha .35286, beta .45596 (delta -> 0).
    fit = fit_runs(read_runs(data / "scaling" / "chinchilla_normalised.csv"))
    assert fit.huber_sum == pytest.approx(0.0018260, rel=1e-4)
    assert fit.beta == pytest.approx(0.45305, rel=1e-3)
    assert any("highest losses" in warning for warning in fit.warnings)


def test_a_hundred_bootstraps_give_the_published_spread(chinchilla):
    # Besiroglu et al. 2024: SE 124.5, 1293, .026, .015, .021, and .02 for a. 100 draws know an SE to 7 %.
    fit = fit_runs(chinchilla, bootstraps=100, against={"besiroglu2024": LAWS["besiroglu2024"]})
    assert 0.013 < fit.standard_errors["a"] < 0.027
    assert fit.standard_errors["alpha"] == pytest.approx(0.0154, rel=0.35)
    assert fit.against[0].inside
    for name in (*CONSTANTS, "a"):
        assert fit.intervals[name][0] < getattr(fit, name) < fit.intervals[name][1]
    assert any("100 bootstraps" in warning for warning in fit.warnings)


@pytest.mark.slow
def test_a_thousand_bootstraps_take_less_than_a_minute(chinchilla):
    began = time.perf_counter()
    fit = fit_runs(chinchilla, bootstraps=1000)
    assert time.perf_counter() - began < 60
    assert 0.016 <= fit.standard_errors["a"] <= 0.023


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.002, 0.01])
def test_intervals_cover_the_planted_truth_in_nine_of_ten_data_sets(noise):
    truth = {name: getattr(TRUTH, name) for name in CONSTANTS} | {"a": TRUTH.allocation.exponent}
    covered = dict.fromkeys(truth, 0)
    for seed in range(40):
        fit = fit_chinchilla(*_runs(seed, noise), bootstraps=200, seed=seed)
        for name, value in truth.items():
            covered[name] += fit.intervals[name][0] <= value <= fit.intervals[name][1]
    assert min(covered.values()) >= 36, covered


@given(
    alpha=st.floats(0.2, 0.6),
    beta=st.floats(0.2, 0.6),
    E=st.floats(0.5, 2.5),
    model=st.floats(0.2, 1.0),
    text=st.floats(0.2, 1.0),
)
@settings(max_examples=12)
def test_a_planted_law_without_noise_is_recovered(alpha, beta, E, model, text):
    law = Chinchilla(E=E, A=model * 1e9**alpha, B=text * 2e10**beta, alpha=alpha, beta=beta)
    fit = fit_chinchilla(*_runs(law=law))
    for name in CONSTANTS:
        assert getattr(fit, name) == pytest.approx(getattr(law, name), rel=0.01), name


@given(st.integers(0, 1000), st.floats(0.5, 20))
@settings(max_examples=6)
def test_the_order_of_runs_and_the_unit_of_size_do_not_matter(seed, factor):
    params, tokens, loss = _runs(seed, 0.005)
    order = np.random.default_rng(seed).permutation(len(loss))
    one = fit_chinchilla(params, tokens, loss)
    other = fit_chinchilla(params[order] * factor, tokens[order], loss[order])
    assert other.huber_sum == pytest.approx(one.huber_sum, rel=1e-6)
    assert other.alpha == pytest.approx(one.alpha, rel=1e-3)
    assert other.loss(1e9 * factor, 2e10) == pytest.approx(one.loss(1e9, 2e10), rel=1e-4)


def test_the_same_seed_gives_the_same_intervals_and_more_bootstraps_begin_with_the_same():
    runs = _runs(1, 0.005)
    few, same, more = (fit_chinchilla(*runs, bootstraps=count, seed=4) for count in (8, 8, 12))
    assert few.to_dict() == same.to_dict()
    np.testing.assert_array_equal(more.replicates[:8], few.replicates)
    assert not np.array_equal(fit_chinchilla(*runs, bootstraps=8, seed=5).replicates, few.replicates)


def test_a_fit_written_as_json_is_read_back_as_the_same_law(tmp_path):
    fit = fit_chinchilla(*_runs(2, 0.005), bootstraps=30, against={"planted": TRUTH})
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(fit.to_dict()))
    read, law = fitted_law(path), fit.law()
    assert read.constants() == law.constants()
    assert read.loss(7e9, 1e12) == pytest.approx(float(fit.loss(7e9, 1e12)), rel=1e-12)
    low, high = read.interval(7e9, 1e12)
    assert low < read.loss(7e9, 1e12) < high
    assert {"A", "B", "E", "alpha", "beta", "huber_sum", "points", "intervals", "warnings"} <= fit.to_dict().keys()


def test_a_new_runs_interval_is_wider_than_the_laws():
    fit = fit_chinchilla(*_runs(3, 0.01), bootstraps=100)
    law, run = fit.loss_interval(1e9, 2e10), fit.loss_interval(1e9, 2e10, of="run")
    assert run[0] < law[0] < fit.loss(1e9, 2e10) < law[1] < run[1]
    with pytest.raises(FitError, match="bootstraps=1000"):
        fit_chinchilla(*_runs(3, 0.01)).loss_interval(1e9, 2e10)


def test_runs_on_a_frontier_leave_the_exponents_unidentified():
    rng = np.random.default_rng(0)
    params = np.geomspace(1e8, 1e10, 12)
    tokens = 20 * params * np.exp(rng.normal(0, 0.01, 12))
    fit = fit_chinchilla(params, tokens, TRUTH.loss(params, tokens) * np.exp(rng.normal(0, 0.003, 12)))
    assert any("alpha" in text and "not identified" in text and "frontier" in text for text in fit.warnings)
    assert not any("not identified" in text for text in fit_chinchilla(*_runs(0, 0.003)).warnings)


def test_two_budgets_are_fitted_with_a_warning_and_three_without():
    assert any("only 2 compute budgets" in text for text in fit_chinchilla(*_runs(budgets=2)).warnings)
    assert not any("compute budgets" in text for text in fit_chinchilla(*_runs(budgets=3)).warnings)


def test_many_sizes_close_together_are_many_sizes():
    rng = np.random.default_rng(0)
    params, tokens = 10 ** rng.uniform(7, 10, 3000), 10 ** rng.uniform(9, 12, 3000)
    fit = fit_chinchilla(params, tokens, TRUTH.loss(params, tokens), starts=2)
    assert fit.alpha == pytest.approx(TRUTH.alpha, rel=0.001)


def test_runs_that_do_not_improve_with_size_are_fitted_with_a_warning():
    params, tokens, _ = _runs()
    fit = fit_chinchilla(params, tokens, 3.0 + 0.01 * np.random.default_rng(0).normal(size=len(params)))
    assert any("not identified" in text or "end of its range" in text for text in fit.warnings)
    assert fit.loss(1e9, 2e10) == pytest.approx(3.0, rel=0.01)


def test_plans_beyond_the_runs_are_called_extrapolations():
    fit = fit_chinchilla(*_runs())
    assert fit.extrapolates(1e9, 2e10) == ()
    far, thin = fit.extrapolates(1e11, 2e12), fit.extrapolates(1e8, 1e12)
    assert "400 times the largest run" in far[0]
    assert "tokens per parameter lie outside" in thin[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n, d, c: (n, c / (6 * n) * 0 + 1e21 / 6 / n, c * 0 + 2.5), "one compute budget"),
        (lambda n, d, c: (n * 0 + 1e9, d, c), "1 different model sizes"),
        (lambda n, d, c: (n, d * 0 + 1e10, c), "1 different token counts"),
        (lambda n, d, c: (n[[0, 12, 24, 36]], d[[0, 12, 24, 36]], c[[0, 12, 24, 36]]), "4 runs for five constants"),
    ],
)
def test_runs_without_spread_are_refused(change, message):
    params, tokens, loss = change(*_runs())
    with pytest.raises(FitError, match=message):
        fit_chinchilla(params, tokens, loss + np.arange(len(loss)) * 1e-6)
