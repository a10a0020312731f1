"""How files are cut into parts, each of which becomes a unit of work: by bytes, row groups, bunches, or not at all.

A cutter takes all files of one format that a source matched, in order, and goes by the files alone.
"""

import warnings
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpus import ipc, seekable
from corpus.source import Extent, File, Part
from corpus.streams import SourceFile, codec

BUNCH_BYTES, BUNCH_FILES = 32_000_000, 4096
"""Text files per unit, whichever is reached first: small files cost by number, 0.1 ms each."""


def whole(files: list[File], unit_bytes: int) -> Iterator[Part]:
    """A part a file, for what can only be read from its beginning."""
    for file in files:
        yield Part([file], [Extent(file.found.url, file.name, 0, -1)], file.found.size)


def ranges(files: list[File], unit_bytes: int) -> Iterator[Part]:
    """Byte ranges of plain files, runs of frames of zstd files with a seek table; any other file is one part."""
    for file in files:
        if codec(file.found.url) is None:
            yield from _ranges(file, unit_bytes)
        elif (table := _seek_table(file, unit_bytes)) is not None:
            yield from _frames(file, table, unit_bytes)
        else:
            yield from whole([file], unit_bytes)


def _seek_table(file: File, unit_bytes: int) -> seekable.Frames | None:
    """The table of a file worth cutting, if every frame agrees with it; a warning says where one does not."""
    if codec(file.found.url) != "zstd":
        return None
    with SourceFile(file.found.url) as opened:
        try:
            table = seekable.frames(opened)
            if table is None or table.opened[-1] <= unit_bytes:
                return None
            seekable.check(opened, table)
        except seekable.Wrong as wrong:
            said = f"{file.found.url}: its seek table is not used, one worker reads the whole file: {wrong}"
            warnings.warn(said, stacklevel=2)
            return None
    return table


def _frames(file: File, table: seekable.Frames, unit_bytes: int) -> Iterator[Part]:
    """Runs of frames as ranges of decompressed bytes, which is how a reader of lines counts."""
    sizes = [end - start for start, end in pairwise(table.opened)]
    for part in _runs(file, sizes, unit_bytes):
        (run,) = part.extents
        yield part._replace(extents=[run._replace(start=table.opened[run.start], end=table.opened[run.end])])


def _ranges(file: File, unit_bytes: int) -> Iterator[Part]:
    url, size = file.found.url, file.found.size
    for start in range(0, max(1, size), unit_bytes):
        end = min(size, start + unit_bytes)
        yield Part([file], [Extent(url, file.name, start, end)], end - start)


def row_groups(files: list[File], unit_bytes: int) -> Iterator[Part]:
    """Runs of row groups of Parquet files."""
    for file in files:
        yield from _row_groups(file, unit_bytes)


def _row_groups(file: File, unit_bytes: int) -> Iterator[Part]:
    """Runs of row groups; a file whose footer cannot be read is one unit, and its reader will say why."""
    try:
        with SourceFile(file.found.url) as opened:
            raw: Any = opened
            meta = pq.ParquetFile(raw).metadata
            weights = [max(0, meta.row_group(g).total_byte_size) for g in range(meta.num_row_groups)]
    except (pa.ArrowException, OSError):
        weights = []
    yield from _runs(file, weights, unit_bytes)


def record_batches(files: list[File], unit_bytes: int) -> Iterator[Part]:
    """Runs of record batches of Arrow files; a stream, and a file without a footer, is one part."""
    for file in files:
        try:
            with SourceFile(file.found.url) as opened:
                framed = opened.read(len(ipc.MAGIC)) == ipc.MAGIC
                weights = [block.body for block in ipc.footer(opened)[1]] if framed else []
        except ipc.Damaged:
            weights = []
        yield from _runs(file, weights, unit_bytes)


def _runs(file: File, weights: list[int], unit_bytes: int) -> Iterator[Part]:
    """Runs of a file's row groups or batches that weigh `unit_bytes`; the whole file where there are none."""
    url, name, size = file.found.url, file.name, file.found.size
    if not weights:
        yield Part([file], [Extent(url, name, 0, -1)], size)
        return
    before = [0, *accumulate(weights)]
    start = 0
    for end in range(1, len(weights) + 1):
        if before[end] - before[start] >= unit_bytes or end == len(weights):
            # Shares of the stored bytes that add up to the file's size.
            stored = size * before[end] // max(1, before[-1]) - size * before[start] // max(1, before[-1])
            yield Part([file], [Extent(url, name, start, end)], stored)
            start = end


def bunches(files: list[File], unit_bytes: int) -> Iterator[Part]:
    """Small files, many at a time; each is one document or a few."""
    bunch, size = Part([], [], 0), 0
    for file in files:
        if len(bunch.files) == BUNCH_FILES or (bunch.files and size + file.found.size > BUNCH_BYTES):
            yield bunch._replace(stored_bytes=size)
            bunch, size = Part([], [], 0), 0
        bunch.files.append(file)
        bunch.extents.append(Extent(file.found.url, file.name, 0, -1))
        size += file.found.size
    if bunch.files:
        yield bunch._replace(stored_bytes=size)
