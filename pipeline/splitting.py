"""The tokens of a run parted by the buckets of a column: a folder of token shards whose domains are buckets.

A trainer and `winnow materialise` take domains from a manifest, and a run's manifest has the documents' own. Nothing
is tokenized again: the tokens of each document are copied, so they are the same, under another domain.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.documents import BYTES
from corpus.errors import RecipeError
from corpus.manifest import ShardEntry, manifest_of, read_manifest, write_manifest
from corpus.storage import exists, join, names, read_bytes, write_bytes
from corpus.tokens import Origin, domain_folder, read_shard, write_shard
from mixtures.buckets import Buckets
from pipeline.finished import Finished, kept
from pipeline.kept import MANIFEST
from pipeline.stock import entries_of, refuse_missing

TOKENIZER = "tokenizer.json"


def split(run: Finished, out: str, by: Buckets, within: bool = False) -> dict[str, Any]:
    """Write the tokens of a run to the folder `out`, a domain a bucket: {documents, tokens, bytes, files, domains}.

    within: a domain is a document's own and its bucket, `web/high`, instead of the bucket alone.
    Raises RecipeError where the run has no tokens, the column is not there or `out` holds something.
    """
    url = run.report["manifest"]
    if url is None:
        raise RecipeError(f"{run.home.at}: the run made no tokens to part; add `tokens` to its recipe and run it again")
    if names(out):
        raise RecipeError(f"{out}: holds files; give the name of a new folder")
    manifest, folder = read_manifest(url), url.rpartition("/")[0] or "."
    entries: list[ShardEntry] = []
    for name, rows, size, bucket in _bucketed(run, by):
        for entry in entries_of(manifest, name):
            entries += _parts(entry, folder, out, rows, size, bucket, within)
    parted = manifest_of(manifest.tokenizer, entries)
    if exists(join(folder, TOKENIZER)):
        write_bytes(join(out, TOKENIZER), read_bytes(join(folder, TOKENIZER)))
    write_manifest(join(out, MANIFEST), parted)  # last, so a folder that has one is whole
    counts = {"documents": parted.documents, "tokens": parted.tokens, "bytes": parted.bytes, "files": len(entries)}
    return counts | {"domains": {name: total.tokens for name, total in parted.domains.items()}}


def _bucketed(run: Finished, by: Buckets) -> Iterator[tuple[str, np.ndarray, np.ndarray, pa.Array]]:
    """Shard by shard: its name, the rows of kept documents, their bytes, their buckets."""
    tables = run.tables(kept, text=False)
    for view in run.views():
        rows = np.flatnonzero(view.kept)
        if len(rows):  # as `tables` does
            table = next(tables)
            refuse_missing(by.column, table.schema)
            yield view.name, rows, view.take(rows, [BYTES])[BYTES].to_numpy(), by.of(table[by.column])


def _parts(
    entry: ShardEntry, folder: str, out: str, rows: np.ndarray, size: np.ndarray, bucket: pa.Array, within: bool
) -> Iterator[ShardEntry]:
    """One token shard as several, in the order of the buckets' names; documents stay in order."""
    url = join(folder, entry.path)
    shard, origin = read_shard(url, verify=entry), shards.read(f"{url}.rows.parquet", ["row", "id"])
    place = np.searchsorted(rows, origin["row"].to_numpy())
    own = bucket.take(pa.array(place)).to_numpy(zero_copy_only=False)
    for name in sorted(set(own.tolist())):
        some = np.flatnonzero(own == name)
        domain = f"{entry.domain}/{name}" if within else name
        yield write_shard(
            out,
            f"{domain_folder(domain)}/{entry.path.replace('/', '-')}",
            shard.lengths[some],
            _tokens(shard.ids, shard.starts, some),
            shard.ids.dtype,
            domain=domain,
            text_bytes=int(size[place[some]].sum()),
            origin=Origin(
                entry.source, origin["row"].to_numpy()[some], origin["id"].combine_chunks().take(pa.array(some))
            ),
        )


def _tokens(ids: np.ndarray, starts: np.ndarray, some: np.ndarray) -> np.ndarray:
    """The tokens of some documents end to end."""
    lengths = np.diff(starts)[some]
    ahead = np.cumsum(lengths) - lengths
    return ids[np.repeat(starts[:-1][some] - ahead, lengths) + np.arange(int(lengths.sum()))]
