"""Files that are one document each: read whole up to a limit, parsed, and quarantined whole where that fails."""

from collections.abc import Callable, Iterator, Mapping

from corpus.documents import TEXT
from corpus.errors import RecipeError
from corpus.readers.base import NOT_UTF8, NUL, Fault, Piece, longer_than
from corpus.readers.record import row
from corpus.readers.supervised import Supervised
from corpus.source import Extent, Read, Source, Unit
from corpus.streams import Damage, blocks

PATH = "path"
_BOM = b"\xef\xbb\xbf"

Parse = Callable[[bytearray], Mapping[str, str | None]]


def refuse_fields(source: Source, kind: str) -> None:
    """RecipeError where a source of such files, which have no records, asks for fields of records."""
    asked = {"id_field": source.id_field, "domain_field": source.domain_field, "html_field": source.html_field}
    asked["fields"] = ", ".join(name for name in source.fields if name != PATH)
    asked["text_field"] = source.text_field if source.text_field != TEXT else None
    for setting, value in asked.items():
        if value:
            raise RecipeError(
                f"source {source.path!r}: {kind} have no fields, but {setting} names {value!r}. "
                f"Leave it out; `fields: [path]` keeps the path below the source's folder."
            )


def gathered(unit: Unit, source: Source, piece: Piece, add: Callable[[str, bytearray], None]) -> Iterator[Read]:
    """Every file of a unit, read whole and laid into the piece by `add(name, bytes)`, in pieces of about 8 MB.

    The bytes are never empty; a Fault of `add` quarantines the file. Raises SourceError where a file cannot be opened.
    """
    for extent in unit.extents:
        raw = bytearray()
        try:
            _read(extent, raw, source.max_record_mb)
            add(extent.name, raw)
        except Damage as damage:
            cause = f"damaged stream: the whole file is left out ({damage.cause})"
            piece.add_bad(extent.name, damage.offset, cause, raw)
        except Fault as fault:
            piece.add_bad(extent.name, 0, fault.cause, raw)
        if piece.full:
            yield piece.take()
    if piece:
        yield piece.take()


def documents(unit: Unit, source: Source, parse: Parse) -> Iterator[Read]:
    """One document per file, in order; its id is the file's name below the source's folder. Otherwise as `gathered`.

    parse: the file's bytes (never empty) -> its fields; a Fault of it quarantines the file.
    """
    piece = Piece(source)

    def add(name: str, raw: bytearray) -> None:
        piece.add(row({PATH: name, **parse(raw)}, name, source), len(raw))

    return gathered(unit, source, piece, add)


def supervised(unit: Unit, source: Source, parser: str, seconds: float) -> Iterator[Read]:
    """As `documents`, by a parser of corpus/parsing in a process of its own.

    It may take `seconds` of processor time for a file, and 1 GB and eight times the longest record of memory.
    """
    with Supervised(parser, seconds, 1000 + int(8 * source.max_record_mb)) as child:
        yield from documents(unit, source, child.parse)


def _read(extent: Extent, raw: bytearray, limit_mb: float) -> None:
    """The file's bytes into `raw`, which holds what there was where this raises."""
    for _, block in blocks(extent.url):
        raw += block
        if len(raw) > limit_mb * 1e6:
            raise Fault(longer_than(limit_mb))
    if not raw:
        raise Fault("empty file")


def decoded(raw: bytearray) -> str:
    """The bytes as text, without a byte order mark. Raises Fault where they are not UTF-8 or hold a NUL."""
    if 0 in raw:
        raise Fault(NUL)
    try:
        return raw.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise Fault(NOT_UTF8) from None
