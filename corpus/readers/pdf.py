"""PDF files: one document each, read by corpus/parsing/pdf.py in a process with limits."""

from collections.abc import Iterator

from corpus.readers.files import PATH, supervised
from corpus.readers.record import only
from corpus.readers.supervised import needs
from corpus.source import Read, Source, Unit

SUFFIXES = (".pdf",)
FIELDS = ("text", "title", "author", "language", "pages", PATH)
SECONDS = 60  # of processor time for a file

refuse = only("pdf", FIELDS, lambda: needs("pdf", "pypdfium2", "books"))


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """One document per file, in order, in pieces of about 8 MB; SourceError where a file cannot be opened."""
    return supervised(unit, source, "pdf", SECONDS)
