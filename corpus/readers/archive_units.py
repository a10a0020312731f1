"""The records of a unit: of a whole archive, or of those that begin in a range of it.

A range of a compressed archive owns the members from the first that certainly begins in it (members.py) up to the
first that certainly begins behind it, so each is read once however the file is cut. Ranges of a plain one begin and
end at records.
"""

from collections.abc import Iterator

from corpus.errors import SourceError
from corpus.readers.archive_record import Record
from corpus.readers.archives import records
from corpus.readers.heads import NO_FIELDS
from corpus.readers.members import Members, Stretch, packing, plain
from corpus.source import Extent
from corpus.streams import SourceFile


class Archive:
    """What a unit has of one archive."""

    def __init__(self, extent: Extent, limit_mb: float) -> None:
        self._extent, self._limit_mb = extent, limit_mb
        self.is_stream = True  # its records are found by their offset in it, not by a member's

    def __iter__(self) -> Iterator[Record]:
        """Its records in order. Raises SourceError where the file cannot be read, or is shorter than planned."""
        with SourceFile(self._extent.url) as file:
            packed = packing(file)
            _not_shorter(file, self._extent)
            self.is_stream = packed in (None, "lz4")
            if packed is None:
                yield from self._plain(file)
            elif self._extent.end < 0:
                yield from records(Members(file, packed).stretches, 0, self._limit_mb, _never)
            else:
                yield from self._range(Members(file, packed))

    def offset(self, record: Record) -> int:
        """Where the record is found: by its member, or in the stream."""
        return record.inner if self.is_stream else record.member

    def name(self, record: Record) -> str:
        """The record by place: `file#offset`, followed by `+inner` for those behind the first of a member."""
        inner = f"+{record.inner}" if record.inner and not self.is_stream else ""
        return f"{self._extent.name}#{self.offset(record)}{inner}"

    def _plain(self, file: SourceFile) -> Iterator[Record]:
        def stretches(start: int, inner: int) -> Iterator[Stretch]:
            return plain(file, start + inner)

        for record in records(stretches, self._extent.start, self._limit_mb, _never):
            if 0 <= self._extent.end <= record.inner:
                return
            yield record

    def _range(self, members: Members) -> Iterator[Record]:
        start, end = self._extent.start, self._extent.end
        with SourceFile(self._extent.url) as beside:  # reading goes on in `members` meanwhile
            sure = Members(beside, members.packing)
            first = sure.first_certain(start, end) if start else 0
            if first is None:
                return
            until = beside.seek(0, 2)

            def ends(stretch: Stretch) -> bool:
                nonlocal until
                if stretch.member < end or not sure.is_certain(stretch.member):
                    return False
                until = stretch.member
                return True

            yield from records(members.stretches, first, self._limit_mb, ends)
            fooled = sure.first_certain(end, until)
        if fooled is not None:
            yield Record(
                fooled, 0, NO_FIELDS, False, b"", 0, 0, "a record inside another one: the next unit begins with it"
            )


def _never(stretch: Stretch) -> bool:
    return False


def _not_shorter(file: SourceFile, extent: Extent) -> None:
    size = file.seek(0, 2)
    if size < extent.end:
        raise SourceError(
            f"{extent.url}: {size:,} bytes, but {extent.end:,} or more when the run was planned. "
            f"Let nothing write to a source while it is read; plan again."
        )
