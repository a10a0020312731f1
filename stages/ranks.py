"""Where shares of ranked documents end, exactly, without sorting them: digits of their keys are counted in rounds.

A document's key is four 64-bit words: its score, in bits that compare as the numbers do, then what breaks ties. Each
round counts sizes by the next 16 bits (8 where there are many cuts) of the documents that a cut may still lie among,
and narrows it to one bucket of them. Counts of shards add up, so who counted what changes nothing. The score takes 4
rounds (8); ties go on for as long as more than one document is in question.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numba import njit

WORDS = 4
"""Words of a key: score, the text's digest, a hash of the id, the address."""

FEW_CUTS, MOST_CUTS = 256, 65_536
"""Up to 256 cuts go by 16 bits a round, more by 8: at most 16.8 million counters, 270 MB, where all cuts meet."""

_SIGN = np.uint64(1 << 63)
_BITS, _ONES = 64, (1 << 64) - 1


def keys(score: np.ndarray, descending: bool) -> np.ndarray:
    """uint64 [N] that compare as the scores (float64 [N], no NaN) do, or the other way round; -0 and 0 are equal."""
    bits = (np.asarray(score, np.float64) + 0.0).view(np.uint64)  # -0.0 + 0.0 is 0.0
    ascending = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return ~ascending if descending else ascending


def score_of(key: int, descending: bool) -> float:
    """The score that has this key."""
    word = np.uint64(key)
    word = ~word if descending else word
    bits = word ^ _SIGN if word & _SIGN else ~word
    return float(np.array([bits]).view(np.float64)[0])


class Digit(NamedTuple):
    """The bits of a key that a round counts by."""

    word: int
    shift: int  # bits of the word that lie below it
    bits: int

    @property
    def above(self) -> np.uint64:
        """Mask of the bits of the word that earlier rounds settled."""
        return np.uint64(_ONES ^ ((1 << (self.shift + self.bits)) - 1))


class Nodes(NamedTuple):
    """What cuts may still lie among: keys of a group that begin alike, sorted by group and beginning."""

    group: np.ndarray  # int64 [M]
    words: np.ndarray  # uint64 [M, WORDS], zero behind what is settled


class Counted(NamedTuple):
    """How much lies in each bucket of each node: int64 [B] each, `place` is node * 2**bits + digit."""

    place: np.ndarray
    size: np.ndarray
    documents: np.ndarray


Count = Callable[[Nodes, Digit], Iterable[Counted]]
"""Counts the documents of all shards, in parts."""


def counted(nodes: Nodes, digit: Digit, group: np.ndarray, words: np.ndarray, size: np.ndarray) -> Counted:
    """The counts of some documents. group: int64 [N]; words: uint64 [N, digit.word + 1 or more]; size: int64 [N]."""
    node = _node(group, words, nodes.group, nodes.words, digit.word, digit.above)
    here = np.flatnonzero(node >= 0)
    value = (words[here, digit.word] >> np.uint64(digit.shift)) & np.uint64((1 << digit.bits) - 1)
    place = (node[here] << digit.bits) | value.astype(np.int64)
    order = np.argsort(place, kind="stable")
    found, first = np.unique(place[order], return_index=True)
    sums = np.add.reduceat(size[here][order], first) if len(first) else np.zeros(0, np.int64)
    return Counted(found, sums, np.diff(np.r_[first, len(order)]))


def tied(nodes: Nodes, group: np.ndarray, score: np.ndarray) -> np.ndarray:
    """bool [N]: documents with the group and the score (uint64 [N]) of a node."""
    known = np.unique(np.c_[nodes.group.astype(np.uint64), nodes.words[:, 0]], axis=0)
    found = _node(group, score[:, None], known[:, 0].astype(np.int64), known[:, 1:], 0, np.uint64(_ONES))
    return found >= 0


@njit(nogil=True, cache=True)
def _node(group, words, node_group, node_words, word, above):  # type: ignore[no-untyped-def]
    out = np.full(len(group), np.int64(-1))
    for n in range(len(group)):
        low, high = 0, len(node_group)
        while low < high:
            middle = (low + high) >> 1
            if _order(group[n], words[n], node_group[middle], node_words[middle], word, above) > 0:
                low = middle + 1
            else:
                high = middle
        if low < len(node_group) and _order(group[n], words[n], node_group[low], node_words[low], word, above) == 0:
            out[n] = low
    return out


@njit(nogil=True, cache=True)
def _order(group, key, node_group, node, word, above):  # type: ignore[no-untyped-def]
    if group != node_group:
        return 1 if group > node_group else -1
    for w in range(word + 1):
        mine = key[w] & above if w == word else key[w]
        if mine != node[w]:
            return 1 if mine > node[w] else -1
    return 0


