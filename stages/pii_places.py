"""Where personal data could stand: one walk over the bytes, so that patterns see only a few hundred of a million.

An @ between characters of an address, clusters of digits, tokens of letters and digits, colons between hexadecimal
digits, and beginnings of keys. Places are generous; stages/pii_patterns.py decides. English prose is walked at
330 MB/s a core and has 1 place in 3 kB.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from stages.automaton import Automaton

AT, NUMBER, TOKEN, COLONS, KEY = range(5)
"""Kinds of places."""

MOST_LOCAL, MOST_DOMAIN = 64, 253
"""Bytes of an e-mail address before and behind its @ (RFC 5321, 4.5.3.1; RFC 1035, 2.3.4)."""

MOST_CLUSTER = 64
"""A run of numbers longer than this is a table, in which no number is a person's."""

LEAST_TOKEN, MOST_TOKEN = 9, 48
"""Bytes: the shortest is a British or Spanish number; an IBAN has at most 34 and 8 spaces."""


def _ascii_alnum(b: int) -> bool:
    return b < 0x80 and chr(b).isalnum()


_LOCAL = np.array([_ascii_alnum(b) or chr(b) in "!#$%&'*+?^_`{|}~.-" for b in range(256)])
_DOMAIN = np.array([_ascii_alnum(b) or chr(b) in ".-" for b in range(256)])
_ALNUM = np.array([_ascii_alnum(b) for b in range(256)])
_HEX = np.array([chr(b) in "0123456789abcdefABCDEF" for b in range(256)])
_DIGIT = np.array([0x30 <= b <= 0x39 for b in range(256)])
_TRIGGER = np.array([chr(b) in "@:0123456789" for b in range(256)])


class Places(NamedTuple):
    """Slices of the bytes to look at, in the order of documents."""

    documents: np.ndarray  # int64 [P]
    starts: np.ndarray  # int64 [P], into the data buffer
    ends: np.ndarray  # int64 [P]
    kinds: np.ndarray  # int64 [P]
    keys: np.ndarray  # int64 [P], which beginning of a key, -1 for other kinds


