"""spaCy's English tokens: chunks between white space lose prefixes and suffixes, then split at infixes.

What looks like a URL stays whole; exceptions go before all of it, and once more over the pieces. Facts are in
english.py, their table for kernels in english_lookup.py.
"""

from functools import cache

import numpy as np
from numba import njit

from corpus.classes import decode
from stages.english import AFTER_DIGITS, ALPHA, PREFIX, SPACE, SUFFIX, characters, exceptions
from stages.english_affixes import DIGITS, infixes, prefix_size, suffix_size
from stages.english_hosts import url
from stages.english_joins import cut, joined
from stages.english_lookup import CUTS, SIEVE, SIZE, UNIT, enter, exception, free, key_of, listed, sieve_place

_WHITE, _LETTERS, _FULL_STOPS, _OTHERS = 0, 1, 4, 8  # what a chunk holds: bits of its bytes, beside DIGITS


@cache
def byte_kinds() -> np.ndarray:
    """What a byte says of its chunk: uint8 [256]."""
    table = np.full(256, _OTHERS, np.uint8)
    table[[*range(0x41, 0x5B), *range(0x61, 0x7B)]] = _LETTERS
    table[0x30:0x3A] = DIGITS
    table[0x2E] = _FULL_STOPS
    table[:0x80][characters()[:0x80] & SPACE != 0] = _WHITE
    return table


@cache
def facts() -> np.ndarray:
    """Exceptions and units as uint64 [SIZE].

    One array: passed from kernel to kernel as a tuple of seven it cost a third of the speed (55, not 87 MB/s).
    """
    table = np.zeros(SIZE, np.uint64)
    known = [(text.encode(), [len(piece.encode()) for piece in pieces]) for text, pieces in exceptions().items()]
    alone = [_alone(text, table) for text, _ in known]  # while the table has no exception
    for unit in map(str.encode, sorted(set(AFTER_DIGITS))):
        free(key_of(np.frombuffer(unit, np.uint8), 0, len(unit), UNIT), table)
    for (text, pieces), apart in zip(known, alone, strict=True):
        enter(text, pieces, apart, table)
    return table


def _alone(text: bytes, table: np.ndarray) -> list[int]:
    """Bytes of the pieces that affixes alone cut a string into."""
    data = np.frombuffer(text, np.uint8)
    out = np.zeros((2, len(text)), np.int64)
    held = int(np.bitwise_or.reduce(byte_kinds()[data]))
    count = _chunk(data, 0, len(text), held, characters(), table, out, 0, np.zeros(len(text), np.int64))
    lengths: list[int] = (out[1] - out[0])[:count].tolist()
    return lengths


@njit(nogil=True, cache=True)
def english_tokens(starts, data, kinds, bits, table, first, places, stack):  # type: ignore[no-untyped-def]
    """Write the tokens of all documents; kinds, bits and table: `byte_kinds`, `characters` and `facts`."""
    t = np.int64(0)
    for n in range(len(starts) - 1):
        b, stop = starts[n], starts[n + 1]
        while b < stop:
            c, after = decode(data, b, stop)
            if bits[c] & SPACE:
                b = after
                continue
            begin, held, others = b, np.int64(0), 0
            while b < stop:
                if data[b] < 0x80:
                    kind = kinds[data[b]]
                    if kind == _WHITE:
                        break
                    held |= kind
                    others += kind != _LETTERS
                    b += 1
                else:
                    c, after = decode(data, b, stop)
                    if bits[c] & SPACE:
                        break
                    held |= _OTHERS
                    others += 3  # too many to be plain
                    b = after
            before = t
            if others <= 2:
                t = _plain(data, begin, b, others, bits, table, places, t)
            if t == before:
                t = _chunk(data, begin, b, held, bits, table, places, t, stack)
        first[n + 1] = t


@njit(nogil=True, cache=True)
def _plain(data, a, e, others, bits, table, places, t):  # type: ignore[no-untyped-def]
    """Write a chunk of ASCII letters, at most a mark before and one behind; the place behind, `t` if it is another.

    Such are most chunks of English. A mark splits off, letters split nowhere, unless they are an exception.
    """
    front = np.int64(others > 0 and data[a] != 0x2B and bits[data[a]] & (PREFIX | ALPHA) == PREFIX)
    last = data[e - 1]
    back = np.int64(others > front and (bits[last] & SUFFIX != 0 or (last == 0x2E and 0x61 <= data[e - 2] <= 0x7A)))
    inner, outer = a + front, e - back
    if others != front + back or inner >= outer or listed(table, SIEVE, sieve_place(data, a, e)):
        return t
    if others and (
        listed(table, SIEVE, sieve_place(data, inner, outer))
        or (front and listed(table, SIEVE, sieve_place(data, inner, e)))
        or (back and listed(table, SIEVE, sieve_place(data, a, outer)))
    ):
        return t
    if front:
        places[0, t], places[1, t] = a, inner
        t += 1
    places[0, t], places[1, t] = inner, outer
    t += 1
    if back:
        places[0, t], places[1, t] = outer, e
        t += 1
    return t


@njit(nogil=True, cache=True)
def _chunk(data, a, e, held, bits, table, places, t, stack):  # type: ignore[no-untyped-def]
    """Write the tokens of data[a:e], which has no white space, from place `t` on; the place behind them."""
    begin, stop = t, e
    suffixes, size, found = 0, np.int64(-1), np.int64(-1)
    while a < e and e - a != size:
        found = exception(data, a, e, table)
        if found >= 0:
            break
        size = e - a
        front_size = prefix_size(data, a, e, bits)
        if front_size:
            places[0, t], places[1, t] = a, a + front_size
            t += 1
            found = exception(data, a + front_size, e, table)
            if found >= 0:
                a += front_size
                break
        suffix = suffix_size(data, a + front_size, e, held, bits, table)
        e -= suffix
        if suffix:
            stack[suffixes] = e
            suffixes += 1
            found = exception(data, a, e, table)
            if found >= 0:
                t -= front_size > 0
                break
        a += front_size
    if a < e:
        if found >= 0:
            t = cut(a, e, table[CUTS + found], places, t)
        elif held & _FULL_STOPS and url(data, a, e, bits):
            places[0, t], places[1, t] = a, e
            t += 1
        else:
            t = infixes(data, a, e, bits, places, t)
    for s in range(suffixes - 1, -1, -1):
        places[0, t], places[1, t] = stack[s], stack[s - 1] if s else stop
        t += 1
    return joined(data, begin, t, table, places, stack)
