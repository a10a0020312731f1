"""Copies of runs of 5 to 10 tokens as strings without spaces, which are told apart by what they begin with.

"ab c" is "a bc", so that a longer run may repeat where a shorter does not. But equal strings begin with the same 8, 16,
24 bytes and so on: what begins like nothing else is no copy, and of one that begins so for 16 bytes no run of 24 is.
Six of seven are told apart so, and the others hashed once for all sizes.
"""

import numpy as np
from numba import njit

from corpus.hashing import combine, eight_bytes, stirred
from stages.measures.datatrove_tops import table_size

FARTHEST = 64
"""Bytes that runs are told apart by before they are hashed; as many behind the stream are looked at."""

_ONE = np.uint64(1)
_MIX = np.uint64(0xD1342543DE82EF95)  # as in corpus/hashing.py


@njit(nogil=True, cache=True)
def begun_alike(stream, at, count, heads, listed, near, states, bits):  # type: ignore[no-untyped-def]
    """List tokens from which on 16 bytes stand elsewhere too, or 8 if five tokens are shorter; how many.

    heads: how many bytes from there on stand behind the start of another token too, in steps of 8 and at most 64.
    The same string may be five tokens here and three there, so what is short is listed by its 16 bytes as well.
    A bit for each hash says that it was seen, another that it was seen again; hashes that share bits are listed too.
    """
    words = table_size(count) // 8  # of 64 bits, so 16 a token or more, for each of four sets
    bits[: 4 * words] = 0
    short = np.int64(0)
    for t in range(count - 4):
        states[t] = (eight_bytes(stream, at[t]) * _MIX ^ eight_bytes(stream, at[t] + 8)) * _MIX
        _see(bits, 0, words, states[t])
        heads[t] = 0
        listed[short] = t
        short += at[t + 5] - at[t] < 16
    for k in range(short):
        _see(bits, 2 * words, words, eight_bytes(stream, at[listed[k]]) * _MIX)
    for k in range(short):
        t = listed[k]
        again = np.int64(_again(bits, 2 * words, words, eight_bytes(stream, at[t]) * _MIX))
        heads[t] = 8 * again if at[t + 5] - at[t] >= 8 else max(8 * again, 1)
    few, left = np.int64(0), np.int64(0)
    for t in range(count - 4):
        long = np.int64(_again(bits, 0, words, states[t]))
        heads[t] = max(heads[t], 16 * long)
        listed[few] = near[left] = t
        few += heads[t] > 0
        left += long
    for head in range(24, FARTHEST + 1, 8):
        if left == 0:
            break
        left = _farther(stream, at, head, near, left, heads, states, bits)
    return few


@njit(nogil=True, cache=True)
def _farther(stream, at, head, near, count, heads, states, bits):  # type: ignore[no-untyped-def]
    """Of tokens with eight bytes less in common with others, those that have all these: into `near`, and how many."""
    words = table_size(count) // 8
    bits[: 2 * words] = 0
    for k in range(count):
        t = near[k]
        states[t] = (states[t] ^ eight_bytes(stream, at[t] + head - 8)) * _MIX
        _see(bits, 0, words, states[t])
    left = np.int64(0)
    for k in range(count):
        t = near[k]
        again = np.int64(_again(bits, 0, words, states[t]))
        heads[t] += 8 * again
        near[left] = t
        left += again
    return left


@njit(inline="always")
def _see(bits, start, words, h):  # type: ignore[no-untyped-def]
    """Set the bit of a hash among the seen, and among the seen again where it was set."""
    word = _word(start, words, h)
    bit = _ONE << (h >> np.uint64(26) & np.uint64(63))
    before = bits[word]
    bits[word] = before | bit
    bits[word + _ONE] |= before & bit


@njit(inline="always")
def _again(bits, start, words, h):  # type: ignore[no-untyped-def]
    """1 where the bit of the hash was seen again, else 0."""
    return bits[_word(start, words, h) + _ONE] >> (h >> np.uint64(26) & np.uint64(63)) & _ONE


@njit(inline="always")
def _word(start, words, h):  # type: ignore[no-untyped-def]
    """Where the bits of a hash lie among the seen; those seen again are the next."""
    return np.uint64(start) + (h >> np.uint64(31) & np.uint64(2 * words - 2))


@njit(nogil=True, cache=True)
def copies(stream, at, count, size, ascii, heads, listed, few, states, keys):  # type: ignore[no-untyped-def]
    """Code points of n-grams that stood before, going on behind each that did; and how many tokens stay listed.

    states: of what stays listed a hash of the n-gram's whole eights of bytes, which the next size goes on from.
    """
    left = np.int64(0)
    for k in range(few):
        t = listed[k]
        end = min(t + size, count)
        listed[left] = t
        left += np.int64(t + size <= count) & np.int64(min((at[end] - at[t]) & -8, FARTHEST) <= heads[t])
    table = table_size(left)
    keys[:table] = 0
    covered, reach = np.int64(0), np.int64(0)
    for k in range(left):
        t = listed[k]
        a, b, i, h = at[t], at[t + size], at[t], np.uint64(0)
        if size > 5:
            i, h = a + ((at[t + size - 1] - a) & -8), states[t]
        while i + 8 <= b:
            h = stirred(h, eight_bytes(stream, i))
            i += 8
        states[t] = h
        if t < reach:
            continue
        tail = eight_bytes(stream, i) & ((_ONE << np.uint64(8 * (b - i))) - _ONE)
        key = combine(h ^ np.uint64(b - a), tail) | _ONE
        slot = np.int64(key >> np.uint64(20)) & (table - 1)
        while keys[slot] and keys[slot] != key:
            slot = (slot + 1) & (table - 1)
        if keys[slot]:
            covered += b - a if ascii else chars_of(stream, a, b)
            reach = t + size
        keys[slot] = key
    return covered, left


@njit(nogil=True, cache=True)
def chars_of(stream, a, b):  # type: ignore[no-untyped-def]
    """Code points of stream[a:b]."""
    chars = np.int64(b - a)
    for i in range(np.uint64(a), np.uint64(b)):
        chars -= stream[i] & 0xC0 == 0x80
    return chars
