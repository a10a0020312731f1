"""Repeated n-grams by a Bloom filter, documents in order: what DCLM does with BFF (Li et al. 2024), `old-both`.

A filter forgets nothing and takes 1.2 bytes an n-gram (at 1 % false positives) however long the text, but what
it has seen hangs on what came before: another order of documents keeps other ones. Use `paragraphs` or
`substring` where that matters; this where memory for one filter is at hand and near-repeats are to go too.

The filter is blocked (Putze, Sanders and Singler 2007): all bits of an n-gram lie in one cache line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import exp, lgamma, log
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from corpus.buffers import bounds
from corpus.documents import DROP, VALUE, Batch
from corpus.edits import Spans
from corpus.errors import RecipeError, StageError
from corpus.hashing import mix64
from stages.base import Column
from stages.paragraphs import following, line_words
from stages.repeats import Repeats

SEEN = "seen n-grams"

BLOCK = 512
"""Bits of a block: the 64 bytes of a cache line. A place in it takes 9 bits, and a hash of 64 bits has 7 of them."""

GRAMS = pa.schema([("row", pa.int64()), ("ngrams", pa.int64())])
"""How many n-grams a document has, if any: so the filter's size is known before it is filled."""


class Size(NamedTuple):
    """What a filter takes."""

    bits: float  # an item
    probes: int  # bits that are set for an item


@cache
def size(false_positives: float) -> Size:
    """The fewest bits an item with which a full filter says of what it never held, `false_positives` of the time, that
    it did; and how many of them to set.

    An unblocked filter takes log2(1 / p) / ln 2 (Bloom 1970): 9.6 at 1 %. Blocks take 9.9, for their unequal loads.
    """
    low, high = 1.0, 4_096.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if _best(middle)[0] <= false_positives else (middle, high)
    return Size(high, _best(high)[1])


def _best(bits: float) -> tuple[float, int]:
    """The least share of false positives at so many bits an item, and the probes that give it."""
    return min((rate(bits, probes), probes) for probes in range(1, 29))


def rate(bits: float, probes: int) -> float:
    """The share of false positives of a full filter: Putze, Sanders and Singler 2007, equation 3.

    Items of a block are Poisson; a block with i of them has each bit set with chance 1 - (1 - 1 / BLOCK)**(i * probes).
    """
    mean, total = BLOCK / bits, 0.0
    for i in range(int(mean + 12 * mean**0.5 + 24)):
        chance = exp(i * log(mean) - mean - lgamma(i + 1))
        total += chance * (1 - (1 - 1 / BLOCK) ** (i * probes)) ** probes
    return total