@dataclass
class Cuts:
    """Where shares of groups end: the documents of a group before it, and the first keys behind it."""

    group: np.ndarray  # int64 [C], ascending; cuts of a group ascend by share
    limit: np.ndarray  # int64 [C], twice the size that should lie before the cut, rounded down
    words: np.ndarray  # uint64 [C, WORDS]: keys up to this one come before, with `closed` this one too
    closed: np.ndarray  # bool [C]
    whole: np.ndarray  # bool [C], all of the group comes before
    size: np.ndarray  # int64 [C], what came before
    count: np.ndarray  # int64 [C], documents before
    depth: np.ndarray  # int64 [C], bits of `words` that were settled

    @classmethod
    def of(cls, totals: np.ndarray, shares: Iterable[Fraction]) -> "Cuts":
        """A cut for each share of each group, not looked for yet. totals: int64 [G]."""
        limit = np.array([[int(2 * share * int(t)) for share in shares] for t in totals.tolist()], np.int64)
        cuts, per = limit.size, limit.shape[1] if len(totals) else 0
        zeros, never = np.zeros((3, cuts), np.int64), np.zeros((2, cuts), bool)
        group = np.repeat(np.arange(len(totals)), per)
        return cls(group, limit.ravel(), np.zeros((cuts, WORDS), np.uint64), *never, *zeros)

    def positions(self, group: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Behind how many cuts of its group each document lies: int64 [N]. words: uint64 [N, WORDS]."""
        groups = np.searchsorted(self.group, np.arange(int(self.group.max(initial=-1)) + 2))
        return _positions(group, words, groups, self.words, self.closed)

    def tied(self, group: np.ndarray, score: np.ndarray) -> np.ndarray:
        """bool [N]: documents whose score (uint64 [N]) is one at which a cut of their group goes by its ties."""
        deep = self.depth > _BITS
        return tied(Nodes(self.group[deep], self.words[deep]), group, score)


@njit(nogil=True, cache=True)
def _positions(group, words, first, bounds, closed):  # type: ignore[no-untyped-def]
    out = np.zeros(len(group), np.int64)
    for n in range(len(group)):
        for c in range(first[group[n]], first[group[n] + 1]):
            w = 0
            while w < bounds.shape[1] - 1 and words[n, w] == bounds[c, w]:
                w += 1
            if words[n, w] < bounds[c, w] or (words[n, w] == bounds[c, w] and closed[c]):
                break
            out[n] += 1
    return out


def refined(totals: np.ndarray, shares: Iterable[Fraction], count: Count, ties: bool) -> Cuts:
    """The cuts at these shares (ascending, of 0 to 1) of each group's total size (int64 [G]).

    Documents stand by key. With `ties` what comes before a cut is as near to the share as whole documents can be: a
    document comes before where its middle does not lie behind the share. Without, documents of one score stay together:
    those with the score that the share falls among lie behind the cut. 4 rounds of `count`, or 8; with ties up to 32.
    """
    cuts = Cuts.of(totals, shares)
    open_ = np.arange(len(cuts.group))
    among = np.full(len(open_), np.iinfo(np.int64).max)  # documents that a cut may lie among
    weight = np.zeros(len(open_), np.int64)
    for digit in _digits(16 if len(open_) <= FEW_CUTS else 8, WORDS if ties else 1):
        if digit.word > 0:
            open_ = open_[among[open_] > 1]
        open_ = open_[~cuts.whole[open_]]
        if len(open_) == 0:
            break
        _narrow(cuts, open_, digit, count, among, weight)
    if ties:
        _settle(cuts, weight)
    return cuts


def _digits(bits: int, words: int) -> Iterator[Digit]:
    return (Digit(word, shift, bits) for word in range(words) for shift in range(_BITS - bits, -1, -bits))


def _narrow(cuts: Cuts, open_: np.ndarray, digit: Digit, count: Count, among: np.ndarray, weight: np.ndarray) -> None:
    """One round: the bucket that each open cut lies in, and what comes before it."""
    nodes, place = _nodes(cuts, open_)
    size, documents = (np.zeros((len(nodes.group), 1 << digit.bits), np.int64) for _ in range(2))
    for some in count(nodes, digit):
        size.ravel()[some.place] += some.size
        documents.ravel()[some.place] += some.documents
    for cut, node in zip(open_.tolist(), place.tolist(), strict=True):  # 65,536 cuts at most: 2 s a round
        ends = np.cumsum(size[node])
        bucket = int(np.searchsorted(2 * (cuts.size[cut] + ends), cuts.limit[cut], side="right"))
        if bucket == len(ends):  # only in the first round: the share is all there is
            cuts.whole[cut], bucket = True, len(ends) - 1
            among[cut], weight[cut] = 0, 0
            cuts.size[cut], cuts.count[cut] = ends[-1], documents[node].sum()
            cuts.words[cut], cuts.closed[cut] = np.uint64(_ONES), True
            continue
        among[cut], weight[cut] = documents[node, bucket], size[node, bucket]
        cuts.size[cut] += ends[bucket] - size[node, bucket]
        cuts.count[cut] += documents[node, :bucket].sum()
        cuts.words[cut, digit.word] |= np.uint64(bucket << digit.shift)
        cuts.depth[cut] = digit.word * _BITS + _BITS - digit.shift


def _nodes(cuts: Cuts, open_: np.ndarray) -> tuple[Nodes, np.ndarray]:
    """The different nodes of open cuts, sorted, and int64 [open], that of each."""
    columns = [cuts.group[open_], *cuts.words[open_].T]
    order = np.lexsort(columns[::-1])
    new = np.ones(len(order), bool)
    new[1:] = np.logical_or.reduce([c[order][1:] != c[order][:-1] for c in columns])
    place = np.empty(len(order), np.int64)
    place[order] = np.cumsum(new) - 1
    first = open_[order[new]]
    return Nodes(cuts.group[first], cuts.words[first]), place


def _settle(cuts: Cuts, weight: np.ndarray) -> None:
    """Say of the one document that a cut lies in whether it comes before: then all keys that begin as its own do."""
    before = ~cuts.whole & (2 * cuts.size + weight <= cuts.limit)
    cuts.closed |= before
    cuts.size += np.where(before, weight, 0)
    cuts.count += before
    for cut in np.flatnonzero(before).tolist():
        word, settled = divmod(int(cuts.depth[cut]), _BITS)
        cuts.words[cut, word + (settled > 0) :] = np.uint64(_ONES)
        if settled:
            cuts.words[cut, word] |= np.uint64(_ONES >> settled)
