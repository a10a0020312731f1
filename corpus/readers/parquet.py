"""Parquet: the needed columns of some row groups, in batches of bounded size. Nothing here loops over rows.

A dictionary page may hold one 50 MB string that a thousand rows point at, and no footer tells. So the longest
string of each row group's dictionary is looked up first, and decides with the average row how many rows are
read at a time. (Reading all as a dictionary would be safe too, but Arrow 26 keeps what it has read until the
row group ends: 1.8 GB for one of 400 MB.)
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus.buffers import utf8
from corpus.documents import DOMAIN, ID, TEXT
from corpus.errors import SourceError
from corpus.readers.base import (
    NOT_UTF8,
    NUL,
    PIECE_BYTES,
    SAMPLE_BYTES,
    Fault,
    compact,
    longer_than,
    no_rows,
    sample,
)
from corpus.readers.paths import flat, lacking, tree, type_of, ways
from corpus.source import Bad, Extent, Read, Source, Unit
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
                cause = f"not readable as Parquet: {_brief(error)}"
                yield Read(no_rows(source), [Bad(extent.name, 0, cause, "")])
                continue
            columns = _needed(footer.schema_arrow, source)
            for name, use in columns.items():
                _check(footer.schema_arrow, name, use, extent)
            yield from _groups(raw, footer, list(columns), extent, source)


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


def _needed(schema: pa.Schema, source: Source) -> dict[str, str]:
    """Column -> what for: text, id, domain or field. A column `id` serves as one where its type allows."""
    columns = dict.fromkeys(source.fields, "field")
    if source.id_field is None and ID in schema.names and _can_be_id(schema.field(ID).type):
        columns[ID] = "id"
    if source.id_field is not None:
        columns[source.id_field] = "id"
    if source.domain_field is not None:
        columns[source.domain_field] = "domain"
    return columns | {source.text_field: "text"}


def _check(schema: pa.Schema, name: str, use: str, extent: Extent) -> None:
    times = len(ways(schema, name))
    if times != 1:
        found = f"{times} columns" if times else "no column"
        raise SourceError(f"{extent.url}: {found} {name!r} for the {use}; {lacking(tree(schema, name), name)}")
    held = type_of(schema, name)
    if use != "field" and not (_can_be_id(held) if use == "id" else _is_text(held)):
        raise SourceError(
            f"{extent.url}: column {name!r} holds {held}, which cannot be the {use}: strings "
            f"{'or integers ' if use == 'id' else ''}are needed. Name another column in the source."
        )


def _is_text(held: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(held):
        return _is_text(held.value_type)
    known = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(is_it(held) for is_it in (*known, types.is_string_view, types.is_binary_view))


def _can_be_id(held: pa.DataType) -> bool:
    return bool(pa.types.is_integer(held)) or _is_text(held)


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
    return max(1, sum(int(_sizes(strings).max(initial=0)) for strings in held))


def _has_dictionary(footer: pq.ParquetFile, group: int, name: str) -> bool:
    if not _is_text(type_of(footer.schema_arrow, name)):
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
            batch, why = None, _brief(error)
        if batch is None:
            cause = f"damaged row group: {rows - done:,} rows lost ({why})"
            yield Read(no_rows(source), [Bad(extent.name, first + done, cause, "")])
            return
        yield from _reads(batch, first + done, extent, source)
        done += batch.num_rows


def _reads(batch: pa.RecordBatch, first: int, extent: Extent, source: Source) -> Iterator[Read]:
    """The batch in pieces: rows are few on average, but one may be large."""
    sizes = sum((_sizes(column) for column in batch.columns), np.zeros(len(batch), np.int64))
    causes = np.full(len(batch), None, object)
    causes[sizes > source.max_record_mb * 1e6] = longer_than(source.max_record_mb)
    ends = np.cumsum(np.where(_good(causes), sizes, 0))
    begin = 0
    while begin < len(batch):
        past = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, past + PIECE_BYTES, "right")))
        yield _read(batch.slice(begin, end - begin), causes[begin:end], first + begin, extent, source)
        begin = end


def _sizes(column: pa.Array) -> np.ndarray:
    """Bytes per row of a text column, int64 [N]; 0 for nulls and for what is not text."""
    if not _is_text(column.type):
        return np.zeros(len(column), np.int64)
    if isinstance(column, pa.DictionaryArray):
        each = np.append(_sizes(column.dictionary), 0)
        return each.take(np.asarray(column.indices.fill_null(len(column.dictionary))))
    raw: Any = column.cast(pa.large_binary())
    sizes: np.ndarray = np.asarray(pc.binary_length(raw).fill_null(0))
    return sizes


def _read(batch: pa.RecordBatch, causes: np.ndarray, first: int, extent: Extent, source: Source) -> Read:
    """One piece. causes: object [N], null where nothing is wrong so far; filled in here."""
    text = batch.column(source.text_field)
    _mark(causes, text.is_null(), f"column {source.text_field!r} is null")
    laid = {TEXT: _strings(text, causes, pa.large_string())}
    _mark(causes, _with_nul(laid[TEXT]), NUL)
    laid[ID] = _ids(batch, causes, first, extent, source)
    laid[DOMAIN] = _domains(batch, causes, source)
    for name in source.fields:
        laid[name] = _field(batch.column(name), causes)
    good = _good(causes)
    rows = pa.RecordBatch.from_arrays([laid[name] for name in source.schema().names], schema=source.schema())
    bad = [Bad(extent.name, first + int(row), causes[row], _sample(text, int(row))) for row in np.flatnonzero(~good)]
    return Read(rows.filter(pa.array(good)) if bad else rows, bad)


def _strings(column: pa.Array, causes: np.ndarray, wanted: pa.DataType) -> pa.Array:
    """The column's strings, null where its row has a cause; rows that are not UTF-8 get one."""
    laid = _decoded(_nulled(column, causes)).cast(pa.large_binary())
    try:
        return laid.cast(wanted)  # Arrow takes the file's word that a string is UTF-8; this cast does not
    except pa.ArrowInvalid:
        causes[[row for row, value in enumerate(laid.to_pylist()) if not _is_utf8(value)]] = NOT_UTF8
        return _nulled(laid, causes).cast(wanted)


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def _good(causes: np.ndarray) -> np.ndarray:
    """bool [N]: nothing is wrong with the row so far."""
    return np.asarray(pa.array(causes, pa.string()).is_null())


