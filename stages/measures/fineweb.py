"""FineWeb's own measures (Penedo et al. 2024, section 3.6): how lines end, how short they are, how many are copies.

Lines are pieces of `split("\\n")`, blank ones left out, with the white space at their ends.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.borrowing import borrowed
from corpus.classes import CODE_POINTS, decode
from corpus.documents import Batch
from stages.measures.base import Measure, Rows, once, per
from stages.measures.characters import properties
from stages.measures.copies import shown_lines
from stages.measures.repetition import text_characters
from stages.measures.segments import newline_lines, stripped
from stages.measures.words import count
from stages.splitting import tokens

SHORT = 30
"""Code points of a line that is short: Penedo et al. 2024, section 3.6."""

# datatrove 0.10.1, utils/text.py, TERMINAL_PUNCTUATION: Unicode's Sentence_Terminal of version 15 with the Khmer signs
# U+17D4 to U+17DA; no quotes, no brackets and no ellipsis, so `... he said."` does not count.
_TERMINAL = """
21 2E 3F 589 61D..61F 6D4 700..702 7F9 837 839 83D..83E 964..965 104A..104B 1362 1367..1368 166E 1735..1736 17D4..17D6
17D9..17DA 1803 1809 1944..1945 1AA8..1AAB 1B5A..1B5B 1B5E..1B5F 1B7D..1B7E 1C3B..1C3C 1C7E..1C7F 203C..203D
2047..2049 2E2E 2E3C 2E53..2E54 3002 A4FF A60E..A60F A6F3 A6F7 A876..A877 A8CE..A8CF A92F A9C8..A9C9 AA5D..AA5F
AAF0..AAF1 ABEB FE52 FE56..FE57 FF01 FF0E FF1F FF61 10A56..10A57 10F55..10F59 10F86..10F89 11047..11048 110BE..110C1
11141..11143 111C5..111C6 111CD 111DE..111DF 11238..11239 1123B..1123C 112A9 1144B..1144C 115C2..115C3 115C9..115D7
11641..11642 1173C..1173E 11944 11946 11A42..11A43 11A9B..11A9C 11C41..11C42 11EF7..11EF8 11F43..11F44 16A6E..16A6F
16AF5 16B37..16B38 16B44 16E98 1BC9F 1DA88
"""
_FINEWEB = "Penedo et al. 2024 (FineWeb), 3.6; datatrove 0.10.1"


@cache
def terminal() -> np.ndarray:
    """Which code points end a sentence to FineWeb: bool [0x110000], read-only."""
    table = np.zeros(CODE_POINTS, np.bool_)
    for span in _TERMINAL.split():
        first, _, last = span.partition("..")
        table[int(first, 16) : int(last or first, 16) + 1] = True
    table.flags.writeable = False
    return table


class Endings(NamedTuple):
    """What one walk over the lines finds: int64 [N] each."""

    shown: np.ndarray  # lines that are not blank
    terminal: np.ndarray  # of these, with terminal punctuation at the very end
    short: np.ndarray  # of these, of at most SHORT code points
    feeds: np.ndarray  # line feeds of the text


@once
def endings(batch: Batch) -> Endings:
    """Lines, those that end a sentence, those that are short, and line feeds per document."""
    out = np.zeros((4, len(batch)), np.int64)
    _endings(batch.utf8[1], *newline_lines(batch), terminal(), properties(), out)
    return Endings(*out)


@njit(nogil=True, cache=True)
def _endings(data, first, starts, ends, terminal, properties, out):  # type: ignore[no-untyped-def]
    data, properties, terminal = borrowed(data), borrowed(properties), borrowed(terminal)
    for n in range(len(first) - 1):
        out[3, n] = first[n + 1] - first[n] - 1
        for s in range(first[n], first[n + 1]):
            a, b = starts[s], ends[s]
            shown = stripped(data, a, b, properties)
            if shown[0] == shown[1]:
                continue
            out[0, n] += 1
            at = b - 1
            while at > a and data[at] & 0xC0 == 0x80:
                at -= 1
            out[1, n] += terminal[decode(data, at, b)[0]]
            size = 0
            while a < b and size <= SHORT:
                size += data[a] & 0xC0 != 0x80
                a += 1
            out[2, n] += size <= SHORT


def _copied(batch: Batch) -> np.ndarray:
    return per(shown_lines(batch).later_chars, text_characters(batch) - endings(batch).feeds)


ROWS: Rows = {
    "shown_lines": Measure(lambda batch: endings(batch).shown, "lines that are not blank", _FINEWEB, pa.int64()),
    "terminal_line_share": Measure(
        lambda batch: per(endings(batch).terminal, endings(batch).shown),
        "share of lines that are not blank that end in terminal punctuation, 0 to 1",
        _FINEWEB,
    ),
    "short_line_share": Measure(
        lambda batch: per(endings(batch).short, endings(batch).shown),
        f"share of lines that are not blank of at most {SHORT} code points, 0 to 1",
        _FINEWEB,
    ),
    "copied_line_char_share": Measure(
        _copied,
        "share of characters but line feeds in second and later copies of lines that are not blank, 0 to 1",
        _FINEWEB,
    ),
    "newline_word_ratio": Measure(
        lambda batch: per(endings(batch).feeds, count(batch)), "line feeds per word", _FINEWEB
    ),
    "datatrove_newline_word_ratio": Measure(
        lambda batch: per(endings(batch).feeds, np.diff(tokens(batch, "spacy").first)),
        "line feeds per spaCy token, punctuation too",
        _FINEWEB,
    ),
}
