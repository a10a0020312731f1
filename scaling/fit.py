"""The parametric law L = E + A / N^alpha + B / D^beta, fitted to runs: Hoffmann et al. 2022, approach 3, done soundly.

    fit = fit_chinchilla(params, tokens, loss, bootstraps=1000)
    fit.law().optimal(1e23), fit.intervals["a"], fit.warnings

The valley is flat: A 478 and A 406 may fit the same runs equally well, so judge two fits by their objectives and
predictions (`against`), never by A and B. Checking a fit's search is diagnosis.py, its spread bootstrap.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scaling import diagnosis
from scaling.bootstrap import interval, replicates
from scaling.errors import FitError
from scaling.huber import Optimum, PowerSum, huber_sum, residuals, solve
from scaling.laws import Chinchilla
from scaling.runs_csv import Runs, checked, distinct

DELTA = 1e-3  # Hoffmann et al. 2022, section 3.3
CONSTANTS = ("A", "B", "E", "alpha", "beta")
NEAR = 0.01  # of the least Huber sum; drawing 240 other runs moves it by 8 % (one standard deviation)


@dataclass(frozen=True)
class Comparison:
    """Someone else's constants on the same runs. huber_sum: the objective there. excess: over the fit's, as a share.

    near_equal: within 1 %, so these runs do not tell the two apart. inside: whether the excess is one that 95 % of the
    bootstrap's fits stay below; None without a bootstrap. most_apart: the largest relative gap of the two predictions.
    """

    name: str
    huber_sum: float
    excess: float
    most_apart: float
    near_equal: bool
    inside: bool | None


@dataclass(frozen=True, eq=False)
class Fit:
    """Fitted constants, in raw parameters, tokens and nats; 95 % intervals and standard errors by name, `a` too."""

    A: float
    B: float
    E: float
    alpha: float
    beta: float
    huber_sum: float
    points: int
    delta: float
    fitted: tuple[float, float]  # FLOPs of the least and the largest run
    ratios: tuple[float, float]  # tokens per parameter of those runs, least and most
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    covariance: tuple[tuple[float, ...], ...] | None = None  # of (ln A, ln B, ln E, alpha, beta), from the bootstrap
    against: tuple[Comparison, ...] = ()
    warnings: tuple[str, ...] = ()
    residuals: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)  # predicted less observed log loss
    replicates: np.ndarray = field(default_factory=lambda: np.zeros((0, 5)), repr=False)  # [bootstraps, CONSTANTS]

    @property
    def a(self) -> float:
        """The exponent of compute-optimal parameters, beta / (alpha + beta): Hoffmann et al. 2022, equation 4."""
        return self.beta / (self.alpha + self.beta)

    def loss(self, params: Any, tokens: Any) -> Any:
        """Expected loss, nats a token; arrays broadcast."""
        return _loss([getattr(self, name) for name in CONSTANTS], params, tokens)

    def loss_interval(self, params: float, tokens: float, *, of: str = "law") -> tuple[float, float]:
        """Where the loss lies in 95 %: `of="law"` the expected one, `of="run"` a new run's, its scatter included.

        FitError without a bootstrap.
        """
        if not len(self.replicates):
            raise FitError("an interval needs a bootstrap: fit with bootstraps=1000")
        losses = _loss(self.replicates.T, params, tokens)
        if of == "run":  # the seed is fixed: the interval is a property of the fit
            losses = losses * np.exp(-np.random.default_rng(0).choice(self.residuals, len(losses)))
        return interval(losses)

    def law(self, name: str = "fitted") -> Chinchilla:
        """The fit as a law, for budgets and comparisons."""
        source = f"fitted on {self.points} runs"
        return Chinchilla(
            self.E, self.A, self.B, self.alpha, self.beta, covariance=self.covariance,
            name=name, source=source, fitted=self.fitted, ratios=self.ratios,
        )  # fmt: skip

    def extrapolates(self, params: float, tokens: float) -> tuple[str, ...]:
        """Warnings for a plan far from the runs of this fit."""
        return diagnosis.extrapolation(self.fitted, self.ratios, params, tokens)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, as `winnow fit --json` prints them and `scaling.table.fitted_law` reads them."""
        constants = {name: getattr(self, name) for name in CONSTANTS}
        return constants | {
            "huber_sum": self.huber_sum,
            "points": self.points,
            "a": self.a,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "standard_errors": dict(self.standard_errors),
            "covariance": None if self.covariance is None else [list(row) for row in self.covariance],
            "fitted": list(self.fitted),
            "ratios": list(self.ratios),
            "against": [vars(comparison) for comparison in self.against],
            "warnings": list(self.warnings),
        }


def fit_chinchilla(
    params: Sequence[float] | np.ndarray,
    tokens: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    *,
    delta: float = DELTA,
    starts: int = 16,
    bootstraps: int = 0,
    seed: int = 0,
    against: Mapping[str, Chinchilla] | None = None,
) -> Fit:
    """The constants of least Huber sum over all runs. 0.2 s for 240 runs, and 5 ms more for each bootstrap.

    params, tokens: raw counts; loss: nats a token; one value a run. delta: Huber's, in log loss. starts: how many
    valleys are searched (the search is deterministic). bootstraps: 1,000 for 95 % intervals, drawn from `seed`.
    against: other constants to judge on the same runs. FitError where the runs cannot be fitted: see `checked`, and
    fewer than six runs, three sizes, three token counts or two budgets.
    """
    return fit_runs(checked(params, tokens, loss), delta=delta, starts=starts, bootstraps=bootstraps, seed=seed,
                    against=against)  # fmt: skip


