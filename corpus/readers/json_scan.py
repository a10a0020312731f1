"""JSON values in bytes: checked as strictly as orjson checks them, strings unescaped on the way, nothing built.

Places are bytes, `end` is behind the last that may be looked at; -1 says that the value is not plain: broken, or valid
and rare (an exponent, more than 60 levels, NUL), which is for a parser to tell. One step a byte at most, no recursion.
"""

import numpy as np
from numba import njit

from corpus.classes import encode

LANE = 32
"""Bytes looked at together: one AVX2 register, or two of SSE2. 16 and 64 took 1.5 and 1.25 times as long on
text with an escape every 40 bytes. What is written may reach so many bytes behind its end."""

DIGITS = 18
"""Of an integer that is below 2**63 whatever they are; a place in a file is one."""

STRING, NULL, INT, OTHER_NUMBER, BOOL, NESTED = range(1, 7)
"""Kinds of values. An INT is one that Python would print as it stands."""

_DEEPEST = 60  # levels of objects and arrays, a bit each
_LONGEST = 40  # characters of a number: below 1e308

_ESCAPED = np.zeros(256, np.uint8)  # what stands behind a backslash for one byte, and that byte
for _short, _byte in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    _ESCAPED[_short] = _byte
_ITSELF = np.array([0x20 <= c < 0x80 and c not in b'"\\' for c in range(256)])  # needs no look within a string
_HEX = np.full(256, 255, np.uint8)
for _digit in b"0123456789abcdefABCDEF":
    _HEX[_digit] = int(chr(_digit), 16)


@njit(inline="always")
def space(data, b, end):  # type: ignore[no-untyped-def]
    """Behind JSON's own white space; `end` where there is nothing else."""
    while b < end and (data[b] == 0x20 or data[b] == 0x0D or data[b] == 0x09):
        b += 1
    return b


@njit(inline="always")
def at_byte(data, b, end, byte):  # type: ignore[no-untyped-def]
    """Whether that byte is at `b`."""
    return b < end and data[b] == byte


@njit(nogil=True, cache=True)
def string(data, b, end, out, o):  # type: ignore[no-untyped-def]
    """Unescape a string from behind its opening quote; behind its closing one, and behind what was written.

    (-1, o) where it is not valid JSON and UTF-8, or holds NUL. `out` has room for the string and a lane.
    """
    while b < end:
        while b + LANE <= end and not _lane(data, b, out, o):
            b += LANE
            o += LANE
        at, to, stop = np.uint64(b), np.uint64(o), np.uint64(end)
        while at < stop and _ITSELF[data[at]]:
            out[to] = data[at]
            at += np.uint64(1)
            to += np.uint64(1)
        b, o = np.int64(at), np.int64(to)
        if b == end or data[b] < 0x20:
            return -1, o
        if data[b] == 0x22:
            return b + 1, o
        if data[b] == 0x5C:
            while b + 1 < end and data[b] == 0x5C and _ESCAPED[data[b + 1]]:
                out[o] = _ESCAPED[data[b + 1]]
                b += 2
                o += 1
            if b < end and data[b] == 0x5C:
                b, o = _escape(data, b + 1, end, out, o)
        else:
            b, o = _sequences(data, b, end, out, o)
        if b < 0:
            return -1, o
    return -1, o


@njit(inline="always")
def _lane(data, b, out, o):  # type: ignore[no-untyped-def]
    """Copy a lane; whether a byte of it is more than itself. Places are unsigned, or numba looks for negative ones
    and LLVM makes no vectors: 51 MB of lines took the whole kernel 0.25 s then and 0.09 so."""
    at, to, special = np.uint64(b), np.uint64(o), np.uint8(0)
    for i in range(LANE):
        c = data[at + np.uint64(i)]
        out[to + np.uint64(i)] = c
        special |= np.uint8((c == 0x22) | (c == 0x5C) | (c < 0x20) | (c >= 0x80))
    return special


@njit(nogil=True, cache=True)
def _sequences(data, b, end, out, o):  # type: ignore[no-untyped-def]
    """Copy UTF-8 sequences of two bytes and more, and lone ASCII between them; as `string`."""
    while b < end and data[b] >= 0x80:
        size = _sequence(data, b, end)
        if size == 0:
            return -1, o
        for i in range(size):
            out[o + i] = data[b + i]
        b += size
        o += size
        if b + 1 < end and _ITSELF[data[b]] and data[b + 1] >= 0x80:
            out[o] = data[b]
            b += 1
            o += 1
    return b, o


@njit(nogil=True, cache=True)
def _sequence(data, b, end):  # type: ignore[no-untyped-def]
    """Bytes of the UTF-8 sequence at `b`, whose first is 0x80 or more; 0 where it is none (Unicode 15, table 3-7)."""
    c = data[b]
    if c < 0xC2 or c > 0xF4:
        return 0
    size = 2 if c < 0xE0 else 3 if c < 0xF0 else 4
    if b + size > end:
        return 0
    low = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
    high = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
    if data[b + 1] < low or data[b + 1] > high:
        return 0
    for i in range(2, size):
        if data[b + i] & 0xC0 != 0x80:
            return 0
    return size


