"""The fitting problem of Hoffmann et al. 2022, and how it is solved: a sum of power terms, in logs, under Huber's loss.

    log loss  =  logsumexp_k(heights_k - exponents_k * x_k, floor),      x_k = log size_k less its mean

One term and no floor is a single power law, one term and a floor Henighan's form, two terms and a floor Chinchilla's.
Two things make the search short. Sizes are centred: uncentred, log A and alpha correlate above 0.99 and L-BFGS crawls.
And for given exponents the rest is linear, so a grid over exponents alone, solved by non-negative least squares
(variable projection, Golub and Pereyra 1973), finds every valley; BFGS then polishes the true objective.
The Huber loss is summed, never averaged, and handed to the optimiser in units of delta: the mean of 240 values of
1e-6 each lies below the optimiser's default tolerance, the bug behind the first published intervals (Besiroglu 2024).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

# Beyond these a term is constant or nil in any table of runs: exp(-20) is 2e-9 nats.
HEIGHTS = (-20.0, 5.0)  # log nats, at the mean size
EXPONENTS = (0.005, 4.0)
_AT_ONCE = 1 << 20  # numbers a column of the grid holds at once: 25 MB for all three, whatever the number of runs
_GRID = np.geomspace(0.02, 2.0, 25)  # 20 % apart; Hoffmann's own starts, 0 to 2 in steps of 0.5, are coarser


@dataclass(frozen=True, eq=False)
class PowerSum:
    """A table of runs, ready to fit.

    x: float64 [K, P], log sizes less their mean. centre: [K], that mean. log_loss: [P], log nats.
    floor: whether an irreducible term stands beside the K power terms. delta: Huber's, in log loss.
    theta, everywhere: [heights (K), floor (0 or 1), exponents (K)].
    """

    x: np.ndarray
    centre: np.ndarray
    log_loss: np.ndarray
    floor: bool
    delta: float

    @classmethod
    def of(cls, sizes: list[np.ndarray], loss: np.ndarray, *, floor: bool, delta: float) -> PowerSum:
        """The problem for raw sizes (each [P], positive) and losses ([P], positive)."""
        logs = np.log(np.stack(sizes))
        centre = logs.mean(axis=1)
        return cls(logs - centre[:, None], centre, np.log(loss), floor, delta)

    @property
    def unknowns(self) -> int:
        return 2 * len(self.x) + self.floor

    def coefficients(self, theta: np.ndarray) -> np.ndarray:
        """Raw-unit constants of theta ([..., M]): [..., M] as [coefficients (K), floor, exponents (K)], in nats."""
        terms = len(self.x)
        raw = np.array(theta, dtype=np.float64)
        raw[..., :terms] += theta[..., -terms:] * self.centre
        raw[..., :-terms] = np.exp(raw[..., :-terms])
        return raw

    def theta(self, coefficients: np.ndarray) -> np.ndarray:
        """The inverse of `coefficients`, for constants someone else published."""
        terms = len(self.x)
        theta = np.array(coefficients, dtype=np.float64)
        theta[..., :-terms] = np.log(theta[..., :-terms])
        theta[..., :terms] -= theta[..., -terms:] * self.centre
        return theta


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where a search ended: theta ([M]) and the Huber sum there."""

    theta: np.ndarray
    huber_sum: float


def huber(residuals: np.ndarray, delta: float) -> np.ndarray:
    """Huber's loss of each residual: r^2 / 2 within delta, delta * (|r| - delta / 2) beyond (Huber 1964)."""
    size = np.abs(residuals)
    return np.where(size < delta, 0.5 * residuals * residuals, delta * (size - 0.5 * delta))


def residuals(problem: PowerSum, theta: np.ndarray) -> np.ndarray:
    """Predicted less observed log loss, [P]."""
    return _predicted(problem, theta)[0] - problem.log_loss


def huber_sum(problem: PowerSum, theta: np.ndarray) -> float:
    """The objective at theta: the sum, not the mean, of Huber's loss over the runs."""
    return float(huber(residuals(problem, theta), problem.delta).sum())


def slopes(problem: PowerSum, theta: np.ndarray) -> np.ndarray:
    """What each theta does to each predicted log loss: [P, M]."""
    shares = _predicted(problem, theta)[1]
    return np.concatenate([shares, -shares[: len(problem.x)] * problem.x]).T


