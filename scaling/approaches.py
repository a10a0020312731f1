"""Compute-optimal allocation without a loss surface: Hoffmann et al. 2022, approaches 1 and 2. Approach 3 is fit.py.

Both find the best size N at several budgets C and fit N = k C^a; D = C / 6 N, hence D's exponent is 1 - a.

Approach 2 is biased by construction: loss along a budget is no parabola in log N unless alpha = beta, so the vertex
of a fitted one lies off the optimum, the further the wider the grid; `isoflop_bias` says by how much on a known law.
Hence the parabola sees only sizes within six times the best one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.bootstrap import interval
from scaling.errors import FitError
from scaling.laws import Chinchilla
from scaling.runs_csv import Runs, checked

BUDGETS_READ = 1500  # FLOP values at which approach 1 reads the curves: Hoffmann et al. 2022, section 3.1
WITHIN = 6.0  # times the best size. On Porian et al.'s 15 tables `a` lies 0.012 from the authors', 0.026 with all sizes


@dataclass(frozen=True, eq=False)
class AllocationFit:
    """params = scale * flops^a and tokens = flops / (6 params), with the optima behind them (arrays [K], by FLOPs).

    intervals: 95 %, of `a` and `scale`. approach: 1 (envelope) or 2 (isoFLOP).
    """

    approach: int
    a: float
    scale: float
    flops: np.ndarray
    params: np.ndarray
    loss: np.ndarray
    intervals: dict[str, tuple[float, float]]
    warnings: tuple[str, ...] = ()

    @property
    def b(self) -> float:
        """The exponent of tokens."""
        return 1 - self.a

    def optimal(self, flops: float) -> tuple[float, float]:
        """Best (params, tokens) for a budget."""
        params = self.scale * flops**self.a
        return params, flops / (6 * params)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        optima = np.stack([self.flops, self.params, self.loss], axis=1).tolist()
        return {
            "approach": self.approach, "a": self.a, "b": self.b, "scale": self.scale,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "optima": [dict(zip(("flops", "params", "loss"), optimum, strict=True)) for optimum in optima],
            "warnings": list(self.warnings),
        }  # fmt: skip


def fit_envelope(
    params: Sequence[float] | np.ndarray,
    tokens: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    *,
    run: Sequence[Hashable] | None = None,
    bootstraps: int = 200,
    seed: int = 0,
) -> AllocationFit:
    """Approach 1: at 1,500 budgets, the size whose training curve is lowest, and a power law through those.

    One row a point of a curve; run: which curve it belongs to (default: its number of parameters). A budget counts
    where the lowest curve has neighbours above and below in size, for at the edge of the sizes the minimum is not seen.
    Intervals resample whole curves. FitError with fewer than three curves, or where no minimum is interior.
    """
    runs = checked(params, tokens, loss)
    labels = np.unique(np.asarray(runs.params if run is None else [str(name) for name in run]), return_inverse=True)[1]
    if len(labels) != len(runs):
        raise FitError(f"run has {len(labels)} values and there are {len(runs)} rows")
    curves = _curves(runs, labels)
    if len(curves[0]) < 3:
        raise FitError(f"{len(curves[0])} training curves with two points or more; an envelope needs three")
    budgets = np.geomspace(runs.flops.min(), runs.flops.max(), BUDGETS_READ)
    flops, best, losses = _lowest(*curves, budgets)
    if len(np.unique(best)) < 2:
        raise FitError("no budget at which a size between the smallest and the largest is best: train more sizes")
    scale, a = _power(flops, best)
    drawn = [_envelope_resample(curves, budgets, np.random.default_rng([seed, i])) for i in range(bootstraps)]
    return AllocationFit(1, a, scale, flops, best, losses, _intervals([pair for pair in drawn if pair]))


def fit_isoflop(
    params: Sequence[float] | np.ndarray,
    tokens: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    *,
    bootstraps: int = 200,
    seed: int = 0,
) -> AllocationFit:
    """Approach 2: at each budget the vertex of a parabola of loss in log N, and a power law through the vertices.

    One row a run; runs within 25 % of a budget belong to it. A budget counts with three sizes and a vertex inside
    them; others are named in the warnings. Intervals resample the residuals of each parabola. FitError with one budget.
    """
    runs = checked(params, tokens, loss)
    budgets = runs.budgets()
    if len(budgets) < 2:
        raise FitError(f"all runs spent one compute budget, {budgets[0]:.2g} FLOPs; an isoFLOP analysis needs two, "
                       f"better three and more")  # fmt: skip
    member = np.searchsorted(budgets, runs.flops, side="right") - 1
    every = [runs.where(member == k) for k in range(len(budgets))]
    vertices = [_parabola(np.log(here.params), here.loss) for here in every]
    inside = [(here, vertex) for here, vertex in zip(every, vertices, strict=True) if vertex is not None]
    if len(inside) < 2:
        raise FitError(f"{len(inside)} of {len(budgets)} budgets have three sizes with the best one between them; two "
                       f"are needed: train sizes on both sides of the optimum")  # fmt: skip
    used = [here for here, _ in inside]
    log_params, losses = np.array([vertex for _, vertex in inside]).T
    flops = np.array([np.exp(np.log(here.flops).mean()) for here in used])
    scale, a = _power(flops, np.exp(log_params))
    drawn = [_isoflop_resample(used, flops, np.random.default_rng([seed, i])) for i in range(bootstraps)]
    left = [float(budget) for budget, vertex in zip(budgets, vertices, strict=True) if vertex is None]
    return AllocationFit(2, a, scale, flops, np.exp(log_params), losses,
                         _intervals([pair for pair in drawn if pair]), _isoflop_warnings(len(used), left))  # fmt: skip


def isoflop_bias(law: Chinchilla, flops: float, *, times: float, sizes: int = 9) -> float:
    """How far a parabola's vertex lies from the true best size on a known law: vertex / optimum - 1.

    times: the grid runs from optimum / times to optimum * times, in `sizes` log-spaced steps, without noise.
    At 1e21 FLOPs under hoffmann2022: 0.3 % at 2 times, 1.3 % at 4.
    """
    best = law.optimal(flops).params
    params = best * np.geomspace(1 / times, times, sizes)
    parabola = _parabola(np.log(params), law.loss(params, flops / (6 * params)))
    if parabola is None:
        raise FitError(f"no vertex within {times:g} times the optimum at {flops:.2g} FLOPs")
    return float(np.exp(parabola[0]) / best - 1)


def _power(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Least squares in logs: y = scale * x^exponent."""
    centre = np.log(x).mean()
    exponent, height = np.polyfit(np.log(x) - centre, np.log(y), 1)
    return float(np.exp(height - exponent * centre)), float(exponent)


