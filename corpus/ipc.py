"""Where the record batches of an Arrow IPC file lie and what they open to, without reading them.

Arrow's own readers allocate what a message claims and decompress it whole, so claims are looked at first. The
little of FlatBuffers that this takes is here: a table is its offsets (https://arrow.apache.org/docs/format/
Columnar.html, Schema.fbs, Message.fbs, File.fbs). Every offset may be a lie: `struct.error` is the answer then.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple, Protocol

MAGIC = b"ARROW1"
FIRST = 8  # the first message of a file: the magic and two bytes of padding lie before it; the rest is a stream

_MOST_META = 64_000_000  # bytes of a footer or a message's head: a thousand columns take 100 KB
_SCHEMA, _BATCH = 1, 3  # MessageHeader: Schema 1, DictionaryBatch 2, RecordBatch 3
_BLOCK, _BUFFER = struct.Struct("<qi4xq"), struct.Struct("<qq")


class Damaged(Exception):
    """What is wrong with a file or stream."""


class Block(NamedTuple):
    """A message in a file: byte offset, and the bytes of its head and of its body."""

    offset: int
    head: int
    body: int


class Message(NamedTuple):
    """What a message claims: rows where it is a record batch (None where not), bytes when decompressed, its end."""

    rows: int | None
    opened: int
    end: int


class Seekable(Protocol):
    """A file open for reading."""

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of any file."""


def footer(file: Seekable) -> tuple[list[Block], list[Block]]:
    """Blocks of dictionaries and of record batches, as a file's footer lists them. Raises Damaged."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 10))
    tail = file.read(10)
    if len(tail) < 10 or tail[4:] != MAGIC:
        raise Damaged("no footer")
    length = struct.unpack("<i", tail[:4])[0]
    if not 0 < length <= min(size - 10, _MOST_META):
        raise Damaged(f"the footer claims {length:,} bytes")
    file.seek(size - 10 - length)
    raw = file.read(length)
    try:
        root = _Table(raw, _uint32(raw, 0))
        return _blocks(root, 2, size), _blocks(root, 3, size)
    except struct.error:
        raise Damaged("the footer is no FlatBuffer") from None


def _blocks(root: "_Table", field: int, size: int) -> list[Block]:
    found = [Block(*values) for values in root.structs(field, _BLOCK)]
    for block in found:
        if min(block) < 0 or sum(block) > size:
            raise Damaged("the footer names a place outside the file")
    return found


def message(file: Seekable, offset: int) -> Message | None:
    """The message at a byte; None at the end of a stream. Raises Damaged."""
    file.seek(offset)
    start = file.read(8)
    if len(start) < 8:
        if start:
            raise Damaged("it ends early")
        return None
    mark, length = struct.unpack("<Ii", start)
    begin = offset + 8
    if mark != 0xFFFFFFFF:  # before Arrow 0.15 there was no mark
        begin, length = offset + 4, struct.unpack("<i", start[:4])[0]
    if length == 0:
        return None
    if not 0 < length <= _MOST_META:
        raise Damaged(f"a message claims a head of {length:,} bytes")
    file.seek(begin)
    head = file.read(length)
    try:
        return _claims(file, _Table(head, _uint32(head, 0)), begin + length)
    except struct.error:
        raise Damaged("a message is no FlatBuffer") from None


def _claims(file: Seekable, root: "_Table", body: int) -> Message:
    kind, length = root.number(1, "<B"), root.number(3, "<q")
    if length < 0:
        raise Damaged(f"a message claims a body of {length:,} bytes")
    if kind == _SCHEMA:
        return Message(None, length, body + length)
    batch = root.table(2)
    if kind != _BATCH:
        batch = batch.table(1)  # a DictionaryBatch holds a RecordBatch
    opened = max(length, sum(_opened(file, batch, body)))
    return Message(batch.number(0, "<q") if kind == _BATCH else None, opened, body + length)


def _opened(file: Seekable, batch: "_Table", body: int) -> Iterator[int]:
    """Bytes of each buffer of a compressed batch when open: its first 8 bytes say so; -1 there: stored as it is."""
    if not batch.has(3):
        return
    for place, length in batch.structs(2, _BUFFER):
        if length >= 8:
            file.seek(body + max(0, place))
            claim = struct.unpack("<q", file.read(8))[0]
            yield length if claim < 0 else claim


class _Table:
    """A FlatBuffers table: where its numbered fields lie. Raises struct.error where an offset leads outside."""

    def __init__(self, raw: bytes, at: int) -> None:
        self._raw, self._at = raw, at
        self._fields = at - struct.unpack_from("<i", raw, at)[0]
        if not 0 <= self._fields < len(raw):
            raise struct.error
        self._size = struct.unpack_from("<H", raw, self._fields)[0]

    def _place(self, field: int) -> int:
        slot = 4 + 2 * field
        inside = slot + 2 <= self._size
        offset = struct.unpack_from("<H", self._raw, self._fields + slot)[0] if inside else 0
        return self._at + offset if offset else 0

    def has(self, field: int) -> bool:
        """The field is there."""
        return self._place(field) > 0

    def number(self, field: int, of: str) -> int:
        """A number, 0 where the field is not there."""
        place = self._place(field)
        return int(struct.unpack_from(of, self._raw, place)[0]) if place else 0

    def _pointed(self, field: int) -> int:
        place = self._place(field)
        if not place:
            raise struct.error
        return place + _uint32(self._raw, place)

    def table(self, field: int) -> "_Table":
        """A table inside."""
        return _Table(self._raw, self._pointed(field))

    def structs(self, field: int, of: struct.Struct) -> list[tuple[int, ...]]:
        """A vector of structs, empty where the field is not there."""
        if not self.has(field):
            return []
        at = self._pointed(field)
        count = _uint32(self._raw, at)
        return list(of.iter_unpack(_exactly(self._raw, at + 4, count * of.size)))


def _uint32(raw: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", raw, at)[0])


def _exactly(raw: bytes, at: int, size: int) -> bytes:
    if at + size > len(raw):
        raise struct.error
    return raw[at : at + size]
