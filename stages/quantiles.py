"""What stages share that divide documents by how they rank in a group: the score, what a share is of, the groups.

A share is of the documents that have a score: each counts as much as it is long, or as a column says. What is
emitted of a document is its score, its size and its groups; where shares end is found by counting (ranks.py). A
score is a number of an earlier stage, or the text of one in a source's field; null, NaN and other text are none.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.buffers import lengths
from corpus.documents import BYTES, ID, TEXT, Batch, Columns
from corpus.errors import RecipeError, StageError
from stages.base import WORDS, Global

DOCUMENTS = "documents"
OWN = (BYTES, WORDS, DOCUMENTS)
"""What a share can be of without a column: bytes of the newest text, its words, documents."""

MOST_SIZE = 1 << 40
"""What one document may count for; a column that says more is not one of sizes, and sums must fit 63 bits."""

_NUMBER = r"\A-?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,3})?\z"
_INFINITE = r"\A-?([iI]nf|[iI]nfinity)\z"
_WHOLE = r"\A[0-9]{1,13}\z"


@dataclass(frozen=True, kw_only=True)
class Quantiles(Global, ABC):
    """A stage that goes by where a document stands among those of its group: emit -> count -> cut -> lay."""

    of: str = BYTES
    per: tuple[str, ...] = ()

    ties: ClassVar[bool] = False  # True where documents of one score may be parted, by digest, then id
    descending: ClassVar[bool] = False  # True where the largest score stands first

    def __post_init__(self) -> None:
        named = [*self.scores, *self.per, self.of]
        if not self.scores or not all(named):
            raise RecipeError(f"{self.name}: name the column of scores, and none that is empty in of or per")
        for what, some in (("of scores", self.scores), ("per", self.per)):
            if len(set(some)) < len(some):
                raise RecipeError(f"{self.name}: columns {what} {list(some)} name one twice")

    @property
    @abstractmethod
    def scores(self) -> tuple[str, ...]:
        """The columns of scores; each has shares of its own."""

    @property
    @abstractmethod
    def shares(self) -> tuple[Fraction, ...]:
        """Where documents of a group are parted, ascending, 0 to 1."""

    @abstractmethod
    def laid(self, scores: Sequence[np.ndarray], behind: Sequence[np.ndarray]) -> Columns:
        """The columns of N documents. scores: float64 [N] a column, NaN for none; behind: int64 [N], ends of shares
        that lie before the document.
        """

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # settings name them
        more = () if self.of in (BYTES, DOCUMENTS) else (self.of,)
        return tuple(dict.fromkeys((TEXT, *more, *self.scores, *self.per)))

    def emitted(self) -> pa.Schema:
        """`row` and `size`, a float64 a score, null for none, and a string a group column. Nothing is a key."""
        scores = [pa.field(f"score_{n}", pa.float64()) for n in range(len(self.scores))]
        groups = [pa.field(f"per_{n}", pa.string()) for n in range(len(self.per))]
        return pa.schema([pa.field("row", pa.int64()), pa.field("size", pa.int64()), *scores, *groups])

    def emit(self, batch: Batch) -> pa.Table:
        columns = [pa.array(np.arange(len(batch))), pa.array(self._sizes(batch))]
        columns += [numbers(batch.column(name), name) for name in self.scores]
        columns += [_text(batch.column(name), name) for name in self.per]
        return pa.table(columns, schema=self.emitted())

    def _sizes(self, batch: Batch) -> np.ndarray:
        """What each document counts for: int64 [N]."""
        if self.of == DOCUMENTS:
            return np.ones(len(batch), np.int64)
        if self.of == WORDS:
            return np.diff(batch.words.first)
        if self.of == BYTES:
            there = BYTES in batch.rows.schema.names
            return batch.column(BYTES).to_numpy() if there else lengths(batch.text)
        return _whole(batch, self.of)


def numbers(column: pa.Array, name: str) -> pa.Array:
    """The numbers in a column, float64 [N], null where there is none. StageError for a type that has none."""
    if pa.types.is_null(column.type):
        return column.cast(pa.float64())
    if _is_text(column.type):
        is_number = pc.or_(pc.match_substring_regex(column, _NUMBER), pc.match_substring_regex(column, _INFINITE))
        column = pc.if_else(is_number, column, None)
    elif not _is_number(column.type):
        raise StageError(f"the column {name!r} holds {column.type}, and a score is a number")
    found = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_nan(found), None, found)


def _whole(batch: Batch, name: str) -> np.ndarray:
    """A column of sizes; StageError for the first document that has none."""
    column = batch.column(name)
    if _is_text(column.type):
        column = pc.if_else(pc.match_substring_regex(column, _WHOLE), column, None)
    size = numbers(column, name).fill_null(-1).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(~((size >= 0) & (size <= MOST_SIZE) & (size == np.floor(size))))
    if len(wrong):
        found, id_ = batch.column(name)[int(wrong[0])].as_py(), batch.column(ID)[int(wrong[0])].as_py()
        raise StageError(
            f"of {name}: document {str(id_)[:60]!r} has {str(found)[:60]!r} there, not a whole number of 0 to "
            f"{MOST_SIZE:,}. Fill the column for every document, or take `of: bytes`."
        )
    return size.astype(np.int64)


def _text(column: pa.Array, name: str) -> pa.Array:
    """Group names: what a column holds, as text."""
    if pa.types.is_nested(column.type):
        raise StageError(f"per {name}: the column holds {column.type}; groups are made by one value a document")
    return column.cast(pa.string())


def _is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_)


def _is_number(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return any(kind(type_) for kind in kinds)
