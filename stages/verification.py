"""Candidate clusters, split on what their texts are: no document goes on a hash's word.

Leader clustering: documents in order, the best first; each repeats the first keeper that it is at least `least`
similar to, or becomes a keeper. A chain a ~ b ~ c whose ends differ is thereby cut, and what is dropped was
compared with the very document that is kept in its place.
"""

import numpy as np
from numba import njit

from stages.shingles import shared

KEEPERS = 16
"""Most keepers one candidate cluster is split into. Of 1,700 candidate clusters in licences, modules and
manuals none needed more than 9; documents left over are kept, since nothing showed them to be duplicates."""

_MOVES = 8  # of a hash on its way through its bucket, on average; a half is expected


@njit(nogil=True, cache=True)
def sets(first: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shingles of each document sorted and each once: offsets int64 [N + 1], values uint64."""
    out, ends = np.empty_like(values), np.zeros_like(first)
    size = 0
    for n in range(len(first) - 1):
        ordered = _sorted(values[first[n] : first[n + 1]])
        for i in range(len(ordered)):
            if i == 0 or ordered[i] != ordered[i - 1]:
                out[size] = ordered[i]
                size += 1
        ends[n + 1] = size
    return ends, out[:size]


@njit(nogil=True, cache=True)
def _sorted(values: np.ndarray) -> np.ndarray:
    """Hashes in order: as many buckets by their highest bits as there are hashes, then each to its place by insertion.

    6 ns a hash where a sort takes 35. Hashes that somebody made to fall into one bucket are sorted after all.
    """
    bits, budget = 1, np.int64(_MOVES * len(values))
    while 1 << bits < len(values):
        bits += 1
    shift = np.uint64(64 - bits)
    ends = np.zeros((1 << bits) + 1, np.int64)
    for value in values:
        ends[np.int64(value >> shift) + 1] += 1
    for bucket in range(1, len(ends)):
        ends[bucket] += ends[bucket - 1]
    out = np.empty_like(values)
    for value in values:
        of = np.int64(value >> shift)
        out[ends[of]] = value
        ends[of] += 1
    for i in range(1, len(out)):
        value, j = out[i], np.int64(i)
        while j and out[j - 1] > value:
            out[j] = out[j - 1]
            j -= 1
        out[j] = value
        budget -= i - j
        if budget < 0:
            return np.sort(values)
    return out


@njit(nogil=True, cache=True)
def leaders(
    cluster: np.ndarray, first: np.ndarray, values: np.ndarray, least: float, most: int, contained: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The row of each document's keeper, and its similarity to it: int64 [N], float64 [N]; 1 for itself.

    cluster: int64 [N], rows of one cluster adjacent, the best first; first, values: as `sets` gives them.
    most: keepers of a cluster; a document that is like none of so many is kept and takes nobody.
    contained: by the share of the document's shingles that its keeper has, else by their Jaccard similarity.
    """
    keeper, similarity = np.arange(len(cluster)), np.ones(len(cluster))
    held, count = np.empty(most, np.int64), 0
    for m in range(len(cluster)):
        if m == 0 or cluster[m] != cluster[m - 1]:
            count = 0
        own = values[first[m] : first[m + 1]]
        for k in held[:count]:
            s = _similarity(values[first[k] : first[k + 1]], own, least, contained)
            if s >= least:
                keeper[m], similarity[m] = k, s
                break
        if keeper[m] == m and count < most:
            held[count] = m
            count += 1
    return keeper, similarity


@njit(nogil=True, cache=True)
def _similarity(of: np.ndarray, own: np.ndarray, least: float, contained: bool) -> float:
    """0 without a look where the sizes alone keep it below `least`."""
    if min(len(of), len(own)) == 0:
        return 0.0
    if contained:
        return 0.0 if len(of) / len(own) < least else shared(of, own) / len(own)
    if min(len(of), len(own)) / max(len(of), len(own)) < least:
        return 0.0
    both = shared(of, own)
    return both / (len(of) + len(own) - both)
