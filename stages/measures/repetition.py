"""Gopher's measures of repetition (Rae et al. 2021, A1.1, table A1) as the paper and four implementations read them.

The paper leaves open whether the first copy of what repeats is counted. Our reading of it: a duplicate is the second
or a later copy, of a line, a paragraph or an n-gram, so a share is what would go if everything stood once; words that
several n-grams cover count once. The most frequent n-gram must stand at least twice, counts with all its copies, and is
the longest of equally frequent ones. Characters are code points, of lines that are not blank, and of words.

    datatrove  later copies of lines and, greedily from the left, of n-grams; all characters of the text below the line;
               the most frequent n-gram counts with its spaces, even where it stands once, and overlapping copies twice
    dclm       all copies; the characters of words; a text without lines is repetition
    dolma      all copies of lines, blank ones too, over characters of words; n-grams over all n-grams, overlaps again
    nemo       later copies; all characters of the text below the line; n-grams with their spaces; a text of fewer
               words than n is repetition
"""

from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from corpus.buffers import bounds
from corpus.documents import Batch
from corpus.words import Tokens
from stages.measures.base import Measure, Rows, once, per
from stages.measures.copies import (
    Copies,
    datatrove_lines,
    datatrove_paragraphs,
    lines,
    newline_copies,
    paragraphs,
    stripped_lines,
    stripped_paragraphs,
)
from stages.measures.datatrove_grams import shares as datatrove_shares
from stages.measures.ngrams import DCLM, DOLMA, NEMO, PAPER, SIZES, Grams, hashed, joined_by_space, shares
from stages.shingles import characters
from stages.splitting import tokens

DIALECTS = ("paper", "datatrove", "dclm", "dolma", "nemo")
TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)

_SOURCES = {
    "paper": "Rae et al. 2021, table A1",
    "datatrove": "datatrove 0.10.1, GopherRepetitionFilter",
    "dclm": "Li et al. 2024 (DCLM), content_filters.py",
    "dolma": "Soldaini et al. 2024 (Dolma), gopher_v1",
    "nemo": "NeMo Curator 1.4, repetition filters",
}
_CODES = {"paper": PAPER, "dclm": DCLM, "dolma": DOLMA, "nemo": NEMO}
_UNITS = {"paper": "words", "datatrove": "spaCy tokens", "dclm": "words"}  # others: runs between white space


def named(dialect: str, name: str) -> str:
    """The measure's name in a dialect: the paper's stand alone."""
    return name if dialect == "paper" else f"{dialect}_{name}"


@once
def text_characters(batch: Batch) -> np.ndarray:
    """Code points per document: int64 [N]."""
    return characters(batch.text)


_grams: WeakKeyDictionary[Batch, dict[str, tuple[object, np.ndarray]]] = WeakKeyDictionary()


def gram_shares(batch: Batch, dialect: str) -> np.ndarray:
    """Shares of characters in repeated n-grams, n from 2 to 10: float64 [9, N]; walked once a batch and splitting."""
    known, split = _grams.setdefault(batch, {}), _split(batch, dialect)
    if dialect not in known or known[dialect][0] is not split.starts:  # `splitting.given` may come later
        known[dialect] = split.starts, _walked(batch, dialect, split)
    return known[dialect][1]


def _split(batch: Batch, dialect: str) -> Tokens:
    if dialect in ("paper", "dclm"):
        return Tokens(batch.words.first, batch.words.starts, batch.words.ends)
    return tokens(batch, "spacy" if dialect == "datatrove" else "whitespace")


def _walked(batch: Batch, dialect: str, split: Tokens) -> np.ndarray:
    if dialect == "datatrove":
        return datatrove_shares(batch.utf8[1], split, text_characters(batch))
    data, nothing = batch.utf8[1], np.zeros(len(split.starts), np.bool_)
    if dialect == "paper":  # words whatever their case, as everywhere in the paper's reading
        values, chars = batch.words.hashes, batch.words.chars.astype(np.int64)
    else:
        values, chars = hashed(data, split.starts, split.ends)
    glued = joined_by_space(data, split.starts, split.ends) if dialect == "nemo" else nothing
    return shares(Grams(split.first, values, chars, glued), text_characters(batch), _CODES[dialect])


