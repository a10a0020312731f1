"""Repeated n-grams as datatrove reads them, from tokens written end to end: few n-grams are looked at closely.

The most frequent of 2 to 4 tokens: how often each stands is counted without its name, in counters that some share, so
that a count is never too low; by name are counted those alone that may be the most frequent. Copies of 5 to 10 tokens
are strings without spaces to datatrove ("ab c" is "a bc"), so that a longer one may repeat where a shorter does not.
But equal strings begin with the same 8, 16, 24 bytes and so on: what begins like nothing else is no copy, and of one
that begins so for 16 bytes no run of 24 is. Six of seven are told apart so, and the others hashed once for all sizes.
With lines and paragraphs 100 MB/s a core on English, where naming every n-gram gave 25: scripts/bench_filters.py.
"""

import numpy as np
from numba import njit

from corpus.hashing import combine, eight_bytes, mix64
from corpus.words import Tokens

_TOPS = (2, 3, 4)
_ONE, _ALL = np.uint64(1), ~np.uint64(0)
_ONES, _HIGH = (np.uint64(byte * 0x0101_0101_0101_0101) for byte in (0x01, 0x80))
_MIX = np.uint64(0xD1342543DE82EF95)  # as in corpus/hashing.py
_SLACK = 80  # bytes behind the stream that a step of eight may touch, or a window of 64 look at
_FARTHEST = 64  # bytes that n-grams are told apart by before they are hashed


def shares(data: np.ndarray, tokens: Tokens, text_chars: np.ndarray) -> np.ndarray:
    """The share of characters in repeated n-grams, n from 2 to 10: float64 [9, N].

    text_chars: int64 [N], code points of the texts, which all shares are of. The most frequent n-gram counts with its
    spaces, even where it stands once; later copies count greedily from the left.
    """
    out = np.zeros((9, len(text_chars)))
    _shares(data, *tokens, text_chars, out)
    return out


@njit(nogil=True, cache=True)
def _shares(data, first, starts, ends, text_chars, out):  # type: ignore[no-untyped-def]
    most, span = np.int64(1), np.int64(1)
    for n in range(len(first) - 1):
        a, z = first[n], first[n + 1]
        most = max(most, z - a)
        if a < z:
            span = max(span, ends[z - 1] - starts[a])
    stream, at = np.zeros(span + _SLACK, np.uint8), np.empty(most + 1, np.int64)
    hashes, grams, keys = np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(_slots(most), np.uint64)
    slots, counts = np.empty(most, np.uint32), np.empty(_slots(most), np.int32)
    heads, listed = np.empty(most, np.int64), np.empty(most, np.uint32)
    for n in range(len(first) - 1):
        a, z = first[n], first[n + 1]
        count = z - a
        _stream(data, starts[a:z], ends[a:z], stream, at, hashes)
        ascii = at[count] == _chars(stream, 0, at[count])
        grams[:count] = hashes[:count]
        for size in _TOPS:
            if count >= size:
                t, often = _top(hashes, grams, slots, counts, keys, listed, count - size + 1, size)
                chars = at[t + size] - at[t] if ascii else _chars(stream, at[t], at[t + size])
                out[size - 2, n] = often * (chars + size - 1) / text_chars[n]
        if count >= 5:
            few = _begun_alike(stream, at, count, heads, listed, slots, grams, keys)
            for size in range(5, 11):
                covered, few = _copies(stream, at, count, size, ascii, heads, listed, few, grams, keys)
                out[size - 2, n] = covered / text_chars[n]


@njit(nogil=True, cache=True)
def _slots(count):  # type: ignore[no-untyped-def]
    """Slots of a table for so many keys: a power of two, at least twice as many."""
    size = 64
    while size < 2 * count:
        size *= 2
    return size


@njit(inline="always")
def _place(h, size):  # type: ignore[no-untyped-def]
    """A slot of a table of `size`, a power of two, for a sum of products of hashes."""
    return np.int64((h * _MIX) >> np.uint64(32)) & (size - 1)


