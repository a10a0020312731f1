"""What `winnow stages` prints: the stages there are, their settings and the columns they lay."""

from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from corpus.errors import RecipeError
from pipeline.report.terminal import table_of
from stages import curve
from stages.base import Local, Stage
from stages.minhash import MinHash
from stages.table import TABLE


def facts(name: str | None = None) -> dict[str, Any]:
    """Every stage in brief, or one in full. RecipeError names the nearest where there is none of that name."""
    if name is None:
        return {"stages": [_brief(stage) for stage in TABLE.values()]}
    if name not in TABLE:
        near = get_close_matches(name, TABLE, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise RecipeError(f"no stage {name!r}; {hint}There are: {', '.join(TABLE)}")
    return _full(TABLE[name])


def _brief(stage: type[Stage]) -> dict[str, Any]:
    about = (stage.__doc__ or "").strip().splitlines()[0]
    return {"name": stage.name, "kind": "local" if issubclass(stage, Local) else "global", "about": about}


def _full(stage: type[Stage]) -> dict[str, Any]:
    blank = object.__new__(stage)  # with defaults and without what has none, such as the path of a model
    columns = [{"name": n, "type": str(c.type), "meaning": c.meaning} for n, c in blank.adds.items()]
    settings = [_setting(field) for field in fields(stage)]
    return _brief(stage) | {"version": stage.version, "settings": settings, "columns": columns} | _curve(blank)


def _curve(stage: Stage) -> dict[str, Any]:
    """Of MinHash, with which chance a pair of each similarity is proposed."""
    if not isinstance(stage, MinHash):
        return {"curve": []}
    return {"curve": [{"similarity": s, "chance": p} for s, p in curve.curve_table(stage.bands, stage.rows)]}


def _setting(field: Field[Any]) -> dict[str, Any]:
    kind = field.type.__name__ if isinstance(field.type, type) else str(field.type).replace("typing.", "")
    made = field.default if field.default_factory is MISSING else field.default_factory()
    default = None if made is MISSING else made
    return {"name": field.name, "type": kind, "default": default, "required": made is MISSING}


def show(facts: dict[str, Any], console: Console) -> None:
    """Print what `facts` gave."""
    if "stages" in facts:
        console.print(_table(("stage", "kind", "about"), [list(one.values()) for one in facts["stages"]]))
        return
    console.print(Text(f"{facts['name']} ({facts['kind']}, version {facts['version']})\n{facts['about']}\n"))
    settings = [[s["name"], s["type"], "required" if s["required"] else s["default"]] for s in facts["settings"]]
    console.print(_table(("setting", "type", "default"), settings) if settings else "no settings")
    console.print()
    console.print(_table(("column", "type", "meaning"), [list(one.values()) for one in facts["columns"]]))
    if facts["curve"]:
        console.print()
        console.print(curve.plot(MinHash.bands, MinHash.rows))


def _table(columns: tuple[str, ...], rows: list[list[Any]]) -> Table:
    table = table_of(columns)
    for row in rows:
        table.add_row(*(Text(_said(value)) for value in row))
    return table


def _said(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
