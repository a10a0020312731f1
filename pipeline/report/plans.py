"""What `winnow plan` prints: the input, the steps, what is done, and why the rest is not."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.home import Home
from pipeline.plan import Plan
from pipeline.state import states

_KINDS = {"local": "measure and judge each", "emit": "emit keys", "global": "compare all", "kept": "tokens and digest"}


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
    }


def show(facts: dict[str, Any], console: Console) -> None:
    """Print the plan as a table."""
    size = facts["stored_bytes"] / 1e6
    console.print(f"{escape(facts['name'])}: {facts['units']:,} units of work, {size:,.1f} MB as stored")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("step", "what", "state", "why"):
        table.add_column(column)
    for step in facts["steps"]:
        complete = step["done"] == step["of"]
        state = "done" if complete else f"{step['done']:,} of {step['of']:,}" if step["done"] else "to do"
        table.add_row(step["name"], _KINDS.get(step["kind"], ""), state, escape("; ".join(step["why"])))
    console.print(table)
