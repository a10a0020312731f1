"""Token ids as Parquet: a document is a row with `domain`, `id`, `row` and `tokens`, a list of uint16 or int32.

For Hugging Face `datasets`, Spark, DuckDB, Polars: what has no reader for tokens has one for this.
"""

import numpy as np
import pyarrow as pa

from corpus.errors import ShardError
from corpus.formats.base import Format, Part
from corpus.formats.files import Destination, Source, one
from corpus.manifest import ShardEntry, TokenizerCard


class ParquetIds(Format):
    """Parquet with a list of ids a document."""

    name = "parquet"
    reads = "datasets, DuckDB, Polars, Spark"

    def write(self, to: Destination, name: str, part: Part, tokenizer: TokenizerCard) -> None:
        """`<name>.parquet`."""
        bounds = np.concatenate(([0], np.cumsum(part.lengths, dtype=np.int64)))
        tokens = pa.LargeListArray.from_arrays(pa.array(bounds), pa.array(part.tokens))
        columns = [
            pa.repeat(pa.scalar(part.domain, pa.string()), len(part.lengths)),
            part.ids.cast(pa.string()),
            pa.array(part.rows, pa.int64()),
            tokens.cast(pa.list_(tokens.type.value_type)),
        ]
        to.table(f"{name}.parquet", pa.table(columns, schema=_schema(part.tokens.dtype)))

    def read(self, of: Source, name: str, entry: ShardEntry, dtype: np.dtype) -> Part:
        """As in the base."""
        table = of.table(f"{name}.parquet", _schema(dtype))
        domains = table["domain"].unique().to_pylist()
        if domains not in ([], [entry.domain]):
            raise ShardError(f"{of.url(name)}.parquet: documents of domain {domains[0]!r}, not {entry.domain!r}")
        lists = one(table["tokens"])
        tokens, lengths = lists.flatten(), lists.value_lengths()
        if tokens.null_count:
            raise ShardError(f"{of.url(name)}.parquet: {tokens.null_count:,} tokens are null")
        lengths = lengths.to_numpy().astype(np.int64)
        return Part(
            entry.domain,
            entry.source,
            table["row"].to_numpy(),
            one(table["id"]),
            lengths,
            tokens.to_numpy().astype(dtype, copy=False),
        )


def _schema(dtype: np.dtype) -> pa.Schema:
    kind = pa.list_(pa.uint16() if dtype.itemsize == 2 else pa.int32())
    return pa.schema([("domain", pa.string()), ("id", pa.string()), ("row", pa.int64()), ("tokens", kind)])
