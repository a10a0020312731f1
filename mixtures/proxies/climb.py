"""Rounds of proxies, each on mixtures that a predictor fitted to all before holds good: CLIMB-like.

Diao et al. 2025 (CLIMB, arXiv 2504.13161): clusters of a corpus are its domains; mixtures of the first round are drawn
from a Dirichlet; then a predictor is fitted, many mixtures are drawn, and of those that it ranks best some are trained
by chance, which looks about as well as it goes on. Three rounds of 64, 32 and 16 proxies, hence halves. Its predictor
is LightGBM; here it is the regressor that ranks best in cross-validation, in each round. What it all comes to is
`winnow mix regmix` of the whole table: the average of the best that its own predictor finds, in place of the one best.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from corpus.errors import RecipeError
from corpus.interleave import shared_out
from mixtures.design import draws
from mixtures.regmix import told
from mixtures.regressors.cross_validation import FOLDS, best, scores
from mixtures.regressors.table import REGRESSORS
from mixtures.runs_table import RunsTable

CANDIDATES = 20_000
TOP = 10
"""Candidates among the best for each that is trained."""

FIRST = 2 * FOLDS
"""Mixtures of the first round, at least: fewer do not tell regressors apart."""

_TRIES = 50  # times as many draws, where caps let few pass


class Round(NamedTuple):
    """What chose the mixtures of a round, for JSON."""

    runs: int
    regressor: str
    cross_validation: dict[str, dict[str, Any]]
    candidates: int
    predicted: tuple[float, float]  # of the mixtures that were chosen: least and most


def sizes(runs: int, rounds: int) -> list[int]:
    """Mixtures of each round: each half of the one before, `runs` in sum; 112 in 3 rounds are 64, 32 and 16.

    RecipeError where the first has too few to fit a predictor to, or the last none.
    """
    names = [f"{number:04d}" for number in range(rounds)]
    parts = shared_out(runs, {name: Fraction(1, 2**number) for number, name in enumerate(names)})
    found = [parts[name] for name in names]
    if rounds > 1 and (found[0] < FIRST or found[-1] < 1):
        raise RecipeError(
            f"swarm: {runs:,} runs in {rounds:,} rounds are {', '.join(map(str, found))}; the first needs {FIRST} to "
            f"fit a predictor to, the last 1. Give more --runs, or fewer --rounds."
        )
    return found


def importance_of(table: RunsTable, targets: Mapping[str, float] | None) -> np.ndarray:
    """How much each loss of the table counts, float64 [T], sums to 1."""
    importance = np.array([(targets or {}).get(target, 1.0) for target in table.targets])
    return np.asarray(importance / importance.sum())


def chosen(
    table: RunsTable,
    importance: np.ndarray,
    prior: np.ndarray,
    most: np.ndarray,
    runs: int,
    seed: tuple[int, int],
    least: float,
) -> tuple[np.ndarray, Round]:
    """Mixtures for the next round, float64 [runs, D], none of them in the table, and what chose them.

    table: of all rounds before, over the domains of `prior` [D]. importance: [T]. most, least: as of design.py.
    Deterministic. RecipeError where too few runs are left, or caps let too few candidates pass.
    """
    objective = replace(table, targets=("objective",), losses=table.objective(importance)[:, None])
    found = scores(objective)
    name = best(found)
    rng = np.random.default_rng(seed)
    drawn = _fresh(rng, table, prior, most, runs, least)
    predicted = REGRESSORS[name].fit(objective.weights, objective.losses).predict(drawn)[:, 0]
    top = np.argsort(predicted, kind="stable")[: TOP * runs]
    taken = np.sort(rng.choice(top, runs, replace=False))
    edges = float(predicted[taken].min()), float(predicted[taken].max())
    return drawn[taken], Round(runs, name, told(found), len(drawn), edges)


def _fresh(
    rng: np.random.Generator, table: RunsTable, prior: np.ndarray, most: np.ndarray, runs: int, least: float
) -> np.ndarray:
    """Candidates that differ from each other and from every run, float64 [C, D]."""
    found = np.empty((0, len(prior)))
    for drawn in islice(draws(rng, prior, most, CANDIDATES, least=least), _TRIES):
        found = np.unique(np.concatenate([found, drawn]), axis=0)
        if len(found) >= CANDIDATES:
            break
    known = {row.tobytes() for row in table.weights}
    found = found[[row.tobytes() not in known for row in found]]
    if len(found) < runs:
        raise RecipeError(
            f"swarm: of {_TRIES * CANDIDATES:,} mixtures drawn, {len(found):,} are within the caps and new, of "
            f"{runs:,} wanted: raise most_epochs, or lower the proxies' budget"
        )
    return found[rng.permutation(len(found))[:CANDIDATES]]
