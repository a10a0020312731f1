"""JSON lines, plain or compressed: an object a line. A line that cannot be used is quarantined, alone.

A unit is a byte range of a plain file, or a whole compressed one. A line belongs to the range in which its
first byte lies, so every line is read exactly once however a file is cut. Most lines are plain (plain.py) and go
by a kernel into columns; the others, one by one, through orjson, which says what is wrong with them.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from corpus.errors import SourceError
from corpus.readers.base import NOT_UTF8, NUL, SAMPLE_BYTES, Fault, Piece, compact, longer_than
from corpus.readers.paths import ABSENT, lacking, within
from corpus.readers.plain import PlainPiece, reads
from corpus.source import Extent, Read, Source, Unit
from corpus.storage import size
from corpus.streams import Damage, blocks, codec

SUFFIXES = (".jsonl", ".ndjson", ".json")

_BOM = b"\xef\xbb\xbf"
_FIRST, _FEWEST = 1000, 100  # records looked at before a source is given up, and the fewest that tell


class Line(NamedTuple):
    """A line without its newline. `cause` says why it cannot be parsed at all; `raw` is its head then."""

    begin: int  # decompressed bytes from the start of the file
    raw: bytes
    cause: str | None


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """The documents of a unit in order, in pieces of about 8 MB, with the records that had to be quarantined.

    Raises SourceError where a file cannot be read, and where more than half of the unit's first 1,000
    records (given 100) are bad: the source is not what the recipe takes it for, and the error says in what.
    """
    piece = PlainPiece(source) if reads(source) else Piece(source)
    tally = _Tally()
    for extent in unit.extents:
        plain = _Plain(piece, extent, tally) if isinstance(piece, PlainPiece) else None
        for line in _lines_of(extent, source.max_record_mb, plain):
            try:
                piece.add(_document(line, extent.name, source), len(line.raw))
                tally.count(None, extent)
            except Fault as fault:
                piece.add_bad(extent.name, line.begin, fault.cause, line.raw)
                tally.count(fault.cause, extent)
            if piece.full:
                yield piece.take()
        tally.judge(extent)
    if piece:
        yield piece.take()


class _Plain:
    """Takes plain lines out of a stream and into the piece, as long as there are some."""

    def __init__(self, piece: PlainPiece, extent: Extent, tally: "_Tally") -> None:
        self._piece, self._extent, self._tally = piece, extent, tally
        self._left = self._pause = 0  # lines not to be asked about, and how many after the next that is not plain

    def __call__(self, block: bytes, place: int, begin: int, end: int, limit: int) -> int:
        """The place behind the plain lines at `place`: itself where there are none, or the piece is full.

        Asking costs a line's own time, so where none is plain it is asked of one in 32.
        """
        if self._left:
            self._left -= 1
            return place
        count = self._piece.count
        after = self._piece.plain(block, place, begin, end, limit, self._extent.name)
        self._tally.count(None, self._extent, self._piece.count - count)
        self._pause = 0 if after > place else min(32, 2 * self._pause + 1)
        self._left = self._pause
        return after


def _lines_of(extent: Extent, limit_mb: float, plain: _Plain | None) -> Iterator[Line]:
    end = extent.end if extent.end >= 0 else sys.maxsize
    if codec(extent.url) is None:
        _not_shorter(extent)
    # From one byte before: a range that begins right behind a newline owns the line that begins there.
    stream = blocks(extent.url, max(0, extent.start - 1))
    if extent.start:
        stream = _past_newline(stream, end)
    for line in lines(stream, limit_mb, end, plain):
        if line.begin or line.cause:
            yield line
        elif (raw := line.raw.removeprefix(_BOM)).strip():
            yield line._replace(raw=raw)


def _not_shorter(extent: Extent) -> None:
    try:
        now = size(extent.url)
    except OSError:
        return  # opening it will say why, in better words
    if now < extent.end:
        raise SourceError(
            f"{extent.url}: {now:,} bytes, but {extent.end:,} or more when the run was planned. "
            f"Let nothing write to a source while it is read; plan again."
        )


def _past_newline(stream: Iterator[tuple[int, bytes]], end: int) -> Iterator[tuple[int, bytes]]:
    """The stream from behind its first newline; nothing where that lies past `end`."""
    for offset, block in stream:
        if offset >= end:
            return
        newline = block.find(b"\n")
        if newline >= 0:
            yield offset + newline + 1, block[newline + 1 :]
            yield from stream


def lines(
    stream: Iterator[tuple[int, bytes]], limit_mb: float, end: int = sys.maxsize, plain: _Plain | None = None
) -> Iterator[Line]:
    """Lines that begin before `end`, without blank ones. One above the limit is not held; damage ends all.

    stream: (offset, bytes) without gaps, from the beginning of a line. plain: takes lines out before they are
    made, but not one that begins with a byte order mark, and none that lies in two blocks.
    """
    begin, held = 0, _Held(limit_mb)
    try:
        for offset, block in stream:
            if not held.size:
                begin = offset
            if begin >= end or (held.too_long and offset >= end):
                break  # no later line is ours, and this one is lost whatever follows
            if not held.size and _blank(block, held.limit):
                begin += len(block)
                continue
            place = 0
            while (newline := block.find(b"\n", place)) >= 0:
                if begin >= end:
                    return
                if plain and not held.size and (begin or not block.startswith(_BOM)):
                    after = plain(block, place, begin, end, held.limit)
                    if after > place:
                        place, begin = after, begin + after - place
                        continue
                raw = block[place:newline]
                size, raw = held.ended(raw) if held.size else (len(raw), raw)
                if line := held.line(begin, size, raw):
                    yield line
                begin, place = begin + size + 1, newline + 1
            held.add(block[place:])
    except Damage as damage:
        yield Line(begin, held.ended()[1], f"damaged stream: the rest of the file is lost ({damage.cause})")
        return
    if begin < end and (line := held.line(begin, *held.ended())):
        yield line


def _blank(block: bytes, limit: int) -> bool:
    """Nothing but blank lines, told at once: line by line a bomb of newlines would take an hour a gigabyte."""
    return block.endswith(b"\n") and len(block) <= limit and block.isspace()


class _Held:
    """The beginning of a line whose end is in a later block: at most the limit and a block of it."""

    def __init__(self, limit_mb: float) -> None:
        self.limit, self._limit_mb = int(limit_mb * 1e6), limit_mb
        self._parts: list[bytes] = []
        self.size = 0

    @property
    def too_long(self) -> bool:
        return self.size > self.limit

    def add(self, part: bytes) -> None:
        self.size += len(part)
        self._parts.append(part)
        if self.too_long:
            self._parts = [b"".join(p[:SAMPLE_BYTES] for p in self._parts)[:SAMPLE_BYTES]]

    def ended(self, part: bytes = b"") -> tuple[int, bytes]:
        """Size and bytes of the line that ends with `part`; nothing is held afterwards."""
        self.add(part)
        size, raw = self.size, b"".join(self._parts)
        self._parts, self.size = [], 0
        return size, raw

    def line(self, begin: int, size: int, raw: bytes) -> Line | None:
        """The line, or nothing where it is blank."""
        if size > self.limit:
            return Line(begin, raw[:SAMPLE_BYTES], longer_than(self._limit_mb))
        return Line(begin, raw, None) if raw and not raw.isspace() else None


def _document(line: Line, name: str, source: Source) -> tuple[str | None, ...]:
    """The row of a line: id, text, domain, then the fields. Raises Fault."""
    if line.cause is not None:
        raise Fault(line.cause)
    record = _object(line.raw)
    text = _text(record, source.text_field)
    key = _id(record, source.id_field)
    domain = source.domain or "default"
    if source.domain_field is not None:
        domain = _domain(record, source.domain_field)
    fields = [compact(within(record, field, None)) for field in source.fields]
    return (key if key is not None else f"{name}#{line.begin}", text, domain, *fields)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Fault(_unparsable(raw, error)) from None
    if type(record) is not dict:
        raise Fault(f"not a JSON object but {_kind(record)}")
    return record


def _unparsable(raw: bytes, error: orjson.JSONDecodeError) -> str:
    if b"\0" in raw:
        return NUL
    try:
        raw.decode()
    except UnicodeDecodeError:
        return NOT_UTF8
    reason = str(error).split(": line ")[0]
    return "lone surrogate" if "surrogate" in reason else f"broken JSON: {reason}"


def _text(record: dict[str, Any], field: str) -> str:
    text = within(record, field)
    if type(text) is not str:
        if text is ABSENT:
            raise Fault(f"no field {field!r}: {lacking(record, field)}")
        raise Fault(f"field {field!r} is not a string but {_kind(text)}")
    if "\0" in text:
        raise Fault(NUL)
    return text


def _id(record: dict[str, Any], field: str | None) -> str | None:
    """As a string; None where the record has none and none was asked for."""
    key = within(record, field or "id")
    if type(key) is str:
        return key
    if type(key) is int:
        return str(key)
    if field is None:
        return None
    if key is ABSENT:
        raise Fault(f"no field {field!r} for the id: {lacking(record, field)}")
    raise Fault(f"field {field!r} is no id but {_kind(key)}")


def _domain(record: dict[str, Any], field: str) -> str:
    domain = within(record, field)
    if type(domain) is str and domain:
        return domain
    if domain is ABSENT:
        raise Fault(f"no field {field!r} for the domain: {lacking(record, field)}")
    raise Fault(f"field {field!r} is no domain but {_kind(domain)}")


def _kind(value: object) -> str:
    names = {str: "an empty string", bool: "a boolean", int: "a number", float: "a number", list: "a list"}
    return "null" if value is None else names.get(type(value), "an object")


class _Tally:
    """Good and bad among the first records of a unit."""

    def __init__(self) -> None:
        self._seen = 0
        self._causes: Counter[str] = Counter()

    def count(self, cause: str | None, extent: Extent, times: int = 1) -> None:
        if self._seen >= _FIRST or not times:
            return
        self._seen = min(_FIRST, self._seen + times)
        if cause is not None:
            self._causes[cause] += 1
        if self._seen == _FIRST:
            self.judge(extent)

    def judge(self, extent: Extent) -> None:
        bad = self._causes.total()
        if self._seen < _FEWEST or 2 * bad <= self._seen:
            return
        cause, times = self._causes.most_common(1)[0]
        raise SourceError(
            f"{extent.url}: {bad:,} of the first {self._seen:,} records are bad, {times:,} of them "
            f"for this: {cause}. Mend the source's text_field, id_field, domain_field or format."
        )
