"""A Global stage over all shards: send, match, settle to a fix-point, gather evidence, verify, lay.

Every step is a map over shards or partitions with whole files between, so any worker may do any part, a
killed run goes on with the parts that are missing, and the number of workers changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.documents import CORE, DROP
from corpus.errors import StageError
from corpus.storage import join, names, remove
from pipeline.engine import Engine
from pipeline.exchange import SUFFIX, gather, mixed, scatter, spread
from pipeline.newest import Newest
from pipeline.spent import Spent, Stopwatch
from stages.base import Global
from stages.clusters import LINKS, VERDICT, distinct

ROW_BITS = 40
"""An address is (shard << 40) | row: 8 million shards of a trillion rows."""

PORTION_BYTES = 16_000_000
"""Text that is verified at a time; whole clusters, so a single larger cluster is a portion of its own."""


def partitions(text_bytes: int) -> int:
    """Partitions for this much text: by volume alone, so that workers do not change them.

    Band keys are about 6 % of the text (14 x 32 B for 9 kB). Up to 4 GB a partition has 64 MB of text, so that
    many workers find work; from 32 GB on 512 MB, so that files are not opened for a few rows.
    """
    return max(min(64, _power(text_bytes / 64e6)), _power(text_bytes / 512e6))


def _power(least: float) -> int:
    return 1 << max(1, int(np.ceil(np.log2(max(1, least)))))


@dataclass(frozen=True)
class Comparison:
    """What all tasks of one Global stage know: small, and the same for all."""

    stage: Global
    newest: Newest  # documents as this stage sees them: under what earlier stages made of their text
    emitted: str  # folder of what the stage emitted in the pass
    folder: str  # folder of its columns, with work/ inside while it runs
    before: tuple[str, ...]  # folders of earlier Global stages, whose drops are not to be compared
    shards: tuple[str, ...]
    rows: tuple[int, ...]  # documents of each shard
    parts: int

    @property
    def place(self) -> str:
        """The folder's own name, under which its time is booked."""
        return self.folder.rsplit("/", 1)[-1]

    def work(self, *step: str) -> str:
        """A place among the files between steps."""
        return join(self.folder, "work", *step)

    @property
    def evidence_schema(self) -> pa.Schema:
        """What travels of a clustered document: its place, and the columns its stage judges by."""
        columns = [field for field in CORE if field.name in self.stage.evidence]
        return pa.schema([("cluster", pa.int64()), ("rank", pa.uint64()), ("node", pa.int64()), *columns])

    def files(self, step: str) -> list[str]:
        """The files of a step in the order of their tasks."""
        return [self.work(step, name) for name in sorted(names(self.work(step)))]


@dataclass(frozen=True)
class Send:
    """Shard: address what was emitted, leave out what is dropped by now, scatter by key."""

    all: Comparison

    def __call__(self, shard: int) -> Spent:
        watch, name = Stopwatch(), self.all.shards[shard]
        with watch(self.all.place):
            rows = shards.read(join(self.all.emitted, f"{name}.parquet"))
            for folder in self.all.before:
                gone = shards.read(join(folder, f"{name}.parquet"), [DROP])[DROP].is_valid().to_numpy()
                rows = rows.filter(pa.array(~gone[rows["row"].to_numpy()]))
            address = (shard << ROW_BITS) | rows["row"].to_numpy()
            place = rows.schema.get_field_index("row")
            rows = rows.set_column(place, "address", pa.array(address))
            scatter(self.all.work("send", _file(shard)), rows, spread(rows["key"].to_numpy(), self.all.parts))
        return watch.spent()


