"""Clusters of many documents from their band keys alone: memory and time as they grow, against one hot key.

    python scripts/bench_clusters.py work/ [--millions 1,2,5,10,20] [--workers 2] [--svg docs/clusters.svg]

Keys are made up: documents fall into clusters of Zipf-like sizes (a cluster's copies share about half of their 14
bands), and one key is shared by a tenth of all documents. Everything after the keys is what a run does: combined in
the shard, matched by key, settled to a fix-point, told to every shard. Prints a row a size: clusters, CPU seconds,
peak memory of the largest worker; and checks the components against scipy's where there are at most 2 million.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))

from corpus import shards
from corpus.hashing import stable_hash
from pipeline.clustering import cluster, clustered
from pipeline.comparing import Comparison, partitions
from pipeline.engines import engine
from pipeline.exchange import mixed
from pipeline.newest import Newest
from pipeline.spent import added
from stages.clusters import KEYED
from stages.minhash import MinHash

BANDS, SHARD = 14, 20_000  # 20,000 documents of 3.2 kB are a shard of 64 MB
HOT = 10  # one document in so many has the hot key
TEXT = 3_200  # bytes of text a document stands for, which sets the number of partitions
CHECKED = 2_000_000


def main() -> None:
    """Print a Markdown table, and draw it."""
    asked = _asked()
    rows = []
    print("| documents | keys | clusters | largest | CPU s | wall s | peak MB a worker |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for millions in asked.millions.split(","):
        row = measured(Path(asked.place), int(float(millions) * 1e6), asked.workers)
        rows.append(row)
        print("| " + " | ".join(f"{value:,.0f}" for value in row) + " |", flush=True)
    if asked.svg:
        Path(asked.svg).write_text(drawn(rows))


@dataclass(frozen=True)
class Emit:
    """Task: the keys of one shard of made-up documents."""

    folder: str
    documents: int

    def __call__(self, shard: int) -> int:
        """Write them; how many there are."""
        number = np.arange(shard * SHARD, min(self.documents, (shard + 1) * SHARD))
        table = keys(number, self.documents)
        shards.write(f"{self.folder}/{name(shard)}.parquet", table)
        return table.num_rows


def name(shard: int) -> str:
    """The name of a shard."""
    return f"made-up-{shard:06d}"


def keys(number: np.ndarray, documents: int) -> pa.Table:
    """14 keys a document: each band its own, or with chance 1/2 its cluster's; every tenth has the hot key."""
    of = clusters(number, documents)
    band = np.tile(np.arange(BANDS), len(number))
    who, its = np.repeat(number, BANDS), np.repeat(of, BANDS)
    drawn = mixed(who * BANDS + band)
    shared = drawn & np.uint64(1) == 1
    key = np.where(shared, mixed((its + documents) * BANDS + band), drawn)
    hot = (np.repeat(mixed(number), BANDS) % np.uint64(HOT) == 0) & (band == 0)
    key = np.where(hot, np.uint64(stable_hash("hot")), key)
    return pa.table([key, mixed(key), np.repeat(np.arange(len(number)), BANDS)], schema=KEYED)


def clusters(number: np.ndarray, documents: int) -> np.ndarray:
    """The cluster of each document: int64 [N]. Sizes fall off like a power law with exponent about 2.

    A document is put where a uniform draw to the power 3 says, so the first places hold many.
    """
    place = mixed(number + 7 * documents).astype(np.float64) / 2.0**64
    return (place**1.5 * documents / 2).astype(np.int64)


