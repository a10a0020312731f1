"""What each rule of a finished run cost, and what another limit would give back. No text is read.

Measures lie at rest beside the documents, so every limit can be asked again. All figures of a rule are over the
documents that came to its stage: what an earlier stage dropped has no measure here. Counts of shards add up;
columns are read twice, once to count and to choose limits to ask about, once to count what these regain.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.finished import Finished
from pipeline.ruled import HIGH, LOW, Judged, Ruled, ruled, ruled_while_reading

SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Limits that are asked about: such as would regain these shares of the documents that a rule alone keeps out."""

MOST_VALUES = 65_536
"""Values that the limits are chosen from, by the least hash of their documents' ids: shares are then right to 0.002
(one standard error), and what each limit regains is counted exactly in any case. 1 MB a rule."""

_KINDS = {"first_fail": "lost", "any_fail": "any_fail", "only_fail": "only_fail"}
"""Ways to count a failing document -> how its bytes and tokens are called."""


def accounting(finished: Finished, stage: str | None = None) -> dict[str, Any]:
    """{run, rules, overlap, regained, problems}, of all stages with rules or of the one of that name.

    rules: one a rule, in order: {stage, language, rule, low, high, documents, smallest, largest, first_fail, any_fail,
    only_fail, and bytes and tokens lost of each}. first_fail: documents that it dropped, for it is the first that
    fails; any_fail: all that fail it; only_fail: those that fail no other. Tokens are estimated from bytes.
    overlap: {stage, language, rules, documents}: how many documents fail both, a square; any_fail in the diagonal.
    regained: {stage, language, rule, limit, at, documents, bytes, tokens}: what the stage would keep more if this limit
    alone were `at`; later stages may drop some of it. problems: {stage, language, rule, problem}: rules that could not
    fire, and stages without rows: those that ran while reading, and those whose drops their rules do not explain.
    Raises RecipeError where no stage has rules or the named one has none.
    """
    per_byte = finished.report["tokens"] / max(1, finished.report["bytes"]["kept"])
    facts: dict[str, Any] = {"run": finished.home.at, "rules": [], "overlap": [], "regained": []}
    facts["problems"] = [_gone(finished, name) for name in ruled_while_reading(finished) if stage in (None, name)]
    for table in ruled(finished, stage):
        counts = Counts(table)
        for view in finished.views():
            counts.add(Judged(table, view))
        facts["problems"] += counts.problems()
        if counts.explained:
            facts["rules"] += counts.rows(per_byte)
            labels = [rule.measure for rule in table.rules]
            facts["overlap"].append(table.said | {"rules": labels, "documents": counts.overlap.tolist()})
            facts["regained"] += _regained(finished, counts, per_byte)
    return facts


def _gone(finished: Finished, name: str) -> dict[str, Any]:
    """Why a stage that ran while reading has no rows, and what its rules dropped as far as the report knows."""
    dropped = next(one["dropped"] for one in finished.report["stages"] if one["name"] == name)
    counts = ", ".join(
        f"{rule} {count:,}" for rule, count in sorted(dropped.items(), key=lambda one: (-one[1], one[0]))
    )
    why = "it ran while reading, so what it dropped is not at rest and its rules cannot be asked again"
    said = f"{why}; in `stages` they could. It dropped: {counts or 'none'}"
    return {"stage": name, "language": None, "rule": None, "problem": said}


