"""What all tasks of one stage that cuts repeats know, and where the rows between its steps lie."""

from dataclasses import dataclass

import pyarrow as pa

from corpus import shards
from corpus.documents import DROP
from corpus.storage import join, names
from pipeline.newest import Newest
from stages.repeats import Repeats


@dataclass(frozen=True)
class Repetition:
    """What all tasks of one stage of Repeats know: small, and the same for all."""

    stage: Repeats
    newest: Newest  # the documents as the stage was given them
    emitted: str  # folder of what the stage emitted in the pass
    folder: str  # folder of its columns, with work/ inside while it runs
    before: tuple[str, ...]  # folders of earlier Global stages, whose drops take no part
    shards: tuple[str, ...]
    parts: int

    @property
    def place(self) -> str:
        """The folder's own name, under which its time is booked."""
        return self.folder.rsplit("/", 1)[-1]

    def work(self, *step: str) -> str:
        """A place among the files between steps."""
        return join(self.folder, "work", *step)

    def files(self, step: str) -> list[str]:
        """The files of a step in the order of their tasks."""
        return [self.work(step, name) for name in sorted(names(self.work(step)))]

    def laid(self, shard: int) -> str:
        """Where a shard's columns lie at last."""
        return join(self.folder, f"{self.shards[shard]}.parquet")

    def left(self) -> list[int]:
        """Shards that have no columns yet."""
        done = names(self.folder)
        return [n for n, name in enumerate(self.shards) if f"{name}.parquet" not in done]

    def pieces(self, shard: int) -> pa.Table:
        """What the stage emitted of a shard, without documents that are dropped by now."""
        name = self.shards[shard]
        rows = shards.read(join(self.emitted, f"{name}.parquet"))
        for folder in self.before:
            gone = shards.read(join(folder, f"{name}.parquet"), [DROP])[DROP].is_valid().to_numpy()
            rows = rows.filter(pa.array(~gone[rows["row"].to_numpy()]))
        return rows
