"""Seek tables of zstd files: where each frame lies, so that several workers may read one file.

The format: independent frames, then a skippable frame that lists their sizes (facebook/zstd,
contrib/seekable_format/zstd_seekable_compression_format.md, 0.1.0). A table may lie, and a lie would lose or
repeat documents, so it is held against the frames before anything is cut by it; what it says is used only if
every frame agrees.
"""

import struct
from bisect import bisect_right
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

SKIPPABLE, FOOTER, FRAME = 0x184D2A5E, 0x8F92EAB1, 0xFD2FB528
_MOST_FRAMES = 4_000_000  # of 100 KB each they are a file of 400 GB; the list takes 300 MB
_MOST_FRAME = 256_000_000  # stored bytes of a frame, which is checked in memory
_STEP = 1 << 16


class Wrong(Exception):
    """How a table and its file disagree."""


class Seekable(Protocol):
    """A file open for reading."""

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of any file."""


class Frames(NamedTuple):
    """Where frames begin, and at last where the last one ends: bytes as stored, and decompressed. Both N + 1."""

    stored: list[int]
    opened: list[int]

    def before(self, place: int) -> tuple[int, int]:
        """Stored and decompressed beginning of the frame that holds a decompressed byte; of the last one past it."""
        frame = max(0, min(bisect_right(self.opened, place) - 1, len(self.stored) - 2))
        return self.stored[frame], self.opened[frame]


def frames(file: Seekable) -> Frames | None:
    """The table at the file's end; None where there is none. Raises Wrong where its sizes are not the file's."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 9))
    tail = file.read(9)
    if len(tail) < 9 or struct.unpack("<I", tail[5:])[0] != FOOTER:
        return None
    count, flags, _ = struct.unpack("<IBI", tail)
    width = 12 if flags & 0x80 else 8  # with a checksum of each frame
    length = 8 + count * width + 9
    if count > _MOST_FRAMES or length > size or flags & 0x7C:
        raise Wrong(f"it claims {count:,} frames, flags {flags:#x}")
    file.seek(size - length)
    table = file.read(length)
    if struct.unpack("<II", table[:8]) != (SKIPPABLE, length - 8):
        raise Wrong("no frame of its own holds it")
    sizes = [entry[:2] for entry in struct.iter_unpack("<III" if width == 12 else "<II", table[8:-9])]
    stored = [0, *accumulate(one for one, _ in sizes)]
    if stored[-1] != size - length:
        raise Wrong(f"its frames are {stored[-1]:,} bytes, those of the file {size - length:,}")
    return Frames(stored, [0, *accumulate(one for _, one in sizes)]) if sizes else None


def check(file: Seekable, table: Frames) -> None:
    """Hold every frame against the table: raises Wrong where one begins, ends or opens otherwise.

    Costs one reading of the file; frames that do not state their content's size are decompressed.
    """
    file.seek(0)
    for number in range(len(table.stored) - 1):
        size = table.stored[number + 1] - table.stored[number]
        if size > _MOST_FRAME:
            raise Wrong(f"frame {number:,} is {size:,} bytes, {_MOST_FRAME:,} at most can be checked")
        raw, claimed = file.read(size), table.opened[number + 1] - table.opened[number]
        found = _content(raw)
        if found is None:
            found = _counted(raw, claimed)
        if found != claimed:
            raise Wrong(f"frame {number:,} opens to {found:,} bytes, it says {claimed:,}")


def _content(raw: bytes) -> int | None:
    """Bytes that a frame says it opens to, None where it does not say. Raises Wrong where it is not just one frame."""
    try:
        magic, flags = struct.unpack_from("<IB", raw)
        if magic != FRAME:
            raise Wrong("no zstd frame where it names one")
        single, sized = flags >> 5 & 1, flags >> 6
        at = 5 + (1 - single) + (0, 1, 2, 4)[flags & 3]
        width = (single, 2, 4, 8)[sized]
        content = int.from_bytes(raw[at : at + width], "little") + (256 if sized == 1 else 0) if width else None
        if _end(raw, at + width) + 4 * (flags >> 2 & 1) != len(raw):
            raise Wrong("a frame does not end where it says")
    except struct.error:
        raise Wrong("a frame does not end where it says") from None
    return content


def _end(raw: bytes, at: int) -> int:
    """Where the last block ends, by the blocks' heads."""
    last = 0
    while not last:
        low, high = struct.unpack_from("<HB", raw, at)
        head = low | high << 16
        last, kind, size = head & 1, head >> 1 & 3, head >> 3
        if kind == 3:
            raise Wrong("a frame holds a block of no known kind")
        at += 3 + (1 if kind == 1 else size)  # 1: one byte, repeated
    return at


def _counted(raw: bytes, most: int) -> int:
    """Bytes that a frame opens to, not counted far beyond `most`."""
    stream: Any = pa.CompressedInputStream(pa.BufferReader(raw), "zstd")
    total = 0
    try:
        while total <= most and (piece := stream.read(_STEP)):
            total += len(piece)
    except (OSError, pa.ArrowException) as error:
        raise Wrong(f"a frame cannot be decompressed: {error}") from None
    return total
