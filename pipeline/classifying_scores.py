"""The scores of documents as a file: what a finished run kept, or the documents of files, by the stage `quality`."""

from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np
import orjson
import pyarrow as pa

from corpus import shards
from corpus.buffers import lengths
from corpus.documents import BYTES, DOMAIN, ID, TEXT, Batch
from corpus.errors import RecipeError
from corpus.source import Source
from corpus.storage import exists, is_folder, join, whole
from pipeline.classifying import read, refuse_bad
from pipeline.finished import Finished, kept
from pipeline.home import FINISHED
from stages.quality import Quality

_ROWS = 1_000  # documents at a time, as `winnow run` has them


def scored(at: str, out: str, stage: Quality, *, text_field: str = "text", overwrite: bool = False) -> dict[str, Any]:
    """Write id, domain, bytes, score and label of each document of `at` to `out`, whole or not at all.

    at: a finished run, whose kept documents are scored, or a path that a source could have. out: .parquet or .jsonl.
    Comes back: documents, bytes, bad records, and the score that each tenth of the documents exceeds.
    Raises RecipeError for what does not fit, TooMuchBad as `winnow run`.
    """
    if not out.endswith((".parquet", ".jsonl")):
        raise RecipeError(f"{out}: scores are written to a file that ends in .parquet or .jsonl")
    if exists(out) and not overwrite:
        raise RecipeError(f"{out}: exists. Give another name, or --overwrite.")
    _ = stage.files  # a model that does not fit is refused before anything is written
    said: list[np.ndarray] = []
    bad = size = 0
    schema = _schema(stage)
    with whole(out) as file:
        write = (_parquet if out.endswith(".parquet") else _jsonl)(file, schema)
        for rows, wrong in _documents(at, text_field):
            bad += wrong
            for start in range(0, rows.num_rows, _ROWS):
                table = _table(rows.slice(start, _ROWS), stage, schema)
                write(table)
                said.append(table[stage.column].to_numpy())
                size += int(table[BYTES].to_numpy().sum())
        write(None)
        scores = np.concatenate([np.zeros(0), *said])
        refuse_bad(bad, len(scores))
    tenths = np.quantile(scores, np.arange(0.9, 0, -0.1)).tolist() if len(scores) else []
    return {
        "documents": len(scores),
        "bytes": size,
        "bad": bad,
        "column": stage.column,
        "exceeded": [{"share": n / 10, "score": score} for n, score in enumerate(tenths, 1)],
        "file": out,
    }


def _documents(at: str, text_field: str) -> Iterator[tuple[pa.RecordBatch, int]]:
    if is_folder(at) and exists(join(at, FINISHED)):
        for table in Finished.at(at).tables(kept):
            for rows in table.select([ID, TEXT, DOMAIN]).to_batches():
                yield rows, 0
        return
    yield from read(Source(path=at, text_field=text_field))


def _schema(stage: Quality) -> pa.Schema:
    laid = [(name, column.type) for name, column in stage.adds.items()]
    return pa.schema([(ID, pa.string()), (DOMAIN, pa.string()), (BYTES, pa.int64()), *laid])


def _table(rows: pa.RecordBatch, stage: Quality, schema: pa.Schema) -> pa.Table:
    laid = stage.annotate(Batch(rows))
    own = {ID: rows.column(ID), DOMAIN: rows.column(DOMAIN), BYTES: pa.array(lengths(rows.column(TEXT)))}
    return pa.table([(own | laid)[name] for name in schema.names], schema=schema)


Write = Callable[[pa.Table | None], None]
"""Takes a table; None ends the file."""


def _parquet(file: IO[bytes], schema: pa.Schema) -> Write:
    sink = shards.writer(file, schema)
    return lambda table: sink.close() if table is None else sink.write_table(table)


def _jsonl(file: IO[bytes], schema: pa.Schema) -> Write:
    def write(table: pa.Table | None) -> None:
        if table is not None:
            file.write(b"".join(orjson.dumps(row) + b"\n" for row in table.to_pylist()))

    return write
