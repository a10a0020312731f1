"""Hash signs and ellipses, which Gopher takes for signs of a page that is no prose."""

from typing import NamedTuple

import numpy as np
from numba import njit

from corpus.documents import Batch
from corpus.hashing import eight_bytes
from stages.measures.base import Measure, Rows, once, per
from stages.measures.words import count

_ONES, _HIGH = (np.uint64(byte * 0x0101_0101_0101_0101) for byte in (0x01, 0x80))
_HASHES, _STOPS, _LASTS = (np.uint64(byte) * _ONES for byte in (0x23, 0x2E, 0xA6))  # A6: the last byte of U+2026


class Marks(NamedTuple):
    """What one walk over the bytes finds: int64 [N] each."""

    hash_signs: np.ndarray
    ellipses: np.ndarray  # "..." without overlap, and U+2026
    spaced: np.ndarray  # ". . ." without overlap


@once
def marks(batch: Batch) -> Marks:
    """Hash signs and ellipses per document."""
    starts, data = batch.utf8
    out = np.zeros((3, len(batch)), np.int64)
    _marks(starts, data, out)
    return Marks(*out)


@njit(nogil=True, cache=True)
def _marks(starts, data, out):  # type: ignore[no-untyped-def]
    for n in range(len(starts) - 1):
        hash_signs = ellipses = spaced = dots = np.int64(0)
        free = starts[n]  # behind the last spaced ellipsis
        b, skip, stop = starts[n] - 1, starts[n], starts[n + 1]
        while b + 1 < stop:
            b += 1
            while b >= skip and b + 8 <= stop:  # eight bytes without a mark at a time
                x = eight_bytes(data, b)
                one, two, three = x ^ _HASHES, x ^ _STOPS, x ^ _LASTS
                if ((one - _ONES) & ~one | (two - _ONES) & ~two | (three - _ONES) & ~three) & _HIGH:
                    skip = b + 8
                    break
                b += 8
                dots = np.int64(0)
            if b >= stop:
                break
            c = data[b]
            hash_signs += c == 0x23
            dots = dots + 1 if c == 0x2E else np.int64(0)
            if c == 0x2E and b - free >= 4 and _spaced(data, b - 4):
                spaced += 1
                free = b + 1
            if dots == 3:
                ellipses += 1
                dots = np.int64(0)
            elif c == 0xA6 and b - starts[n] >= 2:  # the last byte of U+2026: E2 80 A6
                ellipses += data[b - 1] == 0x80 and data[b - 2] == 0xE2
        out[0, n], out[1, n], out[2, n] = hash_signs, ellipses, spaced


@njit(nogil=True, cache=True)
def _spaced(data, b):  # type: ignore[no-untyped-def]
    """Whether ". . ." starts at `b`, where its last full stop is known to stand."""
    return data[b] == 0x2E and data[b + 1] == 0x20 and data[b + 2] == 0x2E and data[b + 3] == 0x20


_GOPHER = "Rae et al. 2021, A1.1"

ROWS: Rows = {
    "hash_word_ratio": Measure(
        lambda batch: per(marks(batch).hash_signs, count(batch)), "hash signs (#) per word", _GOPHER
    ),
    "ellipsis_word_ratio": Measure(
        lambda batch: per(marks(batch).ellipses, count(batch)), "ellipses (... or U+2026) per word", _GOPHER
    ),
}
