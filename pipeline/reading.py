"""The one pass over text: read a unit, write its shards, and lay every column that needs the text alone.

Stages that run while reading (pipeline/while_reading.py) see what the reader hands on, before anything is written.

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
from corpus.documents import BYTES, DIGEST, DROP, TEXT, Batch, digests
from corpus.readers import records
from corpus.source import Bad, Read, Source, Unit
from corpus.storage import exists, join, read_bytes, write_bytes
from pipeline.lays import Lay, filled_up
from pipeline.left import Left
from pipeline.newest import NEWEST, Newest
from pipeline.spent import Stopwatch
from pipeline.while_reading import WhileReading
from stages.base import WORDS, Global, Local, Stage

BAD = pa.schema([("file", pa.string()), ("offset", pa.int64()), ("cause", pa.string()), ("sample", pa.string())])
SAMPLE = ".dropped.parquet"  # after a unit's key: the sample of what stages dropped while it was read
SAMPLES_OF_BAD = 1_000
"""Bad records of a unit that are kept with their place; all are counted. At 300 B each, a third of a MB."""


@dataclass(frozen=True)
class ReadUnit:
    """Task: read a unit, write its shards and their columns, then the marker that says it is done."""

    sources: tuple[Source, ...]
    folder: str
    lays: tuple[Lay, ...]
    shard_bytes: int
    batch_rows: int
    while_reading: tuple[Lay, ...] = ()

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """The marker's content: parts with rows and bytes, what left while reading, bad and skipped records, time."""
        source = self.sources[unit.source]
        watch, bad, left, parts = Stopwatch(), Quarantine(), Left(source.fields), []
        for number, table in enumerate(_cut(self._documents(unit, bad, left, watch), self.shard_bytes)):
            name = f"{unit.key}-{number:05d}"
            if not exists(url := join(self.folder, f"{name}.parquet")):
                with watch("write"):
                    shards.write(url, table)
            lay(table, name, self.lays, self.batch_rows, watch)
            filled = {name: table.num_rows - table[name].null_count for name in source.fields}
            parts.append({"name": name, "rows": table.num_rows, "bytes": _sum(table), "filled": filled})
        if bad.kept:
            shards.write(join(self.folder, f"{unit.key}.bad.parquet"), pa.Table.from_pylist(bad.rows(), BAD))
        if (sampled := left.sampled()) is not None:
            shards.write(join(self.folder, f"{unit.key}{SAMPLE}"), sampled)
        marker = {"unit": unit.key, "parts": parts, **bad.marker(), "while_reading": left.marker()}
        write_bytes(join(self.folder, f"{unit.key}.json"), json.dumps(marker | {"spent": watch.spent()}).encode())
        return marker | {"spent": watch.spent()}

    def _documents(self, unit: Unit, bad: "Quarantine", left: Left, watch: Stopwatch) -> Iterator[pa.Table]:
        fused = WhileReading(self.sources[unit.source], self.while_reading, self.batch_rows)
        for piece in watch.each("read", records(unit, fused.source)):
            bad.add(piece)
            rows = fused(piece.rows, left, watch)
            with watch("read"):
                text = shards.joined(rows[TEXT])
                rows = rows.append_column(BYTES, pa.array(lengths(text))).append_column(DIGEST, digests(text))
            yield rows


@dataclass(frozen=True)
class LayColumns:
    """Task: lay the columns of a shard that is at rest, those that are missing.

    After a Global stage that rewrote, later stages look at its text and at the documents that are left.
    """

    newest: Newest
    before: tuple[str, ...]  # folders of the stages of earlier passes, whose drops are gone
    columns: tuple[tuple[str, str], ...]  # a column that one of them laid, and its folder
    lays: tuple[Lay, ...]
    batch_rows: int

    def __call__(self, name: str) -> dict[str, Any]:
        """The shard's name and what it took."""
        watch = Stopwatch()
        with watch("read"):
            table = self._with_columns(self.newest.read(name), name)
            gone = [shards.read(join(folder, f"{name}.parquet"), [DROP])[DROP] for folder in self.before]
        alive = np.logical_and.reduce([drop.is_null().to_numpy() for drop in gone]) if gone else None
        lay(table, name, self.lays, self.batch_rows, watch, alive)
        return {"shard": name, "spent": watch.spent()}

    def _with_columns(self, table: pa.Table, name: str) -> pa.Table:
        """The table with what its stages read of earlier passes' columns."""
        wanted = {column for one in self.lays for column in one.stage.reads}
        for column, folder in self.columns:
            if column in wanted:  # it stands before one of the documents' own, as it did in its own pass
                laid = shards.read(join(folder, f"{name}.parquet"), [column])[column]
                place = table.schema.get_field_index(column)
                table = table.append_column(column, laid) if place < 0 else table.set_column(place, column, laid)
        return table


@dataclass
class Quarantine:
    """Records of a unit that became no documents: all counted, the first bad ones kept with their place."""

    count: int = 0
    kept: list[Bad] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, piece: Read) -> None:
        """Count these; a cause's details after the colon (a value, a place) are not part of its name."""
        self.count += len(piece.bad)
        self.causes.update(one.cause.split(":")[0] for one in piece.bad)
        self.kept += piece.bad[: SAMPLES_OF_BAD - len(self.kept)]
        self.skipped.update(piece.skipped)

    def marker(self) -> dict[str, Any]:
        """What a unit's marker says of them."""
        causes, skipped = (dict(sorted(counts.items())) for counts in (self.causes, self.skipped))
        return {"bad": self.count, "causes": causes, "skipped": skipped}

    def rows(self) -> list[dict[str, Any]]:
        """The kept ones, a dict each."""
        return [one._asdict() for one in self.kept]


