"""The interleave: every domain within one sequence of its quota after any number, and any place found by itself."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from corpus.interleave import LEAST, WHOLE, Interleave, parts_of, shared_out

small = st.lists(st.integers(1, 12), min_size=1, max_size=12)
mixed = st.lists(st.integers(1, 5000), min_size=1, max_size=12)
skewed = st.lists(st.floats(0, 11).map(lambda e: 1 + int(2**e * 1e6)), min_size=1, max_size=8)
parts = small | mixed | skewed
places = st.integers(0, 20_000) | st.integers(0, 1 << 50)


def played(given_parts, start, many):
    """Counts before each of `many` sequences from `start` on, int64 [many + 1, K], from the domains alone."""
    interleave = Interleave(given_parts)
    domains, indices = interleave.span(start, start + many)
    counts = np.zeros((many + 1, len(given_parts)), np.int64)
    counts[np.arange(1, many + 1), domains] = 1
    counts = interleave.counts(start) + counts.cumsum(axis=0)
    assert (indices == counts[np.arange(many), domains]).all()
    return counts


def within_the_quota(given_parts, start, many):
    whole = sum(given_parts)
    counts = played(given_parts, start, many)
    assert (counts.sum(axis=1) == start + np.arange(many + 1)).all()
    for d, part in enumerate(given_parts):
        quotas = [n * part for n in range(start, start + many + 1)]
        assert (counts[:, d] >= [quota // whole for quota in quotas]).all()
        assert (counts[:, d] <= [-(-quota // whole) for quota in quotas]).all()


@given(parts, places, st.integers(1, 3000))
def test_a_domain_has_its_quota_rounded_down_or_up_after_any_number(given_parts, start, many):
    within_the_quota(given_parts, start, many)


@given(
    st.lists(st.integers(500, 3000), min_size=2, max_size=5),
    st.lists(st.integers(3, 40), min_size=5, max_size=60),
    st.integers(1, 1000),
)
def test_a_few_large_domains_among_many_small_ones_get_their_due_over_the_ends_of_blocks(large, small, number):
    """The hard case: of 3,000 such, 1,192 break the quota where a boundary looks at beginnings alone."""
    within_the_quota(large + small, number * Interleave(large + small).block - 60, 120)


def test_a_boundary_where_the_earliest_to_begin_must_wait():
    """After 18 blocks: the large two have deadlines at once, the small ones began long before."""
    within_the_quota([1221, 2641, 24, 19, 35, 34, 21], 18 * 1024 - 60, 120)


@given(parts, places, st.lists(st.integers(0, 1500), min_size=1, max_size=4))
def test_what_is_read_in_parts_is_what_is_read_at_once(given_parts, start, steps):
    ends = (start + np.cumsum(steps)).tolist()
    domains, indices = Interleave(given_parts).span(start, ends[-1])
    pieces = [Interleave(given_parts).span(a, b) for a, b in zip([start, *ends], ends, strict=False)]
    assert np.concatenate([d for d, _ in pieces]).tolist() == domains.tolist()
    assert np.concatenate([i for _, i in pieces]).tolist() == indices.tolist()


@given(small, st.integers(1, 5))
def test_a_whole_turn_gives_each_its_parts(given_parts, turns):
    assert Interleave(given_parts).counts(turns * sum(given_parts)).tolist() == [turns * p for p in given_parts]


def test_blocks_meet_where_parts_are_far_apart():
    """One part of two million: a block is longer than that, and both sides of its ends keep the quota."""
    given_parts = [1, 1_000_003, 777_777, 222_221]
    block = Interleave(given_parts).block
    assert block > 2_000_000
    played(given_parts, block - 1500, 3000)
    for n in (block - 1, block, block + 1, 7 * block, 12345 * block + 67):
        counts = Interleave(given_parts).counts(n)
        for count, part in zip(counts.tolist(), given_parts, strict=True):
            assert floor(Fraction(n * part, sum(given_parts))) <= count <= ceil(Fraction(n * part, sum(given_parts)))


def test_halves_and_quarters_by_hand():
    """Quotas of 1/2, 1/4, 1/4. Deadlines: a 2, 4; b and c 4 each; ties to the first, so a b a c."""
    domains, indices = Interleave([2, 1, 1]).span(0, 8)
    assert domains.tolist() == [0, 1, 0, 2] * 2
    assert indices.tolist() == [0, 0, 1, 0, 2, 1, 3, 1]


@pytest.mark.parametrize("given_parts", [[], [0, 1], [-1, 2], [1, LEAST], [WHOLE, WHOLE]])
def test_parts_that_cannot_be_are_refused(given_parts):
    with pytest.raises(RecipeError, match="interleave: parts"):
        Interleave(given_parts)


@given(st.dictionaries(st.text(max_size=3), st.floats(1e-4, 1) | st.fractions(Fraction(1, 1000), 1), min_size=1))
def test_weights_become_parts_within_one_of_their_share(weights):
    found = parts_of(weights)
    assert list(found) == sorted(weights)
    total, whole = sum(map(Fraction, weights.values())), sum(found.values())
    assert whole <= WHOLE
    for domain, weight in weights.items():
        assert abs(found[domain] - Fraction(weight) * whole / total) < 1
    Interleave(tuple(found.values()))


def test_parts_are_exact_where_they_can_be():
    assert parts_of({"b": 0.25, "a": 0.75, "none": 0}) == {"a": 3, "b": 1}
    assert parts_of({"a": Fraction(1, 3), "b": Fraction(2, 3)}) == {"a": 1, "b": 2}
    assert parts_of({"a": 4_000_000_000, "b": 6_000_000_000}) == {"a": 2, "b": 3}


@given(st.integers(0, 10**15), st.dictionaries(st.text(max_size=3), st.integers(1, 10**12), min_size=1))
def test_what_is_shared_out_is_all_of_it_and_nobody_is_a_whole_one_off(whole, weights):
    found, total = shared_out(whole, weights), sum(weights.values())
    assert sum(found.values()) == whole
    assert all(abs(found[d] - Fraction(whole * w, total)) < 1 for d, w in weights.items())


def test_remainders_by_hand():
    """Ten seats by 4.7, 1.6, 1.6, 1.2, 0.6 and 0.3: seven by floors, one for the 0.7, two for the first two of 0.6."""
    votes = {"a": 47, "b": 16, "c": 16, "d": 12, "e": 6, "f": 3}
    assert list(shared_out(10, votes).values()) == [5, 2, 2, 1, 0, 0]


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weights_that_are_none_are_refused(weight):
    with pytest.raises(RecipeError, match="domain 'a' has the weight"):
        parts_of({"a": weight, "b": 1})


def test_weights_of_nothing_are_refused():
    with pytest.raises(RecipeError, match="no domain has a weight above 0"):
        parts_of({"a": 0})
    with pytest.raises(RecipeError, match=r"domain 'a' has 1e-07 of the weight"):
        parts_of({"a": 1e-7, "b": 1 - 1e-7})


def test_places_before_the_first_are_refused():
    with pytest.raises(ValueError, match="begin at 0"):
        Interleave([1]).span(-1, 1)
