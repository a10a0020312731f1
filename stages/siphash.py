"""SipHash-2-4 with 128 bits of result (Aumasson and Bernstein 2012): the keys of pieces of text.

What is cut out of a document is cut on the word of its key, unlike a near-duplicate, whose text is compared. The
mixers of corpus/hashing.py can be run backwards, so that a page could be written that takes a paragraph out of
another's; nobody is known to do that to SipHash, even with its key in hand. A piece of 60 bytes takes 60 ns, one of
300 150 ns.
"""

import numpy as np
from numba import njit

from corpus.hashing import eight_bytes

KEY = (np.uint64(0x57494E4E4F57_0010), np.uint64(0x57494E4E4F57_0011))
"""Another key is another hash of every piece."""


def siphash(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hash of data[starts[i] : ends[i]] for each i: two uint64 [I], the first 8 bytes and the last, little-endian.

    data: uint8 [B]; starts, ends: int64 [I], in bounds.
    """
    key, key2 = np.empty(len(starts), np.uint64), np.empty(len(starts), np.uint64)
    _all(data, starts, ends, key, key2)
    return key, key2


@njit(nogil=True, cache=True)
def _all(data, starts, ends, key, key2):  # type: ignore[no-untyped-def]
    for i in range(len(starts)):
        key[i], key2[i] = siphash128(data, starts[i], ends[i], KEY[0], KEY[1])


@njit(nogil=True, cache=True)
def siphash128(data, start, end, k0, k1):  # type: ignore[no-untyped-def]
    """For kernels: the hash of data[start:end] under the key (k0, k1), two uint64."""
    v0, v1 = k0 ^ np.uint64(0x736F6D6570736575), k1 ^ np.uint64(0x646F72616E646F6D) ^ np.uint64(0xEE)
    v2, v3 = k0 ^ np.uint64(0x6C7967656E657261), k1 ^ np.uint64(0x7465646279746573)
    b = start
    while b + 8 <= end:
        m = eight_bytes(data, b)
        v0, v1, v2, v3 = _block(v0, v1, v2, v3, m)
        b += 8
    m = np.uint64(end - start) << np.uint64(56)
    for i in range(end - b):
        m |= np.uint64(data[b + i]) << np.uint64(8 * i)
    v0, v1, v2, v3 = _block(v0, v1, v2, v3, m)
    v0, v1, v2, v3 = _four(v0, v1, v2 ^ np.uint64(0xEE), v3)
    first = v0 ^ v1 ^ v2 ^ v3
    v0, v1, v2, v3 = _four(v0, v1 ^ np.uint64(0xDD), v2, v3)
    return first, v0 ^ v1 ^ v2 ^ v3


@njit(nogil=True, forceinline=True)
def _block(v0, v1, v2, v3, m):  # type: ignore[no-untyped-def]
    v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ m)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ m, v1, v2, v3


@njit(nogil=True, forceinline=True)
def _four(v0, v1, v2, v3):  # type: ignore[no-untyped-def]
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0, v1, v2, v3


@njit(nogil=True, forceinline=True)
def _round(v0, v1, v2, v3):  # type: ignore[no-untyped-def]
    v0 += v1
    v1 = _turned(v1, 13) ^ v0
    v0 = _turned(v0, 32)
    v2 += v3
    v3 = _turned(v3, 16) ^ v2
    v0 += v3
    v3 = _turned(v3, 21) ^ v0
    v2 += v1
    v1 = _turned(v1, 17) ^ v2
    v2 = _turned(v2, 32)
    return v0, v1, v2, v3


@njit(nogil=True, forceinline=True)
def _turned(x, bits):  # type: ignore[no-untyped-def]
    return x << np.uint64(bits) | x >> np.uint64(64 - bits)
