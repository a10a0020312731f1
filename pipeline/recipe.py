"""Recipes: what to read, what to do to it, and what tokens to make of the rest.

A recipe is YAML and becomes dataclasses here, or a RecipeError that tells every mistake with its line.
Nothing is opened but the recipe itself. docs/reference/recipe.md has every key; pydantic is loaded with
this file, so the command line imports it only for verbs that take a recipe.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic_core import to_json

from corpus.documents import HTML
from corpus.errors import RecipeError
from corpus.shards import SHARD_BYTES
from corpus.source import Source
from corpus.storage import opened
from pipeline.recipe_overrides import LISTS, named, numbered, override
from pipeline.recipe_settings import STRICT, checked, found, made, meaning, model, no_such
from pipeline.recipe_yaml import MOST_BYTES, KeyPath, Mistake, Tree, read, written
from stages.base import Global, Stage

Table = Mapping[str, type[Stage]]
"""Stage names and their classes, as `stages.table.TABLE`."""

LEAST_VOCAB = 257  # a byte-level BPE has the 256 bytes to begin with, and needs one merge to be one


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What tokens to make of the kept text.

    tokenizer: "train", or the path or URL of a Hugging Face tokenizer.json.
    vocab, train_mb: entries of a trained tokenizer, and how many MB of kept text its training reads, a
    seeded sample by id.
    eos: the text of the token that ends a document; the tokenizer's own where absent.
    """

    tokenizer: str = "train"
    vocab: int = 32_000
    train_mb: float = 16.0
    eos: str | None = None
    formats: tuple[Literal["megatron"], ...] = ("megatron",)

    def __post_init__(self) -> None:
        if not self.tokenizer or self.eos == "" or not self.formats:
            raise RecipeError("tokens: tokenizer, eos and formats cannot be empty")
        if self.vocab < LEAST_VOCAB or not 0 < self.train_mb < math.inf:
            raise RecipeError(
                f"tokens: vocab {self.vocab:,} must be at least {LEAST_VOCAB} and train_mb {self.train_mb:g} above 0"
            )
        if self.tokenizer != "train" and (self.vocab, self.train_mb) != (Tokens.vocab, Tokens.train_mb):
            raise RecipeError(
                f"tokens: vocab and train_mb are for `tokenizer: train`; remove them, "
                f"or the tokenizer {self.tokenizer!r}"
            )


@dataclass(frozen=True)
class Recipe:
    """Sources, the stages their documents go through, and the tokens made of what is kept.

    Relative source paths begin where the process stands, `~/` at home.
    """

    name: str
    sources: tuple[Source, ...]
    while_reading: tuple[Stage, ...] = ()  # run on what readers hand on, before it is written
    stages: tuple[Stage, ...] = ()
    tokens: Tokens | None = None
    shard_mb: float = SHARD_BYTES / 1e6  # MB of text per shard

    def __post_init__(self) -> None:
        """Home is filled in, lists become tuples and whole MB floats: equal recipes compare and print so.

        Stages up to the last that reads pages run while reading, wherever they were named: pages are never at rest.
        Behind each stage stand those that it brings along; what stages that run while reading bring comes first.
        """
        fused = max((n for n, stage in enumerate(self.stages, 1) if HTML in stage.reads), default=0)
        object.__setattr__(self, "while_reading", (*self.while_reading, *self.stages[:fused]))
        object.__setattr__(self, "stages", _with_then(self.while_reading, self.stages[fused:]))
        object.__setattr__(self, "sources", tuple(map(_settled, self.sources)))
        object.__setattr__(self, "shard_mb", float(self.shard_mb))


def _with_then(fused: Sequence[Stage], named: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages with those that they bring along behind each, where they do not stand there already."""
    queue, stages = _behind([one for stage in fused for one in stage.then], list(named)), list[Stage]()
    while queue:
        stages.append(queue.pop(0))
        queue = _behind(stages[-1].then, queue)
    return tuple(stages)


def _behind(brought: Sequence[Stage], queue: list[Stage]) -> list[Stage]:
    return queue if tuple(queue[: len(brought)]) == tuple(brought) else [*brought, *queue]


def _own(recipe: Recipe) -> list[Stage]:
    """The stages without those that others bring along: what a recipe has to name."""
    skip = len([one for stage in recipe.while_reading for one in stage.then])
    own: list[Stage] = []
    for number, stage in enumerate(recipe.stages):
        if number >= skip:
            own.append(stage)
        skip = max(skip, number + 1) + len(stage.then)
    return own


def _settled(source: Source) -> Source:
    home = [str(Path(p).expanduser()) if p.startswith("~/") else p for p in source.paths]
    path = home[0] if isinstance(source.path, str) else home
    return replace(source, path=path, fields=tuple(source.fields))


class _Keys(pydantic.BaseModel):
    """A recipe's own keys, before what they hold is looked at."""

    model_config = STRICT
    name: Annotated[str, pydantic.Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    sources: Annotated[list[Any], pydantic.Field(min_length=1)]
    while_reading: list[Any] = []
    stages: list[Any] = []
    tokens: dict[str, Any] = {}
    shard_mb: Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)] = Recipe.shard_mb
    mixture: dict[str, Any] = {}  # what follows the corpus: pipeline/experiment_settings.py
    train: dict[str, Any] = {}  # of `winnow train`, which looks into it: pipeline/training_settings.py


