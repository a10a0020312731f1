"""Rows on the move: a task scatters its rows by partition into one file; another gathers one partition of all.

A file is one Arrow IPC stream (lz4) a partition, end to end, then a JSON index of their places and CRC-32s,
its own length and CRC-32, and a magic word. So S writers and P readers need S files, not S x P, a partition
is read alone, and a flipped bit is found. A Parquet row group a partition did the same at 5 times the CPU time for
the few kB that most partitions hold. Rows of a gathered partition come in the order of the files, which is
the order of the tasks, whoever ran them.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.errors import ShardError
from corpus.hashing import mix64
from corpus.storage import opened, whole

SUFFIX = ".rows"
_MAGIC = b"WINNOWX1"
_TAIL = 8 + 4 + len(_MAGIC)  # length and CRC-32 of the index, magic
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")


class Damaged(ShardError):
    """A file of rows on the move is not what was written. It can be made again: its task is known by its name."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(url, cause)  # both, so that the error travels between processes
        self.url, self.cause = url, cause

    def __str__(self) -> str:
        return f"{self.url}: damaged ({self.cause}). Remove it and run again to rebuild it."


def spread(key: np.ndarray, parts: int) -> np.ndarray:
    """The partition of each key, int64 [N] in [0, parts): by its own hash, so that addresses spread too."""
    return ((mixed(key) >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.int64)


def mixed(key: np.ndarray) -> np.ndarray:
    """The hash of each 64-bit key, uint64 [N]."""
    return _mixed(np.ascontiguousarray(key).view(np.uint64))  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)
def _mixed(key):  # type: ignore[no-untyped-def]
    hashes = np.empty(len(key), np.uint64)
    for n in range(len(key)):
        hashes[n] = mix64(key[n])
    return hashes


def scatter(url: str, rows: pa.Table, part: np.ndarray) -> None:
    """Write rows grouped by partition, their order within a partition kept."""
    order = np.argsort(part, kind="stable")
    parts, starts, counts = np.unique(part[order], return_index=True, return_counts=True)
    ordered, index = rows.take(pa.array(order)), {}
    with whole(url) as file:
        place = 0
        for p, start, count in zip(parts.tolist(), starts.tolist(), counts.tolist(), strict=True):
            stream = _stream(ordered.slice(start, count))
            file.write(stream)
            index[str(p)] = (place, len(stream), zlib.crc32(stream))
            place += len(stream)
        said = json.dumps(index).encode()
        file.write(said + len(said).to_bytes(8, "little") + zlib.crc32(said).to_bytes(4, "little") + _MAGIC)


def _stream(rows: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_LZ4) as writer:
        writer.write_table(rows.combine_chunks())
    return sink.getvalue()


def gather(urls: Sequence[str], part: int, schema: pa.Schema) -> pa.Table:
    """The rows of one partition from all files, in `schema`. Damaged where a file is cut short or altered."""
    return pa.concat_tables([schema.empty_table(), *streams(urls, part, schema)])


def streams(urls: Sequence[str], part: int, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of one partition file by file, those columns that `schema` names; nothing for a file without any."""
    return (rows for url in urls if (rows := _part(url, str(part), schema)) is not None)


def _part(url: str, part: str, schema: pa.Schema) -> pa.Table | None:
    with opened(url) as file:
        try:
            place, size, crc = _index(file).get(part, (0, 0, 0))
            file.seek(place)
            stream = file.read(size)
            if zlib.crc32(stream) != crc:
                raise ValueError(f"partition {part} does not have the checksum it was written with")
            return _rows(stream, schema) if size else None
        except (ValueError, OSError) as error:  # json's and Arrow's errors are ValueErrors
            raise Damaged(url, str(error)) from error


def _rows(stream: bytes, schema: pa.Schema) -> pa.Table:
    """Columns that are not asked for are not unpacked."""
    there = pa.ipc.open_stream(stream).schema.names
    fields = [there.index(name) for name in schema.names]
    return pa.ipc.open_stream(stream, options=pa.ipc.IpcReadOptions(included_fields=fields)).read_all()


def parts_in(url: str) -> list[int]:
    """The partitions a file holds rows of, ascending."""
    with opened(url) as file:
        return [int(part) for part in _index(file)]


def _index(file: IO[bytes]) -> dict[str, tuple[int, int, int]]:
    end = file.seek(-_TAIL, 2)
    tail = file.read(_TAIL)
    size = int.from_bytes(tail[:8], "little")
    file.seek(max(0, end - size))
    said = file.read(min(size, end))
    if tail[12:] != _MAGIC or zlib.crc32(said) != int.from_bytes(tail[8:12], "little"):
        raise ValueError("its index is not what was written")
    return json.loads(said)  # type: ignore[no-any-return]
