"""Which documents a part holds, for formats that have no place for it: `<part>.rows.parquet`.

The columns of our own shards, `row` and `id`, and how many tokens each document has.
"""

import numpy as np
import pyarrow as pa

from corpus.errors import ShardError
from corpus.formats.base import Part
from corpus.formats.files import Destination, Source, one
from corpus.manifest import ShardEntry

_SCHEMA = pa.schema([("row", pa.int64()), ("id", pa.string()), ("tokens", pa.int64())])


def write_rows(to: Destination, name: str, part: Part) -> None:
    """Write `<name>.rows.parquet`."""
    columns = [pa.array(part.rows, pa.int64()), part.ids.cast(pa.string()), pa.array(part.lengths, pa.int64())]
    to.table(f"{name}.rows.parquet", pa.table(columns, schema=_SCHEMA))


def with_rows(of: Source, name: str, entry: ShardEntry, tokens: np.ndarray, lengths: np.ndarray | None = None) -> Part:
    """The part of these tokens. lengths: as the format itself has them, int64 [N]; None: it has none.

    ShardError where the file of rows has other documents than the tokens.
    """
    rows = of.table(f"{name}.rows.parquet", _SCHEMA)
    said, url = rows["tokens"].to_numpy(), f"{of.url(name)}.rows.parquet"
    if said.min(initial=0) < 0 or said.sum() != len(tokens):
        raise ShardError(f"{url}: its documents have {said.sum():,} tokens, there are {len(tokens):,} beside it")
    if lengths is not None and not np.array_equal(said, lengths):
        raise ShardError(f"{url}: its {len(said):,} documents are not the {len(lengths):,} beside it")
    return Part(entry.domain, entry.source, rows["row"].to_numpy(), one(rows["id"]), said, tokens)
