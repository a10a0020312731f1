"""CSV and TSV: a row is a record, and the header row names its fields.

Rows are those of RFC 4180, quoted newlines included. A row that breaks its rules is quarantined, and reading goes
on at the line behind the one where it began: a quote that never closes costs its own line, not the file. No line
is looked at more than twice for that, since a line that ends a quoted field and one that begins one differ in
the parity of their quotes. The parser is Python's own (scripts/bench_formats.py has the speed).
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Self

from corpus.errors import SourceError
from corpus.readers.base import NOT_UTF8, NUL, Fault, Piece, longer_than, nearest
from corpus.readers.record import asked, row
from corpus.source import Extent, Read, Source, Unit
from corpus.streams import Damage, blocks

SUFFIXES = (".csv", ".tsv")

_DELIMITERS = (",", "\t", ";", "|")
_MOST_FIELDS = 4_000_000  # delimiters in a line: each may become a string of 60 bytes
_MOST_LINES = 1_000_000  # in a row: a line is 120 bytes of Python beside its own
_BOM = b"\xef\xbb\xbf"
csv.field_size_limit(2**31 - 1)  # rows are bounded before they get there; the default refuses fields of 128 KB


class Row(NamedTuple):
    """A row of `size` bytes that begins with the line `raw`: its cells, or the cause why it has none."""

    begin: int  # decompressed bytes from the start of the file
    size: int
    raw: bytes
    cells: list[str]
    cause: str | None = None


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """The documents of a unit in order, in pieces of about 8 MB, with the rows that had to be quarantined.

    Raises SourceError where a file cannot be opened or its header lacks a name that the source asks for.
    """
    piece = Piece(source)
    for extent in unit.extents:
        rows = Rows(extent, source.max_record_mb)
        header = next(rows, None)
        if header is None:
            continue
        if header.cause is not None:
            piece.add_bad(extent.name, header.begin, f"not readable as CSV: {header.cause}", header.raw)
            continue
        wanted, width = _places(header.cells, source, extent), len(header.cells)
        for one in rows:
            try:
                piece.add(_document(one, width, wanted, extent, source), one.size)
            except Fault as fault:
                piece.add_bad(extent.name, one.begin, fault.cause, one.raw)
            if piece.full:
                yield piece.take()
    if piece:
        yield piece.take()


def _document(one: Row, width: int, wanted: dict[str, int], extent: Extent, source: Source) -> tuple:
    if one.cause is not None:
        raise Fault(one.cause)
    if len(one.cells) != width:
        raise Fault(f"broken row: {len(one.cells):,} fields where the header has {width:,}")
    record = {name: one.cells[place] for name, place in wanted.items()}
    return row(record, f"{extent.name}#{one.begin}", source)


def _places(names: list[str], source: Source, extent: Extent) -> dict[str, int]:
    """Where in a row the asked names are, and `id` where there is one."""
    wanted = asked(source)
    for name, use in wanted.items():
        times = names.count(name)
        if times != 1:
            found = f"{times} columns" if times else "no column"
            raise SourceError(f"{extent.url}: {found} {name!r} for the {use}; {nearest(name, names)}")
    if names.count("id") == 1:
        wanted["id"] = "id"
    return {name: names.index(name) for name in wanted}


class Rows:
    """The rows of a file, blank lines aside: the good ones and, each by its first line, the broken ones."""

    def __init__(self, extent: Extent, limit_mb: float) -> None:
        self._limit, self._limit_mb = int(limit_mb * 1e6), limit_mb
        self._lines = self._cut(extent)
        self._again: deque[tuple[int, bytes]] = deque()  # lines behind the first of a broken row
        self._row: list[tuple[int, bytes]] = []
        self._size = 0
        self._damage: Damage | None = None
        self._delimiter = self._delimiter_of(extent.url)
        self._parser = csv.reader(_Feed(self), delimiter=self._delimiter.decode(), strict=True)

    def _delimiter_of(self, url: str) -> bytes:
        """The first of comma, tab, semicolon and bar that the header line holds; a tab first in .tsv files."""
        line = self._line()
        while line is not None and not line[1].strip():
            line = self._line()
        self._again.extend([line] if line is not None else [])
        tried = ("\t", *_DELIMITERS) if ".tsv" in url.lower() else _DELIMITERS
        return next((one for one in tried if line is not None and one.encode() in line[1]), ",").encode()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        while True:
            self._row, self._size = [], 0
            try:
                cells = next(self._parser)
            except StopIteration:
                return self._lost()
            except csv.Error as error:
                return self._broken(f"broken row: {error}")
            except Fault as fault:
                return self._broken(fault.cause)
            if cells:
                return Row(self._row[0][0], self._size, self._row[0][1], cells)

    def _lost(self) -> Row:
        """The end: once a damage, if there was one, then no more."""
        if self._damage is None:
            raise StopIteration
        damage, self._damage = self._damage, None
        return Row(damage.offset, 0, b"", [], f"damaged stream: the rest of the file is lost ({damage.cause})")

    def _broken(self, cause: str) -> Row:
        """The row's first line; the others are read again."""
        (begin, raw), *others = self._row
        self._again.extendleft(reversed(others))
        return Row(begin, len(raw), raw, [], cause)

    def feed(self) -> str:
        """The next line of the row that the parser is in. Raises Fault where the row must end before it."""
        line = self._line()
        if line is None:
            if self._row:
                raise Fault("broken row: a quote is never closed")
            raise StopIteration
        self._row.append(line)
        self._size += len(line[1])
        if self._size > self._limit:
            raise Fault(longer_than(self._limit_mb))
        if len(self._row) > _MOST_LINES or line[1].count(self._delimiter) > _MOST_FIELDS:
            raise Fault(f"broken row: more than {_MOST_LINES:,} lines or {_MOST_FIELDS:,} fields")
        if b"\0" in line[1]:
            raise Fault(NUL)
        try:
            return line[1].decode()
        except UnicodeDecodeError:
            raise Fault(NOT_UTF8) from None

    def _line(self) -> tuple[int, bytes] | None:
        try:
            return self._again.popleft() if self._again else next(self._lines, None)
        except Damage as damage:
            self._damage = damage
            return None

    def _cut(self, extent: Extent) -> Iterator[tuple[int, bytes]]:
        """(offset, line with its newline); of a line above the limit its head, one byte longer than the limit."""
        begin, size, held = 0, 0, bytearray()
        for offset, block in blocks(extent.url):
            if offset == 0 and block.startswith(_BOM):
                begin, block = len(_BOM), block[len(_BOM) :]
            if not self._row and not size and block.endswith(b"\n") and not block.strip(b"\r\n"):
                begin += len(block)  # a bomb of blank lines would take a minute a gigabyte
                continue
            *ended, rest = block.split(b"\n")
            for part in ended:
                held += part[: self._limit + 1 - len(held)]
                yield begin, bytes(held) + b"\n"
                begin, size, held = begin + size + len(part) + 1, 0, bytearray()
            held += rest[: self._limit + 1 - len(held)]
            size += len(rest)
        if size:
            yield begin, bytes(held)


class _Feed:
    """What csv.reader draws lines from. It asks again after an error, which a generator would not survive."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        return self._rows.feed()
