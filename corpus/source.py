"""What a recipe says about an input, and how it is cut into units of work.

A source is a pattern and a few names. A unit is a part of it that one worker reads: a byte range of plain
JSONL, some row groups of Parquet, a whole compressed stream, or a bunch of small files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import pyarrow as pa

from corpus.documents import CORE, PAGE
from corpus.storage import Found

VERSION = 3
"""Raise it when the same input and settings give other documents, or units other keys; shards are redone then."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One entry of a recipe's `sources`.

    path: a file, a glob (`**` crosses folders), a URL, or `-` for standard input; several in a list.
    format: a name of corpus/readers FORMATS; by the file's suffix where absent.
    domain: the name all its documents share, or domain_field: the field that holds it. Without either, "default".
    html_field: the field that holds a stored page; the stage `extract` makes its text.
    text_field, id_field: fields of a record. Without id_field, `id` where a record has one, else file and offset.
    fields: further fields to keep, as strings (what is not a string is kept as compact JSON).
    max_record_mb: a longer record is quarantined unread, so memory stays bounded.
    """

    path: str | tuple[str, ...]
    format: (
        Literal["jsonl", "parquet", "text", "html", "warc", "wat"]
        | Literal["csv", "arrow", "wikipedia", "notebook", "markdown", "latex", "epub", "pdf"]
        | None
    ) = None
    domain: str | None = None
    domain_field: str | None = None
    text_field: str = "text"
    html_field: str | None = None
    id_field: str | None = None
    fields: tuple[str, ...] = ()
    max_record_mb: float = 64.0

    @property
    def paths(self) -> list[str]:
        """`path`, always as a list."""
        return [self.path] if isinstance(self.path, str) else [*self.path]

    def schema(self, pages: bool = False) -> pa.Schema:
        """Columns of a document read from here: CORE, then `fields` as nullable strings, then PAGE where asked."""
        return pa.schema([*CORE, *[(name, pa.string()) for name in self.fields], *(PAGE if pages else ())])


class Extent(NamedTuple):
    """A part of one file: bytes [start, end) of plain JSONL, row groups [start, end) of Parquet, else the whole."""

    url: str
    name: str  # the file's path below its source's fixed folder: what ids and reports call it
    start: int
    end: int  # -1: to the end


@dataclass(frozen=True)
class Unit:
    """What one worker reads at a time. `key` names its output: it covers content, extent and source settings."""

    source: int  # place in the recipe's list
    format: str
    extents: tuple[Extent, ...]
    key: str
    stored_bytes: int


class Bad(NamedTuple):
    """A record that could not be read. `offset` is in bytes of the decompressed file (rows for Parquet; of compressed
    archives the member's place in the file as stored)."""

    file: str
    offset: int
    cause: str
    sample: str  # its first 200 bytes, escaped


class Read(NamedTuple):
    """A piece of a unit: documents in order, the bad records met on the way, and what is no document by design."""

    rows: pa.RecordBatch
    bad: list[Bad]
    skipped: Mapping[str, int] = MappingProxyType({})  # by kind: {"request": 3, "image/png": 2}


class File(NamedTuple):
    """A matched file, its name below the source's fixed folder, its format, and its content's identity."""

    found: Found
    name: str
    format: str
    content: str


class Part(NamedTuple):
    """What becomes a unit."""

    files: list[File]
    extents: list[Extent]
    stored_bytes: int
