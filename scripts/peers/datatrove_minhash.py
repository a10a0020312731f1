"""datatrove: signatures, buckets, clusters, filter, each with one worker. Arguments: documents.jsonl, output folder."""

import logging
import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

logging.disable(logging.CRITICAL)
source, out = Path(sys.argv[1]), Path(sys.argv[2])
config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)


def read() -> JsonlReader:
    return JsonlReader(str(source.parent), glob_pattern=source.name)


def run(*pipeline: object, tasks: int = 1, name: str) -> None:
    LocalPipelineExecutor([*pipeline], tasks=tasks, workers=1, logging_dir=str(out / "logs" / name)).run()


run(read(), MinhashDedupSignature(str(out / "signatures"), config=config), name="1")
run(MinhashDedupBuckets(str(out / "signatures"), str(out / "buckets"), config=config), tasks=14, name="2")
run(MinhashDedupCluster(str(out / "buckets"), str(out / "remove"), config=config), name="3")
writer = JsonlWriter(str(out / "kept"), output_filename="kept.jsonl", compression=None)
run(read(), MinhashDedupFilter(str(out / "remove")), writer, name="4")
(out / "kept" / "kept.jsonl").rename(out / "kept.jsonl")
