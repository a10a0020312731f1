"""The quality rules of Gopher: Rae et al. 2021, "Scaling Language Models", appendix A1.1.

A document is kept if all hold. Implementations differ in what a word is, in bullets and ellipses, and in how stop
words count; `dialect` names the reading (stages/measures/dialects.py tells them apart). Limits and stop words are
those of a language: the paper's for English, stages/languages.txt for others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DROP, TEXT, VALUE, Batch, Columns
from corpus.errors import RecipeError, StageError
from corpus.words import words
from stages.base import WORDS, Column, Local
from stages.languages import Language, files, language
from stages.measures import STOP_WORDS, measure, measured
from stages.measures.dialects import stop_words
from stages.rules import Rule, laid, verdict

DATATROVE_REASONS: Mapping[str, tuple[str, str]] = {
    "datatrove_words": ("gopher_short_doc", "gopher_long_doc"),
    "datatrove_mean_word_length": ("gopher_below_avg_threshold", "gopher_above_avg_threshold"),
    "datatrove_hash_word_ratio": ("", "gopher_too_many_hashes"),
    "datatrove_ellipsis_word_ratio": ("", "gopher_too_many_ellipsis"),
    "datatrove_bullet_line_share": ("", "gopher_too_many_bullets"),
    "datatrove_ellipsis_line_share": ("", "gopher_too_many_end_ellipsis"),
    "datatrove_alphabetic_word_share": ("gopher_below_alpha_threshold", ""),
    "datatrove_stop_words": ("gopher_enough_stop_words", ""),
}
"""Our reasons in the datatrove dialect, and what datatrove 0.10.1 calls them: below the least, above the most."""

Dialect = Literal["paper", "datatrove", "dclm", "dolma", "nemo"]

_SYMBOLS = ("hash_word_ratio", "ellipsis_word_ratio")
_LINES = ("bullet_line_share", "ellipsis_line_share")
_WORDS = ("alphabetic_word_share", "stop_words")
_ORDER: Mapping[str, tuple[str, ...]] = {
    "paper": ("words", "mean_word_length", *_SYMBOLS, *_LINES, *_WORDS),
    "datatrove": ("words", "mean_word_length", *_SYMBOLS, *_LINES, *_WORDS),
    "dclm": ("words", "mean_word_length", "symbol_word_ratio", *_LINES, *_WORDS),
    "dolma": ("words", "median_word_length", "symbol_word_ratio", *_WORDS, *_LINES),
    "nemo": ("symbol_word_ratio", "words", *_WORDS, "mean_word_length", *_LINES[::-1]),
}
"""The measures of each dialect in its order: the first that fails is the reason."""


@dataclass(frozen=True, kw_only=True)
class GopherQuality(Local):
    """Drop documents that do not read like prose: too short, too many symbols, lists, no stop words.

    Limits are inclusive; None is the language's own. RecipeError where a least is above its most, or where the
    language has no table.
    """

    dialect: Dialect = "paper"
    language: str = "en"  # of all documents
    language_column: str | None = None  # or that names each document's; null is `language`
    tables: str | None = None  # FineWeb-2's file or folder in place of stages/languages.txt
    min_words: int = 50
    max_words: int = 100_000
    min_mean_word_length: float | None = None  # code points; English: 3
    max_mean_word_length: float | None = None  # English: 10
    max_hash_word_ratio: float = 0.1  # paper, datatrove
    max_ellipsis_word_ratio: float = 0.1  # paper, datatrove
    max_symbol_word_ratio: float = 0.1  # both together: dclm, dolma, nemo
    max_bullet_line_share: float = 0.9
    max_ellipsis_line_share: float = 0.3
    min_alphabetic_word_share: float | None = None  # 0.8 in our own table
    min_stop_words: int = 2  # of the language's eight

    name = "gopher_quality"

    def __post_init__(self) -> None:
        _ = self.rules  # a rule that nothing meets is refused while the recipe is read
        listed = _listed(self.dialect, self._table(self.language))
        if self.min_stop_words > len(listed) and self.dialect in ("paper", "datatrove"):
            raise RecipeError(
                f"gopher_quality: at least {self.min_stop_words} different stop words are asked for and the list of "
                f"language {self.language!r} has {len(listed)} that are words. Lower min_stop_words."
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # a setting may add a column
        """Text, words where the dialect counts ours, and the column of languages where one is named."""
        words = (WORDS,) if self.dialect == "paper" else ()
        return (TEXT, *words, *([self.language_column] if self.language_column else []))

    @property
    def files(self) -> tuple[str, ...]:
        """The tables, where some are named."""
        return files(self.tables)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The table of `language`, in the dialect's order: the first that fails is the reason."""
        return self.rules_of(self.language)

    def rules_of(self, code: str) -> tuple[Rule, ...]:
        """The table of a language; RecipeError where it has none."""
        limits = self._limits(self._table(code))
        return tuple(Rule(self._named(name), *limits[name]) for name in _ORDER[self.dialect])

    def _table(self, code: str) -> Language:
        return language(code, self.tables)

    def _named(self, name: str) -> str:
        return name if self.dialect == "paper" else f"{self.dialect}_{name}"

    def _limits(self, table: Language) -> Mapping[str, tuple[float | None, float | None]]:
        length = (
            _set(self.min_mean_word_length, table.min_mean_word_length),
            _set(self.max_mean_word_length, table.max_mean_word_length),
        )
        return {
            "words": (self.min_words, self.max_words),
            "mean_word_length": length,
            "median_word_length": length,
            "hash_word_ratio": (None, self.max_hash_word_ratio),
            "ellipsis_word_ratio": (None, self.max_ellipsis_word_ratio),
            "symbol_word_ratio": (None, self.max_symbol_word_ratio),
            "bullet_line_share": (None, self.max_bullet_line_share),
            "ellipsis_line_share": (None, self.max_ellipsis_line_share),
            "alphabetic_word_share": (
                _set(self.min_alphabetic_word_share, table.min_alphabetic_word_share), None
            ),
            "stop_words": (self.min_stop_words, None),
        }  # fmt: skip

    @property
    def adds(self) -> Mapping[str, Column]:
        """The measures of the dialect; `stop_words` of each document's language."""
        columns = laid(self.rules)
        if (self.language, self.language_column) != ("en", None):
            name = self._named("stop_words")
            columns[name] = Column(columns[name].type, "stop words as the dialect counts them, of the language's list")
        return columns

    def annotate(self, batch: Batch) -> Columns:
        """The measures, and the first rule that a document breaks."""
        stop = self._named("stop_words")
        found = measured(batch, (rule.measure for rule in self.rules if rule.measure != stop))
        found[stop] = np.zeros(len(batch), np.int64)
        parts, order = [], []
        for code, rows in self._spoken(batch):  # a walk a language: 0.4 GB/s each with eight words
            table = self._table(code)
            found[stop][rows] = self._stop_words(batch, table)[rows]
            rules = self.rules if code == self.language else self.rules_of(code)
            parts.append(verdict({name: values[rows] for name, values in found.items()}, rules))
            order.append(rows)
        back = pa.array(np.argsort(np.concatenate(order)))
        drop, value = (pa.concat_arrays(part).take(back) for part in zip(*parts, strict=True))
        columns = {rule.measure: pa.array(found[rule.measure], measure(rule.measure).type) for rule in self.rules}
        return {DROP: drop, VALUE: value, **columns}

    def _stop_words(self, batch: Batch, table: Language) -> np.ndarray:
        if table.stop_words == STOP_WORDS:
            return measure(self._named("stop_words")).function(batch)
        return stop_words(batch, self.dialect, _listed(self.dialect, table))

    def _spoken(self, batch: Batch) -> Iterator[tuple[str, np.ndarray]]:
        """Documents of each language, in order of its code. StageError where one has no table."""
        if self.language_column is None:
            yield self.language, np.arange(len(batch))
            return
        if self.language_column not in batch.rows.schema.names:
            raise StageError(
                f"gopher_quality: no column {self.language_column!r}, which should hold languages; there are: "
                f"{', '.join(batch.rows.schema.names)}. Name it in the source's `fields`, or lay it earlier."
            )
        spoken = batch.column(self.language_column).cast(pa.string()).fill_null(self.language)
        for code in sorted({self.language, *spoken.unique().to_pylist()}):
            try:
                self._table(code)
            except RecipeError as error:
                raise StageError(f"gopher_quality: column {self.language_column!r}: {error}") from error
            yield code, np.flatnonzero(pc.equal(spoken, code).to_numpy(zero_copy_only=False))


def _set(asked: float | None, own: float) -> float:
    return own if asked is None else asked


def _listed(dialect: str, table: Language) -> tuple[str, ...]:
    """The stop words that can be found at all: of FineWeb-2's some (l', ، ) are no words of ours."""
    if dialect != "paper":
        return table.stop_words
    found = words(pa.array(table.stop_words, pa.large_string()))
    return tuple(word for word, count in zip(table.stop_words, np.diff(found.first), strict=True) if count == 1)
