"""Recall by similarity: of the pairs that are so alike, how many met, how many were caught, and what theory says.

A pair is *proposed* where its two texts share a band key, made anew with the stage's own settings: that is what
the curve 1 - (1 - s**r)**b is about. It is *caught* where the run, end to end, called at least one of the two a
duplicate (of the other, or of a third): then not both are kept, unless the stage only annotates. Similarity is Jaccard
of all shingles, whatever measure the stage removes by; theory holds where signatures see all of them (`most_shingles`).
"""

from typing import Any, NamedTuple

import numpy as np

from pipeline.audit.intervals import effective, wilson
from stages.curve import chance

LEAST = 0.5
"""Pairs less alike than this are not looked for: nobody removes them."""

BINS = 10
"""Of 0.05 from LEAST to 1; a bin holds its lower end, the last one both."""


class Draws(NamedTuple):
    """Pairs, one value each: [P]."""

    similarity: np.ndarray  # float64, exact Jaccard
    proposed: np.ndarray  # bool
    caught: np.ndarray  # bool
    family: np.ndarray  # int64; pairs of one family are no independent draws


def by_similarity(draws: Draws, bands: int, rows: int) -> list[dict[str, Any]]:
    """A row for each bin, whether or not a pair fell into it; shares are null where none did.

    {low, high, pairs, families, measured, measured_low, measured_high, theory, caught, caught_low, caught_high}:
    measured is the share proposed; theory the mean chance over the same pairs; intervals of 99 % take pairs of one
    family of texts for one draw (`intervals.effective`).
    """
    width = (1 - LEAST) / BINS
    bin_ = np.minimum(((draws.similarity - LEAST) / width + 1e-9).astype(np.int64), BINS - 1)
    return [
        {"low": round(LEAST + n * width, 9), "high": round(LEAST + (n + 1) * width, 9)}
        | _row(Draws(*(column[bin_ == n] for column in draws)), bands, rows)
        for n in range(BINS)
    ]


def _row(draws: Draws, bands: int, rows: int) -> dict[str, Any]:
    weight = effective(draws.family)
    said = {"pairs": len(draws.similarity), "families": len(np.unique(draws.family))}
    expected = float(chance(draws.similarity, bands, rows).mean()) if said["pairs"] else None
    measured, caught = _share("measured", draws.proposed, weight), _share("caught", draws.caught, weight)
    return said | measured | {"theory": expected} | caught


def _share(name: str, hits: np.ndarray, weight: float) -> dict[str, float | None]:
    if len(hits) == 0:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    share = float(hits.mean())
    low, high = wilson(share, weight)
    return {name: share, f"{name}_low": low, f"{name}_high": high}
