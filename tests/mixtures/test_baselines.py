"""The simple mixtures: laws on token counts nobody picked, and the numbers of those who published them."""

import csv
from fractions import Fraction
from itertools import pairwise
from math import fsum

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from mixtures.baselines import Proportional, Static, Temperature, Uniform, UniMax
from mixtures.mixture import TOLERANCE, Inventory
from mixtures.presets import PRESETS
from mixtures.table import TABLE

HASH = "0" * 32
sizes = st.integers(1, 10**13)
inventories = st.dictionaries(st.text(min_size=1, max_size=5), sizes, min_size=1, max_size=12)
taus = st.floats(0.01, 1e6)
caps = st.floats(0.1, 100)
shares = st.floats(0, 1).map(lambda share: 1 + share)  # none 0, and no rounding to 0 when divided by the sum


def mixed(method, tokens, budget=None):
    return method.mix(Inventory(tokens, HASH), budget)


def normalised(parts):
    return {domain: part / fsum(parts.values()) for domain, part in parts.items()}


def mapped(preset, ours):
    """Settings of a preset: its domains go to some of ours, and the others are said to be unused."""
    chosen = st.tuples(*[st.sampled_from(ours) for _ in PRESETS[preset].parts])
    return chosen.map(
        lambda goals: {
            "preset": preset,
            "mapping": dict(zip(PRESETS[preset].parts, goals, strict=True)),
            "unused": tuple(sorted(set(ours) - set(goals))),
        }
    )


SETTINGS = {
    "uniform": lambda tokens, most: st.just({}),
    "proportional": lambda tokens, most: st.just({}),
    "temperature": lambda tokens, most: st.fixed_dictionaries({"tau": taus}),
    "unimax": lambda tokens, most: st.just({"most_epochs": most}),
    "static": lambda tokens, most: st.fixed_dictionaries(dict.fromkeys(tokens, shares)).map(
        lambda weights: {"weights": normalised(weights)}
    ),
    "preset": lambda tokens, most: mapped("gpt3", sorted(tokens)),
}
"""How to draw the settings of each method in the table for some tokens; `most` passes pay for the budget."""


@st.composite
def mixtures(draw, names=tuple(TABLE)):
    """A method, tokens it can mix, and a budget it can spend."""
    tokens, most = draw(inventories), draw(caps)
    name = draw(st.sampled_from(names))
    method = TABLE[name](**draw(SETTINGS[name](tokens, most)))
    spendable = int(Fraction(most) * sum(tokens.values()))
    assume(spendable > 0)
    return method, tokens, draw(st.integers(1, spendable))


@given(mixtures(), st.randoms(use_true_random=False))
def test_weights_sum_to_one_and_the_order_of_domains_changes_nothing(case, draw):
    method, tokens, budget = case
    mixture = mixed(method, tokens, budget)
    assert abs(fsum(mixture.weights.values()) - 1) <= TOLERANCE
    shuffled = [*tokens.items()]
    draw.shuffle(shuffled)
    assert mixed(method, dict(shuffled), budget) == mixture


@given(mixtures(), st.integers(2, 100))
def test_scaling_all_sizes_and_the_budget_changes_nothing(case, factor):
    method, tokens, budget = case
    one = mixed(method, tokens, budget)
    many = mixed(method, {domain: factor * held for domain, held in tokens.items()}, factor * budget)
    assert (one.weights, one.capped) == (many.weights, many.capped)
    assert many.epochs == pytest.approx(one.epochs)


@given(mixtures(names=("uniform", "proportional", "temperature", "unimax")))
def test_a_larger_domain_gets_no_smaller_share_and_no_more_epochs(case):
    method, tokens, budget = case
    assume(getattr(method, "tau", 1) >= 1)
    mixture = mixed(method, tokens, budget)
    order = sorted(tokens, key=tokens.__getitem__)
    for small, large in pairwise(order):
        assert mixture.weights[small] <= mixture.weights[large]
        assert mixture.epochs[small] >= mixture.epochs[large] * (1 - 1e-12)


@given(inventories)
def test_epochs_of_proportional_are_equal_and_of_uniform_the_tokens(tokens):
    budget = 3 * sum(tokens.values())
    assert list(mixed(Proportional(), tokens, budget).epochs.values()) == pytest.approx([3] * len(tokens))
    even = mixed(Uniform(), tokens, budget)
    seen = [even.epochs[domain] * held for domain, held in tokens.items()]
    assert seen == pytest.approx([budget / len(tokens)] * len(tokens))


