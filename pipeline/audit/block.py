"""The block of texts that exact truth is made for, chosen without a look at what the stage did.

The whole corpus where it has no more documents than asked for and 128 MB of text. Else each text is given a number
by the least of its shingles under a hash that the stage does not know, and the texts of the least numbers are
the block. Two texts of similarity s have that shingle in common with chance s, and so are in or out together:
duplicates meet, as they would not in a random sample, and those that the stage missed as often as those it
caught. Within a bin of similarity all pairs weigh alike.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit

from corpus.documents import ID
from corpus.hashing import hash64, mix64, stable_hash
from pipeline.audit.columns import Found
from pipeline.audit.recall import LEAST, Draws
from pipeline.audit.sample import Sample
from pipeline.audit.subject import Shard, Subject
from pipeline.audit.truth import Pairs, Sets, band_keys, families, joined, meet, pairs, shingle_sets

MOST_PLANTED_BYTES = 32_000_000
"""Text of the originals of planted copies."""

LEAST_WORDS = 20
"""Of a text that is planted: one edited word of 20 touches 5 of its 16 5-grams, and is 5 % of it, not 1 %."""

_NO_WORDS = np.uint64(2**64 - 1)


@dataclass
class Block:
    """Texts of a sample by shard and row: their sets, their band keys, and what became of them."""

    sample: Sample
    originals: Sample  # those that the run kept and copies can be made of
    sets: list[Sets] = field(default_factory=list)
    keys: list[Sets] = field(default_factory=list)
    named: list[np.ndarray] = field(default_factory=list)  # bool, called a duplicate

    def draws(self, truth: Pairs) -> Draws:
        """The pairs of the truth, and what the stage made of them."""
        a, b, similarity = truth
        named = np.concatenate([np.zeros(0, bool), *self.named])
        family = families(len(self.sample), a, b)[a]
        return Draws(similarity, meet(joined(self.keys), a, b), named[a] | named[b], family)

    def facts(self, found: Found, truth: Pairs) -> dict[str, Any]:
        """{documents, bytes, whole, pairs}: how much of the corpus this is, and its pairs of at least 0.5."""
        size = len(self.sample)
        facts = {"documents": size, "bytes": self.sample.bytes, "whole": size == found.documents}
        return facts | {"pairs": len(truth.a)}


def block(subject: Subject, found: Found, planted: int, seed: int) -> tuple[Block, Pairs]:
    """The block and its truth; half of it, and half again, while there is more truth than can be held.

    planted: most originals of copies.
    """
    small = found.all.whole or found.all.most == 0
    sample = found.all if small else _meeting(subject, found.all.most, seed)
    while True:
        read = _read(subject, sample, planted, seed)
        truth = pairs(joined(read.sets), LEAST)
        if truth is not None:
            return read, truth
        sample = sample.half()


def _meeting(subject: Subject, most: int, seed: int) -> Sample:
    """The sample in which duplicates meet: one pass over all text, at the speed of the word pass."""
    sample, salt = Sample(most), np.uint64(stable_hash("block", seed))
    for number, shard in subject.shards():
        rows = np.flatnonzero(shard.came)
        keys = [_least(*subject.stage.shingles(batch), salt) for batch in shard.batches(rows)]
        key = np.concatenate([np.zeros(0, np.uint64), *keys])
        worded = key != _NO_WORDS
        sample.offer(key[worded], number, rows[worded], shard.size[rows][worded])
    return sample


@njit(nogil=True, cache=True)
def _least(first, values, salt):  # type: ignore[no-untyped-def]
    """The least hash of each document's shingles, hashed again, or long texts with many shingles would come first."""
    out = np.full(len(first) - 1, _NO_WORDS)
    for n in range(len(out)):
        for i in range(first[n], first[n + 1]):
            out[n] = min(out[n], mix64(values[i] ^ salt))
        if first[n] < first[n + 1]:
            out[n] = min(mix64(out[n] + salt), _NO_WORDS - np.uint64(1))
    return out


def _read(subject: Subject, sample: Sample, planted: int, seed: int) -> Block:
    read = Block(sample, Sample(planted, MOST_PLANTED_BYTES))
    for number, shard in subject.shards():
        rows = sample.rows(number)
        if len(rows):
            good = (_take(read, shard, rows) >= LEAST_WORDS) & shard.view.kept[rows]
            keys = hash64(shard.column(ID), seed + 1)[rows]
            read.originals.offer(keys[good], number, rows[good], shard.size[rows][good])
    return read


def _take(read: Block, shard: Shard, rows: np.ndarray) -> np.ndarray:
    """Words of each document: int64 [N]."""
    counts = []
    for batch in shard.batches(rows):
        read.sets.append(shingle_sets(batch, shard.subject.stage))
        read.keys.append(band_keys(batch, shard.subject.stage))
        counts.append(np.diff(batch.words.first))
    read.named.append(shard.named[rows])
    return np.concatenate(counts)
