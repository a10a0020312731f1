"""Tables at rest: one Parquet file each, zstd, page checksums, whole or absent.

Everything Winnow stores as a table goes through here, so DuckDB, Polars, pandas and `datasets` read a run
without Winnow. Page checksums cost 1 % of a write and turn a flipped bit into a ShardError.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.errors import ShardError
from corpus.storage import filesystem, is_local, opened, whole

T = TypeVar("T")

SHARD_BYTES = 64_000_000
"""Text per shard. Ten seconds of work for a core at 6 MB/s, 1/300 of it Ray's task cost; fits memory 30 times."""

_GROUP_BYTES = 2_000_000
"""What must be read to see one document again. At 2 MB footers and dictionaries are 0.2 % of a shard."""


def write(url: str, table: pa.Table) -> None:
    """Write a table whole. zstd level 1: 305 MB/s against 169 at level 3, for 4 % more bytes."""
    with whole(url) as file, writer(file, table.schema) as sink:
        sink.write_table(table, row_group_size=_group_rows(table))


def _group_rows(table: pa.Table) -> int:
    return max(64, min(1 << 16, table.num_rows * _GROUP_BYTES // max(1, table.nbytes)))


def writer(file: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet writer of tables of one schema to an open file, with page checksums."""
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[f.name for f in schema if _repeats(f)],
        write_page_checksum=True,
        write_statistics=False,
    )


def _repeats(field: pa.Field) -> bool:
    return bool(pa.types.is_dictionary(field.type)) or field.name in ("domain", "drop")


def read(url: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The table, or some of its columns. ShardError where the file is missing, cut short or altered."""
    return _guarded(url, lambda file: file.read(columns=list(columns) if columns is not None else None))


def take(url: str, rows: np.ndarray, columns: Sequence[str]) -> pa.Table:
    """Some rows (ascending) of some columns; row groups without any of them are not read.

    A group at a time, in the memory of the one before: all of them at once took twice the CPU time, in fresh pages.
    """

    def ask(file: pq.ParquetFile) -> pa.Table:
        meta = file.metadata
        ends = np.cumsum([meta.row_group(g).num_rows for g in range(meta.num_row_groups)])
        found, at = [file.schema_arrow.empty_table().select(list(columns))], 0
        for group, end in enumerate(ends.tolist()):
            to = int(np.searchsorted(rows, end))
            if to > at:
                place = pa.array(rows[at:to] - (end - meta.row_group(group).num_rows))
                found.append(file.read_row_group(group, columns=list(columns), use_threads=False).take(place))
            at = to
        return pa.concat_tables(found)

    return _guarded(url, ask)


def rows(url: str) -> int:
    """Rows by the file's footer alone."""
    return int(_guarded(url, lambda file: file.metadata.num_rows))


def schema(url: str) -> pa.Schema:
    """Columns by the file's footer alone."""
    return _guarded(url, lambda file: file.schema_arrow)


def _guarded(url: str, ask: Callable[[pq.ParquetFile], T]) -> T:
    name = PurePosixPath(filesystem(url)[1]).name
    try:
        with _raw(url) as raw, pq.ParquetFile(raw, page_checksum_verification=True) as file:
            return ask(file)
    except FileNotFoundError as error:
        raise ShardError(f"{url}: not there; was it removed by hand? Run again to rebuild it.") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise ShardError(f"{name}: damaged ({error}) at {url}. Remove it and run again to rebuild it.") from error


def _raw(url: str) -> IO[bytes] | pa.NativeFile:
    """Local files by Arrow itself: a third of the time that a Python file takes for a small table."""
    return pa.OSFile(filesystem(url)[1]) if is_local(url) else opened(url)


def joined(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array; without a copy where it is one (`combine_chunks` makes one of a single chunk too)."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def batches(table: pa.Table, *, rows: int, max_bytes: int = 1_000_000) -> Iterator[pa.RecordBatch]:
    """The table in order, in record batches of at most `rows` rows and about `max_bytes` bytes.

    A MB of text and its word arrays stay in a core's cache: a run over real text took 3.9 CPU s with 1 MB,
    4.2 with 8, 4.7 with 16 (scripts/bench_run.py, 82 MB).
    One document larger than `max_bytes` is a batch of its own, and no batch crosses a chunk: nothing is copied.
    """
    if table.num_rows == 0:
        return
    per_row = max(1, table.nbytes // table.num_rows)
    step = max(1, min(rows, max_bytes // per_row))
    yield from table.to_batches(max_chunksize=step)
