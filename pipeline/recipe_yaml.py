"""YAML read as plain values that know where they stand, and mistakes told by file, line and key.

PyYAML alone keeps the last of two equal keys, reads `12:30` as 750 and `010` as 8, and follows an alias into
a billion values. Here a repeated key, a tag and a document too large are refused; a number is a number only
where it is written in decimal, everything odder is text; `no` stays false, for the settings to refuse.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from corpus.errors import RecipeError

MOST_BYTES = 256_000  # at most 0.3 s of PyYAML; a recipe of a hundred stages takes 10 kB
MOST_VALUES = 10_000  # counted with every use of an alias, so no alias can multiply
MOST_DEPTH = 32  # PyYAML recurses twice a level; a recipe needs 6
MOST_MISTAKES = 20  # told at once

KeyPath = tuple[str | int, ...]
"""Keys and places from the root: ("stages", 1, "minhash", "bands")."""

_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]{0,18})")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")


class Mistake(NamedTuple):
    """What is wrong with the value at `path`, as the end of a sentence that begins with its place."""

    path: KeyPath
    said: str


class Place(NamedTuple):
    """Where a value was written: a line of a file, or an override, which has no line."""

    where: str
    line: int | None = None

    def __str__(self) -> str:
        return self.where if self.line is None else f"{self.where}:{self.line}"


@dataclass
class Tree:
    """Plain values (dict, list, text, numbers, true, false, null) and where each was written."""

    value: Any
    where: str
    places: dict[KeyPath, Place] = field(default_factory=dict)
    spelled: dict[KeyPath, str] = field(default_factory=dict)  # plain scalars that are not text, as written
    mistakes: list[Mistake] = field(default_factory=list)

    def place(self, path: KeyPath) -> Place:
        """Where the value at `path` was written, or the nearest thing that holds it."""
        held = (path[:n] for n in range(len(path), -1, -1))
        return next((self.places[p] for p in held if p in self.places), Place(self.where))

    def refuse(self, mistakes: Iterable[Mistake]) -> None:
        """Raise RecipeError where there are mistakes: a line each, as in the file, overrides last."""
        placed = sorted({(self.place(path), dotted(path), said) for path, said in mistakes}, key=_order)
        lines = [": ".join(filter(None, (str(place), path, said))) for place, path, said in placed]
        if len(lines) > MOST_MISTAKES:
            lines[MOST_MISTAKES:] = [f"and {len(lines) - MOST_MISTAKES:,} more"]
        if lines:
            raise RecipeError("\n".join(lines))


def _order(told: tuple[Place, str, str]) -> tuple[float, str, str, str]:
    place, path, said = told
    return place.line or float("inf"), place.where, path, said


def dotted(path: KeyPath) -> str:
    """The path as people write it: `stages[1].minhash.bands`; long or unprintable keys as in Python."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{_shown(p)}" for p in path).removeprefix(".")


def _shown(key: str) -> str:
    return key if key.isprintable() and len(key) <= 60 else repr(key[:60])


def read(content: bytes | str, where: str) -> Tree:
    """The one YAML document in `content`. What can be told beside other mistakes is in `Tree.mistakes`.

    Raises RecipeError, with the line, for what is not UTF-8, not YAML, tagged, or beyond MOST_*.
    """
    text = _decoded(content, where)
    tree = Tree(None, where)
    with _told(text, where):
        root = _Loader(text).get_single_node()
        if root is not None:
            tree.value = _Walk(tree).value(root, ())
    return tree


def written(value: Any) -> str:
    """Plain values as YAML that `read` gives back equal."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


def _decoded(content: bytes | str, where: str) -> str:
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > MOST_BYTES:
        raise RecipeError(f"{where}: larger than {MOST_BYTES:,} bytes; is it a recipe?")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise RecipeError(f"{where}:{line}: {found}; save the file as UTF-8") from error


@contextmanager
def _told(text: str, where: str) -> Iterator[None]:
    """PyYAML's errors as ours, with the line where it knows one."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise RecipeError(f"{where}:{line}: {', '.join(filter(None, (error.context, error.problem)))}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        found = f"U+{error.character:04X} is no character of YAML"
        raise RecipeError(f"{where}:{line}: {found}; remove it") from error
    except (ValueError, OverflowError) as error:  # an escape beyond Unicode: "\U00110000"
        raise RecipeError(f"{where}: not YAML ({error})") from error


class _Loader(yaml.SafeLoader):
    """Composes nodes, never objects; refuses tags, depth and size before they cost anything."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if (tag := getattr(event, "tag", None)) is not None:
            raise _at(event, f"tags such as {tag[:60]!r} are not read; remove it")
        self.depth, self.nodes = self.depth + 1, self.nodes + 1
        _bound(event, self.depth, self.nodes)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _bound(here: yaml.Event | yaml.Node, depth: int, values: int) -> None:
    if depth > MOST_DEPTH:
        raise _at(here, f"nested more than {MOST_DEPTH} deep")
    if values > MOST_VALUES:
        raise _at(here, f"more than {MOST_VALUES:,} values, each use of an alias counted")


def _at(here: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=here.start_mark)


@dataclass
class _Walk:
    """Nodes to plain values, with places laid into the tree on the way."""

    tree: Tree
    values: int = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.values += 1
        _bound(node, len(path), self.values)
        self.tree.places[path] = Place(self.tree.where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, n)) for n, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # the third and last kind
        return self.scalar(node, path)

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, child in node.value:
            key = self.key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            if key in found:
                first = self.tree.places[here].line
                self.tree.mistakes.append(Mistake(here, f"stands twice, first at line {first}; remove one"))
            found[key] = self.value(child, here)
            self.tree.places[here] = Place(self.tree.where, key_node.start_mark.line + 1)
        return found

    def key(self, node: yaml.Node, path: KeyPath) -> str | None:
        """The key's text; None where it is none, told as a mistake."""
        if not isinstance(node, yaml.ScalarNode):
            raise _at(node, "a key is text, not a list or a mapping")
        key = self.scalar(node, path)
        if isinstance(key, str):
            return key
        said = f'a key is text; in quotes it is: "{self.tree.spelled.pop(path)[:60]}"'
        self.tree.places[(*path, node.value)] = Place(self.tree.where, node.start_mark.line + 1)
        self.tree.mistakes.append(Mistake((*path, node.value), said))
        return None

    def scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        value = plain(node) if node.style is None else node.value
        if isinstance(value, str) and not _encodes(value):
            raise _at(node, "half of a surrogate pair is not a character")
        if not isinstance(value, str):
            self.tree.spelled[path] = node.value
        return value


def plain(node: yaml.ScalarNode) -> Any:
    """An unquoted scalar: null, true or false as YAML 1.1 has them, a decimal number, else text."""
    kind, text = node.tag.rsplit(":", 1)[-1], node.value
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    if _DECIMAL.fullmatch(text):
        return int(text.replace("_", ""))
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    number = float(text.replace("_", "")) if _FLOAT.fullmatch(text) else float("inf")
    return text if number in (float("inf"), float("-inf")) else number  # 1e999 is not a number but a slip


def _encodes(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that `plain` would read as a number."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """In double quotes where a character cannot be seen: PyYAML's single quotes make U+0085 a space."""
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)

_Dumper.add_implicit_resolver(  # `1e3`, a number in YAML 1.2 and here, text to PyYAML
    "tag:yaml.org,2002:float", re.compile(rf"(?:{_FLOAT.pattern})\Z"), list("-+.0123456789")
)
