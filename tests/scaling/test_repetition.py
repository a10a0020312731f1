"""Repeated data: the published losses, effective epochs, and what runs out first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import LawError
from scaling.repetition import REPEATS, effective_tokens, supply
from scaling.table import REPEATED

TOKENS = st.floats(8, 14).map(lambda power: 10**power)


@pytest.mark.parametrize(
    ("params", "tokens", "loss"),
    # huggingface/datablations, utils/parametric_fit.ipynb: 25 B unique tokens.
    [(6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)],
)
def test_published_losses_on_repeated_data_to_nine_digits(params, tokens, loss):
    assert REPEATED.constrained_loss(params, tokens, 25e9) == pytest.approx(loss, abs=1e-9)


@pytest.mark.parametrize(
    ("epochs", "worth"),
    # Muennighoff et al. 2023, equation 5 with R_D* = 15.387756.
    [(1, 1), (2, 1.9682), (4, 3.7257), (8, 6.624), (16, 10.582), (40, 15.17)],
)
def test_epochs_are_worth_less_and_less(epochs, worth):
    assert effective_tokens(epochs * 1e9, 1e9) / 1e9 == pytest.approx(worth, rel=3e-4)


def test_no_number_of_epochs_is_worth_more_than_the_limit():
    assert effective_tokens(1e30, 1e9) / 1e9 == pytest.approx(1 + REPEATS, rel=1e-12)


def test_the_best_plan_on_25_billion_tokens():
    # Muennighoff et al. 2023, section 5 (9.3e21 FLOPs): fewer parameters and more epochs than without repetition.
    best = REPEATED.constrained_optimal(9.3e21, 25e9)
    assert best.params == pytest.approx(6.82e9, rel=0.005)
    assert best.tokens == pytest.approx(227e9, rel=0.005)
    assert best.tokens / 25e9 == pytest.approx(9.1, rel=0.005)


def test_parameters_fed_by_unique_tokens_are_the_published_share():
    assert REPEATED.params_for(25e9) == pytest.approx(0.050987 * 25e9, rel=1e-4)


@given(TOKENS, TOKENS)
def test_effective_tokens_are_at_most_those_seen_and_at_least_those_unique(tokens, unique):
    worth = effective_tokens(tokens, unique)
    assert min(tokens, unique) * (1 - 1e-12) <= worth <= tokens * (1 + 1e-12)


@given(st.floats(1e7, 1e12), TOKENS, TOKENS, st.floats(1, 100))
def test_more_unique_text_never_raises_the_loss(params, tokens, unique, times):
    law = REPEATED
    fewer, more = law.constrained_loss(params, tokens, unique), law.constrained_loss(params, tokens, unique * times)
    assert more <= fewer * (1 + 1e-12)


@given(st.floats(18, 25).map(lambda power: 10**power), TOKENS, st.floats(0.05, 20))
def test_no_other_split_of_the_compute_beats_the_constrained_optimum(flops, unique, size):
    best = REPEATED.constrained_optimal(flops, unique)
    params = best.params * size
    if params >= 1e4 and flops / (6 * params) >= 1e5:
        assert REPEATED.constrained_loss(params, flops / (6 * params), unique) >= best.loss * (1 - 1e-9)


def test_ample_text_gives_the_law_back_where_the_model_is_fed():
    """With unique text as large as the run and a model of the size that text feeds, nothing decays."""
    tokens = 1e12
    params = REPEATED.params_for(tokens)
    assert REPEATED.constrained_loss(params, tokens, tokens) == pytest.approx(REPEATED.loss(params, tokens), rel=1e-12)


def test_arrays_broadcast():
    losses = REPEATED.constrained_loss(np.array([1e9, 7e9]), np.array([[1e11], [1e12]]), 1e11)
    assert losses.shape == (2, 2)
    assert losses[1, 1] == REPEATED.constrained_loss(7e9, 1e12, 1e11)


DOMAINS = st.dictionaries(st.text("abc", min_size=1), st.floats(1e6, 1e13), min_size=1, max_size=6)


@given(DOMAINS, TOKENS, st.data())
def test_a_supply_adds_up(unique, tokens, data):
    shares = {name: data.draw(st.floats(0.1, 10)) for name in unique}
    fed = supply(tokens, unique, shares)
    assert sum(domain.share for domain in fed.domains) == pytest.approx(1)
    assert sum(domain.tokens for domain in fed.domains) == pytest.approx(tokens)
    assert fed.effective_tokens <= tokens * (1 + 1e-9)
    assert [domain.name for domain in fed.domains] == sorted(unique)
    assert fed.runs_out_at == min(domain.runs_out_at for domain in fed.domains)
    at_cap = supply(max(fed.most_tokens, 1e5), unique, shares)
    if fed.most_tokens >= 1e5:
        assert max(domain.epochs for domain in at_cap.domains) == pytest.approx(4)


def test_the_domain_asked_for_beyond_its_size_runs_out_first():
    fed = supply(1e12, {"web": 9e11, "code": 1e11}, {"web": 0.7, "code": 0.3})
    code = next(domain for domain in fed.domains if domain.name == "code")
    assert (fed.runs_out_first, code.epochs) == ("code", pytest.approx(3))
    assert fed.runs_out_at == pytest.approx(1e11 / 0.3)
    assert fed.most_tokens == pytest.approx(4e11 / 0.3)


def test_without_shares_all_domains_run_out_together():
    fed = supply(3e12, {"web": 9e11, "code": 1e11})
    assert {round(domain.epochs, 9) for domain in fed.domains} == {3.0} == {round(fed.epochs, 9)}


@pytest.mark.parametrize(
    ("unique", "shares", "said"),
    [
        ({}, None, "no domain"),
        ({"web": 1e9, "code": 1e9}, {"web": 0.5, "coed": 0.5}, "did you mean 'code'"),
        ({"web": 1e9}, {"web": -1.0}, "share of 'web' is -1"),
        ({"web": 400}, None, "billions"),
        ({"web": float("nan")}, None, "finite"),
    ],
)
def test_a_supply_that_makes_no_sense_is_refused(unique, shares, said):
    with pytest.raises(LawError, match=said):
        supply(1e12, unique, shares)


def test_compute_for_not_even_the_smallest_plan_is_refused():
    with pytest.raises(LawError, match="too little for 10,000 parameters"):
        REPEATED.constrained_optimal(6e9, 1e9)
