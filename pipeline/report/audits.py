"""What `winnow audit` prints: precision, recall by similarity beside theory, clusters with differences, losses."""

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.report.plain import plain
from pipeline.report.terminal import mb, table_of

MOST_DOMAINS = 20
MOST_LINES, MOST_SHOWN = 12, 200  # lines of a difference, and characters of each


def show(facts: dict[str, Any], console: Console) -> None:
    """Print what `pipeline.audit.auditing.audit` gives."""
    console.print(Text(f"{plain(facts['stage'])} in {plain(facts['run'])}: {_precision(facts)}"))
    for one in facts["wrong"]:
        said = f"{plain(one['id'])} is {one['similarity']:.4f} like {plain(one['duplicate_of'])}"
        console.print(Padding(Text(said), (0, 0, 0, 2)))
    console.print(Text(f"\n{_block(facts['block'])}"))
    console.print(_recall(facts["recall"]))
    console.print(Text("\nPlanted copies, by similarity and by how many words were edited"))
    console.print(_recall(facts["planted"]))
    console.print(_edits(facts["edits"]))
    if facts["cluster_sizes"]:
        console.print(Text("\nClusters by their documents"))
        console.print(_sizes(facts["cluster_sizes"]))
    _largest(facts["largest"], console)
    console.print(Text("\nWhat each domain lost to this stage"))
    console.print(_domains(facts["domains"]))


def _precision(facts: dict[str, Any]) -> str:
    elsewhere = f"; {facts['not_in_run']:,} repeat a document that is not in this run" if facts["not_in_run"] else ""
    said = f"{facts['verified']:,} of {facts['removed']:,} removed documents verified on text{elsewhere}"
    if facts["precision"] is None:
        return said
    whole = facts["precision_low"] == facts["precision_high"]
    ends = "" if whole else f" ({facts['precision_low']:.4f} to {facts['precision_high']:.4f})"
    return f"precision {facts['precision']:.4f}{ends}: {said}"


def _block(block: dict[str, Any]) -> str:
    which = "all" if block["whole"] else "a block of"
    size = f"{which} {block['documents']:,} documents, {mb(block['bytes'])} MB"
    return f"Pairs of at least 0.5 exact similarity, {block['pairs']:,} in {size}; intervals of 99 %"


def _recall(rows: list[dict[str, Any]]) -> Table:
    table = table_of(
        (">similarity", ">pairs", ">families", ">proposed", ">interval", ">theory", ">caught", ">interval")
    )
    for row in rows:
        shares = (_share(row["measured"]), _ends(row, "measured"), _share(row["theory"]))
        counts = (f"{row['pairs']:,}", f"{row['families']:,}")
        table.add_row(_bin(row), *counts, *shares, _share(row["caught"]), _ends(row, "caught"))
    return table


def _bin(row: dict[str, Any]) -> str:
    return f"{row['low']:.2f} to {row['high']:.2f}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _ends(row: dict[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "-" if low is None else f"{low:.3f} to {high:.3f}"


def _edits(rows: list[dict[str, Any]]) -> Table:
    table = table_of((">words edited", ">copies", ">mean similarity", ">proposed", ">caught"))
    for row in rows:
        shares = (_share(row[name]) for name in ("similarity", "proposed", "caught"))
        table.add_row(f"{row['percent']:g} %", f"{row['pairs']:,}", *shares)
    return table


def _sizes(rows: list[dict[str, Any]]) -> Table:
    table = table_of((">of", ">clusters", ">documents"))
    for row in rows:
        low, high = row["low"], row["high"]
        of = f"{low:,} or more" if high is None else f"{low:,}" if low == high else f"{low:,} to {high:,}"
        table.add_row(of, f"{row['clusters']:,}", f"{row['documents']:,}")
    return table


def _largest(rows: list[dict[str, Any]], console: Console) -> None:
    if rows:
        console.print(Text("\nThe largest, each with its least similar member (- keeper's, + member's)"))
    for row in rows:
        member = "" if row["member"] is None else f"; {plain(row['member'])} is {row['similarity']:.4f} like it"
        console.print(Text(plain(row["cluster"]), "bold") + Text(f"  {row['documents']:,} documents{member}"))
        for line in row["diff"][:MOST_LINES]:
            console.print(Padding(Text(f"{line[0]} {plain(line[1:], MOST_SHOWN)}"), (0, 0, 0, 2)))
        if len(row["diff"]) > MOST_LINES:
            console.print(Padding(Text(f"... and {len(row['diff']) - MOST_LINES:,} more"), (0, 0, 0, 2)))


def _domains(domains: dict[str, Any]) -> Table:
    """Those that lost the largest share of their documents first; the rest in a last row."""
    table = table_of(("domain", ">documents", ">removed", ">share", ">MB", ">MB removed"))
    ordered = sorted(domains.items(), key=lambda one: (-one[1]["removed"] / one[1]["documents"], one[0]))
    shown, rest = ordered[:MOST_DOMAINS], [one for _, one in ordered[MOST_DOMAINS:]]
    if rest:
        shown.append((f"{len(rest):,} others", {key: sum(one[key] for one in rest) for key in rest[0]}))
    for name, one in shown:
        counts = (f"{one['documents']:,}", f"{one['removed']:,}", f"{one['removed'] / one['documents']:.1%}")
        table.add_row(Text(plain(name, 30)), *counts, mb(one["bytes"]), mb(one["bytes_removed"]))
    return table
