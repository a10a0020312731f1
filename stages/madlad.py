"""MADLAD-400's test of sentences: a document of which too many look like no prose is dropped.

Kudugunta et al. 2023 (arXiv 2309.04662, section 2.3, and the dataset's card): a document needs five sentences, and
fewer than a fifth of them questionable. A sentence is questionable by any of the paper's rules
  1 its language is not the document's     left out: it takes a language model for sentences
  2 list case: of at least 12 words, more than half begin in upper case
  3 under 20 or over 500 characters
  4 more than a fifth of the characters are digits or any of {}+/()>
  5 it holds a "cursed" string (CURSED; PATTERNS say which are read as regular expressions)
Words and sentences are ours (corpus/words.py); a sentence begins at its first character that is no white space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.classes import decode
from corpus.documents import DROP, TEXT, VALUE, Batch, Columns
from corpus.errors import RecipeError
from stages.base import WORDS, Column, Local
from stages.line_edits import UPPER, reasons, traits, trimmed
from stages.measures import per

CURSED = (
    " №", "\ufffd\ufffd\ufffd", "aute irure dolor ", " sunt in culpa qui ", "orem ipsum ", " quis nostrud ",
    " adipisicing ", " dolore eu ", " cupidatat ", "autem vel eum", "wisi enim ad", " sex ", " porn ", "黄色电影",
    "mp3", "ownload", "Vol.", " Ep.", "Episode", " шт.", "Develop", "Facebook", " crusher ", " xxx ",
)  # fmt: skip
"""The card's strings, in the order given there."""

AT_END = ("|", " nr.", " г.", " кг.")
"""Those of the card's that count at the end of a sentence alone."""

PATTERNS = (" ... x9", " .... x9", " [^ ] x9", ", ..,,? x4")
"""The card's four last, as `_is_regular` walks them: nine times a space and three, four or one characters (`S p a m`),
and four times two characters between ", " and a comma (country codes). A point is any character but a line break."""

_ROWS = ("list_case_sentences", "odd_length_sentences", "technical_sentences", "cursed_sentences")
_MEANINGS = (
    "sentences in list case: most words begin in upper case",
    "sentences that are too short or too long",
    "sentences with many digits, brackets, + / or >",
    "sentences with a string that marks spam or templates",
)
_TECHNICAL = np.isin(np.arange(256), list(b"0123456789{}+/()>"))
_SPACE, _COMMA, _NEWLINE = 0x20, 0x2C, 0x0A
_EVERY_FOURTH = np.uint64(sum(1 << 4 * i for i in range(9)))  # bits of nine spaces, the last one lowest
_EVERY_FIFTH = np.uint64(sum(1 << 5 * i for i in range(9)))
_PAIRS, _PAIRS_SEEN = np.uint64(sum(2 << 2 * i for i in range(9))), np.uint64((1 << 18) - 1)


@dataclass(frozen=True, kw_only=True)
class Madlad(Local):
    """Drop documents with few sentences, or with many that look like lists, fragments, tables or spam.

    Reasons: `sentences`, then `questionable_share`. `rules` are those that make a sentence questionable; the
    counts of all four are laid whichever are asked. The all-dressed recipe of OLMo 3 asks for 2 and 5.
    """

    rules: tuple[Literal[2, 3, 4, 5], ...] = (2, 3, 4, 5)
    min_sentences: int = 5
    questionable_share: float = 0.2  # of the sentences; from this share on a document is dropped
    min_words_list_case: int = 12
    max_upper_case_share: float = 0.5  # of a sentence's words
    min_sentence_length: int = 20  # code points
    max_sentence_length: int = 500
    max_technical_share: float = 0.2  # of a sentence's code points

    name = "madlad"
    reads = (TEXT, WORDS)

    def __post_init__(self) -> None:
        if not self.rules:
            raise RecipeError("madlad: rules is empty, so no sentence is ever questionable; name some of 2, 3, 4, 5")

    @property
    def adds(self) -> Mapping[str, Column]:
        """Sentences, those that each rule finds questionable, and the share that any of `rules` does."""
        found = dict(zip(_ROWS, _MEANINGS, strict=True))
        counts = {name: Column(pa.int64(), meaning) for name, meaning in {"sentences": "sentences", **found}.items()}
        return counts | {
            "questionable_share": Column(pa.float64(), "share of the sentences that any asked rule marks, 0 to 1")
        }

    def annotate(self, batch: Batch) -> Columns:
        """Counts by rule, the share of questionable sentences, and the first of the two rules that fails."""
        words, out = batch.words, np.zeros((len(_ROWS) + 1, len(batch)), np.int64)
        asked = sum(1 << (rule - 2) for rule in set(self.rules))
        lengths = (self.min_sentence_length, self.max_sentence_length)
        limits = (self.min_words_list_case, self.max_upper_case_share, *lengths, self.max_technical_share)
        splits = (words.first, words.starts, words.sentence_first, words.sentence_ends)
        _sentences(*batch.utf8, splits, traits(), _TECHNICAL, _cursed(), limits, asked, out)
        sentences = np.diff(words.sentence_first)
        share = per(out[-1], sentences)
        few = sentences < self.min_sentences
        which = np.where(few, 0, np.where((share >= self.questionable_share) & (sentences > 0), 1, -1))
        value = np.where(few, sentences.astype(np.float64), share)
        laid = dict(zip(("sentences", *_ROWS, "questionable_share"), (sentences, *out[:-1], share), strict=True))
        verdict = {DROP: reasons(("sentences", "questionable_share"), which), VALUE: pa.array(value, mask=which < 0)}
        return verdict | {name: pa.array(values) for name, values in laid.items()}


