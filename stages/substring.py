"""Exact substrings: passages of 50 words that stand elsewhere, byte for byte, are cut (Lee et al. 2022).

A *window* at a word is the bytes from its start to the end of the `least_words`-th word from it, in one document.
It is *repeated* where an earlier window has the same bytes: earlier in the order of documents
(stages/repeats.py), then in the document. What is cut is the union of the repeated windows.

Keys of all windows would be nine times the text. So three rounds, each of what the one before left in doubt:

1. Fingerprints (winnowing: Schleimer, Wilkerson and Aiken 2003): of the runs of k words in a window, that whose hash is
   least. Equal windows have the same fingerprint, so a window whose fingerprint occurs once is not repeated.
2. Stretches: the windows side by side that share a fingerprint, as one piece. Where two stretches are equal, so are
   their windows: all but the best are cut whole. If all stretches of a fingerprint are equal, that is all.
3. Windows of the best stretches of the other fingerprints: at the edges of passages, mostly. The best occurrence of a
   window is in one of these, since in every other stretch it stands behind an equal one.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.documents import Batch
from corpus.errors import RecipeError
from corpus.hashing import eight_bytes, mix64
from stages.repeats import BEST, PIECES, SENT, Repeats, among, firsts
from stages.siphash import siphash

FINGERPRINTS = pa.schema([("key", pa.uint64()), ("row", pa.int64())])

STRETCHES = PIECES.append(pa.field("fingerprint", pa.uint64()))
"""The windows of one fingerprint that stand side by side, as a piece."""

SENT_STRETCHES = SENT.append(pa.field("fingerprint", pa.uint64()))
SETTLED = BEST.append(pa.field("alone", pa.bool_()))
"""The stretch that stays, and whether all stretches of its fingerprint are equal to it."""

MOST_WORDS = 1_000
"""A key reads all bytes of its window: 0.15 us for the 300 of 50 words, 3 us for those of 1,000."""

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no word's share in the sum is lost
_ODD = np.uint64(0xD1342543DE82EF95)  # of good spectral quality (Steele and Vigna 2021, table 6)
_SEED = np.uint64(0x57494E4E4F57_0020)


@dataclass(frozen=True, kw_only=True)
class Substring(Repeats):
    """Cut passages of `least_words` words or more that stand in another document, or earlier in this one."""

    least_words: int = 50

    name = "substring"
    volume = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.least_words <= MOST_WORDS:
            raise RecipeError(f"substring: least_words is {self.least_words:,}; it may be 2 to {MOST_WORDS:,}")

    @property
    def gram(self) -> int:
        """Words in a run that is hashed. Half of a window: 2 fingerprints in 27 words, each 25 words long.

        Longer runs are repeated by chance less often, and more of them are fingerprints.
        """
        return self.least_words // 2

    def emitted(self) -> pa.Schema:
        return FINGERPRINTS

    def emit(self, batch: Batch) -> pa.Table:
        key, row, _, _ = self.fingerprints(batch)
        return pa.table([key, row], schema=FINGERPRINTS)

    def fingerprints(self, batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Key uint64 [F], row, first word (of `batch.words`) of its first window, and windows it stands for: int64 [F].

        Fingerprints at several places count several times, even in one document; 130 to 230 MB/s beside the word pass.
        """
        (_, data), words = batch.utf8, batch.words
        powers = _BASE ** np.arange(self.gram, dtype=np.uint64)
        runs = _runs(data, words.first, words.starts, words.ends, powers)
        return _least(words.first, runs, self.gram, self.least_words)

    def stretches(self, batch: Batch, repeated: np.ndarray) -> pa.Table:
        """The stretches of a batch whose fingerprint is among `repeated` (uint64, sorted), in STRETCHES."""
        (offsets, data), words = batch.utf8, batch.words
        key, row, window, count = self.fingerprints(batch)
        hit = among(repeated, key)
        key, row, window, count = key[hit], row[hit], window[hit], count[hit]
        starts, ends = words.starts[window], words.ends[window + count + self.least_words - 2]
        places = [row, starts - offsets[row], ends - offsets[row]]
        return pa.table([*siphash(data, starts, ends), *places, key], schema=STRETCHES)

    def windows(self, batch: Batch, row: np.ndarray, start: np.ndarray) -> pa.Table:
        """The windows, in PIECES, of the stretches at these places (int64 [S], by row, then bytes)."""
        (offsets, data), words = batch.utf8, batch.words
        _, of, window, count = self.fingerprints(batch)
        wanted = among(offsets[row] + start, words.starts[window])
        of, window, count = of[wanted], window[wanted], count[wanted]
        word = np.repeat(window - (np.cumsum(count) - count), count) + np.arange(count.sum())
        of = np.repeat(of, count)
        starts, ends = words.starts[word], words.ends[word + self.least_words - 1]
        return pa.table([*siphash(data, starts, ends), of, starts - offsets[of], ends - offsets[of]], schema=PIECES)


