"""What the columns of a stage say, without a text: losses by domain, sizes of clusters, and who is to be looked at.

One pass over columns, a hundredth of the text. State: 16 bytes a clustered document, and the samples.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DOMAIN, ID
from corpus.hashing import hash64
from pipeline.audit.sample import Sample
from pipeline.audit.subject import Shard, Subject

MOST_VERIFIED = 20_000
"""Removed documents whose similarity is recomputed: all up to here, then a sample: 10 wrong ones in 20,000 show as
0.9995, with an interval from 0.9990 to 0.9998."""

LARGEST = 5
"""Clusters that are shown with a difference between two of their texts."""

SIZES = (2, 3, 4, 5, 10, 20, 50, 100, 1_000, 10_000)
"""Where the bars of the histogram begin, in documents."""


@dataclass
class Found:
    """Sums over shards, and samples of all documents that came and of those removed as another's duplicate."""

    all: Sample
    gone: Sample
    domains: dict[str, list[int]] = field(default_factory=dict)  # documents, removed, bytes, bytes removed
    clusters: list[np.ndarray] = field(default_factory=list)  # uint64 [2, C] a shard: hash of the name, size
    largest: dict[str, int] = field(default_factory=dict)  # name -> documents

    @property
    def documents(self) -> int:
        """That came to the stage."""
        return sum(one[0] for one in self.domains.values())

    @property
    def removed(self) -> int:
        """That the stage dropped."""
        return sum(one[1] for one in self.domains.values())


def columns(subject: Subject, sample: int, seed: int) -> Found:
    """Read the columns of every shard. `sample`: most documents of the block."""
    found = Found(Sample(sample), Sample(MOST_VERIFIED))
    for number, shard in subject.shards():
        _offer(found, shard, number, seed)
        _count(found.domains, shard)
        _clusters(found, shard)
    return found


def _offer(found: Found, shard: Shard, number: int, seed: int) -> None:
    keys = hash64(shard.column(ID), seed)
    for sample, there in ((found.all, shard.came), (found.gone, shard.removed & shard.named)):
        rows = np.flatnonzero(there)
        sample.offer(keys[rows], number, rows, shard.size[rows])


def _count(domains: dict[str, list[int]], shard: Shard) -> None:
    gone = shard.removed.astype(np.int64)
    numbers = {"one": np.ones(len(gone), np.int64), "gone": gone, "size": shard.size, "lost": shard.size * gone}
    table = pa.table({DOMAIN: shard.column(DOMAIN), **numbers}).filter(pa.array(shard.came))
    sums = table.group_by(DOMAIN).aggregate([(name, "sum") for name in numbers])
    for domain, *more in zip(*(sums[c].to_pylist() for c in (DOMAIN, *(f"{n}_sum" for n in numbers))), strict=True):
        before = domains.get(domain, [0, 0, 0, 0])
        domains[domain] = [a + b for a, b in zip(before, more, strict=True)]


def _clusters(found: Found, shard: Shard) -> None:
    """The clusters of a shard, each once; those of an index apart from those of the run with the same name."""
    there = shard.laid.select(["cluster", "cluster_size", "duplicate_in"]).filter(pc.is_valid(shard.laid["cluster"]))
    once = there.group_by(["cluster", "duplicate_in"]).aggregate([("cluster_size", "max")])
    name, size = once["cluster"].combine_chunks(), once["cluster_size_max"].to_numpy()
    index = hash64(once["duplicate_in"].combine_chunks(), 1)
    found.clusters.append(np.stack([hash64(name, 0) + index, size.astype(np.uint64)]))
    shown = np.flatnonzero(size >= np.sort(size)[-LARGEST:].min(initial=1))  # with all that are as large as the last
    met = list(found.largest.items()) + list(
        zip(name.take(pa.array(shown)).to_pylist(), size[shown].tolist(), strict=True)
    )
    found.largest = {}
    for one, documents in sorted(met, key=lambda one: (-one[1], one[0])):
        if len(found.largest) < LARGEST:
            found.largest.setdefault(one, documents)


def histogram(found: Found) -> list[dict[str, Any]]:
    """{low, high, clusters, documents} for each bar that has a cluster; `high` is null in the last."""
    pairs = np.concatenate([np.zeros((2, 0), np.uint64), *found.clusters], axis=1)
    _, first = np.unique(pairs[0], return_index=True)
    size = pairs[1][first].astype(np.int64)
    bar = np.searchsorted(SIZES, size, "right") - 1
    ends = [*(low - 1 for low in SIZES[1:]), None]
    return [
        {"low": low, "high": high, "clusters": int((bar == n).sum()), "documents": int(size[bar == n].sum())}
        for n, (low, high) in enumerate(zip(SIZES, ends, strict=True))
        if (bar == n).any()
    ]
