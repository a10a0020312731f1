"""A report in the terminal: the funnel, the domains, and where the time went, in 100 columns."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report (as `figures` made it)."""
    console.print(_funnel(report))
    if report["quarantined"]:
        causes = ", ".join(f"{escape(cause)} {count:,}" for cause, count in report["quarantined"].items())
        console.print(f"quarantined beside these: {causes}", highlight=False)
    console.print(_domains(report))
    console.print(_work(report))
    console.print(f"digest {report['digest']}", highlight=False)


def _funnel(report: dict[str, Any]) -> Table:
    table = _table("stage", ">documents", ">MB", ">tokens", "dropped because")
    documents, size = report["documents"], report["bytes"]
    per_byte = report["tokens"] / size["kept"] if size["kept"] else 0
    about = f"~{_short(size['read'] * per_byte)}" if per_byte else ""
    table.add_row("read", f"{documents['read']:,}", _mb(size["read"]), about, "")
    for stage in report["stages"]:
        reasons = ", ".join(f"{escape(r)} {n:,}" for r, n in sorted(stage["dropped"].items(), key=lambda x: (-x[1], x[0])))
        tokens = f"~{_short(stage['tokens_out_estimate'])}" if per_byte else ""
        table.add_row(stage["name"], f"{stage['documents_out']:,}", _mb(stage["bytes_out"]), tokens, reasons or "none")
    share = [_share(documents["kept"], documents["read"]), _share(size["kept"], size["read"])]
    kept = f"{share[0]} of documents, {share[1]} of bytes"
    table.add_row("kept", f"{documents['kept']:,}", _mb(size["kept"]), f"{report['tokens']:,}", kept, style="bold")
    return table


def _domains(report: dict[str, Any]) -> Table:
    table = _table("domain", ">read", ">kept", ">MB kept", ">share", ">tokens")
    for name, one in report["domains"].items():
        documents, size = one["documents"], one["bytes"]
        share = _share(size["kept"], size["read"])
        row = (f"{documents['read']:,}", f"{documents['kept']:,}", _mb(size["kept"]), share, f"{one['tokens']:,}")
        table.add_row(escape(name), *row)
    return table


def _work(report: dict[str, Any]) -> Table:
    table = _table("work", ">CPU s", ">MB/s", ">peak MB")
    for name, one in sorted(report["work"].items(), key=lambda item: -item[1]["cpu_seconds"]):
        cpu = one["cpu_seconds"]
        speed = f"{report['bytes']['read'] / 1e6 / cpu:,.0f}" if cpu >= 0.001 else ""
        table.add_row(escape(name), f"{cpu:,.2f}", speed, f"{one['peak_rss_mb']:,.0f}")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column[0] == ">" else "left")
    return table


def _mb(size: float) -> str:
    return f"{size / 1e6:,.1f}"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _short(count: float) -> str:
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return f"{count:.0f}"
