"""LaTeX files with code and prose apart, asked for by `format: latex`.

By their suffix alone they are read as they are (text.py).
"""

from collections.abc import Iterator

from corpus.readers.files import PATH, supervised
from corpus.readers.record import only
from corpus.readers.supervised import needs
from corpus.source import Read, Source, Unit

FIELDS = ("text", "prose", "code", "languages", "title", PATH)
SECONDS = 60  # of processor time for a file

refuse = only("latex", FIELDS, lambda: needs("latex", "pylatexenc", "markup"))


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """One document per file, in order, in pieces of about 8 MB; SourceError where a file cannot be opened."""
    return supervised(unit, source, "latex", SECONDS)
