"""Lines that are plain JSON objects, taken out of a block one after the other: the kernel behind plain.py."""

import numpy as np
from numba import njit

from corpus.readers.json_scan import (
    BOOL,
    DIGITS,
    INT,
    LANE,
    NESTED,
    NULL,
    OTHER_NUMBER,
    STRING,
    at_byte,
    space,
    string,
    value,
)

KEY, PLACE, DOMAIN, FIELD = range(4)
"""What a small column wants: an id, an id or the line's place, a name, anything."""

_ABSENT = 0  # beside the kinds of values, of a wanted key


@njit(nogil=True, cache=True)
def taken(data, place, begin, last, limit, wanted, held, said, most):  # type: ignore[no-untyped-def]
    """Line by line; `used` moves on only when a line is whole and plain."""
    text, ends, arena, spans, used = held
    names, firsts, kinds, of = wanted
    found, start = np.empty((len(firsts) - 1, 3), np.int64), begin - place
    while used[3] < most and place + start < last:
        end = _newline(data, place)
        size = end - place
        n = used[0]
        if end == len(data) or size > limit or n == len(spans):
            break
        if used[1] + size + LANE > len(text) or used[2] + size + len(said) + LANE + DIGITS > len(arena):
            break
        if not _blank(data, place, end):
            at, aside = _line(data, place, end, names, firsts, found, text, used[1], arena, used[2])
            if at < 0:
                break
            aside = _small_columns(found, kinds, of, arena, aside, said, place + start, spans[n])
            if aside < 0:
                break
            used[0], used[1], used[2], used[3] = n + 1, at, aside, used[3] + size
            ends[n + 1] = at
        place = end + 1
    return place


@njit(nogil=True, cache=True)
def _newline(data, b):  # type: ignore[no-untyped-def]
    """The place of the next newline, or the end of the data."""
    stop = len(data)
    while b + 2 * LANE <= stop:
        at, found = np.uint64(b), np.uint8(0)
        for i in range(2 * LANE):
            found |= np.uint8(data[at + np.uint64(i)] == 0x0A)
        if found:
            break
        b += 2 * LANE
    while b < stop and data[b] != 0x0A:
        b += 1
    return b


@njit(nogil=True, cache=True)
def _blank(data, b, end):  # type: ignore[no-untyped-def]
    """Nothing but what Python calls white space in bytes."""
    while b < end and (data[b] == 0x20 or 0x09 <= data[b] <= 0x0D):
        b += 1
    return b == end


@njit(nogil=True, cache=True)
def _line(data, b, end, names, firsts, found, text, at, arena, aside):  # type: ignore[no-untyped-def]
    """Ends of the text and of the arena behind the values of one object; (-1, 0) where it is not plain.

    found: int64 [K, 3], of each wanted key what it holds and where that lies in the arena. The text is written
    where it stays, and what nobody wants behind it, to be written over.
    """
    found[:, 0] = _ABSENT
    used = at
    b = space(data, b, end)
    if not at_byte(data, b, end, 0x7B):
        return -1, 0
    b = space(data, b + 1, end)
    more = not at_byte(data, b, end, 0x7D)
    while more:
        if not at_byte(data, b, end, 0x22):
            return -1, 0
        b, o = string(data, b + 1, end, text, used)
        if b < 0:
            return -1, 0
        k = _named(text[used:o], names, firsts)
        b = space(data, b, end)
        if not at_byte(data, b, end, 0x3A):
            return -1, 0
        b = space(data, b + 1, end)
        if k >= 0 and found[k, 0] != _ABSENT:
            return -1, 0  # the last of a name counts, and the first has been written
        if at_byte(data, b, end, 0x22):
            if k > 0:
                b, o = string(data, b + 1, end, arena, aside)
            else:
                b, o = string(data, b + 1, end, text, used)
            kind = STRING
        else:
            start = b
            b, kind = value(data, b, end, text, used)
            o = used
            if k > 0 and kind in (INT, BOOL):
                o = aside
                for i in range(start, b):
                    arena[o] = data[i]
                    o += 1
        if b < 0:
            return -1, 0
        if k == 0:
            if kind != STRING:
                return -1, 0
            found[0, 0], used = kind, o
        elif k > 0:
            found[k, 0], found[k, 1], found[k, 2] = kind, aside, aside
            if kind in (STRING, INT, BOOL):
                found[k, 2] = aside = o
        b = space(data, b, end)
        more = at_byte(data, b, end, 0x2C)
        if more:
            b = space(data, b + 1, end)
    if not at_byte(data, b, end, 0x7D) or space(data, b + 1, end) != end or found[0, 0] != STRING:
        return -1, 0
    return used, aside


@njit(nogil=True, cache=True)
def _named(key, names, firsts):  # type: ignore[no-untyped-def]
    """Which wanted key it is, -1 for none."""
    for k in range(len(firsts) - 1):
        if len(key) == firsts[k + 1] - firsts[k]:
            same = True
            for i in range(len(key)):
                same &= key[i] == names[firsts[k] + i]
            if same:
                return k
    return -1


@njit(nogil=True, cache=True)
def _small_columns(found, kinds, of, arena, aside, said, begin, spans):  # type: ignore[no-untyped-def]
    """The span of each small column of one document; the end of the arena, -1 where a value is not plain."""
    for column in range(len(kinds)):
        of_column, want = found[of[column]], kinds[column]
        kind, start, stop = of_column[0], of_column[1], of_column[2]
        if want == FIELD:
            if kind in (OTHER_NUMBER, NESTED):
                return -1
            if kind in (NULL, _ABSENT):
                start = stop = -1
        elif want == DOMAIN:
            if kind != STRING or start == stop:
                return -1
        elif kind == OTHER_NUMBER or (want == KEY and kind != STRING and kind != INT):
            return -1  # a number too long for here may still be an integer
        elif kind != STRING and kind != INT:
            start = aside
            aside = stop = _decimal(arena, _copied(arena, aside, said), begin)
        spans[column, 0], spans[column, 1] = start, stop
    return aside


@njit(nogil=True, cache=True)
def _copied(out, at, value):  # type: ignore[no-untyped-def]
    for i in range(len(value)):
        out[at + i] = value[i]
    return at + len(value)


@njit(nogil=True, cache=True)
def _decimal(out, at, number):  # type: ignore[no-untyped-def]
    """The digits of a number that is not negative; the place behind them."""
    power = 1
    while number // power >= 10:
        power *= 10
    while power:
        out[at] = 0x30 + number // power % 10
        at += 1
        power //= 10
    return at
