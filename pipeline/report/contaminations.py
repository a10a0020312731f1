"""What `winnow decontaminate` prints, and the same as a page: benchmarks, then items with their documents."""

from html import escape
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.plain import plain
from pipeline.report.terminal import table_of

MOST_ITEMS = 20

_BENCHMARKS = ("benchmark", ">items", ">not matchable", ">found", ">contaminated")
_ITEMS = ("benchmark", "item", ">share", ">score", ">documents", "best in", ">bytes", "fate")


def show(facts: dict[str, Any], console: Console) -> None:
    """Print what `pipeline.contamination.report` gives; of items the first MOST_ITEMS."""
    console.print(Text(headline(facts)))
    console.print(_table(_BENCHMARKS, _benchmarks(facts)))
    if facts["items"]:
        console.print(Text("\nItems, by the share of them that all documents hold together"))
        console.print(_table(_ITEMS, _items(facts)[:MOST_ITEMS]))
    if len(facts["items"]) > MOST_ITEMS:
        console.print(Text(f"... and {len(facts['items']) - MOST_ITEMS:,} more: --json or --html has all"))


def headline(facts: dict[str, Any]) -> str:
    """One sentence: by which rule, and what became of how many documents."""
    counts = facts["documents"]
    fates = ", ".join(f"{count:,} {fate}" for fate, count in counts.items())
    return (
        f"{plain(facts['stage'])} in {plain(facts['run'])}, rule {facts['rule']}, a document counts from a score of "
        f"{facts['least_score']:g}: {sum(counts.values()):,} contaminated documents ({fates})"
    )


def page(facts: dict[str, Any]) -> str:
    """The same as one HTML file without scripts, all items and the documents told of each."""
    rows: list[tuple[str, ...]] = [
        (
            one["benchmark"],
            one["item"],
            f"{one['share']:.3f}",
            doc["id"],
            f"{doc['score']:.3f}",
            _where(doc),
            doc["fate"],
        )
        for one in facts["items"]
        for doc in one["in"]
    ]
    columns = ("benchmark", "item", ">share", "document", ">score", ">bytes", "fate")
    tables = _html(_BENCHMARKS, _benchmarks(facts)) + "<h2>Items and documents</h2>\n" + _html(columns, rows)
    style = "body{font:15px sans-serif;margin:2em}td,th{padding:.1em .8em;text-align:left}.n{text-align:right}"
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Contamination</title>\n<style>{style}</style>\n'
        f"<h1>Contamination</h1>\n<p>{escape(headline(facts))}</p>\n{tables}</html>\n"
    )


def _benchmarks(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    names = ("items", "not_matchable", "found", "contaminated")
    return [(one["benchmark"], *(_count(one[name]) for name in names)) for one in facts["benchmarks"]]


def _items(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            one["benchmark"], one["item"], f"{one['share']:.3f}", f"{one['score']:.3f}", f"{one['documents']:,}",
            *((one["in"][0]["id"], _where(one["in"][0]), one["in"][0]["fate"]) if one["in"] else ("", "", "")),
        )
        for one in facts["items"]
    ]  # fmt: skip


def _where(document: dict[str, Any]) -> str:
    (start, end), more = document["spans"][0], len(document["spans"]) - 1
    return f"{start:,} to {end:,}" + (f" and {more:,} more" if more else "")


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = table_of(columns)
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    return table


def _html(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    kinds = [' class="n"' if column[0] == ">" else "" for column in columns]
    cells = "".join(f"<th{kind}>{column.lstrip('>')}</th>" for kind, column in zip(kinds, columns, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>\n"
        for row in rows
    )
    return f"<table>\n<tr>{cells}</tr>\n{body}</table>\n"
