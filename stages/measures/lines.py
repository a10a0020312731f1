"""Measures of lines, as corpus/words.py cuts them; blank ones count only where a name says so."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.classes import FORMAT, KIND, SPACE, classes, decode
from corpus.documents import Batch
from stages.measures.base import Measure, Rows, once, per

BULLETS = "•‣⁃◦●○▪▫■*-"
"""What starts a bulleted line: datatrove's • and -, DCLM's ● and *, and their kin in Unicode."""

_ELLIPSIS = 0x2026


class Lines(NamedTuple):
    """What one walk over both ends of each line finds: int64 [N] each, blank lines left out."""

    shown: np.ndarray  # lines that are not blank
    bulleted: np.ndarray  # first visible character in BULLETS
    trailing: np.ndarray  # last visible character an ellipsis, or the last three full stops


@once
def lines(batch: Batch) -> Lines:
    """Lines that show something, those that start with a bullet, those that end with an ellipsis."""
    words, (_, data) = batch.words, batch.utf8
    out = np.zeros((3, len(batch)), np.int64)
    _lines(words.line_first, words.line_starts, words.line_ends, data, classes(), _bullets(), out)
    return Lines(*out)


@cache
def _bullets() -> np.ndarray:
    return np.array(sorted(map(ord, BULLETS)), np.int64)


@njit(nogil=True, cache=True)
def _lines(first, starts, ends, data, classes, bullets, out):  # type: ignore[no-untyped-def]
    for n in range(len(first) - 1):
        for line in range(first[n], first[n + 1]):
            c, b = _first_visible(data, starts[line], ends[line], classes)
            if c < 0:
                continue
            out[0, n] += 1
            for bullet in bullets:
                out[1, n] += c == bullet
            out[2, n] += _ends_in_ellipsis(data, b, ends[line], classes)


@njit(nogil=True, cache=True)
def _first_visible(data, b, end, classes):  # type: ignore[no-untyped-def]
    """The first code point that is no space or format character, and its place; -1 where there is none."""
    while b < end:
        c, after = decode(data, b, end)
        kind = classes[c] & KIND
        if kind != SPACE and kind != FORMAT:
            return c, b
        b = after
    return np.int64(-1), end


@njit(nogil=True, cache=True)
def _ends_in_ellipsis(data, b, end, classes):  # type: ignore[no-untyped-def]
    """Whether the last visible characters of data[b:end], which has a visible one, are an ellipsis."""
    while end > b:
        at = end - 1
        while at > b and data[at] & 0xC0 == 0x80:  # back to the first byte of the character
            at -= 1
        c, _ = decode(data, at, end)
        kind = classes[c] & KIND
        if kind != SPACE and kind != FORMAT:
            full_stops = at - b >= 2 and data[at] == 0x2E and data[at - 1] == 0x2E and data[at - 2] == 0x2E
            return c == _ELLIPSIS or full_stops
        end = at
    return False


_GOPHER = "Rae et al. 2021, A1.1"
_OURS = "ours"

ROWS: Rows = {
    "bullet_line_share": Measure(
        lambda batch: per(lines(batch).bulleted, lines(batch).shown),
        "share of the lines that are not blank that start with a bullet, 0 to 1",
        _GOPHER,
    ),
    "ellipsis_line_share": Measure(
        lambda batch: per(lines(batch).trailing, lines(batch).shown),
        "share of the lines that are not blank that end with an ellipsis, 0 to 1",
        _GOPHER,
    ),
    "lines": Measure(lambda batch: lines(batch).shown, "lines that are not blank", _OURS, pa.int64()),
    "blank_lines": Measure(
        lambda batch: np.diff(batch.words.line_first) - lines(batch).shown, "blank lines", _OURS, pa.int64()
    ),
    "paragraphs": Measure(
        lambda batch: np.diff(batch.words.paragraph_first), "runs of lines that are not blank", _OURS, pa.int64()
    ),
    "sentences": Measure(
        lambda batch: np.diff(batch.words.sentence_first), "sentences, as corpus/words.py ends them", _OURS, pa.int64()
    ),
}
