"""What lies at a place to mix and allot: counted tokens under a manifest, or a finished run, with or without tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.documents import BYTES
from corpus.errors import RecipeError
from corpus.manifest import Manifest, ShardEntry, read_manifest
from corpus.storage import exists, join
from corpus.tokens import read_shard
from mixtures.buckets import Buckets, added, counted, is_bucketed, is_number
from mixtures.inventory import BYTES_PER_TOKEN, Inventory, estimated, inventory
from pipeline.finished import Finished, kept
from pipeline.kept import MANIFEST


@dataclass(frozen=True)
class Stock:
    """What lies at a place: tokens under a manifest, or a finished run, with or without tokens."""

    at: str
    manifest: str | None  # URL
    run: Finished | None

    @classmethod
    def of(cls, at: str) -> "Stock":
        """A manifest, a folder with one, or a run. RecipeError where it is none of them."""
        if at.endswith(".json"):
            return cls(at, at, None)
        if exists(join(at, MANIFEST)):
            return cls(at, join(at, MANIFEST), None)
        try:
            run = Finished.at(at)
        except RecipeError as error:
            raise RecipeError(f"{error} Nor is there a {MANIFEST} of tokens.") from error
        return cls(at, run.report["manifest"], run)

    def inventory(self, by: Buckets | None = None, bytes_per_token: float | None = None) -> Inventory:
        """Tokens by domain, or by bucket of a column of the run; estimated where they were not counted yet."""
        if self.manifest is not None and bytes_per_token is not None:
            raise RecipeError(f"--bytes-per-token: the tokens at {self.at} are counted, there is nothing to estimate")
        if by is not None:
            return self._bucketed(by, bytes_per_token)
        if self.manifest is not None:
            return inventory(self.manifest)
        sizes = {name: one["bytes"]["kept"] for name, one in self._run().report["domains"].items()}
        return estimated(sizes, self._run().report["digest"], bytes_per_token or BYTES_PER_TOKEN)

    def _bucketed(self, by: Buckets, bytes_per_token: float | None) -> Inventory:
        run = self._run(by)
        manifest = None if self.manifest is None else read_manifest(self.manifest)
        sizes = added(
            [counted(by.of(values), size) for values, size in _sized(run, by.column, self.manifest, manifest)]
        )
        if self.manifest is None:
            return estimated(sizes, run.report["digest"], bytes_per_token or BYTES_PER_TOKEN, by)
        return Inventory({name: size for name, size in sizes.items() if size}, inventory(self.manifest).inputs, by=by)

    def _run(self, by: Buckets | None = None) -> Finished:
        if self.run is None:
            asked = "" if by is None else f" for --by {by.column}"
            raise RecipeError(f"{self.at}: tokens without their run; give the folder of the run{asked}")
        return self.run


def _sized(
    run: Finished, column: str, manifest_url: str | None, manifest: Manifest | None
) -> Iterator[tuple[pa.ChunkedArray, np.ndarray]]:
    """Shard by shard, of the kept documents: the column, and their tokens (bytes without a manifest), int64 [N]."""
    tables = run.tables(kept, text=False)
    for view in run.views():
        rows = np.flatnonzero(view.kept)
        if len(rows) == 0:
            continue  # as `tables` does
        table = next(tables)
        refuse_missing(column, table.schema)
        if manifest is None or manifest_url is None:
            yield table[column], view.take(rows, [BYTES])[BYTES].to_numpy()
        else:
            entries = entries_of(manifest, view.name)
            yield table[column], tokens_of(rows, entries, manifest_url.rpartition("/")[0] or ".")


def entries_of(manifest: Manifest, shard: str) -> list[ShardEntry]:
    """The token shards of a corpus shard."""
    return [entry for entry in manifest.shards if entry.source == shard]


def tokens_of(rows: np.ndarray, entries: Sequence[ShardEntry], folder: str) -> np.ndarray:
    """Tokens of the documents at these rows (ascending) of a corpus shard: int64 [N]."""
    tokens = np.zeros(len(rows), np.int64)
    for entry in entries:
        url = join(folder, entry.path)
        own = shards.read(f"{url}.rows.parquet", ["row"])["row"].to_numpy()
        tokens[np.searchsorted(rows, own)] = read_shard(url).lengths
    return tokens


def refuse_missing(column: str, schema: pa.Schema) -> None:
    """RecipeError where documents have no such column; it names those that can part them."""
    if column not in schema.names:
        fit = [field.name for field in schema if is_bucketed(field.type) or is_number(field.type)]
        raise RecipeError(f"--by {column}: documents of this run have no such column. There are: {', '.join(fit)}")


def stocked(
    at: str, by: str | None = None, edges: str | None = None, bytes_per_token: float | None = None
) -> Inventory:
    """What there is at a place: tokens by domain, or by the buckets of a column. Raises RecipeError or ShardError."""
    if edges is not None and by is None:
        raise RecipeError("--edges: they part the scores of a column; name it with --by")
    return Stock.of(at).inventory(None if by is None else Buckets(column=by, edges=edges_of(edges)), bytes_per_token)


def edges_of(said: str | None) -> tuple[float, ...]:
    """Edges as the command line has them: 0.3,0.7. RecipeError where they are no numbers."""
    try:
        return () if said is None else tuple(float(edge) for edge in said.split(","))
    except ValueError as error:
        raise RecipeError(f"--edges: {said!r} is no list of numbers; give them as 0.3,0.7") from error
