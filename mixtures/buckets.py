"""Buckets of a column as domains: what a stage said of documents, such as a quality, decides where tokens count.

A column of names, whole numbers or booleans holds its buckets itself. One of scores needs edges: [0.3, 0.7] makes
`below 0.3`, `0.3 to 0.7` (its lower end within) and `0.7 and up`.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from corpus.errors import RecipeError

MOST = 1_000
"""Buckets a column may have. An id or a URL has one a document, and no mixture of these is meant."""


class Buckets(BaseModel):
    """Which column decides, and for scores the edges between buckets, ascending."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    column: str
    edges: tuple[float, ...] = ()

    def of(self, values: pa.ChunkedArray | pa.Array) -> pa.Array:
        """The bucket of each document: string [N].

        Raises RecipeError where a value is null or no number, edges are missing, idle or do not ascend.
        """
        values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        if values.null_count:
            raise RecipeError(
                f"--by {self.column}: {values.null_count:,} of {len(values):,} kept documents of a shard have no value "
                f"there, so their tokens belong to no bucket. Take a column that every kept document has."
            )
        if self.edges:
            return self._between(values)
        if not is_bucketed(values.type):
            raise RecipeError(f"--by {self.column}: it holds {values.type}, no buckets; give --edges, such as 0.3,0.7")
        return pc.cast(values, pa.string())

    def _between(self, values: pa.Array) -> pa.Array:
        if not is_number(values.type):
            raise RecipeError(f"--by {self.column}: it holds {values.type}, and edges are of numbers; leave them out")
        if not all(map(isfinite, self.edges)) or any(low >= high for low, high in pairwise(self.edges)):
            raise RecipeError(f"--edges {_listed(self.edges)}: give finite numbers, each above the one before")
        scores = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        if np.isnan(scores).any():
            raise RecipeError(f"--by {self.column}: {np.isnan(scores).sum():,} kept documents of a shard are no number")
        numbers = np.searchsorted(np.asarray(self.edges), scores, side="right")
        return pa.array(self.names, pa.string()).take(pa.array(numbers))

    @property
    def names(self) -> list[str]:
        """Names of the buckets between edges, from the lowest; none without edges."""
        if not self.edges:
            return []
        inner = [f"{low!r} to {high!r}" for low, high in pairwise(self.edges)]
        return [f"below {self.edges[0]!r}", *inner, f"{self.edges[-1]!r} and up"]


def counted(buckets: pa.Array, sizes: np.ndarray) -> dict[str, int]:
    """Sizes by bucket. buckets: string [N]; sizes: int64 [N], tokens or bytes; sums are exact.

    Raises RecipeError where there are more than MOST buckets.
    """
    coded = buckets.dictionary_encode()
    names = coded.dictionary.to_pylist()
    if len(names) > MOST:
        raise RecipeError(
            f"--by: {len(names):,} different values, at most {MOST:,} buckets make a mixture; "
            f"take a column of fewer, or give --edges"
        )
    sums = np.zeros(len(names), np.int64)
    np.add.at(sums, coded.indices.to_numpy(zero_copy_only=False), sizes)
    return dict(zip(names, sums.tolist(), strict=True))


def added(parts: Sequence[dict[str, int]]) -> dict[str, int]:
    """The sums by name over several counts, in the order of names."""
    names = sorted({name for part in parts for name in part})
    return {name: sum(part.get(name, 0) for part in parts) for name in names}


def is_bucketed(kind: pa.DataType) -> bool:
    """Whether a column of that type holds buckets as it is."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return text or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def is_number(kind: pa.DataType) -> bool:
    """Whether edges can part a column of that type."""
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def _listed(edges: Sequence[float]) -> str:
    return ",".join(f"{edge:g}" for edge in edges)
