"""What proxies came to: a table of held-out losses by mixture, seed and domain, with holes where a proxy has none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum, inf, isfinite

import numpy as np

from corpus.errors import RecipeError
from mixtures.judge.paired import LEAST


@dataclass(frozen=True)
class Run:
    """One proxy. `why`: what became of it where it has no losses; a loss that is no number is none."""

    mixture: str
    seed: int
    losses: dict[str, float] = field(default_factory=dict)  # by domain
    why: str = ""


@dataclass(frozen=True, eq=False)
class Measured:
    """Names, domains and seeds are sorted, so no order of runs changes anything."""

    mixtures: tuple[str, ...]
    seeds: tuple[int, ...]
    domains: tuple[str, ...]
    losses: np.ndarray  # float64 [M, S, D], NaN all along D where that proxy has no losses
    failed: dict[tuple[str, int], str]  # mixture and seed -> why

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Measured":
        """The table of one run for each mixture and seed. RecipeError where a pair comes twice."""
        by = {(run.mixture, run.seed): run for run in runs}
        if len(by) < len(runs):
            raise RecipeError("judge: a mixture was trained twice with one seed; one run for each is a pair")
        mixtures, seeds = sorted({name for name, _ in by}), sorted({seed for _, seed in by})
        measured = {at: set(run.losses) for at, run in by.items() if run.losses and not run.why}
        domains = sorted(set.intersection(*measured.values())) if measured else []
        failed = {at: why for at in sorted(by) if (why := _why(by[at], domains))}
        losses = np.full((len(mixtures), len(seeds), len(domains)), np.nan)
        for at, run in by.items():
            if at not in failed:
                losses[mixtures.index(at[0]), seeds.index(at[1])] = [run.losses[domain] for domain in domains]
        return cls(tuple(mixtures), tuple(seeds), tuple(domains), losses, failed)

    def weighted(self, target: Mapping[str, float]) -> np.ndarray:
        """Losses weighted over domains, float64 [M, S]; NaN where a proxy has none of a domain that `target` names.

        target: shares; a domain that it does not name has none.
        """
        shares = np.array([target.get(domain, 0.0) for domain in self.domains])
        sums = (self.losses * shares).sum(axis=2)  # of products, not BLAS: the same bits in any order of rows
        known = self._has() & (target.keys() <= set(self.domains))
        return np.where(known, sums, np.nan)

    def comparable(self) -> tuple[list[int], list[int]]:
        """Mixtures whose means may be compared, and the seeds that all of these have; indices, ascending.

        Means over different seeds do not compare. So the mixture with the fewest seeds is left out, of several the
        last by name, until the others have LEAST seeds in common, or one where only one was asked for.
        """
        has = self._has()
        ranked = [m for m in range(len(self.mixtures)) if has[m].any()]
        while ranked and has[ranked].all(axis=0).sum() < min(LEAST, len(self.seeds)):
            ranked.remove(min(ranked, key=lambda m: (has[m].sum(), -m)))
        return ranked, np.flatnonzero(has[ranked].all(axis=0)).tolist() if ranked else []

    def _has(self) -> np.ndarray:
        """bool [M, S]: whether that proxy has losses."""
        return np.array(
            [[(name, seed) not in self.failed for seed in self.seeds] for name in self.mixtures], bool
        ).reshape(len(self.mixtures), len(self.seeds))


def target_of(asked: Mapping[str, float] | None, domains: Sequence[str], who: str) -> dict[str, float]:
    """Shares of the domains that are measured, sorted by name; all alike where nothing is asked for.

    RecipeError where one is asked for that is not measured, or weights are none.
    """
    given = dict.fromkeys(domains, 1.0) if asked is None else dict(asked)
    if strange := sorted(given.keys() - set(domains)):
        known = ", ".join(sorted(domains)[:12]) or "none"
        raise RecipeError(f"{who}: {strange[0]!r} has no held-out documents to measure; there are: {known}")
    whole = fsum(given.values())
    if not all(isfinite(weight) and weight >= 0 for weight in given.values()) or not 0 < whole < inf:
        raise RecipeError(f"{who}: weights are numbers of 0 or more, not all 0; give them as web=0.7,code=0.3")
    return {domain: given[domain] / whole for domain in sorted(given)}


def _why(run: Run, domains: Sequence[str]) -> str:
    """Why the run has no losses, or nothing."""
    if run.why or not run.losses:
        return run.why or "nothing was measured"
    wrong = next((domain for domain in domains if not isfinite(run.losses[domain])), None)
    return "" if wrong is None else f"its loss of {wrong!r} is {run.losses[wrong]}"
