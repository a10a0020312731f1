"""Exact truth: every pair of a block of texts whose sets are at least so similar, found without any hash's luck.

A join by prefixes (Bayardo et al. 2007, AllPairs; Xiao et al. 2008, PPJoin): with the elements of all sets in one
order, the rarest first, two sets of Jaccard >= t share an element among the first |x| - ceil(t |x|) + 1 of each,
and neither is shorter than t times the other. What shares one is counted out, so nothing is missed or guessed.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from corpus.documents import Batch
from stages.minhash import MinHash
from stages.verification import sets as each_once

MOST_PAIRS = 4_000_000
MOST_STEPS = 4_000_000_000
"""Where `pairs` gives up: 100 MB of pairs, or about 5 s of comparing. 20,000 copies of one page are 200 million."""

_ROUNDING = 1e-9  # of a product of a share and a size, which may come out above the whole number that it is


class Sets(NamedTuple):
    """Sets of uint64, those of document n at values[first[n] : first[n + 1]], ascending."""

    first: np.ndarray  # int64 [N + 1]
    values: np.ndarray  # uint64


class Pairs(NamedTuple):
    """Pairs of documents by number, a < b, sorted."""

    a: np.ndarray  # int64 [P]
    b: np.ndarray  # int64 [P]
    similarity: np.ndarray  # float64 [P], exact Jaccard


def shingle_sets(batch: Batch, stage: MinHash) -> Sets:
    """What the stage compares of each text: all its shingles, each once."""
    return Sets(*each_once(*stage.shingles(batch)))


def band_keys(batch: Batch, stage: MinHash) -> Sets:
    """The keys by which the stage lets texts meet, 128 bits folded to 64; none for a text without words."""
    rows = stage.emit(batch)
    row = rows["row"].to_numpy()
    keys = _folded(rows["key"].to_numpy(), rows["key2"].to_numpy())
    order = np.lexsort((keys, row))
    first = np.searchsorted(row[order], np.arange(len(batch) + 1))
    return Sets(first.astype(np.int64), keys[order])


def joined(some: list[Sets]) -> Sets:
    """The sets of several batches, one after the other."""
    sizes = [np.diff(one.first) for one in some]
    first = np.r_[np.int64(0), np.cumsum(np.concatenate([np.zeros(0, np.int64), *sizes]))]
    return Sets(first, np.concatenate([np.zeros(0, np.uint64), *(one.values for one in some)]))


def pairs(sets: Sets, least: float, *, most: int = MOST_PAIRS, steps: int = MOST_STEPS) -> Pairs | None:
    """All pairs of similarity >= least (above 0); None where they are more than `most` or take more than `steps`.

    Empty sets are like nothing. Steps are comparisons of two numbers, so what comes back depends on no clock.
    Memory: 40 bytes an element, 24 a pair.
    """
    first, tokens, kinds = _by_rarity(sets)
    size = np.diff(sets.first)
    order = np.argsort(size, kind="stable")
    order = order[size[order] > 0]
    a, b, both, count = _join(first, tokens, kinds, size, order, least, most, steps)
    if count < 0:
        return None
    a, b, both = a[:count], b[:count], both[:count]
    low, high = np.minimum(a, b), np.maximum(a, b)
    similarity = both / (size[a] + size[b] - both)
    sorted_ = np.lexsort((high, low))
    return Pairs(low[sorted_], high[sorted_], similarity[sorted_])


def similarities(sets: Sets, a: np.ndarray, b: np.ndarray, measure: str = "jaccard") -> np.ndarray:
    """Exact similarity of sets a[p] and b[p], float64 [P]; `containment`: the share of a[p] that b[p] has."""
    return np.asarray(_similarities(sets.first, sets.values, a, b, measure == "containment"))


def meet(keys: Sets, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether sets a[p] and b[p] share an element: bool [P]."""
    return similarities(keys, a, b) > 0


