"""How files are cut into parts, each of which becomes a unit of work: by bytes, row groups, bunches, or not at all.

A cutter takes all files of one format that a source matched, in order, and goes by the files alone.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.source import Extent, File, Part
from corpus.streams import SourceFile, codec

BUNCH_BYTES, BUNCH_FILES = 32_000_000, 4096
"""Text files per unit, whichever is reached first: small files cost by number, 0.1 ms each."""


def whole(files: list[File], unit_bytes: int) -> Iterator[Part]:
    """A part a file, for what can only be read from its beginning."""
    for file in files:
        yield Part([file], [Extent(file.found.url, file.name, 0, -1)], file.found.size)


def ranges(files: list[File], unit_bytes: int) -> Iterator[Part]:
    """Byte ranges of plain files; a compressed one is one part."""
    for file in files:
        yield from _ranges(file, unit_bytes) if codec(file.found.url) is None else whole([file], unit_bytes)


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
    url, name, size = file.found.url, file.name, file.found.size
    try:
        with SourceFile(url) as opened:
            raw: Any = opened
            meta = pq.ParquetFile(raw).metadata
            weights = [max(0, meta.row_group(g).total_byte_size) for g in range(meta.num_row_groups)]
    except (pa.ArrowException, OSError):
        weights = []
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
