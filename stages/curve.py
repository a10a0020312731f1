"""The S-curve of banding: how often two texts of a similarity share a band, and bands for a wished threshold.

A given band of r rows agrees with chance s**r, and some band of b with chance 1 - (1 - s**r)**b (Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, 3.4). The threshold (1/b)**(1/r) is where that is 1 - (1 - 1/b)**b,
0.63 to 0.66 with five bands or more: the middle of a slope and no cut-off.
"""

from functools import cache

import numpy as np
from rich.table import Table

POINTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Similarities of `curve_table`: those that papers print, and a few more."""

_NODES = 256  # Gauss-Legendre: exact for polynomials of degree 511, within 1e-9 of scipy's quad on all others here
_WIDTH = 40  # characters of a bar


def chance(similarity: float | np.ndarray, bands: int, rows: int | np.ndarray) -> np.ndarray:
    """The chance that two texts of that Jaccard similarity (0 to 1) share a band, in the shape of both together."""
    with np.errstate(divide="ignore"):  # at similarity 1 log1p(-1) is minus infinity, and the chance 1
        return -np.expm1(bands * np.log1p(-(np.asarray(similarity, np.float64) ** rows)))


def threshold(bands: int, rows: int) -> float:
    """(1/bands)**(1/rows): the similarity where a pair is proposed about two times in three."""
    return float((1 / bands) ** (1 / rows))


@cache
def bands_for(threshold: float, permutations: int) -> tuple[int, int]:
    """Bands and rows, at most `permutations` together, that part pairs at `threshold` best.

    Least is the area under the curve below the threshold (proposed in vain) and that over it above (missed),
    each with the same weight: datasketch's rule for `MinHashLSH(threshold=...)`, and equal to it. Fewer bands
    go first where two are as good. ValueError where the threshold is not between 0 and 1 or no permutation is left.
    """
    if not 0 < threshold < 1 or permutations < 1:
        raise ValueError(
            f"threshold {threshold:g} must lie between 0 and 1, and {permutations:,} permutations be at least 1"
        )
    best = [_best(threshold, bands, permutations // bands) for bands in range(1, permutations + 1)]
    _, bands, rows = min(best)
    return bands, rows


def _best(threshold: float, bands: int, most_rows: int) -> tuple[float, int, int]:
    """The least error with so many bands, these, and the rows: 1 to `most_rows`."""
    rows = np.arange(1, most_rows + 1)
    nodes, weights = _nodes()
    below, above = threshold * nodes, threshold + (1 - threshold) * nodes
    vain = threshold * (chance(below, bands, rows[:, None]) @ weights)
    missed = (1 - threshold) * ((1 - chance(above, bands, rows[:, None])) @ weights)
    least = int(np.argmin(vain + missed))
    return float((vain + missed)[least]), bands, int(rows[least])


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of an integral from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2


def curve_table(bands: int, rows: int) -> list[tuple[float, float]]:
    """Similarity and chance at POINTS."""
    return [(point, float(chance(point, bands, rows))) for point in POINTS]


def plot(bands: int, rows: int) -> Table:
    """The curve as a table with bars, 60 characters wide."""
    table = Table(
        title=f"{bands:,} bands of {rows:,} rows, threshold {threshold(bands, rows):.3f}",
        box=None,
        title_justify="left",
    )
    table.add_column("similarity", justify="right")
    table.add_column("proposed", justify="right")
    table.add_column("")
    for similarity, share in curve_table(bands, rows):
        table.add_row(f"{similarity:.2f}", f"{share:.3f}", "█" * round(share * _WIDTH))
    return table
