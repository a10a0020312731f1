"""From a model's score to how often it is right: Platt scaling and isotonic regression, kept as small tables.

A map is fitted on held-out documents that no figure is taken from. Platt's (1999) has two constants and is fitted to
few documents; isotonic regression (pool adjacent violators; Zadrozny and Elkan 2002) takes any rising shape and needs
about a thousand (Niculescu-Mizil and Caruana 2005, section 5): ENOUGH says from how many on it is the one used.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ENOUGH = 1_000
FEWEST = 20
"""Documents below which nothing is fitted: Platt's two constants would follow single documents."""

EDGE = 1e-5  # fastText adds this to every probability, so no score tells more


class Platt(NamedTuple):
    """1 / (1 + exp(-(slope * log odds + offset)))."""

    slope: float
    offset: float


class Isotonic(NamedTuple):
    """A rising line through (score, probability), level beyond its ends."""

    score: tuple[float, ...]
    probability: tuple[float, ...]


def platt(score: np.ndarray, truth: np.ndarray) -> Platt:
    """Fitted by Newton's method to Platt's targets, which stand for one more document of each kind.

    score: float64 [N], probabilities of a model; truth: bool [N]. The slope is never below 0, so order stays.
    """
    x, target = np.stack([_odds(score), np.ones(len(score))]), _targets(truth)
    at = np.array([1.0, 0.0])
    loss = _loss(at, x, target)
    for _ in range(100):
        said = _sigmoid(at @ x)
        slope = x @ (said - target)
        bend = (x * (said * (1 - said) + 1e-12)) @ x.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        while (nearer := _loss(at - step, x, target)) > loss and np.abs(step).max() > 1e-10:
            step = step / 2
        if np.abs(step).max() <= 1e-10:
            break
        at, loss = at - step, nearer
    if at[0] < 0:  # it ranks backwards: all documents get the share of true ones
        return Platt(0.0, float(_odds(np.array([target.mean()]))[0]))
    return Platt(float(at[0]), float(at[1]))


def _targets(truth: np.ndarray) -> np.ndarray:
    true = int(truth.sum())
    return np.where(truth, (true + 1) / (true + 2), 1 / (len(truth) - true + 2))


def _loss(at: np.ndarray, x: np.ndarray, target: np.ndarray) -> float:
    odds = at @ x
    return float((np.logaddexp(0, odds) - target * odds).sum())


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -odds))


def _odds(score: np.ndarray) -> np.ndarray:
    bounded = np.clip(score, EDGE, 1 - EDGE)
    return np.log(bounded / (1 - bounded))


def isotonic(score: np.ndarray, truth: np.ndarray) -> Isotonic:
    """The rising step function nearest to the truth, as a line through its steps' mean scores.

    score: float64 [N]; truth: bool [N]. Scores between steps get a value between, so fewer documents tie.
    """
    at, which, count = np.unique(score, return_inverse=True, return_counts=True)
    blocks: list[tuple[float, float, float]] = []  # documents, sum of scores, sum of truth
    rows = zip(count.tolist(), (at * count).tolist(), np.bincount(which, truth).tolist(), strict=True)
    for documents, scores, true in rows:  # a Python loop over distinct scores: 100,000 take a tenth of a second
        while blocks and blocks[-1][2] * documents >= true * blocks[-1][0]:
            before = blocks.pop()
            documents, scores, true = documents + before[0], scores + before[1], true + before[2]
        blocks.append((documents, scores, true))
    table = np.array(blocks)
    return Isotonic(tuple((table[:, 1] / table[:, 0]).tolist()), tuple((table[:, 2] / table[:, 0]).tolist()))


def calibrated(by: Platt | Isotonic, score: np.ndarray) -> np.ndarray:
    """Probabilities: float64 [N] in 0 to 1, rising with the score."""
    if isinstance(by, Platt):
        return _sigmoid(by.slope * _odds(score) + by.offset)
    return np.interp(score, by.score, by.probability)


def used(documents: int) -> str:
    """Which map stands for the model after a fit to so many documents: platt, isotonic, or none."""
    return "none" if documents < FEWEST else "platt" if documents < ENOUGH else "isotonic"


def table(by: Platt | Isotonic, at: Sequence[float]) -> list[tuple[float, float]]:
    """(score, probability) at these scores, for people to read."""
    return list(zip(at, calibrated(by, np.array(at, np.float64)).tolist(), strict=True))
