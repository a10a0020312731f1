"""Policies of online mixing: steps worked by hand, planted laws found again, and weights that are always weights."""

import json
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixtures.online.ado import BINS, LEAST, Ado, Losses, fitted, preferred, sloped
from mixtures.online.odm import Odm, chosen, explored, rewarded

NAMES = ("a", "b", "c")
HOSTILE = st.lists(st.sampled_from([0.0, 1e-9, 2.5, 1e6, float("nan"), float("inf")]), min_size=3, max_size=3)


def test_an_exp3_step_worked_by_hand():
    """Two domains of equal weight lose 4 and 2 nats, then 3 and 1.

    Rewards: 0.1 * 4 / 0.5 = 0.8 and 0.4; then 0.9 * 0.8 + 0.1 * 3 / 0.5 = 1.32 and 0.56. E_0 = E_1 = 1/2, so step 1
    changes nothing; E_2 = sqrt(ln 2 / 4) = 0.4163, and the first gets 0.1674 / (1 + exp(-0.38)) + 0.4163 = 0.5157.
    """
    odm = Odm(warmup=0, every=1)
    odm.begin(("a", "b"), np.array([0.5, 0.5]))
    odm.observed(1, np.array([4.0, 2.0]), np.ones(2))
    assert odm.weights().tolist() == [0.5, 0.5]
    odm.observed(2, np.array([3.0, 1.0]), np.ones(2))
    rate = sqrt(log(2) / 4)
    assert odm.weights()[0] == pytest.approx((1 - 2 * rate) / (1 + exp(-0.5 * (1.32 - 0.56))) + rate, abs=1e-15)
    assert odm.weights()[0] == pytest.approx(0.5157, abs=5e-5)
    assert odm.weights().sum() == pytest.approx(1, abs=1e-15)
    before = odm.state_dict()["rewards"]
    odm.observed(3, np.array([3.0, 1.0]), np.ones(2))  # read by the weights that step 1 chose, halves
    assert odm.state_dict()["rewards"] == pytest.approx(
        [0.9 * before[0] + 0.1 * 6, 0.9 * before[1] + 0.1 * 2], abs=1e-15
    )


def test_exploration_begins_with_equal_weights_and_fades():
    assert [explored(22, step) for step in (0, 1, 10)] == [1 / 22] * 3
    assert explored(22, 100_000) == pytest.approx(sqrt(log(22) / 2.2e6))
    assert explored(1, 5) == 0


@given(st.lists(st.floats(0.1, 20), min_size=2, max_size=8), st.integers(2, 10_000))
def test_weights_are_a_distribution_above_the_floor_and_follow_the_rewards(rewards, step):
    rewards = np.array(rewards)
    weights = chosen(rewards, explored(len(rewards), step - 1), explored(len(rewards), step))
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights >= explored(len(rewards), step) - 1e-15).all()
    assert (np.diff(weights[np.argsort(rewards, kind="stable")]) >= -1e-15).all()


def test_the_mixture_stays_for_the_warm_up_and_between_changes():
    odm, begin = Odm(warmup=7, every=5), np.array([0.6, 0.3, 0.1])
    odm.begin(NAMES, begin)
    seen = []
    for step in range(1, 21):
        odm.observed(step, np.array([2.0, 3.0, 4.0]), np.ones(3))
        seen.append(odm.weights())
    changed = [step for step in range(2, 21) if (seen[step - 1] != seen[step - 2]).any()]
    assert changed == [10, 15, 20]
    assert (seen[8] == begin).all()


def test_a_domain_that_was_not_read_keeps_its_reward():
    rewards = rewarded(np.array([1.0, 2.0, 3.0]), np.array([5.0, np.nan, 5.0]), np.array([0.5, 0.5, 0.0]))
    assert rewards.tolist() == [0.9 + 0.1 * 10, 2.0, 3.0]


def test_odm_gives_more_to_the_domain_of_high_loss():
    odm = Odm(warmup=2, every=1)
    odm.begin(NAMES, np.full(3, 1 / 3))
    for step in range(1, 101):
        odm.observed(step, np.array([2.0, 6.0, 4.0]), np.ones(3))
    low, high, middle = odm.weights()
    assert low < middle < high
    assert high > 0.36


LAWS = [(10.0, 1.0, 0.3), (30.0, 0.5, 0.5), (2.0, 2.5, 0.15)]


@pytest.mark.parametrize(("height", "floor", "exponent"), LAWS)
def test_planted_power_laws_are_found_again(height, floor, exponent):
    """Exactly where nothing is in the way; with noise of 2 % the slope at the end, which is what counts, to 15 %."""
    read = 4096 * np.arange(20, 220, dtype=np.float64)
    losses = floor + height * read**-exponent
    assert fitted(read, losses) == pytest.approx((height, floor, exponent), rel=0.02)
    noisy = losses * np.exp(np.random.default_rng(3).normal(0, 0.02, len(read)))
    slope, found = sloped(read, noisy)
    due = height * exponent * read[-1] ** -exponent
    assert abs(slope * read[-1] ** -found - due) < 0.15 * due + 0.01


def test_a_loss_that_does_not_fall_has_no_slope_however_high():
    read = 1024 * np.arange(10, 110, dtype=np.float64)
    slope, exponent = sloped(read, 8 * np.exp(np.random.default_rng(0).normal(0, 0.01, 100)))
    assert slope * read[-1] ** -exponent < 0.03


