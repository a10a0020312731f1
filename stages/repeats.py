"""Repeats: pieces of text that stand elsewhere too are cut out of all documents but one.

A stage says what a piece is and gives each a key of 128 bits. Pieces travel as keyed rows; the text does not.
Occurrences of a piece are ordered by content: a hash of the document's id, another of id and text, then the
place in the document; so the one that stays does not hang on workers, shards or the order of the input. Only
of documents with the same id and the same text does the address decide, and then it makes no difference.
"""

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from corpus.buffers import bounds
from corpus.documents import DROP, TEXT, VALUE, Columns, halves
from corpus.edits import SPANS, Spans, cut, recorded
from corpus.errors import RecipeError
from corpus.hashing import hash64
from corpus.words import words
from stages.base import WORDS, Column, Global

REASON = "little left"

PIECES = pa.schema(
    [(name, pa.uint64()) for name in ("key", "key2")] + [(name, pa.int64()) for name in ("row", "start", "end")]
)
"""A piece: its key, the row of its document, and the bytes that go if it is cut, from the document's start. Rows
come in the order of documents, those of one document by start."""

SENT = pa.schema(
    [(name, pa.uint64()) for name in ("key", "key2", "order", "order2")]
    + [(name, pa.int64()) for name in ("address", "start", "count")]
)
"""All occurrences of a piece in one shard: the best of them, and how many: 56 bytes however often it occurs."""

BEST = pa.schema([("key", pa.uint64()), ("key2", pa.uint64()), ("address", pa.int64()), ("start", pa.int64())])
"""The occurrence of a piece that stays; an address of -1 where none does."""


@dataclass(frozen=True, kw_only=True)
class Repeats(Global, ABC):
    """A stage that takes pieces out of documents, and drops those of which too little is left."""

    least_left_words: int = 1

    reads = (TEXT, WORDS)
    rewrites = True
    judging: ClassVar[tuple[str, ...]] = ("least_left_words",)
    volume: ClassVar[float] = 1  # rows by key, in those that a partition is sized for: text counts so often
    ordered: ClassVar[bool] = False  # True where the order of shards and documents decides

    def __post_init__(self) -> None:
        if self.least_left_words < 0:
            raise RecipeError(f"{self.name}: least_left_words is {self.least_left_words:,}; the least is 0")

    @property
    def spans(self) -> str:
        """The column that says what was cut."""
        return f"{self.name}_spans"

    @property
    def adds(self) -> Mapping[str, Column]:
        return {
            self.spans: Column(SPANS, "what was cut: bytes from the start of the text that the stage was given"),
            "pieces_cut": Column(pa.int64(), "repeated pieces that were cut"),
            "bytes_cut": Column(pa.int64(), "bytes that were cut"),
        }

    def edited(self, text: pa.Array, spans: Spans, pieces: np.ndarray, more: Columns | None = None) -> pa.Table:
        """What the stage lays beside N texts of which `spans` are to go; pieces: int64 [N], what they count for."""
        fresh = cut(text, spans)
        changed = np.diff(spans.first) > 0
        left = np.zeros(len(text), np.int64)
        left[changed] = np.diff(words(fresh.drop_null()).first)
        gone = pa.array(changed & (left < self.least_left_words))
        size = bounds(spans.ends - spans.starts)
        columns = {
            DROP: pc.if_else(gone, REASON, pa.nulls(len(text), pa.string())),
            VALUE: pc.if_else(gone, pa.array(left.astype(np.float64)), None),
            TEXT: pc.if_else(gone, None, fresh),
            self.spans: recorded(spans),
            "pieces_cut": pa.array(pieces),
            "bytes_cut": pa.array(np.diff(size[spans.first])),
        }
        return self.checked(columns | (more or {}), len(text))


@dataclass(frozen=True, kw_only=True)
class Copies(Repeats, ABC):
    """A stage whose pieces are equal where their keys are, cut where they occur `least_count` times or more."""

    least_count: int = 2
    keep: Literal["first", "none"] = "first"

    judging = ("least_left_words", "least_count", "keep")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least_count < 2:
            raise RecipeError(
                f"{self.name}: least_count is {self.least_count:,}; what occurs once repeats nothing, so at least 2"
            )

    def emitted(self) -> pa.Schema:
        return PIECES