def _predicted(problem: PowerSum, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predicted log loss [P], and the share of each term and the floor in the loss [K + floor, P]."""
    terms = len(problem.x)
    logs = np.empty((terms + problem.floor, problem.x.shape[1]))
    logs[:terms] = theta[:terms, None] - theta[-terms:, None] * problem.x
    logs[terms:] = theta[terms:-terms, None]
    top = logs.max(axis=0)
    shares = np.exp(logs - top)
    total = shares.sum(axis=0)
    return top + np.log(total), shares / total


def polish(
    problem: PowerSum,
    start: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    hold: dict[int, float] | None = None,
    scale: float = 1.0,
) -> Optimum:
    """The nearest minimum of the Huber sum from `start`: BFGS, and L-BFGS-B where that leaves the bounds.

    weights: [P], how often each run counts (a bootstrap draws them). hold: indices of theta that stay at a value.
    scale: multiplies the objective; it must not matter, and diagnosis.py tries whether it does.
    """
    weights = np.ones(len(problem.log_loss)) if weights is None else weights
    lowest, highest = _bounds(problem)
    theta = np.clip(start, lowest, highest)
    theta[list(hold or {})] = list((hold or {}).values())
    free = np.array([index not in (hold or {}) for index in range(len(theta))])

    def objective(at: np.ndarray) -> tuple[float, np.ndarray]:
        theta[free] = at
        value, gradient = _objective(theta, problem, weights, scale / problem.delta)
        return value, gradient[free]

    # BFGS first, for it reaches the same sums to 13 digits and is numpy alone: the threads of scipy's own BLAS in
    # L-BFGS-B take ten times as long once another process wants the cores.
    with np.errstate(all="ignore"):
        found = minimize(objective, theta[free], method="BFGS", jac=True, options={"gtol": 1e-8, "maxiter": 500})
    if not (np.isfinite(found.fun) and (found.x >= lowest[free]).all() and (found.x <= highest[free]).all()):
        bounds = list(zip(lowest[free], highest[free], strict=True))
        inside = np.clip(np.nan_to_num(found.x), lowest[free], highest[free])
        found = minimize(objective, inside, method="L-BFGS-B", jac=True, bounds=bounds,
                         options={"maxcor": 20, "maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10})  # fmt: skip
    theta[free] = found.x
    return Optimum(theta, float(found.fun) * problem.delta / scale)


def _bounds(problem: PowerSum) -> np.ndarray:
    """Least and most of each theta, [2, M]."""
    terms = len(problem.x)
    return np.array([HEIGHTS] * (problem.unknowns - terms) + [EXPONENTS] * terms).T


def _objective(theta: np.ndarray, problem: PowerSum, weights: np.ndarray, scale: float) -> tuple[float, np.ndarray]:
    """The weighted Huber sum and its gradient ([M]), both times `scale`."""
    terms = len(problem.x)
    log_loss, shares = _predicted(problem, theta)
    missed = log_loss - problem.log_loss
    pull = scale * weights * np.clip(missed, -problem.delta, problem.delta)
    pulls = shares * pull
    gradient = np.concatenate([pulls.sum(axis=1), -(pulls[:terms] * problem.x).sum(axis=1)])
    return scale * float((weights * huber(missed, problem.delta)).sum()), gradient


def valleys(problem: PowerSum, weights: np.ndarray | None = None, *, most: int = 16) -> np.ndarray:
    """Starting points by variable projection: the local minima over a grid of exponents, best first, [S <= most, M].

    Squares of relative error stand in for the Huber sum here: they are near enough to find its valleys, and linear.
    """
    weights = np.ones(len(problem.log_loss)) if weights is None else weights
    terms = len(problem.x)
    grid = np.array(list(itertools.product(_GRID, repeat=terms)))  # [G, K]
    parts = np.array_split(grid, max(1, len(grid) * len(weights) // _AT_ONCE))
    solved = [_nonnegative(_columns(problem, part), problem.log_loss, weights) for part in parts]
    heights, squares = (np.concatenate(column) for column in zip(*solved, strict=True))
    order = np.argsort(squares, kind="stable")
    low = order[_local_minima(squares.reshape((len(_GRID),) * terms)).ravel()[order]]
    chosen = np.concatenate([low, order[~np.isin(order, low)]])[:most] if len(low) < 2 else low[:most]
    return np.concatenate([np.log(np.maximum(heights[chosen], np.exp(HEIGHTS[0]))), grid[chosen]], axis=1)


def _columns(problem: PowerSum, exponents: np.ndarray) -> np.ndarray:
    """What each term of height one adds to the loss, [G, P, K + floor], for exponents [G, K]."""
    terms = [np.exp(-exponents[:, k, None] * x) for k, x in enumerate(problem.x)]
    return np.stack(terms + [np.ones_like(terms[0])] * problem.floor, axis=2)


def _nonnegative(columns: np.ndarray, log_loss: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative least squares of relative error, for a whole grid at once: heights [G, C], squares [G].

    columns: [G, P, C], at most three of them, so every set of active columns is tried: 7 solves, no iteration.
    """
    relative = columns * np.exp(-log_loss)[:, None]  # a perfect fit sums to one in every row
    weighted = relative * weights[:, None]
    normal, right = np.einsum("gpc,gpd->gcd", weighted, relative), weighted.sum(axis=1)
    count = columns.shape[2]
    heights, squares = np.zeros((len(columns), count)), np.full(len(columns), np.inf)
    for size in range(1, count + 1):
        for active in map(list, itertools.combinations(range(count), size)):
            ridge = 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(size)
            found = np.linalg.solve(normal[:, active][:, :, active] + ridge, right[:, active, None])[..., 0]
            error = weights.sum() - (found * right[:, active]).sum(axis=1)
            better = (found >= 0).all(axis=1) & (error < squares)
            squares[better] = error[better]
            heights[better] = 0.0
            heights[np.ix_(better, active)] = found[better]
    return heights, squares


def _local_minima(values: np.ndarray) -> np.ndarray:
    """Where no neighbour along an axis is lower, of a grid's values."""
    low = np.ones(values.shape, dtype=bool)
    for axis in range(values.ndim):
        steps = np.diff(values, axis=axis)
        edge = np.zeros_like(np.take(values, [0], axis=axis))
        low &= np.concatenate([steps, edge], axis=axis) >= 0
        low &= np.concatenate([edge, -steps], axis=axis) >= 0
    return low


def solve(problem: PowerSum, *, starts: int = 16) -> Optimum:
    """The least Huber sum reached from `starts` points: the valleys of the grid, each polished. Deterministic."""
    return min((polish(problem, start) for start in valleys(problem, most=starts)), key=lambda found: found.huber_sum)
