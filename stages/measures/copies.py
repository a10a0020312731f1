"""Lines and paragraphs that a document holds more than once, as five readings cut and compare them.

A later copy is the second or a later one; published readings count either those or all copies. What is a line
differs too: with or without white space at its ends, blank ones counted or not.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from corpus.bits import marked
from corpus.borrowing import borrowed
from corpus.documents import Batch
from corpus.hashing import combine, eight_bytes, stirred
from stages.measures.base import once
from stages.measures.characters import properties
from stages.measures.segments import Segments, blank_line_paragraphs, line_feed, newline_lines, stripped

_HIGH = np.uint64(0x8080_8080_8080_8080)
_SEED = np.uint64(0x434F50494553)  # "COPIES"


class Copies(NamedTuple):
    """What one walk over the segments finds: int64 [N] each; chars are code points."""

    segments: np.ndarray
    chars: np.ndarray
    later: np.ndarray  # segments that stood before
    later_chars: np.ndarray
    every: np.ndarray  # segments that stand somewhere else too
    every_chars: np.ndarray


@once
def lines(batch: Batch) -> Copies:
    """The word pass's lines without white space at their ends, blank ones left out."""
    words = batch.words
    return copies(batch, Segments(words.line_first, words.line_starts, words.line_ends), strip=True)


@once
def paragraphs(batch: Batch) -> Copies:
    """The word pass's paragraphs: runs of lines that are not blank."""
    words = batch.words
    return copies(batch, Segments(words.paragraph_first, words.paragraph_starts, words.paragraph_ends), strip=True)


@once
def newline_copies(batch: Batch) -> Copies:
    """Pieces of `split("\\n")` as they are, blank ones too."""
    return copies(batch, newline_lines(batch), strip=False)


@once
def stripped_lines(batch: Batch) -> Copies:
    """Pieces of `split("\\n")` without white space at their ends, blank ones left out."""
    return copies(batch, newline_lines(batch), strip=True)


@once
def stripped_paragraphs(batch: Batch) -> Copies:
    """Pieces of `split("\\n\\n")` without white space at their ends, blank ones left out."""
    return copies(batch, blank_line_paragraphs(batch), strip=True)


@once
def shown_lines(batch: Batch) -> Copies:
    """Pieces of `split("\\n")` as they are, blank ones left out."""
    return copies(batch, newline_lines(batch), strip=False, skip_blank=True)


@once
def datatrove_lines(batch: Batch) -> Copies:
    """What stands between runs of line feeds; a text that starts or ends with one has an empty line there."""
    starts, data = batch.utf8
    return copies(batch, _between(batch, starts[:-1], starts[1:], data, 1), strip=False)


@once
def datatrove_paragraphs(batch: Batch) -> Copies:
    """What stands between runs of two line feeds or more, in the text without white space at its ends."""
    starts, data = batch.utf8
    begins, ends = np.empty((2, len(batch)), np.int64)
    _trimmed(starts, data, properties(), begins, ends)
    return copies(batch, _between(batch, begins, ends, data, 2), strip=False)


def copies(batch: Batch, segments: Segments, *, strip: bool, skip_blank: bool = False) -> Copies:
    """How many segments are copies, and their characters. What `strip` leaves empty is not counted.

    skip_blank: leave segments out that are white space alone, and count the others with theirs.
    """
    out = np.zeros((6, len(batch)), np.int64)
    _copies(batch.utf8[1], *segments, strip, skip_blank, properties(), out)
    return Copies(*out)


def _between(batch: Batch, begins: np.ndarray, ends: np.ndarray, data: np.ndarray, least: int) -> Segments:
    size = int((ends - begins).sum()) + len(batch)
    first, places = np.zeros(len(batch) + 1, np.int64), np.empty((2, size), np.int64)
    _runs(begins, ends, data, least, first, places)
    return Segments(first, places[0, : first[-1]], places[1, : first[-1]])


@njit(nogil=True, cache=True)
def _trimmed(starts, data, properties, begins, ends):  # type: ignore[no-untyped-def]
    for n in range(len(begins)):
        begins[n], ends[n] = stripped(data, starts[n], starts[n + 1], properties)


@njit(nogil=True, cache=True)
def _runs(begins, ends, data, least, first, places):  # type: ignore[no-untyped-def]
    """Segments between runs of `least` line feeds or more."""
    s = np.int64(0)
    for n in range(len(begins)):
        begin, stop = begins[n], ends[n]
        feed = line_feed(data, begin, stop)
        while feed < stop:
            b = feed
            while b < stop and data[b] == 0x0A:
                b += 1
            if b - feed >= least:
                places[0, s], places[1, s] = begin, feed
                s += 1
                begin = b
            feed = line_feed(data, b, stop)
        places[0, s], places[1, s] = begin, stop
        s += 1
        first[n + 1] = s


@njit(nogil=True, cache=True)
def _copies(data, first, starts, ends, strip, skip_blank, properties, out):  # type: ignore[no-untyped-def]
    data, properties = borrowed(data), borrowed(properties)
    most = 0
    for n in range(len(first) - 1):
        most = max(most, first[n + 1] - first[n])
    size = 2
    while size < 2 * most:
        size *= 2
    keys, counts = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    for n in range(len(first) - 1):
        size = 2  # of this document's table, so that a short one clears little
        while size < 2 * (first[n + 1] - first[n]):
            size *= 2
        keys[:size] = 0
        for s in range(first[n], first[n + 1]):
            a, b = starts[s], ends[s]
            if strip or skip_blank:
                shown = stripped(data, a, b, properties)
                if shown[0] == shown[1]:
                    continue
                if strip:
                    a, b = shown
            key, chars = _key(data, a, b)
            slot = np.int64(key >> np.uint64(20)) & (size - 1)
            while keys[slot] and keys[slot] != key:
                slot = (slot + 1) & (size - 1)
            counts[slot] = counts[slot] + 1 if keys[slot] else 1
            keys[slot] = key
            out[0, n] += 1
            out[1, n] += chars
            if counts[slot] > 1:
                again = 2 if counts[slot] == 2 else 1  # with the second copy the first becomes one
                out[2, n] += 1
                out[3, n] += chars
                out[4, n] += again
                out[5, n] += again * chars


@njit(nogil=True, cache=True)
def _key(data, a, b):  # type: ignore[no-untyped-def]
    """A hash of the bytes, never 0, and how many code points they are."""
    data = borrowed(data)
    h, chars = combine(_SEED, np.uint64(b - a)), np.int64(b - a)
    while a + 8 <= b:
        x = eight_bytes(data, a)
        h = stirred(h, x)
        chars -= _going_on(x)
        a += 8
    tail = np.uint64(0)
    if a < b and a + 8 <= len(data):
        tail = eight_bytes(data, a) & (~np.uint64(0) >> np.uint64(64 - 8 * (b - a)))
    else:
        for i in range(b - a):
            tail |= np.uint64(data[a + i]) << np.uint64(8 * i)
    return combine(h, tail) | np.uint64(1), chars - _going_on(tail)


@njit(inline="always")
def _going_on(x):  # type: ignore[no-untyped-def]
    """How many of eight bytes go on with a character: 10xxxxxx."""
    return marked(x & ~(x << np.uint64(1)) & _HIGH)
