"""Exact match is a power of a smooth chance, and that alone makes it look sudden."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling import emergence
from scaling.errors import LawError

chances = st.floats(0, 1)


def test_five_steps():
    """0.8^5 is 33 % and 0.95^5 is 77 %: not "0 %", as is often told."""
    assert emergence.exact_match(0.8, 5) == pytest.approx(0.32768, rel=1e-12)
    assert emergence.exact_match(0.95, 5) == pytest.approx(0.7737809375, rel=1e-12)


@given(chances, st.integers(1, 30))
def test_all_right_is_exact_match_and_none_right_is_certain(chance, tokens):
    assert emergence.at_least(chance, tokens, tokens) == pytest.approx(float(emergence.exact_match(chance, tokens)))
    assert emergence.at_least(chance, 0, tokens) == pytest.approx(1)
    assert emergence.at_least(chance, 1, tokens) == pytest.approx(1 - (1 - chance) ** tokens)


@given(chances, st.integers(1, 30))
def test_partial_credit_is_the_mean_of_how_many_are_right(chance, tokens):
    """The mean of a count is the sum of its tails."""
    tails = sum(emergence.at_least(chance, right, tokens) for right in range(1, tokens + 1))
    assert emergence.partial_credit(chance) == pytest.approx(tails / tokens)


def test_simulated_answers_agree():
    rng = np.random.default_rng(0)
    right = (rng.random((200_000, 7)) < 0.83).sum(1)
    assert (right == 7).mean() == pytest.approx(float(emergence.exact_match(0.83, 7)), abs=0.004)
    assert (right >= 5).mean() == pytest.approx(float(emergence.at_least(0.83, 5, 7)), abs=0.004)


@given(st.floats(0.01, 20), st.integers(2, 1000))
def test_bits_per_byte_do_not_know_the_tokenizer(bytes_per_token, vocabulary):
    """A uniform model of V tokens of b bytes: log2(V) / b, whatever V."""
    found = emergence.bits_per_byte(np.log(vocabulary), bytes_per_token)
    assert found == pytest.approx(np.log2(vocabulary) / bytes_per_token)


def smooth_rows(lengths=(1, 5, 20)):
    """Answers' loss as a power law of scale: a straight line on log-log paper, nothing sudden in it."""
    scales = np.logspace(7, 12, 11)
    return emergence.rows(scales, (1e8 / scales) ** 0.25, answer_tokens=lengths, bytes_per_token=4.4)


@given(st.floats(1e6, 1e13), st.integers(2, 50), st.floats(0.05, 1))
def test_a_longer_answer_is_the_same_curve_at_larger_scale(scale, tokens, alpha):
    """exp(-(c / N)^alpha)^k is exp(-(c / N')^alpha) with N = k^(1 / alpha) N'."""
    one = emergence.token_chance((1e8 / scale) ** alpha)
    many = emergence.token_chance((1e8 / (scale * tokens ** (1 / alpha))) ** alpha)
    assert emergence.exact_match(many, tokens) == pytest.approx(float(one))


def test_over_the_same_models_a_long_answer_stays_at_zero_and_then_jumps():
    models = smooth_rows()
    near_zero = {k: sum(row.exact_match[k] < 0.02 for row in models) for k in (1, 5, 20)}
    assert near_zero[1] == 0 < near_zero[5] < near_zero[20]
    steps = {k: emergence.steepest_step([row.exact_match[k] for row in models]) for k in (1, 5, 20)}
    assert steps[1] < steps[5] < steps[20]
    assert steps[20] > 0.4


def test_loss_and_partial_credit_have_no_jump():
    models = smooth_rows()
    ratios = [b.bits_per_byte / a.bits_per_byte for a, b in pairwise(models)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))
    credit = [row.partial_credit for row in models]
    assert np.all(np.diff(credit) > 0)
    assert emergence.steepest_step(credit) < 0.2


@given(st.lists(st.floats(0.01, 5), min_size=2, max_size=9, unique=True), st.permutations(range(9)))
def test_order_of_models_does_not_matter(losses, order):
    scales = [10.0**n for n in range(len(losses))]
    mixed = [n for n in order if n < len(losses)]
    one = emergence.rows(scales, losses, bytes_per_token=4)
    two = emergence.rows([scales[n] for n in mixed], [losses[n] for n in mixed], bytes_per_token=4)
    assert one == two


def test_the_table_shows_what_the_rows_hold():
    models = smooth_rows(lengths=(5,))
    lines = emergence.table(models).splitlines()
    assert len(lines) == 2 + len(models) + 1
    assert all(line.count("|") == 6 for line in lines)
    assert f"{models[-1].exact_match[5]:.1%}" in lines[-2]
    assert lines[-1].startswith("| steepest step |")


def test_a_straight_line_has_no_steep_step_and_a_jump_is_one():
    assert emergence.steepest_step(np.linspace(0, 1, 11)) == pytest.approx(0.1)
    assert emergence.steepest_step([0, 0, 1, 1]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: emergence.exact_match(80, 5),
        lambda: emergence.exact_match(0.8, 0),
        lambda: emergence.at_least(0.8, 6, 5),
        lambda: emergence.token_chance(float("nan")),
        lambda: emergence.token_chance(-1),
        lambda: emergence.bits_per_byte(1.0, 0),
        lambda: emergence.steepest_step([0.5]),
        lambda: emergence.steepest_step([0.5, 0.5]),
        lambda: emergence.rows([1e9], [1.0, 2.0], bytes_per_token=4),
    ],
)
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(LawError):
        wrong()