def test_a_preference_worked_by_hand():
    """Slopes 0.2 * 100^-0.5 = 0.02 and 0.4 / 100 = 0.004; credits sqrt(0.25) and sqrt(0.64); weights 0.6 and 0.4."""
    found = preferred(np.array([0.6, 0.4]), np.array([0.25, 0.64]), np.array([[0.2, 0.4], [0.5, 1.0]]), 100.0)
    due = np.array([0.6 * 0.5 * 0.02, 0.4 * 0.8 * 0.004])
    assert found.tolist() == pytest.approx((due / due.sum()).tolist(), abs=1e-15)


def test_a_domain_without_slope_keeps_the_least_and_nothing_at_all_the_mixture():
    prior, slopes = np.array([0.5, 0.5]), np.array([[0.2, 0.0], [0.5, 0.0]])
    assert preferred(prior, prior, slopes, 100.0)[1] == pytest.approx(LEAST / (1 + LEAST))
    assert preferred(np.array([0.7, 0.3]), prior, np.zeros((2, 2)), 100.0).tolist() == [0.7, 0.3]


def test_a_slope_without_end_is_no_preference():
    prior = np.array([0.7, 0.3])
    assert preferred(prior, prior, np.array([[np.inf, 0.4], [0.5, 1.0]]), 100.0).tolist() == [0.7, 0.3]


def test_ado_gives_more_to_what_is_still_learned_than_to_noise_and_to_what_is_known():
    """Losses with 1 % noise: noise at 6 nats, known at 0.2, learnable from 5 nats down as n^-0.4."""
    ado, chance = Ado(refit=50, every=1), np.random.default_rng(1)
    ado.begin(("known", "learnable", "noise"), np.full(3, 1 / 3))
    for step in range(1, 301):
        read = 1024.0 * step
        losses = np.array([0.2, 1 + 60 * read**-0.4, 6.0]) * np.exp(chance.normal(0, 0.01, 3))
        ado.observed(step, losses, np.full(3, 1024 / 3))
        if step == 99:
            assert ado.weights().tolist() == [1 / 3] * 3
    known, learnable, noise = ado.weights()
    assert learnable > 0.7
    assert learnable > 4 * max(known, noise)
    assert min(known, noise) > 0.005


@given(st.integers(1, 5 * BINS), st.integers(0, 2**32 - 1))
def test_bins_lose_nothing_and_stay_few(steps, seed):
    chance, losses = np.random.default_rng(seed), Losses(2)
    tokens = chance.integers(0, 4, (steps, 2)).astype(float)
    nats = np.where(tokens > 0, chance.random((steps, 2)) + 1, np.nan)
    for step in range(steps):
        losses.add(float(step), nats[step], tokens[step])
    assert losses.bins <= BINS
    whole = losses.bins * losses.width
    assert whole <= steps < whole + losses.width
    for domain in range(2):
        read, mean = losses.of(domain)
        own = [
            slice(n, n + losses.width)
            for n in range(0, whole, losses.width)
            if tokens[n : n + losses.width, domain].any()
        ]
        due = [np.nansum(nats[one, domain] * tokens[one, domain]) / tokens[one, domain].sum() for one in own]
        assert mean.tolist() == pytest.approx(due)
        assert read.tolist() == [(one.start + one.stop - 1) / 2 for one in own]


def policies():
    return [Odm(warmup=2, every=3), Ado(refit=12, every=3)]


@pytest.mark.parametrize("number", [0, 1])
def test_a_policy_goes_on_from_its_state_to_the_bit(number):
    """From any of four places, one within a bin that is being filled, one just after the only fit."""
    whole, chance, states = policies()[number], np.random.default_rng(5), {}
    losses = 1 + 5 * np.arange(1, 36)[:, None] ** -np.array([0.2, 0.5, 0.01]) * np.exp(chance.normal(0, 0.02, (35, 3)))
    tokens = chance.integers(1, 5, (35, 3)).astype(float)
    whole.begin(NAMES, np.array([0.5, 0.3, 0.2]))
    for step in range(1, 36):
        whole.observed(step, losses[step - 1], tokens[step - 1])
        states[step] = json.dumps(whole.state_dict())
    for stop in (1, 13, 24, 31):
        resumed = policies()[number]
        resumed.begin(NAMES, np.full(3, 1 / 3))
        resumed.load_state_dict(json.loads(states[stop]))
        for step in range(stop + 1, 36):
            resumed.observed(step, losses[step - 1], tokens[step - 1])
            assert json.dumps(resumed.state_dict()) == states[step]
        assert (resumed.weights() == whole.weights()).all()


@pytest.mark.parametrize("number", [0, 1])
@given(steps=st.lists(HOSTILE, min_size=1, max_size=26))
def test_whatever_losses_come_weights_are_weights(number, steps):
    policy = policies()[number]
    policy.begin(NAMES, np.array([0.98, 0.01, 0.01]))
    for step, losses in enumerate(steps, 1):
        finite = np.where(np.isfinite(losses), losses, np.nan)
        policy.observed(step, finite, np.where(np.isfinite(finite), 7.0, 0.0))
        weights = policy.weights()
        assert np.isfinite(weights).all()
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1, abs=1e-9)
