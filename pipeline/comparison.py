"""What all tasks of one Global stage know, how addresses are made, and where the rows between steps lie."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from corpus.storage import join, names
from pipeline.engine import Engine
from pipeline.exchange import SUFFIX
from pipeline.index import IndexShard
from pipeline.newest import Newest
from pipeline.spent import Spent
from stages.deduplication import Deduplication
from stages.ordering import Place

ROW_BITS = 40
"""An address is (shard << 40) | row: 8 million shards of a trillion rows."""


def partitions(text_bytes: int, documents: int = 0) -> int:
    """Partitions for this much text: by volume alone, so that workers do not change them.

    Band keys are about 6 % of the text (14 x 32 B for 9 kB). Up to 4 GB a partition has 64 MB of text, so that
    many workers find work; from 32 GB on 512 MB, so that files are not opened for a few rows. A partition has
    at most 262,144 documents' keys: 3.7 million rows of 14 bands, 400 MB while they are sorted.
    """
    by_text = max(min(64, _power(text_bytes / 64e6)), _power(text_bytes / 512e6))
    return max(by_text, _power(documents / (1 << 18)))


def _power(least: float) -> int:
    return 1 << max(1, int(np.ceil(np.log2(max(1, least)))))


@dataclass(frozen=True)
class Comparison:
    """What all tasks of one Global stage know: small, and the same for all.

    Shards of an index are further shards, numbered after the run's own; nothing is laid for them.
    """

    stage: Deduplication
    newest: Newest  # documents as this stage sees them: under what earlier stages made of their text
    emitted: str  # folder of what the stage emitted in the pass
    folder: str  # folder of its columns, with work/ inside while it runs
    before: tuple[str, ...]  # folders of all earlier stages, whose drops are not to be compared
    shards: tuple[str, ...]
    rows: tuple[int, ...]  # documents of each shard
    parts: int
    columns: Mapping[str, Place] = field(default_factory=dict)  # where the columns of `prefer` lie
    index: tuple[IndexShard, ...] = ()

    @property
    def place(self) -> str:
        """The folder's own name, under which its time is booked."""
        return self.folder.rsplit("/", 1)[-1]

    @property
    def all_shards(self) -> range:
        """Numbers of the run's shards, then those of its indexes."""
        return range(len(self.shards) + len(self.index))

    def indexed(self, shard: int) -> IndexShard | None:
        """The index's shard of that number, None for one of the run."""
        return self.index[shard - len(self.shards)] if shard >= len(self.shards) else None

    def work(self, *step: str) -> str:
        """A place among the files between steps."""
        return join(self.folder, "work", *step)

    def files(self, step: str) -> list[str]:
        """The files of a step in the order of their tasks."""
        return [self.work(step, name) for name in sorted(names(self.work(step)))]


def file_of(number: int) -> str:
    """The file that the task of a shard or partition writes in a step."""
    return f"{number:06d}{SUFFIX}"


def missing(engine: Engine, task: Callable[[int], Spent], items: Sequence[int], *folders: str) -> Iterator[Spent]:
    """Run a task for the items that lack their file in one of its folders; yields what each took."""
    there = [names(folder) for folder in folders]
    yield from spent(engine.map(task, [n for n in items if any(file_of(n) not in one for one in there)]))


def spent(results: Iterable[tuple[int, Any]]) -> Iterator[Spent]:
    """What the tasks took, of an engine's results."""
    for _, one in results:
        yield one
