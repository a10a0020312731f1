"""From columns of Arrow to documents: what Parquet and Arrow files share. Nothing here loops over rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.buffers import utf8
from corpus.documents import CHARSET, DOMAIN, HTML, ID, TEXT
from corpus.errors import SourceError
from corpus.readers.base import NOT_UTF8, NUL, PIECE_BYTES, SAMPLE_BYTES, Fault, compact, longer_than, sample
from corpus.readers.paths import lacking, tree, type_of, ways
from corpus.source import Bad, Extent, Read, Source


def needed(schema: pa.Schema, source: Source, extent: Extent) -> list[str]:
    """The columns to read. Raises SourceError where one is missing, there twice, or of a type that cannot serve."""
    columns = _uses(schema, source)
    for name, use in columns.items():
        _check(schema, name, use, extent)
    return list(columns)


def _uses(schema: pa.Schema, source: Source) -> dict[str, str]:
    """Column -> what for: text, id, domain or field. A column `id` serves as one where its type allows."""
    columns = dict.fromkeys(source.fields, "field")
    if source.id_field is None and ID in schema.names and _can_be_id(schema.field(ID).type):
        columns[ID] = "id"
    if source.id_field is not None:
        columns[source.id_field] = "id"
    if source.domain_field is not None:
        columns[source.domain_field] = "domain"
    return columns | {source.html_field or source.text_field: "text"}


def _check(schema: pa.Schema, name: str, use: str, extent: Extent) -> None:
    times = len(ways(schema, name))
    if times != 1:
        found = f"{times} columns" if times else "no column"
        raise SourceError(f"{extent.url}: {found} {name!r} for the {use}; {lacking(tree(schema, name), name)}")
    held = type_of(schema, name)
    if use != "field" and not (_can_be_id(held) if use == "id" else is_text(held)):
        raise SourceError(
            f"{extent.url}: column {name!r} holds {held}, which cannot be the {use}: strings "
            f"{'or integers ' if use == 'id' else ''}are needed. Name another column in the source."
        )


def is_text(held: pa.DataType) -> bool:
    """True for strings and for bytes that may hold them, dictionaries of these too."""
    types = pa.types
    if types.is_dictionary(held):
        return is_text(held.value_type)
    known = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(is_it(held) for is_it in (*known, types.is_string_view, types.is_binary_view))


def _is_binary(held: pa.DataType) -> bool:
    types = pa.types
    held = held.value_type if types.is_dictionary(held) else held
    return any(is_it(held) for is_it in (types.is_binary, types.is_large_binary, types.is_binary_view))


def _can_be_id(held: pa.DataType) -> bool:
    return bool(pa.types.is_integer(held)) or is_text(held)


def reads(batch: pa.RecordBatch, first: int, extent: Extent, source: Source) -> Iterator[Read]:
    """The batch in pieces: rows are few on average, but one may be large."""
    sizes = sum((sizes_of(column) for column in batch.columns), np.zeros(len(batch), np.int64))
    causes = np.full(len(batch), None, object)
    causes[sizes > source.max_record_mb * 1e6] = longer_than(source.max_record_mb)
    ends = np.cumsum(np.where(_good(causes), sizes, 0))
    begin = 0
    while begin < len(batch):
        past = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, past + PIECE_BYTES, "right")))
        yield _read(batch.slice(begin, end - begin), causes[begin:end], first + begin, extent, source)
        begin = end


def sizes_of(column: pa.Array) -> np.ndarray:
    """Bytes per row of a text column, int64 [N]; 0 for nulls and for what is not text."""
    if not is_text(column.type):
        return np.zeros(len(column), np.int64)
    if isinstance(column, pa.DictionaryArray):
        each = np.append(sizes_of(column.dictionary), 0)
        return each.take(np.asarray(column.indices.fill_null(len(column.dictionary))))
    raw: Any = column.cast(pa.large_binary())
    sizes: np.ndarray = np.asarray(pc.binary_length(raw).fill_null(0))
    return sizes


def _read(batch: pa.RecordBatch, causes: np.ndarray, first: int, extent: Extent, source: Source) -> Read:
    """One piece. causes: object [N], null where nothing is wrong so far; filled in here."""
    name = source.html_field or source.text_field
    held = batch.column(name)
    _mark(causes, held.is_null(), f"column {name!r} is null")
    laid = _text(held, causes) if source.html_field is None else _page(held, causes)
    laid[ID] = _ids(batch, causes, first, extent, source)
    laid[DOMAIN] = _domains(batch, causes, source)
    for field in source.fields:
        laid[field] = _field(batch.column(field), causes)
    good, schema = _good(causes), source.schema(source.html_field is not None)
    rows = pa.RecordBatch.from_arrays([laid[field] for field in schema.names], schema=schema)
    bad = [Bad(extent.name, first + int(row), causes[row], _sample(held, int(row))) for row in np.flatnonzero(~good)]
    return Read(rows.filter(pa.array(good)) if bad else rows, bad)


def lost(source: Source, extent: Extent, first: int, cause: str) -> Read:
    """One bad record at row `first`, and no documents."""
    schema = source.schema(source.html_field is not None)
    return Read(pa.RecordBatch.from_pylist([], schema=schema), [Bad(extent.name, first, cause, "")])


def _text(held: pa.Array, causes: np.ndarray) -> dict[str, pa.Array]:
    text = _strings(held, causes, pa.large_string())
    _mark(causes, _with_nul(text), NUL)
    return {TEXT: text}


def _page(held: pa.Array, causes: np.ndarray) -> dict[str, pa.Array]:
    """Bytes come as they are, their charset unknown; strings are UTF-8, whatever their markup claims."""
    if _is_binary(held.type):
        html, charset = _decoded(_nulled(held, causes)).cast(pa.large_binary()), None
    else:
        html, charset = _text(held, causes)[TEXT].cast(pa.large_binary()), "utf-8"
    empty, declared = pa.scalar("", pa.large_string()), pa.scalar(charset, pa.string())
    return {TEXT: pa.repeat(empty, len(held)), HTML: html, CHARSET: pa.repeat(declared, len(held))}


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
    if is_text(column.type):
        return _strings(column, causes, pa.string())
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return column.cast(pa.string())
    kept: list[str | None] = []
    for row, value in enumerate(column):  # 5 us a row; lists and structs have no kernel that writes JSON
        try:
            kept.append(compact(value.as_py()))
        except (Fault, ValueError) as fault:
            kept.append(None)
            causes[row] = causes[row] or brief(fault)
    return pa.array(kept, pa.string())


def _sample(text: pa.Array, row: int) -> str:
    one: Any = text[row]
    if isinstance(text, pa.DictionaryArray) and one.is_valid:
        one = text.dictionary[text.indices[row].as_py()]
    return sample(memoryview(one.as_buffer())[:SAMPLE_BYTES].tobytes() if one.is_valid else b"")


def brief(error: Exception) -> str:
    """The first line of what a library says, 200 characters at most."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
