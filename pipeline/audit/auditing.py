"""The audit of a finished run's near-duplicates: precision on what was removed, recall against exact truth.

Nothing is written and nothing is run again: columns say who was removed as whose duplicate, texts say whether that
was right, and exact truth on a block (block.py) and planted copies (planting.py) say what was missed.
"""

from typing import Any

import pyarrow as pa

from corpus.documents import Batch
from corpus.errors import RecipeError
from pipeline.audit.block import Block, block
from pipeline.audit.clusters import largest
from pipeline.audit.columns import columns, histogram
from pipeline.audit.planting import by_percent, copies, drawn
from pipeline.audit.precision import precision
from pipeline.audit.recall import LEAST, Draws, by_similarity
from pipeline.audit.subject import Subject
from pipeline.finished import Finished

SAMPLE, PLANTED = 20_000, 3_000
"""Documents of the block, and edited copies: 3,000 put 60 to 320 pairs into each bin, right to 0.08 where it is worst.
With both an audit of 82 MB takes 6 CPU s and 1.3 GB."""

_DOMAIN = ("documents", "removed", "bytes", "bytes_removed")


def audit(
    finished: Finished, sample: int = SAMPLE, planted: int = PLANTED, seed: int = 0, stage: str | None = None
) -> dict[str, Any]:
    """What `winnow audit --json` prints; docs/reference/json.md has every key.

    sample: most documents of the block that exact truth is made for. planted: most edited copies. stage: as the
    report calls it, where the run has several MinHash stages. The same seed and run give the same audit.
    Raises RecipeError where there is no such stage or a number is negative, ShardError where a file is damaged.
    """
    if sample < 0 or planted < 0:
        raise RecipeError(f"audit: --sample {sample:,} and --planted {planted:,} must be at least 0")
    subject = Subject.of(finished, stage)
    bands, rows = subject.stage.banding
    found = columns(subject, sample, seed)
    read, truth = block(subject, found, planted, seed)
    originals = _texts(subject, read)
    made = copies(originals, planted, seed)
    draws = drawn(originals, made, subject.stage)
    return {
        "run": finished.home.at,
        "stage": subject.step.name,
        "settings": subject.stage.settings(),
        "seed": seed,
        "documents": found.documents,
        **precision(subject, found),
        "block": read.facts(found, truth),
        "recall": by_similarity(read.draws(truth), bands, rows),
        "planted": by_similarity(_alike(draws), bands, rows),
        "edits": by_percent(draws, made.percent),
        "cluster_sizes": histogram(found),
        "largest": largest(subject, found),
        "domains": {name: dict(zip(_DOMAIN, one, strict=True)) for name, one in sorted(found.domains.items())},
    }


def _texts(subject: Subject, read: Block) -> Batch:
    """The originals of planted copies, by shard and row."""
    tables = [shard.texts(read.originals.rows(number)) for number, shard in subject.shards()]
    whole = pa.concat_tables(tables).combine_chunks()
    return Batch(pa.RecordBatch.from_arrays([c.combine_chunks() for c in whole.columns], schema=whole.schema))


def _alike(draws: Draws) -> Draws:
    """Those of the pairs that are at least as similar as the least bin."""
    return Draws(*(column[draws.similarity >= LEAST] for column in draws))
