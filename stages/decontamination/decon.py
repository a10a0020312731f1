"""decon, the tool of OLMo 3 (github.com/allenai/decon, doc/simple-details.md): question, answer and passage by weight.

Where 5-grams of a question stand close together, with fewer than 11 misses between two, is a *cluster*. Its overlap is
the share of the question's 5-grams that it holds, weighted by how few items have each (IDF). Answer and passage are
looked for around it. The three add up by weights that hang on which parts there are and how long the question is; the
shorter the item, the higher the score that it must reach.

decon counts cl100k tokens and looks at every tenth place of a document, then to both sides. Words are counted here, and
every place is looked at: the same clusters, and those that sampling misses.
"""

from typing import NamedTuple

import numpy as np

from corpus.documents import Batch
from stages.decontamination.items import Item
from stages.decontamination.matches import Matches, Rule, groups, held, prefix
from stages.decontamination.ngram_index import Index, index, measured, sequences
from stages.decontamination.ngram_walk import Runs, found

N = 5
MISSES = 11  # n-grams in a row that end a cluster
WEIGHTS = {  # of question, answer, passage; by whether the item has an answer, a passage
    (True, True): (0.7, 0.2, 0.1),
    (True, False): (0.75, 0.25, 0.0),
    (False, True): (0.85, 0.0, 0.15),
    (False, False): (1.0, 0.0, 0.0),
}
SURE_GRAMS = 20  # of a question: with fewer its weight goes down to a half, and to the other parts
PERFECT, USUAL = 20, 50  # words of an item that must match whole, and of one to which `least_score` applies
LEAST_WORDS, LEAST_DIFFERENT = 20, 4  # words of an item that is looked for, and different ones among them
NEAR = 50  # words from a cluster in which an answer or passage counts, or twice its length if that is more

QUESTION, ANSWER, PASSAGE = range(3)  # sequence 3 * item + part


def _index(items: list[Item], least_words: int, most_items: int, frequent: np.ndarray) -> Index:
    texts = [part for item in items for part in (item.question, item.answer, item.passage)]
    own = sequences(texts, np.repeat(np.arange(len(items)), 3), N, N)
    ignored = own.sizes.reshape(-1, 3).sum(axis=1) < LEAST_WORDS
    for i in np.flatnonzero(~ignored).tolist():  # a Python loop over items, 6 us each
        ignored[i] = len(np.unique(own.words[own.first[3 * i] : own.first[3 * i + 3]])) < LEAST_DIFFERENT
    n = np.where(np.repeat(ignored, 3), 0, N)
    whole = measured(own.first, own.words, own.item, n, N)
    return index(whole._replace(n=np.where(whole.sizes >= N, whole.n, 0)), most_items, frequent)


class Cluster(NamedTuple):
    """Places of a document that a question's n-grams hold together: C of them."""

    row: np.ndarray  # int64 [C]
    item: np.ndarray  # int64 [C]
    start: np.ndarray  # int64 [C], its first word, in the batch's word pass
    end: np.ndarray  # int64 [C], behind its last word
    first: np.ndarray  # int64 [C], word of the question
    grams: np.ndarray  # int64 [C], different n-grams of the question in it
    overlap: np.ndarray  # float64 [C]


def _matches(batch: Batch, index: Index, least: float) -> Matches:
    runs = found(batch.words, index)
    runs = Runs(*(column[np.lexsort((runs.start, runs.sequence, runs.row))] for column in runs))
    weights = prefix(_weights(index))
    clusters, limits = _clusters(runs, index, weights), _limits(index, least)
    hopeful = _most(index, clusters) >= limits[clusters.item]
    clusters = Cluster(*(column[hopeful] for column in clusters))
    score = _scores(batch, index, runs, clusters, weights)
    return _as_matches(batch, index, clusters, score, score >= limits[clusters.item] - 1e-9)


def _weights(index: Index) -> np.ndarray:
    """ln(1 + items / items with the n-gram) where one that counts begins: float64 [W]; without the 1 it could be 0."""
    items = len(index.sequences.n) // 3
    return np.where(index.counts, np.log1p(items / np.maximum(index.held, 1)), 0.0)


def _limits(index: Index, least: float) -> np.ndarray:
    """The score that each item must reach: 1 at PERFECT words, `least` from USUAL on, between them linear."""
    size = index.sequences.sizes.reshape(-1, 3).sum(axis=1)
    limits: np.ndarray = 1 - (1 - least) * np.clip((size - PERFECT) / (USUAL - PERFECT), 0, 1)
    return limits


