"""What `winnow stages` prints: the stages there are, their settings and the columns they lay."""

from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from corpus.errors import RecipeError
from stages.base import Local, Stage
from stages.table import TABLE


def facts(name: str | None = None) -> dict[str, Any]:
    """Every stage in brief, or one in full. RecipeError names the nearest where there is none of that name."""
    if name is None:
        return {"stages": [_brief(stage) for stage in TABLE.values()]}
    if name not in TABLE:
        near = get_close_matches(name, TABLE, 1)
        hint = f" did you mean {near[0]!r}?" if near else ""
        raise RecipeError(f"no stage {name!r};{hint} There are: {', '.join(TABLE)}")
    return _full(TABLE[name])


def _brief(stage: type[Stage]) -> dict[str, Any]:
    about = (stage.__doc__ or "").strip().splitlines()[0]
    return {"name": stage.name, "kind": "local" if issubclass(stage, Local) else "global", "about": about}


def _full(stage: type[Stage]) -> dict[str, Any]:
    columns = [{"name": n, "type": str(c.type), "meaning": c.meaning} for n, c in stage().adds.items()]
    settings = [
        {"name": f.name, "type": getattr(f.type, "__name__", str(f.type)), "default": _default(f)} for f in fields(stage)
    ]
    return _brief(stage) | {"version": stage.version, "settings": settings, "columns": columns}


def _default(field: Any) -> Any:
    return None if field.default is MISSING else field.default


def show(facts: dict[str, Any], console: Console) -> None:
    """Print what `facts` gave."""
    if "stages" in facts:
        console.print(_table(["stage", "kind", "about"], [list(one.values()) for one in facts["stages"]]))
        return
    console.print(f"[bold]{facts['name']}[/] ({facts['kind']}, version {facts['version']}): {escape(facts['about'])}")
    console.print(_table(["setting", "type", "default"], [list(one.values()) for one in facts["settings"]]))
    console.print(_table(["column", "type", "meaning"], [list(one.values()) for one in facts["columns"]]))


def _table(columns: list[str], rows: list[list[Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row))
    return table