@dataclass(frozen=True)
class Match:
    """Partition: link rows of the same key, scatter the links by node."""

    all: Comparison

    def __call__(self, part: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            stage = self.all.stage
            place = stage.emitted().get_field_index("row")
            schema = stage.emitted().set(place, pa.field("address", pa.int64()))
            links = stage.match(gather(self.all.files("send"), part, schema))
            scatter(self.all.work("match", _file(part)), links, spread(links["node"].to_numpy(), self.all.parts))
        return watch.spent()


@dataclass(frozen=True)
class Settle:
    """Partition: one turn over the links of its nodes; scatter what comes of it, by node or at last by shard."""

    all: Comparison
    turn: int

    def __call__(self, part: int) -> tuple[int, int, Spent]:
        """How many links came in, the sum of their hashes, and what it took."""
        watch = Stopwatch()
        with watch(self.all.place):
            before = "match" if self.turn == 0 else _turn(self.turn - 1)
            links = distinct(gather(self.all.files(before), part, LINKS))
            after = self.all.stage.settle(links, self.turn)
            to = spread(after["node"].to_numpy(), self.all.parts)
            scatter(self.all.work(_turn(self.turn), _file(part)), after, to)
            sum_ = _content(links)
        return links.num_rows, sum_, watch.spent()


@dataclass(frozen=True)
class Stars:
    """Partition: send every node and its keeper-to-be to the shard it lies in."""

    all: Comparison
    turn: int

    def __call__(self, part: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            links = distinct(gather(self.all.files(_turn(self.turn)), part, LINKS))
            centres = links.select(["other", "other_rank", "other", "other_rank"]).rename_columns(LINKS.names)
            stars = distinct(pa.concat_tables([links, centres]))
            scatter(self.all.work("stars", _file(part)), stars, stars["node"].to_numpy() >> ROW_BITS)
        return watch.spent()


@dataclass(frozen=True)
class Gather:
    """Shard: read what `verify` needs of its clustered documents, scatter it by cluster."""

    all: Comparison

    def __call__(self, shard: int) -> Spent:
        watch, name = Stopwatch(), self.all.shards[shard]
        with watch(self.all.place):
            stars = distinct(gather(self.all.files("stars"), shard, LINKS))
            row = stars["node"].to_numpy() & ((1 << ROW_BITS) - 1)
            there = self.all.evidence_schema
            found = self.all.newest.take(name, row, self.all.stage.evidence) if len(row) else there.empty_table()
            places = [stars["other"], stars["rank"], stars["node"]]
            columns = [found[name] for name in there.names[len(places) :]]
            rows = pa.table([*places, *columns], schema=there)
            scatter(self.all.work("texts", _file(shard)), rows, spread(rows["cluster"].to_numpy(), self.all.parts))
        return watch.spent()


@dataclass(frozen=True)
class Verify:
    """Partition: judge its clusters on their evidence, scatter the verdicts by shard."""

    all: Comparison

    def __call__(self, part: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            files = self.all.files("texts")
            order = [(column, "ascending") for column in ("cluster", "rank", "node")]
            rows = gather(files, part, self.all.evidence_schema).sort_by(order)
            found = [VERDICT.empty_table(), *map(self.all.stage.verify, _portions(rows))]
            verdicts = pa.concat_tables(found).combine_chunks()
            scatter(self.all.work("verdicts", _file(part)), verdicts, verdicts["node"].to_numpy() >> ROW_BITS)
        return watch.spent()


@dataclass(frozen=True)
class LayVerdicts:
    """Shard: lay the verdicts row for row beside its documents."""

    all: Comparison

    def __call__(self, shard: int) -> Spent:
        watch, name = Stopwatch(), self.all.shards[shard]
        with watch(self.all.place):
            verdicts = gather(self.all.files("verdicts"), shard, VERDICT)
            place = np.full(self.all.rows[shard], -1)
            place[verdicts["node"].to_numpy() & ((1 << ROW_BITS) - 1)] = np.arange(verdicts.num_rows)
            columns = verdicts.drop_columns(["node"]).take(pa.array(place, mask=place < 0))
            shards.write(join(self.all.folder, f"{name}.parquet"), columns.cast(self.all.stage.schema()))
        return watch.spent()


def compare(all_: Comparison, engine: Engine) -> Iterator[Spent]:
    """Run a Global stage to its end; yields what each part took. StageError without a fix-point."""
    shard_numbers, parts = range(len(all_.shards)), range(all_.parts)
    yield from _missing(engine, Send(all_), shard_numbers, all_.work("send"))
    yield from _missing(engine, Match(all_), parts, all_.work("match"))
    last = yield from _settled(all_, engine)
    for task, items, step in (
        (Stars(all_, last), parts, "stars"),
        (Gather(all_), shard_numbers, "texts"),
        (Verify(all_), parts, "verdicts"),
    ):
        yield from _missing(engine, task, items, all_.work(step))
    done = names(all_.folder)
    left = [n for n in shard_numbers if f"{all_.shards[n]}.parquet" not in done]
    yield from _spent(engine.map(LayVerdicts(all_), left))
    remove(all_.work())


def _settled(all_: Comparison, engine: Engine) -> Iterator[Spent]:  # type: ignore[misc]
    """Turn until the links stand still; returns the last turn, whose links are stars."""
    seen: list[tuple[int, int]] = []
    for turn in range(all_.stage.rounds):
        results = [result for _, result in engine.map(Settle(all_, turn), range(all_.parts))]
        yield from (spent for _, _, spent in results)
        seen.append((sum(r[0] for r in results), sum(r[1] for r in results) % (1 << 64)))
        if not all_.stage.transitive or (turn >= 2 and turn % 2 == 0 and seen[turn] == seen[turn - 2]):
            return turn
    raise StageError(
        f"{all_.stage.name}: {seen[-1][0]:,} links still move after {all_.stage.rounds} turns; no fix-point, so "
        f"no verdicts. Please report this with the recipe: alternating stars settle in about log2(documents) turns."
    )


def _missing(engine: Engine, task: Callable[[int], Spent], items: Sequence[int], folder: str) -> Iterator[Spent]:
    done = names(folder)
    yield from _spent(engine.map(task, [n for n in items if _file(n) not in done]))


def _spent(results: Iterable[tuple[int, Any]]) -> Iterator[Spent]:
    for _, spent in results:
        yield spent


def _portions(rows: pa.Table) -> Iterator[pa.Table]:
    """Whole clusters in runs of about PORTION_BYTES."""
    if rows.num_rows == 0:
        return
    cluster = rows["cluster"].to_numpy()
    first = np.flatnonzero(np.r_[True, cluster[1:] != cluster[:-1]])
    step = max(1, int(PORTION_BYTES // max(1, rows.nbytes // rows.num_rows)))
    cuts = first[np.unique(np.searchsorted(first, np.arange(0, rows.num_rows, step)).clip(max=len(first) - 1))]
    for start, stop in zip(cuts.tolist(), [*cuts[1:].tolist(), rows.num_rows], strict=True):
        yield rows.slice(start, stop - start).combine_chunks()


def _content(links: pa.Table) -> int:
    """A sum over links that does not depend on their order or partition."""
    return int(mixed(mixed(links["node"].to_numpy()) + links["other"].to_numpy().view(np.uint64)).sum())


def _file(number: int) -> str:
    return f"{number:06d}{SUFFIX}"


def _turn(turn: int) -> str:
    return f"turn-{turn:02d}"
