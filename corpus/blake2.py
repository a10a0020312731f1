"""BLAKE2b-128 of many texts at once, each in a lane of its own (Saarinen and Aumasson 2015, RFC 7693, no key).

The steps of one text wait for each other; those of 16 texts do not, so every operation is one over 16 lanes, of
which LLVM makes vectors. A lane that is done with its text takes the next. 1,200 MB/s with AVX-512 on web
pages (scripts/bench_kernels.py), where hashlib did 650 on texts of 2 kB in the same hour.
"""

import numpy as np
from numba import njit

LANES = 16  # with 8, one vector of AVX-512, LLVM unrolls the lanes instead and is no faster than hashlib
_BLOCK = 128  # bytes
_LAST = np.uint64(2**64 - 1)
_PARAMETERS = np.uint64(0x0101_0000 | 16)  # RFC 7693, 2.5: depth and fan-out 1, no key, digests of 16 bytes

_START = np.array(  # RFC 7693, 2.6: the square roots of the first eight primes
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ],
    np.uint64,
)  # fmt: skip
_ORDER = [  # RFC 7693, 2.7: the order of a block's words in each round; rounds 11 and 12 are the first two
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
]
_PLACES = np.array([*_ORDER, *_ORDER[:2]], np.uint64) * np.uint64(LANES)


