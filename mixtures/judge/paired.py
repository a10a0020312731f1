"""Paired differences over seeds: Student's t for one pair of mixtures, Holm's correction over all of them.

Two proxies of one seed begin with the same weights of the model, so what the seed does to both is taken out by their
difference. The best of several is known only after looking, so no smaller family than all pairs would do: compared
only with whichever came out best, the worst of six equal mixtures would be called worse far too often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from corpus.errors import RecipeError

LEVEL = 0.05
"""Chance that any pair of equal mixtures is told apart, over all pairs of one table."""

POWER = 0.8
"""Chance with which a true difference of `detectable` is found: Cohen 1988, section 2.4."""

LEAST = 2
"""Seeds that two mixtures need in common: one difference has no spread."""


class Difference(NamedTuple):
    """Of one mixture's losses to another's, seed by seed."""

    pairs: int  # seeds that both have
    mean: float
    spread: float  # standard deviation, with pairs - 1
    p: float  # two-sided, by itself
    against: float  # mean of the other's losses over these seeds

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return self.spread / sqrt(self.pairs)


@dataclass(frozen=True)
class Compared:
    """A difference among others. `level`: of its interval, which holds 0 exactly where `adjusted` is above LEVEL."""

    difference: Difference
    adjusted: float  # Holm's p
    level: float

    @property
    def significant(self) -> bool:
        """Whether the two are told apart."""
        return self.adjusted <= LEVEL

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return critical(self.difference.pairs, self.level) * self.difference.error

    @property
    def detectable(self) -> float:
        """The least true difference that a test at this level and of this spread finds with a chance of POWER."""
        return noncentrality(self.difference.pairs, self.level) * self.difference.error

    def turned(self) -> "Compared":
        """The other's difference to the one."""
        d = self.difference
        return Compared(d._replace(mean=-d.mean, against=d.against + d.mean), self.adjusted, self.level)


def difference(one: np.ndarray, other: np.ndarray) -> Difference | None:
    """Of losses by seed, float64 [S], NaN where a seed has none; None where fewer than LEAST seeds have both."""
    both = np.isfinite(one) & np.isfinite(other)
    pairs = int(both.sum())
    if pairs < LEAST:
        return None
    found = one[both] - other[both]
    mean, spread = float(found.mean()), float(found.std(ddof=1))
    return Difference(pairs, mean, spread, _p(mean, spread, pairs), float(other[both].mean()))


def compared(losses: np.ndarray) -> dict[tuple[int, int], Compared]:
    """All pairs (i, j), i < j, of rows of `losses` (float64 [M, S], NaN where there is none) that have LEAST seeds."""
    found = {pair: difference(*losses[list(pair)]) for pair in combinations(range(len(losses)), 2)}
    told = {pair: one for pair, one in found.items() if one is not None}
    p = [one.p for one in told.values()]
    return {
        pair: Compared(one, adjusted, level)
        for (pair, one), adjusted, level in zip(told.items(), holm(p), levels(p), strict=True)
    }


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p, in the order given: the k-th smallest of m times m - k + 1, none below one before it, 1 at most.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6.
    """
    adjusted, least = [0.0] * len(p), 0.0
    for k, at in enumerate(_ascending(p)):
        adjusted[at] = least = max(least, min(1.0, p[at] * (len(p) - k)))
    return adjusted


def levels(p: Sequence[float]) -> list[float]:
    """The level at which Holm tests each: LEVEL over those left; once one fails, the rest fail with it, at its level.

    An interval at that level holds 0 exactly where the adjusted p is above LEVEL.
    """
    found, failed = [LEVEL] * len(p), False
    level = LEVEL
    for k, at in enumerate(_ascending(p)):
        level = level if failed else LEVEL / (len(p) - k)
        failed = failed or p[at] > level
        found[at] = level
    return found


@cache
def critical(pairs: int, level: float) -> float:
    """How many standard errors half an interval is wide: 4.30 for 3 pairs at .05, and 1.96 for very many."""
    return float(-_special().stdtrit(pairs - 1, level / 2))


@cache
def noncentrality(pairs: int, level: float, power: float = POWER) -> float:
    """How many standard errors a true difference must be for a two-sided t test to find it with that chance.

    The chance of finding it with the wrong sign, below 1e-6 for what is found so often, is left out.
    """
    special, edge = _special(), critical(pairs, level)
    from scipy.optimize import brentq

    # Power rises from level / 2 at 0; twice the edge and 4 more reach .8 for 2 pairs and for very many.
    return float(brentq(lambda shift: 1 - special.nctdtr(pairs - 1, shift, edge) - power, 0.0, 2 * edge + 4))


def mean_interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """The t interval of a mean at 1 - LEVEL, by itself; None twice for fewer than LEAST values."""
    if len(values) < LEAST:
        return None, None
    half = critical(len(values), LEVEL) * float(values.std(ddof=1)) / sqrt(len(values))
    return float(values.mean()) - half, float(values.mean()) + half


def _p(mean: float, spread: float, pairs: int) -> float:
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * _special().stdtr(pairs - 1, -abs(mean) / (spread / sqrt(pairs))))


def _ascending(p: Sequence[float]) -> list[int]:
    return sorted(range(len(p)), key=lambda at: p[at])


def _special() -> Any:
    """scipy.special, or a RecipeError that names the extra: `winnow mix` of closed formulas needs no scipy."""
    try:
        from scipy import special
    except ModuleNotFoundError as error:
        raise RecipeError("judge: scipy is not installed: pip install 'winnow[mix]'") from error
    return special
