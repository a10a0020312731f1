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
from pipeline.newest import NEWEST, Newest
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
            if column in wanted and column not in table.column_names:
                laid = shards.read(join(folder, f"{name}.parquet"), [column])[column]
                table = table.append_column(column, laid)
        return table


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
    table = _filled_up(table, lays)
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


def _filled_up(table: pa.Table, lays: tuple[Lay, ...]) -> pa.Table:
    """The table with columns of nulls for those that other sources have and this one lacks."""
    laid = {column for one in lays for column in one.stage.adds}
    read = dict.fromkeys(column for one in lays for column in one.stage.reads if column != WORDS)
    for column in read:
        if column not in laid and column not in table.column_names:
            table = table.append_column(column, pa.nulls(table.num_rows, pa.string()))
    return table


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
            with watch(turn.one.place), _named(turn.one):
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
