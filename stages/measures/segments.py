"""Lines as Python's string methods cut them, for readings that count them so: `splitlines`, `split("\\n")`.

The lines of corpus/words.py are ours; these differ in what ends a line and in whether a blank one counts, and
published filters differ in bullets and endings too. `shapes` takes all of it as arguments.
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit

from corpus.bits import first_marked
from corpus.borrowing import borrowed
from corpus.classes import decode
from corpus.documents import Batch
from corpus.hashing import eight_bytes
from stages.measures.base import once
from stages.measures.characters import WHITE, properties

_ONES, _HIGH = (np.uint64(byte * 0x0101_0101_0101_0101) for byte in (0x01, 0x80))
_FEEDS = np.uint64(0x0A) * _ONES
_TWO, _THREE = np.uint64(0xC2) * _ONES, np.uint64(0xE2) * _ONES  # first bytes of U+0085, of U+2028 and U+2029


class Segments(NamedTuple):
    """N documents in pieces; those of document n are [first[n] : first[n + 1]]. Places as in `batch.utf8`."""

    first: np.ndarray  # int64 [N + 1]
    starts: np.ndarray  # int64 [S]
    ends: np.ndarray  # int64 [S], without the separator


@once
def python_lines(batch: Batch) -> Segments:
    """`str.splitlines()`: also \\v, \\f, \\x1c to \\x1e, U+0085, U+2028, U+2029 end a line; a last one opens none."""
    return _segments(batch, _python_lines)


@once
def newline_lines(batch: Batch) -> Segments:
    """`str.split("\\n")`: one piece more than there are line feeds."""
    return _segments(batch, _newline_lines)


@once
def blank_line_paragraphs(batch: Batch) -> Segments:
    """`str.split("\\n\\n")`."""
    return _segments(batch, _blank_line_paragraphs)


def _segments(batch: Batch, kernel: object) -> Segments:
    starts, data = batch.utf8
    first, places = np.zeros(len(starts), np.int64), np.empty((2, int(starts[-1] - starts[0]) + len(batch)), np.int64)
    kernel(starts, data, first, places)  # type: ignore[operator]
    return Segments(first, places[0, : first[-1]], places[1, : first[-1]])


@njit(nogil=True, cache=True)
def _python_lines(starts, data, first, places):  # type: ignore[no-untyped-def]
    s = np.int64(0)
    for n in range(len(starts) - 1):
        begin, stop = starts[n], starts[n + 1]
        b = _may_break(data, begin, stop)
        while b < stop:
            width = _break(data, b, stop)
            if width:
                places[0, s], places[1, s] = begin, b
                s += 1
                begin = b + width
            b = _may_break(data, b + max(width, 1), stop)
        if begin < stop:
            places[0, s], places[1, s] = begin, stop
            s += 1
        first[n + 1] = s


@njit(inline="always")
def _may_break(data, b, stop):  # type: ignore[no-untyped-def]
    """The next byte of data[b:stop] that may begin a line break, or `stop`; in steps of eight bytes."""
    while b + 8 <= stop:
        x = eight_bytes(data, b)
        two, three = x ^ _TWO, x ^ _THREE
        marks = ((x - _ONES * np.uint64(0x20)) & ~x | (two - _ONES) & ~two | (three - _ONES) & ~three) & _HIGH
        if marks:
            return b + np.int64(first_marked(marks))
        b += 8
    while b < stop and data[b] >= 0x20 and data[b] != 0xC2 and data[b] != 0xE2:
        b += 1
    return b


@njit(nogil=True, cache=True)
def _break(data, b, stop):  # type: ignore[no-untyped-def]
    """Bytes of the line break at `b`, 0 where there is none."""
    data = borrowed(data)
    c = data[b]
    if c < 0x20:
        if c == 0x0D and b + 1 < stop and data[b + 1] == 0x0A:
            return 2
        return 1 if 0x0A <= c <= 0x0D or 0x1C <= c <= 0x1E else 0
    if c == 0xC2 and b + 1 < stop and data[b + 1] == 0x85:
        return 2
    if c == 0xE2 and b + 2 < stop and data[b + 1] == 0x80 and (data[b + 2] == 0xA8 or data[b + 2] == 0xA9):
        return 3
    return 0


@njit(inline="always")
def line_feed(data, b, stop):  # type: ignore[no-untyped-def]
    """The next line feed of data[b:stop], or `stop`; in steps of eight bytes."""
    while b + 8 <= stop:
        x = eight_bytes(data, b) ^ _FEEDS
        zero = (x - _ONES) & ~x & _HIGH  # the lowest mark is the first byte that is 0; a borrow may set higher ones
        if zero:
            return b + np.int64(first_marked(zero))
        b += 8
    while b < stop and data[b] != 0x0A:
        b += 1
    return b


@njit(nogil=True, cache=True)
def _newline_lines(starts, data, first, places):  # type: ignore[no-untyped-def]
    s = np.int64(0)
    for n in range(len(starts) - 1):
        begin, stop = starts[n], starts[n + 1]
        b = line_feed(data, begin, stop)
        while b < stop:
            places[0, s], places[1, s] = begin, b
            s += 1
            begin = b + 1
            b = line_feed(data, begin, stop)
        places[0, s], places[1, s] = begin, stop
        s += 1
        first[n + 1] = s


@njit(nogil=True, cache=True)
def _blank_line_paragraphs(starts, data, first, places):  # type: ignore[no-untyped-def]
    s = np.int64(0)
    for n in range(len(starts) - 1):
        begin, stop = starts[n], starts[n + 1]
        b = line_feed(data, begin, stop)
        while b + 1 < stop:
            if data[b + 1] == 0x0A:
                places[0, s], places[1, s] = begin, b
                s += 1
                begin = b = b + 2
            else:
                b += 1
            b = line_feed(data, b, stop)
        places[0, s], places[1, s] = begin, stop
        s += 1
        first[n + 1] = s


class Shapes(NamedTuple):
    """What one walk over both ends of each segment finds: int64 [N] each."""

    counted: np.ndarray  # segments, without blank ones where those were to be skipped
    bulleted: np.ndarray
    ended: np.ndarray  # with one of the endings
    closed: np.ndarray  # with one of the end marks


def shapes(
    batch: Batch,
    segments: Segments,
    bullets: str = "",
    endings: Iterable[str] = (),
    marks: Iterable[str] = (),
    *,
    strip: bool = True,
    skip_blank: bool = False,
) -> Shapes:
    """How segments start and end: with a character of `bullets`; with one of two lists of endings, in lower case.

    strip: look behind white space at both ends; what it leaves empty is blank, and not counted if `skip_blank`.
    """
    _, data = batch.utf8
    out = np.zeros((4, len(batch)), np.int64)
    points = np.array(sorted(map(ord, bullets)), np.int64)
    ways = (strip, skip_blank)
    _shapes(data, *segments, ways, properties(), points, *packed(tuple(endings)), *packed(tuple(marks)), out)
    return Shapes(*out)


@cache
def packed(strings: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 of strings end to end, and where each starts: uint8 [B], int64 [K + 1]."""
    raw = [string.encode() for string in strings]
    return np.frombuffer(b"".join(raw), np.uint8), np.cumsum([0, *map(len, raw)]).astype(np.int64)


