"""Settings to dataclasses, strictly, through pydantic; and pydantic's findings in plain words.

The dataclass stays the only place where a setting is declared: its fields make the pydantic model that
checks a recipe and the JSON Schema that editors read. The stage itself knows nothing of pydantic.
"""

import re
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar, get_type_hints

import pydantic
from pydantic_core import ErrorDetails, to_json

from corpus.errors import RecipeError
from pipeline.recipe_yaml import KeyPath, Mistake, Tree

STRICT = pydantic.ConfigDict(
    strict=True,
    extra="forbid",
    validate_default=True,  # a default of 1 for a float is 1.0, as when it is written: fingerprints see both
    protected_namespaces=(),
    ser_json_inf_nan="constants",
)

M = TypeVar("M", bound=pydantic.BaseModel)

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "settings (key: value)",
    "path_type": "a path",
    "none_required": "nothing",
    "finite_number": "a finite number",
    "string_pattern_mismatch": "text without control characters",
    "literal_error": "{expected}",
    "greater_than": "a number above {gt}",
    "too_short": "at least {min_length}",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
}
"""pydantic's error types, as what was expected. Others keep pydantic's own sentence."""


@cache
def model(kind: type, name: str) -> type[pydantic.BaseModel]:
    """The strict pydantic model of a dataclass's settings."""
    hints = get_type_hints(kind, include_extras=True)
    settings: dict[str, Any] = {f.name: (hints[f.name], _default(f)) for f in fields(kind) if f.init}
    return pydantic.create_model(name, __config__=STRICT, __doc__=meaning(kind), **settings)


def _default(setting: Field[Any]) -> Any:
    if setting.default is not MISSING:
        return setting.default
    if setting.default_factory is not MISSING:
        return pydantic.Field(default_factory=setting.default_factory)
    return ...


def meaning(kind: type) -> str:
    """The first line of a class's docstring."""
    return (kind.__doc__ or "").strip().split("\n", 1)[0]


def made(kind: type, name: str, tree: Tree, path: KeyPath, value: Any, mistakes: list[Mistake]) -> Any:
    """An instance of the dataclass `kind` with the settings `value`; None where mistakes were added."""
    valid = checked(model(kind, name), tree, path, value, mistakes)
    if valid is None:
        return None
    try:
        return kind(**{key: getattr(valid, key) for key in type(valid).model_fields})
    except (ValueError, RecipeError) as error:  # combinations that the dataclass itself refuses
        mistakes.append(Mistake(path, str(error).removeprefix(f"{name}: ")))
        return None


def checked(kind: type[M], tree: Tree, path: KeyPath, value: Any, mistakes: list[Mistake]) -> M | None:
    """The validated model; None where mistakes were added.

    Validated as JSON, where a list may fill a tuple and text a Path, and everything else stays strict.
    """
    if not isinstance(value, dict):
        mistakes.append(Mistake(path, f"expected settings (key: value), found {found(value)}"))
        return None
    try:
        return kind.model_validate_json(to_json(value, inf_nan_mode="constants"))
    except pydantic.ValidationError as error:
        mistakes += _mistakes(error.errors(include_url=False), kind, tree, path, value)
    except ValueError as error:  # what JSON cannot say: only where a Python caller gave it
        mistakes.append(Mistake(path, f"holds more than plain values ({error})"))
    return None


def _mistakes(
    errors: Iterable[ErrorDetails], kind: type[pydantic.BaseModel], tree: Tree, path: KeyPath, value: Any
) -> list[Mistake]:
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for error in errors:
        by_path.setdefault(_within(error, value), []).append(error)
    # Of the branches of a union the one that got furthest was meant: a list with one number in it was a list.
    furthest = [p for p in by_path if not any(len(q) > len(p) and q[: len(p)] == p for q in by_path)]
    return [Mistake((*path, *p), _said(by_path[p], kind, tree, (*path, *p))) for p in furthest]


def _within(error: ErrorDetails, value: Any) -> KeyPath:
    """Where pydantic found it, without pydantic's names for the branches of a union."""
    path: list[str | int] = []
    for part in error["loc"]:
        held = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
        inside = part in held
        if inside:
            value = held[part]
        if inside or error["type"] == "missing":
            path.append(part)
    return tuple(path)


def _said(errors: list[ErrorDetails], kind: type[pydantic.BaseModel], tree: Tree, path: KeyPath) -> str:
    first = errors[0]
    if first["type"] == "extra_forbidden":
        return no_such("no such setting", str(path[-1]), kind.model_fields, "It has")
    if first["type"] == "missing":
        return "missing, and there is no default for it"
    value = first["input"]
    wanted = " or ".join(dict.fromkeys(_wanted(error) for error in errors))
    near = _near(value, re.findall(r"'([^']*)'", wanted)) if isinstance(value, str) else ""
    return f"expected {wanted}, found {found(value)}{near}{_spelling(errors, tree, path)}"


def _wanted(error: ErrorDetails) -> str:
    if error["type"] in _WANTED:
        return _WANTED[error["type"]].format_map(error.get("ctx", {}))
    return error["msg"].removeprefix("Input should be ")


def _spelling(errors: list[ErrorDetails], tree: Tree, path: KeyPath) -> str:
    """How quotes would mend it."""
    kinds, value = {error["type"] for error in errors}, errors[0]["input"]
    if kinds & {"string_type", "literal_error"} and (spelled := tree.spelled.get(path, "")[:60]):
        written = "" if spelled == found(value) else f" (written {spelled})"
        return f'{written}; in quotes it is text: "{spelled}"'
    number = isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d+)?", value)
    if number and kinds & {"int_type", "float_type"}:
        return "; write it in decimal and without quotes"
    return ""


def found(value: Any) -> str:
    """A value in a few words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"text {value[:60]!r}{'…' if len(value) > 60 else ''}"
    if isinstance(value, dict):
        names = [repr(str(key))[1:-1] for key in list(value)[:5]]
        return f"settings ({', '.join(names)})" if names else "{}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}"
    return repr(value)[:60]


def no_such(what: str, name: str, names: Iterable[str], listing: str) -> str:
    """`what`, the nearest of `names` to `name`, and all of them after `listing`."""
    names = list(names)
    return f"{what}{_near(name, names) or '.'} {listing}: {', '.join(names) or 'none'}"


def _near(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name[:60], list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
