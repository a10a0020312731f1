"""What a stage is. A stage lays columns beside documents; a document with a `drop` reason is gone.

Settings are the stage: a frozen dataclass prints, compares, hashes and travels to a worker by itself.
`Local` judges every document alone. `Global` compares documents: it sends small keyed rows about.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.buffers import lengths
from corpus.documents import BYTES, DIGEST, DROP, TEXT, VALUE, Batch, Columns, digests
from corpus.errors import StageError

WORDS = "words"
"""In `reads`: the shared word pass of the batch, so that the runner can time it apart from the stages."""


class Needs(NamedTuple):
    """What one task of a stage takes from a machine."""

    cpus: float = 1
    gpus: float = 0

    @classmethod
    def of(cls, stages: "Iterable[Stage]") -> "Needs":
        """Of a task that runs all of them, one after the other: the most that one takes."""
        every = [cls(), *(stage.needs for stage in stages)]
        return cls(max(one.cpus for one in every), max(one.gpus for one in every))


class Column(NamedTuple):
    """A column that a stage lays: its Arrow type, and what its numbers mean, with the unit."""

    type: pa.DataType
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Common to Local and Global. Subclasses add their settings as dataclass fields with defaults."""

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raise it when the same settings give other columns; a golden test watches
    reads: ClassVar[tuple[str, ...]] = (TEXT,)
    needs: ClassVar[Needs] = Needs()
    rewrites: ClassVar[bool] = False  # lays a new `text`, null where it did not change; later stages see that one
    advisory: ClassVar[tuple[str, ...]] = ()  # settings that change no column, an alarm's limit: no part of identity

    @property
    def adds(self) -> Mapping[str, Column]:
        """The columns this stage lays beside `drop` and `value`."""
        return {}

    @property
    def files(self) -> tuple[str, ...]:
        """Files whose content this stage goes by (word lists, models): part of its identity like its settings."""
        return ()

    @property
    def then(self) -> "tuple[Stage, ...]":
        """Stages that a recipe which names this one has behind it as well, such as the quota of a scorer's scores."""
        return ()

    def settings(self) -> dict[str, Any]:
        """The settings as plain values, in the order of the fields."""
        return asdict(self)

    def schema(self) -> pa.Schema:
        """What one shard's columns of this stage look like at rest."""
        return self._schema

    @cached_property
    def _schema(self) -> pa.Schema:
        added = [pa.field(name, column.type) for name, column in self.adds.items()]
        return pa.schema([pa.field(DROP, pa.string()), pa.field(VALUE, pa.float64()), *added, *self._newest])

    @property
    def _newest(self) -> list[pa.Field]:
        """Columns of the new text, with its length and digest as documents have them."""
        named = ((TEXT, pa.large_string()), (BYTES, pa.int64()), (DIGEST, pa.binary(16)))
        return [pa.field(name, type) for name, type in named] if self.rewrites else []

    def checked(self, columns: Columns, rows: int) -> pa.Table:
        """The columns as a table in the declared schema; StageError where the contract is broken."""
        schema = self.schema()
        none = (DROP, VALUE, TEXT) if self.rewrites else (DROP, VALUE)
        filled: Columns = {name: pa.nulls(rows, schema.field(name).type) for name in none} | columns
        filled |= identity(filled[TEXT]) if self.rewrites else {}
        if set(filled) != set(schema.names):
            raise StageError(f"{self.name} declares {schema.names} and laid {sorted(filled)}")
        wrong = [name for name, array in filled.items() if len(array) != rows]
        if wrong:
            raise StageError(f"{self.name} laid {len(filled[wrong[0]]):,} rows of {wrong[0]!r} for {rows:,} documents")
        return pa.table([filled[name] for name in schema.names], schema=schema)


def identity(text: pa.Array) -> Columns:
    """Length and digest of each new text, null where there is none."""
    there = text.is_valid()
    changed = text.drop_null()
    place = np.cumsum(there.to_numpy(zero_copy_only=False)) - 1
    at = pa.array(place, mask=~there.to_numpy(zero_copy_only=False))
    return {BYTES: pa.array(lengths(changed)).take(at), DIGEST: digests(changed).take(at)}


@dataclass(frozen=True, kw_only=True)
class Local(Stage, ABC):
    """A stage that looks at one document at a time. How rows are batched must not matter."""

    @abstractmethod
    def annotate(self, batch: Batch) -> Columns:
        """Columns of `adds`, and `drop` and `value` where it drops, one value a row."""


@dataclass(frozen=True, kw_only=True)
class Global(Stage, ABC):
    """A stage that compares documents: `emit` in the pass, then maps over parts with files between.

    Rows travel; documents do not. Every step sees one partition, sorted, so that no result depends on how
    many workers there are or which came first. What follows `emit` is said by the kinds of Global stages: those that
    drop duplicates (stages/deduplication.py), that cut pieces out of documents (stages/repeats.py), and that go by
    where documents rank (stages/quantiles.py).
    """

    judging: ClassVar[tuple[str, ...]] = ()  # settings that the last step alone reads: what was emitted outlives them

    @abstractmethod
    def emitted(self) -> pa.Schema:
        """Columns of `emit`. The first is the key: rows with the same key meet."""

    @abstractmethod
    def emit(self, batch: Batch) -> pa.Table:
        """Keyed rows of a batch; `row` counts from the batch's first document."""
