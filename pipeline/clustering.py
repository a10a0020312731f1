"""From keyed rows to components: combine in the shard, match by key, settle to a fix-point, tell every shard.

Every step is a map over shards or partitions. What settles is a graph of least addresses, a node for each component
of a shard; documents that a shard could link by itself never leave it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.documents import DROP
from corpus.errors import StageError
from corpus.storage import join, names, remove
from pipeline.comparison import ROW_BITS, Comparison, file_of, missing
from pipeline.engine import Engine
from pipeline.exchange import gather, mixed, scatter, spread
from pipeline.spent import Spent, Stopwatch
from stages.clusters import LINKS, combined, distinct, members


@dataclass(frozen=True)
class Send:
    """Shard: combine what was emitted by key, leave out what is dropped by now, scatter by key.

    A key travels once, with the least address of its component in the shard, and so a key that a tenth of
    all documents have costs a row a shard and not a row a document: at 10**10 documents of 3 kB in 64 MB shards
    470,000 rows of 24 B, 11 MB. Who belongs to that least address stays with the shard.
    """

    all: Comparison

    def __call__(self, shard: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            rows, documents = self._emitted(shard)
            first, root = combined(rows, documents)
            if len(self.all.all_shards) == 1:
                first = first[:0]  # no other shard has keys to meet
            address = shard << ROW_BITS
            member = np.flatnonzero(root != np.arange(documents))
            pairs = pa.table([address | member, address | root[member]], schema=LINKS)
            scatter(self.all.work("roots", file_of(shard)), pairs, np.zeros(len(member), np.int64))
            key, key2, row = (rows[name].to_numpy()[first] for name in ("key", "key2", "row"))
            keyed = pa.table([key, key2, address | root[row]], schema=self.schema())
            scatter(self.all.work("send", file_of(shard)), keyed, spread(key, self.all.parts))
        return watch.spent()

    def _emitted(self, shard: int) -> tuple[pa.Table, int]:
        """Keyed rows of the documents that are there, and how many documents the shard has."""
        if (index := self.all.indexed(shard)) is not None:
            return index.read_keys(), index.rows
        name = self.all.shards[shard]
        rows = shards.read(join(self.all.emitted, f"{name}.parquet"))
        for folder in self.all.before:
            gone = shards.read(join(folder, f"{name}.parquet"), [DROP])[DROP].is_valid().to_numpy()
            rows = rows.filter(pa.array(~gone[rows["row"].to_numpy()]))
        return rows, self.all.rows[shard]

    def schema(self) -> pa.Schema:
        """Rows by key, as `match` takes them."""
        return self.all.stage.emitted().set(2, pa.field("node", pa.int64()))


@dataclass(frozen=True)
class Match:
    """Partition: link rows of the same key, scatter the links by node."""

    all: Comparison

    def __call__(self, part: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            links = self.all.stage.match(gather(self.all.files("send"), part, Send(self.all).schema()))
            scatter(self.all.work("match", file_of(part)), links, spread(links["node"].to_numpy(), self.all.parts))
        return watch.spent()


@dataclass(frozen=True)
class Settle:
    """Partition: one turn over the links of its nodes; scatter what comes of it, by node or at last by shard.

    Nodes are least addresses of shards. All links of a node meet here: 100 B each, so a component that has 10**7
    of them, in as many or fewer shards, takes 1 GB at its centre.
    """

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
            scatter(self.all.work(_turn(self.turn), file_of(part)), after, to)
            sum_ = _content(links)
        return links.num_rows, sum_, watch.spent()


@dataclass(frozen=True)
class Stars:
    """Partition: send every node and its centre to the shard it lies in."""

    all: Comparison
    turn: int

    def __call__(self, part: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            links = gather(self.all.files(_turn(self.turn)), part, LINKS)
            centres = links.select(["other", "other"]).rename_columns(LINKS.names)
            stars = distinct(pa.concat_tables([links, centres]))
            scatter(self.all.work("stars", file_of(part)), stars, stars["node"].to_numpy() >> ROW_BITS)
        return watch.spent()


def clustered(all_: Comparison, shard: int) -> pa.Table:
    """The documents of a shard that share keys with others: LINKS from each to its component's least address.

    Sorted by node; a least address is there itself. After `cluster`.
    """
    pairs = gather([all_.work("roots", file_of(shard))], 0, LINKS)
    return members(pairs, gather(all_.files("stars"), shard, LINKS))


def cluster(all_: Comparison, engine: Engine) -> Iterator[Spent]:
    """Components of what was emitted, for `clustered` to read; yields what each part took.

    Needs no documents, only `emitted`, `shards`, `rows`, `parts` and `folder`. StageError without a fix-point.
    """
    parts = range(all_.parts)
    yield from missing(engine, Send(all_), all_.all_shards, all_.work("roots"), all_.work("send"))
    yield from missing(engine, Match(all_), parts, all_.work("match"))
    if not {file_of(part) for part in parts} <= names(all_.work("stars")):
        last = yield from _settled(all_, engine)
        yield from missing(engine, Stars(all_, last), parts, all_.work("stars"))


def _settled(all_: Comparison, engine: Engine) -> Iterator[Spent]:  # type: ignore[misc]
    """Turn until the links stand still; returns the last turn, whose links are stars."""
    seen: list[tuple[int, int]] = []
    for turn in range(all_.stage.rounds):
        results = [result for _, result in engine.map(Settle(all_, turn), range(all_.parts))]
        yield from (spent for _, _, spent in results)
        seen.append((sum(r[0] for r in results), sum(r[1] for r in results) % (1 << 64)))
        if not all_.stage.transitive or seen[0] == (0, 0):
            return turn
        if turn >= 2:
            if turn % 2 == 0 and seen[turn] == seen[turn - 2]:
                return turn
            remove(all_.work(_turn(turn - 2)))  # what is damaged is made again from `match` on
    raise StageError(
        f"{all_.stage.name}: {seen[-1][0]:,} links still move after {all_.stage.rounds} turns; no fix-point, so "
        f"no verdicts. Please report this with the recipe: alternating stars settle in about log2(documents) turns."
    )


def _content(links: pa.Table) -> int:
    """A sum over links that does not depend on their order or partition."""
    return int(mixed(mixed(links["node"].to_numpy()) + links["other"].to_numpy().view(np.uint64)).sum())


def _turn(turn: int) -> str:
    return f"turn-{turn:02d}"
