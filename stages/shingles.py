"""Shingles: the word n-grams of a text as 64-bit hashes, from the shared word pass."""

import numpy as np
from numba import njit

from corpus.hashing import mix64
from corpus.words import Words


def shingles(words: Words, ngram: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of every run of `ngram` words: offsets int64 [N + 1] and values uint64, in order, with repeats.

    A text shorter than `ngram` words is one shingle, the whole of it; a text without words has none.
    """
    return _shingles(words.first, words.hashes, _factors(ngram))


def _factors(ngram: int) -> np.ndarray:
    """Odd multipliers, one for each place in a shingle, so that order counts: powers of 2**64 / phi."""
    return np.cumprod(np.full(ngram, 0x9E3779B97F4A7C15, np.uint64))


@njit(nogil=True, cache=True)
def _shingles(first: np.ndarray, hashes: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Word hashes are mixed already, so a sum of products is enough and its terms do not wait for each other."""
    ngram = len(factors)
    offsets = np.zeros(len(first), np.int64)
    for n in range(len(first) - 1):
        count = first[n + 1] - first[n]
        offsets[n + 1] = offsets[n] + (min(count, 1) if count < ngram else count - ngram + 1)
    values = np.empty(offsets[-1], np.uint64)
    for n in range(len(first) - 1):
        width = min(ngram, first[n + 1] - first[n])
        for i in range(offsets[n + 1] - offsets[n]):
            h = np.uint64(0)
            for j in range(width):
                h += hashes[first[n] + i + j] * factors[j]
            values[offsets[n] + i] = mix64(h)
    return offsets, values


@njit(nogil=True, cache=True)
def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Shared share of two sorted sets: |a & b| / |a | b|; 0 where both are empty."""
    i, j, both = 0, 0, 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            both += 1
            i += 1
            j += 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    union = len(a) + len(b) - both
    return both / union if union else 0.0
