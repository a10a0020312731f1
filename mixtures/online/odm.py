"""Online data mixing: domains as the arms of a bandit whose reward is their training loss (Albalak et al. 2023).

EXP3 (Auer et al. 2002) with a moving average of the rewards in place of their sum, for what a domain rewards changes
as the model learns (Albalak et al. 2023, algorithm 1). After step t, of K domains,

    R_i  <-  smoothing * R_i + (1 - smoothing) * loss_i / weight_i         for the domains that the step read
    E_t   =  min(1 / K, sqrt(ln K / (K t)))
    weight_i  =  (1 - K E_t) * exp(E_(t-1) R_i) / sum_j exp(E_(t-1) R_j)  +  E_t

E_t is at once the least weight of a domain and how sharply rewards are told apart; both fade as the run goes on, so
weights drift towards equal ones. The published code (class SmoothedMeanWeightUpdater) has exp(loss) for the reward,
without the division, and weights in proportion to R instead of exp(R): another method, not offered here.

What is simpler here: the paper draws a domain for each micro-batch, here every step holds every domain by its weight,
and a loss is the mean over the domain's tokens in the step. Weights are renewed every `every` steps, not every one.
"""

from collections.abc import Sequence
from math import log, sqrt
from typing import Any

import numpy as np

SMOOTHING = 0.9
"""Of rewards: the default of the published code."""

WARMUP = 0.01
"""Share of the steps that are trained with the mixture's own weights, rewards unseen (Albalak et al. 2023)."""

EVERY = 10
"""Steps between changes of weights. The papers change them at every step; as each change is kept in every checkpoint,
100,000 steps over 20 domains would then add 15 MB to each, so 1.5 MB (scripts/bench_online.py)."""


class Odm:
    """A steerer for `trainer.run.loop.train`."""

    def __init__(self, *, warmup: int, every: int = EVERY) -> None:
        """warmup: steps before the first change of weights. every: steps between changes."""
        self.warmup, self.every = warmup, every
        self.begin(("",), np.ones(1))

    def begin(self, domains: Sequence[str], weights: np.ndarray) -> None:
        """Before the first step: the names, and the weights of the mixture, float64 [K], summing to 1."""
        self._weights = np.asarray(weights, np.float64)
        self._read = [self._weights] * 2  # what the batch of this step was read by, and that of the next one
        self._rewards = np.zeros(len(domains))
        self._rate = explored(len(domains), 0)

    def observed(self, step: int, losses: np.ndarray, tokens: np.ndarray) -> None:
        """After step 1, 2, ...: nats a token of each domain, float64 [K], NaN where the step has none of it.

        A batch is read while the step before it runs, so it has the weights of two steps ago.
        """
        read, self._read = self._read[0], [self._read[1], self._weights]
        if step <= self.warmup:
            return
        self._rewards = rewarded(self._rewards, losses, read)
        if step % self.every == 0:
            before, self._rate = self._rate, explored(len(losses), step)
            self._weights = chosen(self._rewards, before, self._rate)
            self._read[1] = self._weights

    def weights(self) -> np.ndarray:
        """Of the next sequences: float64 [K], summing to 1."""
        return self._weights

    def state_dict(self) -> dict[str, Any]:
        """Of JSON's types."""
        read = [one.tolist() for one in self._read]
        return {"weights": self._weights.tolist(), "rewards": self._rewards.tolist(), "rate": self._rate, "read": read}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._weights, self._rewards = np.array(state["weights"]), np.array(state["rewards"])
        self._rate, self._read = state["rate"], [np.array(one) for one in state["read"]]


def explored(k: int, step: int) -> float:
    """E_t, the exploration rate after `step` steps; 1 / k at first."""
    return 1 / k if step < 1 else min(1 / k, sqrt(log(k) / (k * step)))


def rewarded(rewards: np.ndarray, losses: np.ndarray, weights: np.ndarray, smoothing: float = SMOOTHING) -> np.ndarray:
    """The rewards after a step, float64 [K]; what it did not read, or read with a weight of 0, keeps its own."""
    seen = np.isfinite(losses) & (weights > 0)
    gained = np.where(seen, losses, 0.0) / np.where(seen, weights, 1.0)
    return np.where(seen, smoothing * rewards + (1 - smoothing) * gained, rewards)


def chosen(rewards: np.ndarray, before: float, now: float) -> np.ndarray:
    """The weights, float64 [K], that rewards earn at E_(t-1) and E_t. The largest reward is taken off first: it
    cancels, and exp cannot overflow."""
    grown = np.exp(before * (rewards - rewards.max()))
    return np.asarray((1 - len(rewards) * now) * grown / grown.sum() + now)
