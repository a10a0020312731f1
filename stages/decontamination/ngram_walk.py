"""The walk over documents that finds the n-grams of an index: where documents and sequences say the same.

One rolling sum over the words' hashes, of the shortest n. The bitmap says of 19 words in 20 that no n-gram begins
there; of the others every length is looked up and compared word by word.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from corpus.hashing import mix64
from corpus.words import Words
from stages.decontamination.ngram_index import BASE, SALT, Index, shift_of, two_bits


class Runs(NamedTuple):
    """Where documents and sequences say the same, n-gram after n-gram: R runs by document."""

    row: np.ndarray  # int64 [R], document
    sequence: np.ndarray  # int64 [R]
    start: np.ndarray  # int64 [R], its first word, in the batch's word pass
    end: np.ndarray  # int64 [R], behind its last word
    first: np.ndarray  # int64 [R], where its first n-gram begins in `sequences.words`
    last: np.ndarray  # int64 [R], behind where its last n-gram begins


def found(given: Words, index: Index) -> Runs:
    """The longest runs of n-grams that documents and sequences share."""
    if len(index.keys) == 0:
        return _none()
    runs = _walk(given.first, given.hashes, index.lengths, _table(index))
    return Runs(*np.ascontiguousarray(runs.T))


def found_whole(first: np.ndarray, starts: np.ndarray, ends: np.ndarray, hashes: np.ndarray, index: Index) -> Runs:
    """Sequences that are, word for word, a piece of a document.

    Pieces [first[n] : first[n + 1]] are document n's, each of the words [starts : ends].
    """
    if len(index.keys) == 0:
        return _none()
    return Runs(*np.ascontiguousarray(_walk_whole(first, starts, ends, hashes, _table(index)).T))


def _none() -> Runs:
    return Runs(*np.zeros((6, 0), np.int64))


def _table(index: Index) -> tuple[np.ndarray, ...]:
    held = (index.bitmap, index.keys, index.buckets, index.key_first, index.places)
    return (*held, index.of, index.sequences.n, index.sequences.words)


@njit(nogil=True, inline="always")
def _key(h, wide, keys, buckets):  # type: ignore[no-untyped-def]
    """Where the hash stands among the keys, -1 where it does not."""
    bucket = np.int64(h >> wide)
    for k in range(buckets[bucket], buckets[bucket + 1]):
        if keys[k] == h:
            return np.int64(k)
    return np.int64(-1)


@njit(nogil=True, inline="always")
def _same(ours, a, theirs, b, n):  # type: ignore[no-untyped-def]
    for i in range(n):  # noqa: SIM110 (all() of a generator does not compile)
        if ours[a + i] != theirs[b + i]:
            return False
    return True


@njit(nogil=True, cache=True)
def _add(k, row, begin, w, n, hashes, table, latest, runs, size):  # type: ignore[no-untyped-def]
    """Every occurrence of key k with these n words, the last w, carries on its sequence's run or begins one.

    An n-gram stands once in a sequence, so of each sequence only the latest run can go on.
    """
    _, _, _, key_first, places, of, n_of, words = table
    for p in range(key_first[k], key_first[k + 1]):
        place = places[p]
        s = of[place]
        if n_of[s] != n or not _same(hashes, begin, words, place, n):
            continue
        r = latest[s]
        if r >= 0 and runs[r, 0] == row and runs[r, 3] == w and runs[r, 5] == place:
            runs[r, 3], runs[r, 5] = w + 1, place + 1
            continue
        if size == len(runs):
            more = np.empty((2 * size, 6), np.int64)
            more[:size] = runs
            runs = more
        runs[size, 0], runs[size, 1], runs[size, 2], runs[size, 3] = row, s, begin, w + 1
        runs[size, 4], runs[size, 5] = place, place + 1
        latest[s] = size
        size += 1
    return runs, size


@njit(nogil=True, cache=True)
def _walk(first, hashes, lengths, table):  # type: ignore[no-untyped-def]
    """A rolling sum of the shortest n; where the bitmap has that beginning of an n-gram, the longer ones one by one."""
    bitmap, n, runs, size = table[0], lengths[0], np.empty((64, 6), np.int64), np.int64(0)
    salt, power, shift = np.uint64(n) * SALT, np.uint64(1), shift_of(len(bitmap))
    latest = np.full(len(table[6]), -1, np.int64)
    for _ in range(n):
        power *= BASE
    for row in range(len(first) - 1):
        total, begin, end = np.uint64(0), first[row], first[row + 1]
        if end - begin < n:
            continue
        for w in range(begin, begin + n - 1):
            total = total * BASE + hashes[w]
        gone = np.uint64(0)  # the word that the sum leaves behind; before the first n-gram there is none
        for w in range(begin + n - 1, end):
            total = total * BASE + hashes[w] - gone * power
            gone = hashes[w - n + 1]
            h = mix64(total + salt)
            both = two_bits(h)
            if bitmap[np.int64(h >> shift)] & both == both:
                runs, size = _all(row, w - n + 1, end, total, hashes, lengths, table, latest, runs, size)
    return runs[:size]


@njit(nogil=True, cache=True)
def _all(row, begin, end, total, hashes, lengths, table, latest, runs, size):  # type: ignore[no-untyped-def]
    """Of each length the n-gram from word `begin`, in a document that ends before word `end`."""
    keys, buckets = table[1], table[2]
    wide, w = shift_of(len(buckets) - 1), begin + lengths[0]
    for n in lengths:
        if begin + n > end:
            break
        while w < begin + n:
            total = total * BASE + hashes[w]
            w += 1
        k = _key(mix64(total + np.uint64(n) * SALT), wide, keys, buckets)
        if k >= 0:
            runs, size = _add(k, row, begin, w - 1, n, hashes, table, latest, runs, size)
    return runs, size


@njit(nogil=True, cache=True)
def _walk_whole(first, starts, ends, hashes, table):  # type: ignore[no-untyped-def]
    _, keys, buckets, _, _, _, n_of, _ = table
    wide = shift_of(len(buckets) - 1)
    runs, size = np.empty((64, 6), np.int64), np.int64(0)
    latest = np.full(len(n_of), -1, np.int64)
    for row in range(len(first) - 1):
        for piece in range(first[row], first[row + 1]):
            n, total = ends[piece] - starts[piece], np.uint64(0)
            for w in range(starts[piece], ends[piece]):
                total = total * BASE + hashes[w]
            k = _key(mix64(total + np.uint64(n) * SALT), wide, keys, buckets) if n > 0 else np.int64(-1)
            if k >= 0:
                runs, size = _add(k, row, starts[piece], ends[piece] - 1, n, hashes, table, latest, runs, size)
    return runs[:size]
