"""Bad words: lists of words in many languages, sought in one walk over the bytes of each document.

C4 (Raffel et al. 2020, 2.2) drops a page that holds any word of the list; mC4 does so by each page's language.
Text and lists are compared by simple case folding, Unicode's one character to one (STRASSE and Straße differ). A word
counts where no letter, mark, digit or underscore stands beside it, except in languages written without spaces. What
is written in another normal form than the list, or with other characters in between, is not found.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from corpus.classes import CJK, KIND, MARK, classes, decode, encode, folds
from corpus.documents import DROP, ID, TEXT, VALUE, Batch, Columns
from corpus.errors import RecipeError, StageError
from corpus.hashing import hash64
from corpus.storage import glob, join
from stages.automaton import Automaton, automaton
from stages.base import WORDS, Column, Local
from stages.lists import lines
from stages.measures import per

WITHOUT_SPACES = ("ja", "km", "lo", "my", "th", "zh")
"""Languages whose words count wherever they stand; mC4 names Japanese, Thai and Chinese."""

ALLOWED = {"ja": ("sm", "グロ", "女の子"), "zh": ("性",)}
"""Words of a language's own list that are not counted, for they are common in good pages: mC4 (Xue et al. 2021)."""

WHERE = "Lists in 28 languages, a word a line: github.com/LDNOOBW/List-of-Dirty-Naughty-Obscene-and-Otherwise-Bad-Words"


