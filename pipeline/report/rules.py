"""What `winnow report --rules` prints: what each rule cost, which fail together, and what other limits give back."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.documents import number
from pipeline.report.plain import plain
from pipeline.report.terminal import mb, table_of

MOST_PAIRS = 12
"""Pairs of rules that are shown: those that the most documents fail both of."""


def show(facts: dict[str, Any], console: Console) -> None:
    """Print what `pipeline.accounting.accounting` gives, a part for each stage."""
    for square in facts["overlap"]:
        rules, regained = (_of(square, facts[name]) for name in ("rules", "regained"))
        most = max((row["documents"] for row in rules), default=0)
        console.print(Text(f"{_named(square)}: {most:,} documents came to it\n"))
        console.print(_rules(rules))
        for title, table in (("fail both", _pairs(square)), ("regained", _regained(rules, regained))):
            if table.row_count:
                console.print(Text(f"\n{title}"))
                console.print(table)
        console.print()
    for one in facts["problems"]:
        rule = f", {plain(one['rule'])}" if one["rule"] else ""
        console.print(Text(f"Note: {_named(one)}{rule}: {plain(one['problem'], 200)}"))


def _of(table: dict[str, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[name] == table[name] for name in ("stage", "language"))]


def _named(row: dict[str, Any]) -> str:
    return plain(row["stage"]) + (f", language {plain(row['language'])}" if row["language"] else "")


def _rules(rules: list[dict[str, Any]]) -> Table:
    """Dropped adds up to what the stage dropped; the other two count a document under each rule it fails."""
    table = table_of(("rule", ">least", ">most", ">dropped", ">MB lost", ">tokens", ">fail it", ">fail only it"))
    for row in rules:
        counts = (f"{row['first_fail']:,}", mb(row["bytes_lost"]), f"{row['tokens_lost']:,}")
        others = (f"{row['any_fail']:,}", f"{row['only_fail']:,}")
        table.add_row(Text(plain(row["rule"], 30)), _limit(row["low"]), _limit(row["high"]), *counts, *others)
    return table


def _limit(value: float | None) -> str:
    return "" if value is None else number(value)


def _pairs(overlap: dict[str, Any]) -> Table:
    table = table_of(("rule", "and rule", ">documents", ">of the rarer"))
    for count, share, a, b in sorted(_both(overlap), key=lambda one: (-one[0], one[2:]))[:MOST_PAIRS]:
        table.add_row(Text(plain(a, 30)), Text(plain(b, 30)), f"{count:,}", f"{share:.0%}")
    return table


def _both(overlap: dict[str, Any]) -> Iterator[tuple[int, float, str, str]]:
    names, square = overlap["rules"], overlap["documents"]
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            if square[i][j]:
                yield square[i][j], square[i][j] / min(square[i][i], square[j][j]), b, a


def _regained(rules: list[dict[str, Any]], regained: list[dict[str, Any]]) -> Table:
    table = table_of(("with", ">at", ">for", ">documents more", ">MB more", ">tokens more"))
    limits = {row["rule"]: row for row in rules}
    for one in regained:
        what = f"{'least' if one['limit'] == 'low' else 'most'} {plain(one['rule'], 30)}"
        was = number(limits[one["rule"]][one["limit"]])
        counts = (f"{one['documents']:,}", mb(one["bytes"]), f"{one['tokens']:,}")
        table.add_row(Text(what), number(one["at"]), was, *counts)
    return table
