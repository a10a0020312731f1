"""Dolma: a paragraph of 13 words or more that is, word for word, one of a benchmark (Soldaini et al. 2024, 4.3).

A paragraph is a line, as Dolma's tagger has it. Dolma asks a Bloom filter; here the words are compared.
"""

import numpy as np
import pyarrow as pa

from corpus.buffers import bounds
from corpus.documents import Batch
from corpus.words import words
from stages.decontamination.items import Item
from stages.decontamination.matches import Matches, Rule, groups, held, matched, prefix, sorted_by
from stages.decontamination.ngram_index import Index, Sequences, index
from stages.decontamination.ngram_walk import found_whole

LEAST_WORDS = 13


def _index(items: list[Item], least_words: int, most_items: int, frequent: np.ndarray) -> Index:
    """A line of question or answer is a sequence, and one n-gram as long as it is."""
    split = words(pa.array([f"{item.question}\n{item.answer}" for item in items], pa.large_string()))
    size = np.searchsorted(split.starts, split.line_ends) - np.searchsorted(split.starts, split.line_starts)
    item = np.repeat(np.arange(len(items)), np.diff(split.line_first))
    first = bounds(size)
    return index(Sequences(first, split.hashes, item, np.where(size >= LEAST_WORDS, size, 0)), most_items, frequent)


def _matches(batch: Batch, index: Index, least: float) -> Matches:
    """Matches scored by the share of the item's paragraphs; any is enough."""
    words = batch.words
    begin, end = np.searchsorted(words.starts, words.line_starts), np.searchsorted(words.starts, words.line_ends)
    end = np.where(end - begin >= LEAST_WORDS, end, begin)
    runs = found_whole(words.line_first, begin, end, words.hashes, index)
    item_of = index.sequences.item
    runs, item = sorted_by(runs, item_of[runs.sequence])
    sums = prefix(index.counts)
    lines = np.bincount(item_of, np.diff(sums[index.sequences.first]))  # of each item, those that count
    score = held(groups(runs.row, item), runs.first, runs.last, sums) / np.maximum(lines[item], 1)
    return matched(batch, index, runs, score, score >= least)


RULE = Rule("drop", 0.0, _index, _matches)
