"""The one pass over text: read a unit, write its shards, and lay every column that needs the text alone.

A unit's documents are cut into shards by their own bytes, so the cut is the same whoever reads it, in
whatever batches. A shard that is there already is not written again: a killed unit goes on after its last
whole shard.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.buffers import lengths
from corpus.documents import BYTES, CORE, DIGEST, DROP, TEXT, Batch, digests
from corpus.errors import StageError, WinnowError
from corpus.readers import records
from corpus.source import Bad, Source, Unit
from corpus.storage import exists, join, read_bytes, write_bytes
from pipeline.spent import Stopwatch
from stages.base import WORDS, Global, Local, Stage

BAD = pa.schema([("file", pa.string()), ("offset", pa.int64()), ("cause", pa.string()), ("sample", pa.string())])
SAMPLES_OF_BAD = 1_000
"""Bad records of a unit that are kept with their place; all are counted. At 300 B each, a third of a MB."""


@dataclass(frozen=True)
class Lay:
    """A stage of the pass and the folder its columns (or keyed rows) go to."""

    name: str
    stage: Stage
    folder: str

    @property
    def place(self) -> str:
        """The folder's own name, under which its time is booked: a changed setting is another account."""
        return self.folder.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class ReadUnit:
    """Task: read a unit, write its shards and their columns, then the marker that says it is done."""

    sources: tuple[Source, ...]
    folder: str
    lays: tuple[Lay, ...]
    shard_bytes: int
    batch_rows: int

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """The marker's content: parts with rows and bytes, bad records by cause, and what it took."""
        watch, bad, parts = Stopwatch(), Quarantine(), []
        tables = _cut(self._documents(unit, bad, watch), self.shard_bytes)
        for number, table in enumerate(watch.each("read", tables)):
            name = f"{unit.key}-{number:05d}"
            if not exists(url := join(self.folder, f"{name}.parquet")):
                with watch("write"):
                    shards.write(url, table)
            lay(table, name, self.lays, self.batch_rows, watch)
            parts.append({"name": name, "rows": table.num_rows, "bytes": _sum(table), "filled": _filled(table)})
        if bad.kept:
            shards.write(join(self.folder, f"{unit.key}.bad.parquet"), pa.Table.from_pylist(bad.rows(), BAD))
        marker = {"unit": unit.key, "parts": parts, "bad": bad.count, "causes": dict(sorted(bad.causes.items()))}
        write_bytes(join(self.folder, f"{unit.key}.json"), json.dumps(marker | {"spent": watch.spent()}).encode())
        return marker | {"spent": watch.spent()}

    def _documents(self, unit: Unit, bad: "Quarantine", watch: Stopwatch) -> Iterator[pa.Table]:
        for piece in records(unit, self.sources[unit.source]):
            bad.add(piece.bad)
            text = piece.rows.column(TEXT)
            rows = pa.Table.from_batches([piece.rows]).append_column(BYTES, pa.array(lengths(text)))
            yield rows.append_column(DIGEST, digests(text))


@dataclass(frozen=True)
class LayColumns:
    """Task: lay the columns of a shard that is at rest, those that are missing."""

    folder: str
    lays: tuple[Lay, ...]
    batch_rows: int

    def __call__(self, name: str) -> dict[str, Any]:
        """The shard's name and what it took."""
        watch = Stopwatch()
        with watch("read"):
            table = shards.read(join(self.folder, f"{name}.parquet"))
        lay(table, name, self.lays, self.batch_rows, watch)
        return {"shard": name, "spent": watch.spent()}


@dataclass
class Quarantine:
    """Bad records of a unit: all counted by cause, the first of them kept with their place."""

    count: int = 0
    kept: list[Bad] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)

    def add(self, bad: list[Bad]) -> None:
        """Count these; a cause's details after the colon (a value, a place) are not part of its name."""
        self.count += len(bad)
        self.causes.update(one.cause.split(":")[0] for one in bad)
        self.kept += bad[: SAMPLES_OF_BAD - len(self.kept)]

    def rows(self) -> list[dict[str, Any]]:
        """The kept ones, a dict each."""
        return [one._asdict() for one in self.kept]


