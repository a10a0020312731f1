"""WARC, WET and ARC files: responses become pages, plain text becomes text, every other record is counted.

| record | becomes |
|---|---|
| `response` with a 2xx status, `resource` | HTML a page, `text/plain` a text; skipped by media type otherwise |
| `response` of another status | skipped, `status 404` |
| `conversion` (WET) | its text, where it is `text/plain` |
| `warcinfo`, `request`, `metadata`, `revisit`, `continuation` | skipped by type |

Digests of records are not verified: each member has its CRC-32, and those in the wild disagree with their records for
harmless reasons (bodies stored decoded); checking them all takes as long as reading (SHA-1 1 GB/s).
"""

import re
from collections.abc import Iterator

from resiliparse.parse.encoding import map_encoding_to_html5

from corpus.errors import RecipeError
from corpus.readers.archive_record import Record
from corpus.readers.archive_units import Archive
from corpus.readers.archives import OPENING
from corpus.readers.base import NOT_UTF8, NUL, Fault, nearest
from corpus.readers.http import Response, body, charset, media_type, response
from corpus.readers.pages import Body, Pages
from corpus.source import Read, Source, Unit

SUFFIXES = (".warc", ".wet", ".arc", ".warc.lz4", ".arc.lz4")

PAGES = frozenset({"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"})
PLAIN = "text/plain"

_URL, _DATE, _TYPE = b"warc-target-uri", b"warc-date", b"content-type"
_NAMED = {
    "url": _URL,
    "date": _DATE,
    "ip": b"warc-ip-address",
    "language": b"warc-identified-content-language",
    "payload_digest": b"warc-payload-digest",
}
_OF_CONTENT = ("content_type", "status")
HEADERS = (*_NAMED, "warc:<Header>")
FIELDS = (*_NAMED, *_OF_CONTENT, "warc:<Header>", "http:<Header>")
"""What `fields`, `id_field` and `domain_field` may name."""

_DOCUMENTS = ("response", "resource", "conversion")
_TYPES = {name.encode(): name for name in (*_DOCUMENTS, "warcinfo", "request", "metadata", "revisit", "continuation")}
_SHORT = 1 << 12  # bytes that most heads of responses fit in
_MOST_KINDS = 1000  # of skipped records in a unit: media types are what servers say they are
_ARC_DATE = re.compile(rb"\A(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\Z")


class Skip(Exception):
    """The record is no document by design; its kind."""


class Content:
    """What a record holds, before any of it is decoded."""

    def __init__(self, record: Record) -> None:
        """Raises Skip where it is no document, Fault where it is damaged."""
        self.record, self.named = record, record.named
        self.response: Response | None = None
        kind = _judged(record)
        self.type = record.named.get(_TYPE)
        if _is_response(record, kind, self.type):
            self._open()
        self.media = media_type(self.type)
        if self.media not in PAGES and self.media != PLAIN:
            raise Skip(self.media or "no media type")

    def _open(self) -> None:
        self.response = response(self.record.block(0, _SHORT))
        if self.response is None or self.response.body >= _SHORT:
            self.response = response(self.record.block(0, OPENING))
        if self.response is None:
            raise Fault("no HTTP response: it begins with no status line")
        if not 200 <= self.response.status < 300:
            raise Skip(f"status {self.response.status}")
        self.type = self.response.named.get(_TYPE) or self.named.get(b"warc-identified-payload-type")

    def body(self, limit_mb: float) -> bytes | memoryview:
        """Its bytes as the server meant them. Raises Fault."""
        if self.response is None:
            return self.record.view(0)
        return body(self.response.named, self.record.view(self.response.body), limit_mb)

    def field(self, name: str) -> str | None:
        """One of FIELDS, null where the record has none."""
        if name == "status":
            return str(self.response.status) if self.response else None
        if name == "content_type":
            return text_of(self.type)
        if name.startswith("http:"):
            return text_of(self.response.named.get(name[5:].lower().encode())) if self.response else None
        return header(self.record, name)


def header(record: Record, name: str) -> str | None:
    """One of HEADERS, null where the record has none."""
    value = record.named.get(_NAMED.get(name) or name.removeprefix("warc:").lower().encode())
    if name == "url":
        value = value.strip(b"<>")  # wget wrote them so
    elif name == "date" and record.arc:
        value = _ARC_DATE.sub(rb"\1-\2-\3T\4:\5:\6Z", value)
    return text_of(value)


def refuse(source: Source) -> None:
    """RecipeError where a source of archives asks for what their records do not have."""
    for setting in ("text_field", "html_field"):
        value = getattr(source, setting)
        if value not in ("text", None):
            raise RecipeError(
                f"source {source.path!r}: records of archives have no {setting} {value!r}: HTML is their page, "
                f"plain text their text. Leave it out; for the JSON of WAT files there is `format: wat`."
            )
    for name in (*source.fields, source.id_field, source.domain_field):
        if name is not None and not is_field(name):
            raise RecipeError(
                f"source {source.path!r}: records of archives have no field {name!r}; {nearest(name, FIELDS)}. "
                f"Any header of a record is `warc:<Header>`, any of its HTTP response `http:<Header>`."
            )


