"""The heads of archive records: WARC 0.17 to 1.1 (ISO 28500) and ARC version 1 and 2 (Internet Archive, 1996).

A WARC head is a version line and named fields up to a blank line. An ARC head is one line: the URL, the IP address,
a date of digits, the media type, in version 2 five things more, and the length.
"""

import re
from typing import NamedTuple

MOST_HEAD = 1 << 15
"""Bytes of a head, as fastwarc has it. Common Crawl's heads have 500 to 900 bytes, a URL may have 10,000."""

_WARC = re.compile(rb"WARC/\d\.\d{1,2}[ \t\r]{0,8}\n")
_WARC_NEXT = re.compile(rb"\n(?=WARC/\d\.\d{1,2}[ \t\r]{0,8}\n)")
_ARC_LINE = 1 << 14  # bytes
_ARC_SCHEME = re.compile(rb"[a-z][a-z0-9+.-]{1,15}:")
_ARC_NEXT = re.compile(rb"\n(?=[a-z][a-z0-9+.-]{1,15}:[^\r\n]{3,16000} [^ \r\n]{1,20}\r?\n)")
_ARC_MIDDLE = re.compile(rb" ([0-9a-fA-F.:]{2,45}|-) (\d{8,20}) ")  # an address and a date: URLs may hold blanks
_BLANK = re.compile(rb"\n\r{0,2}\n")
_FOLD, _FOLDED = re.compile(rb"\r?\n[ \t]+"), re.compile(rb"\n[ \t]")
_NUMBER = re.compile(rb"\d{1,15}")


class Fields:
    """`Name: value` lines, looked up by lower-case name: the first of a name; folded lines are joined.

    Looking up takes 0.4 us and a head needs three to seven; parsing it whole into a dict takes 10 us.
    """

    __slots__ = ("_lower", "_raw")

    def __init__(self, raw: bytes) -> None:
        """raw: the lines, with the newline before them or without."""
        if _FOLDED.search(raw):
            raw = _FOLD.sub(b" ", raw)
        self._raw = raw if raw.startswith(b"\n") else b"\n" + raw
        self._lower = self._raw.lower()

    def get(self, name: bytes, default: bytes = b"") -> bytes:
        """The value without the blanks around it; `default` where no line has the name."""
        begin = self._lower.find(b"\n%b:" % name)
        if begin < 0:
            return default
        begin += len(name) + 2
        end = self._raw.find(b"\n", begin)
        return self._raw[begin : end if end >= 0 else None].strip()


NO_FIELDS = Fields(b"")


class Head(NamedTuple):
    """What a head says. `length` is None where it names none, or no number."""

    size: int  # bytes of the head itself, up to the block
    named: Fields
    length: int | None
    arc: bool


def begins(data: bytes | bytearray, at: int = 0) -> bool:
    """True where the head of a record begins there."""
    return _WARC.match(data, at) is not None if data.startswith(b"WARC/", at) else _arc(data, at) is not None


def head(data: bytes | bytearray, at: int, unbroken: int = 0) -> Head | None:
    """The head at that place; None where there is none, or where it does not end within MOST_HEAD bytes.

    unbroken: a place that no blank line lies before, where that is known.
    """
    opening = _WARC.match(data, at)
    if opening is None:
        return _arc(data, at)
    end = blank_line(data, max(opening.end() - 1, unbroken), at + MOST_HEAD)
    if end is None:
        return None
    lines = slice(opening.end() - 1, end)
    named = Fields(data[lines] if isinstance(data, bytes) else bytes(memoryview(data)[lines]))
    return Head(end - at, named, number(named.get(b"content-length")), False)


def blank_line(data: bytes | bytearray, newline: int, most: int) -> int | None:
    """Where the first blank line ends, looking from a newline on; lines may end in CRLF, LF or, by mistake, CRCRLF."""
    if data[newline - 1 : newline] == b"\r" and data[newline - 2 : newline - 1] != b"\r":
        end = data.find(b"\r\n\r\n", newline - 1, most)
        if end >= 0:  # three times as fast as the pattern
            return end + 4
    found = _BLANK.search(data, newline, most)
    return found.end() if found else None


def number(value: bytes) -> int | None:
    """A length as heads write it, at most 15 digits."""
    return int(value) if _NUMBER.fullmatch(value) else None


def next_head(data: bytes | bytearray, start: int, arc: bool | None) -> int:
    """Where the next line begins that is, or opens, the head of a record, of an ARC or a WARC where that is known.

    -1 where none does.
    """
    found = None if arc else _WARC_NEXT.search(data, start)
    if arc is False or found:  # before the first record of a WARC what looks like a line of ARC is none
        return found.end() if found else -1
    lines = (match.end() for match in _ARC_NEXT.finditer(data, start))
    return next((line for line in lines if _arc(data, line)), -1)


def _arc(data: bytes | bytearray, at: int) -> Head | None:
    end = data.find(b"\n", at, at + _ARC_LINE)
    if end < 0 or not _ARC_SCHEME.match(data, at):
        return None
    line = bytes(memoryview(data)[at:end]).rstrip(b"\r")
    middle = _ARC_MIDDLE.search(line)
    if middle is None:
        return None
    media, _, rest = line[middle.end() :].rpartition(b" ")
    lines = (
        (b"WARC-Target-URI", line[: middle.start()]),
        (b"WARC-IP-Address", middle[1]),
        (b"WARC-Date", middle[2]),
        (b"Content-Type", media.split(b" ")[0]),  # version 2 has more behind it; Alexa's crawler wrote none
    )
    named = Fields(b"\n".join(name + b": " + value for name, value in lines))
    return Head(end + 1 - at, named, number(rest), True)
