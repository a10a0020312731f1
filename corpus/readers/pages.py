"""Pages gathered until there are enough of them: as documents are, but for their bytes, which are laid in one go.

Arrow appends to a buffer that it moves as it grows (0.5 to 1.9 GB/s); joined bytes are copied once (4 GB/s).
"""

import numpy as np
import pyarrow as pa

from corpus.documents import HTML
from corpus.readers.base import Piece
from corpus.source import Read, Source


class Pages(Piece):
    """A piece of a source of pages. Of a page without `html` the row has the text."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, pages=True)
        self._html: list[bytes | None] = []

    def add_page(self, row: tuple[str | None, ...], html: bytes | None, charset: str | None, read: int) -> None:
        """One document: id, text, domain and fields, then its page, made of `read` bytes of input."""
        self.add((*row, None, charset), read)
        self._html.append(html)

    def take(self) -> Read:
        """What was gathered, as columns; the piece is empty afterwards."""
        read, html = super().take(), _binary(self._html)
        self._html = []
        return read._replace(rows=read.rows.set_column(read.rows.schema.get_field_index(HTML), HTML, html))


def _binary(values: list[bytes | None]) -> pa.Array:
    """large_binary [N] with the nulls of the list."""
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(value or b"") for value in values], out=offsets[1:])
    there = pa.array([value is not None for value in values], pa.bool_())
    joined = pa.py_buffer(b"".join(value or b"" for value in values))
    return pa.Array.from_buffers(pa.large_binary(), len(values), [there.buffers()[1], pa.py_buffer(offsets), joined])
