"""Repeated paragraphs and lines: all but one of them are cut, over all documents of a run.

Menus, notices and licences are what documents share. CCNet (Wenzek et al. 2020) compares lines as `normalise` does
here, lower case, digits as 0, no punctuation, but strips accents too; Dolma (Soldaini et al. 2024) compares bytes.
"""

from abc import ABC
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.classes import BREAK, DIGIT, FORMAT, KIND, PUNCTUATION, SPACE, classes, decode, encode, folds
from corpus.documents import Batch
from corpus.errors import RecipeError
from corpus.words import Words
from stages.repeats import PIECES, Copies
from stages.siphash import KEY, siphash, siphash128


@dataclass(frozen=True, kw_only=True)
class Passages(Copies, ABC):
    """What Paragraphs and Lines share: a piece ends where the next begins, so what lies between goes with it."""

    least_words: int = 13
    normalise: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least_words < 1:
            raise RecipeError(
                f"{self.name}: least_words is {self.least_words:,}; pieces without words are not compared"
            )

    def emit(self, batch: Batch) -> pa.Table:
        (offsets, data), words = batch.utf8, batch.words
        first, starts, ends = self._places(words)
        row = np.repeat(np.arange(len(batch)), np.diff(first))
        behind = following(first, starts, offsets)
        long_enough = _words_in(words, starts, ends) >= self.least_words
        row, starts, ends, behind = (array[long_enough] for array in (row, starts, ends, behind))
        key, key2 = _normalised_keys(data, starts, ends) if self.normalise else siphash(data, starts, ends)
        return pa.table([key, key2, row, starts - offsets[row], behind - offsets[row]], schema=PIECES)

    def _places(self, words: Words) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Offsets, starts and ends of the pieces."""
        return words.paragraph_first, words.paragraph_starts, words.paragraph_ends


@dataclass(frozen=True, kw_only=True)
class Paragraphs(Passages):
    """Cut paragraphs that stand in another document, or earlier in this one.

    A paragraph is a run of lines that are not blank. Those of fewer words than `least_words` are left alone: 13 is
    where Dolma's comparison of paragraphs with evaluation sets begins (Soldaini et al. 2024).
    """

    name = "paragraphs"


@dataclass(frozen=True, kw_only=True)
class Lines(Passages):
    """Cut lines that stand in another document, or earlier in this one, as CCNet does (Wenzek et al. 2020).

    A line without a word is never cut.
    """

    least_words: int = 1
    normalise: bool = True

    name = "lines"
    volume = 2

    def _places(self, words: Words) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return words.line_first, words.line_starts, words.line_ends


def following(first: np.ndarray, starts: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Where the piece after each begins, or its document ends: int64 [pieces]."""
    behind = np.r_[starts[1:], np.int64(0)][: len(starts)]
    some = np.diff(first) > 0
    behind[first[1:][some] - 1] = offsets[1:][some]
    return behind


def line_words(words: Words) -> np.ndarray:
    """Words of each line: int64 [L]."""
    return _words_in(words, words.line_starts, words.line_ends)


def _words_in(words: Words, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Words of each piece: int64; words do not reach over the end of a line."""
    return np.asarray(np.searchsorted(words.starts, ends) - np.searchsorted(words.starts, starts))


def _normalised_keys(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    longest = int((ends - starts).max()) if len(starts) else 0
    # Simple case folding makes three bytes of two at most (U+023A is U+2C65), and never four of three.
    return _normalised(data, starts, ends, classes(), folds(), np.empty(2 * longest + 8, np.uint8))


@njit(nogil=True, cache=True)
def _normalised(data, starts, ends, classes, folds, room):  # type: ignore[no-untyped-def]
    """Keys of the case-folded text: every digit as 0, white space as one space, no punctuation or format character."""
    key, key2 = np.empty(len(starts), np.uint64), np.empty(len(starts), np.uint64)
    for i in range(len(starts)):
        b, size, apart = starts[i], np.int64(0), False
        while b < ends[i]:
            c, b = decode(data, b, ends[i])
            kind = classes[c] & KIND
            if kind in (SPACE, BREAK):
                apart = bool(size > 0)
            elif kind != PUNCTUATION and kind != FORMAT:
                if apart:
                    room[size] = 0x20
                    size += 1
                    apart = False
                code, width = encode(np.int64(0x30) if kind == DIGIT else np.int64(folds[c]))
                for _ in range(width):
                    room[size] = np.uint8(code & np.uint64(0xFF))
                    code >>= np.uint64(8)
                    size += 1
        key[i], key2[i] = siphash128(room, np.int64(0), size, KEY[0], KEY[1])
    return key, key2
