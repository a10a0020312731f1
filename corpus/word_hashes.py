"""The hashes of words alone, for what compares texts and asks nothing else of a word: those of `corpus.words`.

A pass without lines, sentences and places: 64 bytes at a time become two bit masks, of what a word may hold and of
where one may begin, and a run of ASCII letters and digits is hashed from its mask without a look at its bytes.
430 MB/s a core on English, where the whole word pass does 215: scripts/bench_kernels.py.
"""

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.borrowing import borrowed
from corpus.buffers import utf8
from corpus.classes import CONNECTOR, DIGIT, KIND, MID_LETTER, MID_NUMBER, classes, decode, folds
from corpus.documents import Batch
from corpus.hashing import combine, eight_bytes
from corpus.words import _SEED, _word

_ONES, _HIGH, _CASE = (np.uint64(byte * 0x0101_0101_0101_0101) for byte in (0x01, 0x80, 0x20))
_LOWER, _BEYOND_LOWER, _DIGIT, _BEYOND_DIGIT = (_ONES * np.uint64(0x80 - c) for c in (0x61, 0x7B, 0x30, 0x3A))
_UNDERSCORE, _ALL = _ONES * np.uint64(0x5F), _ONES * np.uint64(0x7F)
_GATHER = np.uint64(0x0102_0408_1020_4080)  # times bits 0, 8, 16 ..: those bits side by side in the highest byte
_BLOCK = 64  # bytes, a bit each
_NONE, _ONE, _FULL = np.uint64(0), np.uint64(1), np.uint64(2**64 - 1)


