"""One pass over the text of a batch: words, lines, paragraphs and sentences, shared by every stage.

Words are runs of letters, marks, digits and connectors with UAX #29's characters inside them (don't, 3.14,
example.com); Han and Hiragana characters are words each; punctuation and symbols are none, and a run without
a letter or digit is none. Where this is simpler than UAX #29 says corpus/classes.py. A character may stand
inside a word only if the very next one is a letter (or digit) too.

A line ends at a line break; a paragraph is a run of lines that are not blank. A sentence ends behind a run
of terminators and closers (."») before white space or the end, unless a full stop or an ellipsis is followed
by a lower-case letter; 。 and its full-width kin need no white space; the end of a paragraph ends a
sentence too. A sentence holds at least one word.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.bits import first_marked
from corpus.borrowing import borrowed
from corpus.buffers import utf8
from corpus.classes import (
    BREAK,
    CJK,
    CLOSER,
    CONNECTOR,
    DIGIT,
    FORMAT,
    KIND,
    LETTER,
    LOWER,
    MID_LETTER,
    MID_NUMBER,
    SPACE,
    TERMINATOR,
    classes,
    decode,
    encode,
    folds,
)
from corpus.hashing import byte, combine, eight_bytes

HAS_LETTER, HAS_DIGIT = 1, 2
"""Bits of `Words.kinds`. A Han or Hiragana character is a letter."""

_SEED = np.uint64(0x57494E4E4F57_0001)  # "WINNOW", 1: another seed is another hash, and all keys made of it
_ONES, _HIGH, _CASE = (np.uint64(byte * 0x0101_0101_0101_0101) for byte in (0x01, 0x80, 0x20))


class Words(NamedTuple):
    """N documents in flat arrays. Places are bytes into the data buffer of `corpus.buffers.utf8`.

    Those of document n are [first[n] : first[n + 1]]; likewise lines, paragraphs and sentences.
    """

    first: np.ndarray  # int64 [N + 1]
    starts: np.ndarray  # int64 [W], byte
    ends: np.ndarray  # int64 [W], byte behind the word
    hashes: np.ndarray  # uint64 [W], of the case-folded code points; format characters left out
    chars: np.ndarray  # int32 [W], code points
    kinds: np.ndarray  # uint8 [W], HAS_LETTER | HAS_DIGIT
    line_first: np.ndarray  # int64 [N + 1]; an empty text has no line, a final line break opens none
    line_starts: np.ndarray  # int64 [L]
    line_ends: np.ndarray  # int64 [L], without the line break
    paragraph_first: np.ndarray  # int64 [N + 1]
    paragraph_starts: np.ndarray  # int64 [P], where its first line starts
    paragraph_ends: np.ndarray  # int64 [P], where its last line ends
    sentence_first: np.ndarray  # int64 [N + 1]
    sentence_ends: np.ndarray  # int64 [S], behind terminators and closers


class Tokens(NamedTuple):
    """Another reading of what a word is: N documents in flat arrays, places as in `Words`; none is empty.

    Those of document n are [first[n] : first[n + 1]].
    """

    first: np.ndarray  # int64 [N + 1]
    starts: np.ndarray  # int64 [T], byte
    ends: np.ndarray  # int64 [T], byte behind the token


def words(text: pa.Array) -> Words:
    """Words, lines, paragraphs and sentences of each document; nulls count as empty.

    text: (large_)string [N]. 200 MB/s a core on English, a fifth of it the kernel's fresh pages for the
    arrays: scripts/bench_kernels.py. They take 29 bytes a word and 16 a line, about 6 times the text;
    address space for the worst case is reserved (43 bytes a byte), and what is not needed never touched.
    """
    starts, data = utf8(text)
    size, documents = int(starts[-1] - starts[0]), len(starts) - 1
    # A word takes two bytes, its own and a separator's, or three if it is CJK: so there cannot be more.
    most = size // 2 + documents
    word_starts, word_ends = np.empty(most, np.int64), np.empty(most, np.int64)
    hashes, chars, kinds = np.empty(most, np.uint64), np.empty(most, np.int32), np.empty(most, np.uint8)
    lines, paragraphs = np.empty((2, size), np.int64), np.empty((2, most), np.int64)
    sentences = np.empty(most, np.int64)
    firsts = np.zeros((4, documents + 1), np.int64)
    columns = (word_starts, word_ends, hashes, chars, kinds)
    _split(starts, data, classes(), folds(), firsts, columns, lines, paragraphs, sentences)
    w, li, p, s = firsts[:, -1]
    return Words(
        firsts[0], word_starts[:w], word_ends[:w], hashes[:w], chars[:w], kinds[:w],
        firsts[1], lines[0, :li], lines[1, :li],
        firsts[2], paragraphs[0, :p], paragraphs[1, :p],
        firsts[3], sentences[:s],
    )  # fmt: skip


def word_hash(word: str) -> int:
    """The hash that `words` gives this word; ValueError where it is not exactly one word."""
    found = words(pa.array([word], pa.large_string()))
    if len(found.hashes) != 1:
        raise ValueError(f"{word!r} is {len(found.hashes)} words, and one was asked for")
    return int(found.hashes[0])


def stop(listed: Iterable[str]) -> np.ndarray:
    """The hashes of a word list, sorted and each once: uint64 [K]; ValueError as in `word_hash`."""
    return np.array(sorted({word_hash(word) for word in listed}), np.uint64)


@njit(nogil=True, cache=True)
def _split(starts, data, classes, folds, firsts, columns, lines, paragraphs, sentences):  # type: ignore[no-untyped-def]
    data, classes, folds, lines = borrowed(data), borrowed(classes), borrowed(folds), borrowed(lines)
    word_starts, word_ends, hashes = borrowed(columns[0]), borrowed(columns[1]), borrowed(columns[2])
    chars, kinds = borrowed(columns[3]), borrowed(columns[4])
    word = line = paragraph = sentence = np.int64(0)
    for n in range(len(starts) - 1):
        b, stop = starts[n], starts[n + 1]
        line_start, shown = b, False  # shown: the line is not blank
        opened, closed = np.int64(-1), b  # of the paragraph: start of its first line, end of its last
        pending = False  # a word waits for the end of its sentence
        while b < stop:
            c, after = decode(data, b, stop)
            k = classes[c]
            kind = k & KIND
            if kind >= CONNECTOR:
                end, h, count, seen = _ascii_word(data, b, stop, classes)
                if end == b:  # not ASCII letters and digits alone
                    end, h, count, seen = _word(data, b, stop, classes, folds)
                if seen:
                    at = np.uint64(word)  # an index without a sign: numba need not ask whether it counts from the end
                    word_starts[at], word_ends[at], hashes[at] = b, end, h
                    chars[at], kinds[at] = count, seen
                    word += 1
                    pending = True
                shown = True
                b = end
            elif kind == BREAK:
                lines[0, line], lines[1, line] = line_start, b
                line += 1
                if shown:
                    opened, closed = (opened if opened >= 0 else line_start), b
                elif opened >= 0:
                    paragraphs[0, paragraph], paragraphs[1, paragraph] = opened, closed
                    paragraph += 1
                    opened = np.int64(-1)
                    if pending:
                        sentences[sentence] = closed
                        sentence += 1
                        pending = False
                if c == 0x0D and after < stop and byte(data, after) == 0x0A:
                    after += 1
                b = line_start = after
                shown = False
            elif k & TERMINATOR:
                b, ended = _sentence_end(data, b, stop, classes)
                if ended and pending:
                    sentences[sentence] = b
                    sentence += 1
                    pending = False
                shown = True
            else:
                shown = shown or (kind != SPACE and kind != FORMAT)
                b = after
        if line_start < stop:
            lines[0, line], lines[1, line] = line_start, stop
            line += 1
            if shown:
                opened, closed = (opened if opened >= 0 else line_start), stop
        if opened >= 0:
            paragraphs[0, paragraph], paragraphs[1, paragraph] = opened, closed
            paragraph += 1
        if pending:
            sentences[sentence] = closed
            sentence += 1
        firsts[0, n + 1], firsts[1, n + 1] = word, line
        firsts[2, n + 1], firsts[3, n + 1] = paragraph, sentence


@njit(nogil=True, forceinline=True)
def _ascii_word(data, b, stop, classes):  # type: ignore[no-untyped-def]
    """`_word` in steps of eight bytes, for ASCII letters and digits only; an end of `b`: ask `_word`."""
    h, letters, digits = _SEED, np.uint64(0), np.uint64(0)
    end, outside = b, np.uint64(0)
    while not outside:
        if end + 8 > len(data):
            return b, h, np.int64(0), 0
        x = eight_bytes(data, end)
        low, ascii = x & ~_HIGH, ~x & _HIGH
        # A byte below 0x80 plus 0x80 - n sets its high bit where it is n or more: no carry leaves the byte.
        small = low | _CASE
        letter = (small + _ONES * np.uint64(0x80 - 0x61)) & ~(small + _ONES * np.uint64(0x80 - 0x7B)) & ascii
        digit = (low + _ONES * np.uint64(0x80 - 0x30)) & ~(low + _ONES * np.uint64(0x80 - 0x3A)) & ascii
        outside = ((letter | digit) ^ _HIGH) >> np.uint64(7)
        if stop - end < 8:
            outside |= np.uint64(1) << np.uint64(8 * (stop - end))
        inside = (outside & (~outside + np.uint64(1))) - np.uint64(1)  # all bits below the first byte outside
        letters |= letter & inside
        digits |= digit & inside
        if inside:
            h = combine(h, (x | letter >> np.uint64(2)) & inside)
            end += np.int64(first_marked(outside))
    if end < stop:
        k = classes[byte(data, end)]
        goes_on = byte(data, end) >= 0x80 or k & KIND >= CONNECTOR
        if k & (MID_LETTER | MID_NUMBER) and end + 1 < stop:
            goes_on |= byte(data, end + 1) >= 0x80 or classes[byte(data, end + 1)] & KIND >= DIGIT
        if goes_on:
            return b, h, np.int64(0), 0
    return end, h, end - b, (HAS_LETTER if letters else 0) | (HAS_DIGIT if digits else 0)


@njit(nogil=True, cache=True)
def _word(data, b, stop, classes, folds):  # type: ignore[no-untyped-def]
    """The run that starts at `b`: (end, hash, code points, HAS_ bits); no bits, no word."""
    data, classes, folds = borrowed(data), borrowed(classes), borrowed(folds)
    h, chunk, filled = _SEED, np.uint64(0), np.int64(0)
    count, held = np.int64(0), np.int64(0)  # held: a bit for each kind
    last = np.int64(0)  # kind of the last character that is no mark or format character
    while b < stop:
        c, after = decode(data, b, stop)
        k = classes[c]
        kind = np.int64(k & KIND)
        if kind >= CONNECTOR:
            if (kind == CJK or last == CJK) and count:
                break
            last = kind
        elif kind < FORMAT:
            if not k & (MID_LETTER | MID_NUMBER) or after >= stop:
                break
            following = np.int64(classes[decode(data, after, stop)[0]] & KIND)
            letters = k & MID_LETTER and LETTER <= last <= LOWER and LETTER <= following <= LOWER
            if not letters and not (k & MID_NUMBER and last == DIGIT and following == DIGIT):
                break
        if kind != FORMAT:
            code, size = encode(folds[c])
            chunk |= code << np.uint64(8 * filled)
            filled += size
            if filled >= 8:
                h = combine(h, chunk)
                filled -= 8
                chunk = code >> np.uint64(8 * (size - filled))
        held |= np.int64(1) << kind
        count += 1
        b = after
    if filled:
        h = combine(h, chunk)
    seen = HAS_LETTER if held & (1 << LETTER | 1 << LOWER | 1 << CJK) else 0
    return b, h, count, seen | (HAS_DIGIT if held & (1 << DIGIT) else 0)


@njit(nogil=True, cache=True)
def _sentence_end(data, b, stop, classes):  # type: ignore[no-untyped-def]
    """The end of the run of terminators and closers at `b`, and whether a sentence may end there."""
    data, classes = borrowed(data), borrowed(classes)
    last = np.int64(0)
    c, after = decode(data, b, stop)
    while b < stop and classes[c] & TERMINATOR:
        last = c
        b = after
        if b < stop:
            c, after = decode(data, b, stop)
    while b < stop and classes[c] & CLOSER:
        b = after
        if b < stop:
            c, after = decode(data, b, stop)
    if b >= stop or last >= 0x3000:  # 。！？ and scripts beyond: no white space follows
        return b, True
    if not _white(classes[c]):
        return b, False
    if last != 0x2E and last != 0x2026:
        return b, True
    ahead = b
    while ahead < stop:
        c, ahead = decode(data, ahead, stop)
        if not _white(classes[c]):
            return b, classes[c] & KIND != LOWER
    return b, True


@njit(inline="always")
def _white(k):  # type: ignore[no-untyped-def]
    return k & KIND == SPACE or k & KIND == BREAK