def _part_weights(index: Index) -> np.ndarray:
    """Of question, answer and passage of each item, adding up to 1: float64 [I, 3]."""
    size = index.sequences.sizes.reshape(-1, 3)
    there = zip((size[:, ANSWER] > 0).tolist(), (size[:, PASSAGE] > 0).tolist(), strict=True)
    weights = np.array([WEIGHTS[one] for one in there]).reshape(-1, 3)
    grams = np.diff(prefix(index.counts)[index.sequences.first]).reshape(-1, 3)[:, QUESTION]
    others = weights[:, ANSWER:].sum(axis=1)
    question = np.where(others > 0, weights[:, QUESTION] * (0.5 + 0.5 * np.minimum(grams / SURE_GRAMS, 1)), 1.0)
    rest = weights[:, ANSWER:] * ((1 - question) / np.where(others > 0, others, 1))[:, None]
    return np.column_stack([question, rest])


def _clusters(runs: Runs, index: Index, weights: np.ndarray) -> Cluster:
    asked = runs.sequence % 3 == QUESTION
    row, sequence, start, end, first, last = (column[asked] for column in runs)
    new = np.ones(len(row), bool)
    new[1:] = (row[1:] != row[:-1]) | (sequence[1:] != sequence[:-1]) | (start[1:] - (end[:-1] - N) - 1 >= MISSES)
    lead, cluster = np.flatnonzero(new), np.cumsum(new) - 1
    order = np.lexsort((first, cluster))
    of = (groups(cluster[order]), first[order], last[order])
    own, grams = held(*of, weights)[lead], held(*of, prefix(index.counts))[lead]
    begins = index.sequences.first[sequence[lead]]
    total = weights[index.sequences.first[sequence[lead] + 1]] - weights[begins]
    behind = np.maximum.reduceat(end, lead) if len(lead) else end
    lowest = first[order][lead] - begins
    return Cluster(row[lead], sequence[lead] // 3, start[lead], behind, lowest, grams.astype(np.int64), own / total)


def _most(index: Index, clusters: Cluster) -> np.ndarray:
    """The score that a cluster would have if answer and passage were there whole."""
    weight = _part_weights(index)[clusters.item, QUESTION]
    most: np.ndarray = weight * clusters.overlap + (1 - weight) + 1e-9
    return most


def _scores(batch: Batch, index: Index, runs: Runs, clusters: Cluster, weights: np.ndarray) -> np.ndarray:
    """float64 [C]. A Python loop over clusters that may pass, 150 us each: a document holds none, or a few."""
    parts, firsts = _part_weights(index), batch.words.first
    place = runs.row * len(index.sequences.n) + runs.sequence
    scores = parts[clusters.item, QUESTION] * clusters.overlap
    for c, (row, item) in enumerate(zip(clusters.row.tolist(), clusters.item.tolist(), strict=True)):
        for part in (ANSWER, PASSAGE):
            sequence = 3 * item + part
            size = int(index.sequences.sizes[sequence])
            if size == 0:
                continue
            near = NEAR if size < N else max(NEAR, 2 * size)
            low, high = (
                max(int(firsts[row]), clusters.start[c] - near),
                min(int(firsts[row + 1]), clusters.end[c] + near),
            )
            if size < N:
                share = float(_stands(batch.words.hashes[low:high], _words(index, sequence)))
            else:
                begin, end = np.searchsorted(place, row * len(index.sequences.n) + sequence + np.arange(2))
                share = _share(Runs(*(column[begin:end] for column in runs)), low, high, index, sequence, weights)
            scores[c] += parts[item, part] * share
    return scores


def _words(index: Index, sequence: int) -> np.ndarray:
    return index.sequences.words[index.sequences.first[sequence] : index.sequences.first[sequence + 1]]


def _stands(here: np.ndarray, sought: np.ndarray) -> bool:
    """Whether the words `sought` stand in `here`, one after the other."""
    if len(here) < len(sought):
        return False
    windows = np.lib.stride_tricks.sliding_window_view(here, len(sought))
    return bool((windows == sought).all(axis=1).any())


def _share(runs: Runs, low: int, high: int, index: Index, sequence: int, weights: np.ndarray) -> float:
    """The weighted share of a sequence's n-grams that stand between two words."""
    near = (runs.start >= low) & (runs.end <= high)
    first, last = runs.first[near], runs.last[near]
    if len(first) == 0:
        return 0.0
    order = np.argsort(first, kind="stable")
    total = weights[index.sequences.first[sequence + 1]] - weights[index.sequences.first[sequence]]
    return float(held(np.zeros(len(first), np.int64), first[order], last[order], weights)[0] / total)


def _as_matches(batch: Batch, index: Index, clusters: Cluster, score: np.ndarray, over: np.ndarray) -> Matches:
    """A match a cluster, from its first word to its last, edited words among them."""
    (offsets, _), words = batch.utf8, batch.words
    counted = np.diff(prefix(index.counts)[index.sequences.first]).astype(np.int64)
    found = Matches(
        clusters.row,
        clusters.item,
        words.starts[clusters.start] - offsets[clusters.row],
        words.ends[clusters.end - 1] - offsets[clusters.row],
        clusters.first,
        clusters.grams,
        counted[3 * clusters.item + QUESTION],
        score,
        over,
    )
    return found.take(np.lexsort((found.start, found.item, found.row)))


RULE = Rule("drop", 0.8, _index, _matches)
