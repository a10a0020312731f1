"""Exceptions that affixes took apart, put together again: `(so):` ends in one token `):`, an emoticon to spaCy."""

import numpy as np
from numba import njit

from stages.english_lookup import CUTS, LONGEST, MOST, PAIRS, exception, listed

_SEEN = 15  # a mark that fits in four bits beside the number of tokens


@njit(nogil=True, cache=True)
def joined(data, begin, t, table, places, stack):  # type: ignore[no-untyped-def]
    """Put together exceptions that affixes took apart, the one of most tokens first; the place behind all."""
    found = False
    for i in range(begin, t - 1):
        if listed(table, PAIRS, np.int64(data[places[0, i]]) << 8 | np.int64(data[places[0, i + 1]])):
            for j in range(i + 2, min(t, i + MOST) + 1):
                found = found or _taken_apart(data, i, j, table, places)
    if not found:
        return t
    for i in range(t - begin):
        stack[i] = places[0, begin + i] << 4  # and below how many tokens are joined here, _SEEN for the others
    for length in range(MOST, 1, -1):
        for i in range(t - begin - length + 1):
            if _taken_apart(data, begin + i, begin + i + length, table, places):
                free = stack[i] & 15 == 0 and stack[i + length - 1] & 15 == 0
                for j in range(i, i + length):
                    stack[j] |= _SEEN if stack[j] & 15 == 0 else 0
                if free:
                    stack[i] = stack[i] >> 4 << 4 | length
    return _rewritten(data, begin, t, table, places, stack)


@njit(nogil=True, cache=True)
def _rewritten(data, begin, t, table, places, stack):  # type: ignore[no-untyped-def]
    """The tokens of `stack`, with those that are joined in the pieces of their exception."""
    out, i, count, stop = begin, 0, t - begin, places[1, t - 1]
    while i < count:
        joined = stack[i] & 15
        length = joined if joined and joined != _SEEN else 1
        a, e = stack[i] >> 4, stack[i + length] >> 4 if i + length < count else stop
        if length > 1:
            out = cut(a, e, table[CUTS + exception(data, a, e, table)], places, out)
        else:
            places[0, out], places[1, out] = a, e
            out += 1
        i += length
    return out


@njit(nogil=True, cache=True)
def _taken_apart(data, i, j, table, places):  # type: ignore[no-untyped-def]
    """Whether the tokens i to j are what affixes alone make of an exception."""
    a, e = places[0, i], places[1, j - 1]
    slot = exception(data, a, e, table) if e - a <= LONGEST else np.int64(-1)
    if slot < 0:
        return False
    held = np.uint64(0)
    for k in range(i, j):
        held |= np.uint64(1) << np.uint64(places[1, k] - a - 1)
    return held == table[CUTS + slot] & np.uint64(0xFFFFFFFF)


@njit(nogil=True, cache=True)
def cut(a, e, cuts, places, t):  # type: ignore[no-untyped-def]
    """Write data[a:e] as pieces, each ending where the upper half of `cuts` has a bit."""
    start = a
    for b in range(a, e):
        if cuts >> np.uint64(32 + b - a) & np.uint64(1):
            places[0, t], places[1, t] = start, b + 1
            t += 1
            start = b + 1
    return t
