"""The table of formats: what reads them, and the suffixes that name them. One file a format.

A format is a function from a unit and its source to pieces of documents: `records(unit, source)`. To add
one, write that function and a line here; how its files can be cut into units is corpus/cutting.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa

from corpus import cutting
from corpus.documents import CHARSET, HTML, TEXT
from corpus.readers import jsonl, parquet, text
from corpus.source import File, Part, Read, Source, Unit


def _nothing(source: Source) -> None:
    """Refuses nothing."""


class Format(NamedTuple):
    """A reader, the suffixes of its files, and how a source's files of this format are cut into parts."""

    records: Callable[[Unit, Source], Iterator[Read]]
    suffixes: tuple[str, ...]
    cut: Callable[[list[File], int], Iterator[Part]] = cutting.whole
    fields: bool = True  # its records have named fields, `html_field` among them
    packed: bool = True  # a suffix of a compression (corpus/streams.py) may follow
    refuse: Callable[[Source], None] = _nothing  # RecipeError for settings that this format cannot have


FORMATS = {
    "jsonl": Format(jsonl.records, jsonl.SUFFIXES, cutting.ranges),
    "parquet": Format(parquet.records, parquet.SUFFIXES, cutting.row_groups, packed=False),
    "text": Format(text.records, text.SUFFIXES, cutting.bunches, fields=False, refuse=text.refuse),
}


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """The documents of a unit in order, in the columns of `source.schema()`, and the records that are bad.

    Pages (of a format of pages, or where `html_field` is set) have the columns of `source.schema(pages=True)`.
    Pieces hold about 8 MB of text each (more only for a single larger record). Raises SourceError where a
    file cannot be read at all.
    """
    reader = FORMATS[unit.format].records
    if source.html_field is None or not FORMATS[unit.format].fields:
        yield from reader(unit, source)
        return
    as_text = replace(source, text_field=source.html_field, html_field=None)
    yield from (read._replace(rows=_pages(read.rows)) for read in reader(unit, as_text))


def _pages(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Pages that a reader handed on as text: UTF-8 by then, whatever their markup claims."""
    text = rows.column(TEXT)
    html, charset = text.cast(pa.large_binary()), pa.repeat(pa.scalar("utf-8"), len(rows))
    bare = rows.set_column(rows.schema.get_field_index(TEXT), TEXT, pa.repeat(pa.scalar("", text.type), len(rows)))
    return bare.append_column(HTML, html).append_column(CHARSET, charset)
