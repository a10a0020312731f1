"""The scorer of blocks: boosted regression trees over the signals (Friedman 2001), read from trees.txt.

trees.txt is made by scripts/fit_extraction.py, which says on what. One tree a line, its nodes in heap order (the sons
of node i are 2 i + 1 and 2 i + 2): `signal>limit` goes right where it holds, `=logit` is a leaf, `-` is nowhere.
Sums run in one order in float64, so that every machine and every batching gives the same bits.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

FILE = Path(__file__).with_name("trees.txt")


class Trees(NamedTuple):
    """T trees of at most K nodes."""

    signal: np.ndarray  # int64 [T, K], which signal a node looks at; -1 for a leaf
    limit: np.ndarray  # float64 [T, K], the limit of a node, the logit of a leaf


@cache
def trees(file: Path = FILE) -> Trees:
    """The trees of a file."""
    rows = [line.split() for line in file.read_text().splitlines() if not line.startswith("#")]
    signal, limit = np.full((len(rows), len(rows[0])), -1), np.zeros((len(rows), len(rows[0])))
    for k, row in enumerate(rows):
        for node, cell in enumerate(row):
            name, _, number = cell.partition(">" if ">" in cell else "=")
            signal[k, node], limit[k, node] = int(name or -1) if ">" in cell else -1, float(number or 0)
    return Trees(signal, limit)


def logits(of: np.ndarray) -> np.ndarray:
    """The log odds that each block is main text: float64 [B], of signals [B, S]."""
    return _logits(of, *trees())


@njit(nogil=True, cache=True)
def _logits(of, signal, limit):  # type: ignore[no-untyped-def]
    out = np.zeros(len(of))
    for n in range(len(of)):
        for k in range(len(signal)):
            node = 0
            while signal[k, node] >= 0:
                node = 2 * node + (2 if of[n, signal[k, node]] > limit[k, node] else 1)
            out[n] += limit[k, node]
    return out
