"""What a fit cannot say by itself: exponents the runs do not settle, too few budgets, an optimiser that stopped early.

Each question is asked of the data anew (a refit, a profile) rather than read off the fit, and answered with a
sentence for the reader, or with none.
"""

from __future__ import annotations

import numpy as np

from scaling.huber import EXPONENTS, HEIGHTS, Optimum, PowerSum, huber_sum, polish, residuals
from scaling.runs_csv import Runs

FEW_BUDGETS = 3
FAR = 10.0  # times the largest budget fitted; Hoffmann's own extrapolation to Gopher's budget was 190 times
MOVED = 0.01  # of an exponent, from one more search at another scale and tolerance
_NOISE = 1e-6  # log loss: what rounding of a printed loss leaves at least, for fits that are otherwise perfect
_OUTLIER = (
    20.0  # times the median residual: of the 245 Chinchilla runs four lie at 20 to 69, of the 240 kept none above 16
)


def few_budgets(runs: Runs) -> tuple[str, ...]:
    """A warning below three distinct compute budgets: two cannot show a curve."""
    budgets = runs.budgets()
    if len(budgets) >= FEW_BUDGETS:
        return ()
    listed = ", ".join(f"{flops:.2g}" for flops in budgets)
    return (f"only {len(budgets)} compute budgets ({listed} FLOPs): at least {FEW_BUDGETS} show whether a law holds",)


def unidentified(problem: PowerSum, optimum: Optimum, names: tuple[str, ...]) -> tuple[str, ...]:
    """A warning for each exponent that can move by a quarter while the others make up for it.

    The profile of the Huber sum, read as a Laplace likelihood: within chance while 2 P ln(sum / least) < 3.84.
    """
    points = problem.x.shape[1]
    allowed = (optimum.huber_sum + points * _NOISE**2 / 2) * np.exp(3.84 / (2 * points))
    found = []
    for k, name in enumerate(names):
        index = problem.unknowns - len(names) + k
        exponent = float(optimum.theta[index])
        moved = [_moved(problem, optimum, index, exponent * by) for by in (0.8, 1.25)]
        if min(moved) < allowed:
            found.append(
                f"{name} = {exponent:.3g} is not identified: a quarter more or less fits these runs as well"
                f"{_why(problem)}; vary parameters and tokens independently, over a wider range"
            )
    return tuple(found)


def _moved(problem: PowerSum, optimum: Optimum, index: int, exponent: float) -> float:
    """The least Huber sum with one exponent held elsewhere."""
    held = float(np.clip(exponent, *EXPONENTS))
    return polish(problem, optimum.theta, hold={index: held}).huber_sum


def _why(problem: PowerSum) -> str:
    if len(problem.x) < 2:
        return ""
    tied = float(np.corrcoef(problem.x)[0, 1])
    if abs(tied) < 0.95:
        return ""
    return f" (their parameters and tokens move together, correlation {tied:.2f}, as on a frontier)"


def at_bounds(problem: PowerSum, theta: np.ndarray, names: tuple[str, ...]) -> tuple[str, ...]:
    """A warning for each constant that ran to the end of its range: the runs do not ask for that term."""
    heights, exponents = theta[: -len(problem.x)], theta[-len(problem.x) :]
    low, high = EXPONENTS
    ends = [*(heights < HEIGHTS[0] + 1), *((exponents < low * 1.01) | (exponents > high * 0.99))]
    return tuple(
        f"{name} ran to the end of its range: the runs show no such term, and the other constants stand in for it"
        for name, end in zip(names, ends, strict=True)
        if end
    )


def unsettled(problem: PowerSum, theta: np.ndarray) -> tuple[str, ...]:
    """A warning where a search from theta, at a thousandfold scale, moves an exponent by over 1 %: it had not arrived.

    The published case: averaging the objective instead of summing it stopped L-BFGS early at alpha .381, beta .312,
    where the optimum is .347 and .367 (Besiroglu et al. 2024, section 5).
    """
    again = polish(problem, theta, scale=1e3)
    before, after = theta[-len(problem.x) :], again.theta[-len(problem.x) :]
    moved = float(np.abs(after / before - 1).max())
    if moved <= MOVED or again.huber_sum >= huber_sum(problem, theta) * (1 - 1e-9):
        return ()
    return (
        f"the search stopped before its minimum: at a larger objective scale an exponent moves by {moved:.1%}; "
        f"sum Huber's loss instead of averaging it, and tighten the tolerance",
    )


def outliers(problem: PowerSum, theta: np.ndarray) -> tuple[str, ...]:
    """A warning where runs of the highest losses lie far off the law, as runs do that ended in their warm-up."""
    missed = np.abs(residuals(problem, theta))
    far = missed > _OUTLIER * max(float(np.median(missed)), _NOISE)
    order = np.argsort(-problem.log_loss, kind="stable")
    highest = int(np.argmin(far[order]))
    if not highest:
        return ()
    return (
        f"the {highest} highest losses lie over {_OUTLIER:g} times the median residual off the law; the replication "
        f"of Hoffmann et al. drops such runs (drop_highest={highest})",
    )


def extrapolation(
    fitted: tuple[float, float], ratios: tuple[float, float], params: float, tokens: float
) -> tuple[str, ...]:
    """Warnings for a plan far from the runs of a fit.

    fitted: FLOPs, least and most. ratios: tokens per parameter, least and most.
    """
    flops, ratio = 6 * params * tokens, tokens / params
    found = []
    if flops > FAR * fitted[1]:
        found.append(
            f"{flops:.2g} FLOPs are {flops / fitted[1]:,.0f} times the largest run fitted ({fitted[1]:.2g}): "
            f"an extrapolation"
        )
    if not ratios[0] <= ratio <= ratios[1]:
        found.append(
            f"{ratio:,.3g} tokens per parameter lie outside the runs fitted ({ratios[0]:,.3g} to {ratios[1]:,.3g}); "
            f"exponents change with that range (Sardana et al. 2024, section 4)"
        )
    return tuple(found)