def places(offsets: np.ndarray, data: np.ndarray, keys: Automaton, named: int) -> Places:
    """The places of N texts (corpus.buffers.utf8).

    keys: beginnings of secrets; those from number `named` on are names, of which a `:` or `=` must stand near behind.
    """
    tables = (_TRIGGER, _DIGIT, _ALNUM, _LOCAL, _DOMAIN, _HEX)
    arrays = (keys.classes, keys.moves, keys.width, keys.ending, keys.patterns, keys.shorter, keys.lengths)
    room = max(1_024, int(offsets[-1] - offsets[0]) // 256)
    while True:
        out = np.empty((5, room), np.int64)
        found = _walk(offsets, data, *tables, out)
        more = _keys(offsets, data, *arrays, named, _ALNUM, out, min(found, room))
        if max(found, more) <= room:
            break
        room = max(found, more) + len(offsets)  # text made of numbers; walked once more
    out = out[:, :more]
    return Places(*out[:, np.argsort(out[0], kind="stable")])


@njit(nogil=True, cache=True)
def _walk(offsets, data, trigger, digit, alnum, local, domain, hexadecimal, out):  # type: ignore[no-untyped-def]
    found = 0
    for n in range(len(offsets) - 1):
        first, stop = offsets[n], offsets[n + 1]
        b = first
        while b < stop:
            if not trigger[data[b]]:
                b += 1
                continue
            kind, start, end, b = _place(data, first, b, stop, digit, alnum, local, domain, hexadecimal)
            if kind >= 0:
                if found < out.shape[1]:
                    out[0, found], out[1, found], out[2, found], out[3, found], out[4, found] = n, start, end, kind, -1
                found += 1
    return found


@njit(nogil=True, cache=True)
def _place(data, first, b, stop, digit, alnum, local, domain, hexadecimal):  # type: ignore[no-untyped-def]
    """Kind (-1 where there is nothing), start, end, and where to go on: always behind `b`."""
    c = data[b]
    if c == 0x40:
        start, end = b, b + 1
        while start > first and b - start < MOST_LOCAL and local[data[start - 1]]:
            start -= 1
        while end < stop and end - b <= MOST_DOMAIN and domain[data[end]]:
            end += 1
        return (AT if start < b and end > b + 4 else -1), start, end, b + 1
    if c == 0x3A:
        return _colons(data, first, b, stop, hexadecimal)
    start = b
    while start > first and b - start < MOST_TOKEN and alnum[data[start - 1]]:
        start -= 1
    end, letters = b, start < b
    while end < stop and alnum[data[end]]:
        letters |= not digit[data[end]]
        end += 1
    if letters and (end - start > MOST_TOKEN or not _spaced(data, start, b, end, stop, digit, alnum)):
        # 131052-308T begins with digits and is no token: its letter stands at the end
        if LEAST_TOKEN <= end - start <= MOST_TOKEN:
            return TOKEN, start, end, end
        if start < b or end - start > MOST_TOKEN:
            return -1, start, end, end
    elif letters:
        while end < stop and end - start < MOST_TOKEN and (alnum[data[end]] or data[end] == 0x20 or data[end] == 0x2D):
            end += 1
        while end < stop and alnum[data[end]]:
            end += 1
        return (TOKEN if end - start <= 2 * MOST_TOKEN else -1), start, end, b + 2
    letter_pair = b >= first + 3 and 0x41 <= data[b - 2] <= 0x5A and 0x41 <= data[b - 3] <= 0x5A
    if letter_pair and data[b - 1] == 0x20 and _pairs(data, b, stop, digit):  # AB 12 34 56 C
        return TOKEN, b - 3, min(b + 12, stop), b + 2
    return _cluster(data, first, b, stop, digit)


@njit(inline="always")
def _spaced(data, start, b, end, stop, digit, alnum):  # type: ignore[no-untyped-def]
    """GB29 NWBK 6016 ...: two letters, two digits, then a space or hyphen and four letters or digits."""
    if end != start + 4 or b != start + 2 or end + 4 >= stop or not digit[data[start + 3]]:
        return False
    if data[end] != 0x20 and data[end] != 0x2D:
        return False
    return alnum[data[end + 1]] and alnum[data[end + 2]] and alnum[data[end + 3]] and alnum[data[end + 4]]


@njit(inline="always")
def _pairs(data, b, stop, digit):  # type: ignore[no-untyped-def]
    return b + 4 < stop and digit[data[b + 1]] and data[b + 2] == 0x20 and digit[data[b + 3]] and digit[data[b + 4]]


@njit(nogil=True, cache=True)
def _cluster(data, first, b, stop, digit):  # type: ignore[no-untyped-def]
    """Digits with single separators between them, or two of which one is a parenthesis."""
    end, digits, dots = b, 0, 0
    while end < stop:
        if digit[data[end]]:
            digits += 1
            end += 1
            continue
        if end + 1 < stop and _separator(data[end]) and digit[data[end + 1]]:
            dots += data[end] == 0x2E
            end += 1
        elif end + 2 < stop and _separator(data[end]) and _separator(data[end + 1]) and digit[data[end + 2]]:
            if not (_parenthesis(data[end]) or _parenthesis(data[end + 1])):
                break
            end += 2
        else:
            break
    start = b
    if start > first and (data[start - 1] == 0x28 or data[start - 1] == 0x2B):
        start -= 1
        if start > first and data[start] + data[start - 1] == 0x28 + 0x2B:  # +(44) and (+44)
            start -= 1
    enough = (digits >= 7 or (dots == 3 and digits >= 4)) and not _dated(data, b, end, digit)
    return (NUMBER if enough and end - start <= MOST_CLUSTER else -1), start, end, end


@njit(nogil=True, cache=True)
def _dated(data, b, end, digit):  # type: ignore[no-untyped-def]
    """2015-03-10, 10/3/2015, either with an hour behind it, and 1914-1918: half of all clusters in prose."""
    size, runs = np.zeros(5, np.int64), 0
    for i in range(b, end):
        if digit[data[i]]:
            size[runs] += 1
        elif runs < 4:
            runs += 1
    year = _year(data[b], data[b + 1])
    if runs == 1:
        return size[0] == 4 and size[1] == 4 and end - b == 9 and year and _year(data[b + 5], data[b + 6])
    if runs != 2 and not (runs == 3 and size[3] <= 2):
        return False
    return size[1] <= 2 and ((size[0] == 4 and size[2] <= 2 and year) or (size[0] <= 2 and size[2] == 4))


@njit(inline="always")
def _year(c, d):  # type: ignore[no-untyped-def]
    return (c == 0x32 and d == 0x30) or (c == 0x31 and d >= 0x35)  # 20.., and 15.. to 19..


@njit(inline="always")
def _separator(c):  # type: ignore[no-untyped-def]
    return c == 0x20 or 0x2D <= c <= 0x2F or c == 0x28 or c == 0x29


@njit(inline="always")
def _parenthesis(c):  # type: ignore[no-untyped-def]
    return c == 0x28 or c == 0x29


@njit(nogil=True, cache=True)
def _colons(data, first, b, stop, hexadecimal):  # type: ignore[no-untyped-def]
    """An IPv6 address has eight groups or ::, and only hexadecimal digits, colons and dots."""
    start, end, colons, doubled = b, b, 0, False
    while start > first and b - start < 4 and hexadecimal[data[start - 1]]:
        start -= 1
    while end < stop and end - start < 46 and (hexadecimal[data[end]] or data[end] == 0x3A or data[end] == 0x2E):
        colons += data[end] == 0x3A
        doubled |= data[end] == 0x3A and end > first and data[end - 1] == 0x3A
        end += 1
    if colons != 7 and not (doubled and end - start > 4):  # 10:30:00 has neither eight groups nor ::
        return -1, start, end, b + 1
    return COLONS, start, end, max(end, b + 1)


@njit(nogil=True, cache=True)
def _keys(  # type: ignore[no-untyped-def]
    offsets, data, classes, moves, width, ending, patterns, shorter, lengths, named, alnum, out, found
):
    """Beginnings of keys at the start of a word, and names of keys before a `:` or `=`."""
    for n in range(len(offsets) - 1):
        place = np.uint32(0)
        for b in range(offsets[n], offsets[n + 1]):
            place = moves[place + classes[data[b]]]
            if place < ending:
                continue
            at = np.int64(place)
            while at >= 0:
                key = patterns[at // width]
                start = b + 1 - lengths[key]
                if key < named:
                    wanted = start == offsets[n] or not alnum[data[start - 1]]
                else:
                    wanted = False
                    for i in range(b + 1, min(b + 17, offsets[n + 1])):
                        wanted |= data[i] == 0x3A or data[i] == 0x3D
                if wanted:
                    if found < out.shape[1]:
                        out[0, found], out[1, found], out[2, found] = n, start, b + 1
                        out[3, found], out[4, found] = KEY, key
                    found += 1
                at = np.int64(shorter[at // width])
    return found
