"""A record of an archive, and the ordinary one: alone in its member, from its head to the blank lines behind it."""

from typing import NamedTuple

from corpus.readers.heads import Fields, head


class Record(NamedTuple):
    """A record, or a place where one should be. Its bytes are there until the next one is asked for."""

    member: int  # offset in the file of the member it begins in; 0 in a file that is one stream
    inner: int  # decompressed bytes of that member before the record
    named: Fields  # of its head; of an ARC the same in the names of WARC
    arc: bool
    data: bytes | bytearray
    begin: int  # of its block in `data`
    end: int
    cause: str | None = None  # why it cannot be used
    too_long: bool = False  # then `data` is its opening

    def block(self, begin: int = 0, end: int | None = None) -> bytes:
        """A part of its block, copied."""
        first, until = self.begin + begin, self.end if end is None else min(self.end, self.begin + end)
        return self.data[first:until] if isinstance(self.data, bytes) else bytes(memoryview(self.data)[first:until])

    def view(self, begin: int) -> bytes | memoryview:
        """The block from there on, to be used at once: it is not copied where the record is held as bytes."""
        if isinstance(self.data, bytes):
            return memoryview(self.data)[self.begin + begin : self.end]
        return self.block(begin)


def alone(member: int, data: bytes, most: int) -> Record | None:
    """The record of at most `most` bytes that a member consists of; None where there is more in it, or less, or an ARC.

    It is a good one whatever lies before and behind the member: no record crosses into a head, and it ends in the
    blank lines that every record ends in.
    """
    if not data.endswith(b"\r\n\r\n") or not data.startswith(b"WARC/"):
        return None
    found = head(data, 0)
    if found is None or found.length != len(data) - found.size - 4 or found.length > most:
        return None
    return Record(member, 0, found.named, False, data, found.size, len(data) - 4)