@njit(nogil=True, cache=True)
def _shapes(data, first, starts, ends, ways, properties, bullets, text, places, text2, places2, out):  # type: ignore[no-untyped-def]
    data, properties, bullets = borrowed(data), borrowed(properties), borrowed(bullets)
    text, places, text2, places2 = borrowed(text), borrowed(places), borrowed(text2), borrowed(places2)
    strip, skip_blank = ways
    for n in range(len(first) - 1):
        for s in range(first[n], first[n + 1]):
            a, b = starts[s], ends[s]
            if strip:
                a, b = stripped(data, a, b, properties)
            if a == b:
                out[0, n] += not skip_blank
                continue
            out[0, n] += 1
            c, _ = decode(data, a, b)
            for bullet in bullets:
                out[1, n] += c == bullet
            out[2, n] += _ends(data, a, b, text, places)
            out[3, n] += _ends(data, a, b, text2, places2)


@njit(nogil=True, cache=True)
def stripped(data, a, b, properties):  # type: ignore[no-untyped-def]
    """data[a:b] without Unicode white space at both ends, as places."""
    data, properties = borrowed(data), borrowed(properties)
    while a < b:
        c, after = decode(data, a, b)
        if not properties[c] & WHITE:
            break
        a = after
    while b > a:
        at = b - 1
        while at > a and data[at] & 0xC0 == 0x80:
            at -= 1
        if not properties[decode(data, at, b)[0]] & WHITE:
            break
        b = at
    return a, b


@njit(nogil=True, cache=True)
def _ends(data, a, b, text, places):  # type: ignore[no-untyped-def]
    """Whether data[a:b], its ASCII in lower case, ends with one of the strings."""
    data, text, places = borrowed(data), borrowed(text), borrowed(places)
    for k in range(len(places) - 1):
        size = places[k + 1] - places[k]
        same = size <= b - a
        for i in range(1, size + 1):
            if not same:
                break
            x = data[b - i]
            same = (x | 0x20 if 0x41 <= x <= 0x5A else x) == text[places[k + 1] - i]
        if same:
            return True
    return False
