"""Which documents need repair, in one walk over their bytes; and the repairs of single characters and white space.

Line ends are those of Unicode 5.8 (\\r\\n, \\r, \\v, \\f, U+0085, U+2028, U+2029). Controls are Cc but tab and line
ends, the annotation controls U+FFF9 to U+FFFB and noncharacters. Zero-width characters are soft hyphen, word joiner,
byte order marks within text, and those that steer the direction of writing; joiners stay where they do something.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit

from corpus.classes import CODE_POINTS, KIND, SYMBOL, classes, decode
from corpus.edits import Spans
from stages.mojibake import suspects
from stages.normal_form import forms, is_doubted

MOJIBAKE, LINE_END, CONTROL, ZERO_WIDTH, WHITE_SPACE, NFC = (1 << bit for bit in range(6))
"""Kinds of repair, as bits."""

BY = (b"", b"\n", b" ")
"""What the spans of `repaired` are replaced by."""

_LINE_ENDS = (0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029)
_CONTROLS = ((0x00, 0x09), (0x0E, 0x20), (0x7F, 0x85), (0x86, 0xA0), (0xFFF9, 0xFFFC), (0xFDD0, 0xFDF0))
_ZERO_WIDTH = (
    (0xAD, 0xAE), (0x061C, 0x061D), (0x180E, 0x180F), (0x200B, 0x2010), (0x202A, 0x202F), (0x2060, 0x2065),
    (0x2066, 0x2070), (0xFEFF, 0xFF00),
)  # fmt: skip
_SPACES = ((0xA0, 0xA1), (0x2000, 0x200B), (0x202F, 0x2030), (0x205F, 0x2060))
"""No-break, typographic and mathematical spaces, that become U+0020. U+3000 and U+1680 are seen, and stay."""

_JOINING = (
    (0x0600, 0x0E00),
    (0x0F00, 0x10A0),
    (0x1700, 0x18B0),
    (0xA800, 0xAC00),
    (0x10A00, 0x10D30),
    (0x11000, 0x12000),
)
"""Scripts whose letters change shape with their neighbours: Arabic to Sinhala, Tibetan, Myanmar, Khmer, Mongolian,
and their kin: behind these ZWJ and ZWNJ mean something."""

_UNSPACED = ((0x0E00, 0x0F00), (0x0F00, 0x10A0), (0x1780, 0x1800), (0x1950, 0x1AB0), (0xA980, 0xAA80))
"""Thai, Lao, Tibetan, Myanmar, Khmer, Tai scripts, Javanese: behind these U+200B parts words."""

_ZWSP, _ZWNJ, _ZWJ, _MVS = 0x200B, 0x200C, 0x200D, 0x180E
_SPACE, _TAB, _NEWLINE = 0x20, 0x09, 0x0A
_MOST_NEWLINES = 2  # line breaks in a row: DCLM's newline_removal_modifier


@cache
def marks() -> np.ndarray:
    """The kind of repair that each code point may need, but MOJIBAKE and NFC: uint8 [0x110000], read-only."""
    table = np.zeros(CODE_POINTS, np.uint8)
    for kind, ranges in ((CONTROL, _CONTROLS), (ZERO_WIDTH, _ZERO_WIDTH), (WHITE_SPACE, _SPACES)):
        for start, end in ranges:
            table[start:end] = kind
    table[0xFFFE::0x10000] = table[0xFFFF::0x10000] = CONTROL
    table[list(_LINE_ENDS)] = LINE_END
    table.flags.writeable = False
    return table


@cache
def _emoji() -> np.ndarray:
    """What ZWJ may join: symbols from U+2000 on, and U+FE0F, which makes an emoji of one: bool [0x110000]."""
    table = classes() & KIND == SYMBOL
    table[:0x2000] = False
    table[0xFE0F] = True
    return table


class Tables(NamedTuple):
    """What the walk looks at, for the kinds that are asked for."""

    marks: np.ndarray  # uint8 [0x110000]
    forms: np.ndarray  # uint8 [0x110000], of stages/normal_form.py
    pairs: np.ndarray  # uint8 [0x110000], of stages/mojibake.py
    begins: np.ndarray  # uint32 [256]
    ends: np.ndarray  # uint32 [256]
    kinds: int
    leads: np.ndarray  # uint8 [256]: PLAIN, WATCHED or LOOKED_UP by the first byte of a character


PLAIN, WATCHED, LOOKED_UP = 0, 1, 2


@cache
def tables(kinds: int) -> Tables:
    """The tables for some kinds (bits); what no kind needs is zero, and passed over by its first byte."""
    pairs, begins, ends = (
        suspects() if kinds & MOJIBAKE else (np.zeros(CODE_POINTS, np.uint8), *np.zeros((2, 256), np.uint32))
    )
    asked = marks() & np.uint8(kinds)
    form = forms() if kinds & NFC else np.zeros(CODE_POINTS, np.uint8)
    leads = np.zeros(256, np.uint8)
    plain = pairs == pairs[0x4E00]
    needed = (asked != 0) | (form != 0) | ~plain
    for c in np.flatnonzero(needed[0x80:]) + 0x80:
        leads[chr(c).encode("utf-8", "surrogatepass")[0]] = LOOKED_UP
    leads[np.flatnonzero(asked[:0x80])] = LOOKED_UP
    if kinds & WHITE_SPACE:
        leads[[_SPACE, _TAB, _NEWLINE]] = WATCHED
    return Tables(asked, form, pairs, begins, ends, kinds, leads)


@njit(nogil=True, cache=True)
def suspicions(offsets, data, tables):  # type: ignore[no-untyped-def]
    """The kinds of repair that each document may need: uint8 [N]. No repair is missed; NFC and MOJIBAKE may be idle."""
    marks, forms, pairs, begins, ends, kinds, leads = tables
    flags = np.zeros(len(offsets) - 1, np.uint8)
    for n in range(len(flags)):
        b, stop, found = offsets[n], offsets[n + 1], np.uint8(0)
        # `beyond`: the character before was no ASCII, so the next is looked at whatever it is.
        pair, form, beyond = pairs[_NEWLINE], np.uint8(0), False
        shown, blank, newlines = False, False, 0  # in this line; the character before; line breaks in a row
        while b < stop:
            x = data[b]
            if leads[x] == PLAIN and not beyond:  # also the second byte of a plain character and those behind it
                shown, blank, newlines = True, False, 0
                b += 1
                continue
            c, b = decode(data, b, stop)
            found |= MOJIBAKE if begins[pair] & ends[pairs[c]] else 0
            beyond = x >= 0x80
            if x >= 0x80 or leads[x] == LOOKED_UP:
                found |= marks[c] | (NFC if is_doubted(form, forms[c]) else 0)
            pair, form = pairs[c], forms[c]
            if x == _NEWLINE:
                newlines += 1
                found |= WHITE_SPACE if blank or newlines > _MOST_NEWLINES else 0
                shown, blank = False, False
            elif x in (_SPACE, _TAB):
                found |= WHITE_SPACE if blank and shown else 0
                blank = True
            else:
                shown, blank, newlines = True, False, 0
        flags[n] = (found | (WHITE_SPACE if blank else 0)) & kinds
    return flags


@njit(nogil=True, cache=True)
def characters(offsets, data, marks, emoji, asked, first, spans, which, counts):  # type: ignore[no-untyped-def]
    """Lay the spans of line ends, controls and zero-width characters, and count them by kind (rows of `counts`)."""
    s = np.int64(0)
    for n in range(len(offsets) - 1):
        b = offsets[n] if asked[n] else offsets[n + 1]
        last = np.int64(-1)  # the last character that stays
        while b < offsets[n + 1]:
            c, after = decode(data, b, offsets[n + 1])
            kind = marks[c] & (LINE_END | CONTROL | ZERO_WIDTH)
            if kind == ZERO_WIDTH and c <= _ZWJ:
                following = decode(data, after, offsets[n + 1])[0] if after < offsets[n + 1] else np.int64(0)
                kind = 0 if _means_something(c, last, following, emoji) else kind
            if kind:
                crlf = c == 0x0D and after < offsets[n + 1] and data[after] == _NEWLINE
                which[s] = 1 if kind == LINE_END and not crlf else 0
                spans[0, s], spans[1, s] = b - offsets[n], after - offsets[n]
                counts[1 if kind == LINE_END else 2 if kind == CONTROL else 3, n] += 1
                s += 1
            else:
                last = c
            b = after
        first[n + 1] = s


@njit(nogil=True, cache=True)
def _means_something(c, last, following, emoji):  # type: ignore[no-untyped-def]
    """Whether a zero-width character does something between its neighbours."""
    if c == _ZWSP:
        return _in_any(last, _UNSPACED)
    if c == _MVS:
        return 0x1800 <= last < 0x18B0
    if c == _ZWJ and last >= 0 and emoji[last] and emoji[following]:
        return True
    return c in (_ZWJ, _ZWNJ) and _in_any(last, _JOINING)


@njit(nogil=True, cache=True)
def _in_any(c, ranges):  # type: ignore[no-untyped-def]
    found = False
    for start, end in ranges:
        found |= start <= c < end
    return found


@njit(nogil=True, cache=True)
def white_space(offsets, data, marks, asked, first, spans, which, counts):  # type: ignore[no-untyped-def]
    """Lay the spans of white space, and count them (row 4 of `counts`).

    Blanks at the end of a line go; inside a line a run of spaces becomes one; tabs and indentation stay, and with
    them the table or the code that they make. Of line breaks in a row two stay.
    """
    s = np.int64(0)
    for n in range(len(offsets) - 1):
        b, stop = (offsets[n] if asked[n] else offsets[n + 1]), offsets[n + 1]
        shown, newlines, begun = False, 0, s
        while b < stop:
            if 0x20 < data[b] < 0xC2 or 0xC2 < data[b] < 0xE2 or data[b] > 0xE2:  # neither blank nor line break
                shown, newlines = True, 0
                b += 1
                continue
            if data[b] == _NEWLINE:
                newlines += 1
                if newlines > _MOST_NEWLINES:
                    s = _lay(spans, which, s, begun, b - offsets[n], b + 1 - offsets[n], 0)
                shown = False
                b += 1
                continue
            start, b, spaces, tabs = _blanks(data, b, stop, marks)
            if b == stop or data[b] == _NEWLINE:
                if start < b:
                    s = _lay(spans, which, s, begun, start - offsets[n], b - offsets[n], 0)
                continue
            if start < b:
                if shown and not tabs and spaces > 1 and data[start] == _SPACE:
                    s = _lay(spans, which, s, begun, start + 1 - offsets[n], b - offsets[n], 0)
                elif shown and not tabs and (spaces > 1 or data[start] != _SPACE):
                    s = _lay(spans, which, s, begun, start - offsets[n], b - offsets[n], 2)
                else:
                    s = _plain_spaces(data, start, b, offsets[n], marks, spans, which, s, begun)
            shown, newlines = True, 0
            b = decode(data, b, stop)[1]
        counts[4, n] += s - begun
        first[n + 1] = s


@njit(nogil=True, cache=True)
def _blanks(data, b, stop, marks):  # type: ignore[no-untyped-def]
    """The run of spaces, tabs and characters that become spaces at `b`: (start, end, spaces, tabs)."""
    start, spaces, tabs = b, 0, 0
    while b < stop:
        c, after = decode(data, b, stop)
        if c == _TAB:
            tabs += 1
        elif c == _SPACE or marks[c] & WHITE_SPACE:
            spaces += 1
        else:
            break
        b = after
    return start, b, spaces, tabs


@njit(nogil=True, cache=True)
def _plain_spaces(data, b, end, origin, marks, spans, which, s, begun):  # type: ignore[no-untyped-def]
    """Each character of data[b:end] that is to be a space becomes one."""
    while b < end:
        c, after = decode(data, b, end)
        if marks[c] & WHITE_SPACE:
            s = _lay(spans, which, s, begun, b - origin, after - origin, 2)
        b = after
    return s


@njit(nogil=True, cache=True)
def _lay(spans, which, s, begun, start, end, by):  # type: ignore[no-untyped-def]
    """Lay a span, or lengthen the one before where both only cut and touch; the new count."""
    if by == 0 and s > begun and which[s - 1] == 0 and spans[1, s - 1] == start:
        spans[1, s - 1] = end
        return s
    spans[0, s], spans[1, s], which[s] = start, end, by
    return s + 1


def repaired(
    offsets: np.ndarray, data: np.ndarray, kinds: int, flags: np.ndarray, counts: np.ndarray
) -> tuple[Spans, np.ndarray]:
    """Spans of characters to repair, or of white space where `kinds` has no other, and which of BY replaces each.

    flags: of `suspicions`; documents without one of the kinds are passed over. counts: int64 [6, N], added to.
    """
    size = int(offsets[-1] - offsets[0])
    # A span takes a byte at least. Address space is reserved for the worst case and hardly touched.
    first, spans, which = np.zeros(len(offsets), np.int64), np.empty((2, size), np.int64), np.empty(size, np.int64)
    asked, table = (flags & kinds) != 0, marks() & np.uint8(kinds)
    if kinds == WHITE_SPACE:
        white_space(offsets, data, table, asked, first, spans, which, counts)
    else:
        characters(offsets, data, table, _emoji(), asked, first, spans, which, counts)
    held = first[-1]
    return Spans(first, spans[0, :held], spans[1, :held]), which[:held]