@dataclass(frozen=True, kw_only=True)
class BadWords(Local):
    """Drop documents that hold words of a list in their language; those whose language has no list are kept."""

    lists: str | None = None  # a folder with LANGUAGE.txt, a word a line; there are no words without it
    language: str = "en"  # of all documents
    language_column: str | None = None  # or that names each document's
    max_bad_words: int | None = 0  # C4: one is too many
    max_bad_word_share: float | None = None  # hits per word
    keep_fraction: float = 0.0  # of the documents to be dropped, by a hash of the id
    seed: int = 1

    name = "bad_words"

    def __post_init__(self) -> None:
        if self.lists is None:
            raise RecipeError(f"bad_words: `lists` is not set: a folder that holds en.txt or the like. {WHERE}")
        if not 0 <= self.keep_fraction <= 1:
            raise RecipeError(f"bad_words: keep_fraction {self.keep_fraction:g} must be 0 to 1")
        if (self.max_bad_words or 0) < 0 or not 0 <= (self.max_bad_word_share or 0) <= 1:
            raise RecipeError(
                f"bad_words: max_bad_words {self.max_bad_words} must be 0 or more, and "
                f"max_bad_word_share {self.max_bad_word_share} 0 to 1; null sets no limit"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # a setting may add a column
        """Text, words, and the column of languages where one is named."""
        return (TEXT, WORDS, ID, *([self.language_column] if self.language_column else []))

    @property
    def files(self) -> tuple[str, ...]:
        """The lists. RecipeError where the language has none; it names those there are."""
        found = {
            file.url.rsplit("/", 1)[-1].removesuffix(".txt"): file.url for file in glob(join(self.lists or "", "*.txt"))
        }
        if self.language_column is not None and found:
            return tuple(found.values())
        if self.language not in found:
            there = ", ".join(sorted(found)) or "none"
            raise RecipeError(f"bad_words: no list {self.language}.txt in {self.lists}; there are: {there}. {WHERE}")
        return (found[self.language],)

    @property
    def adds(self) -> Mapping[str, Column]:
        """How many, how many per word, and the first."""
        return {
            "bad_words": Column(pa.int64(), "bad words that do not overlap, null where the language has no list"),
            "bad_word_share": Column(pa.float64(), "bad words per word, at most 1, null as `bad_words`"),
            "bad_word": Column(pa.string(), "the first bad word as the list has it, null where there is none"),
        }

    @cached_property
    def _languages(self) -> dict[str, tuple[list[str], Automaton]]:
        """The words of each list and their automaton, read once a worker."""
        read = {}
        for file in self.files:
            language = _language(file)
            allowed = set(map(_folded_word, ALLOWED.get(language, ())))
            words = [word for word in dict.fromkeys(lines(file)) if _folded_word(word) not in allowed]
            if words:
                patterns = [_folded_word(word).encode() for word in words]
                read[language] = words, automaton(patterns, any_case=True)
        return read

    def annotate(self, batch: Batch) -> Columns:
        """The columns of `adds`; `drop` is the first limit that is passed, `value` the number that passed it."""
        hits, first = np.zeros(len(batch), np.int64), np.full(len(batch), -1, np.int64)
        listed = np.zeros(len(batch), np.bool_)
        said: list[str] = []
        text = _folded(batch)
        for language, rows in self._rows(batch):
            words, found = self._languages[language]
            _scan(text, rows, tuple(found), language not in WITHOUT_SPACES, classes(), hits, first)
            first[rows] += np.where(first[rows] >= 0, len(said), 0)
            said += words
            listed[rows] = True
        share = np.minimum(per(hits, np.diff(batch.words.first)), 1.0)
        drop, value = self._verdict(batch, hits, share, listed)
        return {
            DROP: drop,
            VALUE: value,
            "bad_words": pa.array(hits, mask=~listed),
            "bad_word_share": pa.array(share, mask=~listed),
            "bad_word": pa.array(said, pa.string()).take(pa.array(first, mask=first < 0)),
        }

    def _rows(self, batch: Batch) -> Iterator[tuple[str, np.ndarray]]:
        """Documents of each language that has a list."""
        if self.language_column is None:
            if self.language in self._languages:
                yield self.language, np.arange(len(batch))
            return
        if self.language_column not in batch.rows.schema.names:
            raise StageError(
                f"bad_words: no column {self.language_column!r}, which should hold languages; there are: "
                f"{', '.join(batch.rows.schema.names)}. Name it in the source's `fields`, or lay it by an earlier one."
            )
        spoken = batch.column(self.language_column)
        for language in sorted(set(spoken.unique().to_pylist()) & set(self._languages)):
            here = pc.equal(spoken, language).fill_null(False)
            yield language, np.flatnonzero(here.to_numpy(zero_copy_only=False))

    def _verdict(
        self, batch: Batch, hits: np.ndarray, share: np.ndarray, listed: np.ndarray
    ) -> tuple[pa.Array, pa.Array]:
        many = np.zeros(len(hits), np.bool_) if self.max_bad_words is None else hits > self.max_bad_words
        dense = np.zeros(len(hits), np.bool_) if self.max_bad_word_share is None else share > self.max_bad_word_share
        dropped = (many | dense) & listed
        if self.keep_fraction > 0 and dropped.any():
            draw = (hash64(batch.column(ID), self.seed) >> np.uint64(11)).astype(np.float64) * 2.0**-53
            dropped &= draw >= self.keep_fraction
        reasons = pa.array(["bad_words", "bad_word_share"], pa.string())
        value = np.where(many, hits, share)
        return reasons.take(pa.array(np.where(many, 0, 1), mask=~dropped)), pa.array(value, mask=~dropped)


def _language(file: str) -> str:
    return file.rsplit("/", 1)[-1].removesuffix(".txt")


def _folded_word(word: str) -> str:
    return "".join(chr(folds()[ord(c)]) for c in word)


def _folded(batch: Batch) -> tuple[np.ndarray, ...]:
    """Offsets and bytes of the texts, which of them go beyond ASCII, and offsets and bytes of those, case-folded.

    1.5 times the room, for the longest fold makes three bytes of two (U+023A).
    """
    offsets, data = batch.utf8
    beyond = _beyond_ascii(offsets, data)
    room = int(np.diff(offsets)[beyond].sum() * 3 // 2)
    folded, folded_offsets = np.empty(room, np.uint8), np.zeros(len(offsets), np.int64)
    _fold(offsets, data, beyond, folds(), folded_offsets, folded)
    return offsets, data, beyond, folded_offsets, folded


@njit(nogil=True, cache=True)
def _beyond_ascii(offsets, data):  # type: ignore[no-untyped-def]
    out = np.zeros(len(offsets) - 1, np.bool_)
    for n in range(len(out)):
        seen = np.uint8(0)
        for b in range(offsets[n], offsets[n + 1]):
            seen |= data[b]
        out[n] = seen >= 0x80
    return out


@njit(nogil=True, cache=True)
def _fold(offsets, data, beyond, folds, out_offsets, out):  # type: ignore[no-untyped-def]
    """ASCII is copied as it is: the automaton takes its letters in either case."""
    o = np.int64(0)
    for n in range(len(offsets) - 1):
        b, stop = offsets[n], offsets[n + 1] if beyond[n] else offsets[n]
        while b < stop:
            if data[b] < 0x80:
                out[o] = data[b]
                o += 1
                b += 1
                continue
            c, b = decode(data, b, stop)
            code, size = encode(folds[c])
            for i in range(size):
                out[o + i] = np.uint8(code >> np.uint64(8 * i) & np.uint64(0xFF))
            o += size
        out_offsets[n + 1] = o


@njit(nogil=True, cache=True)
def _scan(text, rows, found, bounded, classes, hits, first):  # type: ignore[no-untyped-def]
    """Count words from the left, the longest at each end, none that overlaps one counted before."""
    offsets, data, beyond, folded_offsets, folded = text
    for n in rows:
        if beyond[n]:
            _scan_one(folded, folded_offsets[n], folded_offsets[n + 1], n, found, bounded, classes, hits, first)
        else:
            _scan_one(data, offsets[n], offsets[n + 1], n, found, bounded, classes, hits, first)


@njit(nogil=True, cache=True)
def _scan_one(here, start, stop, n, found, bounded, classes, hits, first):  # type: ignore[no-untyped-def]
    byte_classes, moves, width, ending, patterns, shorter, lengths = found
    place, free = np.uint32(0), start
    for b in range(start, stop):
        place = moves[place + byte_classes[here[b]]]
        if place < ending:
            continue
        at = np.int64(place)
        while at >= 0:
            begin = b + 1 - lengths[patterns[at // width]]
            if begin >= free and not (bounded and _inside(here, start, begin, b + 1, stop, classes)):
                if hits[n] == 0:
                    first[n] = patterns[at // width]
                hits[n] += 1
                free = b + 1
                break
            at = np.int64(shorter[at // width])


@njit(nogil=True, cache=True)
def _inside(data, start, begin, end, stop, classes):  # type: ignore[no-untyped-def]
    """Whether a character of a word stands beside data[begin:end]; a Han or Hiragana character is a word itself."""
    if end < stop:
        kind = classes[decode(data, end, stop)[0]] & KIND
        if MARK <= kind < CJK:
            return True
    if begin == start:
        return False
    at = begin - 1
    while at > start and data[at] & 0xC0 == 0x80:
        at -= 1
    kind = classes[decode(data, at, begin)[0]] & KIND
    return MARK <= kind < CJK
