"""One shard as a whole: its documents, and what every stage laid beside them.

Later stages see kept rows only. At rest a stage may hold values for a document that another stage, run in
the same pass or after it, drops earlier in the recipe's order; a view shows what the order says: columns of
a stage are null for documents that were gone before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import shards
from corpus.documents import DROP, VALUE
from corpus.storage import join
from pipeline.plan import Plan, Step


@dataclass(frozen=True)
class View:
    """A shard of a run whose stages are done."""

    plan: Plan
    at: str
    name: str

    def url(self, step: Step) -> str:
        """Where a step's file of this shard lies."""
        return join(self.at, step.folder, f"{self.name}.parquet")

    def documents(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The documents' own columns, all rows."""
        return shards.read(self.url(self.plan.documents), columns)

    def laid(self, step: Step) -> pa.Table:
        """What a stage laid, all rows; null where a document was gone before that stage."""
        table = self._columns[step.name]
        number = self.plan.judged.index(step)
        here = (self.dropped_by < 0) | (self.dropped_by >= number)
        if here.all():
            return table
        return table.take(pa.array(np.arange(table.num_rows), mask=~here))

    @cached_property
    def _columns(self) -> dict[str, pa.Table]:
        """What every stage laid, as it is at rest; a hundredth of the text."""
        return {step.name: shards.read(self.url(step)) for step in self.plan.judged}

    @cached_property
    def dropped_by(self) -> np.ndarray:
        """int64 [N]: the number of the stage (in `plan.judged`) that dropped each document, -1 for kept."""
        by: np.ndarray | None = None
        for number, step in enumerate(self.plan.judged):
            drop = self._columns[step.name][DROP].is_valid().to_numpy()
            by = np.full(len(drop), -1) if by is None else by
            by[(by < 0) & drop] = number
        return np.full(shards.rows(self.url(self.plan.documents)), -1) if by is None else by

    @cached_property
    def kept(self) -> np.ndarray:
        """bool [N]: documents that no stage dropped."""
        return self.dropped_by < 0  # type: ignore[no-any-return]

    def reasons(self) -> pa.Table:
        """`stage`, `drop` and `value` of every document, null for kept ones."""
        names = pa.array([step.name for step in self.plan.judged], pa.string())
        by = self.dropped_by
        stage = names.take(pa.array(by, mask=by < 0))
        drop, value = pa.nulls(len(by), pa.string()), pa.nulls(len(by), pa.float64())
        for number, step in enumerate(self.plan.judged):
            part = self._columns[step.name]
            mine = pa.array(by == number)
            drop = _chosen(mine, part[DROP], drop)
            value = _chosen(mine, part[VALUE], value)
        return pa.table({"stage": stage, DROP: drop, VALUE: value})


def _chosen(where: pa.Array, then: pa.ChunkedArray, otherwise: pa.Array) -> pa.Array:
    chosen = pc.if_else(where, then, otherwise)
    return chosen.combine_chunks() if isinstance(chosen, pa.ChunkedArray) else chosen
