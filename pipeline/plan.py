"""The plan of a run: its steps in order, what each result depends on, what is done and why the rest is not.

All that looks at one document alone (reading, Local stages, what Global stages emit) happens in one pass
over the text. A Global stage's verdict depends on every input; what a document is measured as does not,
so adding a file measures that file only.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from corpus.errors import RecipeError
from corpus.source import VERSION as READER_VERSION
from corpus.source import Unit
from corpus.storage import exists
from corpus.units import content_hash, units
from pipeline.fingerprint import fingerprint
from pipeline.home import FINISHED, STEPS, Home
from pipeline.inputs import Inputs
from pipeline.recipe import Recipe, dump, names
from stages.base import Global, Local, Stage

DOCUMENTS, TOKENIZER, KEPT = "documents", "tokenizer", "kept"

KEPT_VERSION = 1
"""Raise it when the same kept documents and settings give other tokens or another digest."""


@dataclass(frozen=True)
class Step:
    """One step: its name in reports, its stage if it is one, and what its result depends on."""

    name: str
    kind: str  # documents, local, emit, global, tokenizer, kept
    folder: str
    parts: dict[str, Any]
    stage: Stage | None = None

    @property
    def fingerprint(self) -> str:
        """The last part of the folder's name."""
        return self.folder.rsplit("-", 1)[-1]


@dataclass(frozen=True)
class Plan:
    """Steps and units of a recipe, against what a home holds."""

    recipe: Recipe
    units: tuple[Unit, ...]
    steps: tuple[Step, ...]

    @cached_property
    def slim(self) -> "Plan":
        """The plan without its units and what steps depend on: what a task of one shard needs, a few kB."""
        return Plan(self.recipe, (), tuple(replace(step, parts={}) for step in self.steps))

    def named(self, kind: str) -> list[Step]:
        """The steps of one kind, in order."""
        return [step for step in self.steps if step.kind == kind]

    @cached_property
    def documents(self) -> Step:
        """The first step."""
        return self.steps[0]

    @cached_property
    def kept(self) -> Step:
        """The last step: kept documents, their digest and their tokens."""
        return self.steps[-1]

    @cached_property
    def judged(self) -> list[Step]:
        """Steps that lay a `drop` column, in the recipe's order."""
        return [step for step in self.steps if step.kind in ("local", "global")]

    @cached_property
    def in_pass(self) -> list[Step]:
        """Steps that read text in the one pass: Local stages and what Global stages emit."""
        return [step for step in self.steps if step.kind in ("local", "emit")]


def plan(recipe: Recipe, home: Home | None = None) -> Plan:
    """The plan of a recipe. Reads the inputs' content where their hash is not known yet.

    Raises RecipeError or SourceError where a source matches nothing.
    """
    inputs = Inputs.of(home)
    found = tuple(units(recipe.sources, inputs.identity))
    inputs.save()
    return Plan(recipe, found, tuple(_steps(recipe, _contents(found))))


def _contents(found: Sequence[Unit]) -> dict[str, str]:
    """What each unit holds, as the hash in its key, under its file's name: so a changed file is told as changed."""
    times: Counter[str] = Counter()
    contents = {}
    for unit in found:
        stem, said = unit.key.rsplit("-", 1)
        times[stem] += 1
        contents[stem if times[stem] == 1 else f"{stem} ({times[stem]:,})"] = said
    return contents


def _steps(recipe: Recipe, inputs: dict[str, str]) -> list[Step]:
    first = {"version": READER_VERSION, "settings": {"shard_mb": recipe.shard_mb}}
    steps = [Step(DOCUMENTS, "documents", f"{DOCUMENTS}-{fingerprint(first)}", first | {"inputs": inputs})]
    content = fingerprint(inputs)  # stands for all units in later steps: 100,000 of them are 8 MB of names
    seen = fingerprint(first)  # what a document's own columns depend on, apart from the document
    all_before = fingerprint(first | {"inputs": content})  # what a verdict over all documents depends on
    for number, (name, stage) in enumerate(zip(names(recipe), recipe.stages, strict=True), 1):
        parts = {"stage": stage.name, "version": stage.version, "settings": stage.settings()}
        own = parts | {"before": seen}
        if isinstance(stage, Local):
            seen = fingerprint(own)
            all_before = fingerprint(parts | {"before": all_before})
            steps.append(Step(name, "local", f"{number:02d}-{name}-{seen}", own, stage))
        else:
            emitting = {k: v for k, v in stage.settings().items() if k not in _judging(stage)}
            own |= {"settings": emitting}
            steps.append(Step(name, "emit", f"{number:02d}-{name}.emit-{fingerprint(own)}", own, stage))
            joined = parts | {"before": all_before, "inputs": content}
            all_before = fingerprint(joined)
            steps.append(Step(name, "global", f"{number:02d}-{name}-{all_before}", joined, stage))
    return [*steps, *_tokens(recipe, content, all_before)]


def _judging(stage: Stage) -> tuple[str, ...]:
    return stage.judging if isinstance(stage, Global) else ()


def _tokens(recipe: Recipe, inputs: str, before: str) -> list[Step]:
    steps, settings = [], {}
    if recipe.tokens:
        settings = asdict(recipe.tokens)
        if recipe.tokens.tokenizer == "train":
            trained = {k: settings[k] for k in ("vocab", "train_mb")}
            parts = {"version": KEPT_VERSION, "settings": trained, "before": before, "inputs": inputs}
            steps.append(Step(TOKENIZER, "tokenizer", f"{TOKENIZER}-{fingerprint(parts)}", parts))
        else:
            settings["content"] = tokenizer_content(recipe.tokens.tokenizer)
    parts = {"version": KEPT_VERSION, "settings": settings, "before": before, "inputs": inputs}
    return [*steps, Step(KEPT, "kept", f"{KEPT}-{fingerprint(parts)}", parts)]


def tokenizer_content(url: str) -> str:
    """The content hash of a tokenizer file; RecipeError where there is none."""
    if not exists(url):
        raise RecipeError(f"tokens.tokenizer: no file {url!r}. Give a Hugging Face tokenizer.json, or 'train'.")
    return content_hash(url)


def remember(plan: Plan, home: Home, shards: Sequence[str] | None = None) -> None:
    """Write what the steps depend on, for the next plan to compare with; at the end with the run's shards."""
    steps = [{"name": s.name, "kind": s.kind, "folder": s.folder, "parts": s.parts} for s in plan.steps]
    if shards is None:
        home.write_json(STEPS, steps)
    else:
        home.write_json(FINISHED, {"recipe": dump(plan.recipe), "steps": steps, "shards": list(shards)})
