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
from corpus.documents import BYTES, DROP, TEXT, VALUE
from corpus.storage import join
from pipeline.newest import NEWEST, over
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
        """The documents' own columns, all rows; of a text that stages rewrote, the newest that the document came to."""
        table = self.original(columns)
        moved = [name for name in NEWEST if name in table.column_names]
        for step in self.rewriting if moved else ():
            table = over(shards.read(self.url(step), moved), table, self._after(step))
        return table

    def original(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The documents' own columns as they were read, all rows."""
        return shards.read(self.url(self.plan.documents), columns)

    def take(self, rows: np.ndarray, columns: Sequence[str]) -> pa.Table:
        """Some rows (ascending) of the documents' own columns, as `documents` gives them."""
        table = shards.take(self.url(self.plan.documents), rows, columns)
        moved = [name for name in NEWEST if name in columns]
        for step in self.rewriting if moved else ():
            table = over(shards.take(self.url(step), rows, moved), table, self._after(step)[rows])
        return table

    def laid(self, step: Step) -> pa.Table:
        """What a stage laid but the text, all rows; null where a document was gone before that stage."""
        table = self._columns[step.name]
        number = self.plan.judged.index(step)
        here = (self.dropped_by < 0) | (self.dropped_by >= number)
        if here.all():
            return table
        return table.take(pa.array(np.arange(table.num_rows), mask=~here))

    def changed(self, step: Step) -> tuple[np.ndarray, np.ndarray]:
        """Of a stage that rewrites: which documents it kept and changed, bool [N], and their new bytes, int64 [N]."""
        size = self._columns[step.name][BYTES].combine_chunks()
        return size.is_valid().to_numpy(zero_copy_only=False) & self._after(step), size.fill_null(0).to_numpy()

    @cached_property
    def rewriting(self) -> list[Step]:
        """Stages that laid a new text, in order."""
        return [step for step in self.plan.judged if TEXT in shards.schema(self.url(step)).names]

    def _after(self, step: Step) -> np.ndarray:
        """bool [N]: documents that a stage was given and did not drop."""
        number = self.plan.judged.index(step)
        return (self.dropped_by < 0) | (self.dropped_by > number)  # type: ignore[no-any-return]

    @cached_property
    def _columns(self) -> dict[str, pa.Table]:
        """What every stage laid but the text, as it is at rest; a hundredth of the text."""
        urls = {step.name: self.url(step) for step in self.plan.judged}
        rewrote = {step.name for step in self.rewriting}
        columns = {name: [c for c in shards.schema(urls[name]).names if c != TEXT] for name in rewrote}
        return {name: shards.read(url, columns.get(name)) for name, url in urls.items()}

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
