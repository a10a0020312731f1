"""Stages that run on what a reader hands on, before the first write: what they drop never touches a disk.

Their columns become columns of the documents at rest, the text they leave is the text at rest, and pages are gone by
then. What they drop is counted in full and sampled: pipeline/left.py.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import shards
from corpus.buffers import lengths
from corpus.documents import CORE, DOMAIN, DROP, HTML, PAGE, TEXT, VALUE, Batch
from corpus.errors import RecipeError, StageError
from corpus.readers.base import PIECE_BYTES
from corpus.source import Source
from pipeline.lays import Lay, filled_up
from pipeline.left import Left
from pipeline.spent import Stopwatch
from stages.base import WORDS, Local

TEXT_BYTES = 1_000_000
"""Of text in a batch, as shards.batches has it. Pages are taken a piece at a time: their text is a tenth of them."""

NO_EXTRACT = "pages (HTML), and no stage makes their text: name `extract` in `while_reading`, or in `stages`"


@dataclass(frozen=True)
class WhileReading:
    """The stages that the documents of a source go through while they are read, in order."""

    source: Source
    lays: tuple[Lay, ...]
    batch_rows: int

    @property
    def schema(self) -> pa.Schema:
        """Columns of a document at rest, but its length and digest: its own, then those that the stages lay."""
        laid = {name: column.type for one in self.lays for name, column in one.stage.adds.items()}
        return pa.schema([*self.source.schema(), *laid.items()])

    def __call__(self, rows: pa.RecordBatch, left: Left, watch: Stopwatch) -> pa.Table:
        """The documents of a piece that no stage drops, in the columns of `schema`; of the others `left` knows.

        Raises RecipeError where there are pages and no stage reads them, StageError where a stage fails.
        """
        left.read += len(rows)
        left.pages += _pages(rows)
        if left.pages and self._reader < 0:
            raise RecipeError(f"source {', '.join(self.source.paths)}: it holds {NO_EXTRACT}")
        if not self.lays:
            return pa.Table.from_batches([rows.select(self.schema.names)])
        most = PIECE_BYTES if HTML in rows.schema.names else TEXT_BYTES
        table = filled_up(pa.Table.from_batches([rows]), self.lays)
        batches = (Batch(some) for some in shards.batches(table, rows=self.batch_rows, max_bytes=most))
        done = (self._kept(batch, left, watch) for batch in batches)
        names = self.schema.names
        return pa.Table.from_batches([rows.select(names) for rows in done if rows is not None], self.schema)

    @property
    def _reader(self) -> int:
        """The number of the last stage that reads pages, -1 where none does."""
        return max((n for n, one in enumerate(self.lays) if HTML in one.stage.reads), default=-1)

    def _kept(self, batch: Batch, left: Left, watch: Stopwatch) -> pa.RecordBatch | None:
        """What is left of a batch after all stages; None where that is nothing."""
        for number, one in enumerate(self.lays):
            batch = self._through(one, batch, left, watch)
            if len(batch) == 0:
                return None
            if number == self._reader:
                batch = _without_pages(batch)  # each stage that drops would copy them otherwise
        return batch.rows

    def _through(self, one: Lay, batch: Batch, left: Left, watch: Stopwatch) -> Batch:
        """Run a stage; the batch as the next one sees it."""
        stage = one.stage
        if not isinstance(stage, Local):
            raise StageError(f"{one.name}: it compares documents, and while reading none is at rest")
        if WORDS in stage.reads:
            with watch("words"):
                _ = batch.words
        with watch(one.place), one.named():
            laid = stage.checked(stage.annotate(batch), len(batch))
        stays = laid[DROP].is_null().to_numpy()
        if not stays.all():
            gone = pa.Table.from_batches([batch.rows.select([*CORE.names, *self.source.fields])])
            for name in (DROP, VALUE):
                gone = gone.append_column(name, laid[name])
            left.drop(one.name, gone.filter(pa.array(~stays)))
        batch = _beside(batch, laid.select(list(stage.adds))).where(stays)
        if not stage.rewrites or len(batch) == 0:
            return batch
        newer = laid.filter(pa.array(stays)).select([TEXT])
        _count_edits(one, newer[TEXT].combine_chunks(), batch, left)
        return batch.edited(newer)


def _count_edits(one: Lay, text: pa.Array, batch: Batch, left: Left) -> None:
    """Count what a stage cut out of documents. A text that was made of a page is no edit: the page had none."""
    changed = text.is_valid().to_numpy(zero_copy_only=False)
    if HTML in one.stage.reads and HTML in batch.rows.schema.names:
        changed = changed & batch.column(HTML).is_null().to_numpy(zero_copy_only=False)
    if changed.any():
        where = pa.array(np.flatnonzero(changed))
        less = lengths(batch.text.take(where)) - lengths(text.take(where))
        left.edit(one.name, batch.column(DOMAIN).take(where), less)


def _beside(batch: Batch, laid: pa.Table) -> Batch:
    """The batch with what a stage laid; of two that lay a column of one name the later that has a value stands."""
    for place, name in enumerate(laid.column_names):
        if name in batch.rows.schema.names:
            laid = laid.set_column(place, name, pc.coalesce(laid[name].combine_chunks(), batch.column(name)))
    return batch.beside(laid)


def _pages(rows: pa.RecordBatch) -> int:
    return len(rows) - rows.column(HTML).null_count if HTML in rows.schema.names else 0


def _without_pages(batch: Batch) -> Batch:
    there = [name for name in PAGE.names if name in batch.rows.schema.names]
    bare = Batch(batch.rows.drop_columns(there))
    bare.__dict__ |= {"words": batch.words} if "words" in batch.__dict__ else {}
    return bare