def load(path: str | Path, overrides: Sequence[str] = (), *, table: Table | None = None) -> Recipe:
    """The recipe in a file (path or URL), with `--set` values laid over it.

    overrides: `key=value`, the value as YAML: `minhash.bands=20`, `exact_2.x=1` (see `names`),
    `tokens.vocab=8000`, `sources.0.domain=web`, `name=trial`. Of two for one key the later holds.
    table: the stages there are, `stages.table.TABLE` where None.
    Raises RecipeError with up to 20 mistakes, a line each: file, line, key, what was found and expected.
    """
    return _recipe(read(_content(str(path)), str(path)), overrides, table)


def loads(text: str, where: str = "recipe", *, table: Table | None = None) -> Recipe:
    """The recipe that `text` holds; `where` stands for the file in errors. Otherwise as `load`."""
    return _recipe(read(text, where), (), table)


def parse(value: dict[str, Any], *, table: Table | None = None) -> Recipe:
    """The recipe that plain values make, as strictly as `load`; errors have no lines to name."""
    return _recipe(Tree(value, "recipe"), (), table)


def dump(recipe: Recipe) -> str:
    """The recipe as YAML with every default written out: `loads(dump(r)) == r`, also where defaults move."""
    plain = {
        "name": recipe.name,
        "sources": [_plain(source, "source") for source in recipe.sources],
        "while_reading": [_entry(stage) for stage in recipe.while_reading],
        "stages": [_entry(stage) for stage in _own(recipe)],
        "tokens": recipe.tokens and _plain(recipe.tokens, "tokens"),
        "shard_mb": recipe.shard_mb,
    }
    return written({key: value for key, value in plain.items() if value is not None})


def _entry(stage: Stage) -> str | dict[str, Any]:
    settings = _plain(stage, stage.name)
    return {stage.name: settings} if settings else stage.name


def _plain(settings: Any, name: str) -> dict[str, Any]:
    """Settings as a recipe would hold them: 16 where a float is due is 16.0; all but null ones by default."""
    chosen = {f.name: getattr(settings, f.name) for f in fields(settings) if f.init}
    try:
        valid = model(type(settings), name).model_validate_json(to_json(chosen, inf_nan_mode="constants"))
    except ValueError as error:
        raise RecipeError(f"{name}: its settings cannot stand in a recipe: {error}") from error
    null = {f.name for f in fields(settings) if f.default is None and chosen.get(f.name) is None}
    return valid.model_dump(mode="json", exclude=null)


def names(recipe: Recipe) -> list[str]:
    """What reports and `--set` call each of `stages`: its name, and `exact_2` for the second `exact` of the recipe."""
    return _numbered(recipe)[len(recipe.while_reading) :]


def reading_names(recipe: Recipe) -> list[str]:
    """The same of the stages that run while reading, which come first."""
    return _numbered(recipe)[: len(recipe.while_reading)]


def _numbered(recipe: Recipe) -> list[str]:
    return numbered([stage.name for stage in (*recipe.while_reading, *recipe.stages)])


def _content(path: str) -> bytes:
    try:
        with opened(path) as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        here = Path(path).parent
        near = get_close_matches(path, [str(p) for p in here.glob("*.y*ml")], n=1) if here.is_dir() else []
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise RecipeError(f"{path}: no such file{meant}") from error
    except (OSError, ValueError, ImportError) as error:  # a folder, an unknown protocol, s3fs not installed
        raise RecipeError(f"{path}: cannot be read ({error})") from error


