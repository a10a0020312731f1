"""Single power laws, Hoffmann's approaches 1 and 2, back-tests and sweeps: planted surfaces and published figures."""

import csv
import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="fitting is in the extra `scaling`")

from scaling.approaches import fit_envelope, fit_isoflop, isoflop_bias
from scaling.backtest import backtest
from scaling.errors import FitError
from scaling.fit import fit_chinchilla
from scaling.laws import Chinchilla
from scaling.overtraining import fit_overtraining
from scaling.powerlaw import fit_power_law
from scaling.sweeps import fit_hyperparameters
from scaling.table import LAWS

LAW = LAWS["hoffmann2022"]


def _rows(path, **where):
    with gzip.open(path, "rt") as file:
        return [row for row in csv.DictReader(file) if all(row[name] == value for name, value in where.items())]


def _columns(rows, *names):
    return [np.array([float(row[name]) for row in rows]) for name in names]


@given(st.floats(0.03, 0.8), st.floats(0.3, 3.0), st.booleans())
@settings(max_examples=15)
def test_a_planted_power_law_is_recovered_with_and_without_a_floor(exponent, above, floor):
    x = np.geomspace(1e7, 1e11, 12)
    loss = 1.7 * floor + above * (x / 1e9) ** -exponent
    fit = fit_power_law(x, loss, floor=floor)
    assert fit.exponent == pytest.approx(exponent, rel=0.01)
    assert fit.floor == pytest.approx(1.7 * floor, rel=0.05, abs=1e-12)
    np.testing.assert_allclose(fit.loss(x), loss, rtol=1e-4)


def test_kaplans_law_of_parameters_comes_back_with_its_factor_for_ten_times():
    # Kaplan et al. 2020, equation 1.1: (8.8e13 / N)^0.076; ten times the parameters leave 0.8395 of the loss.
    params = np.geomspace(1e6, 1e9, 10)
    loss = (8.8e13 / params) ** 0.076 * np.exp(np.random.default_rng(0).normal(0, 0.001, 10))
    fit = fit_power_law(params, loss, floor=False, bootstraps=100)
    assert fit.intervals["exponent"][0] < 0.076 < fit.intervals["exponent"][1]
    assert fit.times(10) == pytest.approx(0.8395, rel=0.002)


def test_a_floor_that_is_left_out_flattens_the_exponent():
    flops = np.geomspace(1e18, 1e22, 20)
    loss = 1.7 + 2.0 * (flops / 1e18) ** -0.15
    assert fit_power_law(flops, loss, floor=False).exponent < 0.6 * fit_power_law(flops, loss).exponent


def test_too_few_points_for_a_power_law_are_refused():
    with pytest.raises(FitError, match="3 different x for 3 constants"):
        fit_power_law([1e8, 1e9, 1e10], [3, 2.5, 2.2])
    with pytest.raises(FitError, match="x of row 1"):
        fit_power_law([-1e8, 1e9, 1e10], [3, 2.5, 2.2])


def test_both_approaches_find_the_allocation_of_a_known_surface():
    a = LAW.allocation.exponent
    ratio, flops = np.meshgrid(np.geomspace(0.5, 800, 25), np.geomspace(6e18, 3e21, 9))
    params = np.sqrt(flops / 6 / ratio).ravel()
    tokens = ratio.ravel() * params
    noisy = LAW.loss(params, tokens) * np.exp(np.random.default_rng(0).normal(0, 0.001, len(params)))
    parabola = fit_isoflop(params, tokens, noisy)
    assert parabola.a == pytest.approx(a, abs=0.02)
    assert parabola.intervals["a"][0] < a < parabola.intervals["a"][1]
    sizes, lengths = np.meshgrid(np.geomspace(3e7, 3e10, 40), np.geomspace(1e8, 3e12, 60))
    envelope = fit_envelope(sizes.ravel(), lengths.ravel(), LAW.loss(sizes, lengths).ravel(), bootstraps=20)
    assert envelope.a == pytest.approx(a, abs=0.02)
    for fit in (parabola, envelope):
        assert fit.b == 1 - fit.a
        params, tokens = fit.optimal(1e21)
        assert 6 * params * tokens == pytest.approx(1e21)
        assert params == pytest.approx(LAW.optimal(1e21).params, rel=0.25)


@given(st.floats(0.2, 0.6), st.floats(1.5, 50.0))
def test_equal_exponents_make_the_parabola_exact_at_any_width(exponent, times):
    law = Chinchilla(E=1.8, A=400.0, B=700.0, alpha=exponent, beta=exponent)
    assert isoflop_bias(law, 1e21, times=times) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("name", "sign"), [("hoffmann2022", 1), ("besiroglu2024", -1)])
