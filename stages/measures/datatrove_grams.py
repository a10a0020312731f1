"""Repeated n-grams as datatrove reads them, from tokens written end to end: few n-grams are looked at closely.

The most frequent of 2 to 4 tokens are in datatrove_tops.py, copies of 5 to 10, strings without spaces to datatrove, in
datatrove_copies.py. With lines and paragraphs 120 MB/s a core on English, where naming every n-gram gave 25:
scripts/bench_filters.py.
"""

import numpy as np
from numba import njit

from corpus.hashing import eight_bytes, stirred
from corpus.words import Tokens
from stages.measures.datatrove_copies import FARTHEST, begun_alike, chars_of, copies
from stages.measures.datatrove_tops import pairs_of, table_size, top

_TOPS = (2, 3, 4)
_ALL = ~np.uint64(0)
_SLACK = FARTHEST + 16  # bytes behind the stream that a step of eight may touch, or a window look at


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
    hashes, pairs, grams = np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(most, np.uint64)
    keys = np.empty(table_size(most), np.uint64)
    slots, counts = np.empty(most, np.uint32), np.empty(table_size(most), np.int32)
    heads, listed, often = np.empty(most, np.uint8), np.empty(most, np.uint32), np.empty(most, np.int32)
    for n in range(len(first) - 1):
        a, z = first[n], first[n + 1]
        count = z - a
        _stream(data, starts[a:z], ends[a:z], stream, at, hashes)
        ascii = at[count] == chars_of(stream, 0, at[count])
        least = pairs_of(hashes[:count], pairs[: count - 1], slots, counts, often) if count > 1 else np.int64(1)
        for size in _TOPS:
            if count >= size:
                t, stands = np.int64(0), np.int64(1)
                if least > 1:
                    t, stands = top(pairs, hashes[:count], often, size, least, listed, grams, slots, keys, counts)
                least = max(np.int64(2), stands // 4) if stands > 1 else np.int64(1)  # of the next size
                chars = at[t + size] - at[t] if ascii else chars_of(stream, at[t], at[t + size])
                out[size - 2, n] = stands * (chars + size - 1) / text_chars[n]
        if count >= 5:
            few = begun_alike(stream, at, count, heads, listed, slots, grams, keys)
            for size in range(5, 11):
                covered, few = copies(stream, at, count, size, ascii, heads, listed, few, grams, keys)
                out[size - 2, n] = covered / text_chars[n]


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
            h = stirred(h, x & (_ALL >> np.uint64(64 - 8 * left)) if left < 8 else x)
            i += 8
        hashes[t] = h
        o += size
    at[len(starts)] = o
