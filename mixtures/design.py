"""Which mixtures to train proxies on: draws of a Dirichlet around a prior, as in RegMix (Liu et al. 2024).

The constants are those of its code (sail-sg/regmix, mixture_config/synthesize_mixture.py): the prior is flattened by
an exponent of 0.5, and strengths from 0.1, nearly one domain alone, to 5, near the prior, are equally likely in
logarithms.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from corpus.errors import RecipeError

TEMPERATURE = 0.5  # the exponent of the prior
STRENGTHS = (0.1, 5.0)
LEAST = 2e-4
"""A smaller weight is none: the least of RegMix's mixtures."""

_TRIED = 1_000  # draws for a mixture; a prior whose caps let less than one in 1,000 pass is refused
_BLOCK = 64  # mixtures drawn at once, however many are wanted: so that more of them begin with the same ones


def designed(
    prior: np.ndarray,
    most: np.ndarray,
    runs: int,
    *,
    seed: int,
    temperature: float = TEMPERATURE,
    strengths: tuple[float, float] = STRENGTHS,
    least: float = 0.0,
) -> np.ndarray:
    """Weights to train on, float64 [runs, D], all different, none above `most` [D] (caps.py); with more runs, the same
    ones first.

    prior: [D], above 0, sums to 1. least: a smaller weight becomes 0, for a proxy would see too little of it; RegMix
    has 2e-4. Draws above a cap are thrown away, not lowered: the others stay as likely as they were. Raises RecipeError
    where next to none is left.
    """
    blocks = -(-_TRIED * runs // _BLOCK)
    every = draws(np.random.default_rng(seed), prior, most, _BLOCK, temperature, strengths, least)
    found = np.empty((0, len(prior)))
    for drawn in islice(every, blocks):
        if len(drawn):
            found = np.concatenate([found, drawn])
            found = found[np.sort(np.unique(found, axis=0, return_index=True)[1])]  # those of one domain alone recur
        if len(found) >= runs:
            return found[:runs]
    raise RecipeError(
        f"design: of {blocks * _BLOCK:,} mixtures drawn, {len(found):,} are within the caps and differ, of {runs:,} "
        f"wanted: allow more epochs, draw nearer to the prior with strengths above {strengths[1]:g}, or train proxies "
        f"on more tokens, for weights below {least:.3g} are none"
    )


def draws(
    rng: np.random.Generator,
    prior: np.ndarray,
    most: np.ndarray,
    block: int,
    temperature: float = TEMPERATURE,
    strengths: tuple[float, float] = STRENGTHS,
    least: float = 0.0,
) -> Iterator[np.ndarray]:
    """Without end, what of `block` draws is within the caps, float64 [<= block, D]. Arguments as of `designed`."""
    flat = prior**temperature / (prior**temperature).sum()
    while True:
        strength = np.exp(rng.uniform(np.log(strengths[0]), np.log(strengths[1]), size=block))
        drawn = dirichlet(rng, flat * strength[:, None])
        drawn = np.where(drawn < least, 0.0, drawn)
        drawn = drawn[drawn.any(axis=1)]
        drawn = drawn / drawn.sum(axis=1, keepdims=True)
        yield drawn[(drawn <= most).all(axis=1)]


def dirichlet(rng: np.random.Generator, concentration: np.ndarray) -> np.ndarray:
    """A draw for each row of concentrations, float64 [N, D]; in logarithms, for a gamma of shape 1e-4 is mostly 0."""
    logs = np.log(rng.gamma(concentration + 1)) + np.log(rng.random(concentration.shape)) / concentration
    drawn = np.exp(logs - logs.max(axis=1, keepdims=True))
    return drawn / drawn.sum(axis=1, keepdims=True)
