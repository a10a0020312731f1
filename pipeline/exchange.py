"""Rows on the move: a task scatters its rows by partition into one file; another gathers one partition of all.

A file holds one row group a partition, so S writers and P readers need S files, not S x P. Rows of a
gathered partition come in the order of the files, which is the order of the tasks, whoever ran them.
"""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numba import njit

from corpus import shards
from corpus.hashing import mix64

_PARTS = b"parts"


def spread(key: np.ndarray, parts: int) -> np.ndarray:
    """The partition of each key, int64 [N] in [0, parts): by its own hash, so that addresses spread too."""
    return ((mixed(key) >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.int64)


def mixed(key: np.ndarray) -> np.ndarray:
    """The hash of each 64-bit key, uint64 [N]."""
    return _mixed(np.ascontiguousarray(key).view(np.uint64))  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)
def _mixed(key):  # type: ignore[no-untyped-def]
    hashes = np.empty(len(key), np.uint64)
    for n in range(len(key)):
        hashes[n] = mix64(key[n])
    return hashes


def scatter(url: str, rows: pa.Table, part: np.ndarray) -> None:
    """Write rows grouped by partition, their order within a partition kept."""
    order = np.argsort(part, kind="stable")
    parts, starts, counts = np.unique(part[order], return_index=True, return_counts=True)
    ordered = rows.take(pa.array(order)).replace_schema_metadata({_PARTS: json.dumps(parts.tolist())})
    groups = [ordered.slice(a, n) for a, n in zip(starts.tolist(), counts.tolist(), strict=True)]
    shards.write_groups(url, ordered.schema, groups)


def gather(urls: Sequence[str], part: int, schema: pa.Schema) -> pa.Table:
    """The rows of one partition from all files; empty, in `schema`, where there are none."""
    found = [shards.read_group(url, group) for url in urls if (group := _group(url, part)) is not None]
    return pa.concat_tables([schema.empty_table(), *(t.replace_schema_metadata(None) for t in found)])


def parts_in(url: str) -> list[int]:
    """The partitions a file holds rows of, ascending."""
    return json.loads((shards.schema(url).metadata or {}).get(_PARTS, b"[]"))  # type: ignore[no-any-return]


def _group(url: str, part: int) -> int | None:
    parts = parts_in(url)
    return parts.index(part) if part in parts else None
