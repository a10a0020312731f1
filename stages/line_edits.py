"""Editing by lines: lines are found and judged, what stays is named in pieces, and the rest becomes spans to cut.

A judge says which pieces of a document stay; `between` turns the rest into the spans that `corpus.edits.cut` takes
out. Pieces of different lines stay apart by one line break, the text's own where it has one.

Published line rules are written with Python's `str`: `splitlines`, `strip`, `split`, `isupper`. What these call a
line break, white space or upper case is said here once, for kernels.
"""

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.bits import marked
from corpus.borrowing import borrowed
from corpus.buffers import bounds
from corpus.classes import CODE_POINTS, KIND, OTHER, classes, decode
from corpus.documents import Batch
from corpus.edits import Spans
from corpus.hashing import eight_bytes
from stages.measures.segments import Segments, newline_lines, python_lines

UPPER, DIGIT, DECIMAL, WORD = 1, 2, 4, 8
"""Bits of `traits`: `str.isupper`, `isdigit`, `isdecimal` (\\d of Python's `re`), and its word characters (\\w)."""

_FAR = np.int64(2**62)  # behind every place
_HIGH, _SPACES, _SEVENS = (np.uint64(byte * 0x0101_0101_0101_0101) for byte in (0x80, 0x20, 0x7F))
BREAKS = (b"", b"\n")
"""What the spans of `between` are replaced by."""


@cache
def traits() -> np.ndarray:
    """UPPER, DIGIT, DECIMAL and WORD of every code point that corpus/classes.py knows: uint8 [0x110000].

    By numpy's strings, which ask as `str` does: 7 ms, where a call a code point took 70.
    """
    tests = {UPPER: np.strings.isupper, DIGIT: np.strings.isdigit, DECIMAL: np.strings.isdecimal}
    table = np.zeros(CODE_POINTS, np.uint8)
    points = np.flatnonzero(classes() & KIND != OTHER)  # what a newer Python knows besides must not count
    chars = points.astype(np.uint32).view("U1")
    for bit, test in (tests | {WORD: np.strings.isalnum}).items():
        table[points[test(chars)]] |= bit
    table[ord("_")] |= WORD
    table.flags.writeable = False
    return table


def lines(batch: Batch, kind: Literal["splitlines", "newline"]) -> Segments:
    """The lines of each document as `str.splitlines()` or `str.split("\\n")` gives them; found once a batch.

    "newline" gives an empty text one line, and one more behind a line break at the end, as `split` does.
    """
    return python_lines(batch) if kind == "splitlines" else newline_lines(batch)


@njit(inline="always")
def white(c):  # type: ignore[no-untyped-def]
    """Whether `str.isspace` holds of the code point (the same 29 in all versions of Unicode since 6.3)."""
    if c < 0x80:
        return c == 0x20 or 0x09 <= c <= 0x0D or 0x1C <= c <= 0x1F
    if c < 0x1680:
        return c == 0x85 or c == 0xA0
    some = c == 0x1680 or 0x2000 <= c <= 0x200A or c == 0x2028 or c == 0x2029
    return some or c == 0x202F or c == 0x205F or c == 0x3000


@njit(nogil=True, cache=True)
def trimmed(data, b, end):  # type: ignore[no-untyped-def]
    """Where `str.strip` of data[b:end] begins and ends; (end, end) where nothing is left."""
    data = borrowed(data)
    while b < end:
        c, after = decode(data, b, end)
        if not white(c):
            break
        b = after
    while end > b:
        at = before(data, b, end)
        if not white(decode(data, at, end)[0]):
            break
        end = at
    return b, end


@njit(inline="always")
def before(data, b, end):  # type: ignore[no-untyped-def]
    """The first byte of the last character of data[b:end], which is not empty."""
    at = end - 1
    while at > b and data[at] & 0xC0 == 0x80:
        at -= 1
    return at


