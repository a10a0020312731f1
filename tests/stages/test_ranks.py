"""Cuts by counting digits of keys find what a sort finds, whatever the scores, the sizes, the groups and the shards."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages import ranks
from stages.ranks import WORDS, Cuts, counted, keys, refined, score_of

ODD = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, 5e-324, -5e-324, 1.7976931348623157e308, 0.1, math.nextafter(0.1, 1)]
scores = st.sampled_from(ODD) | st.floats(allow_nan=False)
document = st.tuples(scores, st.integers(0, 3), st.integers(0, 1), st.integers(0, 9) | st.just(1 << 40))
shares = st.lists(
    st.sampled_from(["0", "0.05", "0.1", "0.3", "0.5", "0.999", "1"]), min_size=1, max_size=4, unique=True
)


def corpus(documents, groups, descending):
    """Group, key and size of each document: the text's digest is one of two, the address its own."""
    score, group, tie, size = (np.array(column) for column in zip(*documents, strict=True)) if documents else [[]] * 4
    words = np.zeros((len(documents), WORDS), np.uint64)
    words[:, 0], words[:, 1], words[:, 3] = keys(np.array(score), descending), tie, np.arange(len(documents))
    return np.minimum(np.array(group, np.int64), groups - 1), words, np.array(size, np.int64)


def found(group, words, size, groups, shares, ties, parts=1):
    totals = np.zeros(groups, np.int64)
    np.add.at(totals, group, size)

    def count(nodes, digit):
        return [
            counted(nodes, digit, *(column[part::parts] for column in (group, words, size))) for part in range(parts)
        ]

    return refined(totals, shares, count, ties)


def sorted_out(group, words, size, groups, shares):
    """Behind how many cuts each document lies, by sorting: its middle lies behind the share."""
    behind = np.zeros(len(group), np.int64)
    for g in range(groups):
        rows = np.flatnonzero(group == g)
        order = rows[np.lexsort(words[rows].T[::-1])]
        ahead = np.cumsum(size[order]) - size[order]
        for share in shares:
            behind[order] += 2 * ahead + size[order] > int(2 * share * int(size[rows].sum()))
    return behind


@given(st.lists(document, max_size=40), st.integers(1, 5), shares, st.booleans(), st.integers(1, 4), st.booleans())
def test_cuts_are_those_of_a_sort(documents, groups, asked, descending, parts, many):
    asked = sorted(map(Fraction, asked))
    group, words, size = corpus(documents, groups, descending)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "FEW_CUTS", 0 if many else 256)  # 8 bits a round, 16 bits
        cuts = found(group, words, size, groups, asked, True, parts)
    behind = sorted_out(group, words, size, groups, asked)
    assert (cuts.positions(group, words) == behind).all()
    for cut in range(len(cuts.group)):
        before = (group == cuts.group[cut]) & (behind <= cut % len(asked))
        assert cuts.size[cut] == size[before].sum()
        assert cuts.count[cut] == before.sum()


@given(st.lists(document, max_size=40), st.integers(1, 3), shares)
def test_without_ties_documents_of_one_score_stay_together_and_no_cut_lies_further_than_they_reach(
    documents, groups, asked
):
    asked = sorted(map(Fraction, asked))
    group, words, size = corpus(documents, groups, False)
    cuts = found(group, words, size, groups, asked, False)
    behind = cuts.positions(group, words)
    for g in range(groups):
        rows = np.flatnonzero(group == g)
        total = int(size[rows].sum())
        assert len({(int(words[n, 0]), int(behind[n])) for n in rows}) == len(np.unique(words[rows, 0]))
        for n, share in enumerate(asked):
            before = size[rows][behind[rows] <= n].sum()
            at = size[rows][words[rows, 0] == cuts.words[g * len(asked) + n, 0]].sum()
            assert before <= share * total
            assert cuts.whole[g * len(asked) + n] or share * total < before + at


@given(st.lists(st.floats(allow_nan=False), max_size=30), st.booleans())
@example([0.0, -0.0, 5e-324, -5e-324, math.inf, -math.inf], True)
@example([0.0, -0.0, 5e-324, -5e-324, math.inf, -math.inf], False)
def test_keys_compare_as_scores_do_and_give_them_back(values, descending):
    array = np.array(values, np.float64)
    key = keys(array, descending)
    for a, x in zip(array, key, strict=True):
        assert score_of(x, descending) == a
        for b, y in zip(array, key, strict=True):
            assert (x < y) == ((a > b) if descending else (a < b))


def test_a_share_worked_by_hand():
    """Sizes 4, 3, 2, 1 by score: 30 % of 10 is 3. The middle of the first is at 2, before; of the next at 5.5."""
    group, size = np.zeros(4, np.int64), np.array([1, 2, 3, 4])
    words = np.c_[keys(np.array([0.1, 0.2, 0.3, 0.4]), True), np.zeros((4, 3), np.uint64)]
    cuts = found(group, words, size, 1, [Fraction("0.3")], True)
    assert cuts.positions(group, words).tolist() == [1, 1, 1, 0]
    assert (cuts.size[0], cuts.count[0], score_of(cuts.words[0, 0], True)) == (4, 1, 0.4)


def test_sums_are_whole_numbers_beyond_what_a_float_holds():
    """2**53 + 1 is no float64; half of 2**54 + 2 ends between the two documents."""
    size = np.array([(1 << 53) + 1, (1 << 53) + 1])
    words = np.c_[keys(np.array([1.0, 2.0]), False), np.zeros((2, 3), np.uint64)]
    cuts = found(np.zeros(2, np.int64), words, size, 1, [Fraction(1, 2)], True)
    assert cuts.size.tolist() == [(1 << 53) + 1]


def test_a_group_without_documents_has_cuts_that_nothing_lies_behind():
    cuts = Cuts.of(np.array([0, 0]), [Fraction(1, 2)])
    assert len(cuts.group) == 2
    empty = refined(np.zeros(2, np.int64), [Fraction(1, 2)], lambda nodes, digit: [], True)
    assert empty.whole.all()
    assert empty.count.tolist() == [0, 0]
