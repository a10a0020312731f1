"""What `winnow plan` prints: the input, the steps, what is done, and why the rest is not."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.home import Home
from pipeline.plan import Plan
from pipeline.report.plain import plain
from pipeline.report.terminal import mb, table_of
from pipeline.state import states
from stages import curve
from stages.minhash import MinHash

_KINDS = {
    "documents": "read",
    "while_reading": "while reading",
    "local": "measure and judge each",
    "emit": "emit keys",
    "global": "compare all",
    "tokenizer": "train",
    "kept": "tokens and digest",
}


def facts(plan: Plan, home: Home | None) -> dict[str, Any]:
    """Plain data: name, units, stored bytes, and a dict for each step."""
    found = states(plan, home)
    return {
        "name": plan.recipe.name,
        "run": home.at if home else None,
        "units": len(plan.units),
        "stored_bytes": sum(unit.stored_bytes for unit in plan.units),
        "done": all(state.complete for state in found),
        "steps": [
            {"name": s.step, "kind": s.kind, "folder": s.folder, "done": s.done, "of": s.of, "why": list(s.why)}
            for s in found
        ],
        "curves": {step.name: _curve(*step.stage.banding) for step in plan.judged if isinstance(step.stage, MinHash)},
    }


def _curve(bands: int, rows: int) -> dict[str, Any]:
    """The banding a recipe asks for, and with which chance it proposes a pair of each similarity."""
    points = [{"similarity": s, "chance": p} for s, p in curve.curve_table(bands, rows)]
    return {"bands": bands, "rows": rows, "curve": points}


def show(facts: dict[str, Any], console: Console) -> None:
    """Print the plan as a table."""
    units, size = facts["units"], mb(facts["stored_bytes"])
    console.print(Text(f"{plain(facts['name'])}: {units:,} unit{'s' * (units != 1)} of work, {size} MB as stored\n"))
    table = table_of(("step", "what", "state", "why"))
    for step in facts["steps"]:
        why = "; ".join(plain(reason, 200) for reason in step["why"])
        table.add_row(*map(Text, (plain(step["name"]), _KINDS[step["kind"]], _state(step["done"], step["of"]), why)))
    console.print(table)
    for name, one in facts["curves"].items():
        console.print(Text(f"\n{plain(name)} proposes pairs by:"))
        console.print(curve.plot(one["bands"], one["rows"]))


def _state(done: int, of: int) -> str:
    return "done" if done == of else f"{done:,} of {of:,}" if done else "to do"
