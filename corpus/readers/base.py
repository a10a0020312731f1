"""What all readers share: pieces of bounded size, the fault of a record, and names near a wrong one."""

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import orjson
import pyarrow as pa

from corpus.source import Bad, Read, Source

PIECE_BYTES = 8_000_000
"""Input per piece. With its blocks, strings and columns a reader takes 100 MB."""

_PIECE_BAD = 10_000  # two-byte lines are all bad: 8 MB of them would be 2 GB of Bad
SAMPLE_BYTES = 200
_COMPACT = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS

NUL = "NUL in the text"
NOT_UTF8 = "invalid UTF-8"


class Fault(Exception):
    """Why one record is quarantined. What follows a colon is detail; causes are counted by what is before."""

    @property
    def cause(self) -> str:
        """The sentence it was raised with."""
        return str(self.args[0])


class Piece:
    """Documents and bad records gathered until there are enough of them to hand on."""

    def __init__(self, source: Source, pages: bool = False) -> None:
        """pages: rows end with HTML and CHARSET."""
        self._schema = source.schema(pages)
        self._empty()

    def _empty(self) -> None:
        self._rows: list[tuple[str | bytes | None, ...]] = []
        self._bad: list[Bad] = []
        self._skipped: Counter[str] = Counter()
        self._bytes = 0

    def add(self, row: tuple[str | bytes | None, ...], read: int) -> None:
        """One document, in the order of the schema, made of `read` bytes of input."""
        self._rows.append(row)
        self._bytes += read

    def add_bad(self, file: str, offset: int, cause: str, raw: bytes | bytearray) -> None:
        """One record that could not be read; the head of `raw` becomes its sample."""
        self._bad.append(Bad(file, offset, cause, sample(raw)))

    def skip(self, kind: str) -> None:
        """One record that is no document by design."""
        self._skipped[kind] += 1

    @property
    def full(self) -> bool:
        """Time to hand it on."""
        return self._bytes >= PIECE_BYTES or len(self._bad) >= _PIECE_BAD

    def __bool__(self) -> bool:
        return bool(self._rows or self._bad or self._skipped)

    def take(self) -> Read:
        """What was gathered, as columns; the piece is empty afterwards."""
        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._schema)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        read = Read(pa.RecordBatch.from_arrays(arrays, schema=self._schema), self._bad, self._skipped)
        self._empty()
        return read


def sample(raw: bytes | bytearray) -> str:
    """The first 200 bytes; what is not printable ASCII as \\x.. escapes."""
    return repr(bytes(raw[:SAMPLE_BYTES]))[2:-1]


def compact(value: Any) -> str | None:
    """A field's value as it is kept: strings as they are, null as null, all else as JSON with sorted keys."""
    if value is None or type(value) is str:
        return value
    try:
        return orjson.dumps(value, default=_plain, option=_COMPACT).decode()
    except orjson.JSONEncodeError as error:  # deeper than 254 levels, or not UTF-8
        raise Fault(f"a field cannot be kept as JSON: {error}") from None


def _plain(value: object) -> str:
    """Values that Parquet has and JSON lacks: bytes, decimals, durations."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def longer_than(limit_mb: float) -> str:
    """The cause of a record above its source's limit."""
    return f"longer than max_record_mb = {limit_mb:g}"


def nearest(name: str, names: Iterable[str]) -> str:
    """Which of `names` was probably meant, else what there is; looks at 64 names of 64 characters at most."""
    there = [str(n)[:64] for n, _ in zip(names, range(64), strict=False)]
    close = get_close_matches(name, there, n=1, cutoff=0.5)
    if close:
        return f"nearest is {close[0]!r}"
    return f"there are: {', '.join(map(repr, there[:8]))}" if there else "there are none"
