"""A finished run, opened again: its steps and shards as they were, without looking at recipe or inputs."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import shards
from corpus.documents import BYTES, DIGEST, DROP, ID, TEXT, VALUE
from corpus.errors import RecipeError, ShardError
from pipeline import recipe
from pipeline.home import FINISHED, RECIPE, REPORT, Home
from pipeline.newest import NEWEST
from pipeline.plan import Plan, Step
from pipeline.reading import SAMPLE
from pipeline.report.figures import check
from pipeline.view import View

REASONS = ("stage", DROP, VALUE)
Rows = Callable[[pa.Table], pa.Array]
"""Which rows of a table to take: bool [N]; null takes none."""


@dataclass(frozen=True)
class Finished:
    """The last finished run of a home."""

    home: Home
    plan: Plan
    shards: tuple[str, ...]
    report: dict[str, Any]

    @classmethod
    def at(cls, folder: str) -> "Finished":
        """Open it. RecipeError where no run ever finished there, ShardError where its records are damaged,
        ReportError where its figures do not add up.
        """
        home = Home(folder)
        known, report = recorded(home, FINISHED, REPORT)
        if known is None:
            hint = " One was begun: run the same command again, it goes on." if RECIPE in home.names() else ""
            raise RecipeError(f"{folder}: no finished run there.{hint}")
        try:
            check(report)
            steps = tuple(Step(s["name"], s["kind"], s["folder"], s["parts"]) for s in known["steps"])
            names, report = tuple(known["shards"]), _here(home, report)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _damaged(home, error) from error
        return cls(home, Plan(recipe.loads(known["recipe"], home.path(FINISHED)), (), steps), names, report)

    def views(self) -> Iterator[View]:
        """Its shards in order."""
        return (View(self.plan, self.home.at, name) for name in self.shards)

    def tables(self, rows: Rows, *, text: bool = True, most: int | None = None) -> Iterator[pa.Table]:
        """Shard by shard, the documents that `rows` takes (at most `most`), with all that was laid beside them.

        Columns, the same in every table: those of the documents (of all sources; the text only where asked),
        `stage`, `drop` and `value`, then those of the stages. Where two stages lay a column of one name and
        type, the later one that has a value stands; one named like a source's field is `<stage>.<name>`.
        """
        for view in self.views():
            table = self._beside(view)
            taken = np.flatnonzero(np.asarray(pc.fill_null(rows(table), False)))[:most]
            if len(taken) == 0:
                continue
            table = table.take(pa.array(taken))
            if text:
                table = table.add_column(1, TEXT, view.take(taken, [TEXT])[TEXT])
            yield table
            if most is not None and (most := most - len(taken)) == 0:
                return

    def empty(self) -> pa.Table:
        """A table of no documents with the columns that `tables` gives, the text among them."""
        for view in self.views():
            table = self._beside(view).slice(0, 0)
            return table.add_column(1, pa.field(TEXT, pa.large_string()), [pa.array([], pa.large_string())])
        return self._nothing()

    def _nothing(self) -> pa.Table:
        """What `empty` gives where stages dropped every document while reading, so that no shard was written."""
        stages = zip(self.plan.judged, self.plan.recipe.stages, strict=True)
        own = {one.name: one.type for source in self.plan.recipe.sources for one in source.schema()}
        own |= {name: column.type for stage in self.plan.recipe.while_reading for name, column in stage.adds.items()}
        own |= dict(zip(REASONS, (pa.string(), pa.string(), pa.float64()), strict=True))
        columns: dict[str, Any] = {name: pa.chunked_array([], type_) for name, type_ in own.items()}
        for step, stage in stages:
            for name, column in stage.adds.items():
                _lay(columns, step.name, name, pa.chunked_array([], column.type), set(own))
        return pa.table(columns)

    def samples(self, rows: Rows) -> Iterator[pa.Table]:
        """Unit by unit, of the documents that stages dropped while reading those that a sample has and `rows` takes.

        Columns: id, domain, the source's fields, `stage`, `drop`, `value`, `bytes`, and how the text begins.
        """
        there = self.home.names(self.plan.documents.folder) if self.plan.while_reading else set()
        for key in unit_keys(self.plan.documents.parts):
            if f"{key}{SAMPLE}" in there:
                table = shards.read(self.home.path(self.plan.documents.folder, f"{key}{SAMPLE}"))
                yield table.filter(pc.fill_null(rows(table), False))

    @cached_property
    def _own(self) -> list[str]:
        """Columns of documents but the text, over all sources: one footer a unit, whose shards are alike."""
        units = {name.rsplit("-", 1)[0]: name for name in self.shards}
        views = [View(self.plan, self.home.at, name) for name in units.values()]
        named = [name for view in views for name in shards.schema(view.url(self.plan.documents)).names]
        return list(dict.fromkeys(name for name in named if name not in (TEXT, BYTES, DIGEST)))

    def _beside(self, view: View) -> pa.Table:
        """All columns of a shard but the text, all rows."""
        url = view.url(self.plan.documents)
        there, rows = shards.schema(url).names, shards.rows(url)
        own = view.documents([name for name in self._own if name in there])
        columns = {name: own[name] if name in there else pa.nulls(rows, pa.string()) for name in self._own}
        columns |= dict(zip(REASONS, view.reasons().select(list(REASONS)).columns, strict=True))
        fixed = set(columns)
        for step in self.plan.judged:
            laid = view.laid(step)
            for name in (n for n in laid.column_names if n not in (*REASONS, *NEWEST)):
                _lay(columns, step.name, name, laid[name], fixed)
        return pa.table(columns)


def unit_keys(parts: dict[str, Any]) -> list[str]:
    """Keys of a run's units, from what its documents depend on: a plan tells them by name, "a", "a (2)"."""
    return [f"{name.split(' (')[0]}-{content}" for name, content in sorted(parts["inputs"].items())]


