"""Documents of a finished run as files that others read: Parquet or JSONL, one file or one a shard."""

from collections.abc import Iterator
from typing import IO, Any

import orjson
import pyarrow as pa

from corpus import shards
from corpus.buffers import total_bytes
from corpus.documents import TEXT
from corpus.errors import RecipeError
from corpus.storage import join, whole
from pipeline.finished import REASONS, Finished, Rows, dropped, everything, kept

WHAT: dict[str, Rows] = {"kept": kept, "dropped": dropped, "all": everything}
SUFFIXES = {"parquet": ".parquet", "jsonl": ".jsonl"}
_CODECS = {".gz": "gzip", ".zst": "zstd"}


def export(run: Finished, out: str, form: str, what: str) -> dict[str, Any]:
    """Write `what` of a run to `out`: {documents, bytes (of text), files}.

    A name that ends in .parquet, .jsonl, .jsonl.gz or .jsonl.zst is one file; any other is a folder with a
    file a shard. Columns: docs/reference/json.md.
    """
    tables = (_columns(table, what) for table in run.tables(WHAT[what]))
    single = _single(out, form)
    files, documents, size = [], 0, 0
    if single:
        files.append(out)
        documents, size = _one_file(out, tables, form)
    else:
        for number, table in enumerate(tables):
            files.append(join(out, f"{number:06d}{SUFFIXES[form]}"))
            count, some = _one_file(files[-1], iter([table]), form)
            documents, size = documents + count, size + some
    return {"documents": documents, "bytes": size, "files": files, "what": what, "format": form}


def _single(out: str, form: str) -> bool:
    plain = out.removesuffix(".gz").removesuffix(".zst")
    other = [f for f, suffix in SUFFIXES.items() if plain.endswith(suffix) and f != form]
    if other or (plain != out and form == "parquet"):
        raise RecipeError(f"{out}: its name says {other[0] if other else 'compressed'}, and --format says {form}")
    return plain.endswith(SUFFIXES[form])


def _columns(table: pa.Table, what: str) -> pa.Table:
    return table.drop_columns([c for c in REASONS if c in table.column_names]) if what == "kept" else table


def _one_file(url: str, tables: Iterator[pa.Table], form: str) -> tuple[int, int]:
    documents = size = 0
    with whole(url) as file:
        write = _parquet if form == "parquet" else _jsonl
        for table in write(file, tables, url):
            documents += table.num_rows
            size += total_bytes(table[TEXT])
    return documents, size


def _parquet(file: IO[bytes], tables: Iterator[pa.Table], url: str) -> Iterator[pa.Table]:
    first = next(tables, None)
    if first is None:
        raise RecipeError(f"nothing to export to {url}: no document fits")
    with shards.writer(file, first.schema) as sink:
        for table in _chain(first, tables):
            sink.write_table(table)
            yield table


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    for table in rest:
        yield table.select(first.column_names).cast(first.schema)


def _jsonl(file: IO[bytes], tables: Iterator[pa.Table], url: str) -> Iterator[pa.Table]:
    """A Python loop over documents: orjson writes 392 MB/s, and who asks for JSONL asks for rows."""
    codec = next((c for suffix, c in _CODECS.items() if url.endswith(suffix)), None)
    sink = pa.CompressedOutputStream(pa.PythonFile(file, mode="w"), codec) if codec else file
    for table in tables:
        for batch in table.to_batches(max_chunksize=1_000):
            sink.write(b"".join(orjson.dumps(row) + b"\n" for row in batch.to_pylist()))
        yield table
    if codec:
        sink.close()
