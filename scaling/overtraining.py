"""The over-training law of Gadre et al. 2024 (arXiv 2403.08540), fitted as the authors fit it.

Their five small runs (four at 20 tokens per parameter, one at 320) foretell the loss of their two largest within
0.71 % and 0.73 % on RedPajama, and miss by 4.3 % on C4: backtest.py shows such errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from scaling.errors import FitError
from scaling.huber import EXPONENTS
from scaling.runs_csv import checked


@dataclass(frozen=True)
class OvertrainingFit:
    """L = E + (a M^eta + b M^-eta) C^-eta, M = D / N: Gadre et al. 2024, equation 4.

    The same surface as E + A / N^alpha + B / D^alpha with eta = alpha / 2, a = A 6^eta and b = B 6^eta.
    """

    E: float
    a: float
    b: float
    eta: float
    points: int

    def loss(self, params: Any, tokens: Any) -> Any:
        """Expected loss, nats a token; arrays broadcast."""
        params, tokens = np.asarray(params, np.float64), np.asarray(tokens, np.float64)
        ratio, flops = tokens / params, 6 * params * tokens
        return self.E + (self.a * ratio**self.eta + self.b * ratio**-self.eta) * flops**-self.eta


def fit_overtraining(
    params: Sequence[float] | np.ndarray,
    tokens: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
) -> OvertrainingFit:
    """Least squares in loss, as the authors fit it. Four constants from as few as five runs, over two ratios or more.

    For a given exponent the rest is linear, so the search is over one number. FitError below five runs or two ratios.
    """
    runs = checked(params, tokens, loss)
    ratios = np.log(runs.tokens / runs.params)
    if len(runs) < 5 or np.ptp(ratios) < 0.01:
        raise FitError(f"{len(runs)} runs of tokens-per-parameter ratios {np.exp(ratios.min()):.4g} to "
                       f"{np.exp(ratios.max()):.4g}; five runs and two ratios are needed")  # fmt: skip
    logs = np.log(np.stack([runs.params, runs.tokens]))
    centre = logs.mean(axis=1, keepdims=True)

    def linear(alpha: float) -> tuple[np.ndarray, float]:
        columns = np.vstack([np.exp(-alpha * (logs - centre)), np.ones(len(runs))]).T
        heights = np.linalg.lstsq(columns, runs.loss, rcond=None)[0]
        return heights, float(np.square(columns @ heights - runs.loss).sum())

    grid = np.geomspace(*EXPONENTS, 200)  # the squares may have several valleys: the bracket is the lowest's
    low = int(np.clip(np.argmin([linear(alpha)[1] for alpha in grid]), 1, len(grid) - 2))
    alpha = float(minimize_scalar(lambda at: linear(at)[1], bounds=(grid[low - 1], grid[low + 1]), method="bounded",
                                  options={"xatol": 1e-12}).x)  # fmt: skip
    (height_n, height_d, floor), _ = linear(alpha)
    A, B = height_n * np.exp(alpha * centre[0, 0]), height_d * np.exp(alpha * centre[1, 0])
    return OvertrainingFit(float(floor), float(A * 6 ** (alpha / 2)), float(B * 6 ** (alpha / 2)), alpha / 2, len(runs))
