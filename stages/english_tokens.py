"""spaCy's English tokens: chunks between white space lose prefixes and suffixes, then split at infixes.

What looks like a URL stays whole; exceptions go before all of it, and once more over the pieces. Facts are in
english.py, their table for kernels in english_lookup.py.
"""

from functools import cache

import numpy as np
from numba import njit

from corpus.bits import first_marked
from corpus.borrowing import borrowed
from corpus.classes import decode
from corpus.hashing import byte, eight_bytes
from stages.english import AFTER_DIGITS, ALPHA, PREFIX, SPACE, SUFFIX, characters, exceptions
from stages.english_affixes import DIGITS, infixes, prefix_size, suffix_size
from stages.english_hosts import url
from stages.english_joins import cut, joined
from stages.english_lookup import CUTS, SIEVE, SIZE, UNIT, enter, exception, free, key_of, listed, sieve_place

_WHITE, _LETTERS, _FULL_STOPS, _OTHERS = 0, 1, 4, 8  # what a chunk holds: bits of its bytes, beside DIGITS
_FRONT, _BACK = 16, 32  # a mark that splits off before letters, and one that splits off behind them
_KNOWN_BITS = 14
_KNOWN = 1 << _KNOWN_BITS  # chunks of a batch that are remembered, 32 bytes each: how one is cut hangs on it alone
_ONE, _TWO, _THREE, _FOUR = (np.uint64(n) for n in (1, 2, 3, 4))
_MIX = np.uint64(0xD1342543DE82EF95)  # as in corpus/hashing.py
_ONES, _HIGH, _CASE = (np.uint64(byte * 0x0101_0101_0101_0101) for byte in (0x01, 0x80, 0x20))


@cache
def byte_kinds() -> np.ndarray:
    """What a byte says of its chunk: uint8 [256]."""
    table = np.full(256, _OTHERS, np.uint8)
    table[[*range(0x41, 0x5B), *range(0x61, 0x7B)]] = _LETTERS
    table[0x30:0x3A] = DIGITS
    table[0x2E] = _FULL_STOPS
    ascii = characters()[:0x80]
    table[:0x80][ascii & (PREFIX | ALPHA) == PREFIX] |= _FRONT
    table[:0x80][ascii & (SUFFIX | ALPHA) == SUFFIX] |= _BACK
    table[0x2B] &= 0xFF - _FRONT  # +1 is one token
    table[:0x80][ascii & SPACE != 0] = _WHITE
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
    known = np.zeros(4 * _KNOWN, np.uint64)
    held = borrowed(data), borrowed(kinds), borrowed(bits), borrowed(table), borrowed(places), borrowed(stack)
    t = np.int64(0)
    for n in range(len(starts) - 1):
        t = _document(starts[n], starts[n + 1], *held, borrowed(known), t)
        first[n + 1] = t


