"""The best learning rate and batch over a sweep, as power laws of parameters and tokens: step law's question.

Li et al. 2025, arXiv 2503.04715: learning rate = c N^p D^q, batch tokens = d D^r. The minimum of a loss grid is as
coarse as the grid (steps of 1.4 in rate, up to 2 in batch) and noisy; a quadratic through the runs near it is neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.bootstrap import interval
from scaling.errors import FitError
from scaling.runs_csv import column, refuse

NEAR = 0.02  # of the least loss of a sweep: the bowl is quadratic there, and 15 to 60 of step law's 120 runs lie in it


@dataclass(frozen=True)
class HyperparameterFit:
    """rate = rate_scale * N^rate_params * D^rate_tokens; batch tokens = batch_scale * D^batch_tokens.

    sweeps: how many (N, D) had an optimum inside their grid. intervals: 95 %, resampling whole sweeps.
    """

    rate_scale: float
    rate_params: float
    rate_tokens: float
    batch_scale: float
    batch_tokens: float
    sweeps: int
    intervals: dict[str, tuple[float, float]]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return vars(self) | {"intervals": {name: list(ends) for name, ends in self.intervals.items()}}


def fit_hyperparameters(
    params: Sequence[float] | np.ndarray,
    tokens: Sequence[float] | np.ndarray,
    rate: Sequence[float] | np.ndarray,
    batch_tokens: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    *,
    bootstraps: int = 1000,
    seed: int = 0,
) -> HyperparameterFit:
    """Power laws through the optima of the sweeps, one sweep for each pair (params, tokens); one row a run.

    FitError with values not above zero, or fewer than four sweeps with an optimum inside their grid.
    """
    given = {"params": params, "tokens": tokens, "rate": rate, "batch_tokens": batch_tokens, "loss": loss}
    raw = {name: column(name, values, "sweep") for name, values in given.items()}
    for name, values in raw.items():
        refuse("sweep", name, ~np.isfinite(values) | (values <= 0), "not a finite number above zero")
    optima = np.array(_optima(np.log(np.stack(list(raw.values())))))
    if len(optima) < 4:
        raise FitError(f"{len(optima)} sweeps have their optimum inside the grid; four are needed, at several sizes")
    rng = np.random.default_rng(seed)
    drawn = [_regressed(optima[rng.integers(len(optima), size=len(optima))]) for _ in range(bootstraps)]
    names = ("rate_scale", "rate_params", "rate_tokens", "batch_scale", "batch_tokens")
    spread = np.array(drawn).reshape(-1, 5).T
    ends = {name: interval(values) for name, values in zip(names, spread, strict=True)} if bootstraps > 1 else {}
    rate_scale, rate_params, rate_tokens, batch_scale, batch_exponent = map(float, _regressed(optima))
    return HyperparameterFit(
        rate_scale, rate_params, rate_tokens, batch_scale, batch_exponent, sweeps=len(optima), intervals=ends
    )


def _optima(logs: np.ndarray) -> list[np.ndarray]:
    """(log N, log D, log rate, log batch) at the vertex of each sweep's bowl; sweeps without one are left out."""
    _, sweep = np.unique(logs[:2], axis=1, return_inverse=True)
    found = []
    for k in range(int(sweep.max()) + 1):
        here = logs[:, sweep == k]
        here = here[:, here[4] <= here[4].min() + NEAR]
        vertex = _vertex(here[2:4], here[4])
        if vertex is not None:
            found.append(np.concatenate([here[:2, 0], vertex]))
    return found


def _vertex(at: np.ndarray, log_loss: np.ndarray) -> np.ndarray | None:
    """The minimum of the least-squares quadratic over the plane, [2]; None unless it is one, inside the points."""
    if at.shape[1] < 7:  # six constants
        return None
    centre = at.mean(axis=1, keepdims=True)
    x, y = at - centre
    _, *slope, xx, xy, yy = np.linalg.lstsq(np.stack([x**0, x, y, x * x, x * y, y * y], 1), log_loss, rcond=None)[0]
    bend = np.array([[2 * xx, xy], [xy, 2 * yy]])
    if np.linalg.eigvalsh(bend).min() <= 0:
        return None
    vertex = np.linalg.solve(bend, -np.array(slope)) + centre[:, 0]
    inside = (vertex >= at.min(axis=1)) & (vertex <= at.max(axis=1))
    return vertex if inside.all() else None


def _regressed(optima: np.ndarray) -> np.ndarray:
    """The five constants by least squares in logs, of optima [K, 4]."""
    n, d, rate, batch = optima.T
    ones = np.ones(len(n))
    rates = np.linalg.lstsq(np.stack([ones, n, d], 1), rate, rcond=None)[0]
    batches = np.linalg.lstsq(np.stack([ones, d], 1), batch, rcond=None)[0]
    return np.array([np.exp(rates[0]), *rates[1:], np.exp(batches[0]), batches[1]])
