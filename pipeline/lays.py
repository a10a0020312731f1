"""A stage of a pass, where its columns go, and what is said where it fails."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from corpus.documents import PAGE
from corpus.errors import StageError, WinnowError
from stages.base import WORDS, Stage


@dataclass(frozen=True)
class Lay:
    """A stage of a pass and the folder its columns (or keyed rows) go to; while reading, nothing lies there."""

    name: str
    stage: Stage
    folder: str

    @property
    def place(self) -> str:
        """The folder's own name, under which its time is booked: a changed setting is another account."""
        return self.folder.rsplit("/", 1)[-1]

    @contextmanager
    def named(self) -> Iterator[None]:
        """Any exception of the stage that is none of ours becomes a StageError that says which stage it was."""
        try:
            yield
        except WinnowError:
            raise
        except Exception as error:
            raise StageError(f"stage {self.name}: {type(error).__name__}: {error}") from error


def filled_up(table: pa.Table, lays: Sequence[Lay]) -> pa.Table:
    """The table with columns of nulls for those that stages read, other sources have and this one lacks."""
    laid = {column for one in lays for column in one.stage.adds}
    for column in dict.fromkeys(column for one in lays for column in one.stage.reads):
        if column not in laid and column not in (WORDS, *PAGE.names, *table.column_names):
            table = table.append_column(column, pa.nulls(table.num_rows, pa.string()))
    return table
