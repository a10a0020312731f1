"""A ranking that may say that there is none: mixtures by mean loss, and who is told apart from whom."""

from dataclasses import dataclass

import numpy as np

from mixtures.judge.measured import Measured
from mixtures.judge.paired import Compared, compared, mean_interval


@dataclass(frozen=True)
class Ranked:
    """A mixture in a ranking. rank: 1 and how many are better, of those that are told apart from it."""

    mixture: str
    rank: int
    mean: float  # over the seeds that all ranked mixtures have
    interval: tuple[float | None, float | None]  # of the mean by itself; None: of one seed
    tied: tuple[str, ...]  # not told apart from it, sorted


@dataclass(frozen=True)
class Ranking:
    """`ranked`: by mean, least first. `pairs`: of names as they stand there, the lower mean before the higher."""

    ranked: tuple[Ranked, ...]
    pairs: dict[tuple[str, str], Compared]
    seeds: tuple[int, ...]  # that the means are over

    @property
    def leaders(self) -> tuple[str, ...]:
        """Those that none is better than."""
        return tuple(one.mixture for one in self.ranked if one.rank == 1)

    @property
    def best(self) -> str | None:
        """The one that is better than each of the others. Where proxies failed, pairs have different seeds, and a
        mixture that none is better than need not be told apart from one that is worse than a third."""
        found = [one.mixture for one in self.ranked if one.rank == 1 and not one.tied]
        return found[0] if self.told and found else None

    @property
    def told(self) -> bool:
        """Whether there is anything to say: two mixtures or more, and seeds enough to compare each pair."""
        count = len(self.ranked)
        return count > 1 and len(self.between()) == count * (count - 1) // 2

    def between(self) -> dict[tuple[str, str], Compared]:
        """Pairs of ranked mixtures."""
        names = {one.mixture for one in self.ranked}
        return {pair: one for pair, one in self.pairs.items() if names.issuperset(pair)}

    def against(self, mixture: str, other: str) -> Compared | None:
        """The difference of one mixture to another; None where they have too few seeds in common."""
        if (other, mixture) in self.pairs:
            return self.pairs[other, mixture].turned()
        return self.pairs.get((mixture, other))


def ranking(measured: Measured, losses: np.ndarray) -> Ranking:
    """Of losses by mixture and seed, float64 [M, S]: `Measured.weighted`, or one domain's.

    All pairs of the table are one family, those with mixtures that cannot be ranked too.
    """
    names, (kept, common) = measured.mixtures, measured.comparable()
    means = {names[m]: float(losses[m, common].mean()) for m in kept}
    order = [*sorted(means, key=lambda name: (means[name], name)), *(n for n in names if n not in means)]
    pairs = {}
    for (i, j), one in compared(losses).items():
        turned = order.index(names[i]) > order.index(names[j])
        pairs[(names[j], names[i]) if turned else (names[i], names[j])] = one.turned() if turned else one
    ranked = tuple(_ranked(name, losses[names.index(name), common], means, pairs) for name in order[: len(kept)])
    return Ranking(ranked, _sorted(pairs, order), tuple(measured.seeds[s] for s in common))


def _sorted(pairs: dict[tuple[str, str], Compared], order: list[str]) -> dict[tuple[str, str], Compared]:
    return {pair: pairs[pair] for pair in sorted(pairs, key=lambda pair: [order.index(name) for name in pair])}


def _ranked(name: str, values: np.ndarray, means: dict[str, float], pairs: dict[tuple[str, str], Compared]) -> Ranked:
    better, tied = 0, []
    for other in sorted(means.keys() - {name}):
        one = pairs.get((name, other)) or pairs.get((other, name))
        if one is None or not one.significant:
            tied.append(other)
        else:  # the sign of the paired difference says who, which means over other seeds need not
            better += (one.difference.mean > 0) == ((name, other) in pairs)
    return Ranked(name, 1 + better, means[name], mean_interval(values), tuple(tied))
