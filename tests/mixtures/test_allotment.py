"""The allotment: sums are exact, caps hold, refusals are exact to the token, and a page of it was worked by hand."""

import json
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from mixtures.allotment import allot
from mixtures.apportionment import apportioned, exact, most_budget, reach, shares_that_fit, spendable
from mixtures.baselines import Proportional, Static, Uniform, UniMax
from mixtures.buckets import Buckets
from mixtures.inventory import Inventory
from mixtures.mixture import Mixture
from scaling.repetition import supply
from scaling.table import DEFAULT, law

LAW = law(DEFAULT)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
wholes = st.integers(0, 1_000)
budgets = st.integers(1, 10**15)
caps = st.sampled_from([0.5, 1.0, 1.5, 2.0, 4.0, 7.25])  # binary fractions, so that exact arithmetic can be asked


@st.composite
def shares(draw):
    """Weights of some domains, some of them 0."""
    parts = draw(st.dictionaries(names, wholes, min_size=1, max_size=9).filter(lambda parts: any(parts.values())))
    return exact({domain: part / sum(parts.values()) for domain, part in parts.items()})


@st.composite
def stocks(draw, least=1, most=10**12):
    """Weights, and tokens of the same domains."""
    weights = draw(shares())
    return weights, {domain: draw(st.integers(least, most)) for domain in weights}


def mixture(weights, unique, budget=None, inputs="0" * 32):
    return Static(weights={d: float(w) for d, w in weights.items()}).mix(Inventory(unique, inputs), budget)


def allotted(weights, unique, budget, most=4.0, **more):
    return allot(mixture(weights, unique), Inventory(unique, "0" * 32), LAW, budget=budget, most_epochs=most, **more)


# Apportionment


@given(shares(), budgets)
def test_parts_sum_to_the_budget_and_none_is_a_token_from_its_share(weights, budget):
    parts = apportioned(weights, budget)
    assert sum(parts.values()) == budget
    for domain, part in parts.items():
        assert abs(part - budget * weights[domain]) < 1
        assert weights[domain] or part == 0


@given(shares(), budgets, st.integers(0, 10**6))
def test_a_larger_budget_takes_at_most_one_token_from_a_domain(weights, budget, more):
    one, two = apportioned(weights, budget), apportioned(weights, budget + more)
    assert all(two[domain] >= one[domain] - 1 for domain in weights)


@given(shares(), budgets, st.randoms(use_true_random=False))
def test_the_order_of_domains_changes_no_part(weights, budget, draw):
    shuffled = [*weights.items()]
    draw.shuffle(shuffled)
    assert apportioned(dict(shuffled), budget) == apportioned(weights, budget)


def test_the_alabama_paradox_is_there():
    """Populations 6, 6, 2: the third has 2 of 10 seats and 1 of 11. Balinski and Young 1982, Fair Representation."""
    weights = {"a": Fraction(6, 14), "b": Fraction(6, 14), "c": Fraction(2, 14)}
    assert apportioned(weights, 10) == {"a": 4, "b": 4, "c": 2}
    assert apportioned(weights, 11) == {"a": 5, "b": 5, "c": 1}


def test_caps_that_do_not_hold_the_budget_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="caps hold 9 of a budget of 10"):
        apportioned({"a": Fraction(1, 2), "b": Fraction(1, 2)}, 10, {"a": 4, "b": 5})


def test_caps_are_kept_where_doubles_cannot_tell_a_token():
    """2**-53 of a share of 1e18 tokens is 111: a weight that was rounded up must not go beyond its cap."""
    unique = {"a": 10**17, "b": 3 * 10**17, "c": 10**18}
    for budget in range(10**18, 10**18 + 50):
        mixed = UniMax(most_epochs=1.0).mix(Inventory(unique, "0" * 32), budget)
        found = allot(mixed, Inventory(unique, "0" * 32), LAW, most_epochs=1.0)
        assert sum(one.tokens for one in found.domains.values()) == budget
        assert all(one.tokens <= one.unique for one in found.domains.values())


# Refusals


def test_parts_of_a_token_that_caps_leave_over_cannot_be_spent():
    """1.5 passes over one token are one token: two such domains give 2, not 3."""
    weights, unique = {"a": 0.5, "b": 0.5}, {"a": 1, "b": 1}
    assert allotted(weights, unique, 2, 1.5).most_budget.budget == 2
    with pytest.raises(RecipeError, match="largest budget for these shares is 2, and no shares"):
        allotted(weights, unique, 3, 1.5)


