"""Planted near-duplicates: copies with k % of their words edited, so that the truth is known without looking for it.

A run's own pairs of 0.9 and more are many and those of 0.6 few; planted ones fill every bin, and most have an
original of their own, so that they are independent draws as theory's curve takes them to be.
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.documents import CORE, ID, Batch
from corpus.hashing import stable_hash
from pipeline.audit.recall import Draws
from pipeline.audit.truth import band_keys, joined, meet, shingle_sets, similarities
from stages.minhash import MinHash

PERCENT = (0.5, 1, 2, 3, 4, 5, 6, 7, 10, 20, 40)
"""Of a text's words that are edited. Jaccard of word 5-grams is then about 0.95, 0.91, 0.83, 0.76, 0.70, 0.64, 0.59,
0.55, 0.43, 0.21 and 0.05 (means over 3,000 copies of web pages, manuals and books): all bins, and three below them."""

REPLACED, DELETED = 0.6, 0.2
"""Shares of the edits; the other 0.2 insert a word."""

MOST_BYTES = 64_000_000
"""Text of all copies: with their words and shingles about 600 MB."""


class Copies(NamedTuple):
    """Edited copies, and what each was made of."""

    batch: Batch
    original: np.ndarray  # int64 [C], row of the batch of originals
    percent: np.ndarray  # float64 [C], of PERCENT


def copies(originals: Batch, count: int, seed: int) -> Copies:
    """At most `count` edited copies of texts that have words, MOST_BYTES of them; the same seed gives the same.

    Every PERCENT comes about as often, and so does every original. New words are drawn from those of all originals, so
    they are of the corpus's languages. A Python loop over copies: 0.5 ms each, and they are a few thousand.
    """
    number = np.arange(count if len(originals) else 0)
    original = number % max(1, len(originals))
    size = np.diff(originals.utf8[0])[original]
    number, original = number[np.cumsum(size) <= MOST_BYTES], original[np.cumsum(size) <= MOST_BYTES]
    percent = np.array(PERCENT)[(number + number // max(1, len(originals))) % len(PERCENT)]
    ids = originals.column(ID).to_pylist()
    texts = []
    for copy, row, share in zip(number.tolist(), original.tolist(), percent.tolist(), strict=True):
        draw = np.random.RandomState(stable_hash("planted", seed, ids[row], copy, bits=32))
        texts.append(_edited(originals, row, share, draw).decode())
    names = [f"planted-{n}" for n in number]
    rows = pa.record_batch([names, pa.array(texts, pa.large_string()), [""] * len(texts)], schema=CORE)
    return Copies(Batch(rows), original, percent)


def _edited(batch: Batch, row: int, percent: float, draw: np.random.RandomState) -> bytes:
    """A text with `percent` % of its words edited, at least one."""
    (offsets, data), words = batch.utf8, batch.words
    first, stop, at = int(words.first[row]), int(words.first[row + 1]), int(offsets[row])
    count = max(1, round((stop - first) * percent / 100))
    places = first + np.sort(draw.choice(stop - first, count, replace=False))
    kinds, others = draw.random_sample(count), draw.randint(0, len(words.starts), count)
    pieces = []
    for place, kind, other in zip(places.tolist(), kinds.tolist(), others.tolist(), strict=True):
        inserts = kind >= REPLACED + DELETED
        pieces.append(data[at : words.ends[place] if inserts else words.starts[place]].tobytes())
        if inserts or kind < REPLACED:
            pieces.append(b" " * inserts + data[words.starts[other] : words.ends[other]].tobytes())
        at = int(words.ends[place])
    pieces.append(data[at : offsets[row + 1]].tobytes())
    return b"".join(pieces)


def drawn(originals: Batch, made: Copies, stage: MinHash) -> Draws:
    """Each copy with its original as a pair; caught: they share a band and are at least `least` alike."""
    pair = originals.rows.num_rows + np.arange(len(made.original))
    sets, keys = ([of(batch, stage) for batch in (originals, made.batch)] for of in (shingle_sets, band_keys))
    whole, proposed = joined(sets), meet(joined(keys), made.original, pair)
    alike = similarities(whole, pair, made.original, stage.measure) >= stage.least
    return Draws(similarities(whole, made.original, pair), proposed, proposed & alike, made.original)


def by_percent(draws: Draws, percent: np.ndarray) -> list[dict[str, Any]]:
    """{percent, pairs, similarity, proposed, caught} for each PERCENT: means, null where there is no copy."""
    rows = []
    for share in PERCENT:
        of = percent == share
        row: dict[str, Any] = {"percent": share, "pairs": int(of.sum())}
        means = {name: float(getattr(draws, name)[of].mean()) if of.any() else None for name in _MEANS}
        rows.append(row | means)
    return rows


_MEANS = ("similarity", "proposed", "caught")
