"""OLMo's arrays: `.npy`, which is the tokens end to end without a header, and a `.csv.gz` of its documents.

The rows of the CSV have no names: start and end in tokens, id, source, place in the source; ours are the corpus
shard and the row in it, from 0. Source: allenai/dolma, python/dolma/tokenizer/memmap_writer.py and data_types.py.
"""

import csv
import gzip
import io
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from corpus.errors import ShardError
from corpus.formats.base import Format, Part, ends, lengths_between
from corpus.formats.files import Destination, Sink, Source, numbers, one
from corpus.manifest import ShardEntry, TokenizerCard

_COLUMNS = {"start": pa.int64(), "end": pa.int64(), "id": pa.string(), "src": pa.string(), "loc": pa.int64()}
_AT_ONCE = 1 << 16  # documents
_LARGEST = (1 << 31) - 1  # bytes that Arrow reads at once


class Olmo(Format):
    """`.npy` and `.csv.gz` of dolma, OLMo and OLMo-core."""

    name = "olmo"
    reads = "OLMo, OLMo-core (dolma)"

    def write(self, to: Destination, name: str, part: Part, tokenizer: TokenizerCard) -> None:
        """`<name>.npy` and `<name>.csv.gz`."""
        with to.file(f"{name}.npy") as file:
            file.write(part.tokens)
        with to.file(f"{name}.csv.gz") as file:
            _write_documents(file, part)

    def read(self, of: Source, name: str, entry: ShardEntry, dtype: np.dtype) -> Part:
        """As in the base."""
        tokens = numbers(of.url(f"{name}.npy"), of.content(f"{name}.npy"), dtype)
        table = parsed(of.url(f"{name}.csv.gz"), of.content(f"{name}.csv.gz"))
        bounds = np.concatenate(([0], table["end"].to_numpy()))
        if not np.array_equal(table["start"].to_numpy(), bounds[:-1]):
            raise ShardError(f"{of.url(name)}.csv.gz: a document does not begin where the one before ends")
        lengths = lengths_between(f"{of.url(name)}.csv.gz", bounds, len(tokens))
        return Part(entry.domain, entry.source, table["loc"].to_numpy(), one(table["id"]), lengths, tokens)


def _write_documents(file: Sink, part: Part) -> None:
    """Python's csv, as dolma's: quotes where a comma, quote or line break asks for them. 2 us a document."""
    stops = ends(part.lengths)
    # no name and no time in the header, so that the same documents make the same bytes
    with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed, io.TextIOWrapper(packed, "utf-8", newline="") as text:
        rows = csv.writer(text)
        for n in range(0, len(stops), _AT_ONCE):
            some = slice(n, n + _AT_ONCE)
            starts, ids = stops[some] - part.lengths[some], part.ids.slice(n, _AT_ONCE).to_pylist()
            places = part.rows[some].tolist()
            rows.writerows(
                zip(starts.tolist(), stops[some].tolist(), ids, [part.source] * len(ids), places, strict=True)
            )


def parsed(name: str, content: np.ndarray) -> pa.Table:
    """The rows of a `.csv.gz`: start, end, id, src, loc. ShardError where it is none."""
    try:
        text = gzip.decompress(content.data)
    except (OSError, EOFError, zlib.error) as error:
        raise ShardError(f"{name}: not gzip ({error}); was it cut short?") from error
    if not text:
        return pa.table({column: pa.array([], kind) for column, kind in _COLUMNS.items()})
    try:
        return pacsv.read_csv(  # Python's own reader refuses an id of more than 128 kB
            io.BytesIO(text),
            pacsv.ReadOptions(column_names=list(_COLUMNS), block_size=min(len(text) + 1, _LARGEST), use_threads=False),
            pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            pacsv.ConvertOptions(column_types=_COLUMNS, null_values=[], strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise ShardError(f"{name}: not the documents of an array ({error})") from error
