"""WAT files: what Common Crawl says of each response, as JSON. A record is a document: by default its page's title.

Fields are dotted paths into the JSON (`Envelope.Payload-Metadata.HTTP-Response-Metadata.Headers.Server`) or those of
warc.py. Only records about responses are documents; those about requests and the file itself are skipped.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from corpus.errors import RecipeError
from corpus.readers.archive_record import Record
from corpus.readers.archive_units import Archive
from corpus.readers.base import NUL, Fault, Piece, compact, nearest
from corpus.readers.paths import ABSENT, lacking, within
from corpus.readers.warc import HEADERS, Kinds, Skip, header, is_header, kind_of, text_of
from corpus.source import Read, Source, Unit

SUFFIXES = (".wat",)

TITLE = "Envelope.Payload-Metadata.HTTP-Response-Metadata.HTML-Metadata.Head.Title"
_TYPE = "Envelope.WARC-Header-Metadata.WARC-Type"
_ROOTS = ("Container", "Envelope")
_ABOUT = frozenset({"warcinfo", "request", "metadata", "revisit", "resource", "conversion", "continuation"})


def refuse(source: Source) -> None:
    """RecipeError for fields that are neither paths into the JSON nor those of a WARC record."""
    if source.html_field is not None:
        raise RecipeError(f"source {source.path!r}: WAT files hold no pages, but html_field is set. Leave it out.")
    text_field = source.text_field if source.text_field != "text" else None
    for name in (*source.fields, source.id_field, source.domain_field, text_field):
        if name is not None and not _is_path(name) and (name == text_field or not is_header(name)):
            near = nearest(name.split(".")[0], (*_ROOTS, *HEADERS))
            raise RecipeError(
                f"source {source.path!r}: no field {name!r} in WAT records; {near}. "
                f"Paths begin with Envelope or Container: {TITLE}."
            )


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """Documents of a unit in order, in pieces of about 8 MB; SourceError where a file cannot be read."""
    piece, kinds = Piece(source), Kinds()
    for extent in unit.extents:
        archive = Archive(extent, source.max_record_mb)
        for record in archive:
            try:
                piece.add(_row(record, archive, source), record.end - record.begin)
            except Skip as skip:
                piece.skip(kinds(str(skip)))
            except Fault as fault:
                piece.add_bad(extent.name, archive.offset(record), fault.cause, record.block(0, 200))
            if piece.full:
                yield piece.take()
    if piece:
        yield piece.take()


def _row(record: Record, archive: Archive, source: Source) -> tuple[str | bytes | None, ...]:
    """Id, text, domain and fields. Raises Skip or Fault."""
    if record.cause:
        raise Fault(record.cause)
    if record.named.get(b"warc-type") != b"metadata":
        raise Skip(kind_of(record))
    held = _json(record.block())
    about = within(held, _TYPE, None)
    if about != "response":
        raise Skip(about if about in _ABOUT else "unknown type")
    text = _text(held, source.text_field)
    identity = _asked(record, held, source.id_field, "id") if source.id_field else None
    named = _asked(record, held, source.domain_field, "domain") if source.domain_field else None
    fields = [_field(record, held, name) for name in source.fields]
    key = identity or text_of(record.named.get(b"warc-record-id")) or archive.name(record)
    return (key, text, named or source.domain or "default", *fields)


def _json(block: bytes) -> dict[str, Any]:
    try:
        held = orjson.loads(block)
    except orjson.JSONDecodeError as error:
        raise Fault(f"broken JSON: {str(error).split(': line ')[0]}") from None
    if type(held) is not dict:
        raise Fault("not a JSON object")
    return held


def _text(held: dict[str, Any], asked: str) -> str:
    text = within(held, TITLE if asked == "text" else asked)
    if text is ABSENT and asked == "text":
        raise Skip("no title")
    if text is ABSENT:
        raise Fault(f"no field {asked!r}: {lacking(held, asked)}")
    if type(text) is not str:
        raise Fault(f"field {asked!r} is not a string")
    if "\0" in text:
        raise Fault(NUL)
    return text


def _asked(record: Record, held: dict[str, Any], name: str, purpose: str) -> str:
    value = _field(record, held, name)
    if not value:
        raise Fault(f"no field {name!r} for the {purpose}: the record has none")
    return value


def _field(record: Record, held: dict[str, Any], name: str) -> str | None:
    return compact(within(held, name, None)) if _is_path(name) else header(record, name)


def _is_path(name: str) -> bool:
    return name.split(".")[0] in _ROOTS
