"""The newest text of documents: what the stages that rewrite made of it, in the recipe's order.

A stage that rewrites lays `text`, `bytes` and `digest` beside the documents, null where it changed nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import shards
from corpus.documents import BYTES, DIGEST, TEXT
from corpus.storage import join

NEWEST = (TEXT, BYTES, DIGEST)
"""The columns that a later stage may lay anew."""


@dataclass(frozen=True)
class Newest:
    """Documents as a stage sees them: those at rest under what earlier stages laid over them."""

    documents: str  # folder
    rewriting: tuple[str, ...] = ()  # folders of the stages that rewrite, in order

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of a shard; `columns` as in shards.read."""
        return self._laid_over(name, columns, shards.read)

    def take(self, name: str, rows: np.ndarray, columns: Sequence[str]) -> pa.Table:
        """Some rows of a shard, as shards.take."""
        return self._laid_over(name, columns, lambda url, some: shards.take(url, rows, list(some or ())))

    def _laid_over(
        self, name: str, columns: Sequence[str] | None, read: Callable[[str, Sequence[str] | None], pa.Table]
    ) -> pa.Table:
        table = read(join(self.documents, f"{name}.parquet"), columns)
        moved = [column for column in NEWEST if column in table.column_names]
        for folder in self.rewriting if moved else ():
            table = over(read(join(folder, f"{name}.parquet"), moved), table)
        return table


def over(newer: pa.Table, table: pa.Table, where: np.ndarray | None = None) -> pa.Table:
    """The table with the columns of `newer` where they are not null (and `where`, bool [N], says so)."""
    for column in newer.column_names:
        laid = newer[column] if where is None else pc.if_else(pa.array(where), newer[column], None)
        table = table.set_column(table.schema.get_field_index(column), column, pc.coalesce(laid, table[column]))
    return table