@given(inventories)
def test_temperature_1_is_proportional_and_a_large_one_tends_to_uniform(tokens):
    assert mixed(Temperature(tau=1), tokens).weights == pytest.approx(mixed(Proportional(), tokens).weights)
    gaps = [spread(mixed(Temperature(tau=tau), tokens).weights) for tau in (1, 2, 10, 1e3, 1e6)]
    assert gaps == sorted(gaps, reverse=True)
    assert mixed(Temperature(tau=1e9), tokens).weights == pytest.approx(mixed(Uniform(), tokens).weights)


def spread(weights):
    return max(weights.values()) / min(weights.values()) if len(weights) > 1 else 1.0


@given(inventories, taus)
def test_ratios_of_temperature_weights_are_powers_of_the_ratios_of_sizes(tokens, tau):
    weights = mixed(Temperature(tau=tau), tokens).weights
    most = max(tokens, key=tokens.__getitem__)
    for domain, held in tokens.items():
        expected = (held / tokens[most]) ** (1 / tau)
        assert weights[domain] / weights[most] == pytest.approx(expected, rel=1e-9, abs=1e-300)


# UniMax


@given(inventories, caps, st.fractions(0, 1))
def test_unimax_spends_the_whole_budget_and_exceeds_no_cap(tokens, most, portion):
    method = UniMax(most_epochs=most)
    budget = int(portion * Fraction(most) * sum(tokens.values()))
    assume(budget > 0)
    given = method.parts(tokens, budget)
    assert sum(given.values()) == budget
    assert all(given[domain] <= Fraction(most) * held for domain, held in tokens.items())
    mixture = mixed(method, tokens, budget)
    at_cap = {domain for domain, held in tokens.items() if given[domain] == Fraction(most) * held}
    assert set(mixture.capped) == at_cap
    assert all(passes <= most * (1 + 1e-15) for passes in mixture.epochs.values())


@given(inventories, caps, st.fractions(0, 1))
def test_unimax_is_even_among_domains_below_their_cap_and_none_of_these_gets_less_than_a_capped_one(
    tokens, most, portion
):
    budget = int(portion * Fraction(most) * sum(tokens.values()))
    assume(budget > 0)
    given = UniMax(most_epochs=most).parts(tokens, budget)
    free = {part for domain, part in given.items() if part < Fraction(most) * tokens[domain]}
    assert len(free) <= 1
    assert all(part <= level for part in given.values() for level in free)


@given(inventories, caps)
def test_a_budget_that_cannot_be_spent_is_refused_with_the_one_that_can(tokens, most):
    method, spendable = UniMax(most_epochs=most), int(Fraction(most) * sum(tokens.values()))
    with pytest.raises(RecipeError, match=f"Lower it to {spendable:,}"):
        mixed(method, tokens, spendable + 1)
    if spendable:
        assert mixed(method, tokens, spendable).budget == spendable


@given(inventories)
def test_unimax_with_a_cap_that_nothing_meets_is_uniform(tokens):
    budget = min(tokens.values()) * len(tokens)
    even = mixed(UniMax(most_epochs=2.0), tokens, budget)
    assert (even.weights, even.capped) == (mixed(Uniform(), tokens).weights, ())


def test_unimax_by_hand():
    """Algorithm 1 of Chung et al. 2023 at N = 2, C = 1,000: 20 and 200 are capped, 780 is left for two."""
    mixture = mixed(UniMax(most_epochs=2), {"en": 5_000, "is": 10, "de": 400, "sw": 100}, 1_000)
    assert mixture.weights == {"is": 0.02, "sw": 0.2, "de": 0.39, "en": 0.39}
    assert mixture.epochs == {"is": 2.0, "sw": 2.0, "de": 0.975, "en": 0.078}
    assert mixture.capped == ("is", "sw")


# What others published


PILE = """Pile-CC 227.12 18.11 1.0; PubMed Central 90.27 14.40 2.0; Books3 100.96 12.07 1.5;
OpenWebText2 62.77 10.01 2.0; ArXiv 56.21 8.96 2.0; Github 95.16 7.59 1.0; FreeLaw 51.15 6.12 1.5;
Stack Exchange 32.20 5.13 2.0; USPTO Backgrounds 22.90 3.65 2.0; PubMed Abstracts 19.26 3.07 2.0;
Gutenberg 10.88 2.17 2.5; OpenSubtitles 12.98 1.55 1.5; Wikipedia 6.38 1.53 3.0; DM Mathematics 7.75 1.24 2.0;
Ubuntu IRC 5.52 0.88 2.0; BookCorpus2 6.30 0.75 1.5; EuroParl 4.59 0.73 2.0; HackerNews 3.90 0.62 2.0;
YoutubeSubtitles 3.73 0.60 2.0; PhilPapers 2.38 0.38 2.0; NIH ExPorter 1.89 0.30 2.0; Enron 0.88 0.14 2.0"""
"""Gao et al. 2020, table 1: GiB, weight in percent, epochs. One epoch over the Pile is 1,254.20 GiB."""