@njit(nogil=True, cache=True)
def _document(b, stop, data, kinds, bits, table, places, stack, known, t):  # type: ignore[no-untyped-def]
    """Write the tokens of data[b:stop]; the place behind them.

    Four of five chunks are ASCII letters with at most a mark before and one behind, or one byte. A mark splits off,
    letters split nowhere, unless they are an exception. All in one function, for a call costs what such a chunk does.
    """
    data, kinds, bits = borrowed(data), borrowed(kinds), borrowed(bits)
    table, places, stack = borrowed(table), borrowed(places), borrowed(stack)
    while b < stop:
        kind = kinds[byte(data, b)]
        if kind == _WHITE:
            b += 1
            continue
        begin = inner = b
        if kind & _FRONT:
            inner += 1
        outer = e = _letters(data, inner, stop)
        if inner == outer:
            if b + 1 == stop or kinds[byte(data, b + 1)] == _WHITE:
                lay(places, t, b, b + 1)
                t += 1
                b += 1
                continue
        else:
            if e < stop and (kinds[byte(data, e)] & _BACK or (byte(data, e) == 0x2E and byte(data, e - 1) >= 0x61)):
                e += 1
            if (e == stop or kinds[byte(data, e)] == _WHITE) and not listed(table, SIEVE, sieve_place(data, b, e)):
                if e - b == outer - inner:
                    lay(places, t, b, e)
                    t += 1
                    b = e
                    continue
                if not _sifted(data, b, inner, outer, e, table):
                    if b < inner:
                        lay(places, t, b, inner)
                        t += 1
                    lay(places, t, inner, outer)
                    t += 1
                    if outer < e:
                        lay(places, t, outer, e)
                        t += 1
                    b = e
                    continue
        b, held = _chunk_end(data, b, stop, kinds, bits)
        size = b - begin
        if size == 0:  # white space beyond ASCII
            b = decode(data, b, stop)[1]
        elif size > 16 or begin + 16 > len(data):
            t = _chunk(data, begin, b, held, bits, table, places, t, stack)
        else:
            head, tail = eight_bytes(data, begin), np.uint64(0)
            if size <= 8:
                head &= ~np.uint64(0) >> np.uint64(64 - 8 * size)
            else:
                tail = eight_bytes(data, begin + 8) & (~np.uint64(0) >> np.uint64(128 - 8 * size))
            slot = ((head * _MIX + tail) * _MIX >> np.uint64(64 - _KNOWN_BITS)) * _FOUR
            if known[slot] != head or known[slot + _ONE] != tail or known[slot + _THREE] >> np.uint64(8) != size:
                before = t
                t = _chunk(data, begin, b, held, bits, table, places, t, stack)
                ends = np.uint64(0)
                for i in range(before, t):
                    ends |= np.uint64(places[1, i] - begin - 1) << np.uint64(4 * (i - before))
                known[slot], known[slot + _ONE], known[slot + _TWO] = head, tail, ends
                known[slot + _THREE] = np.uint64(size << 8 | t - before)
                continue
            ends, start = known[slot + _TWO], begin
            for _ in range(np.int64(known[slot + _THREE]) & 255):
                end = begin + np.int64(ends & np.uint64(15)) + 1
                lay(places, t, start, end)
                t += 1
                start = end
                ends >>= np.uint64(4)
    return t


@njit(inline="always")
def lay(places, t, a, e):  # type: ignore[no-untyped-def]
    """Write a token from `a` to `e` at place `t`, which is not negative."""
    at = np.uint64(t)
    places[0, at], places[1, at] = a, e


@njit(nogil=True, cache=True)
def _chunk_end(data, b, stop, kinds, bits):  # type: ignore[no-untyped-def]
    """Where the next white space stands, and what its bytes before hold."""
    data, kinds, bits = borrowed(data), borrowed(kinds), borrowed(bits)
    held = np.int64(0)
    while b < stop:
        kind = np.int64(kinds[byte(data, b)])
        if kind == _WHITE:
            break
        if byte(data, b) < 0x80:
            b += 1
        else:
            c, after = decode(data, b, stop)
            if bits[c] & SPACE:
                break
            b = after
        held |= kind
    return b, held


@njit(nogil=True, cache=True)
def _sifted(data, a, inner, outer, e, table):  # type: ignore[no-untyped-def]
    """Whether a part of a chunk with marks may be an exception."""
    data, table = borrowed(data), borrowed(table)
    may = listed(table, SIEVE, sieve_place(data, inner, outer))
    if a < inner:
        may |= listed(table, SIEVE, sieve_place(data, inner, e))
    if outer < e:
        may |= listed(table, SIEVE, sieve_place(data, a, outer))
    return may


@njit(inline="always")
def _letters(data, b, stop):  # type: ignore[no-untyped-def]
    """The end of the run of ASCII letters at `b`, in steps of eight bytes."""
    other = np.uint64(0)
    while not other and b < stop and b + 8 <= len(data):
        x = eight_bytes(data, b)
        # A byte below 0x80 plus 0x80 - n sets its high bit where it is n or more: no carry leaves the byte.
        small = x & ~_HIGH | _CASE
        other = ~((small + _ONES * np.uint64(0x80 - 0x61)) & ~(small + _ONES * np.uint64(0x80 - 0x7B)) & ~x) & _HIGH
        b += np.int64(first_marked(other))
    while not other and b < stop and 0x61 <= byte(data, b) | 0x20 <= 0x7A:
        b += 1
    return min(b, stop)


@njit(nogil=True, cache=True)
def _chunk(data, a, e, held, bits, table, places, t, stack):  # type: ignore[no-untyped-def]
    """Write the tokens of data[a:e], which has no white space, from place `t` on; the place behind them."""
    data, bits = borrowed(data), borrowed(bits)
    table, places, stack = borrowed(table), borrowed(places), borrowed(stack)
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
