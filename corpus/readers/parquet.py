"""Parquet: the needed columns of some row groups, in batches of bounded size. Nothing here loops over rows.

A dictionary page may hold one 50 MB string that a thousand rows point at, and no footer tells. So the longest
string of each row group's dictionary is looked up first, and decides with the average row how many rows are
read at a time. (Reading all as a dictionary would be safe too, but Arrow 26 keeps what it has read until the
row group ends: 1.8 GB for one of 400 MB.)
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.readers.base import PIECE_BYTES
from corpus.readers.columns import brief, is_text, lost, needed, reads, sizes_of
from corpus.readers.paths import flat, type_of
from corpus.source import Extent, Read, Source, Unit
from corpus.streams import SourceFile

SUFFIXES = (".parquet", ".pq")

_MOST_ROWS = 1 << 14
_MOST_BYTES = 128_000_000  # what a batch may come to where every row points at the longest string
_PLAIN = {"PLAIN", "PLAIN_DICTIONARY", "RLE", "RLE_DICTIONARY", "BIT_PACKED"}
"""Encodings that Arrow reads into a dictionary; the DELTA ones it does not (26.0: "not yet implemented")."""


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """The documents of a unit in order, in pieces of about 8 MB, with the rows that had to be quarantined.

    A damaged row group costs what of it could not be read, as one Bad that says how many rows; the others
    are read. Raises SourceError where a file cannot be opened or its columns are not what the source names.
    """
    for extent in unit.extents:
        with SourceFile(extent.url) as file:
            raw: Any = file
            try:
                footer = pq.ParquetFile(raw)
            except (pa.ArrowException, OSError) as error:
                yield lost(source, extent, 0, f"not readable as Parquet: {brief(error)}")
                continue
            yield from _groups(raw, footer, needed(footer.schema_arrow, source, extent), extent, source)


def _opened(raw: Any, footer: pq.ParquetFile, **options: Any) -> pq.ParquetFile:
    """The file, its pages streaming through 1 MB: a row group may be larger than memory."""
    return pq.ParquetFile(
        raw,
        metadata=footer.metadata,
        buffer_size=1 << 20,
        pre_buffer=False,
        page_checksum_verification=True,
        **options,
    )


def _groups(raw: Any, footer: pq.ParquetFile, names: list[str], extent: Extent, source: Source) -> Iterator[Read]:
    file, meta, first = _opened(raw, footer), footer.metadata, 0
    for group in range(meta.num_row_groups if extent.end < 0 else extent.end):
        rows = meta.row_group(group).num_rows
        if group >= extent.start:
            step = min(_average_step(footer, group, names), _MOST_BYTES // _longest(raw, footer, group, names))
            batches = file.iter_batches(max(1, step), [group], names, use_threads=False)
            yield from _group((flat(batch, names) for batch in batches), rows, first, extent, source)
        first += rows


def _average_step(footer: pq.ParquetFile, group: int, names: list[str]) -> int:
    """Rows of about PIECE_BYTES, by the bytes that the footer says."""
    chunks = [chunk for name in names for chunk in _chunks(footer, group, name)]
    stored = sum(max(0, chunk.total_uncompressed_size) for chunk in chunks)
    return min(_MOST_ROWS, PIECE_BYTES * footer.metadata.row_group(group).num_rows // max(1, stored))


def _longest(raw: Any, footer: pq.ParquetFile, group: int, names: list[str]) -> int:
    """Bytes of the longest row that the group's dictionaries can make, at least 1; costs 2 ms a row group."""
    probed = [name for name in names if _has_dictionary(footer, group, name)]
    if not probed:
        return 1
    try:
        one = next(_opened(raw, footer, read_dictionary=probed).iter_batches(1, [group], probed, use_threads=False))
    except (StopIteration, pa.ArrowException, OSError):
        return 1  # damaged; reading it will say so
    held = [column.dictionary for column in flat(one, probed).columns if isinstance(column, pa.DictionaryArray)]
    return max(1, sum(int(sizes_of(strings).max(initial=0)) for strings in held))


def _has_dictionary(footer: pq.ParquetFile, group: int, name: str) -> bool:
    if not is_text(type_of(footer.schema_arrow, name)):
        return False
    chunks = _chunks(footer, group, name)
    return all(chunk.has_dictionary_page and _PLAIN.issuperset(chunk.encodings) for chunk in chunks)


def _chunks(footer: pq.ParquetFile, group: int, name: str) -> list[Any]:
    """The footer's entries of a column; a nested one has several."""
    meta = footer.metadata
    paths = [meta.schema.column(i).path for i in range(meta.num_columns)]
    places = [i for i, path in enumerate(paths) if path == name or path.startswith(f"{name}.")]
    return [meta.row_group(group).column(i) for i in places]


def _group(batches: Iterator[pa.RecordBatch], rows: int, first: int, extent: Extent, source: Source) -> Iterator[Read]:
    done, why = 0, "it ends early"
    while done < rows:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            batch, why = None, brief(error)
        if batch is None:
            cause = f"damaged row group: {rows - done:,} rows lost ({why})"
            yield lost(source, extent, first + done, cause)
            return
        yield from reads(batch, first + done, extent, source)
        done += batch.num_rows
