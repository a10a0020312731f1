"""Does the best rate of a narrow model carry over to a wide one? A grid of widths and rates, trained for real.

Judged by three questions, since a parametrization can keep its rate and yet be a poor one (a fixed standard deviation
of 0.02 at the base did): does the best rate stay, does a wider model do better, and at least as well as the standard?
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from corpus.errors import RecipeError
from trainer.model.decoder import Decoder, Losses
from trainer.model.initial import initialise
from trainer.model.settings import ModelSettings
from trainer.optim.coordinates import widened
from trainer.optim.groups import made
from trainer.optim.schedule import factor
from trainer.run.settings import Optimizer, Schedule

NOTCH = 1  # steps of the grid that the best rate may move
WORSE = 0.02  # nats by which a wider model may be worse: half of what another seed moves the loss of small ones by
HELD_OUT = 64  # sequences at the end of the text, which no step sees


@dataclass(frozen=True)
class Transfer:
    """Held-out nats a token, float64 [widths, rates]; infinite where training diverged."""

    parametrization: str
    widths: tuple[int, ...]
    rates: tuple[float, ...]  # ascending
    losses: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """Which rate is best at each width, int64 [widths]."""
        return self.losses.argmin(axis=1)

    @property
    def least(self) -> np.ndarray:
        """Nats at the best rate, [widths]."""
        return self.losses.min(axis=1)

    @property
    def moved(self) -> int:
        """Notches between the greatest and the smallest best rate."""
        return int(np.ptp(self.best))

    @property
    def inside(self) -> bool:
        """No best rate is the first or the last of the grid, beyond which a better one may lie."""
        return bool(self.best.min() > 0 and self.best.max() < len(self.rates) - 1)

    @property
    def no_worse(self) -> bool:
        """Each width does as well as the one before it, within `WORSE` nats. Where all diverged, nothing does."""
        return bool(np.all(np.isfinite(self.least)) and np.all(np.diff(self.least) <= WORSE))

    @property
    def carries_over(self) -> bool:
        """The best rate moves one notch at most, lies within the grid, and wider is not worse."""
        return self.moved <= NOTCH and self.inside and self.no_worse

    def as_good_as(self, other: "Transfer", within: float = 0.02) -> bool:
        """At every width the least loss is at most `within` nats above the other's."""
        return bool(np.all(self.least <= other.least + within))


def tokens_needed(context: int, steps: int, batch: int = 16) -> int:
    """Tokens that a grid reads: every run the same."""
    return (steps * batch + HELD_OUT) * (context + 1)


def transfer(
    settings: ModelSettings,
    text: bytes | np.ndarray,
    *,
    widths: Sequence[int],
    rates: Sequence[float],
    steps: int = 200,
    batch: int = 16,
    seeds: int = 1,
    told: Callable[[int, float, float], None] = lambda width, rate, loss: None,
) -> Transfer:
    """Train each width at each rate, AdamW, a tenth warm-up, then in a line to 0.

    settings: the smallest model. text: ids of tokens, [T], or bytes, which are their own ids; the last of them that
    are needed are used. All runs see the same batches; losses are means over `seeds` of first weights, which move the
    loss of models this small by 0.04. told: called with each result as it comes. RecipeError where the text is too
    short for the steps, ids are beyond the vocabulary, or rates do not ascend.
    """
    need, unit = tokens_needed(settings.context, steps, batch), "bytes" if isinstance(text, bytes) else "tokens"
    if len(text) < need:
        raise RecipeError(f"the text has {len(text):,} {unit}; {steps:,} steps of {batch} sequences need {need:,}")
    ids = np.frombuffer(text, np.uint8) if isinstance(text, bytes) else text
    least = 256 if isinstance(text, bytes) else int(ids.max()) + 1
    if settings.vocab < least or list(rates) != sorted(set(rates)):
        raise RecipeError(f"vocab is {settings.vocab:,} and rates are {list(rates)}: {least:,} or more, and ascending")
    # A copy, since torch will not look at bytes that nobody may write.
    sequences = torch.from_numpy(ids[-need:].astype(np.int64)).view(-1, settings.context + 1)
    losses = np.empty((len(widths), len(rates)))
    for w, width in enumerate(widths):
        for r, rate in enumerate(rates):
            shape = widened(settings, width)
            losses[w, r] = np.mean([_trained(shape, sequences, rate, steps, batch, seed) for seed in range(seeds)])
            told(width, rate, float(losses[w, r]))
    return Transfer(settings.parametrization, tuple(widths), tuple(rates), losses)


def _trained(settings: ModelSettings, sequences: Tensor, rate: float, steps: int, batch: int, seed: int) -> float:
    model = Decoder(settings)
    initialise(model, seed)
    optimizer = made(model, settings, Optimizer(rate=rate, weight_decay=0.0), torch.device("cpu"))
    line = Schedule(kind="linear", warmup=0.1, floor=0.0)
    for n in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor(line, n, steps)
        objective, _ = _losses(model, sequences[n * batch : (n + 1) * batch])
        objective.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        nats = float(_losses(model, sequences[-HELD_OUT:]).tokens_BL.mean())
    return nats if np.isfinite(nats) else float("inf")


def _losses(model: Decoder, sequences: Tensor) -> Losses:
    targets = sequences[:, 1:]
    losses = model(sequences[:, :-1], targets, scale=torch.tensor(1 / targets.numel()))
    assert isinstance(losses, Losses)
    return losses
