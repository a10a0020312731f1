"""The table of formats: what reads them, and the suffixes that name them. One file a format.

A format is a function from a unit and its source to pieces of documents: `records(unit, source)`. To add
one, write that function and a line here; how its files can be cut into units is corpus/cutting.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa

from corpus import cutting, warc_cutting
from corpus.documents import CHARSET, HTML, TEXT
from corpus.readers import (
    arrow,
    delimited,
    epub,
    html,
    jsonl,
    latex,
    markdown,
    notebook,
    parquet,
    pdf,
    text,
    warc,
    wat,
    wikipedia,
)
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
    lays_pages: bool = False  # makes HTML and CHARSET of `html_field` itself, say from bytes of unknown charset
    pages: bool = False  # every document is a page: known before anything is read
    refuse: Callable[[Source], None] = _nothing  # RecipeError for settings that this format cannot have


FORMATS = {
    "html": Format(html.records, html.SUFFIXES, cutting.bunches, fields=False, pages=True, refuse=html.refuse),
    "jsonl": Format(jsonl.records, jsonl.SUFFIXES, cutting.ranges),
    "parquet": Format(parquet.records, parquet.SUFFIXES, cutting.row_groups, packed=False, lays_pages=True),
    "warc": Format(warc.records, warc.SUFFIXES, warc_cutting.members, fields=False, refuse=warc.refuse),
    "wat": Format(wat.records, wat.SUFFIXES, warc_cutting.members, fields=False, refuse=wat.refuse),
    "text": Format(text.records, text.SUFFIXES, cutting.bunches, fields=False, refuse=text.refuse),
    "csv": Format(delimited.records, delimited.SUFFIXES),
    "arrow": Format(arrow.records, arrow.SUFFIXES, cutting.record_batches, packed=False, lays_pages=True),
    "wikipedia": Format(wikipedia.records, wikipedia.SUFFIXES, cutting.ranges, refuse=wikipedia.refuse),
    "notebook": Format(notebook.records, notebook.SUFFIXES, cutting.bunches, fields=False, refuse=notebook.refuse),
    "markdown": Format(markdown.records, (), cutting.bunches, fields=False, refuse=markdown.refuse),
    "latex": Format(latex.records, (), cutting.bunches, fields=False, refuse=latex.refuse),
    "epub": Format(epub.records, epub.SUFFIXES, cutting.bunches, fields=False, packed=False, refuse=epub.refuse),
    "pdf": Format(pdf.records, pdf.SUFFIXES, cutting.bunches, fields=False, refuse=pdf.refuse),
}


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """The documents of a unit in order, in the columns of `source.schema()`, and the records that are bad.

    Pages (of a format of pages, or where `html_field` is set) have the columns of `source.schema(pages=True)`.
    Pieces hold about 8 MB of text each (more only for a single larger record). Raises SourceError where a
    file cannot be read at all.
    """
    form = FORMATS[unit.format]
    reader = form.records
    if source.html_field is None or not form.fields or form.lays_pages:
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