@njit(nogil=True, cache=True)
def split_words(data, b, end, most, longest):  # type: ignore[no-untyped-def]
    """How many words `str.split` finds in data[b:end], no more than `most` + 1, and whether one of them is too long.

    longest: characters of a word. Counted to `most` + 1 for a rule that asks only whether there are more.
    """
    data = borrowed(data)
    count, b = _plain_words(data, b, end, most, longest)
    long = False
    while b < end and count <= most:
        start = b
        while b < end:
            x = data[b]
            if 0x20 < x < 0xC2 or 0xC2 < x < 0xE1 or x > 0xE3:  # no white space begins so
                b += 1
                continue
            c, after = decode(data, b, end)
            if white(c):
                break
            b = after
        count += start < b
        if b - start > longest:
            chars = np.int64(0)
            for at in range(start, b):
                chars += data[at] & 0xC0 != 0x80
            long |= chars > longest
        while b < end:
            c, after = decode(data, b, end)
            if not white(c):
                break
            b = after
    return min(count, most + 1), long


@njit(inline="always")
def _plain_words(data, b, end, most, longest):  # type: ignore[no-untyped-def]
    """Words of ASCII without control characters, eight bytes at a time, and where another has to go on.

    None where a word may be too long. What is begun at the end is left to whoever goes on.
    """
    begin, count, before = b, np.int64(0), np.uint64(0x80)  # a mark where the byte before is a space
    while end - begin <= longest and b + 8 <= end and count <= most:
        x = eight_bytes(data, b)
        if (x | (x - _SPACES)) & _HIGH:  # not ASCII, or below a space
            break
        spaces = ~((x ^ _SPACES) + _SEVENS) & _HIGH
        starts = (spaces << np.uint64(8) | before) & ~spaces & _HIGH
        count += marked(starts)
        before = spaces >> np.uint64(56)
        b += 8
    if b > begin and data[b - 1] != 0x20:
        count -= 1
        while b > begin and data[b - 1] != 0x20:
            b -= 1
    return count, b


@njit(nogil=True, cache=True)
def same(data, b, end, phrase):  # type: ignore[no-untyped-def]
    """The end of the lower-case ASCII `phrase` at `b`, in any case as `str.lower` has it, or -1.

    Of what is not ASCII only the Kelvin sign (U+212A) becomes an ASCII letter alone, k.
    """
    data, phrase = borrowed(data), borrowed(phrase)
    for i in range(len(phrase)):
        if b >= end:
            return np.int64(-1)
        x = data[b]
        if 0x41 <= x <= 0x5A:
            x += 0x20
        if x == phrase[i]:
            b += 1
        elif phrase[i] == 0x6B and b + 2 < end and x == 0xE2 and data[b + 1] == 0x84 and data[b + 2] == 0xAA:
            b += 3
        else:
            return np.int64(-1)
    return np.int64(b)


class Pieces(NamedTuple):
    """What stays of N documents: bytes into the data of `batch.utf8`, ascending, without overlap.

    Those of document n are [first[n] : first[n + 1]]. An empty piece that begins a line stands for an empty line.
    """

    first: np.ndarray  # int64 [N + 1]
    starts: np.ndarray  # int64 [P]
    ends: np.ndarray  # int64 [P]
    begins: np.ndarray  # bool [P]: the piece begins a line


def between(batch: Batch, pieces: Pieces, kept: np.ndarray) -> tuple[Spans, np.ndarray]:
    """All but the pieces, as spans of the documents in `kept` (bool [N]), and which of BREAKS replaces each.

    White space at both ends of what stays of a document goes too, as the published editors do with `str.strip`.
    """
    starts, data = batch.utf8
    most = 2 * len(pieces.starts) + len(batch) + 1  # before a piece two spans at most, and one at the end
    first, spans, which = np.zeros(len(batch) + 1, np.int64), np.empty((2, most), np.int64), np.zeros(most, np.int64)
    _between(starts, data, *pieces, kept, first, spans, which)
    held = first[-1]
    return Spans(first, spans[0, :held], spans[1, :held]), which[:held]