def test_unequal_exponents_bias_the_parabola_the_more_the_wider_the_grid(name, sign):
    # The vertex leans to large models where alpha > beta, to small ones where alpha < beta.
    bias = [sign * isoflop_bias(LAWS[name], 1e21, times=times) for times in (1.5, 2, 3, 4, 6)]
    assert bias[0] > 0
    assert (np.diff(bias) > 0).all()


# Porian et al. 2024, porian_fits.csv, n_exponent of the basic fits (table 1 of the paper: 0.835 to 0.497).
@pytest.mark.parametrize(
    ("warmup", "decay", "param_count", "hparams", "published"),
    [
        ("long", "kaplan", "kaplan", "base", 0.8338),
        ("long", "kaplan", "standard", "base", 0.7009),
        ("short", "kaplan", "standard", "base", 0.6035),
        ("short", "chinchilla", "standard", "base", 0.5714),
        ("short", "const", "standard", "tuned", 0.4970),
    ],
)
def test_the_five_steps_of_porian_come_back(data, warmup, decay, param_count, hparams, published):
    where = {"warmup": warmup, "decay": decay, "param_count": param_count, "hparams": hparams}
    rows = _rows(data / "scaling" / "porian_isoflop_points.csv.gz", table="summary_df", dataset="rw", **where)
    params, flops, loss = _columns(rows, "params", "flops", "loss")
    assert fit_isoflop(params, flops / (6 * params), loss, bootstraps=0).a == pytest.approx(published, abs=0.03)


def test_what_has_no_interior_minimum_is_refused():
    params = np.tile(np.geomspace(1e8, 4e8, 4), 3)
    flops = np.repeat([1e21, 1e22, 1e23], 4)
    with pytest.raises(FitError, match="0 of 3 budgets"):
        fit_isoflop(params, flops / (6 * params), LAW.loss(params, flops / (6 * params)))
    with pytest.raises(FitError, match="one compute budget"):
        fit_isoflop(params[:4], 1e21 / (6 * params[:4]), LAW.loss(params[:4], 1e21 / (6 * params[:4])))
    with pytest.raises(FitError, match="2 training curves"):
        fit_envelope([1e8, 1e8, 2e8, 2e8], [1e9, 2e9, 1e9, 2e9], [3.0, 2.9, 2.95, 2.8])


def _redpajama(data):
    rows = _rows(data / "scaling" / "gadre_losses.csv.gz", train_set="rpj", val_set="c4_val")
    small = {"d=96_l=8_h=4", "d=512_l=8_h=4", "d=576_l=24_h=8", "d=1024_l=24_h=8"}
    ratios = {(name, "20.0") for name in small} | {("d=96_l=8_h=4", "320.0")}
    fitted = [row for row in rows if (row["model"], row["token_multiplier"]) in ratios]
    held = {("open_lm_1b", "640.0"), ("open_lm_7b", "20.0")}
    return fitted, [row for row in rows if (row["model"], row["token_multiplier"]) in held]


def test_gadres_back_test_comes_back_to_its_printed_digits(data):
    # Gadre et al. 2024, scaling_explorer.ipynb: relative errors 0.7103 % (1.4 B at 640) and 0.7320 % (6.9 B at 20).
    fitted, held = _redpajama(data)
    assert len(fitted) == 5
    columns = _columns(fitted + held, "params", "tokens", "loss")
    tested = backtest(*columns, below=3e19, fitter=fit_overtraining)
    by_size = dict(zip(np.round(tested.params / 1e9, 1), tested.error, strict=True))
    assert tested.points == 5
    assert by_size[1.4] == pytest.approx(0.007103, abs=1e-6)
    assert by_size[6.9] == pytest.approx(0.00732, abs=1e-6)
    assert tested.to_dict()["worst_error"] == pytest.approx(0.00732, abs=1e-6)
    # Table 6 of the paper, RedPajama: E 1.84, a 212, b 367, eta 0.136.
    law = tested.fit
    assert (law.E, law.a, law.b, law.eta) == (
        pytest.approx(1.84, abs=0.005),
        pytest.approx(212, abs=0.5),
        pytest.approx(367, abs=0.5),
        pytest.approx(0.136, abs=5e-4),
    )


