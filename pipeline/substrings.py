"""The rounds that only exact substrings have, before windows travel as pieces: fingerprints, then stretches.

    fingerprints  shard      each with its count, by fingerprint
    repeated      partition  those that occur twice or more, to the shards that have them
    stretches     shard      one row for equal ones, by fingerprint
    settled       partition  the best of equal ones, to the shards that have them

stages/substring.py has the reasons; pipeline/repeating.py goes on with the windows that are left.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.documents import DIGEST, ID, TEXT, Batch
from pipeline.comparison import ROW_BITS, file_of
from pipeline.exchange import gather, scatter, spread
from pipeline.repetition import Repetition
from pipeline.spent import Spent, Stopwatch
from stages.repeats import PIECES, among, combined, elsewhere, firsts, looked_up, orders
from stages.substring import SENT_STRETCHES, SETTLED, STRETCHES, Substring, settled

COUNTED = pa.schema([("key", pa.uint64()), ("shard", pa.int64()), ("count", pa.int64())])
"""A fingerprint of a shard, and at how many places it has it."""

REPEATED = pa.schema([("key", pa.uint64())])


@dataclass(frozen=True)
class SendFingerprints:
    """Shard: count its fingerprints, scatter them by key."""

    all: Repetition

    def __call__(self, shard: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            key, count = np.unique(self.all.pieces(shard)["key"].to_numpy(), return_counts=True)
            rows = pa.table([key, np.full(len(key), shard), count], schema=COUNTED)
            scatter(self.all.work("fingerprints", file_of(shard)), rows, spread(key, self.all.parts))
        return watch.spent()


@dataclass(frozen=True)
class MatchFingerprints:
    """Partition: send the fingerprints that occur at two places or more back to each shard that has them."""

    all: Repetition

    def __call__(self, part: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            rows = gather(self.all.files("fingerprints"), part, COUNTED)
            key, shard, count = (column.to_numpy() for column in rows.columns)
            _, of = np.unique(key, return_inverse=True)
            often = np.bincount(of, weights=count)[of] >= 2
            scatter(self.all.work("repeated", file_of(part)), pa.table([key[often]], schema=REPEATED), shard[often])
        return watch.spent()


@dataclass(frozen=True)
class SendStretches:
    """Shard: make the stretches of repeated fingerprints, combine equal ones, scatter them by fingerprint."""

    all: Repetition

    def __call__(self, shard: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            pieces = _made(self.all, shard)
            scatter(_stretches(self.all, shard), pieces, np.zeros(pieces.num_rows, np.int64))
            rows, best = combined(pieces, *order(self.all, shard), shard << ROW_BITS)
            print_ = pieces["fingerprint"].to_numpy()[best]
            rows = rows.append_column("fingerprint", pa.array(print_))
            scatter(self.all.work("sent-stretches", file_of(shard)), rows, spread(print_, self.all.parts))
        return watch.spent()


@dataclass(frozen=True)
class MatchStretches:
    """Partition: send the best of equal stretches to the shards that have them, and if its fingerprint has others."""

    all: Repetition

    def __call__(self, part: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            rows, address = settled(gather(self.all.files("sent-stretches"), part, SENT_STRETCHES))
            scatter(self.all.work("settled", file_of(part)), rows, address >> ROW_BITS)
        return watch.spent()


def order(all_: Repetition, shard: int) -> tuple[np.ndarray, np.ndarray]:
    """The order of a shard's documents, as stages.repeats.orders."""
    identity = all_.newest.read(all_.shards[shard], [ID, DIGEST])
    return orders(*(identity[column].combine_chunks() for column in (ID, DIGEST)))


def cut_stretches(all_: Repetition, shard: int) -> pa.Table:
    """The stretches of a shard that are cut whole, in PIECES."""
    pieces, known, at = _settled(all_, shard)
    return pieces.select(PIECES.names).filter(pa.array(elsewhere(pieces, known, shard << ROW_BITS, at)))


def windows(all_: Repetition, shard: int) -> pa.Table:
    """The windows of a shard that are in doubt, in PIECES: of stretches that stay and whose fingerprint has others."""
    pieces, known, at = _settled(all_, shard)
    alone = np.r_[known["alone"].to_numpy(), True][at]  # the last for stretches that nothing came back for
    open_ = pieces.filter(pa.array(~alone & ~elsewhere(pieces, known, shard << ROW_BITS, at)))
    row, start = (open_[name].to_numpy() for name in ("row", "start"))
    found = [PIECES.empty_table()]
    for rows, batch in _texts(all_, shard, distinct(row)):
        here = among(rows, row)
        pieces = _stage(all_).windows(batch, np.searchsorted(rows, row[here]), start[here])
        found.append(pieces.set_column(2, "row", pa.array(rows[pieces["row"].to_numpy()])))
    return pa.concat_tables(found).combine_chunks()


def _made(all_: Repetition, shard: int) -> pa.Table:
    """The stretches of a shard whose fingerprint is repeated; texts without one are not split again."""
    repeated = np.sort(gather(all_.files("repeated"), shard, REPEATED)["key"].to_numpy())
    rows = all_.pieces(shard)
    rows = distinct(rows["row"].to_numpy()[among(repeated, rows["key"].to_numpy())])
    found = [STRETCHES.empty_table()]
    for some, batch in _texts(all_, shard, rows):
        pieces = _stage(all_).stretches(batch, repeated)
        found.append(pieces.set_column(2, "row", pa.array(some[pieces["row"].to_numpy()])))
    return pa.concat_tables(found).combine_chunks()


def _texts(all_: Repetition, shard: int, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Batch]]:
    """The newest texts of these rows, ascending, in batches, with the rows they are."""
    if len(rows) == 0:
        return
    before = 0
    for batch in shards.batches(all_.newest.take(all_.shards[shard], rows, [TEXT]), rows=1_024):
        yield rows[before : before + batch.num_rows], Batch(batch)
        before += batch.num_rows


def distinct(ascending: np.ndarray) -> np.ndarray:
    """Each value once."""
    return ascending[firsts(ascending)]


def _settled(all_: Repetition, shard: int) -> tuple[pa.Table, pa.Table, np.ndarray]:
    """The shard's stretches, what came back of them, and its row for each stretch, -1 for none."""
    pieces = gather([_stretches(all_, shard)], 0, STRETCHES)
    known = gather(all_.files("settled"), shard, SETTLED).combine_chunks()
    return pieces, known, looked_up(pieces, known)


def _stretches(all_: Repetition, shard: int) -> str:
    return all_.work("stretches", file_of(shard))


def _stage(all_: Repetition) -> Substring:
    assert isinstance(all_.stage, Substring)
    return all_.stage