@given(stocks(), caps)
def test_refusal_is_exact_at_the_boundary(stock, most):
    weights, unique = stock
    largest = most_budget(weights, unique, Fraction(most)).budget
    assume(largest > 0)
    assert allotted(weights, unique, largest, most).budget == largest
    with pytest.raises(RecipeError, match=f"largest budget for these shares is {largest:,}"):
        allotted(weights, unique, largest + 1, most)


@given(stocks(most=400), caps)
def test_the_boundary_is_where_a_share_exceeds_its_cap(stock, most):
    """For the shares that were meant, of which doubles are near: their denominators are below 10,000."""
    weights, unique = stock
    meant = {domain: weight.limit_denominator(10_000) for domain, weight in weights.items()}
    reached = min(Fraction(most) * unique[domain] / weight for domain, weight in meant.items() if weight)
    whole = sum(int(Fraction(most) * unique[domain]) for domain, weight in meant.items() if weight)
    assert most_budget(weights, unique, Fraction(most)).budget == min(int(reached), whole)


@given(stocks(), caps, st.fractions(0, 1))
def test_what_is_allotted_sums_and_exceeds_no_cap(stock, most, portion):
    weights, unique = stock
    budget = int(portion * most_budget(weights, unique, Fraction(most)).budget)
    assume(budget > 0)
    found = allotted(weights, unique, budget, most)
    assert sum(one.tokens for one in found.domains.values()) == budget
    for domain, one in found.domains.items():
        assert one.tokens <= Fraction(most) * unique[domain]
        assert one.capped == (weights[domain] > 0 and one.tokens == int(Fraction(most) * unique[domain]))
        assert one.effective <= min(one.tokens, 16.388 * unique[domain]) * (1 + 1e-12)
    assert found.effective == pytest.approx(sum(one.effective for one in found.domains.values()))
    json.dumps(found.as_dict(), allow_nan=False)


@given(st.dictionaries(names, st.integers(1, 10**12), min_size=1, max_size=9), st.integers(1, 6), st.fractions(0, 1))
@example({"a": 40_000_000, "b": 300_000_000, "c": 2_000_000_000}, 4, Fraction(10**9, 9_360_000_000))
def test_what_unimax_mixes_can_always_be_allotted(unique, most, portion):
    """Its weights are doubles of shares that meet the cap exactly; a token more would be over it."""
    budget = int(portion * most * sum(unique.values()))
    assume(budget > 0)
    held = Inventory(unique, "0" * 32)
    mixed = UniMax(most_epochs=float(most)).mix(held, budget)
    found = allot(mixed, held, LAW, most_epochs=float(most))
    assert found.budget == budget
    assert all(one.tokens <= most * unique[domain] for domain, one in found.domains.items())
    for domain in mixed.capped:
        assert found.domains[domain].tokens >= most * unique[domain] - 1


@given(stocks(), budgets, caps)
def test_shares_that_fit_can_be_had_and_are_the_given_ones_where_these_can(stock, budget, most):
    weights, unique = stock
    fit = shares_that_fit(weights, unique, budget, Fraction(most))
    if budget > spendable(weights, unique, Fraction(most)):
        assert fit is None
        return
    assert sum(fit.values()) == 1
    lowered = {domain for domain in weights if fit[domain] < weights[domain]}
    assert all(fit[d] == Fraction(int(Fraction(most) * unique[d]), budget) for d in lowered)
    kept = {domain for domain in weights if fit[domain] > weights[domain]}
    ratios = {fit[domain] / weights[domain] for domain in kept}
    assert all(fit[d] <= Fraction(most) * unique[d] / budget for d in weights)
    assert kept or not lowered
    if lowered:
        at_cap = {d for d in kept if fit[d] == Fraction(int(Fraction(most) * unique[d]), budget)}
        assert len({fit[d] / weights[d] for d in kept - at_cap}) <= 1 <= len(ratios)
    assert allotted(fit, unique, budget, most).budget == budget