@njit(nogil=True, cache=True)
def blake2b_128(starts: np.ndarray, data: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Write the digests of some texts: out[row] is its two little-endian words.

    starts: int64 [N + 1], data: uint8, as corpus.buffers.utf8 gives them; rows: int64 [M]; out: uint64 [N, 2].
    A batch takes the time of its longest text in one lane, 90 MB/s, if that is longer than the others together.
    """
    h, words, v = np.zeros(8 * LANES, np.uint64), np.zeros(16 * LANES, np.uint64), np.zeros(16 * LANES, np.uint64)
    row, at = np.full(LANES, -1), np.zeros(LANES, np.int64)
    done, last = np.zeros(LANES, np.uint64), np.zeros(LANES, np.uint64)
    turn, left, rest = 0, len(rows), np.zeros(_BLOCK, np.uint8)
    while left:
        for lane in range(LANES):
            if row[lane] < 0 and turn < len(rows):
                row[lane], at[lane], done[lane] = rows[turn], starts[rows[turn]], 0
                turn += 1
                for i in range(8):
                    h[i * LANES + lane] = _START[i]
                h[lane] ^= _PARAMETERS
            if row[lane] >= 0:
                size = min(starts[row[lane] + 1] - at[lane], _BLOCK)
                _load(data, at[lane], size, rest, words, lane)
                at[lane] += size
                done[lane] += np.uint64(size)
                last[lane] = _LAST if at[lane] == starts[row[lane] + 1] else np.uint64(0)
        _compress(h, words, v, done, last)
        for lane in range(LANES):
            if row[lane] >= 0 and last[lane]:
                out[row[lane], 0], out[row[lane], 1] = h[lane], h[LANES + lane]
                row[lane] = -1
                left -= 1


@njit(nogil=True, cache=True)
def _load(data, b, size, rest, words, lane):  # type: ignore[no-untyped-def]
    """The 16 words of a block into their lane; what is missing of a text's last block is zero."""
    at = np.uint64(lane)
    if size == _BLOCK:
        for i in range(16):
            words[np.uint64(i * LANES) + at] = _eight_bytes(data, b + 8 * i)
        return
    for i in range(_BLOCK):
        rest[i] = data[b + i] if i < size else 0
    for i in range(16):
        words[np.uint64(i * LANES) + at] = _eight_bytes(rest, 8 * i)


@njit(inline="always")
def _eight_bytes(data, b):  # type: ignore[no-untyped-def]
    """As corpus.hashing's, which imports this file."""
    at, word = np.uint64(b), np.uint64(0)
    for i in range(8):
        word |= np.uint64(data[at + np.uint64(i)]) << np.uint64(8 * i)
    return word


@njit(nogil=True, cache=True)
def _compress(h, words, v, done, last):  # type: ignore[no-untyped-def]
    for i in range(8):
        for lane in range(LANES):
            v[i * LANES + lane], v[(8 + i) * LANES + lane] = h[i * LANES + lane], _START[i]
    for lane in range(LANES):
        v[12 * LANES + lane] ^= done[lane]
        v[14 * LANES + lane] ^= last[lane]
    for turn in range(12):
        _round(v, words, _PLACES[turn])
    for i in range(8 * LANES):
        h[i] ^= v[i] ^ v[i + 8 * LANES]


@njit(inline="always")
def _mixed(a, b, c, d, x, y):  # type: ignore[no-untyped-def]
    """RFC 7693, 3.1: the function G."""
    a = a + b + x
    d = d ^ a
    d = d >> np.uint64(32) | d << np.uint64(32)
    c = c + d
    b = b ^ c
    b = b >> np.uint64(24) | b << np.uint64(40)
    a = a + b + y
    d = d ^ a
    d = d >> np.uint64(16) | d << np.uint64(48)
    c = c + d
    b = b ^ c
    return a, b >> np.uint64(63) | b << np.uint64(1), c, d


@njit(inline="always")
def _of(v, i, lane):  # type: ignore[no-untyped-def]
    """Four words of the state from the i-th on, in one lane. Places are unsigned: see `_round`."""
    at, many = np.uint64(i * LANES) + lane, np.uint64(LANES)
    return v[at], v[at + many], v[at + many + many], v[at + many + many + many]


@njit(inline="always")
def _put(v, i, lane, a, b, c, d):  # type: ignore[no-untyped-def]
    at, many = np.uint64(i * LANES) + lane, np.uint64(LANES)
    v[at], v[at + many], v[at + many + many], v[at + many + many + many] = a, b, c, d


@njit(nogil=True, cache=True)
def _round(v, words, of):  # type: ignore[no-untyped-def]
    """One round in all lanes: the loop that LLVM makes vectors of, where no place can be negative. of: uint64 [16]."""
    p0, p1, p2, p3, p4, p5, p6, p7 = of[0], of[1], of[2], of[3], of[4], of[5], of[6], of[7]
    p8, p9, pa, pb, pc, pd, pe, pf = of[8], of[9], of[10], of[11], of[12], of[13], of[14], of[15]
    for n in range(LANES):
        k = np.uint64(n)
        a0, a1, a2, a3 = _of(v, 0, k)
        b0, b1, b2, b3 = _of(v, 4, k)
        c0, c1, c2, c3 = _of(v, 8, k)
        d0, d1, d2, d3 = _of(v, 12, k)
        a0, b0, c0, d0 = _mixed(a0, b0, c0, d0, words[p0 + k], words[p1 + k])
        a1, b1, c1, d1 = _mixed(a1, b1, c1, d1, words[p2 + k], words[p3 + k])
        a2, b2, c2, d2 = _mixed(a2, b2, c2, d2, words[p4 + k], words[p5 + k])
        a3, b3, c3, d3 = _mixed(a3, b3, c3, d3, words[p6 + k], words[p7 + k])
        a0, b1, c2, d3 = _mixed(a0, b1, c2, d3, words[p8 + k], words[p9 + k])
        a1, b2, c3, d0 = _mixed(a1, b2, c3, d0, words[pa + k], words[pb + k])
        a2, b3, c0, d1 = _mixed(a2, b3, c0, d1, words[pc + k], words[pd + k])
        a3, b0, c1, d2 = _mixed(a3, b0, c1, d2, words[pe + k], words[pf + k])
        _put(v, 0, k, a0, a1, a2, a3)
        _put(v, 4, k, b0, b1, b2, b3)
        _put(v, 8, k, c0, c1, c2, c3)
        _put(v, 12, k, d0, d1, d2, d3)