def word_hashes(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """`first` and `hashes` of `corpus.words.words(text)`: int64 [N + 1], uint64 [W]; nulls count as empty."""
    starts, data = utf8(text)
    first = np.zeros(len(starts), np.int64)
    hashes = np.empty(int(starts[-1] - starts[0]) // 2 + len(starts) - 1, np.uint64)
    count = _hashed(starts, data, classes(), folds(), first, hashes)
    return first, hashes[:count]


def hashes_of(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """The same of a batch's texts: from its word pass where another stage asked for that already."""
    split = vars(batch).get("words")
    return word_hashes(batch.text) if split is None else (split.first, split.hashes)


@njit(nogil=True, cache=True)
def _hashed(starts, data, classes, folds, first, hashes):  # type: ignore[no-untyped-def]
    data, classes, folds, hashes = borrowed(data), borrowed(classes), borrowed(folds), borrowed(hashes)
    word = np.int64(0)
    for n in range(len(starts) - 1):
        b, stop = starts[n], starts[n + 1]
        while b < stop:
            if b + _BLOCK + 8 > len(data):  # a word's last eight bytes are read whole
                b, word = _one(data, b, stop, classes, folds, hashes, word)
            else:
                b, word = _block(data, b, stop, classes, folds, hashes, word)
        first[n + 1] = word
    return word


@njit(nogil=True, cache=True)
def _one(data, b, stop, classes, folds, hashes, word):  # type: ignore[no-untyped-def]
    """Behind the word or the character at `b`, and the count of words."""
    data, classes, folds, hashes = borrowed(data), borrowed(classes), borrowed(folds), borrowed(hashes)
    c, after = decode(data, b, stop)
    if classes[c] & KIND < CONNECTOR:
        return after, word
    end, h, _, seen = _word(data, b, stop, classes, folds)
    if seen:
        hashes[word] = h
        word += 1
    return end, word


@njit(nogil=True, cache=True)
def _block(data, b, stop, classes, folds, hashes, word):  # type: ignore[no-untyped-def]
    """As `_one`, for as many words as lie whole in the 64 bytes from `b` on."""
    data, classes, folds, hashes = borrowed(data), borrowed(classes), borrowed(folds), borrowed(hashes)
    plain, begins = _masks(data, b)
    if stop - b < _BLOCK:
        there = (_ONE << np.uint64(stop - b)) - _ONE
        plain, begins = plain & there, begins & there
    at = np.uint64(0)
    while True:
        left = begins >> at
        if left == _NONE:
            return min(b + _BLOCK, stop), word
        at += _zeros(left)
        run = ~(plain >> at)
        size = _zeros(run)
        end = at + size
        if size == _NONE or end >= np.uint64(_BLOCK) or _goes_on(data, b + np.int64(end), stop, classes):
            if end >= np.uint64(_BLOCK) and at > _NONE:
                return b + np.int64(at), word  # it may end in the next block, which begins with it
            behind, word = _one(data, b + np.int64(at), stop, classes, folds, hashes, word)
            if behind - b >= _BLOCK:
                return behind, word
            at = np.uint64(behind - b)
        else:
            hashes[word] = _plain_hash(data, b + np.int64(at), size)
            word += 1
            at = end
            if at >= np.uint64(_BLOCK):
                return b + _BLOCK, word


@njit(inline="always")
def _zeros(x):  # type: ignore[no-untyped-def]
    """How many zero bits lie below the lowest one; 64 where there is none. LLVM makes one instruction of it."""
    return _popcount(~x & (x - _ONE))


@njit(inline="always")
def _popcount(x):  # type: ignore[no-untyped-def]
    x -= (x >> _ONE) & np.uint64(0x5555_5555_5555_5555)
    x = (x & np.uint64(0x3333_3333_3333_3333)) + ((x >> np.uint64(2)) & np.uint64(0x3333_3333_3333_3333))
    return (((x + (x >> np.uint64(4))) & np.uint64(0x0F0F_0F0F_0F0F_0F0F)) * _ONES) >> np.uint64(56)


@njit(inline="always")
def _goes_on(data, end, stop, classes):  # type: ignore[no-untyped-def]
    """Whether a run of ASCII letters and digits is only a part of a word: don't, 3.14, snake_case, naïve."""
    if end >= stop:
        return False
    k = classes[data[end]]
    if data[end] >= 0x80 or k & KIND >= CONNECTOR:
        return True
    if k & (MID_LETTER | MID_NUMBER) and end + 1 < stop:
        return data[end + 1] >= 0x80 or classes[data[end + 1]] & KIND >= DIGIT
    return False


@njit(inline="always")
def _plain_hash(data, b, size):  # type: ignore[no-untyped-def]
    """Of a run of ASCII letters and digits: the case bit is set in every digit anyway."""
    h = _SEED
    while size > np.uint64(8):
        h = combine(h, eight_bytes(data, b) | _CASE)
        b += 8
        size -= np.uint64(8)
    return combine(h, (eight_bytes(data, b) | _CASE) & (_FULL >> (np.uint64(64) - size * np.uint64(8))))


@njit(inline="always")
def _masks(data, b):  # type: ignore[no-untyped-def]
    """A bit for each of 64 bytes: is it an ASCII letter or digit; is it one, an underscore or no ASCII."""
    plain, begins = _NONE, _NONE
    for i in range(8):
        x = eight_bytes(data, b + 8 * i)
        low = x & ~_HIGH
        # A byte below 0x80 plus 0x80 - n sets its high bit where it is n or more: no carry leaves the byte.
        small = low | _CASE
        letter = (small + _LOWER) & ~(small + _BEYOND_LOWER)
        digit = (low + _DIGIT) & ~(low + _BEYOND_DIGIT)
        ours = (letter | digit) & ~x & _HIGH
        others = (x | ~((low ^ _UNDERSCORE) + _ALL)) & _HIGH
        plain |= (((ours >> np.uint64(7)) * _GATHER) >> np.uint64(56)) << np.uint64(8 * i)
        begins |= ((((ours | others) >> np.uint64(7)) * _GATHER) >> np.uint64(56)) << np.uint64(8 * i)
    return plain, begins
