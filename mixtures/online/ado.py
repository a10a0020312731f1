"""Adaptive data optimization: more of the domains whose loss still falls fast (Jiang et al. 2024), in one run.

For each domain a power law of its training loss in the tokens n that the model has seen of all domains,
loss(n) = floor + height * n^-exponent, is fitted on the way; its slope is how fast the domain is being learned. The
preference for a domain is

    mixture's own weight  *  (its share of late, smoothed) ^ 0.5  *  -d loss / d n

normalised, and at least `LEAST`: the middle factor is the credit, for a domain that got little can hardly have earned
its own slope. Weights are 0.1 of the preference and 0.9 of its mean over all steps so far.

Every constant is that of the published code (src/data_selectors/ado.py and the configurations beside it) but for
these, which make this a relative of it. Losses are means over bins of steps, at most 256 of them, where the code keeps
every step and takes every tenth of a Savitzky-Golay filter's: a checkpoint holds them. The fit begins from the
valleys of a grid of exponents (scaling/huber.py), not from a grid of 512 points. And the code holds fitted exponents
above 0.05 when it takes slopes and fitted floors above exp(0.5) nats, which suits natural text in a large model: with a
loss that does not fall at all such a slope would grow with the loss itself, and noise be preferred. Here the slope is
the fitted curve's own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtures.online.odm import EVERY
from scaling.huber import PowerSum, solve

REFIT = 1 / 60
"""Share of the steps between fits, and of those at the beginning that no fit sees: 1,000 of 60,000."""

CREDIT = 0.5
"""Exponent of the smoothed share."""

HISTORY = 0.9
"""Of that share, what stays at each step."""

SMOOTHING = 0.9
"""Of the weights, what is the mean preference of all steps so far."""

LEAST = 0.01
"""Of any preference before it is normalised again; less where there are more than 50 domains, half an equal share."""

DELTA = 1e-3
"""Huber's, in log loss, as of Hoffmann et al. 2022."""

STARTS = 2
"""Valleys that a fit begins from, the best first. 16 found no better optimum on planted curves, in ten times the
time; 2 take 10 to 20 ms for a law that is there, 0.2 s for noise alone (scripts/bench_online.py)."""

BINS = 256
FEWEST = 6  # bins that a fit needs: two for each of its three unknowns


