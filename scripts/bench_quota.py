"""What a quota takes: counting in rounds beside sorting everything, by documents and kind of score.

    python -m scripts.bench_quota --documents 1000000

Shards of 32,768 documents with random sizes in two groups; scores that all differ, and scores of three values, where
what breaks ties decides. Who is kept must be the same both ways. One worker, CPU seconds of this process.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.documents import DIGEST, DROP, ID, halves
from corpus.hashing import hash64
from pipeline.engines import engine
from pipeline.newest import Newest
from pipeline.ranking import Ranking, rank
from stages.quota import Quota

PER_SHARD = 32_768
STAGE = Quota(column="score", keep_share=0.3, per=("domain",))


def written(folder: Path, documents: int, values: int | None, seed: int = 1) -> pa.Table:
    """Shards of documents and of what the stage emits of them; all columns as one table."""
    draw = np.random.default_rng(seed)
    score = draw.random(documents) if values is None else draw.integers(0, values, documents).astype(np.float64)
    digest = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), documents, [None, pa.py_buffer(draw.bytes(16 * documents))]
    )
    domain = pa.array(np.where(np.arange(documents) % 3 == 0, "web", "books"))
    whole = pa.table(
        {ID: [f"d{n}" for n in range(documents)], DIGEST: digest, "size": draw.integers(1, 9_000, documents)}
    )
    whole = whole.append_column("score", pa.array(score)).append_column("domain", domain)
    for number, first in enumerate(range(0, documents, PER_SHARD)):
        part = whole.slice(first, PER_SHARD)
        shards.write(str(folder / "documents" / f"{number:06d}.parquet"), part.select([ID, DIGEST]).combine_chunks())
        row = pa.array(np.arange(part.num_rows))
        emitted = pa.table([row, part["size"], part["score"], part["domain"]], schema=STAGE.emitted())
        shards.write(str(folder / "emitted" / f"{number:06d}.parquet"), emitted.combine_chunks())
    return whole


def by_sorting(whole: pa.Table) -> np.ndarray:
    """bool [N]: documents that a sort keeps."""
    score, size = whole["score"].to_numpy(), whole["size"].to_numpy()
    digest, last = halves(whole[DIGEST].combine_chunks())[0], hash64(whole[ID].combine_chunks(), 0)
    web, kept = whole["domain"].to_numpy(zero_copy_only=False) == "web", np.zeros(len(score), bool)
    for group in (np.flatnonzero(web), np.flatnonzero(~web)):
        order = group[np.lexsort((last[group], digest[group], -score[group]))]
        ahead = np.cumsum(size[order]) - size[order]
        kept[order] = 10 * (2 * ahead + size[order]) <= 6 * size[order].sum()
    return kept


def measured(documents: int, values: int | None) -> str:
    """A row of the table, but for its name."""
    with tempfile.TemporaryDirectory() as at, engine("local", 1) as workforce:
        folder = Path(at)
        whole = written(folder, documents, values)
        names = tuple(f"{n:06d}" for n in range(-(-documents // PER_SHARD)))
        newest = Newest(str(folder / "documents"))
        all_ = Ranking(STAGE, newest, str(folder / "emitted"), str(folder / "laid"), (), names)
        began = time.process_time()
        tasks = len(list(rank(all_, [], workforce)))
        counted = time.process_time() - began
        drop = [shards.read(str(folder / "laid" / f"{one}.parquet"), [DROP])[DROP] for one in names]
        began = time.process_time()
        kept = by_sorting(whole)
        sorted_ = time.process_time() - began
        same = (kept == np.concatenate([one.is_null().to_numpy() for one in drop])).all()
        return f"{counted:.2f} | {sorted_:.2f} | {tasks // len(names) - 2} | {same} |"


def main() -> None:
    """Print a row a kind of score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    documents = parser.parse_args().documents
    measured(1_000, None)  # kernels are compiled
    print("| scores | counting and laying, CPU s | sort in memory, CPU s | rounds | same documents |")
    print("| --- | --- | --- | --- | --- |")
    for name, values in (("all differ", None), ("three values", 3)):
        print(f"| {name} | {measured(documents, values)}", flush=True)


if __name__ == "__main__":
    main()
