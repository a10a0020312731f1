"""A file of a store, open for reading: a few MB ahead where it is read on, no more than asked where it is not.

Parts that fail are asked for again by themselves, so a read of 20 GB goes on at the byte it reached.
"""

import io
import tempfile
from typing import IO, Any

from corpus.retries import retried
from corpus.stores import Info, Store

LEAST, MOST = 1 << 16, 1 << 23
"""Bytes of a request. Footers of Parquet, read once, cost a request of 64 kB; what is read on doubles up to 8 MB,
where a round trip of 30 ms is a quarter of the time at 100 MB/s."""

_HELD = 6
"""Parts kept: columns of a row group are read in turns, a MB each, and every one goes on where it was."""


class RemoteFile(io.RawIOBase):
    """Bytes of one file. Its size is known once it is open; it holds 48 MB at most."""

    def __init__(self, store: Store, info: Info, url: str, first: bytes = b"") -> None:
        """first: its first bytes, where they are known."""
        super().__init__()
        self._store, self._info, self._url = store, info, url
        self._at = 0
        self._held = [(0, first)] if first else []  # start and bytes of parts, the latest used last

    def readable(self) -> bool:
        """As of any file."""
        return True

    def seekable(self) -> bool:
        """As of any file."""
        return True

    def tell(self) -> int:
        """As of any file."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of any file; nothing is asked for."""
        self._at = max(0, offset + (0, self._at, self._info.size)[whence])
        return self._at

    def readinto(self, into: Any) -> int:
        """Fill `into` as far as one part reaches; 0 at the end of the file."""
        piece = self._piece(len(into))
        into[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        """All that is left."""
        pieces = []
        while piece := bytes(self._piece(MOST)):
            self._at += len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _piece(self, size: int) -> memoryview:
        """Bytes from here on, at most `size`, none at the end."""
        if self._at >= self._info.size or not size:
            return memoryview(b"")
        number = next((n for n, part in enumerate(self._held) if part[0] <= self._at < part[0] + len(part[1])), None)
        start, part = self._held.pop(number) if number is not None else (self._at, self._fetched(size))
        self._held = [*self._held, (start, part)][-_HELD:]
        return memoryview(part)[self._at - start :][:size]

    def _fetched(self, size: int) -> bytes:
        """A part from here on: twice the one that ends here, which is let go; `size` where none does."""
        before = next((n for n, (start, part) in enumerate(self._held) if start + len(part) == self._at), None)
        twice = 0 if before is None else 2 * len(self._held.pop(before)[1])
        return self._asked(min(MOST, max(LEAST, size, twice), self._info.size - self._at))

    def _asked(self, size: int) -> bytes:
        sizes = iter((size, *(max(size >> by, min(size, LEAST)) for by in range(2, 64, 2))))

        def ask() -> bytes:  # each time for a quarter: on a slow link that still comes within the deadline
            end = self._at + next(sizes)
            part = self._store.part(self._info, self._at, end)
            if len(part) != end - self._at:
                raise ConnectionError(f"{len(part):,} bytes came of {end - self._at:,}")
            return part

        return retried(ask, self._url)


def opened(store: Store, url: str) -> IO[bytes]:
    """The file, open for reading. FileNotFoundError where there is none, StoreError where the store will not."""
    info, first = retried(lambda: store.first(store.path(url), LEAST), url)
    if info.folder:
        raise IsADirectoryError(f"{url}: is a folder")
    if info.partial:
        return io.BufferedReader(RemoteFile(store, info, url, first), LEAST)
    aside = tempfile.TemporaryFile()  # noqa: SIM115 - its reader closes it
    try:
        retried(lambda: store.whole(info, aside), url)
    except BaseException:
        aside.close()
        raise
    aside.seek(0)
    return aside