class Ado:
    """A steerer for `trainer.run.loop.train`."""

    def __init__(self, *, refit: int, every: int = EVERY) -> None:
        """refit: steps between fits; the first so many are not looked at, and the first fit is made after as many more,
        or when there are enough of them. every: steps between changes of weights."""
        self.refit, self.every = refit, every
        self.begin(("",), np.ones(1))

    def begin(self, domains: Sequence[str], weights: np.ndarray) -> None:
        """Before the first step: the names, and the weights of the mixture, float64 [K], summing to 1."""
        self.losses = Losses(len(domains))
        self._prior = self._weights = self._mean = self._recent = np.asarray(weights, np.float64)
        self._slopes: np.ndarray | None = None  # height * exponent and exponent of each law, [2, K]
        self._read = 0.0

    def observed(self, step: int, losses: np.ndarray, tokens: np.ndarray) -> None:
        """After step 1, 2, ...: nats a token of each domain, float64 [K], NaN where the step has none of it; and how
        many tokens those were."""
        self._read += float(tokens.sum())
        self._recent = HISTORY * self._recent + (1 - HISTORY) * tokens / max(1.0, tokens.sum())
        if step > self.refit:
            self.losses.add(self._read, losses, tokens)
        if step > self.refit and step % self.refit == 0 and self.losses.bins >= FEWEST:
            self._slopes = np.array([sloped(*self.losses.of(d)) for d in range(len(losses))]).T
        if self._slopes is not None:
            self._followed(step, preferred(self._prior, self._recent, self._slopes, self._read))

    def _followed(self, step: int, preference: np.ndarray) -> None:
        if step % self.every == 0:
            self._weights = SMOOTHING * self._mean + (1 - SMOOTHING) * preference
        self._mean = self._mean + (preference - self._mean) / (step + 1)

    def weights(self) -> np.ndarray:
        """Of the next sequences: float64 [K], summing to 1."""
        return self._weights

    def state_dict(self) -> dict[str, Any]:
        """Of JSON's types."""
        arrays = {"prior": self._prior, "weights": self._weights, "mean": self._mean, "recent": self._recent}
        slopes = None if self._slopes is None else self._slopes.tolist()
        named = {name: array.tolist() for name, array in arrays.items()}
        return named | {"slopes": slopes, "read": self._read, "losses": self.losses.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        names = ("prior", "weights", "mean", "recent")
        self._prior, self._weights, self._mean, self._recent = (np.array(state[name]) for name in names)
        self._slopes = None if state["slopes"] is None else np.array(state["slopes"])
        self._read = state["read"]
        self.losses.load_state_dict(state["losses"])


class Losses:
    """Each domain's losses so far, as means over bins of equally many steps; at 256 bins neighbours are joined."""

    def __init__(self, k: int) -> None:
        self.width = 1  # steps a bin
        self._steps = 0  # in the last bin
        self._sums = np.zeros((0, 1 + 2 * k))  # places, nats of each, tokens of each

    @property
    def bins(self) -> int:
        """That are full."""
        return len(self._sums) - (self._steps < self.width)

    def add(self, read: float, losses: np.ndarray, tokens: np.ndarray) -> None:
        """A step, after which the model had seen `read` tokens."""
        seen = np.isfinite(losses) & (tokens > 0)
        own = np.concatenate(([read], np.where(seen, losses, 0.0) * tokens, np.where(seen, tokens, 0.0)))
        if self._steps == 0 or self._steps == self.width:
            self._sums, self._steps = np.concatenate((self._sums, np.zeros((1, len(own))))), 0
        self._sums[-1] += own
        self._steps += 1
        if len(self._sums) == BINS and self._steps == self.width:
            self._sums, self.width = self._sums[::2] + self._sums[1::2], 2 * self.width
            self._steps = self.width

    def of(self, domain: int) -> tuple[np.ndarray, np.ndarray]:
        """Of the full bins with tokens of the domain: tokens of all that were seen, nats a token; float64 [P] both."""
        k = self._sums.shape[1] // 2
        full = self._sums[: self.bins]
        kept = full[full[:, 1 + k + domain] > 0]
        return kept[:, 0] / self.width, kept[:, 1 + domain] / kept[:, 1 + k + domain]

    def state_dict(self) -> dict[str, Any]:
        """Of JSON's types."""
        return {"width": self.width, "steps": self._steps, "sums": self._sums.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.width, self._steps = state["width"], state["steps"]
        self._sums = np.array(state["sums"], np.float64).reshape(-1, self._sums.shape[1])


def sloped(read: np.ndarray, losses: np.ndarray) -> tuple[float, float]:
    """Of the law through losses [P] at these numbers of tokens: height * exponent, nats, and the exponent.

    0 and 0 for fewer than `FEWEST` points, or one that is not above 0: such a domain has no slope yet.
    """
    height, _, exponent = fitted(read, losses)
    return height * exponent, exponent


def fitted(read: np.ndarray, losses: np.ndarray) -> tuple[float, float, float]:
    """Height, floor (both nats) and exponent of the law through losses [P]; zeros where `sloped` says."""
    if len(losses) < FEWEST or not (losses > 0).all():
        return 0.0, 0.0, 0.0
    problem = PowerSum.of([read], losses, floor=True, delta=DELTA)
    height, floor, exponent = problem.coefficients(solve(problem, starts=STARTS).theta)
    return float(height), float(floor), float(exponent)


def preferred(prior: np.ndarray, recent: np.ndarray, slopes: np.ndarray, read: float) -> np.ndarray:
    """The preference for each domain, float64 [K], summing to 1. slopes: of `sloped`, [2, K]. read: tokens so far."""
    falls = slopes[0] * np.power(read, -slopes[1])  # times 1 / read, which cancels
    wanted = prior * recent**CREDIT * falls
    share = wanted / wanted.sum() if 0 < wanted.sum() < np.inf else prior
    least = np.maximum(share, min(LEAST, 0.5 / len(share)) * (prior > 0))
    return np.asarray(least / least.sum())