class _Reading(NamedTuple):
    """How a dialect measures lines or paragraphs."""

    of: Callable[[Batch], Copies]
    every: bool = False  # all copies, not only later ones
    empty: float = 0.0  # the share where there is no segment at all
    chars: Callable[[Batch], np.ndarray] | None = None  # what the characters are a share of, if not the segments'

    def segment_share(self, batch: Batch) -> np.ndarray:
        """Repeated segments over all: float64 [N]."""
        found = self.of(batch)
        return self._filled(found, per(found.every if self.every else found.later, found.segments))

    def char_share(self, batch: Batch) -> np.ndarray:
        """Characters of repeated segments over all: float64 [N]."""
        found = self.of(batch)
        part = found.every_chars if self.every else found.later_chars
        return self._filled(found, per(part, self.chars(batch) if self.chars else found.chars))

    def _filled(self, found: Copies, values: np.ndarray) -> np.ndarray:
        return np.where(found.segments == 0, self.empty, values)


def run_characters(batch: Batch) -> np.ndarray:
    """Code points that are not white space, at least 1: int64 [N]."""
    split = tokens(batch, "whitespace")
    sizes = bounds(hashed(batch.utf8[1], split.starts, split.ends)[1])
    return np.maximum(np.diff(sizes[split.first]), 1)


_READINGS: dict[str, tuple[tuple[str, _Reading], ...]] = {
    "paper": (("line", _Reading(lines)), ("paragraph", _Reading(paragraphs))),
    "datatrove": (
        ("line", _Reading(datatrove_lines, chars=text_characters)),
        ("paragraph", _Reading(datatrove_paragraphs, chars=text_characters)),
    ),
    "dclm": (
        ("line", _Reading(stripped_lines, every=True, empty=1.0)),
        ("paragraph", _Reading(stripped_paragraphs, every=True, empty=1.0)),
    ),
    "dolma": (("line", _Reading(newline_copies, every=True, chars=run_characters)),),
    "nemo": (
        ("line", _Reading(stripped_lines, empty=1.0)),
        ("paragraph", _Reading(stripped_paragraphs, empty=1.0)),
    ),
}


def _rows(dialect: str) -> Rows:
    source, copied = _SOURCES[dialect], "all copies" if dialect in ("dclm", "dolma") else "the second and later copies"
    rows: Rows = {}
    for unit, reading in _READINGS[dialect]:
        rows[f"duplicate_{unit}_share"] = Measure(
            reading.segment_share, f"share of {unit}s that stand twice or more, {copied}, 0 to 1", source
        )
        rows[f"duplicate_{unit}_char_share"] = Measure(
            reading.char_share, f"share of characters in such {unit}s, {copied}", source
        )
    units = _UNITS.get(dialect, "runs between white space")
    for n in SIZES:
        name, what = (f"top_{n}gram_char_share", "the most frequent run") if n in TOP else (
            f"duplicate_{n}gram_char_share", "runs that stand twice or more"
        )  # fmt: skip
        rows[name] = Measure(_gram_share(dialect, n), f"share of characters in {what} of {n} {units}", source)
    return {named(dialect, name): row for name, row in rows.items()}


def _gram_share(dialect: str, n: int) -> Callable[[Batch], np.ndarray]:
    return lambda batch: gram_shares(batch, dialect)[n - SIZES[0]]


ROWS: Rows = {name: row for dialect in DIALECTS for name, row in _rows(dialect).items()} | {
    "datatrove_characters": Measure(text_characters, "code points of the text", _SOURCES["datatrove"], pa.int64())
}