def test_a_refusal_names_a_budget_and_shares_that_can_be_had():
    unique = {"books": 100, "code": 1_000, "web": 10_000}
    weights = {"books": 0.5, "code": 0.25, "web": 0.25}
    with pytest.raises(RecipeError) as caught:
        allotted(weights, unique, 2_000)
    said = str(caught.value)
    assert "'books' is due 0.5, that is 10 passes over its 100 tokens, and 4 are allowed" in said
    assert "largest budget for these shares is 800;" in said
    assert "shares that can be had: books=0.2,code=0.4,web=0.4." in said
    assert allotted(weights, unique, 800).domains["books"].capped
    assert allotted({"books": 0.2, "code": 0.4, "web": 0.4}, unique, 2_000).domains["books"].tokens == 400
    with pytest.raises(RecipeError, match="no shares of these domains can have more than 44,400"):
        allotted(weights, unique, 44_401)


# By hand


def test_an_allotment_worked_by_hand():
    """Budget 1,000,003 of shares 0.5, 0.3, 0.2: 500,001.5, 300,000.9 and 200,000.6; two remainders get a token.

    Code (0.3 of 150,000) is drawn out first, after 500,000 tokens, and at four passes after 2,000,000. At two passes
    D' = U (1 + R* (1 - exp(-1 / R*))) = 1.96820 U with R* = 15.387756 (Muennighoff et al. 2023, equation 5).
    """
    unique = {"books": 400_000, "code": 150_000, "web": 800_000}
    found = allotted({"books": 0.2, "code": 0.3, "web": 0.5}, unique, 1_000_003)
    assert {name: one.tokens for name, one in found.domains.items()} == {
        "books": 200_001,
        "code": 300_001,
        "web": 500_001,
    }
    assert found.runs_out_first == ("code", 500_000)
    assert found.most_budget == ("code", 2_000_000)
    assert found.domains["code"].epochs == pytest.approx(2, abs=1e-5)
    assert found.domains["code"].effective == pytest.approx(1.96820 * 150_000, rel=1e-5)
    assert found.domains["web"].effective == 500_001
    assert found.domains["code"].most_weight == pytest.approx(0.6, abs=1e-5)
    assert found.effective == pytest.approx(200_001 + 500_001 + 1.96820 * 150_000, rel=1e-5)
    assert not any(one.capped for one in found.domains.values())


def test_what_a_point_more_or_less_needs_by_hand():
    """100 tokens at 0.8 of 20 and 0.2 of 100, four passes: the small one is at its cap of 80.

    A point more, 81 tokens, needs ceil(81 / 4) = 21 different ones: 1 is missing. A point less needs none. Were the
    other raised, the small one falls; lowered to 0.19, the small one rises to 0.81 and misses 1 again.
    """
    found = allotted({"small": 0.8, "large": 0.2}, {"small": 20, "large": 100}, 100)
    small, large = found.domains["small"], found.domains["large"]
    assert (small.capped, small.raise_needs, small.lower_needs) == (True, 1, 0)
    assert (large.capped, large.raise_needs, large.lower_needs) == (False, 0, 1)
    alone = allotted({"only": 1.0}, {"only": 100}, 100).domains["only"]
    assert (alone.raise_needs, alone.lower_needs) == (None, None)
    idle = allotted({"a": 1.0, "b": 0.0}, {"a": 100, "b": 5}, 100).domains["b"]
    assert (idle.tokens, idle.epochs, idle.effective, idle.lower_needs) == (0, 0.0, 0.0, None)
    nearly = allotted({"a": 0.995, "b": 0.005}, {"a": 100, "b": 5}, 100).domains
    assert (nearly["a"].raise_needs, nearly["b"].lower_needs) == (None, 0)


@given(stocks(most=10**6), caps)
def test_a_domain_gets_what_a_point_more_needs_and_then_has_it(stock, most):
    """Adding the tokens that are missing to the domain that lacks them makes the moved shares possible."""
    weights, unique = stock
    budget = most_budget(weights, unique, Fraction(most)).budget
    assume(budget > 0)
    for domain, one in allotted(weights, unique, budget, most).domains.items():
        if one.raise_needs is None:
            continue
        scale = (1 - weights[domain] - Fraction(1, 100)) / (1 - weights[domain])
        moved = {d: w + Fraction(1, 100) if d == domain else w * scale for d, w in weights.items()}
        more = unique | {domain: unique[domain] + one.raise_needs}
        assert ceil(moved[domain] * budget / Fraction(most)) - 1 <= more[domain]
        assert one.raise_needs == 0 or moved[domain] * budget > Fraction(most) * unique[domain]