def test_a_fit_of_small_chinchilla_runs_foretells_the_large_ones(data):
    from scaling.runs_csv import read_runs

    runs = read_runs(data / "scaling" / "chinchilla_normalised.csv", drop_highest=5)
    tested = backtest(runs.params, runs.tokens, runs.loss, below=6e20)
    assert tested.points > 100
    assert tested.reach > 20
    assert tested.to_dict()["mean_absolute_error"] < 0.015


def test_a_planted_law_is_foretold_exactly_and_a_cut_outside_the_runs_is_refused():
    ratio, flops = np.meshgrid(np.geomspace(1, 200, 6), np.geomspace(1e18, 1e22, 6))
    params = np.sqrt(flops / 6 / ratio).ravel()
    runs = params, ratio.ravel() * params, LAW.loss(params, ratio.ravel() * params)
    tested = backtest(*runs, below=1e21)
    assert np.abs(tested.error).max() < 1e-4
    assert (6 * tested.params * tested.tokens > 1e21).all()
    assert tested.points + len(tested.loss) == 36
    with pytest.raises(FitError, match="36 of 36 runs spent"):
        backtest(*runs, below=1e23)


def test_a_planted_overtraining_law_is_recovered():
    params = np.repeat(np.geomspace(1e7, 1e9, 4), 3)
    tokens = params * np.tile([5, 20, 320], 4)
    law = LAWS["gadre2024"]
    fit = fit_overtraining(params, tokens, law.loss(params, tokens))
    np.testing.assert_allclose(fit.loss(1e10, 1e12), law.loss(1e10, 1e12), rtol=1e-6)
    with pytest.raises(FitError, match="two ratios"):
        fit_overtraining(np.geomspace(1e7, 1e9, 6), 20 * np.geomspace(1e7, 1e9, 6), np.linspace(4, 3, 6))
    assert fit_chinchilla(params, tokens, law.loss(params, tokens)).alpha == pytest.approx(2 * fit.eta, rel=0.01)


def test_a_planted_sweep_gives_its_exponents():
    sizes, texts = np.repeat([1e8, 3e8, 1e9], 3), np.tile([2e9, 1e10, 5e10], 3)
    grid_rate, grid_batch = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(-3, 4), 2.0 ** np.arange(-3, 4)))
    rate = 1.8 * sizes**-0.71 * texts**0.31
    batch = 0.58 * texts**0.57
    bowl = 1 + 0.004 * np.log(grid_rate) ** 2 + 0.004 * np.log(grid_batch) ** 2
    fit = fit_hyperparameters(
        np.repeat(sizes, 49), np.repeat(texts, 49), np.outer(rate, grid_rate).ravel(),
        np.outer(batch, grid_batch).ravel(), np.outer(LAW.loss(sizes, texts), bowl).ravel(), bootstraps=20,
    )  # fmt: skip
    assert fit.sweeps == 9
    assert (fit.rate_params, fit.rate_tokens, fit.batch_tokens) == pytest.approx((-0.71, 0.31, 0.57), abs=0.01)


def test_step_laws_runs_give_its_batch_exponent_and_its_exponent_of_parameters(data):
    # Li et al. 2025: rate 1.797 N^-0.7129 D^0.3075, batch 0.5807 D^0.5709 tokens; sequences of 2,048 tokens.
    rows = _rows(data / "scaling" / "steplaw_dense.csv.gz")
    params, tokens, rate, batch, loss = _columns(rows, "N", "D", "lr", "bs", "smooth loss")
    fit = fit_hyperparameters(params, tokens, rate, 2048 * batch, loss)
    assert fit.sweeps == 17
    assert fit.intervals["rate_params"][0] < -0.7129 < fit.intervals["rate_params"][1]
    assert fit.intervals["batch_tokens"][0] < 0.5709 < fit.intervals["batch_tokens"][1]
    assert fit.rate_params == pytest.approx(-0.7129, abs=0.03)
    assert fit.batch_tokens == pytest.approx(0.5709, abs=0.01)
    # Its exponent of tokens does not come back: 0.17 to 0.26 here, and 0.197 by the rule of the authors' own script
    # (all runs within 0.25 % of each sweep's least loss), as the released runs are not those of the released fit.
    assert fit.rate_tokens == pytest.approx(0.21, abs=0.02)
    at = {(n, d) for n, d in zip(params, tokens, strict=True)}
    theirs = [1.797 * n**-0.7129 * d**0.3075 for n, d in at]
    ours = [fit.rate_scale * n**fit.rate_params * d**fit.rate_tokens for n, d in at]
    assert np.abs(np.log(np.array(ours) / theirs)).max() < np.log(1.6)  # the sweeps' own step is 1.41
