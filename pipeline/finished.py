"""A finished run, opened again: its steps and shards as they were, without looking at recipe or inputs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import shards
from corpus.documents import ID, TEXT
from corpus.errors import RecipeError
from pipeline import recipe
from pipeline.home import FINISHED, RECIPE, REPORT, Home
from pipeline.plan import Plan, Step
from pipeline.reading import BYTES
from pipeline.view import View

REASONS = ("stage", "drop", "value")
Rows = Callable[[pa.Table], pa.Array]
"""Which rows of a table to take: bool [N]."""


@dataclass(frozen=True)
class Finished:
    """The last finished run of a home."""

    home: Home
    plan: Plan
    shards: tuple[str, ...]
    report: dict[str, Any]

    @classmethod
    def at(cls, folder: str) -> "Finished":
        """Open it; RecipeError where no run ever finished there."""
        home = Home(folder)
        known = home.json(FINISHED)
        if known is None:
            begun = " One was begun: run the same command again, it goes on." if RECIPE in home.names() else ""
            raise RecipeError(f"{folder}: no finished run there.{begun}")
        steps = tuple(Step(s["name"], s["kind"], s["folder"], s["parts"]) for s in known["steps"])
        plan = Plan(recipe.load(home.path(RECIPE)), (), steps)
        return cls(home, plan, tuple(known["shards"]), home.json(REPORT))

    def views(self) -> Iterator[View]:
        """Its shards in order."""
        return (View(self.plan, self.home.at, name) for name in self.shards)

    def tables(self, rows: Rows, *, text: bool = True) -> Iterator[pa.Table]:
        """Shard by shard, the documents that `rows` takes, with all that was laid beside them.

        Columns: the documents' own (the text only where asked), `stage`, `drop` and `value`, then those of
        the stages; where two stages lay a column of one name, the later one that has a value stands.
        """
        for view in self.views():
            whole = beside(view)
            taken = pc.fill_null(rows(whole), False)
            if not pc.any(taken).as_py():
                continue
            if text:
                whole = whole.add_column(1, TEXT, view.documents([TEXT])[TEXT])
            yield whole.filter(taken)


def beside(view: View) -> pa.Table:
    """All columns of a shard but the text, all rows."""
    own = [name for name in _columns(view) if name not in (TEXT, BYTES)]
    table = view.documents(own)
    reasons = view.reasons()
    for name in REASONS:
        table = table.append_column(name, reasons[name])
    for step in view.plan.judged:
        for name, column in zip((laid := view.laid(step)).column_names, laid.columns, strict=True):
            if name in REASONS:
                continue
            if name in table.column_names:
                place = table.column_names.index(name)
                table = table.set_column(place, name, pc.coalesce(column, table[name]))
            else:
                table = table.append_column(name, column)
    return table


def _columns(view: View) -> list[str]:
    return list(shards.schema(view.url(view.plan.documents)).names)


def dropped_by(reason: str, report: dict[str, Any]) -> Rows:
    """Documents dropped for a reason, or by any reason of a stage; RecipeError where nothing was."""
    known = {r for s in report["stages"] for r in s["dropped"]} | {s["name"] for s in report["stages"] if s["dropped"]}
    if reason not in known:
        raise RecipeError(f"nothing was dropped by {reason!r}; what did drop: {', '.join(sorted(known)) or 'nothing'}")
    return lambda table: pc.or_(pc.equal(table["drop"], reason), pc.and_(pc.equal(table["stage"], reason), pc.is_valid(table["drop"])))


def with_id(id_: str) -> Rows:
    """The documents of that id."""
    return lambda table: pc.equal(table[ID], id_)


def in_cluster(keeper: str) -> Rows:
    """The keeper and members of a cluster, which is named by the keeper's id."""

    def rows(table: pa.Table) -> pa.Array:
        if "cluster" not in table.column_names:
            raise RecipeError("no stage of this run makes clusters; those that do: exact, minhash")
        return pc.equal(table["cluster"], keeper)

    return rows


def kept(table: pa.Table) -> pa.Array:
    """Documents that no stage dropped."""
    return pc.is_null(table["drop"])


def dropped(table: pa.Table) -> pa.Array:
    """Documents that some stage dropped."""
    return pc.is_valid(table["drop"])


def everything(table: pa.Table) -> pa.Array:
    """All documents."""
    return pa.array(np.ones(table.num_rows, bool))


def first(finished: Finished, rows: Rows, count: int) -> list[dict[str, Any]]:
    """The first `count` documents that `rows` takes, a dict each, nulls left out."""
    found: list[dict[str, Any]] = []
    for table in finished.tables(rows):
        found += table.slice(0, count - len(found)).to_pylist()
        if len(found) >= count:
            break
    return [{k: v for k, v in one.items() if v is not None} for one in found]
