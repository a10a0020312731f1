"""Calibration: both maps rise, isotonic regression is the nearest rising fit, Platt's finds constants again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.calibration import Platt, calibrated, isotonic, platt, used

examples = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60).map(
    lambda rows: (np.array([s for s, _ in rows]) / 20, np.array([t for _, t in rows]))
)


@given(examples)
def test_both_rise_and_stay_probabilities(found):
    score, truth = found
    grid = np.linspace(0, 1, 101)
    for by in (platt(score, truth), isotonic(score, truth)):
        said = calibrated(by, grid)
        assert (np.diff(said) >= -1e-12).all()
        assert (said >= 0).all() and (said <= 1).all()  # noqa: PT018


@given(examples)
def test_isotonic_keeps_the_share_of_each_step(found):
    """Its steps hold all documents, so their shares, weighted, are the share of true ones; and they rise strictly."""
    score, truth = found
    by = isotonic(score, truth)
    assert (np.diff(by.score) > 0).all()
    assert (np.diff(by.probability) > 0).all()
    assert by.probability[0] <= truth.mean() + 1e-12
    assert truth.mean() <= by.probability[-1] + 1e-12


def test_isotonic_by_hand():
    """Truths 0 1 0 1 1 in order of score: the second and third pool to 1/2."""
    by = isotonic(np.array([0.1, 0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1, 1], bool))
    assert by.score == pytest.approx((0.1, 0.3, 0.7))
    assert by.probability == pytest.approx((0, 0.5, 1))


def test_platt_finds_the_constants_that_made_the_truth():
    draw = np.random.default_rng(3)
    odds = draw.normal(size=20_000)
    truth = draw.random(20_000) < 1 / (1 + np.exp(-(2 * odds - 1)))
    found = platt(1 / (1 + np.exp(-odds)), truth)
    assert found == pytest.approx((2, -1), abs=0.1)


def test_platt_is_finite_where_all_scores_part_the_kinds():
    """Platt's targets, (n + 1) / (n + 2), keep the slope finite: logistic regression alone has none."""
    found = platt(np.array([0.1] * 10 + [0.9] * 10), np.arange(20) >= 10)
    said = calibrated(found, np.array([0.1, 0.9]))
    assert said == pytest.approx([1 / 12, 11 / 12], abs=1e-6)


def test_a_score_that_ranks_backwards_says_the_same_of_all():
    assert platt(np.array([0.9, 0.9, 0.1, 0.1]), np.array([0, 0, 1, 1], bool)).slope == 0


def test_scores_of_0_and_1_have_odds():
    assert np.isfinite(calibrated(Platt(1, 0), np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize(("documents", "which"), [(19, "none"), (20, "platt"), (999, "platt"), (1_000, "isotonic")])
def test_which_one_stands(documents, which):
    assert used(documents) == which