def settled(rows: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Of stretches (in SENT_STRETCHES, all of a fingerprint) the best of each, for every row that must know.

    Returns SETTLED and int64 [rows of it], an address in the shard that is to know: not where a stretch occurs once
    and its fingerprint has no other, for then it is not repeated.
    """
    key, key2, order, order2, address, start, count, print_ = (column.to_numpy() for column in rows.columns)
    sorted_ = np.lexsort((start, address, order2, order, key2, key, print_))
    key, key2, address, start, count = (column[sorted_] for column in (key, key2, address, start, count))
    new_print, first = firsts(print_[sorted_]), firsts(print_[sorted_], key, key2)
    kinds = np.bincount(np.cumsum(new_print) - 1, weights=first)  # different stretches of each fingerprint
    alone = kinds[np.cumsum(new_print) - 1] == 1
    lead = np.flatnonzero(first)[np.cumsum(first) - 1]
    wanted = ~first | (count > 1) | ~alone
    lead = lead[wanted]
    columns = [key[wanted], key2[wanted], address[lead], start[lead], alone[wanted]]
    return pa.table(columns, schema=SETTLED), address[wanted]


@njit(nogil=True, cache=True)
def _runs(data, first, starts, ends, powers):  # type: ignore[no-untyped-def]
    """The hash of the bytes of len(powers) words from each word: uint64 [W]; none where the document ends before.

    A polynomial, modulo 2**64, over hashes of a word and what follows it to the next; of the last word alone. It rolls:
    every word is added once and taken away once. That two runs have one hash costs time only.
    """
    gram, around = len(powers), _around(len(powers))
    runs, joined = np.empty(len(starts), np.uint64), np.empty(around + 1, np.uint64)
    for n in range(len(first) - 1):
        total, a = np.uint64(0), first[n]
        for w in range(a, first[n + 1]):
            alone = _bytes_hash(data, starts[w], ends[w], _SEED)
            if w >= a + gram - 1:  # total: the gram - 1 words before this one, each with what follows it
                runs[w - gram + 1] = mix64(total * _BASE + alone)
                if gram > 1:
                    total -= joined[(w - gram + 1) & around] * powers[gram - 2]
            if w + 1 < first[n + 1]:
                joined[w & around] = _bytes_hash(data, ends[w], starts[w + 1], alone)
                total = total * _BASE + joined[w & around] if gram > 1 else np.uint64(0)
    return runs


@njit(nogil=True, forceinline=True)
def _around(size):  # type: ignore[no-untyped-def]
    """The mask that takes a place around a ring of at least `size`."""
    ring = np.int64(1)
    while ring < size:
        ring <<= 1
    return ring - 1


@njit(nogil=True, forceinline=True)
def _bytes_hash(data, b, end, h):  # type: ignore[no-untyped-def]
    """A hash good enough to choose by, of the bytes and their number: one multiplication for eight of them."""
    h ^= np.uint64(end - b)
    while b + 8 <= end:
        h = (h ^ eight_bytes(data, b)) * _ODD
        h ^= h >> np.uint64(32)
        b += 8
    tail = np.uint64(0)
    for i in range(end - b):
        tail |= np.uint64(data[b + i]) << np.uint64(8 * i)
    h = (h ^ tail) * _ODD
    return h ^ (h >> np.uint64(32))


@njit(nogil=True, cache=True)
def _least(first, runs, gram, least_words):  # type: ignore[no-untyped-def]
    """The least run of every window, the first of equal ones: (key, row, first window, windows) of each one chosen.

    A queue of runs that may yet be least, their hashes ascending: each enters once and leaves once.
    """
    width = least_words - gram + 1  # runs in a window
    most = np.int64(0)
    for n in range(len(first) - 1):
        most += max(np.int64(0), first[n + 1] - first[n] - least_words + 1)
    key, row = np.empty(most, np.uint64), np.empty(most, np.int64)
    window, count = np.empty(most, np.int64), np.empty(most, np.int64)
    size = np.int64(0)
    around = _around(width + 1)
    queue = np.empty(around + 1, np.int64)
    for n in range(len(first) - 1):
        head = tail = np.int64(0)  # the queue is queue[head:tail], around the ring
        chosen = np.int64(-1)
        for r in range(first[n], first[n + 1] - gram + 1):
            while tail > head and runs[queue[(tail - 1) & around]] > runs[r]:
                tail -= 1
            queue[tail & around] = r
            tail += 1
            w = r - width + 1  # the window whose last run this is
            if w < first[n]:
                continue
            while queue[head & around] < w:
                head += 1
            least = queue[head & around]
            if least != chosen:
                key[size], row[size], window[size], count[size] = runs[least], n, w, 0
                size += 1
                chosen = least
            count[size - 1] += 1
    return key[:size], row[:size], window[:size], count[:size]
