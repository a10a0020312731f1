"""Standard input as a source (`path: "-"`): laid down whole in the run's folder first, then read like any file.

Units are found by their content and a stopped run goes on where it was, so what flows past once must be kept.
The file replaces the one that an earlier run laid down; with the same content, all that was done stays done.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import IO

from corpus.errors import RecipeError, SourceError
from corpus.readers import FORMATS
from corpus.source import Source
from corpus.storage import join, names, remove, whole
from pipeline.home import Home
from pipeline.recipe import Recipe

STDIN = "-"
"""The path that stands for standard input."""

FOLDER = "stdin"
"""Where in a run's folder it is laid down, as `stdin.jsonl` or by the suffix of another format."""

_BLOCK = 1 << 22
_PACKED = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}  # RFC 1952 and 8878: what a stream begins with


def spooled(recipe: Recipe, home: Home | None, stdin: IO[bytes] | None) -> Recipe:
    """The recipe with the file that holds standard input in place of `-`; itself where no source is `-`.

    stdin: what to lay down; None, or a terminal, for what an earlier run laid down. Holds the home's lock.
    Raises RecipeError where there is neither, or where `-` stands twice or beside other paths, and SourceError
    for an empty input, which is more often a failed command before the pipe than a wish for an empty corpus.
    """
    number = _number(recipe)
    if number is None:
        return recipe
    source = recipe.sources[number]
    if home is None:
        raise RecipeError(f"sources[{number}]: standard input is kept in the run's folder. Give it with --at.")
    folder = home.path(FOLDER)
    if stdin is not None and not stdin.isatty():
        name = _laid(folder, source, stdin)
    else:
        name = next(iter(sorted(names(folder))), None)
    if name is None:
        raise RecipeError(
            f"sources[{number}]: path is '-' and {'standard input is a terminal' if stdin else 'nothing is piped'}, "
            f"nor did a run lay any down in {home.at}. Pipe something: cat a.jsonl | winnow run ... --at {home.at}."
        )
    found = replace(source, path=join(folder, name), format=source.format or "jsonl")
    return replace(recipe, sources=(*recipe.sources[:number], found, *recipe.sources[number + 1 :]))


def _number(recipe: Recipe) -> int | None:
    """Which source is standard input."""
    asked = [number for number, source in enumerate(recipe.sources) if STDIN in source.paths]
    if len(asked) > 1:
        raise RecipeError(
            f"sources[{asked[0]}] and sources[{asked[1]}]: both are '-', and standard input is read once. Keep one."
        )
    if asked and recipe.sources[asked[0]].paths != [STDIN]:
        raise RecipeError(f"sources[{asked[0]}]: '-' stands among other paths. Give it a source of its own.")
    return asked[0] if asked else None


def _laid(folder: str, source: Source, stdin: IO[bytes]) -> str:
    """Lay standard input down whole, and nothing else beside it; the file's name."""
    first = stdin.read(_BLOCK)
    if not first:
        raise SourceError(
            "standard input is empty. Did the command before the pipe fail? To go on with what an earlier run read, "
            "run the recipe.yaml of its folder."
        )
    name = f"stdin{_suffix(source, first)}"
    with whole(join(folder, name)) as file:
        for block in chain([first], _blocks(stdin)):
            file.write(block)
    for other in sorted(names(folder) - {name}):
        remove(join(folder, other))
    return name


def _blocks(stdin: IO[bytes]) -> Iterator[bytes]:
    while block := stdin.read(_BLOCK):
        yield block


def _suffix(source: Source, first: bytes) -> str:
    form = FORMATS[source.format or "jsonl"]
    packed = next((suffix for magic, suffix in _PACKED.items() if first.startswith(magic)), "")
    return form.suffixes[0] + (packed if form.packed else "")
