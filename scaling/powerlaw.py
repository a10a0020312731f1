"""Laws of one quantity: loss = scale / x^exponent, with an irreducible floor or without one.

A floor changes the exponent, not just the fit: without it the slope is that of the total loss, which flattens near the
floor (Kaplan et al. 2020 have none, Henighan et al. 2020 have one). Fit both; `floor` is 0 where none was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scaling import diagnosis
from scaling.bootstrap import interval, replicates
from scaling.errors import FitError
from scaling.huber import PowerSum, solve
from scaling.runs_csv import column, refuse

DELTA = 1e-3  # Hoffmann et al. 2022, section 3.3


@dataclass(frozen=True, eq=False)
class PowerFit:
    """loss = floor + coefficient * x^-exponent, x in its raw unit; 95 % intervals by name, after a bootstrap."""

    coefficient: float
    exponent: float
    floor: float
    huber_sum: float
    points: int
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def loss(self, x: Any) -> Any:
        """Expected loss at x; arrays broadcast."""
        return self.floor + self.coefficient * np.asarray(x, np.float64) ** -self.exponent

    def times(self, factor: float) -> float:
        """What the loss above the floor is multiplied by when x grows by `factor`."""
        return float(factor**-self.exponent)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        ends = {name: list(ends) for name, ends in self.intervals.items()}
        return vars(self) | {"intervals": ends, "warnings": list(self.warnings)}


def fit_power_law(
    x: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    *,
    floor: bool = True,
    delta: float = DELTA,
    bootstraps: int = 0,
    seed: int = 0,
) -> PowerFit:
    """The law of least Huber sum in log loss. x: params, tokens or FLOPs, raw; loss: nats a token; one value a run.

    FitError for values that are not finite and positive, fewer points than constants and one, or a single x.
    """
    sizes, losses = column("x", x, "runs"), column("loss", loss, "runs")
    if len(sizes) != len(losses):
        raise FitError(f"x has {len(sizes)} values and loss {len(losses)}; one each a run is needed")
    refuse("runs", "x", ~np.isfinite(sizes) | (sizes <= 0), "not a finite number above zero")
    refuse("runs", "loss", ~np.isfinite(losses) | (losses <= 0), "not a finite number above zero")
    least = 3 + floor
    if len(np.unique(sizes)) < least:
        raise FitError(f"{len(np.unique(sizes))} different x for {least - 1} constants; {least} at least are needed")
    problem = PowerSum.of([sizes], losses, floor=floor, delta=delta)
    optimum = solve(problem)
    names = ("coefficient", *(("floor",) if floor else ()), "exponent")
    constants = dict(zip(names, map(float, problem.coefficients(optimum.theta)), strict=True))
    drawn = problem.coefficients(replicates(problem, optimum, count=bootstraps, seed=seed))
    return PowerFit(
        constants["coefficient"],
        constants["exponent"],
        constants.get("floor", 0.0),
        optimum.huber_sum,
        len(losses),
        {name: interval(values) for name, values in zip(names, drawn.T, strict=True)} if bootstraps > 1 else {},
        diagnosis.unidentified(problem, optimum, ("exponent",)) + diagnosis.at_bounds(problem, optimum.theta, names),
    )