def _cut(tables: Iterator[pa.Table], shard_bytes: int) -> Iterator[pa.Table]:
    """The documents in tables that each end with the document that brings them to `shard_bytes` of text.

    In chunks as they were read: one array of a shard's texts would be another 64 MB of fresh pages.
    """
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        start = 0
        ends = np.cumsum(table[BYTES].to_numpy())
        while (full := int(np.searchsorted(ends, shard_bytes - size))) < len(ends):
            yield pa.concat_tables([*held, table.slice(start, full + 1 - start)])
            start, held, size = full + 1, [], -int(ends[full])
        held.append(table.slice(start))
        size += int(ends[-1]) if len(ends) else 0
    if sum(t.num_rows for t in held):
        yield pa.concat_tables(held)


def _sum(table: pa.Table) -> int:
    return int(table[BYTES].to_numpy().sum())


def lay(
    table: pa.Table,
    name: str,
    lays: tuple[Lay, ...],
    batch_rows: int,
    watch: Stopwatch,
    alive: np.ndarray | None = None,
) -> None:
    """Run the stages over a shard, batch by batch, and write each one's columns in a file of its own.

    Only stages whose file is missing run; of a Local stage that is done, its drops and its text are read.
    alive: bool [N], documents that earlier passes left; all where None.
    """
    urls = [join(one.folder, f"{name}.parquet") for one in lays]
    todo = [not exists(url) for url in urls]
    if not any(todo):
        return
    last = len(todo) - todo[::-1].index(True)
    turns = [
        _Turn(one, url, missing, lays[n + 1 : last])
        for n, (one, url, missing) in enumerate(zip(lays[:last], urls, todo, strict=False))
    ]
    table = filled_up(table, lays)
    row = 0
    for rows in shards.batches(table, rows=batch_rows):
        _batch(Batch(rows), row, turns, watch, None if alive is None else alive[row : row + rows.num_rows])
        row += rows.num_rows
    for turn in turns:
        if turn.missing:
            with watch("write"):
                shards.write(turn.url, pa.concat_tables([_empty(turn.one.stage), *turn.laid]).combine_chunks())


class _Turn:
    """A stage's turn at a shard: what it lays now, or what it laid when it ran before."""

    def __init__(self, one: Lay, url: str, missing: bool, later: tuple[Lay, ...]) -> None:
        self.one, self.url, self.missing = one, url, missing
        self.laid: list[pa.Table] = []
        self.before: pa.Table | None = None
        read = {column for other in later for column in other.stage.reads}
        self.passed = [column for column in one.stage.adds if column in read]  # on to later stages
        if not missing and isinstance(one.stage, Local):
            self.before = shards.read(url, [DROP, *self.passed, *(NEWEST if one.stage.rewrites else ())])


def _empty(stage: Stage) -> pa.Table:
    return (stage.emitted() if isinstance(stage, Global) else stage.schema()).empty_table()


def _batch(batch: Batch, row: int, turns: list[_Turn], watch: Stopwatch, left: np.ndarray | None) -> None:
    """One batch through all stages; a stage sees the documents that no Local stage before it dropped."""
    alive, total = np.arange(len(batch)), len(batch)
    if left is not None:
        batch, alive = batch.where(left), alive[left]
    for turn in turns:
        laid = None if turn.before is None else turn.before.take(pa.array(row + alive))
        if turn.missing:
            if WORDS in turn.one.stage.reads:
                with watch("words"):
                    _ = batch.words
            with watch(turn.one.place), turn.one.named():
                laid = _run(turn, batch, alive, row, total)
        if laid is not None:
            batch, alive = _after(turn, laid, batch, alive)


def _after(turn: _Turn, laid: pa.Table, batch: Batch, alive: np.ndarray) -> tuple[Batch, np.ndarray]:
    """The batch as the next stage sees it, and its rows among those of the shard's batch."""
    kept = laid[DROP].is_null().to_numpy()
    if turn.passed:
        batch = batch.beside(laid.select(turn.passed))
    batch = batch.where(kept)
    if turn.one.stage.rewrites:
        batch = batch.edited(laid.filter(pa.array(kept)).select(NEWEST))
    return batch, alive[kept]


def _run(turn: _Turn, batch: Batch, alive: np.ndarray, row: int, total: int) -> pa.Table | None:
    """Run a stage on a batch; what a Local stage laid beside its documents, nothing for a Global one."""
    stage = turn.one.stage
    if isinstance(stage, Local):
        columns = stage.checked(stage.annotate(batch), len(batch))
        turn.laid.append(_spread(columns, alive, total))
        return columns
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


def marker(folder: str, unit: Unit) -> dict[str, Any]:
    """What ReadUnit wrote of a unit that is done."""
    return json.loads(read_bytes(join(folder, f"{unit.key}.json")))  # type: ignore[no-any-return]
