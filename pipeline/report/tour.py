"""How `winnow demo` ends: the funnel, dropped documents, near-duplicates, where things lie, what to try."""

from typing import Any

from rich.console import Console

from pipeline.finished import Finished, Rows, dropped_by, first
from pipeline.report import terminal
from pipeline.report.documents import clipped, safe


def show(at: str, report: dict[str, Any], console: Console) -> None:
    """Print the tour of a finished run."""
    run = Finished.at(at)
    terminal.show(report, console)
    console.print("\n[bold]Three documents that were dropped, and the value that sank each[/]")
    for reason in _reasons(report):
        for one in first(run, dropped_by(reason, report), 1):
            value = f"{one['value']:.3g}" if "value" in one else "-"
            console.print(f"  {safe(one['id'])}: {safe(one['drop'])} = {value}\n    {safe(clipped(one['text'], 90))}")
    console.print("\n[bold]Two near-duplicate pairs, by exact similarity of their word 5-grams[/]")
    for one in _pairs(run, report):
        console.print(f"  {one['similarity']:.3f}  {safe(one['id'])}\n         {safe(one['duplicate_of'])}")
    _next(at, report, console)


def _reasons(report: dict[str, Any]) -> list[str]:
    """Three reasons, the commonest of the first stage that dropped anything first."""
    counts = [(n, reason) for stage in report["stages"] for reason, n in stage["dropped"].items()]
    return [reason for _, reason in sorted(counts, key=lambda c: (-c[0], c[1]))[:3]]


def _pairs(run: Finished, report: dict[str, Any]) -> list[dict[str, Any]]:
    near = [s for s in report["stages"] if s["name"] == "minhash" and s["dropped"]]
    rows: Rows | None = dropped_by("minhash", report) if near else None
    found = first(run, rows, 200) if rows else []
    return sorted(found, key=lambda one: (one["similarity"], one["id"]))[:2]


def _next(at: str, report: dict[str, Any], console: Console) -> None:
    folder = report["manifest"].rsplit("/", 1)[0] if report["manifest"] else at
    console.print(f"\ntoken shards  {folder}\ntry next", markup=False)
    for line in (
        f"winnow report {at}",
        f"winnow show {at} --dropped-by minhash",
        f"winnow run {at}/recipe.yaml --at {at} --set minhash.least=0.9     # only what depends on it runs again",
        f"winnow export {at} kept.jsonl.zst --format jsonl",
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)
