"""Exact duplicates: documents whose text is the same, byte for byte.

The key is BLAKE2b-128 of the text, a cryptographic hash: two different texts with one key are not found by
chance (2**-128 a pair) nor by design, so the text need not be read again to decide.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from corpus.documents import Batch, halves
from stages.clusters import Deduplication, ranks, verdicts

REASON = "exact duplicate"


@dataclass(frozen=True, kw_only=True)
class Exact(Deduplication):
    """Of documents with the same text, keep the one whose id has the least hash; drop the others."""

    name = "exact"
    transitive = False

    def emit(self, batch: Batch) -> pa.Table:
        key, key2 = halves(batch.digests)
        return pa.table([key, key2, np.arange(len(batch)), ranks(batch)], schema=self.emitted())

    def verify(self, texts: pa.Table) -> pa.Table:
        """Every member of a cluster repeats its keeper, the first row of the cluster."""
        cluster = texts["cluster"].to_numpy()
        first = np.r_[True, cluster[1:] != cluster[:-1]] if len(cluster) else np.zeros(0, bool)
        keeper = np.maximum.accumulate(np.where(first, np.arange(len(cluster)), 0))
        return verdicts(texts, keeper, np.ones(len(cluster)), REASON)