def measured(place: Path, documents: int, workers: int) -> tuple[float, ...]:
    """One row of the table."""
    folder = place / f"{documents}"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "emit").mkdir(parents=True)
    count = -(-documents // SHARD)
    all_ = Comparison(
        stage=MinHash(),
        newest=Newest(""),
        emitted=str(folder / "emit"),
        folder=str(folder / "minhash"),
        before=(),
        shards=tuple(name(n) for n in range(count)),
        rows=tuple(min(SHARD, documents - n * SHARD) for n in range(count)),
        parts=partitions(documents * TEXT, documents),
    )
    with engine("local", workers) as workforce:
        rows = sum(n for _, n in workforce.map(Emit(all_.emitted, documents), range(count)))
    with engine("local", workers) as workforce:  # fresh workers, so that their peaks are of clustering alone
        begun = time.monotonic()
        spent = added(cluster(all_, workforce))
        wall = time.monotonic() - begun
    sizes = component_sizes(all_, documents)
    shutil.rmtree(folder)
    cpu, peak = sum(one["cpu"] for one in spent.values()), max(one["rss"] for one in spent.values())
    return documents, rows, len(sizes), int(sizes.max()), cpu, wall, peak


def component_sizes(all_: Comparison, documents: int) -> np.ndarray:
    """Sizes of all components of two or more, from what every shard was told: int64 [C]."""
    centres = [clustered(all_, shard)["other"].to_numpy() for shard in range(len(all_.shards))]
    sizes = np.unique(np.concatenate(centres), return_counts=True)[1]
    if documents <= CHECKED:
        wanted = by_scipy(all_, documents)
        if not np.array_equal(np.sort(sizes), wanted):
            raise SystemExit(f"{documents:,} documents: components are not those that scipy finds")
    return sizes


def by_scipy(all_: Comparison, documents: int) -> np.ndarray:
    """The same sizes, sorted, by scipy over all keys at once."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    key, who = (np.concatenate(column) for column in zip(*_all_keys(all_), strict=True))
    _, of = np.unique(key, return_inverse=True)
    graph = coo_matrix((np.ones(len(who), np.int8), (who, documents + of)), shape=(documents + of.max() + 1,) * 2)
    sizes = np.bincount(connected_components(graph, directed=False)[1][:documents])
    return np.sort(sizes[sizes > 1])


def _all_keys(all_: Comparison) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for shard, one in enumerate(all_.shards):
        table = shards.read(f"{all_.emitted}/{one}.parquet")
        yield table["key"].to_numpy(), table["row"].to_numpy() + shard * SHARD


def drawn(rows: list[tuple[float, ...]]) -> str:
    """An SVG of CPU seconds and peak memory over documents, each against its own largest value, from 0."""
    wide, high, edge = 560, 300, 50
    right = max(row[0] for row in rows)
    parts = []
    for column, unit, colour, side in ((4, "CPU s", "#1f77b4", 0), (6, "MB a worker", "#d62728", 1)):
        top = max(row[column] for row in rows)
        places = [(edge + row[0] / right * wide, edge + high - row[column] / top * high) for row in rows]
        line = " ".join(f"{x:.0f},{y:.0f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>' for x, y in places]
        up = (16, -8)[side]  # figures of the one line below it, of the other above
        parts += [
            f'<text x="{x:.0f}" y="{y + up:.0f}" text-anchor="middle" fill="{colour}">{row[column]:,.0f}</text>'
            for (x, y), row in zip(places, rows, strict=True)
        ]
        anchor, x = ("start", edge) if side == 0 else ("end", edge + wide)
        parts.append(f'<text x="{x}" y="{edge - 24}" text-anchor="{anchor}" fill="{colour}">{unit}</text>')
    axis = f"M{edge},{edge} V{edge + high} H{edge + wide}"
    parts.append(f'<path d="{axis}" fill="none" stroke="#666"/>')
    for row in rows:
        x = edge + row[0] / right * wide
        parts.append(f'<text x="{x:.0f}" y="{edge + high + 18}" text-anchor="middle">{row[0] / 1e6:g} M</text>')
    parts.append(f'<text x="{edge + wide}" y="{edge + high + 36}" text-anchor="end">documents</text>')
    size = f'width="{wide + 2 * edge}" height="{high + 2 * edge}"'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">\n{body}\n</svg>\n'


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place")
    parser.add_argument("--millions", default="1,2,5,10,20")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--svg")
    return parser.parse_args()


if __name__ == "__main__":
    main()