@cache
def _cursed() -> tuple[np.ndarray, ...]:
    """CURSED and AT_END as rows of bytes with their sizes, and whether two bytes begin one of CURSED."""
    tables = []
    for strings in (CURSED, AT_END):
        table = np.zeros((len(strings), max(len(s.encode()) for s in strings)), np.uint8)
        for row, string in enumerate(strings):
            table[row, : len(string.encode())] = list(string.encode())
        tables += [table, np.array([len(s.encode()) for s in strings])]
    begins = np.zeros(1 << 16, np.bool_)
    begins[tables[0][:, 0].astype(np.int64) << 8 | tables[0][:, 1]] = True
    return (*tables, begins)


@njit(nogil=True, cache=True)
def _sentences(offsets, data, splits, traits, technical, cursed, limits, asked, out):  # type: ignore[no-untyped-def]
    """Count the sentences of each document that rules 2 to 5 mark; in the last row those that a rule asked for does."""
    word_first, words, sentence_first, stops = splits
    least, upper_share, shortest, longest, technical_share = limits
    for n in range(len(offsets) - 1):
        w, b = word_first[n], offsets[n]
        for s in range(sentence_first[n], sentence_first[n + 1]):
            b, end = trimmed(data, b, stops[s])
            counted = upper = chars = marked = np.int64(0)
            while w < word_first[n + 1] and words[w] < end:
                counted += 1
                upper += traits[decode(data, words[w], end)[0]] & UPPER != 0
                w += 1
            for at in range(b, end):
                chars += data[at] & 0xC0 != 0x80
                marked += technical[data[at]]
            bits = np.int64(counted >= least and upper > upper_share * counted)
            bits |= np.int64(chars < shortest or chars > longest) << 1
            bits |= np.int64(marked > technical_share * chars) << 2
            bits |= np.int64(_is_cursed(data, b, end, *cursed) or _is_regular(data, b, end)) << 3
            for rule in range(4):
                out[rule, n] += bits >> rule & 1
            out[4, n] += bits & asked != 0
            b = stops[s]


@njit(nogil=True, cache=True)
def _is_cursed(data, b, end, table, sizes, tails, tail_sizes, begins):  # type: ignore[no-untyped-def]
    for row in range(len(tail_sizes)):
        if _is_at(data, end - tail_sizes[row], end, b, tails[row], tail_sizes[row]):
            return True
    for at in range(b, end - 1):
        if begins[np.int64(data[at]) << 8 | data[at + 1]]:
            for row in range(len(sizes)):
                if table[row, 1] == data[at + 1] and _is_at(data, at, end, b, table[row], sizes[row]):
                    return True
    return False


@njit(nogil=True, cache=True)
def _is_at(data, at, end, least, string, size):  # type: ignore[no-untyped-def]
    i = np.int64(0)
    while i < size and least <= at and at + size <= end and data[at + i] == string[i]:  # no slice: it would allocate
        i += 1
    return i == size


@njit(nogil=True, cache=True)
def _is_regular(data, b, end):  # type: ignore[no-untyped-def]
    """Whether data[b:end] holds one of PATTERNS.

    A walk that keeps a bit for each of the last 64 characters: a space, or not.
    """
    spaces = all_spaces = np.uint64(0)  # since the last line break, and over it
    threes = fours = np.int64(0)  # characters to go behind a ninth space
    while b < end:
        x = data[b]
        if x & 0xC0 != 0x80:  # the first byte of a character
            spaces = spaces << np.uint64(1) | np.uint64(x == _SPACE)
            all_spaces = all_spaces << np.uint64(1) | np.uint64(x == _SPACE)
            if all_spaces & _PAIRS_SEEN == _PAIRS or threes == 1 or fours == 1:
                return True
            threes, fours = max(threes - 1, np.int64(0)), max(fours - 1, np.int64(0))
            if x == _NEWLINE:
                spaces, threes, fours = np.uint64(0), np.int64(0), np.int64(0)
            elif x == _SPACE:
                threes = np.int64(3) if spaces & _EVERY_FOURTH == _EVERY_FOURTH and threes == 0 else threes
                fours = np.int64(4) if spaces & _EVERY_FIFTH == _EVERY_FIFTH and fours == 0 else fours
            elif x == _COMMA and _is_codes(data, b, end):
                return True
        b += 1
    return False


@njit(nogil=True, cache=True)
def _is_codes(data, b, end):  # type: ignore[no-untyped-def]
    """Whether ", " and four times two characters, a comma or two, and a space (the last may end) begin at `b`."""
    b += 1
    for _ in range(4):
        if b >= end or data[b] != _SPACE:
            return False
        b += 1
        for _ in range(2):
            if b >= end or data[b] == _NEWLINE:
                return False
            b = decode(data, b, end)[1]
        if b >= end or data[b] != _COMMA:
            return False
        b += 1
        if b < end and data[b] == _COMMA:
            b += 1
    return True
