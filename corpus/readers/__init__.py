"""The table of formats: what reads them, and the suffixes that name them. One file a format.

A format is a function from a unit and its source to pieces of documents: `records(unit, source)`. To add
one, write that function and a line here; how its files are cut into units is corpus/units.py.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from corpus.readers import jsonl, parquet, text
from corpus.source import Read, Source, Unit


class Format(NamedTuple):
    """A reader and the suffixes of its files, each possibly followed by .gz or .zst (not Parquet)."""

    records: Callable[[Unit, Source], Iterator[Read]]
    suffixes: tuple[str, ...]


FORMATS = {
    "jsonl": Format(jsonl.records, jsonl.SUFFIXES),
    "parquet": Format(parquet.records, parquet.SUFFIXES),
    "text": Format(text.records, text.SUFFIXES),
}


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """The documents of a unit in order, in the columns of `source.schema()`, and the records that are bad.

    Pieces hold about 8 MB of text each (more only for a single larger record). Raises SourceError where a
    file cannot be read at all.
    """
    return FORMATS[unit.format].records(unit, source)
