"""Where shares of ranked documents end, as a run keeps it: what was asked, what was found, and what made the scores."""

from math import isfinite
from typing import Any

import numpy as np

from pipeline.plan import Plan, Step
from stages.quantiles import Quantiles
from stages.ranks import Cuts, score_of

THRESHOLDS = "thresholds.json"
"""In the folder of a stage of Quantiles."""

Group = tuple[str | None, ...]
"""Values of the columns of `per`."""


def laid_by(the_plan: Plan, step: Step, column: str) -> dict[str, Any]:
    """What laid a column before a step: {column, stage, version, fingerprint, files}; nulls for a source's own field.

    files: content hashes by URL of what the stage goes by, such as its model.
    """
    before = [*the_plan.while_reading, *the_plan.before(step)]
    made = next((s for s in reversed(before) if s.stage and column in s.stage.adds), None)
    if made is None:
        return {"column": column, "stage": None, "version": None, "fingerprint": None, "files": {}}
    parts = made.parts
    said = {"stage": made.name, "version": parts["version"], "fingerprint": made.fingerprint}
    return {"column": column} | said | {"files": parts.get("files", {})}


def thresholds(
    stage: Quantiles, groups: list[Group], sums: np.ndarray, cuts: list[Cuts], scorers: list[dict[str, Any]]
) -> dict[str, Any]:
    """Where shares end, for JSON: {stage, of, per, order (of the scores), scorers, cuts}.

    cuts: one a scorer, group and share: {column, group: {name: value}, documents, size, unscored (documents without a
    score), share, threshold, found: {share, documents, size}}. threshold is the score at which the share ends, null
    where it is all there is; found is what comes before it.
    """
    rows = []
    for n, (column, one) in enumerate(zip(stage.scores, cuts, strict=True)):
        for cut in range(len(one.group)):
            came, scored, size = (int(sums[one.group[cut], at]) for at in (0, 1 + 2 * n, 2 + 2 * n))
            lies = int(one.size[cut])
            found = {"share": lies / size if size else None, "documents": int(one.count[cut]), "size": lies}
            end = None if one.whole[cut] else _number(score_of(one.words[cut, 0], stage.descending))
            group = dict(zip(stage.per, groups[one.group[cut]], strict=True))
            row = {"column": column, "group": group, "documents": came, "size": size, "unscored": came - scored}
            share = float(stage.shares[cut % len(stage.shares)])
            rows.append(row | {"share": share, "threshold": end, "found": found})
    order = "descending" if stage.descending else "ascending"
    return {"stage": stage.name, "of": stage.of, "per": stage.per, "order": order, "scorers": scorers, "cuts": rows}


def _number(score: float) -> float | str:
    """What JSON has a number for, else its name: inf, -inf."""
    return score if isfinite(score) else str(score)