@njit(nogil=True, cache=True)
def _stream(data, starts, ends, stream, at, hashes):  # type: ignore[no-untyped-def]
    """Write tokens end to end, where each starts, and a hash of each, in steps of eight bytes."""
    o = np.int64(0)
    for t in range(len(starts)):
        b, size = starts[t], ends[t] - starts[t]
        h = np.uint64(size)
        at[t] = o
        i = np.int64(0)
        while i < size:
            x = np.uint64(0)
            if b + i + 8 <= len(data):
                x = eight_bytes(data, b + i)
            else:
                for k in range(size - i):
                    x |= np.uint64(data[b + i + k]) << np.uint64(8 * k)
            for k in range(8):
                stream[np.uint64(o + i) + np.uint64(k)] = np.uint8(x >> np.uint64(8 * k))
            left = size - i
            h = combine(h, x & (_ALL >> np.uint64(64 - 8 * left)) if left < 8 else x)
            i += 8
        hashes[t] = h
        o += size
    at[len(starts)] = o


@njit(nogil=True, cache=True)
def _chars(stream, a, b):  # type: ignore[no-untyped-def]
    """Code points of stream[a:b]."""
    chars = np.int64(b - a)
    for i in range(a, b):
        chars -= stream[i] & 0xC0 == 0x80
    return chars


@njit(nogil=True, cache=True)
def _top(hashes, grams, slots, counts, keys, listed, count, size):  # type: ignore[no-untyped-def]
    """The first place of the most frequent n-gram, the first of equally frequent ones, and how often it stands."""
    table, power, most, leader = _slots(count) // 2, np.uint64(2 * size + 1), np.int32(0), np.uint64(0)
    counts[:table] = 0
    for t in range(count):
        grams[t] = grams[t] * _MIX + hashes[t + size - 1] * power
        slot = _place(grams[t], table)
        slots[t] = slot
        counts[slot] += 1
        if counts[slot] > most:
            most, leader = counts[slot], grams[t]
    if most < 2:
        return 0, 1
    least = np.int64(0)  # the leader stands so often, so no other that stands less is the most frequent
    for t in range(count):
        least += grams[t] == leader
    few, least = np.int64(0), max(np.int64(2), least)
    for t in range(count):
        listed[few] = t
        few += counts[slots[t]] >= least
    return _most_frequent(grams, listed[:few], keys, counts)


@njit(nogil=True, cache=True)
def _most_frequent(grams, listed, keys, counts):  # type: ignore[no-untyped-def]
    """Among the n-grams at these places, counted by name: the first place of the most frequent, and its count."""
    table, often = _slots(len(listed)), np.int32(1)
    keys[:table] = 0
    for t in listed:
        slot = _find(keys, table, grams[t])
        counts[slot] = counts[slot] + 1 if keys[slot] else 1
        keys[slot] = mix64(grams[t]) | _ONE
        often = max(often, counts[slot])
    if often > 1:
        for t in listed:
            if counts[_find(keys, table, grams[t])] == often:
                return np.int64(t), np.int64(often)
    return np.int64(0), np.int64(1)


@njit(inline="always")
def _find(keys, table, h):  # type: ignore[no-untyped-def]
    """The slot of a hash, or the free one it would take."""
    key = mix64(h) | _ONE
    slot = np.int64(key >> np.uint64(20)) & (table - 1)
    while keys[slot] and keys[slot] != key:
        slot = (slot + 1) & (table - 1)
    return slot