@njit(nogil=True, cache=True)
def _escape(data, b, end, out, o):  # type: ignore[no-untyped-def]
    """The code point that a backslash and the `u` at `b` stand for, in UTF-8; as `string`."""
    if b == end or data[b] != 0x75:
        return -1, o
    c = _four(data, b + 1, end)
    b += 5
    if 0xD800 <= c < 0xDC00 and b + 6 <= end and data[b] == 0x5C and data[b + 1] == 0x75:
        low = _four(data, b + 2, end)
        if 0xDC00 <= low < 0xE000:
            c, b = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00), b + 6
    if c <= 0 or 0xD800 <= c < 0xE000:
        return -1, o
    coded, size = encode(c)
    for i in range(size):
        out[o + i] = np.uint8(coded >> np.uint64(8 * i))
    return b, o + size


@njit(nogil=True, cache=True)
def _four(data, b, end):  # type: ignore[no-untyped-def]
    """The number of four hexadecimal digits, -1 where they are not that."""
    if b + 4 > end:
        return -1
    c, wrong = np.int64(0), False
    for i in range(4):
        digit = _HEX[data[b + i]]
        wrong |= digit == 255
        c = c * 16 + np.int64(digit)
    return -1 if wrong else c


@njit(nogil=True, cache=True)
def value(data, b, end, out, o):  # type: ignore[no-untyped-def]
    """Behind a value that is no string, and its kind; (-1, 0) where it is not plain. `out` may be written to from o."""
    if b == end:
        return -1, 0
    c = data[b]
    if c == 0x7B or c == 0x5B:
        return _nested(data, b, end, out, o), NESTED
    if c == 0x2D or 0x30 <= c <= 0x39:
        return _number(data, b, end)
    if c == 0x6E and _word(data, b, end, 0x6C6C756E):  # null
        return b + 4, NULL
    if c == 0x74 and _word(data, b, end, 0x65757274):  # true
        return b + 4, BOOL
    if c == 0x66 and _word(data, b + 1, end, 0x65736C61):  # false
        return b + 5, BOOL
    return -1, 0


@njit(nogil=True, cache=True)
def _word(data, b, end, wanted):  # type: ignore[no-untyped-def]
    """Whether four bytes are those of a number, the first lowest."""
    if b + 4 > end:
        return False
    word = np.int64(0)
    for i in range(4):
        word |= np.int64(data[b + i]) << (8 * i)
    return word == wanted


@njit(nogil=True, cache=True)
def _number(data, b, end):  # type: ignore[no-untyped-def]
    """As `value`: an integer that Python would print as it stands, or another number without an exponent."""
    start = b
    b += at_byte(data, b, end, 0x2D)
    negative, first = b > start, b
    while b < end and 0x30 <= data[b] <= 0x39:
        b += 1
    digits, kind = b - first, INT
    if digits == 0 or (digits > 1 and data[first] == 0x30):
        return -1, 0
    if digits > DIGITS or (negative and data[first] == 0x30):
        kind = OTHER_NUMBER
    if at_byte(data, b, end, 0x2E):
        point, kind = b, OTHER_NUMBER
        b += 1
        while b < end and 0x30 <= data[b] <= 0x39:
            b += 1
        if b == point + 1:
            return -1, 0
    if b - start > _LONGEST or at_byte(data, b, end, 0x65) or at_byte(data, b, end, 0x45):
        return -1, 0
    return b, kind


@njit(nogil=True, cache=True)
def _nested(data, b, end, out, o):  # type: ignore[no-untyped-def]
    """Behind the object or array that begins at `b`, -1 where it is not plain. A bit of `objects` is a level's kind."""
    objects, depth = np.uint64(0), 0
    while True:
        b = space(data, b, end)  # a value begins here
        if b == end:
            return -1
        c = data[b]
        closed = False  # the value that begins here is over
        if c == 0x7B or c == 0x5B:
            if depth == _DEEPEST:
                return -1
            depth += 1
            objects = objects << np.uint64(1) | np.uint64(c == 0x7B)
            b = space(data, b + 1, end)
            if at_byte(data, b, end, 0x7D if c == 0x7B else 0x5D):
                b, depth, objects, closed = b + 1, depth - 1, objects >> np.uint64(1), True
            elif c == 0x7B:
                b = _member(data, b, end, out, o)
        else:
            if c == 0x22:
                b, _ = string(data, b + 1, end, out, o)
            elif c == 0x2D or 0x30 <= c <= 0x39:
                b, _ = _number(data, b, end)
            else:
                b = _literal(data, b, end)
            closed = True
        while closed and b >= 0:
            if depth == 0:
                return b
            b = space(data, b, end)
            inside = objects & np.uint64(1)
            if at_byte(data, b, end, 0x2C):
                b, closed = b + 1, False
                if inside:
                    b = _member(data, space(data, b, end), end, out, o)
            elif at_byte(data, b, end, 0x7D if inside else 0x5D):
                b, depth, objects = b + 1, depth - 1, objects >> np.uint64(1)
            else:
                return -1
        if b < 0:
            return -1


@njit(nogil=True, cache=True)
def _member(data, b, end, out, o):  # type: ignore[no-untyped-def]
    """Behind a key and its colon, -1 where there is none."""
    if not at_byte(data, b, end, 0x22):
        return -1
    b, _ = string(data, b + 1, end, out, o)
    if b < 0:
        return -1
    b = space(data, b, end)
    return b + 1 if at_byte(data, b, end, 0x3A) else -1


@njit(nogil=True, cache=True)
def _literal(data, b, end):  # type: ignore[no-untyped-def]
    if _word(data, b, end, 0x6C6C756E) or _word(data, b, end, 0x65757274):
        return b + 4
    return b + 5 if data[b] == 0x66 and _word(data, b + 1, end, 0x65736C61) else -1
