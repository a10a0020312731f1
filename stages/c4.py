"""C4's heuristics: lines that do not read like sentences go, and pages with too few sentences left.

Raffel et al. 2020 (section 2.2), by its code (tensorflow-datasets, `c4_utils.clean_page`). Line by line, in this order:
a word over 1,000 characters; citations such as [12] are cut out; no end mark, or an ellipsis; too few words;
"lorem ipsum" (drops the page); "javascript"; a curly bracket (drops the page); a notice of policy. At last the page
needs enough sentences. Words are `str.split`'s, lines `str.splitlines`'s.

Bad words are the stage `bad_words` behind this one: it sees the lines that were kept, as the reference does. C4's
language test and its de-duplication of three-sentence spans are not here either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from corpus.buffers import bounds
from corpus.documents import DROP, TEXT, VALUE, Batch, Columns
from corpus.edits import SPANS, cut, recorded
from corpus.errors import RecipeError
from stages.base import WORDS, Column, Local
from stages.c4_lines import (
    CURLY_BRACKET,
    FEW_WORDS,
    JAVASCRIPT,
    KEPT,
    LONG_WORD,
    LOREM_IPSUM,
    POLICY,
    UNENDED,
    judged,
    long_lines,
    pieces,
    sentences,
)
from stages.c4_sentences import spacy_sentences
from stages.line_edits import BREAKS, between, lines, reasons
from stages.measures.segments import Segments

COUNTS = {
    LONG_WORD: ("long_word_lines", "lines taken out for a word that is too long"),
    UNENDED: ("unended_lines", "lines taken out for want of an end mark, or for an ellipsis"),
    FEW_WORDS: ("few_word_lines", "lines taken out for too few words"),
    LOREM_IPSUM: ("lorem_ipsum_lines", 'lines with "lorem ipsum" that passed the checks before'),
    JAVASCRIPT: ("javascript_lines", 'lines taken out for the word "javascript"'),
    CURLY_BRACKET: ("curly_bracket_lines", "lines with a curly bracket that passed the checks before"),
    POLICY: ("policy_lines", "lines taken out for a notice of cookies, privacy or terms of use"),
}
"""The column that counts each, and its meaning."""

DIALECTS = {"paper": (b'.?!"', 5, 3), "datatrove": (b".?!\"'", 3, 5)}
"""End marks, words a line and sentences a page at least. datatrove 0.10.1 has the numbers the other way round."""

DATATROVE_REASONS = {
    "lorem_ipsum_lines": "lorem_ipsum",
    "curly_bracket_lines": "curly_bracket",
    "kept_sentences": "too_few_sentences",
    "long_lines": "< 3 paragraphs",
}
"""What datatrove's C4QualityFilter and C4ParagraphFilter call the reasons that `drop` holds here."""

_given: WeakKeyDictionary[Batch, np.ndarray] = WeakKeyDictionary()


def given_sentences(batch: Batch, counts: np.ndarray) -> None:
    """Take these numbers of sentences, one a line of `lines(batch, "splitlines")`, in place of our own count.

    counts: int64 [L]; of a line that is stripped and has lost its citations, where the published filters split it.
    """
    _given[batch] = counts


