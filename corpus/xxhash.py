"""XXH64 of bytes in a kernel: the hash that datatrove gives its shingles.

Source: the XXH64 algorithm of the xxHash specification 0.2.0 (Yann Collet), seed 0; ours for everything
else is corpus/hashing.py.
"""

import numpy as np
from numba import njit

from corpus.hashing import eight_bytes

_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)


@njit(inline="always")
def _rotated(x, bits):  # type: ignore[no-untyped-def]
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@njit(inline="always")
def _round(lane, x):  # type: ignore[no-untyped-def]
    return _rotated(lane + x * _P2, 31) * _P1


@njit(inline="always")
def _merged(h, lane):  # type: ignore[no-untyped-def]
    return (h ^ _round(np.uint64(0), lane)) * _P1 + _P4


@njit(nogil=True, cache=True)
def xxh64(data, start, stop):  # type: ignore[no-untyped-def]
    """XXH64 with seed 0 of data[start:stop], uint8: uint64."""
    b = start
    if stop - start >= 32:
        h, b = _stripes(data, start, stop)
    else:
        h = _P5
    h += np.uint64(stop - start)
    while b + 8 <= stop:
        h = _rotated(h ^ _round(np.uint64(0), eight_bytes(data, b)), 27) * _P1 + _P4
        b += 8
    if b + 4 <= stop:
        four = np.uint64(0)
        for i in range(4):
            four |= np.uint64(data[b + i]) << np.uint64(8 * i)
        h = _rotated(h ^ four * _P1, 23) * _P2 + _P3
        b += 4
    while b < stop:
        h = _rotated(h ^ np.uint64(data[b]) * _P5, 11) * _P1
        b += 1
    h = (h ^ (h >> np.uint64(33))) * _P2
    h = (h ^ (h >> np.uint64(29))) * _P3
    return h ^ (h >> np.uint64(32))


@njit(nogil=True, cache=True)
def _stripes(data, b, stop):  # type: ignore[no-untyped-def]
    """Four lanes over every whole 32 bytes: what they come to, and the place behind."""
    one, two, three, four = _P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1
    while b + 32 <= stop:
        one, two = _round(one, eight_bytes(data, b)), _round(two, eight_bytes(data, b + 8))
        three, four = _round(three, eight_bytes(data, b + 16)), _round(four, eight_bytes(data, b + 24))
        b += 32
    h = _rotated(one, 1) + _rotated(two, 7) + _rotated(three, 12) + _rotated(four, 18)
    for lane in (one, two, three, four):
        h = _merged(h, lane)
    return h, b
