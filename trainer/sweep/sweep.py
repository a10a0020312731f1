"""A scaling law of one's own: budgets one after the other, sizes at each, and what the lower ones foretell of the top.

folder/jobs/<budget>-<width>-<hash>    a run each: settings.json, metrics.jsonl, checkpoints, result.json
folder/runs.csv                        the best rate of each size at each budget, as `winnow fit` reads it
folder/fit.json                        the law, as `winnow train --law` reads it
folder/sweep.html                      the page
"""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpus.errors import EngineError, RecipeError
from trainer.jobs.workers import Done, run
from trainer.model.settings import ModelSettings
from trainer.sweep.grid import Grid, Job, beyond, centred, first_centre, job, next_centre
from trainer.sweep.shapes import size

NEIGHBOURS = 3
"""Sizes over which a rate is judged."""

Trained = Done[Job]

COLUMNS = ("params", "tokens", "flops", "rate", "loss", "width", "layers", "budget", "run")


@dataclass(frozen=True)
class Level:
    """One budget: the runs at the best rate of each size, ascending by size, of those that have a loss."""

    budget: float
    runs: tuple[Trained, ...]

    @property
    def best(self) -> Trained:
        """The run of least loss."""
        return min(self.runs, key=lambda one: one.loss or 0.0)

    @property
    def interior(self) -> bool:
        """Whether the best size has smaller and larger ones beside it."""
        return self.best not in (self.runs[0], self.runs[-1])


@dataclass(frozen=True)
class Swept:
    """All levels, and runs that have no loss."""

    levels: tuple[Level, ...]
    every: tuple[Trained, ...]  # at all rates
    left_out: tuple[Trained, ...]

    @property
    def flops(self) -> float:
        """Training FLOPs of all runs together, scores included."""
        return sum(6 * one.job.params * one.tokens for one in self.every)

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """params, tokens and loss of the best rates, float64 [P]."""
        rows = [(one.job.params, one.tokens, one.loss) for level in self.levels for one in level.runs]
        params, tokens, loss = np.array(rows, np.float64).T
        return params, tokens, loss


def swept(grid: Grid, folder: Path, *, workers: int, told: Callable[[Trained], None] = lambda one: None) -> Swept:
    """Train the grid into the folder, going on where it was. RecipeError as `train`; EngineError where a worker dies.

    workers: runs at once, one thread each.
    """
    levels: list[Level] = []
    every: list[Trained] = []
    first: list[Trained] = []  # runs of the least budget, at all rates
    for budget in grid.budgets:
        found = _level(grid, budget, levels, first, folder / "jobs", workers, told)
        first, every = first or found, every + found
        levels.append(_best(budget, found))
    written(levels, folder / "runs.csv")
    return Swept(tuple(levels), tuple(every), tuple(one for one in every if one.loss is None))


def _level(
    grid: Grid,
    budget: float,
    before: Sequence[Level],
    first: Sequence[Trained],
    folder: Path,
    workers: int,
    told: Callable[[Trained], None],
) -> list[Trained]:
    """All runs of a budget: sizes, and those beyond an edge until the best lies inside or there are enough."""
    centre = next_centre(before[-1].best.job.params, before[-1].budget, budget) if before else first_centre(budget)
    models = centred(grid, centre, grid.sizes)
    found = _trained(folder, [one for model in models for one in _jobs(grid, budget, model, first)], workers, told)
    while len(models) < grid.most_sizes:
        further = beyond(grid, models, _best(budget, found).best.job.model)
        if further is None:
            break
        models.append(further)
        found += _trained(folder, _jobs(grid, budget, further, first), workers, told)
    return found


def _trained(folder: Path, jobs: Sequence[Job], workers: int, told: Callable[[Trained], None]) -> list[Trained]:
    """All of them; a grid with a hole that a larger machine would not have is no law of this one."""
    found = run(folder, jobs, workers, told)
    if dead := next((one for one in found if one.died), None):
        raise EngineError(f"sweep: {dead.why}")
    return found


def _jobs(grid: Grid, budget: float, model: ModelSettings, first: Sequence[Trained]) -> list[Job]:
    """At all rates, or at the one that suits this size by the runs of the least budget."""
    rates = [rate_of(first, size(model))] if first else grid.rates
    return [job(grid, budget, model, rate) for rate in rates]


def rate_of(first: Sequence[Trained], params: float) -> float:
    """The rate of least mean loss over the three nearest sizes: one run's best is as much chance as rate."""
    nearest = sorted({one.job.params for one in first}, key=lambda other: abs(math.log(other / params)))[:NEIGHBOURS]
    losses: dict[float, list[float]] = {}
    for one in first:
        if one.job.params in nearest:
            losses.setdefault(one.job.rate, []).append(math.inf if one.loss is None else one.loss)
    return min(sorted(losses), key=lambda rate: sum(losses[rate]) / len(losses[rate]))


def _best(budget: float, found: Sequence[Trained]) -> Level:
    """The best rate of each size; RecipeError where no run has a loss."""
    by_size: dict[float, Trained] = {}
    for one in found:
        if one.loss is not None and one.loss < (getattr(by_size.get(one.job.params), "loss", None) or np.inf):
            by_size[one.job.params] = one
    if not by_size:
        raise RecipeError(f"sweep: all runs of {budget:.3g} FLOPs diverged ({found[0].why}); ask for lower rates")
    return Level(budget, tuple(by_size[params] for params in sorted(by_size)))


def written(levels: Sequence[Level], path: Path) -> None:
    """The table of the runs."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for level in levels:
            for one in level.runs:
                table.writerow(_row(level, one))


def _row(level: Level, one: Trained) -> tuple[object, ...]:
    job = one.job
    spent = 6 * job.params * one.tokens
    shape = job.model.width, job.model.layers
    return (round(job.params), one.tokens, f"{spent:.6g}", job.rate, one.loss, *shape, f"{level.budget:g}", job.name)
