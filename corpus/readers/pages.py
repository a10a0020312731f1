"""Pages gathered until there are enough of them: as documents are, but for their bytes, which are laid one by one.

A page is copied once, while it is still in the processor's cache, and its memory then serves the next one.
"""

import numpy as np
import pyarrow as pa

from corpus.documents import HTML
from corpus.readers.base import PIECE_BYTES, Piece
from corpus.source import Read, Source

Body = bytes | memoryview | None
"""A page's bytes, null where the row has its text."""


class Pages(Piece):
    """A piece of a source of pages. Of a page without `html` the row has the text."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, pages=True)
        self._html = _Laid()

    def add_page(self, row: tuple[str | None, ...], html: Body, charset: str | None, read: int) -> None:
        """One document: id, text, domain and fields, then its page, made of `read` bytes of input."""
        self.add((*row, None, charset), max(read, len(html or b"")))
        self._html.add(html)

    def take(self) -> Read:
        """What was gathered, as columns; the piece is empty afterwards."""
        read, html = super().take(), self._html.array()
        self._html = _Laid()
        return read._replace(rows=read.rows.set_column(read.rows.schema.get_field_index(HTML), HTML, html))


class _Laid:
    """Bytes laid one behind the other. Arrow's own builder moves them as it grows (0.5 to 1.9 GB/s)."""

    def __init__(self) -> None:
        self._buffer = np.empty(PIECE_BYTES + (1 << 20), np.uint8)
        self._ends, self._there = [0], list[bool]()

    def add(self, value: Body) -> None:
        begin = self._ends[-1]
        end = begin + len(value or b"")
        if end > len(self._buffer):
            self._buffer = np.concatenate([self._buffer[:begin], np.empty(end, np.uint8)])
        if value:
            self._buffer[begin:end] = np.frombuffer(value, np.uint8)
        self._ends.append(end)
        self._there.append(value is not None)

    def array(self) -> pa.Array:
        """large_binary [N] with nulls where None was laid."""
        there = pa.array(self._there, pa.bool_()).buffers()[1]
        laid = [there, pa.py_buffer(np.array(self._ends, np.int64)), pa.py_buffer(self._buffer[: self._ends[-1]])]
        return pa.Array.from_buffers(pa.large_binary(), len(self._there), laid)