def _recipe(tree: Tree, overrides: Sequence[str], table: Table | None) -> Recipe:
    if not isinstance(tree.value, dict):
        wanted = "expected a recipe (name: ..., sources: [...], stages: [...])"
        raise RecipeError(f"{tree.place(())}: {wanted}, found {found(tree.value)}")
    override(tree, overrides, tuple(_Keys.model_fields))
    table, wrong = _table(table), list(tree.mistakes)
    keys = checked(_Keys, tree, (), tree.value, wrong)
    sources = [_source(tree, ("sources", n), value, wrong) for n, value in _entries(tree, "sources")]
    fused, stages = ([_stage(tree, (key, n), value, table, wrong) for n, value in _entries(tree, key)] for key in LISTS)
    wrong += _compared(fused, stages)
    asked = tree.value.get("tokens")
    tokens = made(Tokens, "tokens", tree, ("tokens",), asked, wrong) if isinstance(asked, dict) else None
    tree.refuse(wrong)
    assert keys is not None  # else there was a mistake, and it was told
    return Recipe(keys.name, tuple(sources), tuple(fused), tuple(stages), tokens, keys.shard_mb)


def _table(table: Table | None) -> Table:
    if table is None:  # imported late: it brings every kernel of the house
        from stages.table import TABLE

        return TABLE
    return table


def _entries(tree: Tree, key: str) -> list[tuple[int, Any]]:
    held = tree.value.get(key)
    return list(enumerate(held)) if isinstance(held, list | tuple) else []


def _source(tree: Tree, path: KeyPath, value: Any, wrong: list[Mistake]) -> Any:
    source = made(Source, "source", tree, path, value, wrong)
    if source is None:
        return None
    if not source.paths or not all(source.paths):
        wrong.append(Mistake((*path, "path"), "empty; give a file, a glob or a URL, or a list of them"))
    if source.domain is not None and source.domain_field is not None:
        said = "has both domain (one for all) and domain_field (one a record); keep one of them"
        wrong.append(Mistake(path, said))
    if not 0 < source.max_record_mb < math.inf:
        said = f"expected a number of MB above 0, found {source.max_record_mb:g}"
        wrong.append(Mistake((*path, "max_record_mb"), said))
    return source


def _stage(tree: Tree, path: KeyPath, entry: Any, table: Table, wrong: list[Mistake]) -> Any:
    name = named(entry)
    if name is None:
        said = f"expected a stage's name, or one `name: {{setting: value}}`, found {found(entry)}"
        if isinstance(entry, dict) and len(entry) > 1:
            said += "; indent the settings below the name"
        wrong.append(Mistake(path, said))
    elif name not in table:
        wrong.append(Mistake(path, no_such(f"no stage {name[:60]!r}", name, sorted(table), "There are")))
    else:
        settings = {} if isinstance(entry, str) or entry[name] is None else entry[name]
        return made(table[name], name, tree, (*path, name), settings, wrong)
    return None


def _compared(fused: Sequence[Stage | None], stages: Sequence[Stage | None]) -> list[Mistake]:
    """Stages that compare documents where none is at rest yet."""
    last = next((n for n in reversed(range(len(stages))) if (s := stages[n]) and HTML in s.reads), 0)
    found = [((LISTS[0], n), stage, "put it into `stages`") for n, stage in enumerate(fused)]
    found += [((LISTS[1], n), stage, f"put it after {stages[last].name!r}") for n, stage in enumerate(stages[:last])]  # type: ignore[union-attr]
    why = "it compares documents, and while reading none is at rest"
    return [
        Mistake(path, f"{stage.name} cannot run while reading: {why}; {mend}")
        for path, stage, mend in found
        if isinstance(stage, Global)
    ]


def schema(table: Table | None = None) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a recipe, for editors: settings, types, defaults, what a stage does."""
    table = _table(table)
    models = {"Source": model(Source, "Source"), "Tokens": model(Tokens, "Tokens")}
    models |= {f"stage_{name}": model(kind, name) for name, kind in sorted(table.items())}
    recipe = _Keys.model_json_schema()
    recipe["properties"]["sources"]["items"] = {"$ref": "#/$defs/Source"}
    alone = {name: kind for name, kind in table.items() if not issubclass(kind, Global)}
    for key, of in zip(LISTS, (alone, table), strict=True):
        recipe["properties"][key]["items"] = _entry_schema(of)
    recipe["properties"]["tokens"] = {"$ref": "#/$defs/Tokens"}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Winnow recipe"}
    defs = {"$defs": {key: m.model_json_schema() for key, m in models.items()}}
    return recipe | head | {"description": meaning(Recipe)} | defs


def _entry_schema(table: Table) -> dict[str, Any]:
    bare = [{"const": name, "description": meaning(kind)} for name, kind in sorted(table.items())]
    full = {name: {"anyOf": [{"$ref": f"#/$defs/stage_{name}"}, {"type": "null"}]} for name in sorted(table)}
    one = {"type": "object", "properties": full, "additionalProperties": False}
    return {"anyOf": [*bare, one | {"minProperties": 1, "maxProperties": 1}]}
