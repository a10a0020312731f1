"""The documents of a finished run against the rules of one of its stages, from measures at rest."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import shards
from corpus.documents import BYTES, DROP, ID
from corpus.errors import RecipeError
from corpus.hashing import hash64
from pipeline.finished import Finished
from pipeline.plan import Step
from pipeline.recipe import names, reading_names
from pipeline.seen import seen
from pipeline.view import View
from stages.rules import Rule

LOW, HIGH = "low", "high"


@dataclass(frozen=True)
class Ruled:
    """A stage of a finished run with a table of rules: its only one, or that of one language."""

    step: Step
    rules: tuple[Rule, ...]
    language: str | None = None  # where the stage has limits by language
    column: str = ""  # that names each document's language
    otherwise: str = ""  # language of documents that it does not name

    @property
    def said(self) -> dict[str, Any]:
        """What every row of an account begins with."""
        return {"stage": self.step.name, "language": self.language}


def ruled(finished: Finished, name: str | None = None) -> list[Ruled]:
    """The tables of all stages with rules, or of the one of that name, in order.

    RecipeError where no stage has rules, or the named one has none.
    """
    stages = dict(zip(names(finished.plan.recipe), finished.plan.recipe.stages, strict=True))
    known = [one for one, stage in stages.items() if _rules(stage)]
    fused = ruled_while_reading(finished)
    if not [one for one in (*known, *fused) if name in (None, one)]:
        asked = f"no stage {name!r} with rules" if name else "no stage of this run has rules"
        raise RecipeError(f"{finished.home.at}: {asked}; with rules there are: {', '.join([*fused, *known]) or 'none'}")
    steps = [step for step in finished.plan.judged if step.name in known and name in (None, step.name)]
    return [one for step in steps for one in _tables(finished, step, stages[step.name])]


def ruled_while_reading(finished: Finished) -> list[str]:
    """Names of stages with rules that ran while reading: what they dropped is not at rest, to be asked again."""
    recipe = finished.plan.recipe
    named = zip(reading_names(recipe), recipe.while_reading, strict=True)
    return [name for name, stage in named if _rules(stage)]


def _rules(stage: Any) -> tuple[Rule, ...]:
    """Its rules; what some stages call so (madlad's numbers) are no limits of measures."""
    return tuple(rule for rule in getattr(stage, "rules", ()) if isinstance(rule, Rule))


def _tables(finished: Finished, step: Step, stage: Any) -> list[Ruled]:
    column = getattr(stage, "language_column", None)
    if column is None or not hasattr(stage, "rules_of"):
        return [Ruled(step, _rules(stage))]
    everyone = Ruled(step, (), None, column, stage.language)
    spoken = {code for view in finished.views() for code in Judged(everyone, view).languages.unique().to_pylist()}
    return [
        Ruled(step, tuple(stage.rules_of(code)), code, column, stage.language)
        for code in sorted(spoken | {stage.language})
    ]


@dataclass(frozen=True)
class Judged:
    """The documents of a shard that came to a stage, against each of its rules. N documents, R rules."""

    ruled: Ruled
    view: View

    @cached_property
    def came(self) -> np.ndarray:
        """int64 [N]: rows, of a table of one language those of its documents."""
        if self.ruled.language is None:
            return self._all
        return self._all[pc.equal(self.languages, self.ruled.language).to_numpy(zero_copy_only=False)]

    @cached_property
    def _all(self) -> np.ndarray:
        """int64: rows of all documents that came to the stage."""
        by = self.view.dropped_by
        return np.flatnonzero((by < 0) | (by >= self.view.plan.judged.index(self.ruled.step)))

    @cached_property
    def languages(self) -> pa.Array:
        """The language of every document that came, by the column as it stood before the stage."""
        judged, name = self.view.plan.judged, self.ruled.column
        earlier = [self.view.laid(step) for step in reversed(judged[: judged.index(self.ruled.step)])]
        there = name in shards.schema(self.view.url(self.view.plan.documents)).names
        own = [self.view.documents([name])] if there else [pa.table({name: pa.nulls(len(self.view.kept), pa.string())})]
        column = next(table[name] for table in (*earlier, *own) if name in table.column_names)
        return column.combine_chunks().take(pa.array(self._all)).cast(pa.string()).fill_null(self.ruled.otherwise)

    @cached_property
    def _laid(self) -> pa.Table:
        return self.view.laid(self.ruled.step).take(pa.array(self.came))

    @cached_property
    def known(self) -> np.ndarray:
        """bool [R, N]: the measure is there; a rule has no say where it is null."""
        none = np.zeros(len(self.came), bool)
        there = self._laid.column_names
        return np.array(
            [self._laid[r.measure].is_valid().to_numpy() if r.measure in there else none for r in self.ruled.rules]
        )

    @cached_property
    def values(self) -> np.ndarray:
        """float64 [R, N], NaN where the measure is null."""
        none = pa.chunked_array([pa.nulls(len(self.came), pa.float64())])
        laid = {name: self._laid[name] for name in self._laid.column_names}
        found = [laid.get(rule.measure, none).to_numpy() for rule in self.ruled.rules]
        return np.array(found, np.float64)

    @cached_property
    def fails(self) -> np.ndarray:
        """bool [R, N]."""
        return np.array([r.fails(v) for r, v in zip(self.ruled.rules, self.values, strict=True)]) & self.known

    @cached_property
    def only(self) -> np.ndarray:
        """bool [R, N]: fails this rule and no other."""
        return self.fails & (self.fails.sum(axis=0) == 1)

    @cached_property
    def size(self) -> np.ndarray:
        """int64 [N]: bytes of each text as it came to the stage."""
        return seen(self.view, self.ruled.step).read(self.view.name, [BYTES])[BYTES].to_numpy()[self.came]

    @cached_property
    def dropped(self) -> np.ndarray:
        """bool [N]: dropped by the stage."""
        return self._laid[DROP].is_valid().to_numpy()

    @cached_property
    def keys(self) -> np.ndarray:
        """uint64 [N]: by which a sample is drawn that does not depend on how documents are sharded."""
        return hash64(self.view.documents([ID])[ID].combine_chunks().take(pa.array(self.came)), 0)

    def beyond(self, rule: int, side: str) -> np.ndarray:
        """bool [N]: fails this rule alone, and for this limit."""
        limit, values = getattr(self.ruled.rules[rule], side), self.values[rule]
        if limit is None:
            return np.zeros(len(values), bool)
        return self.only[rule] & np.isfinite(values) & ((values < limit) if side == LOW else (values > limit))
