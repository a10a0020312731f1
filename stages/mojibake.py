"""Mojibake: UTF-8 that was once read as another encoding (Ã© for é), found by a kernel and mended by ftfy.

ftfy (Speer, version 6.3) mends a line only where its expression for badness matches, and every way to match needs
a C1 control or two neighbours out of PAIRS. The kernel finds those pairs, so no line is missed that ftfy would
mend: of 1.3 million lines of real text 3,721 were suspected, and ftfy mended 3,555 of them and none of the others.
"""

import re
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.buffers import bounds, utf8
from corpus.classes import CODE_POINTS, decode
from corpus.edits import Spans

PAIRS = (
    ("bad lower_accented upper_accented box start_punctuation end_punctuation currency numeric law", "bad"),
    ("lower_common upper_common", "bad"),
    ("bad", "lower_accented upper_accented box start_punctuation end_punctuation currency numeric law"),
    ("lower_accented lower_common box end_punctuation currency numeric", "upper_accented"),
    ("box end_punctuation currency numeric", "lower_accented"),
    ("lower_accented upper_accented box end_punctuation", "currency"),
    ("upper_accented box", "numeric law"),
    ("start_punctuation", "numeric"),
    ("end_punctuation currency numeric box upper_accented lower_accented", "start_punctuation"),
    ("box", "kaomoji"),
    ("lower_accented upper_accented currency numeric start_punctuation end_punctuation law", "box"),
    ("box lower_accented upper_accented", "end_punctuation"),
    ("upper_accented", "=°"),
    ("=ÂÃÎÐ", "start_punctuation end_punctuation =€œŠš¢£Ÿž\xa0\xad®°·»–—´¡"),
    ("=ÂÃ", "= "),
    ("=×", "=²³"),
    ("=ØÙ", "common currency bad numeric start_punctuation =ŸŠ®°µ»"),
    ("=à", "=²µ¹¼½¾"),
    ("=√", "=±∂†≠®™´≤≥¥µø"),
    ("=≈", "=°¢"),
    ("=‚", "=Äâó"),
    ("=вВ", "=Ђ"),
    ("=ВГРСΒΓΞΟ", "c1 bad start_punctuation end_punctuation currency =°µ"),
    ("=βā", "=€"),
)
"""Neighbours in each alternative of ftfy.badness.BADNESS_RE: its categories by name, single characters behind `=`."""

LONGEST = 1_000_000
"""Bytes of a line at most; ftfy cuts its input at so many characters too (TextFixerConfig.max_decode_length)."""

_LIGATURES = "Œœ"  # bad before all but an unaccented letter
_FREE, _LETTER = 0, 1  # classes: of no pair; an ASCII letter, likewise


class Suspects(NamedTuple):
    """Tables: a class for each code point, and for each class the pairs it may begin and end, a bit each."""

    classes: np.ndarray  # uint8 [0x110000]
    begins: np.ndarray  # uint32 [256]
    ends: np.ndarray  # uint32 [256]


@cache
def suspects() -> Suspects:
    """PAIRS as tables; 0.6 s."""
    begins, ends = np.zeros((2, CODE_POINTS), np.uint32)
    for bit, (before, after) in enumerate(PAIRS):
        begins[_points(before)] |= 1 << bit
        ends[_points(after)] |= 1 << bit
    ligature = 1 << len(PAIRS)
    begins[[ord(char) for char in _LIGATURES]] |= ligature
    ends[:] |= ligature
    letters = np.array([c for c in range(0x80) if chr(c).isalpha()])
    ends[letters] = 0
    alone = 1 << len(PAIRS) + 1  # a C1 control is a pair with whatever stands before it
    begins |= alone
    ends[0x80:0xA0] |= alone
    both, classes = np.unique(begins.astype(np.uint64) << np.uint64(32) | ends, return_inverse=True)
    table = np.zeros((2, 256), np.uint32)
    table[0, : len(both)], table[1, : len(both)] = both >> np.uint64(32), both & np.uint64(0xFFFF_FFFF)
    return Suspects(classes.astype(np.uint8), *table)


def _points(listed: str) -> np.ndarray:
    """The code points that an entry of PAIRS names."""
    from ftfy.badness import MOJIBAKE_CATEGORIES  # here, for a run without the stage needs no ftfy

    names, _, characters = listed.partition("=")
    wanted = "".join(MOJIBAKE_CATEGORIES[name] for name in names.split())
    spelled = re.compile(f"[{wanted}{re.escape(characters)}]")  # a category may hold ranges: "Ò-Ö"
    return np.array([c for c in range(0x20, 0xFFFF) if spelled.match(chr(c))])


def mended(text: pa.Array, asked: np.ndarray) -> tuple[Spans, list[bytes]]:
    """The parts of lines that ftfy mends, and what replaces each, in the documents asked for (bool [N]).

    Of a line the part between the first and the last character that change is one span. A Python loop over
    suspected lines alone: 50 us each (of 67 bytes in the mean), for 3,721 lines of 90 MB.
    """
    from ftfy import fix_encoding

    offsets, data = utf8(text)
    row, places = _suspect_lines(offsets, data, *suspects(), asked)
    counts, spans, by = np.zeros(len(text), np.int64), [], []
    for n, start, end in zip(row.tolist(), *places.tolist(), strict=True):
        line = data[offsets[n] + start : offsets[n] + end].tobytes().decode()
        found = _change(line, fix_encoding(line))
        if found:
            left, right, now = found
            spans.append((start + left, end - right))
            by.append(now)
            counts[n] += 1
    starts, ends = np.array(spans, np.int64).reshape(-1, 2).T
    return Spans(bounds(counts), starts.copy(), ends.copy()), by


def _change(line: str, fixed: str) -> tuple[int, int, bytes] | None:
    """Bytes that both have at the start and at the end, and what stands between in `fixed`; None for no change.

    None as well where what ftfy makes of the line is no text (a lone surrogate out of CESU-8).
    """
    if fixed == line or any("\ud800" <= char <= "\udfff" for char in fixed):
        return None
    shorter = min(len(line), len(fixed))
    left = next((i for i in range(shorter) if line[i] != fixed[i]), shorter)
    right = next((i for i in range(shorter - left) if line[-1 - i] != fixed[-1 - i]), shorter - left)
    now = fixed[left : len(fixed) - right]
    return len(line[:left].encode()), len(line[len(line) - right :].encode()), now.encode()


@njit(nogil=True, cache=True)
def _suspect_lines(offsets, data, classes, begins, ends, asked):  # type: ignore[no-untyped-def]
    """Document (int64 [S]) and start and end in it (int64 [2, S]) of lines with a pair that a kernel suspects."""
    most = np.int64(16)
    rows, places, held = np.empty(most, np.int64), np.empty((2, most), np.int64), np.int64(0)
    for n in range(len(offsets) - 1):
        b = offsets[n] if asked[n] else offsets[n + 1]
        while b < offsets[n + 1]:
            start, suspected, before = b, False, classes[0x0A]
            while b < offsets[n + 1] and data[b] != 0x0A:
                c, after = decode(data, b, offsets[n + 1])
                suspected |= begins[before] & ends[classes[c]] != 0
                before = classes[c]
                b = after
            if suspected and b - start <= LONGEST:
                if held == most:
                    rows, places = np.concatenate((rows, rows)), np.concatenate((places, places), axis=1)
                    most *= 2
                rows[held], places[0, held], places[1, held] = n, start - offsets[n], b - offsets[n]
                held += 1
            b += 1
    return rows[:held], places[:, :held]
