"""What tells main text from boilerplate: signals of a block, of the blocks around it, and of the elements above it.

Shallow text features (length, link density, neighbours) are those of Kohlschütter et al. 2010 (Boilerplate Detection
using Shallow Text Features, WSDM); class and id words and the densest container are in the tradition of Readability.
"""

import numpy as np
from numba import njit

from stages.extraction import tags as t
from stages.extraction.walk import DEPTH, END, FLAG_BITS, KIND, LINKED, LINKS, LIST_DEPTH, PARENT, START

OWN = (
    "length", "words", "link_share", "links", "marks", "marks_per_word", "ends", "digits", "capitals", "lines",
    "line_length", "bars", "non_ascii", "before_h1", "position", "place", "depth", "list_depth", "word_length",
    "begins", "copyright", "repeated",
)  # fmt: skip
AROUND = ("length", "link_share", "marks", "heading", "same_parent")  # of each of the two blocks before and behind
ABOVE = ("length", "link_share", "good_share", "good_density", "blocks")  # of the four nearest elements above
PAGE = ("inside", "levels", "good_of_best", "page_length", "page_link_share", "page_good_share", "heading_distance")
LEVELS, NEAR = 4, 2
KIND_GROUPS = 12

SIGNALS = len(OWN) + 2 * NEAR * len(AROUND) + LEVELS * len(ABOVE) + len(PAGE) + KIND_GROUPS + t.FLAGS

_GROUPS = (
    (t.P,),
    (t.H1,),
    (t.H2,),
    (t.H3,),
    (t.H4, t.H5, t.H6),
    (t.LI,),
    (t.TD, t.TH),
    (t.BLOCK,),
    (t.PRE,),
    (t.QUOTE,),
)
_GROUP = np.full(t.KINDS, KIND_GROUPS - 1, np.int64)
for _place, _kinds in enumerate((*_GROUPS, (t.CAPTION,))):
    _GROUP[list(_kinds)] = _place


