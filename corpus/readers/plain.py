"""Plain lines of JSON, read straight into columns: no Python object a record, no copy of a text but the one.

A line is plain where it is one valid JSON object whose wanted keys stand once at its top level and hold what a
document wants as it stands there: a string for the text, a string or a short integer for an id, a string, null,
boolean or short integer for a field. Any other line is left to the reader, which is slower, says what is wrong,
and decides: so a line that is refused here costs time and never a document. The whole reader does 710 MB/s so on
web pages of 11 kB, and 250 where every line goes through orjson (scripts/bench_kernels.py).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.readers.base import PIECE_BYTES, Piece
from corpus.readers.plain_lines import DOMAIN, FIELD, KEY, PLACE, taken
from corpus.source import Read, Source

_ROWS = 1 << 16  # documents a piece begins with room for: those of 128 bytes of input make 8 MB
_ROOM = 1 << 22  # bytes for a piece's ids, domains and fields, and to begin with beyond its text


def reads(source: Source) -> bool:
    """Whether a source's lines can be plain: no path leads into an object, and the text is nothing else as well."""
    others = _small(source)
    return source.text_field not in others and not any("." in name for name in (source.text_field, *others))


def _small(source: Source) -> list[str]:
    """Keys of the columns beside the text: the id's, the domain's where it has one, the fields'."""
    domain = [] if source.domain_field is None else [source.domain_field]
    return [source.id_field or "id", *domain, *source.fields]


class PlainPiece(Piece):
    """Documents of plain lines in Arrow's own layout, and of other lines behind them in order."""

    def __init__(self, source: Source) -> None:
        self._source, self._wanted = source, _wanted(source)
        self._width = len(self._wanted[2])
        super().__init__(source)

    def _empty(self) -> None:
        super()._empty()
        self._text, self._arena = np.empty(PIECE_BYTES + _ROOM, np.uint8), np.empty(_ROOM, np.uint8)
        self._ends = np.zeros(_ROWS + 1, np.int64)
        self._spans = np.empty((_ROWS, self._width, 2), np.int64)
        self._used = np.zeros(4, np.int64)  # rows, bytes of text, of the arena, and of input

    def plain(self, block: bytes, place: int, begin: int, last: int, limit: int, name: str) -> int:
        """Take plain lines of a block from `place` on, until one is not, or the piece is full; the place behind them.

        begin: that of `place` in the file. Lines that begin at `last` or later, or are longer than `limit`, stay.
        """
        held = self._text, self._ends, self._arena, self._spans, self._used
        said = np.frombuffer(f"{name}#".encode(), np.uint8)
        data = np.frombuffer(block, np.uint8)
        before = int(self._used[3])
        after = int(taken(data, place, begin, last, limit, self._wanted, held, said, PIECE_BYTES))
        self._bytes += int(self._used[3]) - before
        return after

    @property
    def count(self) -> int:
        """Documents held."""
        return int(self._used[0])

    def add(self, row: tuple[str | bytes | None, ...], read: int) -> None:
        """One document that was read another way."""
        key, text, domain, *fields = (value.encode() if isinstance(value, str) else value for value in row)
        small = [key, *([] if self._source.domain_field is None else [domain]), *fields]
        self._make_room(len(text or b""), sum(len(value or b"") for value in small))
        n, at, aside, _ = self._used.tolist()
        at = _put(self._text, at, text or b"")
        for column, value in enumerate(small):
            end = _put(self._arena, aside, value or b"")
            self._spans[n, column] = (aside, end) if value is not None else (-1, -1)
            aside = end
        self._ends[n + 1] = at
        self._used[:] = n + 1, at, aside, self._used[3] + read
        self._bytes += read

    def _make_room(self, text: int, small: int) -> None:
        n, at, aside, _ = self._used.tolist()
        self._text = _larger(self._text, at, text)
        self._arena = _larger(self._arena, aside, small)
        if n == len(self._spans):
            self._ends = np.concatenate([self._ends, np.zeros(n, np.int64)])
            self._spans = np.concatenate([self._spans, np.empty_like(self._spans)])

    def __bool__(self) -> bool:
        return bool(self._used[0]) or super().__bool__()

    def take(self) -> Read:
        """What was gathered, as columns; the piece is empty afterwards."""
        n, at, _, _ = self._used.tolist()
        self._text.resize(max(1, at), refcheck=False)  # what was not needed goes back without a copy
        self._ends.resize(n + 1, refcheck=False)
        text = pa.LargeStringArray.from_buffers(n, pa.py_buffer(self._ends), pa.py_buffer(self._text))
        small = [_column(self._arena, self._spans[:n, column]) for column in range(self._width)]
        if self._source.domain_field is None:
            small.insert(1, pa.repeat(pa.scalar(self._source.domain or "default", pa.string()), n))
        rows = pa.RecordBatch.from_arrays([small[0], text, *small[1:]], schema=self._schema)
        read = Read(rows, self._bad, self._skipped)
        self._empty()
        return read


def _put(out: np.ndarray, at: int, value: bytes) -> int:
    out[at : at + len(value)] = np.frombuffer(value, np.uint8)
    return at + len(value)


def _larger(out: np.ndarray, used: int, more: int) -> np.ndarray:
    """With room for so many more bytes: itself, or a copy of twice the size."""
    if used + more <= len(out):
        return out
    fresh = np.empty(max(2 * len(out), used + more), np.uint8)
    fresh[:used] = out[:used]
    return fresh


def _column(arena: np.ndarray, spans: np.ndarray) -> pa.Array:
    """The strings of one column: a null where the span is negative."""
    offsets, data = _gathered(arena, spans)
    there = spans[:, 0] >= 0
    valid = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.StringArray.from_buffers(len(spans), pa.py_buffer(offsets), pa.py_buffer(data), valid)


@njit(nogil=True, cache=True)
def _gathered(arena: np.ndarray, spans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.zeros(len(spans) + 1, np.int32)
    for n in range(len(spans)):
        offsets[n + 1] = offsets[n] + np.int32(spans[n, 1] - spans[n, 0])
    data = np.empty(offsets[-1], np.uint8)
    for n in range(len(spans)):
        for i in range(offsets[n + 1] - offsets[n]):
            data[offsets[n] + i] = arena[spans[n, 0] + i]
    return offsets, data


def _wanted(source: Source) -> tuple[Any, ...]:
    """The keys that are wanted, the text's first: their bytes and offsets; what each small column wants and where."""
    small = _small(source)
    names = list(dict.fromkeys([source.text_field, *small]))
    kinds = [PLACE if source.id_field is None else KEY]
    kinds += [] if source.domain_field is None else [DOMAIN]
    kinds += [FIELD] * len(source.fields)
    coded = [name.encode() for name in names]
    joined = np.frombuffer(b"".join(coded) or b"\0", np.uint8)
    return joined, _offsets(coded), np.array(kinds), np.array([names.index(name) for name in small])


def _offsets(parts: Sequence[bytes]) -> np.ndarray:
    return np.r_[0, np.cumsum([len(part) for part in parts])].astype(np.int64)