def _lay(columns: dict[str, Any], stage: str, name: str, column: pa.ChunkedArray, fixed: set[str]) -> None:
    before = columns.get(name)
    if name in fixed or (before is not None and before.type != column.type):
        columns[f"{stage}.{name}"] = column
    else:
        columns[name] = column if before is None else pc.coalesce(column, before)


def recorded(home: Home, *files: str) -> list[Any]:
    """What these JSON files of a home hold, None for one that is not there.

    RecipeError where the home cannot be looked into, ShardError where a file is no JSON.
    """
    try:
        home.names()
        return [home.json(name) for name in files]
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(home, error) from error
    except NotADirectoryError as error:
        raise RecipeError(f"{home.at}: a file, not the folder of a run") from error
    except (OSError, ValueError, ImportError) as error:  # not readable, an unknown protocol, s3fs not installed
        raise RecipeError(f"{home.at}: cannot be read ({error})") from error


def _damaged(home: Home, error: Exception) -> ShardError:
    what = f"the records of the run are damaged ({type(error).__name__}: {error})"
    return ShardError(f"{home.at}: {what}. Run its recipe again: what is done stays, and they are written anew.")


def _here(home: Home, report: dict[str, Any]) -> dict[str, Any]:
    """The report with its places as they are now: a run's folder can be moved, or mounted elsewhere."""
    manifest = report["manifest"] and home.path(*report["manifest"].rsplit("/", 2)[-2:])
    return report | {"run": home.at, "manifest": manifest}


def dropped_by(reason: str, report: dict[str, Any]) -> Rows:
    """Documents dropped for a reason, or by any reason of a stage; RecipeError where there is no such one."""
    known = {r for s in report["stages"] for r in s["dropped"]} | {s["name"] for s in report["stages"]}
    if reason not in known:
        near = get_close_matches(reason, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        there = ", ".join(sorted(known)) or "no stages"
        raise RecipeError(f"nothing was dropped by {reason!r}; {hint}There are: {there}")
    return lambda table: pc.or_kleene(pc.equal(table[DROP], reason), pc.equal(table["stage"], reason))


def with_id(id_: str) -> Rows:
    """The documents of that id."""
    return lambda table: pc.equal(table[ID], id_)


def in_cluster(keeper: str) -> Rows:
    """The keeper and members of a cluster, which is named by the keeper's id.

    The keeper of exact copies may itself be a near duplicate in another cluster, hence it is asked for by id.
    """
    return lambda table: pc.or_kleene(pc.equal(clusters(table), keeper), pc.equal(table[ID], keeper))


def clusters(table: pa.Table) -> pa.ChunkedArray:
    """The column `cluster`; RecipeError where no stage of the run lays one."""
    if "cluster" not in table.column_names:
        raise RecipeError("no stage of this run makes clusters; those that do: exact, minhash")
    return table["cluster"]


def kept(table: pa.Table) -> pa.Array:
    """Documents that no stage dropped."""
    return pc.is_null(table[DROP])


def dropped(table: pa.Table) -> pa.Array:
    """Documents that some stage dropped."""
    return pc.is_valid(table[DROP])


def everything(table: pa.Table) -> pa.Array:
    """All documents."""
    return pa.array(np.ones(table.num_rows, bool))


def first(finished: Finished, rows: Rows, count: int) -> list[dict[str, Any]]:
    """The first `count` documents that `rows` takes, a dict each, nulls left out."""
    return _dicts(finished.tables(rows, most=count), count)


def first_sampled(finished: Finished, rows: Rows, count: int) -> list[dict[str, Any]]:
    """The same of samples of documents that were dropped while reading, each with `sampled`, how many documents the
    sample of its stage and reason has, and `sample_of`, how many that stage dropped for that reason.
    """
    told = {stage["name"]: stage for stage in finished.report["stages"]}
    found = _dicts(finished.samples(rows), count)
    for one in found:
        counts = {"sampled": "sampled", "sample_of": "dropped"}
        one |= {name: told[one["stage"]][of][one[DROP]] for name, of in counts.items()}
    return found


def _dicts(tables: Iterable[pa.Table], count: int) -> list[dict[str, Any]]:
    rows = (one for table in tables for one in table.to_pylist())
    return [{k: v for k, v in one.items() if v is not None} for one in islice(rows, count)]