def signals(text: np.ndarray, blocks: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """The signals of each block: float64 [B, SIGNALS], shares from 0 to 1, lengths as log(1 + code points)."""
    return _signals(text, blocks, parents, _GROUP, SIGNALS)


@njit(nogil=True, cache=True)
def _counted(text, start, end, out):  # type: ignore[no-untyped-def]
    """Own signals that take a look at every byte."""
    points, words, marks, digits, capitals, lines, bars, wide, black, spaceless = 0, 0, 0, 0, 0, 1, 0, 0, 0, 0
    inside, last = False, 0
    for b in range(start, end):
        byte = text[b]
        if byte & 0xC0 == 0x80:
            continue
        points += 1
        if byte == 32 or byte == 10 or byte == 9:
            inside = False
            lines += byte == 10
            continue
        words += not inside
        inside = True
        black += 1
        last = byte
        if byte < 128:
            digits += 48 <= byte <= 57
            capitals += 65 <= byte <= 90
            marks += byte == 46 or byte == 44 or byte == 33 or byte == 63 or byte == 59 or byte == 58
            bars += byte == 124 or byte == 62
        else:
            wide += 1
            spaceless += 0xE3 <= byte <= 0xED
            second = text[b + 1] if b + 2 < end else 0
            third = text[b + 2] if b + 2 < end else 0
            comma = byte == 0xE3 and second == 0x80 and (third == 0x81 or third == 0x82)  # CJK comma and stop
            if comma or (byte == 0xEF and second == 0xBC and (third == 0x8C or third == 0x81 or third == 0x9F)):
                marks += 2
                last = 46
            elif byte == 0xC2 and (second == 0xBB or second == 0xB7):
                bars += 1
            elif byte == 0xE2 and second == 0x80 and (third == 0x9D or third == 0x9C):
                last = 34
    if spaceless * 2 > points:  # Chinese, Japanese, Korean: two letters a word
        words = max(words, points // 2)
    ended = last == 46 or last == 33 or last == 63 or last == 34 or last == 58
    out[0], out[1], out[4], out[5] = np.log1p(points), np.log1p(words), np.log1p(marks), marks / max(1, words)
    out[6], out[7], out[8], out[9] = ended, digits / max(1, black), capitals / max(1, black), np.log1p(lines)
    out[10], out[11], out[12] = np.log1p(points / lines), bars / max(1, words), wide / max(1, points)
    out[18], out[19] = black / max(1, words), 65 <= text[start] <= 90
    return points, words, marks


@njit(nogil=True, cache=True)
def _signals(text, blocks, parents, group, size):  # type: ignore[no-untyped-def]
    rows, elements = len(blocks), len(parents)
    out = np.zeros((rows, size))
    points, good = np.zeros(rows), np.zeros(rows)
    keys = np.zeros(rows, np.uint64)
    sums = np.zeros((elements, 4))  # points, linked, good, blocks of everything below
    heading, first_h1, total = -1, -1, 0.0
    for n in range(rows):
        count, words, marks = _counted(text, blocks[n, START], blocks[n, END], out[n])
        linked = min(1.0, blocks[n, LINKED] / max(1, blocks[n, END] - blocks[n, START]))
        points[n] = count
        good[n] = count * (1 - linked) if words >= 8 and marks >= 1 and linked < 0.5 else 0.0
        out[n, 2], out[n, 3] = linked, np.log1p(blocks[n, LINKS])
        out[n, 16], out[n, 17] = blocks[n, DEPTH], blocks[n, LIST_DEPTH]
        key = np.uint64(0xCBF29CE484222325)
        for b in range(blocks[n, START], blocks[n, END]):
            key = (key ^ np.uint64(text[b])) * np.uint64(0x100000001B3)
            if text[b] == 0xC2 and b + 1 < blocks[n, END] and text[b + 1] == 0xA9:
                out[n, 20] = 1
        keys[n] = key
        if blocks[n, KIND] == t.H1 and first_h1 < 0:
            first_h1 = n
        total += count
        e = blocks[n, PARENT]
        sums[e, 0] += count
        sums[e, 1] += count * linked
        sums[e, 2] += good[n]
        sums[e, 3] += 1
    order = np.argsort(keys)
    for k in range(1, rows):
        if keys[order[k]] == keys[order[k - 1]]:
            out[order[k], 21] = out[order[k - 1], 21] = 1
    for e in range(elements - 1, 0, -1):
        sums[parents[e]] += sums[e]
    best, page_good = 0, max(1.0, sums[0, 2])
    for e in range(1, elements):  # the deepest element that holds 60 % of what reads like prose
        if sums[e, 2] >= 0.6 * page_good and (
            parents[e] == best or sums[e, 2] < sums[best, 2] or sums[e, 0] <= sums[best, 0]
        ):
            best = e
    within = np.zeros(elements, np.bool_)
    if elements:
        within[best] = True
    for e in range(best + 1, elements):
        within[e] = within[parents[e]]
    seen = 0.0
    for n in range(rows):
        row = out[n]
        row[13] = first_h1 >= 0 and n < first_h1
        row[14] = seen / max(1.0, total)
        row[15] = n / rows
        seen += points[n]
        at = 22
        for near in (-1, -2, 1, 2):
            m = n + near
            if 0 <= m < rows:
                row[at], row[at + 1], row[at + 2] = out[m, 0], out[m, 2], out[m, 4]
                row[at + 3] = t.H1 <= blocks[m, KIND] <= t.H6
                row[at + 4] = parents[blocks[m, PARENT]] == parents[blocks[n, PARENT]]
            else:
                row[at] = -1
            at += 5
        e = blocks[n, PARENT]
        for _ in range(4):
            row[at], row[at + 1] = np.log1p(sums[e, 0]), sums[e, 1] / max(1.0, sums[e, 0])
            row[at + 2], row[at + 3] = sums[e, 2] / page_good, sums[e, 2] / max(1.0, sums[e, 0])
            row[at + 4] = np.log1p(sums[e, 3])
            e = parents[e]
            at += 5
        e = blocks[n, PARENT]
        row[at] = within[e]
        levels = 0
        while not within[e] and e > 0:
            e = parents[e]
            levels += 1
        row[at + 1], row[at + 2] = levels, sums[best, 2] / page_good
        row[at + 3], row[at + 4], row[at + 5] = (
            np.log1p(total),
            sums[0, 1] / max(1.0, total),
            sums[0, 2] / max(1.0, total),
        )
        row[at + 6] = n - heading if heading >= 0 else -1
        if t.H1 <= blocks[n, KIND] <= t.H6:
            heading = n
        at += 7
        row[at + group[blocks[n, KIND]]] = 1
        at += 12
        flags = blocks[n, FLAG_BITS]
        for k in range(size - at):
            row[at + k] = flags >> k & 1
    return out
