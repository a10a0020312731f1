"""The digest of a run: equal where kept documents, columns and token shards are equal, and only there.

It covers values, not files: Parquet's own bytes may change with its version, a digest must not.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from corpus.buffers import utf8


def table_digest(table: pa.Table) -> str:
    """32 hex digits over names, types and values of all columns, rows in order."""
    digest = hashlib.blake2b(digest_size=16)
    for name in table.column_names:
        column = table[name].combine_chunks()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        digest.update(f"{name}:{_kind(column.type)}:{len(column)};".encode())
        digest.update(np.packbits(column.is_valid().to_numpy(zero_copy_only=False)))
        for part in _values(column):
            digest.update(part)
    return digest.hexdigest()


def _kind(kind: pa.DataType) -> str:
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else str(kind)


def _values(column: pa.Array) -> Iterable[np.ndarray]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        starts, data = utf8(column)
        return np.diff(starts), data[starts[0] : starts[-1]]
    if pa.types.is_boolean(column.type):
        return (np.packbits(column.fill_null(False).to_numpy(zero_copy_only=False)),)
    if pa.types.is_fixed_size_binary(column.type):
        width, filled = column.type.byte_width, column.fill_null(bytes(column.type.byte_width))
        laid = np.frombuffer(memoryview(filled.buffers()[1]), np.uint8)
        return (laid[filled.offset * width : (filled.offset + len(filled)) * width],)
    if pa.types.is_list(column.type):  # spans and their kinds: how many, then what they hold
        held = column.flatten()
        parts = held.flatten() if pa.types.is_struct(held.type) else [held]
        sizes = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        return (np.ascontiguousarray(sizes), *(part for one in parts for part in _values(one)))
    return (np.ascontiguousarray(column.fill_null(0).to_numpy(zero_copy_only=False)),)


def joined(digests: Iterable[str]) -> str:
    """One digest over many, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for one in digests:
        digest.update(one.encode() + b"\n")
    return digest.hexdigest()
