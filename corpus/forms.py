"""Lower case, decompositions and compositions by table: the same text on every Python version.

The table beside this file is made from `unicodedata` by scripts/make_forms.py and names its Unicode version
on top, that of corpus/classes.txt. Decompositions and compositions of assigned characters never change
(Unicode's stability policy); Hangul's are arithmetic (Unicode 14.0, section 3.12).
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from corpus.classes import CODE_POINTS

DIGIT, NONSPACING, CASED, IGNORABLE = 1, 2, 4, 8
"""Bits of `traits`: general category Nd; Mn; and the two that tell a final sigma from another."""

_TRAITS = {"digit": DIGIT, "nonspacing": NONSPACING, "cased": CASED, "ignorable": IGNORABLE}
_LEAD, _VOWEL, _TAIL, _SYLLABLE = 0x1100, 0x1161, 0x11A7, 0xAC00  # of Hangul; the first tail stands for none
_VOWELS, _TAILS, _SYLLABLES = 21, 28, 11_172


class Compositions(NamedTuple):
    """Pairs of code points that are one in NFC and NFKC."""

    pairs: np.ndarray  # int64 [P], first << 21 | second, ascending
    to: np.ndarray  # int32 [P], the composite
    seconds: np.ndarray  # bool [0x110000], whether it is the second of some pair


class Decompositions(NamedTuple):
    """Full decompositions, end to end: those of c are parts[at[c]] many behind that place; none where at[c] is 0."""

    at: np.ndarray  # int32 [0x110000]
    parts: np.ndarray  # int32


@cache
def lowers() -> np.ndarray:
    """Lower case, one code point to one: int32 [0x110000], read-only; U+0130, which has two, maps to itself."""
    table = np.arange(CODE_POINTS, dtype=np.int32)
    for points, to in _told("lower"):
        table[list(points)] = int(to, 16)
    return _read_only(table)


@cache
def traits() -> np.ndarray:
    """DIGIT, NONSPACING, CASED and IGNORABLE of every code point: uint8 [0x110000], read-only."""
    table = np.zeros(CODE_POINTS, np.uint8)
    for name, bit in _TRAITS.items():
        for points, _ in _told(name):
            table[list(points)] |= np.uint8(bit)
    return _read_only(table)


@cache
def combining() -> np.ndarray:
    """The canonical combining class of every code point: uint8 [0x110000], read-only; 0 is a starter."""
    table = np.zeros(CODE_POINTS, np.uint8)
    for points, value in _told("class"):
        table[list(points)] = int(value)
    return _read_only(table)


@cache
def decompositions(compatible: bool) -> Decompositions:
    """Canonical decompositions (NFD), or those of compatibility too (NFKD); marks are not in order yet."""
    steps = _steps(compatible)
    at, parts = np.zeros(CODE_POINTS, np.int32), [0]
    for c in sorted(steps):
        full = list(_full(c, steps))
        at[c] = len(parts)
        parts += [len(full), *full]
    return Decompositions(_read_only(at), _read_only(np.array(parts, np.int32)))


@cache
def compositions() -> Compositions:
    """Every pair that composes, Hangul's among them."""
    pairs = [(_points(values), points[0]) for points, values in _told("composes")]
    pairs += [((first, second), c) for c, (first, second) in _hangul()]
    found = sorted((first << 21 | second, to) for (first, second), to in pairs)
    seconds = np.zeros(CODE_POINTS, np.bool_)
    seconds[[second for (_, second), _ in pairs]] = True
    keys, to = (np.array(column) for column in zip(*found, strict=True))
    return Compositions(_read_only(keys.astype(np.int64)), _read_only(to.astype(np.int32)), _read_only(seconds))


def _steps(compatible: bool) -> dict[int, tuple[int, ...]]:
    """Code point -> one step of its decomposition."""
    told = ("composes", "decomposes") + (("compatible",) if compatible else ())
    found = {c: _points(values) for name in told for points, values in _told(name) for c in points}
    return found | dict(_hangul())


def _full(c: int, steps: dict[int, tuple[int, ...]]) -> Iterator[int]:
    if c not in steps:
        yield c
    for part in steps.get(c, ()):
        yield from _full(part, steps)


def _hangul() -> Iterator[tuple[int, tuple[int, ...]]]:
    """A syllable is its lead and vowel, or the syllable without its tail and the tail."""
    for n in range(_SYLLABLES):
        lead, vowel, tail = n // _TAILS // _VOWELS, n // _TAILS % _VOWELS, n % _TAILS
        parts = (_SYLLABLE + n - tail, _TAIL + tail) if tail else (_LEAD + lead, _VOWEL + vowel)
        yield _SYLLABLE + n, parts


def _told(name: str) -> Iterator[tuple[range, str]]:
    """Code points and values of each line of that kind."""
    for span, what, values in _lines():
        if what == name:
            first, _, last = span.partition("..")
            yield range(int(first, 16), int(last or first, 16) + 1), values


@cache
def _lines() -> list[tuple[str, str, str]]:
    text = Path(__file__).with_name("forms.txt").read_text(encoding="ascii")
    rows = (line.split(" ", 2) for line in text.splitlines() if not line.startswith("#"))
    return [(row[0], row[1], row[2] if len(row) > 2 else "") for row in rows]


def _points(values: str) -> tuple[int, ...]:
    return tuple(int(value, 16) for value in values.split())


def _read_only(table: np.ndarray) -> np.ndarray:
    table.flags.writeable = False
    return table
