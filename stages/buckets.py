"""Buckets of equal size by how documents rank, of one scorer or an ensemble, and named levels made of buckets.

Nemotron-CC (Su et al. 2024) parts the tokens of each scorer at 5, 10, ..., 95 %, takes the largest of a document's
buckets, and merges the 20 buckets to five levels. CCNet (Wenzek et al. 2020) parts each language's perplexities at 30
and 60 %: `edges: [30, 60]`, `names: [head, middle, tail]`, `per: [language]`. Nothing is dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.documents import Columns
from corpus.errors import RecipeError
from stages.base import Column
from stages.quantiles import Quantiles

EDGES = tuple(float(edge) for edge in range(5, 100, 5))
LEVELS = ("low", "medium-low", "medium", "medium-high", "high")

FIRST = (0, 3, 7, 12, 18)
"""The lowest bucket of each of LEVELS. Buckets 18 and 19 feed Nemotron-CC's synthetic text; NeMo Curator's pipelines
rephrase buckets up to 11 and make questions and summaries of those from 12 on. 3 and 7 are our choice: the paper
merges by the results of annealing runs, which other corpora and scorers do not share. Set `first` by your own."""


@dataclass(frozen=True, kw_only=True)
class Buckets(Quantiles):
    """Give each document the bucket of equal size that its score lies in, and a level by name."""

    columns: tuple[str, ...] = ()
    edges: tuple[float, ...] = EDGES
    ensemble: Literal["max", "mean"] = "max"
    names: tuple[str, ...] = LEVELS
    first: tuple[int, ...] = ()

    name = "buckets"
    judging: ClassVar[tuple[str, ...]] = ("edges", "ensemble", "names", "first")

    def __post_init__(self) -> None:
        super().__post_init__()
        inside = all(0 < edge < 100 for edge in self.edges)
        if not self.edges or len(self.edges) > 99 or not inside or sorted(set(self.edges)) != list(self.edges):
            raise RecipeError("buckets: edges are percentages that ascend, above 0 and below 100, 1 to 99 of them")
        if not all(self.names) or len(set(self.names)) < len(self.names):
            raise RecipeError(f"buckets: names {list(self.names)} must be different, and none empty")
        lowest = self.lowest
        sound = lowest[:1] == (0,) and sorted(set(lowest)) == list(lowest) and lowest[-1] <= len(self.edges)
        if len(lowest) != len(self.names) or not sound:
            raise RecipeError(
                f"buckets: {len(self.edges)} edges make buckets 0 to {len(self.edges)}, and there are "
                f"{len(self.names)} names with first {list(lowest)}. Give a name a bucket, or in `first` the lowest "
                f"bucket of each name: 0, then ascending."
            )

    @property
    def lowest(self) -> tuple[int, ...]:
        """The lowest bucket of each name."""
        if self.first:
            return self.first
        if len(self.names) == len(self.edges) + 1:
            return tuple(range(len(self.names)))
        return FIRST if len(self.edges) == len(EDGES) else ()

    @property
    def scores(self) -> tuple[str, ...]:
        return self.columns

    @property
    def shares(self) -> tuple[Fraction, ...]:
        return tuple(Fraction(str(edge)) / 100 for edge in self.edges)

    @property
    def adds(self) -> dict[str, Column]:
        own = {f"{name}_bucket": Column(pa.int64(), f"bucket by {name}, null without a score") for name in self.columns}
        return own | {
            "bucket": Column(pa.int64(), "bucket by all scorers, 0 for the lowest scores; null without any score"),
            "level": Column(pa.string(), "name of the level that the bucket belongs to"),
        }

    def laid(self, scores: Sequence[np.ndarray], behind: Sequence[np.ndarray]) -> Columns:
        none = np.isnan(np.stack(scores))
        buckets = np.where(none, 0, np.stack(behind))
        known = (~none).sum(axis=0)
        if self.ensemble == "max":
            bucket = buckets.max(axis=0)
        else:  # of those that gave a score; a half goes up
            bucket = (2 * buckets.sum(axis=0) + known) // (2 * np.maximum(known, 1))
        level = np.searchsorted(self.lowest, bucket, side="right") - 1
        named = pa.array(self.names, pa.string()).take(pa.array(level, mask=known == 0))
        own = {f"{n}_bucket": pa.array(b, mask=m) for n, b, m in zip(self.columns, buckets, none, strict=True)}
        return own | {"bucket": pa.array(bucket, mask=known == 0), "level": named}