def _cut(tables: Iterator[pa.Table], shard_bytes: int) -> Iterator[pa.Table]:
    """The documents in tables that each end with the document that brings them to `shard_bytes` of text."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        start = 0
        ends = np.cumsum(table[BYTES].to_numpy())
        while (full := int(np.searchsorted(ends, shard_bytes - size))) < len(ends):
            yield pa.concat_tables([*held, table.slice(start, full + 1 - start)]).combine_chunks()
            start, held, size = full + 1, [], -int(ends[full])
        held.append(table.slice(start))
        size += int(ends[-1]) if len(ends) else 0
    if sum(t.num_rows for t in held):
        yield pa.concat_tables(held).combine_chunks()


def _filled(table: pa.Table) -> dict[str, int]:
    """How many documents have each of the source's further fields."""
    ours = (*CORE.names, BYTES, DIGEST)
    return {name: table.num_rows - table[name].null_count for name in table.column_names if name not in ours}


def _sum(table: pa.Table) -> int:
    return int(table[BYTES].to_numpy().sum())


def lay(table: pa.Table, name: str, lays: tuple[Lay, ...], batch_rows: int, watch: Stopwatch) -> None:
    """Run the stages over a shard, batch by batch, and write each one's columns in a file of its own.

    Only stages whose file is missing run; of a Local stage that is done, its drops are read.
    """
    urls = [join(one.folder, f"{name}.parquet") for one in lays]
    todo = [not exists(url) for url in urls]
    if not any(todo):
        return
    last = len(todo) - todo[::-1].index(True)
    turns = [_Turn(one, url, missing) for one, url, missing in zip(lays[:last], urls, todo, strict=False)]
    row = 0
    for rows in shards.batches(table, rows=batch_rows):
        _batch(Batch(rows), row, turns, watch)
        row += rows.num_rows
    for turn in turns:
        if turn.missing:
            with watch("write"):
                shards.write(turn.url, pa.concat_tables([_empty(turn.one.stage), *turn.laid]).combine_chunks())


class _Turn:
    """A stage's turn at a shard: what it has laid so far, or what it dropped when it ran before."""

    def __init__(self, one: Lay, url: str, missing: bool) -> None:
        self.one, self.url, self.missing = one, url, missing
        self.laid: list[pa.Table] = []
        self.kept: np.ndarray | None = None
        if not missing and isinstance(one.stage, Local):
            self.kept = shards.read(url, [DROP])[DROP].is_null().to_numpy()


def _empty(stage: Stage) -> pa.Table:
    return (stage.emitted() if isinstance(stage, Global) else stage.schema()).empty_table()


def _batch(batch: Batch, row: int, turns: list[_Turn], watch: Stopwatch) -> None:
    """One batch through all stages; a stage sees the documents that no Local stage before it dropped."""
    alive, total = np.arange(len(batch)), len(batch)
    for turn in turns:
        kept = None if turn.kept is None else turn.kept[row + alive]
        if turn.missing:
            if WORDS in turn.one.stage.reads:
                with watch("words"):
                    _ = batch.words
            with watch(turn.one.place), _named(turn.one):
                kept = _run(turn, batch, alive, row, total)
        if kept is not None:
            batch, alive = batch.where(kept), alive[kept]


def _run(turn: _Turn, batch: Batch, alive: np.ndarray, row: int, total: int) -> np.ndarray | None:
    """Run a stage on a batch; bool [N] of the documents a Local stage kept, nothing for a Global one."""
    stage = turn.one.stage
    if isinstance(stage, Local):
        columns = stage.checked(stage.annotate(batch), len(batch))
        turn.laid.append(_spread(columns, alive, total))
        return columns[DROP].is_null().to_numpy()  # type: ignore[no-any-return]
    rows = stage.emit(batch)
    place = rows.schema.get_field_index("row")
    turn.laid.append(rows.set_column(place, "row", pa.array(alive[rows["row"].to_numpy()] + row)))
    return None


def _spread(columns: pa.Table, alive: np.ndarray, total: int) -> pa.Table:
    """The columns of some rows, laid over all rows; null where a document was gone before."""
    if len(alive) == total:
        return columns
    place = np.full(total, -1)
    place[alive] = np.arange(len(alive))
    return columns.take(pa.array(place, mask=place < 0))


class _named:
    """Any other exception of a stage becomes a StageError that says which stage it was."""

    def __init__(self, one: Lay) -> None:
        self.name = one.name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, WinnowError):
            raise StageError(f"stage {self.name}: {type(error).__name__}: {error}") from error


def marker(folder: str, unit: Unit) -> dict[str, Any]:
    """What ReadUnit wrote of a unit that is done."""
    return json.loads(read_bytes(join(folder, f"{unit.key}.json")))  # type: ignore[no-any-return]