def _nulled(column: pa.Array, causes: np.ndarray) -> pa.Array:
    """The column, null where its row has a cause; no copy where none has."""
    good = _good(causes)
    return (
        column
        if good.all()
        else column.take(pa.array([row if keep else None for row, keep in enumerate(good)], pa.int64()))
    )


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _with_nul(text: pa.Array) -> pa.Array:
    starts, data = utf8(text)
    if starts[0] == starts[-1] or data[starts[0] : starts[-1]].min() > 0:
        return pa.array(np.zeros(len(text), bool))
    return pc.match_substring(text, "\0")


def _mark(causes: np.ndarray, mask: pa.Array, cause: str) -> None:
    causes[mask.fill_null(False).to_numpy(zero_copy_only=False) & _good(causes)] = cause


def _ids(batch: pa.RecordBatch, causes: np.ndarray, first: int, extent: Extent, source: Source) -> pa.Array:
    places = pa.array([f"{extent.name}#{first + row}" for row in range(len(batch))], pa.string())
    name = source.id_field or ID
    if name not in batch.schema.names:
        return places
    column = batch.column(name)
    if source.id_field is not None:
        _mark(causes, column.is_null(), f"column {name!r} is null")
    whole = pa.types.is_integer(column.type)
    return pc.coalesce(column.cast(pa.string()) if whole else _strings(column, causes, pa.string()), places)


def _domains(batch: pa.RecordBatch, causes: np.ndarray, source: Source) -> pa.Array:
    name = source.domain_field
    if name is None:
        return pa.repeat(pa.scalar(source.domain or "default", pa.string()), len(batch))
    domains = _strings(batch.column(name), causes, pa.string())
    _mark(causes, batch.column(name).is_null(), f"column {name!r} is null")
    _mark(causes, pc.equal(domains, pa.scalar("")), f"column {name!r} is no domain but an empty string")
    return domains


def _field(column: pa.Array, causes: np.ndarray) -> pa.Array:
    if _is_text(column.type):
        return _strings(column, causes, pa.string())
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return column.cast(pa.string())
    kept: list[str | None] = []
    for row, value in enumerate(column):  # 5 us a row; lists and structs have no kernel that writes JSON
        try:
            kept.append(compact(value.as_py()))
        except (Fault, ValueError) as fault:
            kept.append(None)
            causes[row] = causes[row] or _brief(fault)
    return pa.array(kept, pa.string())


def _sample(text: pa.Array, row: int) -> str:
    one: Any = text[row]
    if isinstance(text, pa.DictionaryArray) and one.is_valid:
        one = text.dictionary[text.indices[row].as_py()]
    return sample(memoryview(one.as_buffer())[:SAMPLE_BYTES].tobytes() if one.is_valid else b"")


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