def is_field(name: str) -> bool:
    """True where `Content.field` knows the name."""
    return name in _OF_CONTENT or (name.startswith("http:") and len(name) > 5) or is_header(name)


def is_header(name: str) -> bool:
    """True where `header` knows the name."""
    return name in _NAMED or (name.startswith("warc:") and len(name) > 5)


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """Pages and texts of a unit in order, in pieces of about 8 MB, with what was skipped and what is bad.

    Raises SourceError where a file cannot be read.
    """
    piece, kinds = Pages(source), Kinds()
    for extent in unit.extents:
        archive = Archive(extent, source.max_record_mb)
        for record in archive:
            if record.cause is None and (kind := kind_of(record)) not in _DOCUMENTS:
                piece.skip(kind)  # two in three records of a crawl
                del record
                continue
            try:
                piece.add_page(*_row(record, archive, source), record.end - record.begin)
            except Skip as skip:
                piece.skip(kinds(str(skip)))
            except Fault as fault:
                piece.add_bad(extent.name, archive.offset(record), fault.cause, record.block(0, 200))
            del record  # its memory is the next one's
            if piece.full:
                yield piece.take()
    if piece:
        yield piece.take()


class Kinds:
    """Names of what is skipped, as many as can be kept apart."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, kind: str) -> str:
        """The kind, "other" where there are too many."""
        if kind not in self._seen:
            if len(self._seen) >= _MOST_KINDS:
                return "other"
            self._seen.add(kind)
        return kind


def _row(record: Record, archive: Archive, source: Source) -> tuple[tuple[str | None, ...], Body, str | None]:
    """Id, text, domain and fields; then the page and its charset. Raises Skip or Fault."""
    if record.cause and not record.too_long:
        raise Fault(record.cause)
    content = Content(record)
    if record.cause:
        raise Fault(record.cause)
    page, encoding = content.body(source.max_record_mb), charset(content.type)
    is_text = content.media == PLAIN
    text = decoded(page, encoding) if is_text else ""
    fields = [content.field(name) for name in source.fields]
    row = (identity(content, archive, source), text, domain(content, source), *fields)
    return (row, None, None) if is_text else (row, page, encoding)


def identity(content: Content, archive: Archive, source: Source) -> str:
    """The document's id: `id_field`, else WARC-Record-ID as it is written, else its place. Raises Fault."""
    if source.id_field is not None:
        return _asked(content, source.id_field, "id")
    return text_of(content.named.get(b"warc-record-id")) or archive.name(content.record)


def domain(content: Content, source: Source) -> str:
    """The document's domain. Raises Fault where `domain_field` names none."""
    if source.domain_field is not None:
        return _asked(content, source.domain_field, "domain")
    return source.domain or "default"


def _asked(content: Content, name: str, purpose: str) -> str:
    value = content.field(name)
    if not value:
        raise Fault(f"no field {name!r} for the {purpose}: the record has none")
    return value


def decoded(raw: bytes | memoryview, charset: str | None) -> str:
    """Plain text in the charset it declares, in UTF-8 where that is none. Raises Fault."""
    label = map_encoding_to_html5(charset, False) if charset else None
    for encoding in dict.fromkeys((label or "utf-8", "utf-8")):
        try:
            text = str(raw, encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if "\0" in text:
            raise Fault(NUL)
        return text.removeprefix("\ufeff")
    raise Fault(NOT_UTF8 if label in (None, "utf-8") else f"neither {label} nor UTF-8, though declared so")


def _judged(record: Record) -> str:
    """The type of the record; Skip where it is none that documents have."""
    kind = kind_of(record)
    if kind not in _DOCUMENTS:
        raise Skip(kind)
    if record.named.get(b"warc-segment-number"):
        raise Skip("continuation")  # the first part of one: no part is a document
    return kind


def kind_of(record: Record) -> str:
    """The type of the record, as WARC names them."""
    if record.arc:
        return "warcinfo" if record.named.get(_URL).startswith(b"filedesc:") else "response"
    return _TYPES.get(record.named.get(b"warc-type").lower(), "unknown type")


def _is_response(record: Record, kind: str, content_type: bytes) -> bool:
    """True where the block is HTTP. Of another protocol (dns, ftp) it is what its Content-Type says."""
    if record.arc:
        return record.named.get(_URL)[:4].lower() == b"http"
    return kind == "response" and media_type(content_type) in ("application/http", "")


def text_of(value: bytes | None) -> str | None:
    """A header's value, null where it is empty or absent; bytes that are not UTF-8 as \\x.. escapes."""
    return value.decode("utf-8", "backslashreplace") if value else None
