"""HTML files: every file is one page, and its name is its id. The stage `extract` makes the text."""

from collections.abc import Iterator

from corpus.readers.files import gathered, refuse_fields
from corpus.readers.pages import Pages
from corpus.source import Read, Source, Unit

SUFFIXES = (".html", ".htm", ".xhtml")


def refuse(source: Source) -> None:
    """RecipeError where a source of HTML files asks for fields of records."""
    refuse_fields(source, "HTML files")


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """One page per file, any bytes, in order, in pieces of about 8 MB; SourceError where a file cannot be opened."""
    piece = Pages(source)

    def add(name: str, raw: bytearray) -> None:
        fields = [name for _ in source.fields]
        piece.add_page((name, "", source.domain or "default", *fields), bytes(raw), None, len(raw))

    return gathered(unit, source, piece, add)
