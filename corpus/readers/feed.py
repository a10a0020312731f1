"""A file read forward in blocks, as a decompressor eats it: what it did not use is given back without a copy."""

from collections.abc import Callable

from corpus.streams import SourceFile

FEED = 1 << 20
"""Bytes read from a file at once."""


class Feed:
    """A file read forward in blocks, of which a decompressor may give back what it did not use."""

    def __init__(self, file: SourceFile, start: int = 0, step: int = FEED) -> None:
        self._file, self._step = file, step
        self._file.seek(start)
        self._block, self._at, self._base = b"", 0, start

    def seek(self, position: int) -> None:
        """Go on at that byte."""
        if not self._base <= position <= self._base + len(self._block):
            self._file.seek(position)
            self._block, self._base = b"", position
        self._at = position - self._base

    @property
    def position(self) -> int:
        """Offset of the next byte."""
        return self._base + self._at

    def ahead(self, count: int) -> bytes:
        """The next bytes, still to be taken; fewer at the end of the file only."""
        while len(self._block) - self._at < count and (more := self._file.read(self._step)):
            self._base += self._at
            self._block, self._at = self._block[self._at :] + more, 0
        return self._block[self._at : self._at + count]

    def take(self, count: int) -> memoryview:
        """At least one byte, at most `count`; none at the end of the file."""
        if self._at == len(self._block):
            self._base += self._at
            self._block, self._at = self._file.read(self._step), 0
        taken = memoryview(self._block)[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def back(self, count: int) -> None:
        """Give back the last bytes taken, of one `take` at most."""
        self._at -= count

    def find(self, wanted: Callable[[bytes, int], int], overlap: int, end: int | None = None) -> bool:
        """Go to the next place, before `end`, that `wanted(bytes, from)` finds; False where there is none.

        overlap: bytes that `wanted` has to see behind a place to know it.
        """
        while len(block := self.ahead(FEED)) and (end is None or self.position < end):
            place = wanted(block, 0)
            if place >= 0:
                self._at += place
                return end is None or self.position < end
            if len(block) < FEED:
                return False
            self._at += FEED - overlap
        return False
