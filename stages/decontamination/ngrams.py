"""What the rules of plain n-grams share: an item is its question and its answer, one after the other, in n-grams.

The score is the share of the item's n-grams that count, or of its words that lie in one, that the document holds.
"""

from collections.abc import Sequence

import numpy as np

from corpus.documents import Batch
from stages.decontamination.items import Item
from stages.decontamination.matches import Matches, groups, held, matched, prefix, sorted_by
from stages.decontamination.ngram_index import Index, Sequences, index, sequences
from stages.decontamination.ngram_walk import found


def item_words(items: Sequence[Item], n: int | np.ndarray, least_words: int) -> Sequences:
    """Question and answer of each item as one sequence."""
    texts = [f"{item.question}\n{item.answer}" for item in items]
    return sequences(texts, np.arange(len(items)), n, least_words)


def index_of(n: int, items: list[Item], least_words: int, most_items: int, frequent: np.ndarray) -> Index:
    """The n-grams of all items."""
    return index(item_words(items, n, least_words), most_items, frequent)


def by_grams(batch: Batch, index: Index, least: float) -> Matches:
    """Matches scored by the share of the item's n-grams."""
    return _scored(batch, index, least, index.counts, np.ones(len(index.of), np.int64))


def by_words(batch: Batch, index: Index, least: float) -> Matches:
    """Matches scored by the share of the item's words in n-grams that count."""
    n = index.sequences.n[index.of]
    return _scored(batch, index, least, _within(index.counts, n), n)


def _within(counts: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Which words lie in an n-gram that counts: bool [W]."""
    begins = np.flatnonzero(counts)
    edge = np.zeros(len(counts) + 1, np.int64)
    np.add.at(edge, begins, 1)
    np.add.at(edge, begins + n[begins], -1)
    return np.cumsum(edge)[:-1] > 0


def _scored(batch: Batch, index: Index, least: float, weights: np.ndarray, width: np.ndarray) -> Matches:
    """width: int64 [W], how many places of `weights` the n-gram that begins there covers."""
    runs = found(batch.words, index)
    runs, sequence = sorted_by(runs, runs.sequence)
    sums, first = prefix(weights), index.sequences.first
    high = runs.last - 1 + width[runs.last - 1] if len(runs.last) else runs.last
    total = sums[first[sequence + 1]] - sums[first[sequence]]
    score = held(groups(runs.row, sequence), runs.first, high, sums) / np.maximum(total, 1)
    return matched(batch, index, runs, score, score >= least)
