"""An index of the n-grams of benchmarks.

A *sequence* is a run of words of an item that is matched as one, by n-grams of its own n. Words are the hashes of the
shared word pass (case-folded, no punctuation), of both sides. An n-gram goes by a hash of 64 bits; before it counts,
all of its words are compared, so none is found by chance. An n-gram that more than `most_items` items hold is
boilerplate ("which of the following") and is ignored; of one that an item repeats the first place stands.

A bitmap of at most 1 MB, which stays in the second cache, says of 19 words in 20 that no n-gram begins there; the walk
over documents is ngram_walk.py.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.hashing import mix64
from corpus.words import words

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no word's share in the sum is lost
SALT = np.uint64(0xD1342543DE82EF95)  # of the n: a run of 8 words and one of 13 are told apart
_MOST_BITS = 23  # 2 ** 23 bits are 1 MB


class Sequences(NamedTuple):
    """Runs of words of items. Those of sequence s are words[first[s] : first[s + 1]]."""

    first: np.ndarray  # int64 [S + 1]
    words: np.ndarray  # uint64 [W], hashes
    item: np.ndarray  # int64 [S], place in the list of items
    n: np.ndarray  # int64 [S], words of its n-grams; 0 where it is too short to match

    @property
    def sizes(self) -> np.ndarray:
        """Words of each: int64 [S]."""
        return np.diff(self.first)


class Index(NamedTuple):
    """The n-grams of sequences by hash. An *occurrence* is where an n-gram begins: a place in `sequences.words`."""

    sequences: Sequences
    lengths: np.ndarray  # int64 [J], the different n, ascending
    bitmap: np.ndarray  # uint64, of how n-grams begin: their first words, as many as the shortest n-gram has
    keys: np.ndarray  # uint64 [K], ascending
    buckets: np.ndarray  # int32: keys with the leading bits i are [buckets[i] : buckets[i + 1]]
    key_first: np.ndarray  # int64 [K + 1], of `places`
    places: np.ndarray  # int64 [P], occurrences of each key, ascending
    of: np.ndarray  # int64 [W], the sequence of each word
    counts: np.ndarray  # bool [W], whether an n-gram that counts begins here
    held: np.ndarray  # int64 [W], how many items hold the n-gram that begins here


def sequences(texts: Iterable[str], item: np.ndarray, n: int | np.ndarray, least_words: int) -> Sequences:
    """One sequence a text. One with fewer words than n is matched whole, if it has `least_words`; else not at all."""
    split = words(pa.array(texts, pa.large_string()))
    return measured(split.first, split.hashes, item, n, least_words)


def measured(
    first: np.ndarray, hashes: np.ndarray, item: np.ndarray, n: int | np.ndarray, least_words: int
) -> Sequences:
    """The same of words that were split already."""
    size = np.diff(first)
    whole = np.minimum(size, n)
    return Sequences(first, hashes, item, np.where(whole >= np.minimum(least_words, n), whole, 0))


def index(given: Sequences, most_items: int, frequent: np.ndarray) -> Index:
    """The n-grams of sequences, without those in more than `most_items` items and those whose hash is in `frequent`.

    1.1 million n-grams of 17 benchmarks take 0.9 s, the word pass among it, and 78 MB.
    """
    of = np.repeat(np.arange(len(given.n)), given.sizes)
    hashes, there = _grams(given.first, given.words, given.n)
    places = np.flatnonzero(there)
    places = places[np.argsort(hashes[places], kind="stable")]
    key, sequence = hashes[places], of[places]
    once = _changes(key, sequence)  # the first place of an n-gram in its sequence
    places, key, item = places[once], key[once], given.item[sequence[once]]
    lead, new = _changes(key), _changes(key, item)  # the items of one n-gram ascend, as sequences do
    group = np.cumsum(lead) - 1
    items = np.bincount(group, weights=new).astype(np.int64)[group] if len(group) else group
    held = np.zeros(len(of), np.int64)
    held[places] = items
    kept = (items <= most_items) & ~np.isin(key, frequent)
    places, key = places[kept], key[kept]
    counts = np.zeros(len(of), bool)
    counts[places] = True
    starts, lengths = np.flatnonzero(_changes(key)), np.unique(given.n[given.n > 0])
    begins = _grams(given.first, given.words, np.where(given.n > 0, lengths[:1].sum(), 0))[0]  # of the shortest n
    key_first = np.r_[starts, len(key)].astype(np.int64)
    keys, bitmap = key[starts], _bitmap(begins[places[starts]])
    return Index(given, lengths, bitmap, keys, _buckets(keys), key_first, places, of, counts, held)


def _changes(*columns: np.ndarray) -> np.ndarray:
    """Rows that differ from the one before: bool [N], the first too."""
    new = np.zeros(len(columns[0]), bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return new


def _bitmap(hashes: np.ndarray) -> np.ndarray:
    """Two bits for each hash, in the word of its leading bits: 8 to 16 bits a hash, while it is below _MOST_BITS."""
    bits = min(max(len(hashes).bit_length() + 3, 10), _MOST_BITS)
    bitmap = np.zeros(1 << (bits - 6), np.uint64)
    _set(bitmap, hashes)
    return bitmap


@njit(nogil=True, cache=True)
def _set(bitmap, hashes):  # type: ignore[no-untyped-def]
    for h in hashes:
        bitmap[np.int64(h >> shift_of(len(bitmap)))] |= two_bits(h)


@njit(inline="always")
def two_bits(h):  # type: ignore[no-untyped-def]
    """Both in one word of the bitmap, so that asking for them is one load: with 8 bits a key, 5 % pass by chance."""
    one = np.uint64(1)
    return one << (h & np.uint64(63)) | one << (h >> np.uint64(6) & np.uint64(63))


def _buckets(keys: np.ndarray) -> np.ndarray:
    bits = max(1, len(keys).bit_length())
    edges = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    return np.r_[np.searchsorted(keys, edges), len(keys)].astype(np.int32)


def gram_hash(hashes: np.ndarray) -> int:
    """The hash of one n-gram, of its words' hashes."""
    first, n = np.array([0, len(hashes)], np.int64), np.array([len(hashes)], np.int64)
    return int(_grams(first, np.ascontiguousarray(hashes), n)[0][0])


def hashes_of(index: Index) -> np.ndarray:
    """The hash of the n-gram that begins at each word of the sequences: uint64 [W], 0 where none does."""
    hashes: np.ndarray = _grams(index.sequences.first, index.sequences.words, index.sequences.n)[0]
    return hashes


@njit(nogil=True, cache=True)
def _grams(first, words, n):  # type: ignore[no-untyped-def]
    """The hash of the n-gram that begins at each word, and whether one does."""
    hashes, there = np.zeros(len(words), np.uint64), np.zeros(len(words), np.bool_)
    for s in range(len(n)):
        if n[s] == 0:
            continue
        power = np.uint64(1)
        for _ in range(n[s]):
            power *= BASE
        total = np.uint64(0)
        for w in range(first[s], first[s + 1]):
            total = total * BASE + words[w]
            begin = w - n[s] + 1
            if begin > first[s]:
                total -= words[begin - 1] * power
            if begin >= first[s]:
                hashes[begin], there[begin] = mix64(total + np.uint64(n[s]) * SALT), True
    return hashes, there


@njit(nogil=True, cache=True)
def shift_of(size):  # type: ignore[no-untyped-def]
    """By how much a hash is shifted to leave a number below `size`, a power of two."""
    shift = 64
    while size > 1:
        size >>= 1
        shift -= 1
    return np.uint64(shift)
