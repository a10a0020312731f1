"""The plan of a run: its steps in order, what each result depends on, what is done and why the rest is not.

All that looks at one document alone (reading, Local stages, what Global stages emit) happens in one pass
over the text; stages that run while reading come before the first write, so the documents hang on them.
A Global stage's verdict depends on every input; what a document is measured as does not,
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
from pipeline.plan_checks import check_columns, check_pages
from pipeline.recipe import Recipe, dump, names, reading_names
from stages.base import Global, Stage
from stages.deduplication import Deduplication
from stages.repeats import Repeats

DOCUMENTS, WHILE_READING, TOKENIZER, KEPT = "documents", "while_reading", "tokenizer", "kept"

KEPT_VERSION = 1
"""Raise it when the same kept documents and settings give other tokens or another digest."""


@dataclass(frozen=True)
class Step:
    """One step: its name in reports, its stage if it is one, and what its result depends on."""

    name: str
    kind: str  # documents, while_reading, local, emit, global, tokenizer, kept
    folder: str  # of a stage that runs while reading a name for its time alone: its columns lie with the documents
    parts: dict[str, Any]
    stage: Stage | None = None
    turn: int = 0  # the pass over text that it belongs to: one more after a Global stage that rewrites, or is read from

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
    def while_reading(self) -> list[Step]:
        """Steps that see documents before they are written, in order; what they dropped is not at rest."""
        return self.named(WHILE_READING)

    @cached_property
    def kept(self) -> Step:
        """The last step: kept documents, their digest and their tokens."""
        return self.steps[-1]

    @cached_property
    def judged(self) -> list[Step]:
        """Steps that lay a `drop` column, in the recipe's order."""
        return [step for step in self.steps if step.kind in ("local", "global")]

    @cached_property
    def passes(self) -> list["Pass"]:
        """Passes over text, in order; one, and one more behind each Global stage that rewrites or whose columns later
        stages read.
        """
        turns = range(max((step.turn for step in self.judged), default=0) + 1)
        return [Pass(turn, [step for step in self.steps if step.turn == turn]) for turn in turns]

    def before(self, step: Step) -> list[Step]:
        """Stages that judge before this one, in order."""
        number = next(n for n, other in enumerate(self.judged) if other.name == step.name)
        return self.judged[:number]

    def columns(self, before: Sequence[Step]) -> dict[str, str]:
        """Column -> folder of the last of these stages that lays it."""
        return {name: step.folder for step in before if step.stage for name in step.stage.adds}


@dataclass(frozen=True)
class Pass:
    """One pass over text, and the comparisons that follow it."""

    turn: int
    steps: list[Step]

    @property
    def reading(self) -> list[Step]:
        """Steps that read text: Local stages and what Global stages emit."""
        return [step for step in self.steps if step.kind in ("local", "emit")]

    @property
    def comparing(self) -> list[Step]:
        """Global stages."""
        return [step for step in self.steps if step.kind == "global"]


def rewriting(steps: Sequence[Step]) -> list[Step]:
    """Those that lay a new text."""
    return [step for step in steps if step.stage and step.stage.rewrites]


def plan(recipe: Recipe, home: Home | None = None) -> Plan:
    """The plan of a recipe. Reads the inputs' content where their hash is not known yet.

    Raises RecipeError or SourceError where a source matches nothing.
    """
    check_columns(recipe)
    inputs = Inputs.of(home)
    found = tuple(units(recipe.sources, inputs.identity))
    inputs.save()
    check_pages(recipe, found)
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
    first: dict[str, Any] = {"version": READER_VERSION, "settings": {"shard_mb": recipe.shard_mb}}
    fused = _while_reading(recipe)
    if fused:  # the last one's fingerprint covers those before it; all are named so that a change can be told
        first |= {WHILE_READING: {step.name: step.fingerprint for step in fused}}
    steps = [Step(DOCUMENTS, "documents", f"{DOCUMENTS}-{fingerprint(first)}", first | {"inputs": inputs}), *fused]
    content = fingerprint(inputs)  # stands for all units in later steps: 100,000 of them are 8 MB of names
    seen = fingerprint(first)  # what a document's own columns depend on, apart from the document
    all_before = fingerprint(first | {"inputs": content})  # what a verdict over all documents depends on
    turn = 0
    laid: set[str] = set()  # columns that Global stages of this turn lay, which its own pass does not have
    for number, (name, stage) in enumerate(zip(names(recipe), recipe.stages, strict=True), len(fused) + 1):
        if not laid.isdisjoint(stage.reads):  # what is measured by them hangs on all documents
            turn, seen, laid = turn + 1, all_before, set()
        parts = _parts(stage)
        own = parts | {"before": seen}
        if isinstance(stage, Global):
            own |= {"settings": _settings(stage, (*stage.advisory, *stage.judging))}
            if isinstance(stage, Deduplication):
                own.pop("files", None)  # an index is compared with; it makes no keys
            steps.append(Step(name, "emit", f"{number:02d}-{name}.emit-{fingerprint(own)}", own, stage, turn))
            joined = parts | {"before": all_before, "inputs": content}
            if isinstance(stage, Repeats) and stage.ordered:
                joined |= {"order": fingerprint({"order": list(inputs)})}
            all_before = fingerprint(joined)
            steps.append(Step(name, "global", f"{number:02d}-{name}-{all_before}", joined, stage, turn))
            laid |= set(stage.adds)
            if stage.rewrites:  # from here on what a document is measured as hangs on all others
                turn, seen, laid = turn + 1, all_before, set()
        else:
            seen = fingerprint(own)
            all_before = fingerprint(parts | {"before": all_before})
            steps.append(Step(name, "local", f"{number:02d}-{name}-{seen}", own, stage, turn))
    return [*steps, *_tokens(recipe, content, all_before)]


def _while_reading(recipe: Recipe) -> list[Step]:
    steps: list[Step] = []
    for number, (name, stage) in enumerate(zip(reading_names(recipe), recipe.while_reading, strict=True), 1):
        before = steps[-1].fingerprint if steps else fingerprint({"version": READER_VERSION})
        own = _parts(stage) | {"before": before}
        steps.append(Step(name, WHILE_READING, f"{number:02d}-{name}.reading-{fingerprint(own)}", own, stage))
    return steps


def _parts(stage: Stage) -> dict[str, Any]:
    """What a stage's columns depend on, apart from what came before it."""
    parts = {"stage": stage.name, "version": stage.version, "settings": _settings(stage, stage.advisory)}
    if stage.files:
        parts["files"] = {url: file_content(url, stage.name) for url in stage.files}
    return parts


def _settings(stage: Stage, but: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in stage.settings().items() if key not in but}


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


def file_content(url: str, stage: str) -> str:
    """The content hash of a file that a stage goes by; RecipeError where there is none."""
    if not exists(url):
        raise RecipeError(f"{stage}: no file {url!r}. Give the path or URL of one that is there.")
    return content_hash(url)


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
