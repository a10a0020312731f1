"""Decontamination: documents that hold items of benchmarks are dropped, cut, or only reported.

Six published rules, each in a file of stages/decontamination/. Both sides are split by the shared word pass, so that
case and punctuation hide nothing. Every match is laid as a column, with benchmark and item, so `winnow decontaminate`
can say which documents hold which item without the text; docs/decontamination.md compares the rules.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DROP, TEXT, VALUE, Batch, Columns
from corpus.edits import SPANS, Spans, cut, recorded
from corpus.errors import RecipeError
from corpus.storage import glob
from corpus.words import words
from stages.base import WORDS, Column, Local
from stages.decontamination import decon, dolma, gpt3, llama3, ngram13, palm
from stages.decontamination.items import Fields, Item, items
from stages.decontamination.matches import Action, Matches, Rule, merged
from stages.decontamination.ngram_index import Index, gram_hash
from stages.lists import lines

RULES: Mapping[str, Rule] = MappingProxyType({
    "ngram13": ngram13.RULE, "gpt3": gpt3.RULE, "llama3": llama3.RULE, "palm": palm.RULE, "dolma": dolma.RULE,
    "decon": decon.RULE,
})  # fmt: skip

MATCH = pa.struct([
    ("benchmark", pa.string()), ("item", pa.string()), ("start", pa.int64()), ("end", pa.int64()),
    ("first", pa.int32()), ("grams", pa.int32()), ("of", pa.int32()), ("score", pa.float64()),
    ("contaminates", pa.bool_()),
])  # fmt: skip
"""A match at rest: benchmark, the item's id, bytes of the text, word of the item where its n-grams begin, how many of
them follow each other, how many of the item count, the score of document and item, and whether the rule calls the
document contaminated by it."""

CONTAMINATED = "contaminated"


class Loaded(NamedTuple):
    """Benchmarks, ready to be looked for."""

    items: list[Item]
    ngrams: Index

    def short(self) -> dict[str, int]:
        """Items of each benchmark of which no n-gram counts: too short to match, or all of it boilerplate."""
        own, names = self.ngrams.sequences, [item.benchmark for item in self.items]
        counted = np.zeros(len(self.items), bool)
        counted[own.item[self.ngrams.of[self.ngrams.counts]]] = True
        short = Counter(name for name, there in zip(names, counted.tolist(), strict=True) if not there)
        return {name: short[name] for name in dict.fromkeys(names)}


@dataclass(frozen=True, kw_only=True)
class Decontaminate(Local):
    """Drop or cut documents that hold items of benchmarks, or say so in columns alone."""

    against: str | None = None  # the benchmarks: JSON lines, plain or compressed, an item a line
    rule: Literal["ngram13", "gpt3", "llama3", "palm", "dolma", "decon"] = "ngram13"
    action: Action | None = None  # the rule's own: gpt3 cuts, llama3 and palm report, the others drop
    least_score: float | None = None  # from which a document is contaminated; the rule's own
    least_words: int = 8  # an item of fewer words than the rule's n is matched whole if it has so many
    most_items: int = 10  # an n-gram that more items hold is boilerplate
    frequent: str | None = None  # further n-grams to ignore, the words of one a line
    id: str = "id"  # fields of an item; dots lead into fields
    question: str = "text"
    answer: str = "answer"
    choices: str = "choices"
    passage: str = "passage"

    name = "decontaminate"
    reads = (TEXT, WORDS)

    def __post_init__(self) -> None:
        if self.against is None:
            raise RecipeError("decontaminate: `against` is not set: the benchmarks' files, as `evals/*.jsonl`")
        if self.least_score is not None and not 0 <= self.least_score <= 1:
            raise RecipeError(f"decontaminate: least_score {self.least_score:g} must be 0 to 1")
        if self.least_words < 2 or self.most_items < 1:
            raise RecipeError(
                f"decontaminate: least_words {self.least_words:,} must be 2 or more and most_items "
                f"{self.most_items:,} 1 or more; a single word is in every document"
            )

    @property
    def acts(self) -> Action:
        """What is done to contaminated documents."""
        return self.action or RULES[self.rule].action

    @property
    def rewrites(self) -> bool:  # type: ignore[override]  # a setting decides
        """Whether it cuts."""
        return self.acts == "cut"

    @property
    def files(self) -> tuple[str, ...]:
        """The benchmarks, and the list of frequent n-grams. RecipeError where there is none, or one cannot be used."""
        found = tuple(file.url for file in glob(self.against or ""))
        if not found:
            raise RecipeError(
                f"decontaminate: no file matches {self.against}; benchmarks are JSON lines, an item a line"
            )
        _ = self._items()
        return (*found, *([self.frequent] if self.frequent else []))

    @property
    def adds(self) -> Mapping[str, Column]:
        """The item that matches best, where, all matches, and what was cut."""
        return {
            "contaminated_by": Column(pa.string(), "benchmark of the item with the highest score, null if none counts"),
            "contaminated_item": Column(pa.string(), "id of that item in its benchmark"),
            "contamination_score": Column(pa.float64(), "score of that item by the rule, 0 to 1"),
            "contaminated_span": Column(SPANS, "bytes of the given text that contaminate it, of all items together"),
            "contamination_matches": Column(pa.list_(MATCH), "every match, of items below `least_score` too"),
            "decontaminate_spans": Column(SPANS, "bytes of the given text that were cut, null where nothing was"),
        }

    def loaded(self) -> Loaded:
        """The benchmarks and their index. RecipeError as `items` and `lines` raise."""
        listed = words(pa.array(lines(self.frequent) if self.frequent else (), pa.large_string()))
        edges = pairwise(listed.first.tolist())
        frequent = np.array([gram_hash(listed.hashes[a:b]) for a, b in edges if a < b], np.uint64)
        held = list(self._items())
        return Loaded(held, RULES[self.rule].indexed(held, self.least_words, self.most_items, frequent))

    def _items(self) -> tuple[Item, ...]:
        stamps = tuple((file.url, file.stamp) for file in glob(self.against or ""))
        return _read(stamps, Fields(self.id, self.question, self.answer, self.choices, self.passage))

    @cached_property
    def _held(self) -> Loaded:
        """Loaded once a worker, by its first batch: it does not travel with the stage."""
        return self.loaded()

    def annotate(self, batch: Batch) -> Columns:
        """The columns of `adds`; `value` of a drop is the score, or the pieces a document is cut into (gpt3)."""
        loaded, rule = self._held, RULES[self.rule]
        least = rule.least if self.least_score is None else self.least_score
        found = rule.matches(batch, loaded.ngrams, least)
        counted = found.take(found.over)
        best = _best(counted, len(batch))
        spans = merged(counted, len(batch))
        score = pa.array(counted.score, pa.float64()).take(best)
        item = pa.array(counted.item, pa.int64()).take(best)
        columns = {
            "contaminated_by": pa.array([one.benchmark for one in loaded.items], pa.string()).take(item),
            "contaminated_item": pa.array([one.id for one in loaded.items], pa.string()).take(item),
            "contamination_score": score,
            "contaminated_span": recorded(spans),
            "contamination_matches": _laid(found, loaded.items, len(batch)),
            "decontaminate_spans": pa.nulls(len(batch), SPANS),
        }
        if self.acts == "drop":
            columns |= _dropped(best.is_valid().to_numpy(zero_copy_only=False), score)
        return columns | self._cut(batch, spans, score) if self.acts == "cut" else columns

    def _cut(self, batch: Batch, spans: Spans, score: pa.Array) -> Columns:
        """The text without the spans; a document goes where nothing is left, or where gpt3 finds too many pieces."""
        by, many = b"", np.zeros(len(batch), bool)
        pieces = np.zeros(len(batch), np.int64)
        if self.rule == "gpt3":
            spans, pieces = gpt3.widened(batch, spans)
            by, many = gpt3.BETWEEN, pieces > gpt3.MOST_PIECES
        text = cut(batch.text, spans, (by,))
        bare = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(text)), 0).fill_null(False)
        gone = many | bare.to_numpy(zero_copy_only=False)
        value = pa.array(np.where(many, pieces, score.fill_null(0).to_numpy(zero_copy_only=False)))
        there = pa.array(~gone)
        spared = pc.if_else(there, recorded(spans), pa.scalar(None, SPANS))
        return _dropped(gone, value) | {TEXT: pc.if_else(there, text, None), "decontaminate_spans": spared}


def _dropped(gone: np.ndarray, value: pa.Array) -> Columns:
    places = pa.array(np.zeros(len(gone), np.int64), mask=~gone)
    dropped = pa.array(gone)
    return {DROP: pa.array([CONTAMINATED], pa.string()).take(places), VALUE: pc.if_else(dropped, value, None)}


def _best(found: Matches, rows: int) -> pa.Array:
    """The match of highest score of each document, the first of equal ones: int64 [N], null where it has none."""
    order = np.lexsort((-found.score, found.row))
    row, first = np.unique(found.row[order], return_index=True)
    best = np.full(rows, -1, np.int64)
    best[row] = order[first]
    return pa.array(best, mask=best < 0)


def _laid(found: Matches, items: list[Item], rows: int) -> pa.Array:
    """All matches, a list a document, null where it has none."""
    names = pa.array([item.benchmark for item in items], pa.string())
    ids = pa.array([item.id for item in items], pa.string())
    of = pa.array(found.item)
    numbers = [found.start, found.end, found.first, found.grams, found.of, found.score, found.over]
    typed = [pa.array(column, MATCH.field(k).type) for k, column in enumerate(numbers, 2)]
    structs = pa.StructArray.from_arrays([names.take(of), ids.take(of), *typed], fields=list(MATCH))
    count = np.bincount(found.row, minlength=rows)
    offsets = pa.array(np.r_[0, np.cumsum(count)].astype(np.int32), mask=np.r_[count == 0, False])
    return pa.ListArray.from_arrays(offsets, structs, type=pa.list_(MATCH))


@lru_cache(maxsize=4)
def _read(stamps: tuple[tuple[str, str], ...], fields: Fields) -> tuple[Item, ...]:
    """Keyed by what changes when a file does: a plan asks for the files more than once."""
    return tuple(items([url for url, _ in stamps], fields))
