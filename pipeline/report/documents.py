"""What `winnow show` prints: documents with what was laid beside them, safe to look at in a terminal."""

from typing import Any

import pyarrow.compute as pc
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from corpus import shards
from corpus.documents import DOMAIN, DROP, ID, TEXT, VALUE
from corpus.errors import RecipeError
from pipeline.fingerprint import fingerprint
from pipeline.finished import (
    Finished,
    Rows,
    clusters,
    dropped_by,
    first,
    first_sampled,
    in_cluster,
    kept,
    recorded,
    unit_keys,
    with_id,
)
from pipeline.home import STEPS, Home
from pipeline.recipe import names, reading_names
from pipeline.report.plain import plain

SHOWN = 400  # characters of a text: five lines of a terminal
Limits = dict[tuple[str, str], tuple[float | None, float | None]]
"""(stage, reason) -> the least and the most that its value may be."""


def chosen(
    run: Finished, count: int, *, dropped_by: str | None = None, id: str | None = None, cluster: str | None = None
) -> list[dict[str, Any]]:
    """The first `count` documents that were asked for, kept ones where nothing was, in the corpus's order.

    Of what was dropped while reading only samples are there; they come first, as their stages do.
    RecipeError where there is no such reason, stage, id or cluster.
    """
    rows = _rows(run, dropped_by, id, cluster)
    found = first_sampled(run, rows, count) if cluster is None and rows is not kept else []
    found += first(run, rows, count - len(found)) if len(found) < count else []
    if id is not None and not found:
        hint = "A record without an id of its own is called <file>#<offset>."
        hint += " Of what was dropped while reading only a sample is there." if run.plan.while_reading else ""
        raise RecipeError(f"{run.home.at}: no document has the id {id!r}. {hint}")
    if cluster is not None and not any(one.get("cluster") == cluster for one in found):
        _refuse_no_cluster(run, cluster)
    return found


def _rows(run: Finished, reason: str | None, id: str | None, cluster: str | None) -> Rows:
    if reason is not None:
        return dropped_by(reason, run.report)
    if id is not None:
        return with_id(id)
    return in_cluster(cluster) if cluster is not None else kept


def _refuse_no_cluster(run: Finished, cluster: str) -> None:
    members = run.tables(lambda table: pc.equal(clusters(table), cluster), text=False, most=1)
    if next(members, None) is None:
        hint = "A cluster is called by its keeper's id: see the column `cluster` of a duplicate."
        raise RecipeError(f"{run.home.at}: no cluster {cluster!r}. {hint}")


def quarantined(at: str, count: int) -> list[dict[str, Any]]:
    """The first `count` bad records that the last run met, finished or not: file, offset, cause and sample."""
    home = Home(at)
    (steps,) = recorded(home, STEPS)
    if steps is None:
        raise RecipeError(f"{at}: no run there")
    documents = next(step for step in steps if step["kind"] == "documents")
    there = home.names(documents["folder"])  # holds units of earlier runs too, whose inputs may be gone
    found: list[dict[str, Any]] = []
    for unit in unit_keys(documents["parts"]):
        if f"{unit}.bad.parquet" in there and len(found) < count:
            table = shards.read(home.path(documents["folder"], f"{unit}.bad.parquet"))
            found += table.slice(0, count - len(found)).to_pylist()
    return found


def limits(run: Finished) -> Limits:
    """What the rules of the run's stages ask for; of stages whose settings the run's recipe still holds."""
    recipe = run.plan.recipe
    settings = {step.name: step.parts["settings"] for step in (*run.plan.while_reading, *run.plan.judged)}
    stages = [
        *zip(reading_names(recipe), recipe.while_reading, strict=True),
        *zip(names(recipe), recipe.stages, strict=True),
    ]
    return {
        (name, rule.measure): (rule.low, rule.high)
        for name, stage in stages
        if fingerprint(settings.get(name, {})) == fingerprint(stage.settings())
        for rule in getattr(stage, "rules", ())
    }


def show(found: list[dict[str, Any]], limits: Limits, console: Console) -> None:
    """Print documents, a paragraph each: id, domain and fate; what was laid beside it; how the text begins."""
    if not found:
        console.print("none")
    for text in dict.fromkeys(_sample(one) for one in found if "sample_of" in one):
        console.print(Text(f"{text}\n", "dim"), soft_wrap=True)
    for one in found:
        told = {ID, DOMAIN, TEXT, DROP, VALUE, "stage", "duplicate_of", "sampled", "sample_of"}
        facts = ", ".join(f"{plain(key)} {plain(number(value))}" for key, value in one.items() if key not in told)
        console.print(Text(plain(one[ID]), "bold") + Text(f"  {plain(one[DOMAIN])}"), soft_wrap=True)
        for text, style in ((fate(one, limits), ""), (facts, "dim"), (plain(one[TEXT], SHOWN), "")):
            console.print(Padding(Text(text, style), (0, 0, 0, 2)) if text else "")
        console.print()


def _sample(one: dict[str, Any]) -> str:
    why = f"{plain(one['stage'])} dropped while reading ({plain(one[DROP])})"
    return (
        f"A sample: {one['sampled']:,} of the {one['sample_of']:,} documents that {why} are kept, their text cut short."
    )


def fate(one: dict[str, Any], limits: Limits) -> str:
    """Kept, or what dropped a document, with the value that did and the limit it should have met."""
    if DROP not in one:
        return "kept"
    value, bounds = one.get(VALUE), limits.get((one["stage"], one[DROP]), (None, None))
    said = [] if value is None else [f" = {number(value)}", *_broken(value, *bounds)]
    of = [f", of {plain(one['duplicate_of'])}"] if "duplicate_of" in one else []
    return "".join([f"dropped by {plain(one['stage'])}: {plain(one[DROP])}", *said, *of])


def _broken(value: float, low: float | None, high: float | None) -> list[str]:
    """The limit that a value breaks, in words; a value that is no number breaks both."""
    least = [f"at least {number(low)}"] if low is not None and not value >= low else []
    most = [f"at most {number(high)}"] if high is not None and not value <= high else []
    return [f" ({' and '.join(least + most)})"] if least + most else []


def show_quarantined(found: list[dict[str, Any]], console: Console) -> None:
    """Print bad records, two lines each: file, offset and cause; how the record begins."""
    if not found:
        console.print("none")
    for one in found:
        at = Text(f" at {one['offset']:,}: {plain(one['cause'], 200)}")
        console.print(Text(plain(one["file"], 200), "bold") + at, soft_wrap=True)
        console.print(Padding(Text(plain(one["sample"], SHOWN)), (0, 0, 1, 2)))


def number(value: Any) -> str:
    """A value as people read it: whole numbers whole, others to four digits, all with separators."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    whole = isinstance(value, int) or value.is_integer()
    return f"{int(value):,}" if whole else f"{value:,.1f}" if abs(value) >= 1_000 else f"{value:.4g}"
