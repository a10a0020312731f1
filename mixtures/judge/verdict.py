"""The verdict on mixtures as plain JSON values: a sentence, the ranking, every pair, and who is best in each domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from mixtures.judge.measured import Measured
from mixtures.judge.paired import LEVEL, POWER, Compared, critical
from mixtures.judge.ranking import Ranking, ranking

DIGITS = 9
"""Of a figure: the last bits of sums and of t are another machine's business, and the same runs give the same file."""

_MORE_SEEDS = (5, 10)  # that a table of few is told about


@dataclass(frozen=True)
class Verdict:
    """A measured table, ranked by its target and in each domain. target: shares, of `target_of`."""

    measured: Measured
    target: Mapping[str, float]
    baseline: str | None
    overall: Ranking
    domains: dict[str, Ranking]

    @classmethod
    def of(cls, measured: Measured, target: Mapping[str, float], baseline: str | None = None) -> "Verdict":
        """baseline: a mixture that each is compared with in words; None: there is none."""
        alone = {name: ranking(measured, measured.losses[:, :, d]) for d, name in enumerate(measured.domains)}
        return cls(measured, target, baseline, ranking(measured, measured.weighted(target)), alone)

    def sentences(self) -> list[str]:
        """What is found, in words, the most important first."""
        if not self.overall.told:
            return [self._nothing()]
        leaders, ranked = self.overall.leaders, [one.mixture for one in self.overall.ranked]
        rest = [name for name in ranked if name not in leaders]
        if not rest:
            said = f"No significant difference between {_listed(ranked)}."
        elif self.overall.best is not None:
            said = f"{self.overall.best} is better than each of the others: {_listed(rest)}."
        elif all(any(worse not in one.tied for one in self.overall.ranked if one.rank == 1) for worse in rest):
            said = f"No significant difference between {_listed(leaders)}. At least one is better than {_listed(rest)}."
        else:
            said = "No clear order: proxies failed, so pairs have different seeds; each pair says who is told apart."
        return [said, *self._beside_baseline(ranked)]

    def _nothing(self) -> str:
        few = [name for name in self.measured.mixtures if name not in {one.mixture for one in self.overall.ranked}]
        left = f" Left out for proxies that failed: {_listed(few)}." if few else ""
        return f"No verdict: two mixtures with two seeds in common are the least; train more seeds.{left}"

    def _beside_baseline(self, ranked: Sequence[str]) -> list[str]:
        if self.baseline is None or self.baseline not in ranked:
            return [] if self.baseline is None else [f"The baseline {self.baseline} failed; nothing is compared to it."]
        kinds: dict[str, list[str]] = {"better": [], "worse": [], "no significant difference": []}
        for name in ranked:
            one = self.overall.against(name, self.baseline)
            if one is not None:
                kinds[_kind(one)].append(name)
        said = "; ".join(f"{kind}: {_listed(names)}" for kind, names in kinds.items() if names)
        return [f"Beside the baseline {self.baseline}: {said}."]

    def notes(self) -> list[str]:
        """What a reader must know to believe it: the test, how wide intervals are, what was left out."""
        tests, asked = len(self.overall.pairs), len(self.measured.seeds)
        notes = [f"{name}, seed {seed}: left out, {why}" for (name, seed), why in self.measured.failed.items()]
        ranked = {one.mixture for one in self.overall.ranked}
        notes += [f"{name} is not ranked: too few seeds" for name in self.measured.mixtures if name not in ranked]
        if len(self.overall.seeds) < asked and ranked:
            notes.append(f"means are over the seeds that all ranked mixtures have: {_numbers(self.overall.seeds)}")
        if tests:
            pairs = min(one.difference.pairs for one in self.overall.pairs.values())
            notes.append(_test(tests))
            notes.append(_width(pairs, tests))
        return [*notes, "held-out documents are a sample too: that others would give other figures, seeds do not show"]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, figures to DIGITS digits."""
        found = {
            "verdict": self.sentences(),
            "best": self.overall.best,
            "leaders": list(self.overall.leaders if self.overall.told else ()),
            "baseline": self.baseline,
            "level": LEVEL,
            "power": POWER,
            "seeds": list(self.measured.seeds),
            "seeds_of_means": list(self.overall.seeds),
            "target": dict(self.target),
            "ranking": [_placed(self.overall, at) for at in range(len(self.overall.ranked))],
            "pairs": _pairs(self.overall),
            "domains": {name: _domain(one, self.target.get(name, 0.0)) for name, one in self.domains.items()},
            "failed": [{"mixture": m, "seed": s, "why": why} for (m, s), why in self.measured.failed.items()],
            "notes": self.notes(),
        }
        return rounded(found)


def compared_facts(one: Compared) -> dict[str, Any]:
    """A comparison as plain values. reference: the other's mean over these seeds; relative: the difference over it,
    None where it is 0."""
    d = one.difference
    return {
        "pairs": d.pairs,
        "reference": d.against,
        "difference": d.mean,
        "relative": d.mean / d.against if d.against else None,
        "spread": d.spread,
        "low": d.mean - one.half,
        "high": d.mean + one.half,
        "level": one.level,
        "p": d.p,
        "adjusted": one.adjusted,
        "significant": one.significant,
        "detectable": one.detectable,
    }


def rounded(value: Any) -> Any:
    """The same with floats to DIGITS digits, whatever holds them."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _pairs(found: Ranking) -> list[dict[str, Any]]:
    return [{"mixture": a, "against": b, **compared_facts(one)} for (a, b), one in found.pairs.items()]


def _placed(found: Ranking, at: int) -> dict[str, Any]:
    one = found.ranked[at]
    low, high = one.interval
    placed = {"mixture": one.mixture, "rank": one.rank, "mean": one.mean, "low": low, "high": high}
    return placed | {"tied": list(one.tied)}


def _domain(found: Ranking, share: float) -> dict[str, Any]:
    """Who is best there: `winner` None where nobody is told apart from all others."""
    leaders = found.leaders if found.told else ()
    least = found.ranked[0].mixture if found.ranked else None
    places = [_placed(found, at) for at in range(len(found.ranked))]
    said = {"target": share, "winner": found.best, "least": least, "leaders": list(leaders)}
    return said | {"ranking": places, "pairs": _pairs(found)}


def _kind(one: Compared) -> str:
    if not one.significant:
        return "no significant difference"
    return "better" if one.difference.mean < 0 else "worse"


def _test(tests: int) -> str:
    strictest = f"; the strictest at {1 - LEVEL / tests:.2%}" if tests > 1 else ""
    return (
        f"differences are paired by seed; intervals are Student's at {1 - LEVEL:.0%} with Holm's correction over "
        f"{tests:,} pair{'s' * (tests > 1)} of mixtures{strictest}. In a domain likewise, uncorrected over domains"
    )


def _width(pairs: int, tests: int) -> str:
    """Half an interval in standard deviations of the differences, with these seeds and with more."""
    level = LEVEL / tests
    others = ", ".join(f"{_half(more, level):.1f} with {more}" for more in _MORE_SEEDS if more > pairs)
    return (
        f"with {pairs} seeds the strictest interval reaches {_half(pairs, level):.1f} standard deviations of the "
        f"differences to either side{f' ({others})' if others else ''}"
    )


def _half(pairs: int, level: float) -> float:
    return critical(pairs, level) / sqrt(pairs)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _numbers(values: Sequence[int]) -> str:
    return ", ".join(map(str, values)) or "none"
