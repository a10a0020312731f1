"""The n-gram Bloom filter over all shards: one after the other, in order, by one filter.

Nothing here is parallel, since what a filter has seen hangs on what came before: results depend on the order of
documents and shards, and not on workers. The filter is saved eight times on the way, with its CRC-32; a killed
run goes on behind the last save, and lays the same columns once more for shards behind it.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import shards
from corpus.documents import TEXT, Batch
from corpus.errors import ShardError
from corpus.storage import names, opened, remove, whole
from pipeline.engine import Engine
from pipeline.repetition import Repetition
from pipeline.spent import Spent, Stopwatch
from stages.bloom import Filter, NgramBloom

LEGS = 8
"""Saves in a run. Each is the whole filter, 1.2 bytes an n-gram where the text has 6: eight take 1.6 times the text."""


@dataclass(frozen=True)
class Leg:
    """Some shards in a row, given the filter that those before them left."""

    all: Repetition
    most: int  # n-grams that the filter is for
    ends: tuple[int, ...]  # of each leg, the shard behind it

    def __call__(self, number: int) -> Spent:
        """Lay the columns of the leg's shards, save the filter."""
        watch = Stopwatch()
        with watch(self.all.place):
            seen = self._before(number)
            for shard in range(self.ends[number - 1] if number else 0, self.ends[number]):
                self._judge(shard, seen)
            save(self.all.work("filters", _file(number)), seen)
        return watch.spent()

    def _before(self, number: int) -> Filter:
        if number:
            return load(self.all.work("filters", _file(number - 1)))
        return Filter.of(self.most, _stage(self.all).false_positives)

    def _judge(self, shard: int, seen: Filter) -> None:
        stage, table = _stage(self.all), self.all.newest.read(self.all.shards[shard], [TEXT])
        there = np.zeros(table.num_rows, bool)  # documents with n-grams that nothing dropped; others read as empty
        there[self.all.pieces(shard)["row"].to_numpy()] = True
        table = pa.table({TEXT: pc.if_else(pa.array(there), table[TEXT], "")})
        found = [stage.judged(Batch(batch), seen) for batch in shards.batches(table, rows=1_024)]
        shards.write(self.all.laid(shard), pa.concat_tables([stage.schema().empty_table(), *found]).combine_chunks())


def stream(all_: Repetition, engine: Engine) -> Iterator[Spent]:
    """Run an NgramBloom to its end; yields what each leg took. StageError where its filter is too small."""
    counts = [int(all_.pieces(shard)["ngrams"].to_numpy().sum()) for shard in range(len(all_.shards))]
    task = Leg(all_, _stage(all_).ngrams or max(1, sum(counts)), _ends(counts))
    done = names(all_.work("filters"))
    first = max((n + 1 for n in range(len(task.ends)) if _file(n) in done), default=0)
    for number in range(first, len(task.ends)):
        yield from (spent for _, spent in engine.map(task, [number]))
        if number:
            remove(all_.work("filters", _file(number - 1)))


def _ends(counts: list[int]) -> tuple[int, ...]:
    """Where legs of about equally many n-grams end; every shard is in one."""
    behind = np.cumsum(counts)
    wanted = behind[-1] * np.arange(1, LEGS) / LEGS if len(behind) else []
    return tuple(sorted({*(np.searchsorted(behind, wanted) + 1).tolist(), len(counts)} - {0}))


def save(url: str, seen: Filter) -> None:
    """Write a filter whole: what it is as a line of JSON, then its bits."""
    said = {"probes": seen.probes, "most": seen.most, "held": seen.held}
    said |= {"words": len(seen.bits), "crc": zlib.crc32(seen.bits)}
    with whole(url) as file:
        file.write(json.dumps(said).encode() + b"\n")
        file.write(memoryview(seen.bits).cast("B"))


def load(url: str) -> Filter:
    """The filter that was saved there; ShardError where it is cut short or altered."""
    with opened(url) as file:
        try:
            said = json.loads(file.readline(1_000))
            bits = np.zeros(said["words"], np.uint64)
            if file.readinto(memoryview(bits).cast("B")) != bits.nbytes or zlib.crc32(bits) != said["crc"]:  # type: ignore[attr-defined]
                raise ValueError("its bits do not have the checksum they were written with")
            return Filter(bits, said["probes"], said["most"], said["held"])
        except (ValueError, KeyError, TypeError) as error:
            raise ShardError(f"{url}: damaged ({error}). Remove it and run again to rebuild it.") from error


def _stage(all_: Repetition) -> NgramBloom:
    assert isinstance(all_.stage, NgramBloom)
    return all_.stage


def _file(number: int) -> str:
    return f"{number:06d}.bloom"