def fit_runs(
    runs: Runs,
    *,
    delta: float = DELTA,
    starts: int = 16,
    bootstraps: int = 0,
    seed: int = 0,
    against: Mapping[str, Chinchilla] | None = None,
) -> Fit:
    """`fit_chinchilla` for runs already checked, such as those of `read_runs`."""
    _require_spread(runs)
    if not 0 < delta < 1 or starts < 1 or bootstraps < 0:
        raise FitError(f"delta {delta:g}, starts {starts}, bootstraps {bootstraps}: delta in (0, 1), starts >= 1")
    problem = PowerSum.of([runs.params, runs.tokens], runs.loss, floor=True, delta=delta)
    optimum = solve(problem, starts=starts)
    spread = replicates(problem, optimum, count=bootstraps, seed=seed)
    constants, drawn = problem.coefficients(optimum.theta), problem.coefficients(spread)
    A, B, E, alpha, beta = map(float, constants)
    return Fit(
        A=A,
        B=B,
        E=E,
        alpha=alpha,
        beta=beta,
        huber_sum=optimum.huber_sum,
        points=len(runs),
        delta=delta,
        fitted=(float(runs.flops.min()), float(runs.flops.max())),
        ratios=(float((runs.tokens / runs.params).min()), float((runs.tokens / runs.params).max())),
        **_spread(drawn),
        against=_compared(problem, optimum, spread, runs, constants, against or {}),
        warnings=runs.warnings + _warnings(problem, optimum, runs, bootstraps),
        residuals=residuals(problem, optimum.theta),
        replicates=drawn,
    )


def objective(
    params: Sequence[float] | np.ndarray,
    tokens: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    law: Chinchilla,
    *,
    delta: float = DELTA,
) -> float:
    """The Huber sum of given constants on given runs: how well someone else's law fits them."""
    runs = checked(params, tokens, loss)
    problem = PowerSum.of([runs.params, runs.tokens], runs.loss, floor=True, delta=delta)
    return huber_sum(problem, _theta(problem, law))


def _loss(constants: Any, params: Any, tokens: Any) -> Any:
    A, B, E, alpha, beta = constants
    return E + A * np.asarray(params, np.float64) ** -alpha + B * np.asarray(tokens, np.float64) ** -beta


def _theta(problem: PowerSum, law: Chinchilla) -> np.ndarray:
    return problem.theta(np.array([law.A, law.B, max(law.E, 1e-9), law.alpha, law.beta]))


def _require_spread(runs: Runs) -> None:
    """FitError where five constants cannot come of these runs: fewer than six, of two sizes, or of one budget."""
    budgets = runs.budgets()
    if len(budgets) < 2:
        raise FitError(
            f"{runs.source}: all {len(runs)} runs spent one compute budget, {budgets[0]:.2g} FLOPs; a law of scale "
            f"needs two at least, and three to be checked"
        )
    for name, values in (("model sizes", runs.params), ("token counts", runs.tokens)):
        levels = len(distinct(values, 1.01))
        if levels < 3:
            raise FitError(f"{runs.source}: {levels} different {name}; a term and a floor need three at least")
    if len(runs) < 6:
        raise FitError(f"{runs.source}: {len(runs)} runs for five constants; six are needed, and twenty to be sure")


def _spread(drawn: np.ndarray) -> dict[str, Any]:
    """Intervals, standard errors and covariance of the bootstrap's constants [R, 5]."""
    if len(drawn) < 2:
        return {}
    named = dict(zip(CONSTANTS, drawn.T, strict=True))
    named["a"] = drawn[:, 4] / (drawn[:, 3] + drawn[:, 4])
    logs = np.concatenate([np.log(drawn[:, :3]), drawn[:, 3:]], axis=1)
    return {
        "intervals": {name: interval(values) for name, values in named.items()},
        "standard_errors": {name: float(values.std(ddof=1)) for name, values in named.items()},
        "covariance": tuple(tuple(map(float, row)) for row in np.cov(logs.T)),
    }


def _compared(
    problem: PowerSum,
    optimum: Optimum,
    spread: np.ndarray,
    runs: Runs,
    constants: np.ndarray,
    against: Mapping[str, Chinchilla],
) -> tuple[Comparison, ...]:
    """Each law of `against` on the same runs; `inside` asks where 95 % of the bootstrap's own fits end."""
    sums = [huber_sum(problem, theta) for theta in spread]
    furthest = float(np.quantile(sums, 0.95)) if len(sums) > 1 else None
    ours = _loss(constants, runs.params, runs.tokens)
    found = []
    for name, law in against.items():
        theirs = huber_sum(problem, _theta(problem, law))
        excess = theirs / optimum.huber_sum - 1
        apart = float(np.abs(law.loss(runs.params, runs.tokens) / ours - 1).max())
        inside = None if furthest is None else bool(theirs <= furthest)
        found.append(Comparison(name, theirs, excess, apart, bool(excess <= NEAR), inside))
    return tuple(found)


def _warnings(problem: PowerSum, optimum: Optimum, runs: Runs, bootstraps: int) -> tuple[str, ...]:
    few = (f"{bootstraps} bootstraps: the ends of a 95 % interval take 200 at least, better 1,000",)
    return (
        *diagnosis.few_budgets(runs),
        *diagnosis.unidentified(problem, optimum, ("alpha", "beta")),
        *diagnosis.at_bounds(problem, optimum.theta, CONSTANTS),
        *diagnosis.unsettled(problem, optimum.theta),
        *diagnosis.outliers(problem, optimum.theta),
        *(few if 0 < bootstraps < 200 else ()),
    )
