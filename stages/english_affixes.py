"""What splits off a chunk of English text at its start, at its end, and in it: spaCy's affixes as kernels.

Each takes data[a:e], a chunk without white space, and the bits of characters (stages/english.py).
"""

import numpy as np
from numba import njit

from corpus.borrowing import borrowed
from corpus.classes import decode
from stages.english import ALPHA, HYPHEN, INFIX, INNER, LOWER, PREFIX, QUOTE, STOPPED, SUFFIX, UPPER
from stages.english_lookup import UNIT, key_of, slot_of

DIGITS = 2
"""Bit of what a chunk holds (english_tokens.py): units are looked for behind digits only."""


@njit(inline="always")
def is_digit(c):  # type: ignore[no-untyped-def]
    """Whether a byte or code point is an ASCII digit."""
    return 0x30 <= c <= 0x39


@njit(nogil=True, cache=True)
def prefix_size(data, a, e, bits):  # type: ignore[no-untyped-def]
    """Bytes to split off at the start: one character, two full stops or more, or a dollar with its country."""
    data, bits = borrowed(data), borrowed(bits)
    c, after = decode(data, a, e)
    if bits[c] & PREFIX:
        return np.int64(0) if c == 0x2B and after < e and is_digit(data[after]) else after - a
    if c == 0x2E and after < e and data[after] == 0x2E:
        while after < e and data[after] == 0x2E:
            after += 1
        return after - a
    if c == 0x55 and e - a >= 3 and data[a + 1] == 0x53 and data[a + 2] == 0x24:  # US$
        return np.int64(3)
    if (c == 0x41 or c == 0x43) and e - a >= 2 and data[a + 1] == 0x24:  # A$, C$
        return np.int64(2)
    return np.int64(0)


@njit(nogil=True, cache=True)
def suffix_size(data, a, e, held, bits, table):  # type: ignore[no-untyped-def]
    """Bytes to split off at the end: the longest of all that may."""
    data, bits, table = borrowed(data), borrowed(bits), borrowed(table)
    if a >= e:
        return np.int64(0)
    at, c = _before(data, a, e)
    previous, p = _before(data, a, at)
    size = np.int64(0)
    if bits[c] & SUFFIX:
        size = e - at
        if c == 0x2026 and p == 0x2026:
            size = e - previous
    elif c == 0x2E:
        if p == 0x2E:
            while at > a and data[at - 1] == 0x2E:
                at -= 1
            size = e - at
        elif p >= 0:
            _, q = _before(data, a, previous)
            both = q >= 0 and bits[p] & bits[q] & UPPER != 0
            degree = q == 0xB0 and (p | 0x20 == 0x63 or p | 0x20 == 0x66 or p | 0x20 == 0x6B)
            size = np.int64(bits[p] & STOPPED != 0 or both or degree)
    elif c | 0x20 == 0x73 and (p == 0x27 or p == 0x2019):  # 's
        size = e - previous
    elif c == 0x2B and p >= 0 and is_digit(p):
        size = np.int64(1)
    if held & DIGITS and not is_digit(c):
        digit = e - 1
        while digit > a and digit > e - 14 and not is_digit(data[digit]):  # the longest unit has 13 bytes
            digit -= 1
        if is_digit(data[digit]) and slot_of(key_of(data, digit + 1, e, UNIT), table) >= 0:
            size = max(size, e - digit - 1)
    return size


@njit(nogil=True, cache=True)
def infixes(data, a, e, bits, places, t):  # type: ignore[no-untyped-def]
    """Write data[a:e], split at infixes; one at its very start splits nothing."""
    data, bits, places = borrowed(data), borrowed(bits), borrowed(places)
    start, b, previous = a, a, np.int64(-1)
    while b < e:
        c, after = decode(data, b, e)
        if not bits[c] & INNER:
            previous = c
            b = after
            continue
        end = _infix(data, b, e, c, after, previous, bits)
        if end > b and b > a:
            if start < b:
                places[0, t], places[1, t] = start, b
                t += 1
            places[0, t], places[1, t] = b, end
            t += 1
            start = end
        end = max(end, after)
        if end > after:
            _, c = _before(data, b, end)
        previous = c
        b = end
    if start < e:
        places[0, t], places[1, t] = start, e
        t += 1
    return t


@njit(nogil=True, cache=True)
def _infix(data, b, e, c, after, previous, bits):  # type: ignore[no-untyped-def]
    """The end of the infix at `b`, where `c` stands and ends at `after`; `b` where there is none."""
    data, bits = borrowed(data), borrowed(bits)
    if bits[c] & INFIX:
        return after
    following = decode(data, after, e)[0] if after < e else np.int64(-1)
    if c == 0x2E and following == 0x2E:
        while after < e and data[after] == 0x2E:
            after += 1
        return after
    if previous < 0 or following < 0:
        return b
    before, behind = bits[previous], bits[following]
    if c == 0x2E:
        return after if before & (LOWER | QUOTE) and behind & (UPPER | QUOTE) else b
    if c == 0x2C:
        return after if before & ALPHA and behind & ALPHA else b
    digit = is_digit(previous)
    if digit and (c == 0x2B or c == 0x2D or c == 0x2A or c == 0x5E) and (is_digit(following) or following == 0x2D):
        return after
    if not digit and before & ALPHA == 0:
        return b
    if bits[c] & HYPHEN:
        longest = 3 if c == 0x2D else 2 if c == 0x2014 else 1  # ---, ——
        while longest > 1 and following == c:
            _, after = decode(data, after, e)
            following = decode(data, after, e)[0] if after < e else np.int64(-1)
            longest -= 1
        return after if following >= 0 and bits[following] & ALPHA else b
    if c == 0x3A or c == 0x3C or c == 0x3E or c == 0x3D or c == 0x2F:  # : < > = /
        return after if behind & ALPHA else b
    return b


@njit(nogil=True, cache=True)
def _before(data, a, e):  # type: ignore[no-untyped-def]
    """Where the last character of data[a:e] starts, and the character; -1 where there is none."""
    data = borrowed(data)
    if e <= a:
        return a, np.int64(-1)
    at = e - 1
    while at > a and data[at] & 0xC0 == 0x80:
        at -= 1
    return at, decode(data, at, e)[0]