def _intervals(pairs: list[tuple[float, float]]) -> dict[str, tuple[float, float]]:
    if len(pairs) < 20:
        return {}
    scale, a = np.array(pairs).T
    return {"a": interval(a), "scale": interval(scale)}


Curves = tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]


def _curves(runs: Runs, labels: np.ndarray) -> Curves:
    """Sizes ascending [K], and for each curve its log FLOPs and losses in the order of training."""
    curves = []
    for label in range(int(labels.max()) + 1):
        here = runs.where(labels == label)
        order = np.argsort(here.flops, kind="stable")
        if len(order) > 1:
            curves.append((float(here.params[0]), np.log(here.flops[order]), here.loss[order]))
    curves.sort(key=lambda curve: curve[0])
    return np.array([size for size, _, _ in curves]), [x for _, x, _ in curves], [y for _, _, y in curves]


def _lowest(
    sizes: np.ndarray, at: list[np.ndarray], losses: list[np.ndarray], budgets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Budgets with an interior minimum, the size that has it, and its loss."""
    pairs = zip(at, losses, strict=True)
    read = np.array([np.interp(np.log(budgets), x, y, left=np.inf, right=np.inf) for x, y in pairs])
    lowest = read.argmin(axis=0)
    seen = np.isfinite(read)
    inside = (sizes[lowest] > np.where(seen, sizes[:, None], np.inf).min(axis=0)) & (
        sizes[lowest] < np.where(seen, sizes[:, None], 0.0).max(axis=0)
    )
    return budgets[inside], sizes[lowest[inside]], read.min(axis=0)[inside]


def _envelope_resample(curves: Curves, budgets: np.ndarray, rng: np.random.Generator) -> tuple[float, float] | None:
    chosen = np.unique(rng.integers(len(curves[0]), size=len(curves[0])))  # a curve drawn twice is one envelope
    sizes, at, losses = curves
    flops, best, _ = _lowest(sizes[chosen], [at[i] for i in chosen], [losses[i] for i in chosen], budgets)
    return _power(flops, best) if len(np.unique(best)) > 1 else None


def _parabola(log_params: np.ndarray, loss: np.ndarray) -> tuple[float, float] | None:
    """The vertex (log N, loss) of the least-squares parabola; None unless it is a minimum within the sizes."""
    near = np.abs(log_params - log_params[loss.argmin()]) <= np.log(WITHIN) + 1e-9
    if len(np.unique(log_params[near])) >= 3:
        log_params, loss = log_params[near], loss[near]
    if len(np.unique(log_params)) < 3:
        return None
    centre = log_params.mean()
    bend, slope, height = np.polyfit(log_params - centre, loss, 2)
    if bend <= 0:
        return None
    vertex = -slope / (2 * bend)
    if not log_params.min() <= vertex + centre <= log_params.max():
        return None
    return float(vertex + centre), float(height + slope * vertex / 2)


def _isoflop_resample(used: list[Runs], flops: np.ndarray, rng: np.random.Generator) -> tuple[float, float] | None:
    """The power law through vertices of parabolas whose residuals were dealt out anew."""
    vertices = []
    for here in used:
        x = np.log(here.params) - np.log(here.params).mean()
        fitted = np.polyval(np.polyfit(x, here.loss, 2), x)
        freedom = np.sqrt(len(x) / max(len(x) - 3, 1))  # three constants took their share of the scatter
        drawn = fitted + freedom * rng.choice(here.loss - fitted, len(x))
        vertices.append(_parabola(np.log(here.params), drawn))
    kept = np.array([vertex is not None for vertex in vertices])
    if kept.sum() < 2:
        return None
    return _power(flops[kept], np.exp([vertex[0] for vertex in vertices if vertex is not None]))


def _isoflop_warnings(used: int, left: list[float]) -> tuple[str, ...]:
    found = []
    if used < 3:
        found.append(f"only {used} budgets have an interior minimum: at least 3 show whether a power law holds")
    if left:
        listed = ", ".join(f"{budget:.2g}" for budget in left[:5])
        found.append(f"{len(left)} budgets left out, their best size lies at the edge of the sizes or beyond "
                     f"({listed} FLOPs)")  # fmt: skip
    return tuple(found)
