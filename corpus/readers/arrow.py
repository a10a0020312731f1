"""Arrow IPC: files (.arrow, .feather: record batches in any order) and streams, as `datasets` writes both.

A record batch is read whole, so what it opens to is looked at before (corpus/ipc.py) and is quarantined above
1 GB. A file without a footer is read as the stream that it is from its ninth byte on.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pyarrow as pa

from corpus.ipc import FIRST, MAGIC, Damaged, Message, footer, message
from corpus.readers.columns import brief, lost, needed, reads
from corpus.readers.paths import flat, ways
from corpus.source import Extent, Read, Source, Unit
from corpus.streams import SourceFile

SUFFIXES = (".arrow", ".feather", ".ipc")

_MOST_BYTES = 1_000_000_000  # `datasets` writes batches of 1,000 rows, Feather writers of 65,536
_FAILED = (pa.ArrowException, OSError, ValueError)  # pyarrow: ArrowInvalid is a ValueError, as are its own checks


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """The documents of a unit in order, in pieces of about 8 MB, with the rows that had to be quarantined.

    A damaged batch costs its rows as one Bad, and in a stream all behind it. Raises SourceError where a file
    cannot be opened or its columns are not what the source names.
    """
    for extent in unit.extents:
        with SourceFile(extent.url) as file, SourceFile(extent.url) as ahead:
            try:
                made = _Batches(file, ahead, extent, source)
            except (*_FAILED, Damaged) as error:
                yield lost(source, extent, 0, f"not readable as Arrow: {brief(error)}")
                continue
            yield from made.reads()


class _Batches:
    """The record batches of a file or stream, each looked at through `ahead` before `file` gives it."""

    def __init__(self, file: SourceFile, ahead: SourceFile, extent: Extent, source: Source) -> None:
        self._ahead, self._extent, self._source = ahead, extent, source
        self._begin = FIRST if file.read(len(MAGIC)) == MAGIC else 0
        self._blocks = self._footer() if self._begin else None
        begin = None if self._blocks is not None else self._begin
        whole: Any = _opened(file, begin)
        self._names = needed(whole.schema, source, extent)
        places = sorted({ways(whole.schema, name)[0][0] for name in self._names})
        self._reader: Any = _opened(file, begin, pa.ipc.IpcReadOptions(included_fields=places, use_threads=False))

    def _footer(self) -> list[int] | None:
        """Offsets of the record batches; None where the file must be read as a stream."""
        try:
            dictionaries, batches = footer(self._ahead)
        except Damaged:
            return None
        for block in dictionaries:
            _refuse(message(self._ahead, block.offset))
        return [block.offset for block in batches]

    def reads(self) -> Iterator[Read]:
        """The documents, batch by batch."""
        first = 0
        for number, claims in self._in_file() if self._blocks is not None else self._in_stream():
            rows = 0
            if isinstance(claims, Damaged):
                yield lost(self._source, self._extent, first, f"damaged record batch: {claims}")
            else:
                rows = claims.rows or 0
                if number >= self._extent.start:
                    yield from self._batch(number, claims, first)
            first += rows

    def _in_file(self) -> Iterator[tuple[int, Message | Damaged]]:
        blocks = self._blocks or []
        for number in range(len(blocks) if self._extent.end < 0 else min(self._extent.end, len(blocks))):
            try:
                found = message(self._ahead, blocks[number])
                yield number, found or Damaged("no message where the footer names one")
            except Damaged as damage:
                yield number, damage

    def _in_stream(self) -> Iterator[tuple[int, Message | Damaged]]:
        at, numbers = self._begin, count()
        while True:
            try:
                found = message(self._ahead, at)
                if found is not None and found.rows is None:
                    _refuse(found)
            except Damaged as damage:
                yield next(numbers), Damaged(f"the rest of the file is lost ({damage})")
                return
            if found is None:
                return
            at = found.end
            if found.rows is not None:
                yield next(numbers), found
                if found.opened > _MOST_BYTES:
                    return  # what cannot be read cannot be passed over either

    def _batch(self, number: int, claims: Message, first: int) -> Iterator[Read]:
        try:
            _refuse(claims)
            taken = self._reader.get_batch(number) if self._blocks is not None else self._reader.read_next_batch()
            taken.validate()
            batch = flat(taken, self._names)
            for column in batch.columns:
                _bytes_of(column).validate(full=True)  # offsets; whether strings are UTF-8 is asked row by row
        except (*_FAILED, Damaged, StopIteration) as error:
            cause = f"damaged record batch: {claims.rows or 0:,} rows lost ({brief(error)})"
            yield lost(self._source, self._extent, first, cause)
            return
        yield from reads(batch, first, self._extent, self._source)


def _opened(file: SourceFile, begin: int | None, options: pa.ipc.IpcReadOptions | None = None) -> Any:
    """A reader of the whole file, or of the stream from byte `begin`."""
    file.seek(begin or 0)
    raw = pa.PythonFile(_Limited(file), "r")
    return pa.ipc.open_file(raw, options=options) if begin is None else pa.ipc.open_stream(raw, options=options)


def _refuse(claims: Message | None) -> None:
    if claims is not None and claims.opened > _MOST_BYTES:
        raise Damaged(f"it opens to {claims.opened / 1e6:,.0f} MB, {_MOST_BYTES / 1e6:,.0f} at most are read at once")


def _bytes_of(column: pa.Array) -> pa.Array:
    """The column with its strings as bytes, not copied."""
    if isinstance(column, pa.DictionaryArray):
        column.indices.validate(full=True)
        return pa.DictionaryArray.from_arrays(column.indices, _bytes_of(column.dictionary))
    as_bytes = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
    return column.view(as_bytes[column.type]) if column.type in as_bytes else column


class _Limited:
    """A file that refuses to be asked for more than a batch may hold: what is asked is allocated before it is read."""

    closed = False

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if size > _MOST_BYTES:
            raise OSError(f"a message claims {size:,} bytes")
        return self._file.read(size)

    def close(self) -> None:
        self.closed = True
