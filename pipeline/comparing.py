"""A Global stage over all shards: cluster by keys, gather evidence, verify, watch what is lost, lay.

Every step is a map over shards or partitions with whole files between, so any worker may do any part, a
killed run goes on with the parts that are missing, and the number of workers changes nothing. A file between
that is found damaged is removed and made again. docs/decisions/0005 has the reasons, and the arithmetic of memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from corpus.storage import names, remove
from pipeline.clustering import cluster
from pipeline.comparison import ROW_BITS, Comparison, missing, partitions, spent
from pipeline.engine import Engine
from pipeline.exchange import Damaged
from pipeline.index import shards_of
from pipeline.losses import known, watched
from pipeline.spent import Spent
from pipeline.verifying import Gather, LayVerdicts, Verify

__all__ = ["ROW_BITS", "Comparison", "compare", "partitions"]


def compare(all_: Comparison, engine: Engine) -> Iterator[Spent]:
    """Run a Global stage to its end; yields what each part took.

    Raises StageError without a fix-point, or where a domain loses too much (losses.py); RecipeError where an index
    was made with other settings, or a domain is named that no document has.
    """
    all_ = with_index(all_)
    yield from known(all_, engine)
    yield from mended(lambda: _steps(all_, engine))
    remove(all_.work())


def with_index(all_: Comparison) -> Comparison:
    """The comparison with the shards of the stage's indexes, and partitions for their volume as well."""
    index = tuple(shards_of(all_.stage))
    held = partitions(sum(one.bytes for one in index), sum(one.rows for one in index)) if index else 0
    return replace(all_, index=index, parts=max(all_.parts, held))


def _steps(all_: Comparison, engine: Engine) -> Iterator[Spent]:
    yield from cluster(all_, engine)
    yield from missing(engine, Gather(all_), all_.all_shards, all_.work("texts"))
    yield from missing(engine, Verify(all_), range(all_.parts), all_.work("verdicts"))
    yield from watched(all_, engine)
    done = names(all_.folder)
    left = [n for n in range(len(all_.shards)) if f"{all_.shards[n]}.parquet" not in done]
    yield from spent(engine.map(LayVerdicts(all_), left))


def mended(steps: Callable[[], Iterator[Spent]]) -> Iterator[Spent]:
    """Run steps that make what is missing; where a file between them is damaged, remove it and run them again.

    What reads a file checks it, so whatever was made of it before is sound. Damaged where one file is so twice.
    """
    removed: set[str] = set()
    while True:
        try:
            yield from steps()
            return
        except Damaged as error:
            if error.url in removed:
                raise
            removed.add(error.url)
            remove(error.url)
