"""What `winnow report --thresholds` and `--cross` print: where shares of ranked documents end; two columns crossed."""

import json
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from corpus.errors import RecipeError
from corpus.storage import exists, join, read_bytes
from pipeline.finished import Finished
from pipeline.report.documents import number
from pipeline.report.plain import plain
from pipeline.report.terminal import mb, table_of
from pipeline.thresholds import THRESHOLDS

MOST_ROWS, MOST_COLUMNS = 40, 6
"""Rows and columns of a table: about a screen of 100 columns. JSON has all of them."""


def facts(run: Finished, stage: str | None) -> dict[str, Any]:
    """{run, stages: [{name, and what thresholds.json holds}]} of all stages with shares, or of the one of that name.

    Raises RecipeError where there is none, or the named one has none.
    """
    found = [step for step in run.plan.judged if exists(join(run.home.at, step.folder, THRESHOLDS))]
    named = [step for step in found if stage in (None, step.name)]
    if not named:
        there = f"those that do: {', '.join(step.name for step in found)}" if found else "quota and buckets would"
        raise RecipeError(f"report --thresholds: {stage or 'no stage of this run'} has no shares; {there}")
    said = [json.loads(read_bytes(join(run.home.at, step.folder, THRESHOLDS))) for step in named]
    return {"run": run.home.at, "stages": [{"name": s.name} | one for s, one in zip(named, said, strict=True)]}


def show(facts: dict[str, Any], console: Console) -> None:
    """Print where shares end, a table a stage."""
    for one in facts["stages"]:
        by = ", ".join(f"{plain(s['column'])} ({plain(s['stage'] or 'a field of the source')})" for s in one["scorers"])
        console.print(Text(f"{plain(one['name'])}: shares of {plain(one['of'])} by {by}, {one['order']}\n"))
        console.print(_cuts(one))
        if (more := len(one["cuts"]) - MOST_ROWS) > 0:
            console.print(Text(f"and {more:,} others; --json has all"))
        console.print()


def _cuts(one: dict[str, Any]) -> Table:
    table = table_of(
        (*one["per"], "column", ">share", ">found", ">ends at", ">documents", f">{one['of']}", ">no score")
    )
    for cut in one["cuts"][:MOST_ROWS]:
        found, end = cut["found"], cut["threshold"]
        share = "-" if found["share"] is None else f"{found['share']:.3%}"
        group = [Text(_named(cut["group"][name], 20)) for name in one["per"]]
        ends = "all" if end is None else end if isinstance(end, str) else number(end)
        counts = (f"{found['documents']:,}", f"{found['size']:,}", f"{cut['unscored']:,}")
        table.add_row(*group, Text(plain(cut["column"], 20)), f"{cut['share']:.4g}", share, ends, *counts)
    return table


def show_crossed(facts: dict[str, Any], console: Console) -> None:
    """Print two columns crossed, by tokens, or by MB of text where a run has none."""
    what = "MB of text" if facts["tokens"] is None else "tokens"
    console.print(Text(f"{what} of kept documents by {plain(facts['row'])} and {plain(facts['column'])}\n"))
    counts = np.array(facts["tokens"] or facts["bytes"], np.int64).reshape(len(facts["rows"]), len(facts["columns"]))
    counts, rows = _merged(counts, facts["rows"], MOST_ROWS)
    turned, columns = _merged(counts.T, facts["columns"], MOST_COLUMNS)
    said = mb if facts["tokens"] is None else "{:,.0f}".format
    table = table_of((facts["row"], *(f">{name}" for name in columns), ">all"))
    for name, row in zip([*rows, "all"], [*turned.T, turned.sum(axis=1)], strict=True):
        table.add_row(Text(name), *(said(value) for value in (*row.tolist(), row.sum())))
    console.print(table)


def _merged(counts: np.ndarray, names: list[str | None], most: int) -> tuple[np.ndarray, list[str]]:
    """Rows by name; of more than `most` the largest, and the sum of the others."""
    told = [_named(name, 14) for name in names]
    if len(names) <= most:
        return counts, told
    largest = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[: most - 1])
    others = np.delete(counts, largest, axis=0).sum(axis=0)
    more = f"{len(names) - most + 1:,} others"
    return np.r_[counts[largest], others[None]], [*(told[n] for n in largest.tolist()), more]


def _named(value: str | None, most: int) -> str:
    return "no value" if value is None else plain(value, most)