def orders(ids: pa.Array, digests: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The order of documents as two uint64 [N], less is better: of the id; of the id and the text."""
    return hash64(ids, 1), hash64(ids, 2) ^ halves(digests)[0]


def combined(
    pieces: pa.Table, order: np.ndarray, order2: np.ndarray, first_address: int
) -> tuple[pa.Table, np.ndarray]:
    """One row a key of one shard's pieces, in SENT, sorted by key; and int64 [keys], the piece that each row is of.

    order, order2: uint64 [documents of the shard]; first_address: that of the shard's first document.
    """
    key, key2, row, start = (pieces[name].to_numpy() for name in ("key", "key2", "row", "start"))
    rank = np.empty(len(order), np.int64)
    rank[np.lexsort((order2, order))] = np.arange(len(order))
    sorted_ = np.lexsort((rank[row], key2, key))  # stable: the pieces of a document stay in its order
    places = np.flatnonzero(firsts(key[sorted_], key2[sorted_]))
    best, count = sorted_[places], np.diff(np.r_[places, len(key)])
    row = row[best]
    columns = [key[best], key2[best], order[row], order2[row], first_address + row, start[best], count]
    return pa.table(columns, schema=SENT), best


def best(rows: pa.Table, least_count: int, keep: str) -> tuple[pa.Table, np.ndarray]:
    """Of pieces that occur often enough the occurrence that stays, for each row that has others to cut.

    rows: in SENT, all of a key; returns BEST and int64 [rows of it], an address in the shard that is to know.
    """
    often = np.flatnonzero(_often(rows["key"].to_numpy(), rows["count"].to_numpy(), least_count))
    key, key2, order, order2, address, start, count = (column.to_numpy()[often] for column in rows.columns)
    sorted_ = np.lexsort((start, address, order2, order, key2, key))
    key, key2, address, start, count = (column[sorted_] for column in (key, key2, address, start, count))
    first = firsts(key, key2)
    group = np.cumsum(first) - 1
    lead = np.flatnonzero(first)
    total = np.bincount(group, weights=count, minlength=len(lead))  # exact below 2**53 occurrences
    wanted = (total[group] >= least_count) & ((count > 1) | ~first | (keep == "none"))
    stays = lead[group[wanted]]
    there = np.full(len(stays), -1) if keep == "none" else address[stays]
    return pa.table([key[wanted], key2[wanted], there, start[stays]], schema=BEST), address[wanted]


def _often(key: np.ndarray, count: np.ndarray, least_count: int) -> np.ndarray:
    """bool [N]: rows whose first key alone occurs often enough: one sort instead of six, few rows are left."""
    sorted_ = np.argsort(key)
    group = np.cumsum(firsts(key[sorted_])) - 1
    total = np.bincount(group, weights=count[sorted_])
    often = np.zeros(len(key), bool)
    often[sorted_] = total[group] >= least_count
    return often


def firsts(*sorted_columns: np.ndarray) -> np.ndarray:
    """bool [N]: True where a row differs from the row before it in any of the columns."""
    first = np.ones(len(sorted_columns[0]), bool)
    first[1:] = np.logical_or.reduce([c[1:] != c[:-1] for c in sorted_columns])
    return first


def copies(pieces: pa.Table, known: pa.Table, first_address: int) -> np.ndarray:
    """bool [pieces]: those that are cut: they occur often enough, and are not the occurrence that stays."""
    return elsewhere(pieces, known, first_address, looked_up(pieces, known))


def elsewhere(pieces: pa.Table, known: pa.Table, first_address: int, at: np.ndarray) -> np.ndarray:
    """bool [pieces]: those whose row of `known` (by `at`, -1 for none) says that another occurrence stays."""
    row, start = (pieces[name].to_numpy() for name in ("row", "start"))
    address, stays = (np.r_[known[name].to_numpy(), np.int64(0)] for name in ("address", "start"))  # one more for -1
    return (at >= 0) & ((address[at] != first_address + row) | (stays[at] != start))


def looked_up(pieces: pa.Table, known: pa.Table) -> np.ndarray:
    """int64 [pieces]: the row of `known` (in BEST, every key once) that has a piece's key, -1 where none has."""
    key, key2 = (known[name].to_numpy() for name in ("key", "key2"))
    sorted_ = np.lexsort((key2, key))
    key, key2, asked = key[sorted_], key2[sorted_], pieces["key"].to_numpy()
    at = _looked_up(asked, pieces["key2"].to_numpy(), np.searchsorted(key, asked), key, key2)
    return np.where(at >= 0, np.r_[sorted_, np.int64(-1)][at], -1)


@njit(nogil=True, cache=True)
def _looked_up(key, key2, at, known, known2):  # type: ignore[no-untyped-def]
    out = np.full(len(key), np.int64(-1))
    for i in range(len(key)):
        k = at[i]
        while k < len(known) and known[k] == key[i] and known2[k] != key2[i]:
            k += 1
        if k < len(known) and known[k] == key[i]:
            out[i] = k
    return out


def among(values: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """bool [asked]: which of them are among `values`, sorted. numpy's isin hashes all values at every call."""
    if len(values) == 0:
        return np.zeros(len(asked), bool)
    at = np.searchsorted(values, asked)
    found: np.ndarray = values[np.minimum(at, len(values) - 1)] == asked
    return found


def merged(pieces: pa.Table, documents: int) -> Spans:
    """The bytes of some pieces (in PIECES, by row and start) as spans of their documents, overlaps joined."""
    row, start, end = (pieces[name].to_numpy() for name in ("row", "start", "end"))
    return Spans(*_merged(row, start, end, documents))


@njit(nogil=True, cache=True)
def _merged(row, start, end, documents):  # type: ignore[no-untyped-def]
    first = np.zeros(documents + 1, np.int64)
    starts, ends = np.empty(len(row), np.int64), np.empty(len(row), np.int64)
    size = np.int64(0)
    for i in range(len(row)):
        if i and row[i] == row[i - 1] and start[i] <= ends[size - 1]:
            ends[size - 1] = max(ends[size - 1], end[i])
            continue
        starts[size], ends[size] = start[i], end[i]
        first[row[i] + 1] += 1
        size += 1
    return np.cumsum(first), starts[:size], ends[:size]
