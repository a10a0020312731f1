"""Archives as records: each with its place, its head and its block, damage beside them kept to itself.

A record's length is believed where a record, or the end, follows it. Where none does, or where a compressed member
begins with a head before the length is reached, that record is bad, and reading goes on at the next head.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

from corpus.readers.archive_record import Record, alone
from corpus.readers.base import SAMPLE_BYTES, longer_than
from corpus.readers.heads import MOST_HEAD, NO_FIELDS, Head, begins, head, next_head
from corpus.readers.members import Stretch

OPENING = 1 << 16
"""Bytes of a record that are looked at before it is judged too long: what it is, it says there."""

_BLANK = re.compile(rb"[\r\n]*")
_BEHIND = 1 << 14  # bytes looked at behind a record: blank lines and a line of ARC
_GAP = 1 << 20  # bytes that are passed before their memory is given back

Stretches = Callable[[int, int], Iterator[Stretch]]
"""What a place, (member, decompressed bytes of it), is followed by."""


def records(stretches: Stretches, start: int, limit_mb: float, ends: Callable[[Stretch], bool]) -> Iterator[Record]:
    """The records from a place on.

    ends: asked at each member that begins with a head (of a plain file at its beginning only); True ends it all.
    """
    walls, limit = _Walls(stretches, start, ends), int(limit_mb * 1e6)
    while True:
        if (record := walls.alone(limit)) is not None:
            yield record
            del record  # its memory is the next one's
            walls.step()
        elif (segment := walls.next()) is not None:
            yield from _records(segment, walls, limit_mb)
        else:
            return


class _Walls:
    """Stretches cut where no record may cross: before a member that begins with a head, and behind damage."""

    def __init__(self, stretches: Stretches, start: int, ends: Callable[[Stretch], bool]) -> None:
        self._open, self._ends = stretches, ends
        self._stretches = stretches(start, 0)
        self._pending = next(self._stretches, None)
        self.believing = True  # that the length of a record too long to be held is true
        self.arc: bool | None = None  # what the first record was

    def alone(self, most: int) -> Record | None:
        """The next member's record where it is the ordinary one; the rest of this file is for the others."""
        first = self._pending
        if first is None or not first.whole or (record := alone(first.member, first.data, most)) is None:
            return None
        if self._ends(first):
            return None
        self.arc = bool(self.arc)
        self._pending = None
        return record

    def step(self) -> None:
        """Behind the record that was `alone`, once it is done with."""
        self._pending = next(self._stretches, None)

    def next(self) -> "_Segment | None":
        first = self._pending
        if first is None or (first.inner == 0 and begins(first.data) and self._ends(first)):
            return None
        self._pending = next(self._stretches, None)
        return _Segment(self, first)

    def more(self) -> Stretch | None:
        """The next stretch of the segment; None where it ends."""
        stretch = self._pending
        if stretch is None or (stretch.inner == 0 and (stretch.cause or begins(stretch.data))):
            return None
        self._pending = next(self._stretches, None)
        return stretch

    def again(self, member: int, inner: int) -> "_Segment":
        """Go back to a place, once: from then on no length beyond the limit is believed."""
        self.believing = False
        self._stretches = self._open(member, inner)
        first = next(self._stretches, Stretch(member, inner, b""))
        self._pending = next(self._stretches, None)
        return _Segment(self, first)


class _Segment:
    """Bytes that records lie in one behind the other, loaded as far as they are asked for."""

    def __init__(self, walls: _Walls, first: Stretch) -> None:
        self.walls = walls
        self.data: bytes | bytearray = first.data
        self.at = 0
        self.unbroken = 0  # no blank line lies before that place; else a head a line takes 32 KB a line to refuse
        self.cause = first.cause  # of the damage it ends in
        self.ended = first.cause is not None
        self._places = [(0, first.member, first.inner)]  # where in `data` a member's bytes begin

    def holds(self, count: int) -> bool:
        """True where `count` bytes from `at` on are there."""
        while len(self.data) - self.at < count and not self.ended:
            self._load()
        return len(self.data) - self.at >= count

    def _load(self) -> None:
        stretch = self.walls.more()
        if stretch is None or stretch.cause:
            self.ended, self.cause = True, stretch.cause if stretch else None
            return
        if len(self.data) - self.at < _GAP // 4 and not isinstance(self.data, bytearray):
            self._forget(self.at)  # two copies less than a bytearray, and records are short
            self.data += stretch.data
        else:
            if self.at > _GAP:
                self._forget(self.at)
            self.data = self.data if isinstance(self.data, bytearray) else bytearray(self.data)
            self.data += stretch.data
        self._places.append((len(self.data) - len(stretch.data), stretch.member, stretch.inner))

    def _forget(self, count: int) -> None:
        """The first bytes are not needed any more."""
        self.at -= count
        self.unbroken -= count
        if count == len(self.data):
            self.data = b""
        elif isinstance(self.data, bytearray):
            del self.data[:count]
        else:
            self.data = self.data[count:] if count else self.data
        first = bisect_right(self._places, count, key=_begin) - 1
        self._places = [(begin - count, member, inner) for begin, member, inner in self._places[first:]]

    def place(self) -> tuple[int, int]:
        """(member, decompressed bytes of it before `at`)."""
        begin, member, inner = self._places[bisect_right(self._places, self.at, key=_begin) - 1]
        return member, inner + self.at - begin

    def skip(self, count: int) -> int:
        """Go `count` bytes on without keeping them; how many there were."""
        gone = 0
        while gone < count and self.holds(1):
            step = min(count - gone, len(self.data) - self.at)
            self.at += step
            gone += step
        return gone

    def blank(self) -> bool:
        """Go behind blank lines; True where something follows."""
        while self.holds(1):
            found = _BLANK.match(self.data, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.data):
                return True
        return False

    def resume(self) -> None:
        """Go to the next head, or to the end."""
        while True:
            found = next_head(self.data, self.at, self.walls.arc)
            if found >= 0:
                self.at = found
                return
            self.at = max(self.at, len(self.data) - _BEHIND)
            if self.ended or not self.holds(len(self.data) - self.at + 1):
                self.at = len(self.data)
                return


