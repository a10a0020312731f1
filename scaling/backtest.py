"""Would the law have foretold it: fit on the runs below a budget, predict those above."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scaling.errors import FitError
from scaling.fit import fit_chinchilla
from scaling.runs_csv import checked


class Predicts(Protocol):
    """Any fitted law: something with a loss."""

    def loss(self, params: Any, tokens: Any) -> Any: ...


Fitter = Callable[[np.ndarray, np.ndarray, np.ndarray], Predicts]


@dataclass(frozen=True, eq=False)
class Backtest:
    """Held-out runs (arrays [H], by FLOPs) and what the fit to the smaller ones said of them.

    error: predicted / observed - 1. reach: the largest held-out budget over the largest fitted.
    """

    fit: Predicts
    points: int
    below: float
    reach: float
    params: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray
    predicted: np.ndarray

    @property
    def error(self) -> np.ndarray:
        return self.predicted / self.loss - 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        names = ("params", "tokens", "loss", "predicted", "error")
        rows = np.stack([getattr(self, name) for name in names], axis=1).tolist()
        return {
            "below_flops": self.below, "points": self.points, "reach": self.reach,
            "mean_absolute_error": float(np.abs(self.error).mean()), "worst_error": float(np.abs(self.error).max()),
            "held_out": [dict(zip(names, row, strict=True)) for row in rows],
        }  # fmt: skip


def backtest(
    params: Sequence[float] | np.ndarray,
    tokens: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    *,
    below: float,
    fitter: Fitter = fit_chinchilla,
) -> Backtest:
    """Fit on runs of at most `below` FLOPs (6 N D), predict the others.

    fitter: what makes a law of (params, tokens, loss). FitError where either side is empty or the fit refuses.
    """
    runs = checked(params, tokens, loss)
    runs = runs.where(np.argsort(runs.flops, kind="stable"))
    small = runs.flops <= below
    if small.all() or not small.any():
        raise FitError(
            f"{int(small.sum())} of {len(runs)} runs spent {below:.3g} FLOPs or less: a back-test needs runs on both "
            f"sides; they span {runs.flops.min():.3g} to {runs.flops.max():.3g}"
        )
    fitted, held = runs.where(small), runs.where(~small)
    fit = fitter(fitted.params, fitted.tokens, fitted.loss)
    reach = float(held.flops[-1] / fitted.flops[-1])
    predicted = np.asarray(fit.loss(held.params, held.tokens))
    return Backtest(fit, len(fitted), below, reach, held.params, held.tokens, held.loss, predicted)
