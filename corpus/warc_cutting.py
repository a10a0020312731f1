"""How archives are cut: compressed ones into ranges of bytes, plain ones between records.

Where members begin in a range is found by its reader (corpus/readers/archive_units.py), not here: telling it for
sure takes a few hundred KB of each range, which 100 workers read sooner than the one that plans. A plain archive is
walked from head to head, since what lies inside a record may be an archive itself: 20 GB of pages take about 10 s.
"""

from collections.abc import Iterator
from itertools import pairwise

from corpus.cutting import whole
from corpus.readers.feed import Feed
from corpus.readers.heads import MOST_HEAD, begins, head
from corpus.readers.members import packing
from corpus.source import Extent, File, Part
from corpus.streams import SourceFile


def members(files: list[File], unit_bytes: int) -> Iterator[Part]:
    """Parts of about `unit_bytes` as stored; one a file that is no larger, is LZ4, or is an ARC that is not packed."""
    for file in files:
        edges = _edges(file, unit_bytes) if file.found.size > unit_bytes else []
        if len(edges) <= 2:
            yield from whole([file], unit_bytes)
        for start, end in pairwise(edges if len(edges) > 2 else []):
            yield Part([file], [Extent(file.found.url, file.name, start, end)], end - start)


def _edges(file: File, unit_bytes: int) -> list[int]:
    size = file.found.size
    with SourceFile(file.found.url) as opened:
        packed = packing(opened)
        if packed is None:
            return [*_records(opened, size, unit_bytes), size]
        return [] if packed == "lz4" else [*range(0, size, unit_bytes), size]


def _records(opened: SourceFile, size: int, unit_bytes: int) -> list[int]:
    """Offsets of records about `unit_bytes` apart, the first 0; none behind a place where the file is damaged."""
    feed, starts, at = Feed(opened, 0, step=MOST_HEAD), [0], 0
    while found := head(feed.ahead(MOST_HEAD), 0):
        if found.arc or found.length is None or at + found.size + found.length >= size:
            break
        feed.seek(at + found.size + found.length)
        behind = feed.ahead(MOST_HEAD)
        blank = len(behind) - len(behind.lstrip(b"\r\n"))
        if not begins(behind, blank):
            break
        feed.seek(at := feed.position + blank)
        if at - starts[-1] >= unit_bytes:
            starts.append(at)
    return starts
