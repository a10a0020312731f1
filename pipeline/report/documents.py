"""What `winnow show` prints: documents with what was laid beside them, safe to look at in a terminal."""

from typing import Any

from rich.console import Console
from rich.markup import escape

from corpus import shards
from corpus.documents import DOMAIN, DROP, ID, TEXT, VALUE
from pipeline.finished import Finished, Rows, dropped_by, first, in_cluster, kept, with_id

SHOWN = 400  # characters of a text: five lines of a terminal


def chosen(at: str, *, count: int, **asked: Any) -> list[dict[str, Any]]:
    """The first `count` documents (or bad records) that were asked for, in the corpus's order."""
    run = Finished.at(at)
    if asked.get("bad"):
        return _bad(run, count)
    return first(run, _rows(run, **asked), count)


def _rows(run: Finished, dropped_by: str | None, id: str | None, cluster: str | None, bad: Any = None) -> Rows:
    if dropped_by is not None:
        return _dropped_by(dropped_by, run)
    if id is not None:
        return with_id(id)
    return in_cluster(cluster) if cluster is not None else kept


def _dropped_by(reason: str, run: Finished) -> Rows:
    return dropped_by(reason, run.report)


def _bad(run: Finished, count: int) -> list[dict[str, Any]]:
    folder = run.plan.documents.folder
    found: list[dict[str, Any]] = []
    for name in sorted(run.home.names(folder)):
        if name.endswith(".bad.parquet") and len(found) < count:
            found += shards.read(run.home.path(folder, name)).slice(0, count - len(found)).to_pylist()
    return found


def show(found: list[dict[str, Any]], console: Console) -> None:
    """Print them, one paragraph each."""
    if not found:
        console.print("none")
    for one in found:
        _show_one(one, console)


def _show_one(one: dict[str, Any], console: Console) -> None:
    if "cause" in one:
        console.print(f"[bold]{safe(one['file'])}[/] at {one['offset']:,}: {safe(one['cause'])}")
        console.print(f"  {safe(one['sample'])}\n")
        return
    console.print(f"[bold]{safe(one[ID])}[/] ({safe(one[DOMAIN])}) {_fate(one)}")
    told = {ID, DOMAIN, TEXT, DROP, VALUE, "stage"}
    facts = ", ".join(f"{key} {_number(value)}" for key, value in one.items() if key not in told)
    console.print(f"  [dim]{safe(facts)}[/]\n  {safe(clipped(one[TEXT]))}\n")


def _fate(one: dict[str, Any]) -> str:
    if DROP not in one:
        return "kept"
    return f"dropped by {safe(one['stage'])}: {safe(one[DROP])} = {_number(one.get(VALUE))}"


def _number(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def clipped(text: str, most: int = SHOWN) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else f"{line[:most]} ..."


def safe(text: str) -> str:
    """Text from a corpus without what a terminal would obey: control characters, and rich's own markup."""
    return escape("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text))
