"""Which runs a sweep makes: at each compute budget sizes around the best one, at the least budget also rates.

The first budget tries every size at every rate; later ones take the rate that was best there for the three nearest
sizes. Where the best size lies at the edge of those tried, the next one beyond is trained too, so a minimum comes to
lie inside.

Matrices move by Muon and attention is normed, since under AdamW models this small stand on a plateau until attention
forms, and what they lose on the way off it says nothing of larger budgets: at a width of 24 and 3e11 FLOPs of bytes
AdamW had 2.17 nats, with normed queries and keys 2.14, Muon without 2.02, Muon with 1.99.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from corpus.errors import RecipeError
from scaling.hyperparameters import step_law_batch
from scaling.units import LEAST_TOKENS
from trainer.jobs.workers import name_of
from trainer.model.settings import ModelSettings
from trainer.run.settings import TrainSettings
from trainer.sweep.shapes import shapes, size, sized

RATES = (2.0**-7, 2.0**-6, 2.0**-5, 2.0**-4)
"""Of Muon for matrices and of AdamW for the rest. At a width of 24, 3e11 FLOPs: Muon's .01 is .02 nats worse than .02,
.04 level; AdamW's 2^-7 .04 worse than 2^-6, 2^-5 .01."""

LEAST_SEQUENCES, MOST_SEQUENCES, AT_ONCE = 8, 256, 128
"""Of a step; and how many pass together."""

TOKENS_PER_PARAM = 100
"""Where the sizes of the first budget are centred. Models this small want more than the 20 of large ones."""

GROWTH = 0.6
"""Exponent of the best size over compute that centres the next budget; Hoffmann et al. 2022 have .5, Kaplan .73."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is asked. RecipeError where it cannot make a law."""

    tokens: str  # manifest of token shards
    vocab: int
    budgets: tuple[float, ...]  # FLOPs, ascending
    sizes: int = 5  # at each budget, to begin with
    most_sizes: int = 9  # with those that are added at an edge
    step: float = 1.6  # between sizes
    rates: tuple[float, ...] = RATES
    context: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        ascending = list(self.budgets) == sorted(set(self.budgets)) and all(b > 0 for b in self.budgets)
        self._need(len(self.budgets) > 0 and ascending, f"budgets are {list(self.budgets)}: FLOPs, ascending")
        self._need(3 <= self.sizes <= self.most_sizes, f"{self.sizes} sizes: 3 at least, so that one can lie inside")
        self._need(self.step > 1, f"step is {self.step:g}: the ratio of two sizes, above 1")
        self._need(bool(self.rates) and min(self.rates) > 0, f"rates are {list(self.rates)}: one or more, above 0")
        self._need(self.context >= 2, f"context is {self.context}: 2 tokens or more")

    def _need(self, holds: bool, message: str) -> None:
        if not holds:
            raise RecipeError(f"sweep: {message}")


@dataclass(frozen=True)
class Job:
    """One run of the sweep."""

    budget: float  # FLOPs
    model: ModelSettings
    rate: float
    settings: TrainSettings

    @property
    def name(self) -> str:
        """Of its folder: the same whenever the same run is asked for."""
        return name_of(f"{self.budget:.3g}-{self.model.width}", self.settings)

    @property
    def params(self) -> float:
        """N, as shapes.py counts."""
        return size(self.model)


def job(grid: Grid, budget: float, model: ModelSettings, rate: float) -> Job:
    """The run of a budget: as many tokens as it pays for, the batch by the step law, the rate to 0 in a line."""
    tokens = round(budget / (6 * size(model)))
    sequences, together = _batch(tokens, grid.context)
    settings: dict[str, Any] = {
        "model": asdict(model),
        "tokens": grid.tokens,
        "budget": tokens,
        "batch": {"tokens": sequences * grid.context, "micro": together},
        "optimizer": {"name": "muon", "rate": rate, "muon_rate": rate},
        "schedule": {"kind": "linear", "warmup": 0.05, "floor": 0.0},
        "precision": "fp32",
        "compile": False,
        "device": "cpu",
        "stability": {"spikes": False},
        "checkpoints": {"every": 2000, "keep": 1, "asynchronous": False},
        "evaluation": {"held_out": 0.02, "most_tokens": 10_000, "every": 0},
        "monitoring": {"every": 100},
        "seed": grid.seed,
    }
    return Job(budget, model, rate, TrainSettings.model_validate(settings))


def _batch(tokens: int, context: int) -> tuple[int, int]:
    """Sequences of a step by the step law, and of those that pass at once.

    Not rounded to powers of two, as elsewhere: that would put a step between the batches of neighbouring sizes.
    """
    asked = step_law_batch(max(tokens, LEAST_TOKENS)) / context
    asked = min(MOST_SEQUENCES, max(LEAST_SEQUENCES, asked))
    parts = math.ceil(asked / AT_ONCE)
    together = round(asked / parts)
    return parts * together, together


def centred(grid: Grid, params: float, count: int) -> list[ModelSettings]:
    """About `count` shapes around a size, ascending, each once; from the smallest on where it lies near that."""
    smallest = size(shapes(grid.vocab, grid.context)[0])
    lowest = max(smallest, params / grid.step ** ((count - 1) / 2))
    return _once([sized(lowest * grid.step**n, vocab=grid.vocab, context=grid.context) for n in range(count)])


def beyond(grid: Grid, tried: Sequence[ModelSettings], best: ModelSettings) -> ModelSettings | None:
    """The next shape where the best one is the smallest or the largest of those tried; None where it lies inside."""
    ordered = sorted(tried, key=size)
    every = shapes(grid.vocab, grid.context)
    if best == ordered[-1]:
        larger = [model for model in every if size(model) > size(best)]
        return min(larger, key=lambda model: abs(math.log(size(model) / size(best) / grid.step)), default=None)
    if best == ordered[0]:
        smaller = [model for model in every if size(model) < size(best)]
        return min(smaller, key=lambda model: abs(math.log(size(best) / size(model) / grid.step)), default=None)
    return None


def first_centre(budget: float) -> float:
    """The size that the sizes of the least budget surround."""
    return math.sqrt(budget / (6 * TOKENS_PER_PARAM))


def next_centre(best: float, before: float, budget: float) -> float:
    """The same of a later budget, from the best size of the one before."""
    return float(best * (budget / before) ** GROWTH)


def _once(models: Sequence[ModelSettings]) -> list[ModelSettings]:
    return sorted(dict.fromkeys(models), key=size)
