"""Near-duplicates: LSH proposes, text decides.

Keys are the bands of a MinHash signature (Broder 1997) of a text's word n-grams. Two texts that share a
share s of their n-grams share a given band of r values with chance s**r, and some band of b with chance
1 - (1 - s**r)**b: 0.924 at s = 0.8 with the default 14 x 8 (FineWeb's). Candidates are then compared as
sets of n-grams, exactly, and only what is at least `least` similar to its keeper is dropped.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.documents import ID, TEXT, Batch
from corpus.errors import RecipeError
from corpus.hashing import combine
from stages.base import WORDS
from stages.clusters import Deduplication, ranks, verdicts
from stages.shingles import jaccard, shingles

REASON = "near duplicate"

MOST_HASHES = 10_000

KEEPERS = 16
"""Most keepers one candidate cluster is split into. Of 1,700 candidate clusters in licences, modules and
manuals none needed more than 9; documents left over are kept, since nothing showed them to be duplicates."""


@dataclass(frozen=True, kw_only=True)
class MinHash(Deduplication):
    """Drop documents whose word n-grams are nearly those of a better document."""

    ngram: int = 5
    bands: int = 14
    rows: int = 8
    least: float = 0.8  # exact Jaccard similarity to the keeper
    seed: int = 1

    name = "minhash"
    reads = (TEXT, WORDS)
    evidence = (ID, TEXT)
    judging = ("least",)

    def __post_init__(self) -> None:
        if min(self.ngram, self.bands, self.rows) < 1 or not 0 < self.least <= 1:
            raise RecipeError(
                f"minhash: ngram {self.ngram}, bands {self.bands} and rows {self.rows} must be at least 1, "
                f"and least {self.least} above 0 and at most 1"
            )
        if self.bands * self.rows > MOST_HASHES:
            raise RecipeError(
                f"minhash: {self.bands:,} bands of {self.rows:,} rows are {self.bands * self.rows:,} hashes a "
                f"document; at most {MOST_HASHES:,}. RefinedWeb's 450 x 20 are 9,000."
            )

    @cached_property
    def permutations(self) -> tuple[np.ndarray, np.ndarray]:
        """a (odd) and b, uint32 [bands * rows], as datasketch 2.0's `affine32` draws them from `seed`."""
        draw, size = np.random.RandomState(self.seed), self.bands * self.rows
        a = draw.randint(0, 1 << 31, size, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
        return a, draw.randint(0, 1 << 32, size, dtype=np.uint32)

    def signatures(self, batch: Batch) -> np.ndarray:
        """uint32 [N, bands * rows]; a text without words has the largest value in every place."""
        first, values = shingles(batch.words, self.ngram)
        return _signatures(first, values, *self.permutations)

    def emit(self, batch: Batch) -> pa.Table:
        has_words = np.flatnonzero(np.diff(batch.words.first) > 0)
        key, key2 = _bands(self.signatures(batch)[has_words], self.bands)
        rank = ranks(batch)[has_words]
        return pa.table(
            [key.ravel(), key2.ravel(), np.repeat(has_words, self.bands), np.repeat(rank, self.bands)],
            schema=self.emitted(),
        )

    def verify(self, texts: pa.Table) -> pa.Table:
        """Split every candidate cluster into keepers and the documents at least `least` similar to one."""
        batch = Batch(texts.select([TEXT]).combine_chunks().to_batches()[0])
        first, values = shingles(batch.words, self.ngram)
        first, values = _sets(first, values)
        keeper, similarity = _split(texts["cluster"].to_numpy(), first, values, self.least, KEEPERS)
        return verdicts(texts, keeper, similarity, REASON)


@njit(nogil=True, cache=True)
def _signatures(first: np.ndarray, values: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    least = np.full((len(first) - 1, len(a)), np.uint32(0xFFFFFFFF), np.uint32)
    for n in range(len(first) - 1):
        row = least[n]
        for i in range(first[n], first[n + 1]):
            h = _fmix32(np.uint32(values[i]))
            for k in range(len(a)):  # one AVX-512 multiply-add for 16 permutations
                row[k] = min(row[k], np.uint32(a[k] * h + b[k]))
    return least


@njit(nogil=True, cache=True, inline="always")
def _fmix32(h: np.uint32) -> np.uint32:
    """MurmurHash3's finalizer: a bijection of uint32 that spreads every bit."""
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    return np.uint32(h ^ (h >> np.uint32(16)))


@njit(nogil=True, cache=True)
def _bands(signatures: np.ndarray, bands: int) -> tuple[np.ndarray, np.ndarray]:
    """128-bit keys of each band, uint64 [N, bands] twice; the band's number is part of its key."""
    rows = signatures.shape[1] // bands
    key = np.empty((len(signatures), bands), np.uint64)
    key2 = np.empty((len(signatures), bands), np.uint64)
    for n in range(len(signatures)):
        for band in range(bands):
            h, g = np.uint64(2 * band), np.uint64(2 * band + 1)
            for r in range(band * rows, (band + 1) * rows):
                h, g = combine(h, np.uint64(signatures[n, r])), combine(g, np.uint64(signatures[n, r]))
            key[n, band], key2[n, band] = h, g
    return key, key2


@njit(nogil=True, cache=True)
def _sets(first: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shingles of each document sorted and each once."""
    out, ends = np.empty_like(values), np.zeros_like(first)
    size = 0
    for n in range(len(first) - 1):
        ordered = np.sort(values[first[n] : first[n + 1]])
        for i in range(len(ordered)):
            if i == 0 or ordered[i] != ordered[i - 1]:
                out[size] = ordered[i]
                size += 1
        ends[n + 1] = size
    return ends, out[:size]


@njit(nogil=True, cache=True)
def _split(
    cluster: np.ndarray, first: np.ndarray, values: np.ndarray, least: float, keepers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Keeper row and similarity of each document. Rows of a cluster are adjacent, the best first."""
    keeper, similarity = np.arange(len(cluster)), np.ones(len(cluster))
    start = 0
    while start < len(cluster):
        stop = start + 1
        while stop < len(cluster) and cluster[stop] == cluster[start]:
            stop += 1
        open_ = np.ones(stop - start, np.bool_)
        for _ in range(keepers):
            k = start
            while k < stop and not open_[k - start]:
                k += 1
            if k == stop:
                break
            open_[k - start] = False
            for m in range(k + 1, stop):
                if open_[m - start]:
                    s = jaccard(values[first[k] : first[k + 1]], values[first[m] : first[m + 1]])
                    if s >= least:
                        keeper[m], similarity[m], open_[m - start] = k, s, False
        start = stop
    return keeper, similarity
