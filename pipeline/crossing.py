"""Two columns of a run crossed: how many kept documents, bytes and tokens have each pair of values.

Such as levels of quality against topics: what a mixture of both would have to draw from.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import BYTES
from corpus.errors import RecipeError
from corpus.manifest import Manifest, read_manifest
from mixtures.buckets import MOST, is_bucketed
from pipeline.finished import Finished, kept
from pipeline.stock import entries_of, tokens_of
from pipeline.view import View

Cells = dict[tuple[str | None, str | None], np.ndarray]
"""A pair of values -> documents, bytes, tokens: int64 [3]."""


def crossed(run: Finished, row: str, column: str) -> dict[str, Any]:
    """{run, row, column, rows, columns, documents, bytes, tokens} of the kept documents.

    rows, columns: the values of each, sorted, null last where there are documents without; documents, bytes, tokens: a
    list a row, a number a column; tokens null where the run has none. Raises RecipeError where a
    column is not there, is of scores, or has more than 1,000 values.
    """
    url = run.report["manifest"]
    manifest = None if url is None else read_manifest(url)
    cells: Cells = {}
    tables = run.tables(kept, text=False)
    for view in run.views():
        rows = np.flatnonzero(view.kept)
        if len(rows):  # as `tables` does
            table = next(tables)
            _add(cells, [_values(table, name) for name in (row, column)], _sizes(view, rows, manifest, url))
    names = [sorted({pair[place] for pair in cells}, key=lambda v: (v is None, v or "")) for place in (0, 1)]
    none = np.zeros(3, np.int64)
    counts = np.array([[cells.get((a, b), none) for b in names[1]] for a in names[0]], np.int64)
    counts = counts.reshape(len(names[0]), len(names[1]), 3)
    said = {"run": run.home.at, "row": row, "column": column, "rows": names[0], "columns": names[1]}
    said |= {"documents": counts[:, :, 0].tolist(), "bytes": counts[:, :, 1].tolist()}
    return said | {"tokens": None if manifest is None else counts[:, :, 2].tolist()}


def _values(table: pa.Table, name: str) -> pa.Array:
    fit = [field.name for field in table.schema if is_bucketed(field.type)]
    if name not in fit:
        why = "holds scores or lists, not names" if name in table.column_names else "is not there"
        raise RecipeError(f"report --cross: the column {name!r} {why}. There are: {', '.join(fit)}")
    return pc.cast(table[name].combine_chunks(), pa.string())


def _sizes(view: View, rows: np.ndarray, manifest: Manifest | None, url: str) -> np.ndarray:
    """Documents, bytes and tokens of each kept document: int64 [N, 3]."""
    size = view.take(rows, [BYTES])[BYTES].to_numpy()
    tokens = np.zeros(len(rows), np.int64)
    if manifest is not None:
        tokens = tokens_of(rows, entries_of(manifest, view.name), url.rpartition("/")[0] or ".")
    return np.stack([np.ones(len(rows), np.int64), size, tokens], axis=1)


def _add(cells: Cells, values: list[pa.Array], sizes: np.ndarray) -> None:
    coded = [one.dictionary_encode() for one in values]
    known = [[*one.dictionary.to_pylist(), None] for one in coded]
    codes = [one.indices.fill_null(len(names) - 1).to_numpy() for one, names in zip(coded, known, strict=True)]
    found, place = np.unique(codes[0].astype(np.int64) * len(known[1]) + codes[1], return_inverse=True)
    sums = np.zeros((len(found), 3), np.int64)
    np.add.at(sums, place, sizes)
    for cell, counts in zip(found.tolist(), sums, strict=True):
        first, second = divmod(cell, len(known[1]))
        pair = known[0][first], known[1][second]
        cells[pair] = cells.get(pair, 0) + counts
    for place_ in (0, 1):
        if len({pair[place_] for pair in cells}) > MOST:
            raise RecipeError(
                f"report --cross: a column has more than {MOST:,} values; take one of fewer, such as level"
            )