@dataclass(frozen=True, kw_only=True)
class C4(Local):
    """Keep the lines that end like sentences, and pages that have enough of them.

    Reasons are `lorem_ipsum_lines` and `curly_bracket_lines`, whichever stands first in the page, then
    `kept_sentences`; with `min_long_lines` before them all `long_lines` (mC4: 3, with `clean: false`).
    """

    dialect: Literal["paper", "datatrove"] = "paper"
    clean: bool = True  # False: judge by `min_long_lines` alone, as mC4 does
    require_terminal: bool = True  # FineWeb: False
    min_words_per_line: int | None = None  # 5 (paper), 3 (datatrove)
    min_sentences: int | None = None  # 3 (paper), 5 (datatrove)
    max_word_length: int = 1000  # code points
    min_long_lines: int = 0
    long_line_length: int = 200  # code points, from which a line is long

    name = "c4"
    rewrites = True

    def __post_init__(self) -> None:
        if not self.clean and self.min_long_lines < 1:
            raise RecipeError("c4: with clean: false nothing is asked of a page; set min_long_lines (mC4: 3)")

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # a dialect may split in its own way
        """Text, and words where sentences are ours."""
        return (TEXT, WORDS) if self.dialect == "paper" and self.clean else (TEXT,)

    @property
    def adds(self) -> Mapping[str, Column]:
        """Lines taken out by reason, sentences that are left, and long lines where they are asked for."""
        counts = {name: Column(pa.int64(), meaning) for name, meaning in COUNTS.values()}
        counts["kept_sentences"] = Column(pa.int64(), "sentences in the lines that are left")
        long = {"long_lines": Column(pa.int64(), f"lines of at least {self.long_line_length:,} code points")}
        spans = {"c4_spans": Column(SPANS, "what was taken out, bytes of the text before")}
        return (long if self.min_long_lines else {}) | (counts | spans if self.clean else {})

    def annotate(self, batch: Batch) -> Columns:
        """Counts, the first rule that a page breaks, and the new text."""
        rules: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # fails, value
        columns: Columns = {}
        if self.min_long_lines:
            long = long_lines(*batch.utf8, self.long_line_length)
            rules["long_lines"] = (long < self.min_long_lines, long)
            columns["long_lines"] = pa.array(long)
        if not self.clean:
            return columns | _verdict(rules, len(batch))[0]
        found = lines(batch, "splitlines")
        what, citations = self._judged(batch, found)
        left = self._sentences(batch, found, what == KEPT, citations)
        counts = {name: _per_document(what == reason, found) for reason, (name, _) in COUNTS.items()}
        counts["kept_sentences"] = _per_document(np.where(what == KEPT, left, 0), found)
        for reason in (LOREM_IPSUM, CURLY_BRACKET):
            rules[COUNTS[reason][0]] = (_first(what, found) == reason, counts[COUNTS[reason][0]])
        least = DIALECTS[self.dialect][2] if self.min_sentences is None else self.min_sentences
        rules["kept_sentences"] = (counts["kept_sentences"] < least, counts["kept_sentences"])
        verdict, kept = _verdict(rules, len(batch))
        spans, which = between(batch, pieces(batch, found, what == KEPT, citations), kept)
        columns |= {name: pa.array(count) for name, count in counts.items()}
        return columns | verdict | {TEXT: cut(batch.text, spans, BREAKS, which), "c4_spans": recorded(spans)}

    def _sentences(self, batch: Batch, found: Segments, kept: np.ndarray, citations: np.ndarray) -> np.ndarray:
        if batch in _given:
            return _given[batch]
        if self.dialect == "datatrove":
            return spacy_sentences(batch, found, kept, citations)
        return sentences(batch, found, citations)

    def _judged(self, batch: Batch, found: Segments) -> tuple[np.ndarray, np.ndarray]:
        marks, least, _ = DIALECTS[self.dialect]
        asked = least if self.min_words_per_line is None else self.min_words_per_line
        paper = self.dialect == "paper"
        return judged(batch, found, marks if self.require_terminal else b"", asked, self.max_word_length, paper)


def _verdict(rules: dict[str, tuple[np.ndarray, np.ndarray]], rows: int) -> tuple[Columns, np.ndarray]:
    """`drop` and `value` by the first rule that fails, and which documents are kept (bool [N])."""
    which, value = np.full(rows, -1), np.zeros(rows)
    for place, (fails, number) in reversed(list(enumerate(rules.values()))):
        which[fails] = place
        value[fails] = number[fails]
    return {DROP: reasons(tuple(rules), which), VALUE: pa.array(value, mask=which < 0)}, which < 0


def _per_document(values: np.ndarray, found: Segments) -> np.ndarray:
    """The sum over the lines of each document: int64 [N]."""
    return np.diff(bounds(values)[found.first])


def _first(judged: np.ndarray, found: Segments) -> np.ndarray:
    """Which of the two that drop a page comes first in it: uint8 [N], 0 where neither does."""
    fatal = np.flatnonzero((judged == LOREM_IPSUM) | (judged == CURLY_BRACKET))
    documents, places = np.unique(np.searchsorted(found.first, fatal, "right") - 1, return_index=True)
    first = np.zeros(len(found.first) - 1, np.uint8)
    first[documents] = judged[fatal[places]]
    return first