@dataclass
class Counts:
    """Sums over shards of one stage, and the values that limits to ask about are chosen from."""

    ruled: Ruled
    documents: int = 0
    unexplained: int = 0  # dropped while no rule fails, or kept while one does
    sums: dict[str, np.ndarray] = field(default_factory=dict)  # int64 [R]
    ends: np.ndarray = field(default_factory=lambda: np.zeros((2, 0)))  # smallest and largest, [2, R]
    overlap: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    samples: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)  # keys, values
    most: int = MOST_VALUES

    def __post_init__(self) -> None:
        rules = len(self.ruled.rules)
        self.sums = {name: np.zeros(rules, np.int64) for name in ("known", *_KINDS, *(f"{k}_bytes" for k in _KINDS))}
        self.ends = np.array([np.full(rules, np.inf), np.full(rules, -np.inf)])
        self.overlap = np.zeros((rules, rules), np.int64)

    @property
    def explained(self) -> bool:
        """The stage dropped what its rules say, and something came."""
        return self.unexplained == 0 and self.documents > 0

    def add(self, one: Judged) -> None:
        """Count a shard."""
        fails, any_ = one.fails, one.fails.any(axis=0)
        first = fails & (np.cumsum(fails, axis=0) == 1)
        self.documents += len(one.came)
        self.unexplained += int((any_ != one.dropped).sum())
        self.sums["known"] += one.known.sum(axis=1)
        for name, failing in zip(_KINDS, (first, fails, one.only), strict=True):
            self.sums[name] += failing.sum(axis=1)
            self.sums[f"{name}_bytes"] += failing @ one.size
        self.overlap += (fails.astype(np.float64) @ fails.T).astype(np.int64)  # BLAS, exact below 2**53
        finite = np.isfinite(one.values)
        self.ends[0] = np.minimum(self.ends[0], np.min(one.values, axis=1, initial=np.inf, where=finite))
        self.ends[1] = np.maximum(self.ends[1], np.max(one.values, axis=1, initial=-np.inf, where=finite))
        for rule in range(len(self.ruled.rules)):
            for side in (LOW, HIGH):
                self._sample(one, rule, side)

    def _sample(self, one: Judged, rule: int, side: str) -> None:
        beyond = one.beyond(rule, side)
        if beyond.any():
            none = np.zeros(0, np.uint64), np.zeros(0)
            new = one.keys[beyond], one.values[rule][beyond]
            keys, values = map(np.concatenate, zip(self.samples.get((rule, side), none), new, strict=True))
            least = np.lexsort((values, keys))[: self.most]
            self.samples[rule, side] = keys[least], values[least]

    def limits(self, rule: int, side: str) -> np.ndarray:
        """float64: limits to ask about, from the nearest to the present one to the loosest; each is some value."""
        _, values = self.samples.get((rule, side), (None, np.zeros(0)))
        nearest = np.sort(values) if side == HIGH else np.sort(values)[::-1]
        places = np.ceil(np.array(SHARES) * len(nearest)).astype(np.int64) - 1 if len(nearest) else np.zeros(0, int)
        asked = np.unique(nearest[places])
        return asked if side == HIGH else asked[::-1]

    def rows(self, per_byte: float) -> Iterator[dict[str, Any]]:
        """One a rule."""
        for n, rule in enumerate(self.ruled.rules):
            counts = {name: int(column[n]) for name, column in self.sums.items()}
            row: dict[str, Any] = {**self.ruled.said, "rule": rule.measure}
            row |= {LOW: _finite(rule.low), HIGH: _finite(rule.high), "documents": counts["known"]}
            row |= {"smallest": _finite(self.ends[0, n]), "largest": _finite(self.ends[1, n])}
            row |= {kind: counts[kind] for kind in _KINDS}
            for kind, lost in _KINDS.items():
                row |= {f"bytes_{lost}": counts[f"{kind}_bytes"]}
                row |= {f"tokens_{lost}": round(counts[f"{kind}_bytes"] * per_byte)}
            yield row

    def problems(self) -> Iterator[dict[str, Any]]:
        """What keeps a rule from firing, and drops that no rule explains."""
        if self.documents == 0:
            of = f" of language {self.ruled.language!r}" if self.ruled.language else ""
            said = f"no document{of} came to this stage, so no rule of it could fire"
            yield self.ruled.said | {"rule": None, "problem": said}
        elif self.unexplained:
            said = f"{self.unexplained:,} documents were judged otherwise than its rules say, so they are not counted"
            yield self.ruled.said | {"rule": None, "problem": said}
        for rule, known in zip(self.ruled.rules, self.sums["known"].tolist(), strict=True):
            if self.documents and not known:
                said = "its measure is not there for any document, so it could not fire"
                yield self.ruled.said | {"rule": rule.measure, "problem": said}


def _finite(value: float | None) -> float | None:
    """What JSON has a number for, whole ones as a setting of whole numbers takes them: 20, not 20.0."""
    if value is None or not np.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else float(value)


def _regained(finished: Finished, counts: Counts, per_byte: float) -> Iterator[dict[str, Any]]:
    """The second reading: exact documents and bytes for each limit asked about."""
    asked = {(r, s): counts.limits(r, s) for r in range(len(counts.ruled.rules)) for s in (LOW, HIGH)}
    found = {key: np.zeros((2, len(limits)), np.int64) for key, limits in asked.items() if len(limits)}
    for view in finished.views() if found else ():
        one = Judged(counts.ruled, view)
        for (rule, side), sums in found.items():
            beyond, sign = one.beyond(rule, side), 1 if side == HIGH else -1
            nearest = np.searchsorted(sign * asked[rule, side], sign * one.values[rule][beyond], "left")
            for row, weights in zip(sums, (None, one.size[beyond]), strict=True):
                row += np.bincount(nearest, weights, len(row) + 1)[: len(row)].astype(np.int64)
    for (rule, side), sums in found.items():
        said = counts.ruled.said | {"rule": counts.ruled.rules[rule].measure, "limit": side}
        for at, documents, size in zip(asked[rule, side].tolist(), *sums.cumsum(axis=1).tolist(), strict=True):
            yield said | {"at": _finite(at), "documents": documents, "bytes": size, "tokens": round(size * per_byte)}