def families(documents: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The connected component of each document, by its least member: int64 [N]."""
    return np.asarray(_families(documents, a, b))


def _by_rarity(sets: Sets) -> tuple[np.ndarray, np.ndarray, int]:
    """Offsets and numbers of the elements that two sets or more hold, the rarest first; how many there are.

    What one set alone holds can pair it with none, and is most of a corpus: it counts for sizes only.
    """
    unique, place, counts = np.unique(sets.values, return_inverse=True, return_counts=True)
    shared = np.flatnonzero(counts > 1)
    number = np.full(len(unique), -1, np.int32)
    number[shared[np.argsort(counts[shared], kind="stable")]] = np.arange(len(shared), dtype=np.int32)
    first, tokens = _shared(sets.first, number[place])
    return first, tokens, len(shared)


@njit(nogil=True, cache=True)
def _shared(first, numbers):  # type: ignore[no-untyped-def]
    ends, size = np.zeros_like(first), np.int64(0)
    out = np.empty((numbers >= 0).sum(), np.int32)
    for n in range(len(first) - 1):
        start = size
        for i in range(first[n], first[n + 1]):
            if numbers[i] >= 0:
                out[size] = numbers[i]
                size += 1
        out[start:size].sort()
        ends[n + 1] = size
    return ends, out


@njit(nogil=True, cache=True)
def _join(first, tokens, kinds, size, order, least, most, steps):  # type: ignore[no-untyped-def]
    """Pairs (x, y) and their common elements, in order of x's size; a count of -1 where it gave up."""
    a, b = np.empty(most, np.int64), np.empty(most, np.int64)
    common = np.empty(most, np.int64)
    starts = _posting_starts(first, tokens, kinds, size, least)
    low, filled = starts[:-1].copy(), starts[:-1].copy()  # of each element's list: sets long enough, and all
    posted, met = np.empty(starts[-1], np.int64), np.full(len(size), -1)
    count = np.int64(0)
    for x in order:
        short = least * size[x] - _ROUNDING
        for i in range(first[x], first[x] + _prefix(first, x, size, least)):
            token = tokens[i]
            while low[token] < filled[token] and size[posted[low[token]]] < short:
                low[token] += 1  # sizes ascend: what is too short for this set is so for all that come
            for place in range(low[token], filled[token]):
                y = posted[place]
                steps -= 1
                if met[y] == x:
                    continue
                met[y] = x
                wanted = np.int64(np.ceil(least / (1 + least) * (size[x] + size[y]) - _ROUNDING))
                both, took = _common(tokens[first[x] : first[x + 1]], tokens[first[y] : first[y + 1]], wanted)
                steps -= took
                if both >= wanted:
                    if count == most:
                        return a, b, common, np.int64(-1)
                    a[count], b[count], common[count] = x, y, both
                    count += 1
            if steps < 0:
                return a, b, common, np.int64(-1)
        for i in range(first[x], first[x] + _prefix(first, x, size, 2 * least / (1 + least))):
            posted[filled[tokens[i]]] = x  # later sets are no shorter, so a shorter prefix is enough (PPJoin)
            filled[tokens[i]] += 1
    return a, b, common, count


@njit(nogil=True, cache=True)
def _posting_starts(first, tokens, kinds, size, least):  # type: ignore[no-untyped-def]
    starts = np.zeros(kinds + 1, np.int64)
    for x in range(len(size)):
        for i in range(first[x], first[x] + _prefix(first, x, size, 2 * least / (1 + least))):
            starts[tokens[i] + 1] += 1
    return np.cumsum(starts)


@njit(nogil=True, inline="always")
def _prefix(first, x, size, least):  # type: ignore[no-untyped-def]
    """How many of a set's shared elements lie in its prefix; those that it holds alone come before them."""
    shared = first[x + 1] - first[x]
    kept = np.int64(np.ceil(least * size[x] - _ROUNDING))
    return max(np.int64(0), shared - max(np.int64(0), kept - 1)) if size[x] else np.int64(0)


@njit(nogil=True, cache=True)
def _common(a, b, wanted):  # type: ignore[no-untyped-def]
    """How many elements two sorted sets share, or fewer than `wanted` as soon as that is sure; and the steps taken."""
    i, j, both = np.int64(0), np.int64(0), np.int64(0)
    while i < len(a) and j < len(b) and both + min(len(a) - i, len(b) - j) >= wanted:
        if a[i] == b[j]:
            both += 1
            i += 1
            j += 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return both, i + j


@njit(nogil=True, cache=True)
def _similarities(first, values, a, b, contained):  # type: ignore[no-untyped-def]
    out = np.zeros(len(a))
    for p in range(len(a)):
        one, other = values[first[a[p]] : first[a[p] + 1]], values[first[b[p]] : first[b[p] + 1]]
        both, _ = _common(one, other, 0)
        whole = len(one) if contained else len(one) + len(other) - both
        if whole:
            out[p] = both / whole
    return out


@njit(nogil=True, cache=True)
def _families(documents, a, b):  # type: ignore[no-untyped-def]
    parent = np.arange(documents)
    for p in range(len(a)):
        x, y = a[p], b[p]
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = parent[y]
        parent[max(x, y)] = min(x, y)
    for n in range(documents):
        parent[n] = parent[parent[n]]  # a parent is less than its child, hence a root by now
    return parent


@njit(nogil=True, cache=True)
def _folded(key, key2):  # type: ignore[no-untyped-def]
    return key ^ (key2 * np.uint64(0x9E3779B97F4A7C15))
