"""Repeats over all shards: pieces of text meet by key, all but the best are cut out of their documents.

    send     shard      one row a key: the best occurrence in the shard and how many there are, by key
    match    partition  of keys that occur often enough, the best of all: back to every shard that has others
    cut      shard      what came back beside the shard's own pieces; spans, new texts

A line on every page of a crawl so costs one row a shard. Exact substrings take rounds before (pipeline/substrings.py),
and n-gram Bloom filters another way (pipeline/streaming.py). Every step is a map with whole files between, so a
killed run goes on with the parts that are missing, and the number of workers changes nothing. A file between that is
found damaged is made again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.documents import TEXT
from corpus.edits import Spans
from corpus.storage import remove
from pipeline.comparing import mended
from pipeline.comparison import ROW_BITS, file_of, missing
from pipeline.engine import Engine
from pipeline.exchange import gather, scatter, spread
from pipeline.repetition import Repetition
from pipeline.spent import Spent, Stopwatch
from pipeline.streaming import stream
from pipeline.substrings import (
    MatchFingerprints,
    MatchStretches,
    SendFingerprints,
    SendStretches,
    cut_stretches,
    order,
    windows,
)
from stages.bloom import NgramBloom
from stages.repeats import BEST, PIECES, SENT, Copies, Repeats, best, combined, copies, merged
from stages.substring import Substring

_BY_PLACE = [("row", "ascending"), ("start", "ascending")]


@dataclass(frozen=True)
class SendPieces:
    """Shard: address its pieces, combine those of one key, scatter them by key."""

    all: Repetition

    def __call__(self, shard: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            if isinstance(self.all.stage, Substring):
                pieces = windows(self.all, shard)
                scatter(_windows(self.all, shard), pieces, np.zeros(pieces.num_rows, np.int64))
            rows, _ = combined(_pieces(self.all, shard), *order(self.all, shard), shard << ROW_BITS)
            scatter(self.all.work("send", file_of(shard)), rows, spread(rows["key"].to_numpy(), self.all.parts))
        return watch.spent()


@dataclass(frozen=True)
class MatchPieces:
    """Partition: of each key that occurs often enough, send the occurrence that stays to the shards with others."""

    all: Repetition

    def __call__(self, part: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            count, keep = _terms(self.all.stage)
            rows, address = best(gather(self.all.files("send"), part, SENT), count, keep)
            scatter(self.all.work("match", file_of(part)), rows, address >> ROW_BITS)
        return watch.spent()


@dataclass(frozen=True)
class CutPieces:
    """Shard: cut the pieces that stay elsewhere, lay new texts and what was cut row for row beside its documents."""

    all: Repetition

    def __call__(self, shard: int) -> Spent:
        watch = Stopwatch()
        with watch(self.all.place):
            pieces = _pieces(self.all, shard)
            known = gather(self.all.files("match"), shard, BEST)
            gone = pieces.filter(pa.array(copies(pieces, known, shard << ROW_BITS)))
            if isinstance(self.all.stage, Substring):
                gone = pa.concat_tables([gone, cut_stretches(self.all, shard)]).sort_by(_BY_PLACE)
            text = self.all.newest.read(self.all.shards[shard], [TEXT])[TEXT].combine_chunks()
            shards.write(self.all.laid(shard), self.all.stage.edited(text, *_spans(self.all, gone, len(text))))
        return watch.spent()


def _spans(all_: Repetition, gone: pa.Table, documents: int) -> tuple[Spans, np.ndarray]:
    """What goes of each document, and of how many pieces: int64 [N]; exact substrings count as they are cut."""
    spans = merged(gone, documents)
    passages = np.diff(spans.first)
    if isinstance(all_.stage, Substring):
        return spans, passages
    return spans, np.bincount(gone["row"].to_numpy(), minlength=documents)


def repeat(all_: Repetition, engine: Engine) -> Iterator[Spent]:
    """Run a stage of Repeats to its end; yields what each part took."""
    if isinstance(all_.stage, NgramBloom):
        yield from stream(all_, engine)
    else:
        yield from mended(lambda: _repeat(all_, engine))
    remove(all_.work())


def _repeat(all_: Repetition, engine: Engine) -> Iterator[Spent]:
    each, parts = range(len(all_.shards)), range(all_.parts)
    if isinstance(all_.stage, Substring):
        yield from missing(engine, SendFingerprints(all_), each, all_.work("fingerprints"))
        yield from missing(engine, MatchFingerprints(all_), parts, all_.work("repeated"))
        yield from missing(engine, SendStretches(all_), each, all_.work("stretches"), all_.work("sent-stretches"))
        yield from missing(engine, MatchStretches(all_), parts, all_.work("settled"))
        yield from missing(engine, SendPieces(all_), each, all_.work("windows"), all_.work("send"))
    else:
        yield from missing(engine, SendPieces(all_), each, all_.work("send"))
    yield from missing(engine, MatchPieces(all_), parts, all_.work("match"))
    yield from (spent for _, spent in engine.map(CutPieces(all_), all_.left()))


def _pieces(all_: Repetition, shard: int) -> pa.Table:
    if isinstance(all_.stage, Substring):
        return gather([_windows(all_, shard)], 0, PIECES)
    return all_.pieces(shard)


def _windows(all_: Repetition, shard: int) -> str:
    return all_.work("windows", file_of(shard))


def _terms(stage: Repeats) -> tuple[int, str]:
    """How often a piece occurs that is cut, and which occurrence stays."""
    return (stage.least_count, stage.keep) if isinstance(stage, Copies) else (2, "first")
