"""One walk over a page's bytes: blocks of visible text, with the elements they stand in. Linear, whatever the page.

A block is the text between two borders of block elements, white space collapsed, character references read. The walk
keeps a stack of at most DEEPEST open elements and closes p, li, td, tr, dt and dd where HTML lets their end be left
out, so that 10**6 nested elements or attributes cost what their bytes cost. It is no HTML5 tree builder: misnested
inline elements, foster parents and the like move no text that a reader would miss.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from stages.extraction import tags as t
from stages.extraction.markup import (
    alphabetic,
    annotation,
    attributes,
    closing_tag,
    formula,
    holds,
    reference,
    tag_kind,
)

DEEPEST = 512  # what browsers keep too (Blink's limit on nested elements)
MOST_BLOCKS = 100_000  # the walk stops there: 94 MB of signals. Gold pages have 6,219 at most
MOST_MARKS = 2_000
BLOCK_COLUMNS = 12
START, END, LINKED, LINKS, KIND, FLAG_BITS, DEPTH, PARENT, SOURCE, LIST_DEPTH, NUMBER, ROW = range(BLOCK_COLUMNS)


class Page(NamedTuple):
    """What a walk found. B blocks, E elements, M marks."""

    text: np.ndarray  # uint8, the blocks' text, one behind the other, UTF-8
    blocks: np.ndarray  # int64 [B, BLOCK_COLUMNS]
    parents: np.ndarray  # int64 [E], the element above each element; element 0 is the page
    marks: np.ndarray  # int64 [M, 3]: kind, start and end in the page, of meta, link, html, time, title and scripts


def walked(page: bytes, markdown: bool = False) -> Page:
    """The blocks of a page in UTF-8 (bytes that are not pass as they are): 560 MB/s a core on trafilatura_eval."""
    data = np.frombuffer(page, np.uint8)
    return Page(*_walk(data, markdown, *t.TAGS, *t.CLASSES, *t.CHARACTERS, _ELEMENT_BITS))


_ELEMENT_BITS = np.zeros(t.KINDS, np.int64)
for _kind, _bit in t.ELEMENT_BIT.items():
    _ELEMENT_BITS[_kind] = _bit
_ELEMENT_BITS[t.NUMBERED] = _ELEMENT_BITS[t.LIST]
_ELEMENT_BITS[t.SKIP] = t.SKIPPED

_HIDDEN, _SKIPPED, _TEX = np.int64(t.HIDDEN), np.int64(t.SKIPPED), np.int64(t.TEX)


@njit(nogil=True, cache=True, inline="always")
def _closes(kind, top):  # type: ignore[no-untyped-def]
    """What an opening tag closes first and what that search must not cross: (kind, kind, border, border)."""
    if kind == t.LI:
        return t.LI, t.LI, t.LIST, t.NUMBERED
    if kind == t.TD or kind == t.TH:
        return t.TD, t.TH, t.TABLE, t.TABLE
    if kind == t.TR:
        return t.TR, t.TR, t.TABLE, t.TABLE
    if kind == t.DT or kind == t.DD:
        return t.DT, t.DD, t.DL, t.DL
    return (t.P, t.P, top, top) if top == t.P else (-1, -1, -1, -1)


@njit(nogil=True, cache=True)
def _walk(  # type: ignore[no-untyped-def]
    data, markdown, tag_keys, tag_values, word_keys, word_values, ref_keys, ref_values, element_bits
):
    end = len(data)
    opened = 2
    for b in data:
        opened += b == 60
    text = np.empty(2 * end + 64, np.uint8)
    blocks = np.empty((min(opened, MOST_BLOCKS) + 1, BLOCK_COLUMNS), np.int64)
    parents, marks = np.zeros(opened + 1, np.int64), np.empty((MOST_MARKS + 1, 3), np.int64)
    kinds, bits = np.zeros(DEEPEST + 1, np.int64), np.zeros(DEEPEST + 1, np.int64)
    elements, carried = np.zeros(DEEPEST + 1, np.int64), np.zeros(DEEPEST + 1, np.int64)
    lists_at = np.zeros(DEEPEST + 1, np.int64)
    items, open_of = np.zeros(DEEPEST + 1, np.int64), np.zeros(t.KINDS, np.int64)
    sp, made, found, marked, o = 0, 1, 0, 0, 0
    linked, links, link_from, in_link = 0, 0, -1, False
    start, source, space, lists, hidden = 0, 0, False, 0, 0
    number, row = np.int64(-1), np.zeros(DEEPEST + 1, np.int64)
    row[0] = -1
    carried[0] = t.BLOCK
    at = 0
    while at < end and found < MOST_BLOCKS:
        byte = data[at]
        if byte != 60 or at + 1 >= end:
            if bits[sp] & _SKIPPED or hidden:
                at += 1
                continue
            if byte < 33:
                if carried[sp] == t.PRE and byte != 0 and (o > start or byte == 32 or byte == 9):
                    text[o] = 9 if byte == 9 else (10 if byte == 10 else 32)
                    o += byte != 13
                elif carried[sp] == t.PRE:  # its first line break is none
                    space = False
                else:
                    space = True
                at += 1
                continue
            before = o
            if space or o == start:
                if o == start:
                    source = at
                elif text[o - 1] != 10:
                    text[o] = 32
                    o += 1
                space = False
            first = o
            if byte == 38:
                at, o = reference(data, at, end, text, o, ref_keys, ref_values)
                if (o - first == 2 and text[first] == 0xC2 and text[first + 1] == 0xA0) or (
                    o - first == 1 and text[first] < 33
                ):
                    o, space = before, True
            else:
                if byte == 0xC2 and at + 1 < end and data[at + 1] == 0xA0:
                    at += 2
                    o, space = before, True
                    continue
                if byte != 127:
                    text[o] = byte
                    o += 1
                at += 1
            if in_link:
                linked += max(0, o - first)
            continue
        follows = data[at + 1]
        if follows == 33:  # a comment or a doctype
            if at + 3 < end and data[at + 2] == 45 and data[at + 3] == 45:
                at += 4
                if at < end and data[at] == 62:
                    at += 1
                    continue
                while at < end and not (data[at] == 62 and data[at - 1] == 45 and data[at - 2] == 45):
                    at += 1
                at += 1
                continue
            while at < end and data[at] != 62:
                at += 1
            at += 1
            continue
        if follows == 63:
            while at < end and data[at] != 62:
                at += 1
            at += 1
            continue
        closing = follows == 47
        name = at + 1 + closing
        if name >= end or not alphabetic(data[name]):
            if closing:
                while at < end and data[at] != 62:
                    at += 1
                at += 1
                continue
            if not (bits[sp] & _SKIPPED or hidden):
                if o == start:
                    source = at
                elif space:
                    text[o] = 32
                    o += 1
                space = False
                text[o] = 60
                o += 1
            at += 1
            continue
        kind, stop = tag_kind(data, name, end, tag_keys, tag_values)
        tag = at
        if closing:
            while stop < end and data[stop] != 62:
                stop += 1
            at = min(stop + 1, end)
            of, href, alt, alt_end = np.int64(0), False, at, at
        else:
            of, href, alt, alt_end, at = attributes(data, stop, end, word_keys, word_values)
        if kind == t.INLINE:
            continue
        if kind < t.BLOCK:
            if kind == t.LINK:
                if not closing and href:
                    in_link, link_from = True, sp
                    links += 1
                else:
                    in_link = False
            elif kind == t.CODE:
                if markdown and carried[sp] != t.PRE and not bits[sp] & _SKIPPED:
                    if not closing and space and o > start and text[o - 1] != 10:
                        text[o] = 32
                        o += 1
                        space = False
                    text[o] = 96
                    o += 1
            elif kind == t.BREAK:
                if o > start and not bits[sp] & _SKIPPED:
                    if text[o - 1] == 10 and carried[sp] != t.PRE:
                        kind = t.RULE
                    else:
                        text[o] = 10
                        o += 1
                    space = False
            elif kind == t.SPAN:  # hidden ones are not text: the glyphs beside a formula's TeX
                if hidden:
                    hidden += -1 if closing else 1
                elif of & _HIDDEN:
                    hidden = 1
            elif kind == t.MARK and not closing:
                marks[marked, 0], marks[marked, 1], marks[marked, 2] = kind, tag, at
                marked += marked < MOST_MARKS
            elif kind in (t.RAW, t.SCRIPT, t.TITLE, t.NOTE) and not closing:
                size = 1
                while name + size < end and (alphabetic(data[name + size]) or data[name + size] == 45):
                    size += 1
                stop = closing_tag(data, at, end, name, size)
                if kind == t.SCRIPT or (kind == t.TITLE and not bits[sp] & _SKIPPED):
                    marks[marked, 0], marks[marked, 1], marks[marked, 2] = kind, tag, stop
                    marked += marked < MOST_MARKS
                tex = markdown and kind == t.SCRIPT and holds(data, alt, alt_end, b"math/tex")
                if tex and not bits[sp] & _SKIPPED:
                    o = formula(data, at, stop, text, start, o, space, ref_keys, ref_values)
                    space = False
                at = stop
            elif markdown and kind == t.MATH and not closing and not bits[sp] & _SKIPPED:
                stop = closing_tag(data, at, end, name, 4)
                first, last = annotation(data, at, stop)
                if first < last:
                    o = formula(data, first, last, text, start, o, space, ref_keys, ref_values)
                    at, space = stop, False
            elif markdown and kind == t.IMAGE and of & _TEX and alt < alt_end and not bits[sp] & _SKIPPED:
                o = formula(data, alt, alt_end, text, start, o, space, ref_keys, ref_values)
                space = False
            if kind != t.RULE:
                continue
        if kind != t.SKIP:  # the border of a block: what was gathered is one. A button or an icon stands in a line
            hidden = 0
            while o > start and (text[o - 1] == 10 or text[o - 1] == 32):
                o -= 1
            if o > start:
                blocks[found, START], blocks[found, END], blocks[found, LINKED] = start, o, linked
                blocks[found, LINKS], blocks[found, KIND], blocks[found, FLAG_BITS] = links, carried[sp], bits[sp]
                blocks[found, DEPTH], blocks[found, PARENT], blocks[found, SOURCE] = sp, elements[sp], source
                blocks[found, LIST_DEPTH], blocks[found, NUMBER] = lists, number
                blocks[found, ROW] = row[sp]
                found += 1
                start, number = o, np.int64(-1)
            linked, links, space = 0, 0, False
        if kind == t.RULE:
            continue
        if closing:
            if open_of[kind] == 0:
                continue
            table = kind == t.TR or kind == t.TABLE or kind == t.TD or kind == t.TH
            to = sp
            while to > 0 and kinds[to] != kind:
                if not table and (kinds[to] == t.TD or kinds[to] == t.TH or kinds[to] == t.TABLE):
                    to = 0
                    break
                to -= 1
            if to == 0:
                continue
        else:
            one, other, border, border2 = _closes(kind, kinds[sp])
            to = 0
            if one >= 0 and (open_of[one] or open_of[other]):
                to = sp
                while to > 0 and kinds[to] != one and kinds[to] != other:
                    if kinds[to] == border or kinds[to] == border2:
                        to = 0
                        break
                    to -= 1
        if to > 0:
            while sp >= to:
                open_of[kinds[sp]] -= 1
                lists -= kinds[sp] == t.LIST or kinds[sp] == t.NUMBERED
                sp -= 1
            if in_link and link_from > sp:
                in_link = False
        if not closing and sp < DEEPEST:
            if kind == t.BODY:
                of = np.int64(0)
            sp += 1
            kinds[sp], items[sp] = kind, 0
            bits[sp] = bits[sp - 1] | of | element_bits[kind]
            above = carried[sp - 1]
            carried[sp] = above if kind == t.BLOCK else (t.BLOCK if kind >= t.ARTICLE else kind)
            elements[sp] = made
            parents[made] = elements[sp - 1]
            made += 1
            open_of[kind] += 1
            lists_at[sp] = sp if kind == t.LIST or kind == t.NUMBERED else lists_at[sp - 1]
            row[sp] = elements[sp] if kind == t.TR else (-1 if kind == t.TABLE else row[sp - 1])
            if kind == t.LI:
                of_list = lists_at[sp]
                items[of_list] += 1
                number = items[of_list] if kinds[of_list] == t.NUMBERED else np.int64(0)
            lists += kind == t.LIST or kind == t.NUMBERED
    while o > start and (text[o - 1] == 10 or text[o - 1] == 32):
        o -= 1
    if o > start:
        blocks[found, START], blocks[found, END], blocks[found, LINKED] = start, o, linked
        blocks[found, LINKS], blocks[found, KIND], blocks[found, FLAG_BITS] = links, carried[sp], bits[sp]
        blocks[found, DEPTH], blocks[found, PARENT], blocks[found, SOURCE] = sp, elements[sp], source
        blocks[found, LIST_DEPTH], blocks[found, NUMBER], blocks[found, ROW] = lists, number, row[sp]
        found += 1
    return text[:o].copy(), blocks[:found].copy(), parents[:made].copy(), marks[:marked].copy()