def _begin(place: tuple[int, int, int]) -> int:
    return place[0]


def _records(segment: _Segment, walls: _Walls, limit_mb: float) -> Iterator[Record]:
    limit = int(limit_mb * 1e6)
    if segment.cause and not segment.data:
        yield _bad(segment, segment.cause)
    while segment.blank():
        segment.holds(MOST_HEAD)
        found = head(segment.data, segment.at, segment.unbroken)
        if found is None or found.length is None:
            yield _headless(segment, found)
            continue
        walls.arc = found.arc if walls.arc is None else walls.arc
        if found.length <= limit:
            yield _whole(segment, found, found.length)
            continue
        record = _long(segment, found, found.length, limit_mb)
        yield record
        if not record.too_long and walls.believing:
            segment = walls.again(record.member, record.inner + found.size - 1)  # the newline that ends its head
            segment.resume()


def _bad(segment: _Segment, cause: str, found: Head | None = None) -> Record:
    """A record that begins at the segment's place and cannot be used; its first bytes are the block."""
    shown = bytes(memoryview(segment.data)[segment.at : segment.at + SAMPLE_BYTES])
    return Record(
        *segment.place(), found.named if found else NO_FIELDS, bool(segment.walls.arc), shown, 0, len(shown), cause
    )


def _headless(segment: _Segment, found: Head | None) -> Record:
    """What has no head, or one that does not say how long the record is; the segment goes to the next head."""
    cause = segment.cause or "no record begins here"
    if found is not None:
        cause = "its head names no length"
    elif begins(segment.data, segment.at) and not segment.cause:
        segment.unbroken = min(len(segment.data), segment.at + MOST_HEAD) - 4
        cause = f"its head does not end within {MOST_HEAD:,} bytes"
    bad = _bad(segment, cause, found)
    segment.resume()
    return bad


def _long(segment: _Segment, found: Head, length: int, limit_mb: float) -> Record:
    """A record above the limit: its opening tells what it is, the rest is passed over unheld."""
    segment.holds(found.size + OPENING)
    bad, place = _bad(segment, longer_than(limit_mb), found), segment.place()
    segment.at += found.size
    opening = bytes(memoryview(segment.data)[segment.at : segment.at + OPENING])
    if not segment.walls.believing:
        segment.at -= 1
        segment.resume()
        return bad
    passed = segment.skip(length)
    if passed < length:
        return bad._replace(cause=_short(segment, passed, length))
    segment.holds(_BEHIND)
    if cause := _wrong(segment, segment.at):
        return bad._replace(cause=cause)
    return Record(*place, found.named, found.arc, opening, 0, len(opening), longer_than(limit_mb), too_long=True)


def _whole(segment: _Segment, found: Head, length: int) -> Record:
    """A record that may be held."""
    segment.holds(found.size + length + _BEHIND)  # which may move it
    begin, end = segment.at + found.size, segment.at + found.size + length
    there = len(segment.data) - begin
    cause = _short(segment, there, length) if there < length else _wrong(segment, end)
    if cause:
        bad = _bad(segment, cause, found)
        segment.at = begin - 1  # the newline that ends the head: another may follow at once
        segment.resume()
        return bad
    record = Record(*segment.place(), found.named, found.arc, segment.data, begin, end)
    segment.at = end
    return record


def _short(segment: _Segment, there: int, length: int) -> str:
    why = f" ({segment.cause})" if segment.cause else ""
    return f"truncated record: {there:,} bytes of {length:,}{why}"


def _wrong(segment: _Segment, behind: int) -> str | None:
    """The cause where a record cannot end there: text goes on, or the member it ends in is damaged."""
    blank = _BLANK.match(segment.data, behind)
    after = blank.end() if blank else behind
    if after == len(segment.data):
        return segment.cause if segment.ended else None
    if begins(segment.data, after) or after - behind >= (1 if segment.walls.arc else 4):
        return None
    return "its length does not lead to the end of a record"
