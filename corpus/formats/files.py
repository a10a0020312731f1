"""The files of a converted folder: written whole with their checksums, read only where these agree."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from corpus import shards
from corpus.errors import ShardError
from corpus.manifest import Digest, digest
from corpus.storage import filesystem, is_local, join, read_bytes, whole


class FileEntry(BaseModel):
    """A file's line of the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bytes: Annotated[int, Field(ge=0)]
    blake2b: Digest  # BLAKE2b-128


class Sink(io.RawIOBase):
    """An open file that counts and digests what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash, self.size = file, hashlib.blake2b(digest_size=16), 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, content: object) -> int:
        """Append bytes, or an array's; returns how many."""
        view = memoryview(content)  # type: ignore[arg-type]
        view = view.cast("B") if view.nbytes else memoryview(b"")  # a view of nothing cannot be cast
        self._hash.update(view)
        self._file.write(view)
        self.size += view.nbytes
        return view.nbytes

    def entry(self) -> FileEntry:
        """What was written so far."""
        return FileEntry(bytes=self.size, blake2b=self._hash.hexdigest())


class Destination:
    """A folder to write to; `files` is what the manifest says of those that are finished."""

    def __init__(self, folder: str) -> None:
        self.folder, self.files = folder, dict[str, FileEntry]()

    @contextmanager
    def file(self, name: str) -> Iterator[Sink]:
        """A file to write to, there under its name when the block ends well. ShardError where one is already."""
        if name in self.files:
            raise ShardError(f"{self.folder}: two shards would be written as {name}")
        with whole(join(self.folder, name)) as file:
            sink = Sink(file)
            yield sink
        self.files[name] = sink.entry()

    def write(self, name: str, content: bytes) -> None:
        """A file of these bytes."""
        with self.file(name) as sink:
            sink.write(content)

    def table(self, name: str, table: pa.Table) -> None:
        """A Parquet file, in row groups of about 2 MB."""
        rows = max(64, min(1 << 16, table.num_rows * 2_000_000 // max(1, table.nbytes)))
        with self.file(name) as sink, shards.writer(sink, table.schema) as writer:  # type: ignore[arg-type]
            writer.write_table(table, row_group_size=rows)


class Source:
    """A folder to read from: each file is digested before anything in it is believed."""

    def __init__(self, folder: str, files: Mapping[str, FileEntry]) -> None:
        self.folder, self.files = folder, files

    def url(self, name: str) -> str:
        """Where the file lies."""
        return join(self.folder, name)

    def content(self, name: str) -> np.ndarray:
        """The file's bytes: uint8, mapped where local. ShardError where it is missing, or not what was written."""
        url, entry = self.url(name), self.files.get(name)
        if entry is None:
            raise ShardError(f"{url}: the manifest names no such file; was it edited by hand?")
        found = mapped(url)
        if len(found) != entry.bytes:
            raise ShardError(f"{url}: {len(found):,} bytes, the manifest says {entry.bytes:,}; was it cut short?")
        if (said := digest(found.data)) != entry.blake2b:
            raise ShardError(f"{url}: BLAKE2b-128 {said}, not {entry.blake2b}: it was altered")
        return found

    def table(self, name: str, schema: pa.Schema) -> pa.Table:
        """A Parquet file of these columns. ShardError as in `content`, or where it is none."""
        content = self.content(name)
        try:
            with pq.ParquetFile(pa.BufferReader(pa.py_buffer(content.data))) as file:
                groups = [file.read_row_group(g) for g in range(file.num_row_groups)]  # at once: three times the memory
                found = pa.concat_tables([file.schema_arrow.empty_table(), *groups])
        except (pa.ArrowInvalid, OSError) as error:
            raise ShardError(f"{self.url(name)}: not a Parquet file ({error})") from error
        if found.schema.remove_metadata() != schema or any(column.null_count for column in found.columns):
            raise ShardError(f"{self.url(name)}: has {found.schema.to_string()!r}, not {schema.to_string()!r}")
        return found


def mapped(url: str) -> np.ndarray:
    """The bytes of any file: uint8, mapped where local. ShardError where there is none."""
    try:
        if not is_local(url):
            return np.frombuffer(read_bytes(url), np.uint8)
        with open(filesystem(url)[1], "rb") as file:  # an empty file cannot be mapped
            if file.seek(0, 2):
                return np.memmap(file, np.uint8, "r").view(
                    np.ndarray
                )  # a slice of a memmap takes 1.2 us, of its view 0.1
            return np.zeros(0, np.uint8)
    except FileNotFoundError as error:
        raise ShardError(f"{url}: not there; was it removed by hand? Convert the tokens again.") from error


def numbers(name: str, content: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Bytes as numbers, a view where they are aligned. ShardError where the last one is cut short."""
    if len(content) % dtype.itemsize:
        raise ShardError(f"{name}: {len(content):,} bytes are no whole number of {dtype.itemsize}-byte ids")
    aligned = content if content.ctypes.data % dtype.itemsize == 0 else content.copy()
    return aligned.view(dtype)


def one(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
