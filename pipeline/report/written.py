"""What a run's shards take at rest, in bytes as they are stored."""

from collections.abc import Sequence

from corpus.storage import sizes
from pipeline.home import Home
from pipeline.plan import Plan


def written(plan: Plan, home: Home, names: Sequence[str]) -> dict[str, int]:
    """{documents, columns}: shards with all that was written with them, and what stages laid beside them.

    names: the run's shards. Verdicts, keys and new texts count as columns; files between steps are gone by now.
    """
    ours = {f"{name}.parquet" for name in names}
    beside = [step for step in plan.steps if step.kind in ("local", "emit", "global")]
    columns = sum(_bytes(home.path(step.folder), ours) for step in beside)
    return {"documents": _bytes(home.path(plan.documents.folder), ours), "columns": columns}


def _bytes(folder: str, ours: set[str]) -> int:
    """One listing a folder: 20 us a file locally, a page of 1,000 names on an object store."""
    return sum(size for name, size in sizes(folder).items() if name in ours)