@njit(nogil=True, cache=True)
def _between(offsets, data, first, starts, ends, begins, kept, span_first, spans, which):  # type: ignore[no-untyped-def]
    data, spans, which = borrowed(data), borrowed(spans), borrowed(which)
    s = np.int64(0)
    for n in range(len(offsets) - 1):
        if kept[n]:
            a, z = first[n], first[n + 1]
            while a < z and trimmed(data, starts[a], ends[a])[0] == ends[a]:
                a += 1
            while z > a and trimmed(data, starts[z - 1], ends[z - 1])[0] == ends[z - 1]:
                z -= 1
            reached = offsets[n]
            for p in range(a, z):
                start = trimmed(data, starts[p], ends[p])[0] if p == a else starts[p]
                s = _gap(data, reached, start, p > a and begins[p], offsets[n], spans, which, s)
                reached = trimmed(data, starts[p], ends[p])[1] if p == z - 1 else ends[p]
            s = _gap(data, reached, offsets[n + 1], False, offsets[n], spans, which, s)
        span_first[n + 1] = s


@njit(nogil=True, cache=True)
def _gap(data, b, end, breaks, origin, spans, which, s):  # type: ignore[no-untyped-def]
    """Lay the spans that take data[b:end] out, but for a line break where there must be one; their new count."""
    data, spans, which = borrowed(data), borrowed(spans), borrowed(which)
    newline = b if breaks else end
    while newline < end and data[newline] != 0x0A:
        newline += 1
    if breaks and newline < end:
        if b < newline:
            spans[0, s], spans[1, s] = b - origin, newline - origin
            s += 1
        b = newline + 1
    elif breaks:
        which[s] = 1  # \r, U+2028 and their kin
    if b < end:
        spans[0, s], spans[1, s] = b - origin, end - origin
        s += 1
    return s


def only(spans: Spans, kept: np.ndarray) -> Spans:
    """The spans of the documents in `kept` (bool [N]); the others have none."""
    counts = np.diff(spans.first)
    held = np.repeat(kept, counts)
    return Spans(bounds(counts * kept), spans.starts[held], spans.ends[held])


def composed(early: Spans, early_sizes: np.ndarray, late: Spans, late_sizes: np.ndarray) -> tuple[Spans, np.ndarray]:
    """Two edits after one another as one: spans in bytes of the text before both, and what replaces each is long.

    sizes: int64, bytes that each span is replaced by. `late` counts in the text between the two edits.
    Spans that touch the same bytes become one.
    """
    most = len(early.starts) + len(late.starts)
    first, spans = np.zeros(len(early.first), np.int64), np.empty((3, most), np.int64)
    _compose(*early, early_sizes, *late, late_sizes, first, spans)
    return Spans(first, spans[0, : first[-1]], spans[1, : first[-1]]), spans[2, : first[-1]]


@njit(nogil=True, cache=True)
def _compose(a_first, a_starts, a_ends, a_sizes, b_first, b_starts, b_ends, b_sizes, first, spans):  # type: ignore[no-untyped-def]
    s = np.int64(0)
    for n in range(len(first) - 1):
        a, b = a_first[n], b_first[n]
        shift = np.int64(0)  # from a place in the text between to the same one in the text before
        reached = np.int64(-1)  # end of the union so far, in the text between
        while a < a_first[n + 1] or b < b_first[n + 1]:
            a_start = a_starts[a] - shift if a < a_first[n + 1] else _FAR
            b_start = b_starts[b] if b < b_first[n + 1] else _FAR
            if min(a_start, b_start) >= reached:  # a new union
                early = a_start <= b_start
                spans[0, s], spans[2, s] = a_starts[a] if early else b_start + shift, -min(a_start, b_start)
                s += 1
                reached = np.int64(-1)
            else:
                early = a_start < reached
                spans[2, s - 1] -= reached
            if early:
                reached = max(reached, a_start + a_sizes[a])
                shift = a_ends[a] - a_start - a_sizes[a]
                a += 1
            else:
                reached = max(reached, b_ends[b])
                spans[2, s - 1] += b_sizes[b] - (b_ends[b] - b_start)
                b += 1
            spans[1, s - 1] = reached + shift
            spans[2, s - 1] += reached
        first[n + 1] = s


def reasons(names: tuple[str, ...], which: np.ndarray) -> pa.Array:
    """`drop`: names[which[n]], null where which[n] is negative: string [N]."""
    places = pa.array(np.maximum(which, 0), pa.int64(), mask=which < 0)
    return pa.array(names, pa.string()).take(places)
