"""`--set key=value`: values laid over a recipe after it was read and before it is checked.

So an override is held to the same types and names as the file, and its mistakes are told beside the
file's with the override in place of a line.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from corpus.errors import RecipeError
from pipeline.recipe_settings import found, no_such
from pipeline.recipe_yaml import MOST_DEPTH, KeyPath, Mistake, Place, Tree, dotted, read

LISTS = ("while_reading", "stages")
"""Keys of a recipe that hold stages, in the order in which documents come to them."""


def override(tree: Tree, settings: Sequence[str], keys: Sequence[str]) -> None:
    """Lay every `key=value` over the tree, in order. RecipeError where a key leads nowhere.

    keys: those of a recipe itself. Any other first part of a key is a stage's name, as `numbered` gives it.
    """
    wrong = [said for setting in settings if (said := _lay(tree, setting, keys))]
    if wrong:
        raise RecipeError("\n".join(wrong))


def named(entry: Any) -> str | None:
    """The stage that an entry of `stages` names; None where it is neither a name nor one `name: settings`."""
    if isinstance(entry, dict):
        entry = next(iter(entry)) if len(entry) == 1 else None
    return entry if isinstance(entry, str) else None


def numbered(names: Sequence[str]) -> list[str]:
    """The names made different from each other: the second `exact` is `exact_2`."""
    met: Counter[str] = Counter()
    taken: dict[str, None] = {}
    for name in names:
        met[name] += 1
        while (label := name if met[name] == 1 else f"{name}_{met[name]}") in taken:
            met[name] += 1
        taken[label] = None
    return list(taken)


def _lay(tree: Tree, setting: str, keys: Sequence[str]) -> str:
    """Lay one; what is wrong with it, or nothing."""
    place, (key, equals, text) = Place(f"--set {setting}"), setting.partition("=")
    parts = key.split(".")
    if not equals or not all(parts) or len(parts) > MOST_DEPTH:
        return f"{place}: expected key=value, as in minhash.bands=20"
    stages = _stages(tree)
    if parts[0] in stages and parts[0] not in keys:
        parts[:1] = _opened(tree, *stages[parts[0]])
    elif parts[0] not in keys:
        said = no_such("no such stage or key in this recipe", parts[0], [*stages, *keys], "There are")
        return f"{place}: {said}"
    return _put(tree, parts, read(text, f"--set {key}"), place)


def _stages(tree: Tree) -> dict[str, tuple[str, int]]:
    """The stages as `numbered` calls them, and where they stand: in which list, and at which place."""
    held = [(key, tree.value.get(key)) for key in LISTS]
    entries = [(key, n, named(e)) for key, some in held if isinstance(some, list) for n, e in enumerate(some)]
    there = {(key, n): name for key, n, name in entries if name is not None}
    return dict(zip(numbered(list(there.values())), there, strict=True))


def _opened(tree: Tree, key: str, n: int) -> list[str]:
    """The parts that lead to the n-th stage's settings; a bare name becomes a name with settings."""
    entry = tree.value[key][n]
    if isinstance(entry, str):
        tree.value[key][n] = entry = {entry: {}}
    return [key, str(n), next(iter(entry))]


def _put(tree: Tree, parts: Sequence[str], given: Tree, place: Place) -> str:
    """Put the given value where the parts lead, through mappings that are made where nothing is yet."""
    holder: Any = tree.value
    path: KeyPath = ()
    for part in parts:
        if path:
            holder = holder[path[-1]]
        key = _key(holder, part)
        if key is None:
            return f"{place}: {dotted(path)} is {found(holder)} and has no {part!r}"
        path = (*path, key)
        if isinstance(holder, dict) and holder.get(key) is None:
            holder[key] = {}
            tree.places[path] = place
    holder[path[-1]] = given.value
    _note(tree, path, given, place)
    return ""


def _key(holder: Any, part: str) -> str | int | None:
    """`part` as a key of a mapping, or as a place in a list; None where the holder has no such place."""
    if isinstance(holder, dict):
        return part
    inside = isinstance(holder, list) and re.fullmatch("[0-9]{1,5}", part) and int(part) < len(holder)
    return int(part) if inside else None


def _note(tree: Tree, path: KeyPath, given: Tree, place: Place) -> None:
    """Let mistakes in the new value name the override, and forget how the old value was written."""
    tree.spelled = {p: s for p, s in tree.spelled.items() if p[: len(path)] != path}
    tree.places = {p: s for p, s in tree.places.items() if p[: len(path)] != path}
    tree.spelled |= {(*path, *p): s for p, s in given.spelled.items()}
    tree.places[path] = place
    tree.mistakes += [Mistake((*path, *p), said) for p, said in given.mistakes]
