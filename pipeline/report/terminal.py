"""A report in the terminal: the funnel, the domains, and where the time went, in 100 columns."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.plain import plain

MOST_DOMAINS = 24
"""Rows of the domain table: one screen; the rest are summed in a last row, so that it adds up to the whole."""

MOST_KINDS = 8
"""Kinds of skipped records that are named: three lines at most; an archive has dozens of media types."""

_SIZES = ("documents", "bytes")


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report (as `figures` made it)."""
    took = f"{report['seconds']:,.0f} s, {report['peak_rss_mb']:,.0f} MB at most in one process"
    console.print(Text(f"{plain(report['name'])} in {plain(report['run'])}: {took}\n"))
    console.print(_funnel(report))
    if report["quarantined"]:
        causes = ", ".join(f"{plain(cause)} {count:,}" for cause, count in report["quarantined"].items())
        console.print(Text(f"quarantined beside these: {causes}; see them with --bad"))
    if skipped := report.get("skipped"):  # reports of earlier versions have no such figures
        kinds = sorted(skipped.items(), key=lambda one: (-one[1], one[0]))
        some = ", ".join(f"{plain(kind, 60)} {count:,}" for kind, count in kinds[:MOST_KINDS])
        more = f", {len(kinds) - MOST_KINDS:,} other kinds" if len(kinds) > MOST_KINDS else ""
        console.print(Text(f"skipped, for they are no documents: {some}{more}"))
    if written := report.get("written"):
        console.print(Text(_written(written, report["bytes"]["kept"])))
    for one in (_domains(report), _work(report), Text(f"digest {plain(report['digest'])}")):
        console.print()
        console.print(one)


def _written(written: dict[str, int], kept: int) -> str:
    whole = sum(written.values())
    times = f", {whole / kept:.2f} x the kept text" if kept else ""
    return f"at rest: {mb(written['documents'])} MB of documents, {mb(written['columns'])} MB of columns{times}"


def _funnel(report: dict[str, Any]) -> Table:
    documents, size, tokens = report["documents"], report["bytes"], report["tokens"]
    per_byte = tokens / size["kept"] if size["kept"] else 0
    table = _table("stage", ">documents", ">MB", *([">tokens"] if tokens else []), "dropped because")
    rows = [("read", documents["read"], size["read"], size["read"] * per_byte, "")]
    for stage in report["stages"]:
        left = (stage["documents_out"], stage["bytes_out"], stage["tokens_out_estimate"])
        rows.append((plain(stage["name"]), *left, _because(stage["dropped"])))
    for name, count, stored, about, because in rows:
        table.add_row(*_cells(name, f"{count:,}", mb(stored), *([f"~{_short(about)}"] if tokens else []), because))
    share = [_share(documents["kept"], documents["read"]), _share(size["kept"], size["read"])]
    kept = f"{share[0]} of documents, {share[1]} of bytes"
    exact = [f"{tokens:,}"] if tokens else []
    table.add_row(*_cells("kept", f"{documents['kept']:,}", mb(size["kept"]), *exact, kept), style="bold")
    return table


def _because(dropped: dict[str, int]) -> str:
    ordered = sorted(dropped.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{plain(reason)} {count:,}" for reason, count in ordered) or "none"


def _domains(report: dict[str, Any]) -> Table:
    tokens = bool(report["tokens"])
    table = _table("domain", ">read", ">kept", ">MB read", ">MB kept", ">share", *([">tokens"] if tokens else []))
    for name, one in _largest(report["domains"]):
        documents, size = one["documents"], one["bytes"]
        row = (f"{documents['read']:,}", f"{documents['kept']:,}", mb(size["read"]), mb(size["kept"]))
        share = _share(size["kept"], size["read"])
        table.add_row(*_cells(plain(name, 30), *row, share, *([f"{one['tokens']:,}"] if tokens else [])))
    return table


def _largest(domains: dict[str, Any]) -> list[tuple[str, Any]]:
    """All domains by name; of more than MOST_DOMAINS the largest by bytes read, and the sum of the others."""
    if len(domains) <= MOST_DOMAINS:
        return sorted(domains.items())
    by_size = sorted(domains.items(), key=lambda item: (-item[1]["bytes"]["read"], item[0]))
    most, rest = by_size[: MOST_DOMAINS - 1], [one for _, one in by_size[MOST_DOMAINS - 1 :]]
    return [*sorted(most), (f"{len(rest):,} others", _summed(rest))]


def _summed(domains: list[dict[str, Any]]) -> dict[str, Any]:
    sizes = {what: {key: sum(one[what][key] for one in domains) for key in ("read", "kept")} for what in _SIZES}
    return sizes | {"tokens": sum(one["tokens"] for one in domains)}


def _work(report: dict[str, Any]) -> Table:
    """MB/s is of all text read, whatever part of it a step saw, so that the rows compare."""
    table = _table("work", ">CPU s", ">MB/s", ">peak MB")
    for name, one in sorted(report["work"].items(), key=lambda item: (-item[1]["cpu_seconds"], item[0])):
        cpu = one["cpu_seconds"]
        speed = f"{report['bytes']['read'] / 1e6 / cpu:,.0f}" if cpu >= 0.001 else ""
        table.add_row(*_cells(plain(name), f"{cpu:,.2f}", speed, f"{one['peak_rss_mb']:,.0f}"))
    return table


def _table(*columns: str) -> Table:
    return table_of(columns)


def table_of(columns: Sequence[str]) -> Table:
    """An empty table; a column whose name begins with > is of numbers: to the right, and never broken."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        number = column[0] == ">"
        table.add_column(column.lstrip(">"), justify="right" if number else "left", no_wrap=number)
    return table


def _cells(*texts: str) -> list[Text]:
    return [Text(text) for text in texts]  # as it stands: no markup, no :emoji:


def mb(size: float) -> str:
    """Bytes as MB: one decimal, three where that would say 0.0."""
    return f"{size / 1e6:,.1f}" if size >= 50_000 or size == 0 else f"{size / 1e6:.3f}"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _short(count: float) -> str:
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return f"{count:.0f}"
