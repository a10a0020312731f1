"""Shares of a sample with the interval that they stand for, also where draws come in families."""

from math import sqrt
from statistics import NormalDist

import numpy as np

LEVEL = 0.99
"""Of every interval in an audit: of ten bins one in ten audits has one that misses."""


def wilson(share: float, draws: float, level: float = LEVEL) -> tuple[float, float]:
    """Least and largest true share that fit `share` of `draws`, both in [0, 1]; (0, 1) where nothing was drawn.

    draws: may be a fraction, as `effective` gives it. Source: Wilson 1927, "Probable inference, the law of
    succession, and statistical inference", without correction for continuity.
    """
    if draws <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    grown = 1 + z * z / draws
    centre = (share + z * z / (2 * draws)) / grown
    half = z / grown * sqrt(share * (1 - share) / draws + z * z / (4 * draws * draws))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return min(low, share), max(high, share)  # at 0 and 1 an end is the share itself, which rounding misses by 1e-17


def effective(families: np.ndarray) -> float:
    """How many independent draws these are worth at least: (sum m)**2 / sum m**2 over families of m draws.

    families: int64 [P], the family of each draw. Pairs of one family of texts share their bands or miss them
    together: 100 copies of one licence are 4,950 pairs and one piece of evidence. This takes them to agree
    wholly, so an interval is rather too wide than too narrow. Source: Kish 1965, Survey Sampling, section 8.2.
    """
    if len(families) == 0:
        return 0.0
    _, sizes = np.unique(families, return_counts=True)
    return float(len(families) ** 2 / np.sum(sizes.astype(np.float64) ** 2))
