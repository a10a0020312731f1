"""What a source reads of a path: rows and bad records, in the source's own columns."""

from corpus.readers import records
from corpus.source import Source
from corpus.units import content_hash, units


def read(path, **settings):
    """The documents as dicts, and the bad records."""
    source, rows, bad = Source(path=str(path), **settings), [], []
    for unit in units([source], lambda found: content_hash(found.url)):
        for piece in records(unit, source):
            assert piece.rows.schema == source.schema()
            rows += piece.rows.to_pylist()
            bad += piece.bad
    return rows, bad
