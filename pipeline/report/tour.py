"""How `winnow demo` ends: the funnel, dropped documents, near-duplicates, where things lie, what to try."""

from shlex import quote
from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.finished import Finished, dropped_by, first
from pipeline.report import documents, terminal
from pipeline.report.plain import plain


def show(at: str, report: dict[str, Any], console: Console) -> None:
    """Print the tour of a finished run."""
    run = Finished.at(at)
    limits = documents.limits(run)
    terminal.show(report, console)
    _heading(console, "Documents that were dropped, and the value that sank each")
    for reason in _reasons(report):
        for one in documents.chosen(run, 1, dropped_by=reason):
            _lines(console, plain(one["id"]), f"  {documents.fate(one, limits)}", f"  {plain(one['text'], 90)}")
    if pairs := _pairs(run, report):
        _heading(console, "Near-duplicates, by exact similarity of their word 5-grams")
        for one in pairs:
            _lines(console, f"{one['similarity']:.3f}  {plain(one['id'])}", f"       {plain(one['duplicate_of'])}")
    if report["manifest"]:
        _heading(console, "Token shards")
        _lines(console, report["manifest"].rsplit("/", 1)[0])
    _heading(console, "Try next")
    _lines(console, *_next(quote(at)))


def _heading(console: Console, text: str) -> None:
    console.print(Text(f"\n{text}", "bold"))


def _lines(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(Text(f"  {line}"), soft_wrap=True)


def _reasons(report: dict[str, Any]) -> list[str]:
    """The three commonest reasons of all stages."""
    counts = {reason: n for stage in report["stages"] for reason, n in stage["dropped"].items()}
    return sorted(counts, key=lambda reason: (-counts[reason], reason))[:3]


def _pairs(run: Finished, report: dict[str, Any]) -> list[dict[str, Any]]:
    """The two of the first 200 near-duplicates that were least alike: where a limit shows what it does."""
    if "minhash" not in [stage["name"] for stage in report["stages"]]:
        return []
    found = first(run, dropped_by("minhash", report), 200)
    return sorted(found, key=lambda one: (one["similarity"], one["id"]))[:2]


def _next(at: str) -> list[str]:
    return [
        f"winnow report {at}",
        f"winnow show {at} --dropped-by minhash",
        f"winnow run {at}/recipe.yaml --at {at} --set minhash.least=0.9     # only what depends on it runs again",
        f"winnow export {at} kept.jsonl.zst",
    ]
