"""Character classes and simple case folding, by table: the same words on every Python version.

A class is one byte: the kind in the low four bits, properties in the high four. The tables beside this
file are made from `unicodedata` by scripts/make_classes.py and name their Unicode version on top; another
version changes what words are, and with them every key made of words.

They serve a word pass like UAX #29 (Unicode Text Segmentation), and are simpler where noted:

- Han and Hiragana characters (also Tangut, Nushu, Khitan) are words of one character; Katakana and Hangul
  run like letters. Thai, Lao, Khmer and Burmese are written without spaces and run together up to one.
- No numbers (², ½, ①) are digits; Nl numbers (Ⅷ) are letters. Circled letters and emoji are symbols.
- U+200B separates words, as its name says; all other format characters (ZWJ, soft hyphen) are part of the
  word they stand in and count for nothing elsewhere.
- Vertical tab and form feed are spaces; line breaks are \\n, \\r, \\r\\n (once), U+0085, U+2028, U+2029.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numba import njit

from corpus.borrowing import borrowed

KINDS = (
    "other", "space", "break", "punctuation", "symbol", "format",
    "mark", "connector", "digit", "letter", "lower", "cjk",
)  # fmt: skip
"""Their order counts: from `format` on a character continues a word, from `connector` on it may start one."""

OTHER, SPACE, BREAK, PUNCTUATION, SYMBOL, FORMAT, MARK, CONNECTOR, DIGIT, LETTER, LOWER, CJK = range(12)
KIND = 0x0F
"""Mask of the kind in a class. A letter is LETTER or LOWER (a lower-case one)."""

PROPERTIES = ("mid_letter", "mid_number", "terminator", "closer")
MID_LETTER, MID_NUMBER, TERMINATOR, CLOSER = 0x10, 0x20, 0x40, 0x80
"""Bits: inside a word between letters, between digits; may end a sentence; may follow the end of one."""

CODE_POINTS = 0x110000
_VALUE = {name: value for value, name in enumerate(KINDS)} | {name: 0x10 << bit for bit, name in enumerate(PROPERTIES)}


@cache
def classes() -> np.ndarray:
    """The class of every code point: uint8 [0x110000], read-only. Unassigned ones are OTHER."""
    edges, values = [0], [OTHER]  # runs of one class in order, those between them OTHER
    for line in _lines("classes.txt"):
        span, _, names = line.partition(" ")
        first, _, last = span.partition("..")
        edges += int(first, 16), int(last or first, 16) + 1
        values += _value(names), OTHER
    table = np.repeat(np.array(values, np.uint8), np.diff([*edges, CODE_POINTS]))
    table.flags.writeable = False
    return table


@cache
def folds() -> np.ndarray:
    """Simple case folding (one code point to one): int32 [0x110000], read-only; most map to themselves."""
    table = np.arange(CODE_POINTS, dtype=np.int32)
    pairs = np.array([int(point, 16) for line in _lines("folds.txt") for point in line.split()], np.int32)
    table[pairs[::2]] = pairs[1::2]
    table.flags.writeable = False
    return table


@cache
def _value(names: str) -> int:
    return sum(_VALUE[name] for name in names.split())


def _lines(name: str) -> list[str]:
    text = Path(__file__).with_name(name).read_text(encoding="ascii")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@njit(inline="always")
def decode(data, b, stop):  # type: ignore[no-untyped-def]
    """The code point at `b` and the place behind it. In bounds on any bytes; broken ones read as U+FFFD."""
    c = np.int64(data[np.uint64(b)])  # no place is negative, and numba need not ask
    if c < 0x80:
        return c, b + 1
    return _decode_long(data, b, stop, c)


@njit(nogil=True, cache=True)
def _decode_long(data, b, stop, c):  # type: ignore[no-untyped-def]
    data = borrowed(data)
    size = 2 if c < 0xE0 else 3 if c < 0xF0 else 4
    if c < 0xC0 or c > 0xF4 or b + size > stop:
        return np.int64(0xFFFD), b + 1
    c &= 0x7F >> size
    for i in range(1, size):
        c = c << 6 | np.int64(data[np.uint64(b + i)] & 0x3F)
    return min(c, np.int64(0x10FFFF)), b + size


@njit(inline="always")
def encode(c):  # type: ignore[no-untyped-def]
    """The UTF-8 of a code point, its first byte lowest, and how many bytes."""
    c = np.uint64(c)
    if c < 0x80:
        return c, 1
    tail = np.uint64(0x80) | (c & np.uint64(0x3F))
    c >>= np.uint64(6)
    if c < 0x20:
        return np.uint64(0xC0) | c | tail << np.uint64(8), 2
    tail = np.uint64(0x80) | (c & np.uint64(0x3F)) | tail << np.uint64(8)
    c >>= np.uint64(6)
    if c < 0x10:
        return np.uint64(0xE0) | c | tail << np.uint64(8), 3
    tail = np.uint64(0x80) | (c & np.uint64(0x3F)) | tail << np.uint64(8)
    return np.uint64(0xF0) | c >> np.uint64(6) | tail << np.uint64(8), 4
