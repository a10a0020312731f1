"""From runs of n-grams to matches: which item, where in the document, and how much of the item the document holds."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numba import njit

from corpus.buffers import bounds
from corpus.documents import Batch
from corpus.edits import Spans
from stages.decontamination.items import Item
from stages.decontamination.ngram_index import Index
from stages.decontamination.ngram_walk import Runs

Action = Literal["drop", "cut", "report"]


class Matches(NamedTuple):
    """Pieces of documents that are pieces of items: M rows, by document, then item, then place in the document."""

    row: np.ndarray  # int64 [M], document
    item: np.ndarray  # int64 [M]
    start: np.ndarray  # int64 [M], bytes from the document's start
    end: np.ndarray  # int64 [M]
    first: np.ndarray  # int64 [M], word of the item, from 0, where its first n-gram begins
    grams: np.ndarray  # int64 [M], n-grams of the item, one after the other
    of: np.ndarray  # int64 [M], n-grams of the item that count
    score: np.ndarray  # float64 [M], of the document and the item, 0 to 1: the same in all their rows
    over: np.ndarray  # bool [M], whether the rule calls the document contaminated by the item

    def take(self, chosen: np.ndarray) -> "Matches":
        """Those rows alone, by mask or places."""
        return Matches(*(column[chosen] for column in self))


class Rule(NamedTuple):
    """A published rule. Both functions are pure; an index is made once a worker."""

    action: Action  # its own
    least: float  # the score from which it calls a document contaminated
    indexed: Callable[[list[Item], int, int, np.ndarray], Index]  # items, least_words, most_items, frequent n-grams
    matches: Callable[[Batch, Index, float], Matches]


def sorted_by(runs: Runs, owner: np.ndarray) -> tuple[Runs, np.ndarray]:
    """Runs by document, owner (an item or a sequence of each) and first n-gram; and their owners."""
    order = np.lexsort((runs.first, owner, runs.row))
    return Runs(*(column[order] for column in runs)), owner[order]


@njit(nogil=True, cache=True)
def held(group, low, high, prefix):  # type: ignore[no-untyped-def]
    """The weight that the intervals [low, high) of each group cover together: float64 [R], a group's rows alike.

    Rows by group, then `low`; prefix: float64, sums of weights up to each place. What two intervals share counts once.
    """
    out = np.zeros(len(group))
    begin = 0
    while begin < len(group):
        end, total, done = begin, 0.0, np.int64(0)
        while end < len(group) and group[end] == group[begin]:
            if high[end] > done or end == begin:
                total += prefix[high[end]] - prefix[low[end] if end == begin else max(low[end], done)]
                done = high[end]
            end += 1
        out[begin:end] = total
        begin = end
    return out


def groups(*columns: np.ndarray) -> np.ndarray:
    """A number for each run of equal rows: int64 [R]."""
    new = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.cumsum(new)


def prefix(weights: np.ndarray) -> np.ndarray:
    """Sums of weights up to each place: float64 [W + 1]."""
    return np.r_[0.0, np.cumsum(weights, dtype=np.float64)]


def matched(batch: Batch, index: Index, runs: Runs, score: np.ndarray, over: np.ndarray) -> Matches:
    """Runs as matches of their documents, in the order that `Matches` has."""
    (offsets, _), words, own = batch.utf8, batch.words, index.sequences
    item = own.item[runs.sequence]
    grams = np.bincount(own.item, np.diff(prefix(index.counts)[own.first])).astype(np.int64)
    found = Matches(
        runs.row,
        item,
        words.starts[runs.start] - offsets[runs.row],
        words.ends[runs.end - 1] - offsets[runs.row],
        runs.first - own.first[np.searchsorted(own.item, item)],
        runs.last - runs.first,
        grams[item],
        score,
        over,
    )
    return found.take(np.lexsort((found.first, found.end, found.start, found.item, found.row)))


def merged(found: Matches, rows: int) -> Spans:
    """The pieces of each of `rows` documents that matches cover, those that overlap or touch as one."""
    order = np.lexsort((found.end, found.start, found.row))
    row, starts, ends, count = _merged(found.row[order], found.start[order], found.end[order])
    first = bounds(np.bincount(row[:count], minlength=rows))
    return Spans(first, starts[:count], ends[:count])


@njit(nogil=True, cache=True)
def _merged(row, start, end):  # type: ignore[no-untyped-def]
    rows, starts, ends = np.empty_like(row), np.empty_like(row), np.empty_like(row)
    count = 0
    for m in range(len(row)):
        if count and rows[count - 1] == row[m] and start[m] <= ends[count - 1]:
            ends[count - 1] = max(ends[count - 1], end[m])
            continue
        rows[count], starts[count], ends[count] = row[m], start[m], end[m]
        count += 1
    return rows, starts, ends, count
