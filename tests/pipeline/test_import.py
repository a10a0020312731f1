"""The command line starts at once, and imports point down: laws over every file there is, read with `ast`."""

import ast
import graphlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT = {
    "corpus": set(),
    "scaling": set(),
    "classifiers": {"corpus", "scaling"},
    "trainer": {"corpus", "scaling"},
    "stages": {"corpus", "scaling", "classifiers", "trainer"},
    "mixtures": {"corpus", "scaling", "classifiers", "trainer"},
    "pipeline": {"corpus", "scaling", "classifiers", "trainer", "stages", "mixtures"},
}
"""The floors: a room and the rooms below it. Scripts may import all of them, and nobody imports scripts."""

ONLY_IN = {
    "ray": ("pipeline/ray_engine.py", "pipeline/ray_training.py"),
    "torch": (
        "trainer/",
        "classifiers/encoder_torch",
        "classifiers/ordinal_head",
        "mixtures/proxies",
        "stages/signatures_torch",
    ),
}
"""Heavy libraries, and the only places that may import them."""

HEAVY = ("ray", "torch", "numba", "pyarrow", "pydantic", "rich", "numpy", "fsspec")


def sources() -> list[Path]:
    """Every Python file of the house that is no test, in order."""
    rooms = [p.parent.name for p in ROOT.glob("*/__init__.py") if p.parent.name != "tests"]
    return sorted(p for room in [*rooms, "scripts"] for p in (ROOT / room).rglob("*.py"))


def imports(path: Path, *, top: bool = False) -> Iterator[str]:
    """Full names of what a file imports, anywhere in it or only where it is loaded (`top`)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in _when_loaded(tree) if top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _when_loaded(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes outside of functions and of `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not typing_only:
            yield child
            yield from _when_loaded(child)


def test_every_room_has_a_floor():
    rooms = {path.relative_to(ROOT).parts[0] for path in sources()} - {"scripts"}
    assert {"corpus", "stages", "pipeline"} <= rooms <= MAY_IMPORT.keys()
    order = {room: list(below) for room, below in MAY_IMPORT.items()}
    assert list(graphlib.TopologicalSorter(order).static_order())  # raises where two rooms may import each other


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    room = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[0] for name in imports(path)} & {*MAY_IMPORT, "scripts", "tests"}
    assert ours <= MAY_IMPORT.get(room, set(MAY_IMPORT) | {"scripts"}) | {room}


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_heavy_library_has_its_place(library):
    users = [str(p.relative_to(ROOT)) for p in sources() if library in {n.split(".")[0] for n in imports(p)}]
    strangers = [path for path in users if not path.startswith((*ONLY_IN[library], "scripts/"))]
    assert not strangers
    assert library != "ray" or "pipeline/ray_engine.py" in users  # else this test would watch nothing


def test_modules_do_not_import_each_other_in_a_circle():
    """While they are loaded; a function may import what a verb needs when it needs it."""
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in sources()}
    graph = {}
    for name, path in names.items():
        found = set(imports(path, top=True))
        found |= {one.rpartition(".")[0] for one in found}
        graph[name] = (found & names.keys()) - {name}
    list(graphlib.TopologicalSorter(graph).static_order())


def python(code: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter of the tests' own kind that runs some code in the project's root."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)


LOADED = "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
HELP = "import atexit, sys; from pipeline.cli import main; sys.argv = ['winnow', *{arguments!r}]"
AT_END = f"atexit.register(lambda: exec({LOADED!r})); main()"


def loaded(*arguments: str) -> set[str]:
    """Top-level modules that `winnow ARGUMENTS` has loaded when it ends."""
    done = python(f"{HELP.format(arguments=arguments)}; {AT_END}")
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_command_line_loads_nothing_heavy():
    found = set(json.loads(python(f"import pipeline.cli; {LOADED}").stdout))
    assert "typer" in found
    assert not set(HEAVY) & found


@pytest.mark.parametrize("arguments", [("--help",), ()], ids=" ".join)
def test_help_loads_nothing_heavy(arguments):
    assert not set(HEAVY) & loaded(*arguments)


@pytest.mark.parametrize("arguments", [("run", "--help"), ("frob",), ("show", "at", "-n", "0")], ids=" ".join)
def test_a_verb_is_checked_with_nothing_heavier_than_what_typer_checks_with(arguments):
    assert not (set(HEAVY) - {"pydantic"}) & loaded(*arguments)


@pytest.mark.parametrize("code", ["import pipeline.cli", f"{HELP.format(arguments=['--help'])}; main()"])
def test_the_command_line_starts_within_three_tenths_of_a_second(code):
    """CPU time of this process's child, best of five: 0.09 s measured, and a busy machine is not to blame."""
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        assert python(code).returncode == 0
        took.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    assert min(took) < 0.3