@njit(nogil=True, cache=True)
def _begun_alike(stream, at, count, heads, listed, near, states, bits):  # type: ignore[no-untyped-def]
    """List tokens from which on 16 bytes stand elsewhere too, or 8 if five tokens are shorter; how many.

    heads: how many bytes from there on stand behind the start of another token too, in steps of 8 and at most 64.
    The same string may be five tokens here and three there, so what is short is listed by its 16 bytes as well.
    A bit for each hash says that it was seen, another that it was seen again; hashes that share bits are listed too.
    """
    words = _slots(count) // 8  # of 64 bits, so 16 a token or more, for each of four sets
    bits[: 4 * words] = 0
    for t in range(count - 4):
        head, tail = eight_bytes(stream, at[t]) * _MIX, eight_bytes(stream, at[t] + 8)
        _see(bits, 0, words, (head ^ tail) * _MIX, _ONE)
        _see(bits, 2 * words, words, head, np.uint64(at[t + 5] - at[t] < 16))
    few, left = np.int64(0), np.int64(0)
    for t in range(count - 4):
        head, tail = eight_bytes(stream, at[t]) * _MIX, eight_bytes(stream, at[t] + 8)
        states[t] = (head ^ tail) * _MIX
        short, long = _again(bits, 2 * words, words, head), _again(bits, 0, words, states[t])
        size = at[t + 5] - at[t]
        heads[t] = max(8 * short, 16 * long)
        listed[few] = near[left] = t
        few += np.int64(long | (np.uint64(0) if size >= 16 else short if size >= 8 else _ONE))
        left += np.int64(long)
    for head in range(24, _FARTHEST + 1, 8):
        if left == 0:
            break
        left = _farther(stream, at, head, near, left, heads, states, bits)
    return few


@njit(nogil=True, cache=True)
def _farther(stream, at, head, near, count, heads, states, bits):  # type: ignore[no-untyped-def]
    """Of tokens with eight bytes less in common with others, those that have all these: into `near`, and how many."""
    words = _slots(count) // 8
    bits[: 2 * words] = 0
    for k in range(count):
        t = near[k]
        states[t] = (states[t] ^ eight_bytes(stream, at[t] + head - 8)) * _MIX
        _see(bits, 0, words, states[t], _ONE)
    left = np.int64(0)
    for k in range(count):
        t = near[k]
        again = np.int64(_again(bits, 0, words, states[t]))
        heads[t] += 8 * again
        near[left] = t
        left += again
    return left


@njit(inline="always")
def _see(bits, start, words, h, one):  # type: ignore[no-untyped-def]
    """Set the bit of a hash among the seen, and among the seen again where it was set; no bit where `one` is 0."""
    word, bit = start + 2 * (np.int64(h >> np.uint64(32)) & (words - 1)), one << (h >> np.uint64(26) & np.uint64(63))
    before = bits[word]
    bits[word] = before | bit
    bits[word + 1] |= before & bit


@njit(inline="always")
def _again(bits, start, words, h):  # type: ignore[no-untyped-def]
    """1 where the bit of the hash was seen again, else 0."""
    word = start + 2 * (np.int64(h >> np.uint64(32)) & (words - 1)) + 1
    return bits[word] >> (h >> np.uint64(26) & np.uint64(63)) & _ONE


@njit(nogil=True, cache=True)
def _copies(stream, at, count, size, ascii, heads, listed, few, states, keys):  # type: ignore[no-untyped-def]
    """Code points of n-grams that stood before, going on behind each that did; and how many tokens stay listed.

    states: of what stays listed a hash of the n-gram's whole eights of bytes, which the next size goes on from.
    """
    left = np.int64(0)
    for k in range(few):
        t = listed[k]
        end = min(t + size, count)
        listed[left] = t
        left += np.int64(t + size <= count) & np.int64(min((at[end] - at[t]) & -8, _FARTHEST) <= heads[t])
    table = _slots(left)
    keys[:table] = 0
    covered, reach = np.int64(0), np.int64(0)
    for k in range(left):
        t = listed[k]
        a, b, i, h = at[t], at[t + size], at[t], np.uint64(0)
        if size > 5:
            i, h = a + ((at[t + size - 1] - a) & -8), states[t]
        while i + 8 <= b:
            h = combine(h, eight_bytes(stream, i))
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
            covered += b - a if ascii else _chars(stream, a, b)
            reach = t + size
        keys[slot] = key
    return covered, left
