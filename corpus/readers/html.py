"""HTML files: every file is one page, and its name is its id. The stage `extract` makes the text."""

from collections.abc import Iterator

from corpus.errors import RecipeError
from corpus.readers.base import Fault, longer_than
from corpus.readers.pages import Pages
from corpus.source import Extent, Read, Source, Unit
from corpus.streams import Damage, blocks

SUFFIXES = (".html", ".htm", ".xhtml")

PATH = "path"


def refuse(source: Source) -> None:
    """RecipeError where a source of HTML files asks for fields of records."""
    asked = {"id_field": source.id_field, "domain_field": source.domain_field, "html_field": source.html_field}
    asked["fields"] = ", ".join(name for name in source.fields if name != PATH)
    asked["text_field"] = source.text_field if source.text_field != "text" else None
    for setting, value in asked.items():
        if value:
            raise RecipeError(
                f"source {source.path!r}: HTML files have no fields, but {setting} names {value!r}. "
                f"Leave it out; `fields: [path]` keeps the path below the source's folder."
            )


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """One page per file, in order, in pieces of about 8 MB; SourceError where a file cannot be opened."""
    piece = Pages(source)
    for extent in unit.extents:
        raw = bytearray()
        try:
            _load(extent, raw, source.max_record_mb)
            fields = [extent.name for _ in source.fields]
            piece.add_page((extent.name, "", source.domain or "default", *fields), bytes(raw), None, len(raw))
        except Damage as damage:
            cause = f"damaged stream: the whole file is left out ({damage.cause})"
            piece.add_bad(extent.name, damage.offset, cause, raw)
        except Fault as fault:
            piece.add_bad(extent.name, 0, fault.cause, raw)
        if piece.full:
            yield piece.take()
    if piece:
        yield piece.take()


def _load(extent: Extent, raw: bytearray, limit_mb: float) -> None:
    """The file into `raw`, which holds what there was where this raises. A page may hold any byte."""
    for _, block in blocks(extent.url):
        raw += block
        if len(raw) > limit_mb * 1e6:
            raise Fault(longer_than(limit_mb))
    if not raw:
        raise Fault("empty file")