# Against what else the house says


@given(stocks(least=10**6))
def test_it_agrees_with_the_supply_that_budgets_are_held_against(stock):
    weights, unique = stock
    weights = {domain: weight for domain, weight in weights.items() if weight}
    budget = most_budget(weights, unique, Fraction(4)).budget
    found = allotted(weights, {d: unique[d] for d in weights}, budget)
    said = supply(budget, {d: unique[d] for d in weights}, {d: float(w) for d, w in weights.items()})
    assert found.effective == pytest.approx(said.effective_tokens, rel=1e-6)
    assert found.most_budget.budget == pytest.approx(said.most_tokens, abs=2, rel=1e-12)
    assert found.runs_out_first.budget == pytest.approx(said.runs_out_at, abs=2, rel=1e-12)


@given(stocks(10**6, 10**9), st.integers(2, 9))
def test_more_budget_is_never_worth_less_and_each_token_less(stock, times):
    weights, unique = stock
    most = most_budget(weights, unique, Fraction(4)).budget
    less, more = allotted(weights, unique, most // times), allotted(weights, unique, most)
    assert more.effective >= less.effective - len(weights)
    assert more.effective / more.budget <= less.effective / less.budget + 1e-5
    assert less.loss.extra >= -1e-12


def test_the_loss_is_of_the_effective_tokens():
    found = allotted({"web": 1.0}, {"web": 10**9}, 4 * 10**9, params=1e9)
    assert found.loss.fresh == LAW.loss(1e9, 4e9)
    assert found.loss.repeated == LAW.loss(1e9, found.effective) > found.loss.fresh
    assert allotted({"web": 1.0}, {"web": 10**9}, 10**9).loss.params == pytest.approx(LAW.params_for(1e9))
    assert allotted({"web": 1.0}, {"web": 10**9}, 99_999).loss is None


@given(stocks(), st.sampled_from([1, 2, 4]))
def test_no_domain_runs_out_before_the_first(stock, passes):
    weights, unique = stock
    first = reach(weights, unique, Fraction(passes))
    for domain, weight in weights.items():
        assert weight * first.budget <= passes * unique[domain] * (1 + Fraction(1, 1 << 49))


# What does not fit


HELD = Inventory({"code": 600, "web": 900}, "ab" * 16)


@pytest.mark.parametrize(
    ("held", "more", "said"),
    [
        (HELD, {"budget": 0}, "a budget of 0 tokens"),
        (HELD, {}, "made without a budget, and none was given"),
        (HELD, {"budget": 9, "most_epochs": 0.0}, r"most_epochs is 0\.0"),
        (HELD, {"budget": 9, "most_epochs": float("nan")}, "most_epochs is nan"),
        (Inventory({"web": 9}, HELD.inputs), {"budget": 9}, "the mixture has code, of which there are no tokens"),
        (Inventory(HELD.tokens | {"new": 9}, HELD.inputs), {"budget": 9}, "there are tokens of new, which"),
        (HELD._replace(by=Buckets(column="quality")), {"budget": 9}, "those of the documents, .* buckets of quality"),
    ],
)
def test_what_cannot_be_allotted_is_refused_in_words(held, more, said):
    with pytest.raises(RecipeError, match=said):
        allot(Proportional().mix(HELD), held, LAW, **more)


def test_other_tokens_and_estimates_are_said():
    other = Inventory({"code": 600, "web": 901}, "cd" * 16, estimated=True)
    found = allot(Uniform().mix(HELD), other, LAW, budget=100)
    assert [said.split(":")[0] for said in found.warnings] == [
        "the mixture was made for other tokens (abababababab, these are cdcdcdcdcdcd)",
        "tokens are estimated from bytes",
    ]
    assert (found.estimated, found.inputs) == (True, other.inputs)
    assert allot(Uniform().mix(HELD, 100), HELD, LAW).warnings == ()


def test_a_budget_of_the_mixture_is_taken_where_none_is_given():
    mixed = Mixture.model_validate(Uniform().mix(HELD, 100).model_dump())
    assert allot(mixed, HELD, LAW).budget == 100
    assert allot(mixed, HELD, LAW, budget=60).budget == 60
