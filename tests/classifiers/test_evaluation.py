"""Figures of a score: by hand, against definitions written plainly, and laws on any scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.evaluation import (
    Part,
    auc,
    average_precision,
    brier,
    calibration_error,
    reliability,
    thresholds,
)


@st.composite
def parts(draw, both=True):
    """Scores with ties and a truth; both kinds where `both`."""
    truth = draw(st.lists(st.booleans(), min_size=2, max_size=40).filter(lambda t: not both or len(set(t)) == 2))
    scores = draw(st.lists(st.integers(0, 10), min_size=len(truth), max_size=len(truth)))
    return Part(np.array(scores) / 10, np.array(truth), np.arange(len(truth), dtype=np.uint64))


@given(parts())
def test_an_auc_is_the_share_of_pairs_in_order(part):
    true, false = part.score[part.truth], part.score[~part.truth]
    pairs = [(a > b) + 0.5 * (a == b) for a in true for b in false]
    found = auc([part])
    assert found.value == pytest.approx(np.mean(pairs))
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(parts())
def test_only_the_order_of_scores_counts(part):
    assert auc([part._replace(score=np.exp(3 * part.score) - 7)]) == pytest.approx(auc([part]))


def test_the_interval_by_hand():
    """Scores 3, 1 true and 2, 0 not: placements 1, 1/2 and 1/2, 1, so each document pulls by 1/8 up or down.

    The squares add up to 1/16; four clusters make 4/3 of it, 1/12 (DeLong's divisors of each kind by itself: 1/8).
    """
    part = Part(np.array([3.0, 1, 2, 0]), np.array([True, True, False, False]), np.arange(4, dtype=np.uint64))
    found = auc([part])
    assert found.value == 0.75
    half = 1.959964 * np.sqrt(1 / 12) / (0.75 * 0.25)
    assert (found.low, found.high) == pytest.approx(tuple(1 / (1 + np.exp(-np.log(3) - np.array([-half, half])))))


def test_copies_of_documents_widen_nothing_when_they_are_one_cluster():
    draw = np.random.default_rng(1)
    truth = np.arange(60) % 2 == 0
    score = truth + draw.normal(size=60)
    one = Part(score, truth, np.arange(60, dtype=np.uint64))
    thrice = Part(*(np.repeat(column, 3) for column in one))
    assert auc([thrice]) == pytest.approx(auc([one]))
    assert auc([thrice._replace(cluster=np.arange(180, dtype=np.uint64))]).low > auc([one]).low


def test_nineteen_of_twenty_intervals_hold_the_truth():
    """Normal scores one standard deviation apart have an AUC of Phi(1 / sqrt 2) = 0.7602; 400 draws of 60 + 60."""
    draw = np.random.default_rng(7)
    truth, one = np.arange(120) < 60, np.arange(120, dtype=np.uint64)
    found = [auc([Part(truth + draw.normal(size=120), truth, one)]) for _ in range(400)]
    assert 0.92 <= np.mean([a.low <= 0.76025 <= a.high for a in found]) <= 0.98


def test_where_every_pair_is_in_order_the_rule_of_three_holds():
    part = Part(np.array([0.9] * 30 + [0.1] * 60), np.arange(90) < 30, np.arange(90, dtype=np.uint64))
    assert auc([part]) == (1.0, 0.9, 1.0)


def test_without_both_kinds_there_is_no_auc():
    assert np.isnan(auc([Part(np.array([0.5]), np.array([True]), np.array([1], np.uint64))]).value)


def test_average_precision_by_hand():
    """Of scores 4, 3, 2, 1 the first and third are true: (1/2) · 1/1 + (1/2) · 2/3."""
    assert average_precision(np.array([4, 3, 2, 1]), np.array([1, 0, 1, 0], bool)) == pytest.approx(5 / 6)


def test_a_tie_is_one_step():
    assert average_precision(np.array([1.0, 1, 1, 1]), np.array([1, 0, 0, 0], bool)) == 0.25


def test_calibration_error_by_hand():
    """Ten documents at 0.9 of which seven are true, ten at 0.1 of which one is: (0.2 + 0) / 2."""
    probability = np.repeat([0.9, 0.1], 10)
    truth = np.array([1] * 7 + [0] * 3 + [1] + [0] * 9, bool)
    bins = reliability(probability, truth)
    assert [(one.documents, one.share) for one in bins] == [(10, pytest.approx(0.1)), (10, pytest.approx(0.7))]
    assert calibration_error(bins) == pytest.approx(0.1)
    assert brier(probability, truth) == pytest.approx((7 * 0.01 + 3 * 0.81 + 0.81 + 9 * 0.01) / 20)


@given(parts(both=False))
def test_bins_hold_every_document_once(part):
    bins = reliability(part.score, part.truth)
    assert sum(one.documents for one in bins) == len(part.score)
    assert sum(one.documents * one.share for one in bins) == pytest.approx(part.truth.sum())
    assert all(one.low <= one.mean < one.high + (one.high == 1) for one in bins)


@given(parts(), st.data())
def test_a_threshold_keeps_what_it_says(part, data):
    size = np.array(data.draw(st.lists(st.integers(1, 99), min_size=len(part.score), max_size=len(part.score))))
    for one in thresholds(part.score, part.truth, size):
        kept = part.score >= one.at
        assert one.documents == pytest.approx(kept.mean())
        assert one.bytes == pytest.approx(size[kept].sum() / size.sum())
        assert one.precision == pytest.approx(part.truth[kept].mean())
        assert one.recall == pytest.approx(part.truth[kept].sum() / part.truth.sum())
