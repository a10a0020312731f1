"""Rules: limits for measures, as tables. The first rule that a document fails is the reason it is dropped.

Every measure is laid as a column, so limits can be changed and a report asked again without the text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan

import numpy as np
import pyarrow as pa

from corpus.documents import DROP, VALUE, Batch, Columns
from corpus.errors import RecipeError
from stages.base import Column
from stages.measures import measure, measured


@dataclass(frozen=True)
class Rule:
    """Keep where low <= measure <= high. A measure that is NaN or infinite is never kept.

    The name of the measure is the reason that `drop` holds. RecipeError where nothing could pass.
    """

    measure: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        measure(self.measure)  # must be one
        if any(limit is not None and isnan(limit) for limit in (self.low, self.high)):
            raise RecipeError(f"{self.measure}: a limit is not a number (NaN), so nothing would be kept")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise RecipeError(
                f"{self.measure}: at least {self.low:,} and at most {self.high:,} are asked, which no "
                "document meets. Lower the first or raise the second."
            )

    def fails(self, values: np.ndarray) -> np.ndarray:
        """Which documents break the rule: bool [N]."""
        kept: np.ndarray = np.isfinite(values)
        if self.low is not None:
            kept &= values >= self.low
        if self.high is not None:
            kept &= values <= self.high
        return ~kept


def laid(rules: Iterable[Rule]) -> dict[str, Column]:
    """The column of each rule's measure, for a stage's `adds`: one a measure, in the order of the rules."""
    table = {rule.measure: measure(rule.measure) for rule in rules}
    return {name: Column(row.type, row.meaning) for name, row in table.items()}


def judge(batch: Batch, rules: Iterable[Rule]) -> Columns:
    """Every measure as a column, `drop` (the first failing rule's measure) and `value` (its number)."""
    rules = tuple(rules)
    found = measured(batch, (rule.measure for rule in rules))
    drop, value = verdict(found, rules)
    columns = {name: pa.array(values, measure(name).type) for name, values in found.items()}
    return {DROP: drop, VALUE: value, **columns}


def verdict(found: dict[str, np.ndarray], rules: Iterable[Rule]) -> tuple[pa.Array, pa.Array]:
    """`drop` and `value` [N]: the first failing rule's measure and its number, null where all rules hold."""
    rules = tuple(rules)
    fails = np.array([rule.fails(found[rule.measure]) for rule in rules])
    values = np.array([found[rule.measure] for rule in rules], np.float64)
    first = fails.argmax(axis=0)
    kept = np.logical_not(fails.any(axis=0))
    reasons = pa.array([rule.measure for rule in rules], pa.string())
    value = values[first, np.arange(values.shape[1])]
    return reasons.take(pa.array(first, pa.int64(), mask=kept)), pa.array(value, pa.float64(), mask=kept)
