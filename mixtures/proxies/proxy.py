"""A proxy: a small run on one mixture with one seed, and what it came to in each domain.

Proxies that are compared differ in their weights alone: model, tokens, batch, rate and held-out documents are those of
one set of settings, and the same seed begins with the same weights of the model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any, Protocol

from corpus.interleave import LEAST
from trainer.jobs.workers import Done, name_of
from trainer.run.settings import TrainSettings
from trainer.sweep.shapes import size

BITS, NATS = "bits a byte", "nats a token"


@dataclass(frozen=True)
class Proxy:
    """A job of trainer/jobs/workers.py."""

    run: str  # as tables of runs name it
    weights: dict[str, float]  # by domain, all of them
    settings: TrainSettings  # with the weights and the seed

    @property
    def name(self) -> str:
        """Of its folder."""
        return name_of(self.run, self.settings)

    @property
    def flops(self) -> float:
        """Of its training, attention included."""
        return 6 * size(self.settings.model) * self.settings.budget  # N counts the work of attention's scores as well


def proxy(run: str, weights: Mapping[str, float], settings: TrainSettings, seed: int) -> Proxy:
    """The proxy of a mixture. settings: of all that are compared.

    run: names a folder: letters, digits, `-`, `_` and `.`. Weights of which no sequence would come are 0.
    """
    whole = fsum(weights.values())
    kept = {name: weight if weight * LEAST >= whole else 0.0 for name, weight in sorted(weights.items())}
    own = {"mixture": {name: weight for name, weight in kept.items() if weight}, "seed": seed}
    return Proxy(run, dict(sorted(weights.items())), settings.model_copy(update=own))


def losses(done: Done[Any]) -> dict[str, float]:
    """By domain, on held-out documents: bits a byte where the bytes of all are known, else nats a token; {} of none."""
    kind = "loss" if unit(done) == NATS else "bits_per_byte"
    return {name: float(one[kind]) for name, one in sorted(done.domains.items())}


def unit(done: Done[Any]) -> str:
    """What `losses` are in. Bytes are known where the tokenizer lies with the tokens."""
    return BITS if done.domains and all(one["bytes"] for one in done.domains.values()) else NATS


def flops(done: Done[Proxy]) -> float:
    """Of the tokens that it was trained on."""
    return done.job.flops * done.tokens / done.job.settings.budget


class Pool(Protocol):
    """What trains proxies: trainer/jobs/workers.py on this machine, ray_tasks.py on a cluster."""

    def __call__(
        self, folder: Path, jobs: Sequence[Proxy], told: Callable[[Done[Proxy]], None] = ...
    ) -> list[Done[Proxy]]:
        """What came of them, in their order; what is done is not done again. told: called with each as it ends."""