@dataclass
class Filter:
    """What n-grams were seen. It holds at most `most` of them, with the false positives it was made for."""

    bits: np.ndarray  # uint64 [blocks * 8]
    probes: int
    most: int
    held: int = 0  # n-grams that were not in it when they came

    @classmethod
    def of(cls, most: int, false_positives: float) -> "Filter":
        """An empty filter; StageError where there is no memory for it."""
        needed = size(false_positives)
        blocks = int(most * needed.bits / BLOCK) + 1
        try:
            return cls(np.zeros(blocks * BLOCK // 64, np.uint64), needed.probes, most)
        except MemoryError as error:
            raise StageError(
                f"ngram_bloom: a filter of {most:,} n-grams at {false_positives:g} false positives takes "
                f"{blocks * BLOCK / 8e9:,.1f} GB, more than there is. Allow more of them, or split the corpus."
            ) from error

    def check(self) -> None:
        """StageError where it holds more than it was made for, since then it says of everything that it was seen."""
        if self.held > self.most:
            raise StageError(
                f"ngram_bloom: {self.held:,} different n-grams so far, and the filter was made for {self.most:,}: "
                f"{len(self.bits) * 8 / 1e6:,.1f} MB, {self.probes} bits set for each. Beyond that there are more "
                f"false positives than were asked for. Raise `ngrams`, or leave it out: then they are counted before."
            )


@dataclass(frozen=True, kw_only=True)
class NgramBloom(Repeats):
    """Drop documents, and cut lines of the others, most of whose n-grams stood in documents before."""

    ngram: int = 13
    share: float = 0.8
    false_positives: float = 0.01
    ngrams: int | None = None

    name = "ngram_bloom"
    judging = ("least_left_words", "share", "false_positives", "ngrams")
    ordered = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ngram < 1 or not 0 < self.share <= 1 or not 1e-12 <= self.false_positives <= 0.5:
            raise RecipeError(
                f"ngram_bloom: ngram {self.ngram} must be at least 1, share {self.share:g} above 0 and at most 1, "
                f"false_positives {self.false_positives:g} from 1e-12 to 0.5"
            )
        if self.ngrams is not None and self.ngrams < 1:
            raise RecipeError(f"ngram_bloom: ngrams is {self.ngrams:,}; leave it out to have them counted")

    @property
    def adds(self) -> Mapping[str, Column]:
        return {**super().adds, "seen_share": Column(pa.float64(), "share of its n-grams seen before, 0 to 1")}

    def emitted(self) -> pa.Schema:
        return GRAMS

    def emit(self, batch: Batch) -> pa.Table:
        grams = np.maximum(line_words(batch.words) - self.ngram + 1, 0)
        sums = bounds(grams)[batch.words.line_first]
        row = np.flatnonzero(np.diff(sums))
        return pa.table([row, np.diff(sums)[row]], schema=GRAMS)

    def judged(self, batch: Batch, seen: Filter) -> pa.Table:
        """What the stage lays beside these documents, which come after those that `seen` holds; it holds them then."""
        words, (offsets, _) = batch.words, batch.utf8
        counts = line_words(words)
        powers = np.uint64(0x9E3779B97F4A7C15) ** np.arange(self.ngram, dtype=np.uint64)
        known, cut, new = _judged(
            words.line_first, words.first, counts, words.hashes, powers, self.share, seen.bits, seen.probes
        )
        seen.held += new
        seen.check()
        ends = following(words.line_first, words.line_starts, offsets)
        row = np.repeat(np.arange(len(batch)), np.diff(words.line_first))
        count = np.bincount(row[cut], minlength=len(batch))
        start = offsets[row[cut]]
        spans = Spans(bounds(count), words.line_starts[cut] - start, ends[cut] - start)
        return self._dropped(self.edited(batch.text, spans, count, {"seen_share": pa.array(known)}), known)

    def _dropped(self, table: pa.Table, known: np.ndarray) -> pa.Table:
        """The columns with the verdict on whole documents in them."""
        gone = pa.array(known >= self.share)
        table = table.set_column(0, DROP, pc.if_else(gone, SEEN, table[DROP]))
        return table.set_column(1, VALUE, pc.if_else(gone, pa.array(known), table[VALUE])).cast(self.schema())


@njit(nogil=True, cache=True)
def _judged(line_first, first, counts, hashes, powers, share, bits, probes):  # type: ignore[no-untyped-def]
    """Each document against those before it: the share of its n-grams that were seen, its lines to cut, new n-grams.

    A document is looked up whole before any of it is added: added line by line and looked up once more, a corpus
    lost 98 % of itself (mlfoundations/dclm issue 83). A document without n-grams has a share of 0.
    """
    known, cut = np.zeros(len(first) - 1), np.zeros(len(counts), np.bool_)
    keys, new = np.empty(len(hashes), np.uint64), np.int64(0)
    for n in range(len(first) - 1):
        w, grams, hits = first[n], np.int64(0), np.int64(0)
        for line in range(line_first[n], line_first[n + 1]):
            size, found = _keys(hashes, w, counts[line], powers, keys), np.int64(0)
            for i in range(w, w + size):
                found += _has(bits, probes, keys[i])
            cut[line] = size > 0 and found >= share * size
            grams, hits, w = grams + size, hits + found, w + counts[line]
        if grams:
            known[n] = hits / grams
        dropped, w = known[n] >= share, first[n]
        for line in range(line_first[n], line_first[n + 1]):
            if not dropped and not cut[line]:
                for i in range(w, w + max(np.int64(0), counts[line] - len(powers) + 1)):
                    new += _add(bits, probes, keys[i])
            cut[line] = cut[line] and not dropped
            w += counts[line]
    return known, cut, new


@njit(nogil=True, cache=True)
def _keys(hashes, w, count, powers, keys):  # type: ignore[no-untyped-def]
    """Put the key of every run of n words among hashes[w : w + count] into keys[w:]; how many there are."""
    n = len(powers)
    total = np.uint64(0)
    for i in range(count):
        if i >= n:
            total -= hashes[w + i - n] * powers[n - 1]
        total = total * powers[1] + hashes[w + i] if n > 1 else hashes[w + i]
        if i >= n - 1:
            keys[w + i - n + 1] = mix64(total)
    return max(np.int64(0), count - n + 1)


@njit(nogil=True, forceinline=True)
def _block(bits, key):  # type: ignore[no-untyped-def]
    """The first word of the key's block: its upper half over all blocks; 2**32 of them are 275 GB."""
    return ((key >> np.uint64(32)) * np.uint64(len(bits) // 8) >> np.uint64(32)) * np.uint64(8)


@njit(nogil=True, forceinline=True)
def _has(bits, probes, key):  # type: ignore[no-untyped-def]
    block, places = _block(bits, key), mix64(key)
    for probe in range(probes):
        if probe and probe % 7 == 0:
            places = mix64(key + np.uint64(probe))
        word = bits[block + ((places >> np.uint64(6)) & np.uint64(7))]
        if not word >> (places & np.uint64(63)) & np.uint64(1):
            return False
        places >>= np.uint64(9)
    return True


@njit(nogil=True, forceinline=True)
def _add(bits, probes, key):  # type: ignore[no-untyped-def]
    """Whether any bit was not set."""
    block, places, new = _block(bits, key), mix64(key), False
    for probe in range(probes):
        if probe and probe % 7 == 0:
            places = mix64(key + np.uint64(probe))
        at = block + ((places >> np.uint64(6)) & np.uint64(7))
        bit = np.uint64(1) << (places & np.uint64(63))
        new |= not bits[at] & bit
        bits[at] |= bit
        places >>= np.uint64(9)
    return new
