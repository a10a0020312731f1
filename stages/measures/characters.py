"""Measures of characters: what share of a text is letters, digits, capitals, white space, brackets.

One walk: a byte is looked up in two tables of eight counters each, a byte wide, packed in 64 bits; the packed
sums are unpacked every 255 bytes, before one can run over. Characters beyond ASCII are looked up by code point.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit

from corpus.classes import (
    BREAK,
    CJK,
    CONNECTOR,
    DIGIT,
    KIND,
    LETTER,
    LOWER,
    PUNCTUATION,
    SPACE,
    SYMBOL,
    classes,
    decode,
)
from corpus.documents import Batch
from stages.measures.base import Measure, Rows, once, per

ALPHABETIC, ALPHANUMERIC, DECIMAL, UPPER, WHITE, BRACKET, SPECIAL, IDEOGRAPH = (1 << bit for bit in range(8))
"""Properties of a code point: `str.isalpha`, `isalnum`, `isdecimal`, `isupper` (letters only), `isspace` of those that
corpus/classes.txt knows; {}⟨⟩[](); punctuation, symbols, digits and white space; Han and Hiragana."""

_BRACKETS = "{}⟨⟩[]()"
_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\n?!,."
_BLANKS = "\t\n\r\b "


@cache
def properties() -> np.ndarray:
    """The properties of every code point: uint8 [0x110000]. 10 ms, once a process."""
    kinds = classes() & KIND
    table = np.zeros(len(kinds), np.uint8)
    letter = np.isin(kinds, (LETTER, LOWER, CJK))
    table[_those(letter, np.strings.isalpha)] |= ALPHABETIC
    table[letter | (kinds == DIGIT)] |= ALPHANUMERIC
    table[_those(kinds == DIGIT, np.strings.isdecimal)] |= DECIMAL
    table[_those(kinds == LETTER, np.strings.isupper)] |= UPPER
    table[_those(np.isin(kinds, (SPACE, BREAK)), np.strings.isspace)] |= WHITE
    table[[ord(bracket) for bracket in _BRACKETS]] |= BRACKET
    table[np.isin(kinds, (PUNCTUATION, SYMBOL, CONNECTOR, DIGIT, SPACE, BREAK))] |= SPECIAL
    table[kinds == CJK] |= IDEOGRAPH
    table.flags.writeable = False
    return table


def _those(mask: np.ndarray, holds: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Code points of a mask for which a question of `str` holds: places."""
    points = np.flatnonzero(mask)
    return points[holds(points.astype(np.uint32).view("U1"))]


class Characters(NamedTuple):
    """Characters per document that have a property: int64 [N] each."""

    alphabetic: np.ndarray
    alphanumeric: np.ndarray
    decimal: np.ndarray
    upper: np.ndarray
    white: np.ndarray
    brackets: np.ndarray
    special: np.ndarray
    ideographs: np.ndarray
    all: np.ndarray  # code points
    plain: np.ndarray  # ASCII letters and digits, line feed and ?!,.
    blanks: np.ndarray  # tab, line feed, carriage return, backspace, space
    curly: np.ndarray  # { and }


@once
def characters(batch: Batch) -> Characters:
    """Characters by property. 1 GB/s a core on English."""
    starts, data = batch.utf8
    out = np.zeros((16, len(batch)), np.int64)
    _characters(starts, data, *_packed(), properties(), out)
    return Characters(*out[:12])


@cache
def _packed() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a byte adds to the two words of counters, and what eight properties add to the first: uint64 [256]."""
    spread = np.array([sum((bits >> i & 1) << 8 * i for i in range(8)) for bits in range(256)], np.uint64)
    first, second = np.zeros(256, np.uint64), np.zeros(256, np.uint64)
    first[:0x80] = spread[properties()[:0x80]]
    second[[b for b in range(256) if b & 0xC0 != 0x80]] = 1
    for place, those in ((8, _PLAIN), (16, _BLANKS), (24, "{}")):
        second[[ord(char) for char in those]] += np.uint64(1 << place)
    return first, second, spread


@njit(nogil=True, cache=True)
def _characters(starts, data, first, second, spread, properties, out):  # type: ignore[no-untyped-def]
    for n in range(len(starts) - 1):
        b, stop = starts[n], starts[n + 1]
        while b < stop:
            one, two = np.uint64(0), np.uint64(0)
            end = min(b + 255, stop)
            for i in range(b, end):
                x = data[i]
                one += first[x]
                two += second[x]
                if x >= 0xC0:
                    one += spread[properties[decode(data, i, stop)[0]]]
            for i in range(8):
                out[i, n] += np.int64(one >> np.uint64(8 * i) & np.uint64(0xFF))
                out[8 + i, n] += np.int64(two >> np.uint64(8 * i) & np.uint64(0xFF))
            b = end


_NEMO = "NeMo Curator 1.4, heuristic filters"
_CODE = "Lozhkov et al. 2024 (StarCoder2), 2.1"


def _share(name: str, meaning: str, source: str) -> Measure:
    return Measure(
        lambda batch: per(getattr(characters(batch), name), characters(batch).all), f"{meaning}, 0 to 1", source
    )


ROWS: Rows = {
    "alphabetic_char_share": _share("alphabetic", "letters per character", _CODE),
    "alphanumeric_char_share": _share("alphanumeric", "letters and numbers per character", _CODE),
    "digit_share": _share("decimal", "decimal digits per character", _NEMO),
    "upper_case_share": _share("upper", "upper-case letters per character", "Penedo et al. 2023 (RefinedWeb), G.2"),
    "white_space_share": _share("white", "Unicode white space per character", "ours"),
    "bracket_share": _share("brackets", "brackets {}⟨⟩[]() per character", _NEMO),
    "special_char_share": _share(
        "special",
        "punctuation, symbols, numbers and white space per character",
        "Chen et al. 2024 (Data-Juicer), by Unicode class",
    ),
    "cjk_char_share": _share("ideographs", "Han and Hiragana characters, words each, per character", "ours"),
    "curly_bracket_share": _share("curly", "curly brackets per character", "Weber et al. 2024 (RedPajama-V2)"),
    "nemo_symbol_char_share": Measure(
        lambda batch: per(characters(batch).all - characters(batch).plain, characters(batch).all),
        "characters other than ASCII letters, digits, line feeds and ?!,. per character (spaces among them), 0 to 1",
        _NEMO,
    ),
    "nemo_white_space_share": _share("blanks", "tabs, line ends, backspaces and spaces per character", _NEMO),
}