def test_the_piles_weights_make_its_published_epochs():
    rows = [[*row.split()[-3:], " ".join(row.split()[:-3])] for row in PILE.split(";")]
    held = {name: round(float(gib) * 2**30) for gib, _, _, name in rows}
    weights = {name: float(percent) / 100 for _, percent, _, name in rows}
    mixture = mixed(Static(weights=weights), held, round(1254.20 * 2**30))
    assert len(rows) == 22
    for _, _, epochs, name in rows:
        assert mixture.epochs[name] == pytest.approx(float(epochs), abs=0.05), name


def test_multilingual_berts_smoothing_turns_1000_to_1_into_about_100_to_1():
    """multilingual.md of google-research/bert: exponent 0.7, English 1000 times Icelandic becomes 100 times."""
    weights = mixed(Temperature(tau=1 / 0.7), {"en": 10**9, "is": 10**6}).weights
    assert weights["en"] / weights["is"] == pytest.approx(1000**0.7)
    assert round(weights["en"] / weights["is"], -2) == 100


def test_gpt3s_published_weights_sum_to_101_percent_and_are_divided_by_it():
    """Brown et al. 2020, table 2.2; tokens in billions."""
    weights = {"Common Crawl": 0.60, "WebText2": 0.22, "Books1": 0.08, "Books2": 0.08, "Wikipedia": 0.03}
    held = {"Common Crawl": 410, "WebText2": 19, "Books1": 12, "Books2": 55, "Wikipedia": 3}
    mixture = mixed(Static(weights=weights), held, 300)
    assert mixture.weights["Common Crawl"] == pytest.approx(0.60 / 1.01)
    assert mixture.epochs["Books2"] == pytest.approx(0.43, abs=0.005)
    with pytest.raises(RecipeError, match=r"sum to 0\.41.* is one missing"):
        Static(weights={domain: weight for domain, weight in weights.items() if domain != "Common Crawl"})


def test_every_published_column_of_doremi_is_a_static_mixture(data):
    with open(data / "mixtures" / "doremi_pile_weights.csv") as file:
        rows = list(csv.DictReader(file))
    for column in rows[0].keys() - {"domain"}:
        weights = {row["domain"]: float(row[column]) for row in rows}
        mixture = mixed(Static(weights=weights), dict.fromkeys(weights, 1))
        assert mixture.weights == pytest.approx(weights, rel=2e-4)
        assert len(mixture.weights) == 22


# Refusals


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: mixed(Uniform(), {}), "no domains to mix"),
        (lambda: mixed(Uniform(), {"web": 5, "code": 0}), "'code' holds 0 tokens"),
        (lambda: mixed(Proportional(), {"web": 5}, 0), "a budget of 0 tokens"),
        (lambda: mixed(UniMax(), {"web": 5}), "shares out a budget, and none"),
        (lambda: mixed(UniMax(), {"web": 1_000, "code": 500}, 9_000), r"is 6 passes over the 1,500 .* 6,000"),
        (lambda: UniMax(most_epochs=float("inf")), "most_epochs is inf"),
        (lambda: UniMax(most_epochs=0), "most_epochs is 0"),
        (lambda: Temperature(tau=0), "tau is 0"),
        (lambda: Temperature(tau=-1.0), r"tau is -1\.0"),
        (lambda: Temperature(tau=float("nan")), "tau is nan"),
        (lambda: Temperature(tau=float("inf")), "`uniform` is its limit"),
        (lambda: Static(weights={}), "sum to 0"),
        (lambda: Static(weights={"web": 0.6, "code": 0.5}), r"sum to 1\.1"),
        (lambda: Static(weights={"web": 1.2, "code": -0.2}), r"'code' is -0\.2"),
        (lambda: Static(weights={"web": float("nan")}), "'web' is nan"),
        (lambda: mixed(Static(weights={"wbe": 1}), {"web": 5}), "no tokens of 'wbe'; did you mean web"),
        (lambda: mixed(Static(weights={"web": 1}), {"web": 5, "code": 7}), "no weight for 'code', which holds 7"),
    ],
)
def test_what_cannot_be_mixed_is_refused_in_words(make, said):
    with pytest.raises(RecipeError, match=said):
        make()


def test_methods_compare_and_hash_by_their_settings():
    assert Static(weights={"a": 1}) == Static(weights={"a": 1}) != Static(weights={"b": 1})
    assert len({Temperature(tau=2), Temperature(tau=2.0), Temperature(tau=3), Static(weights={"a": 1})}) == 3
