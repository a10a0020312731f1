"""From the mean of a text's rows to the best labels, by the loss that a fastText model was trained with.

As the library has it, to the last digit that matters: float32, log(p + 1e-5) in place of log(p), so that a probability
may be 1.00001, a sigmoid that is a table of 512 steps from -8 to 8, and no label below 1e-5.
"""

import numpy as np
from numba import njit

from classifiers.fasttext_model import SOFTMAX

_EDGE, _STEPS = np.float32(8), 512


def _sigmoid() -> np.ndarray:
    at = np.arange(_STEPS + 1, dtype=np.float32) * np.float32(2) * _EDGE / np.float32(_STEPS) - _EDGE
    return (1.0 / (1.0 + np.exp(-at.astype(np.float64)))).astype(np.float32)


SIGMOID = _sigmoid()


@njit(nogil=True, cache=True)
def best_labels(hidden, output, sigmoid, labels, scores):  # type: ignore[no-untyped-def]
    values = np.zeros(output.columns.shape[1], np.float32)
    for d in range(len(hidden)):
        for label in range(len(values)):
            values[label] += output.columns[d, label] * hidden[d]
    if output.loss == SOFTMAX:
        values = np.exp(values - values.max())
        values /= values.sum()
    else:
        for label in range(len(values)):
            values[label] = _tabled(values[label], sigmoid)
    for label in range(len(values)):
        _insert(label, _log(values[label]), labels, scores)


@njit(nogil=True, cache=True)
def _tabled(x, sigmoid):  # type: ignore[no-untyped-def]
    if x > _EDGE:
        return np.float32(1)
    if not x >= -_EDGE:  # NaN too
        return np.float32(0)
    return sigmoid[np.int64((x + _EDGE) * np.float32(_STEPS) / _EDGE / np.float32(2))]


@njit(nogil=True, cache=True)
def best_leaves(hidden, output, labels, scores):  # type: ignore[no-untyped-def]
    """The library's walk: depth first, left first, past no node that scores below the worst that is held."""
    leaves = output.rows.shape[0]
    waiting, so_far = np.empty(leaves + 1, np.int32), np.empty(leaves + 1, np.float32)
    waiting[0], so_far[0] = 2 * leaves - 2, np.float32(0)
    top = 1
    while top:
        top -= 1
        node, score = waiting[top], so_far[top]
        if score < _log(np.float32(0)) or (labels[-1] >= 0 and score < scores[-1]):
            continue
        if output.left[node] < 0:
            _insert(node, score, labels, scores)
            continue
        dot = np.float32(0)
        for d in range(len(hidden)):
            dot += output.rows[node - leaves, d] * hidden[d]
        right = np.float32(1.0 / (1.0 + np.exp(-dot)))
        waiting[top], so_far[top] = output.right[node], score + _log(right)
        waiting[top + 1], so_far[top + 1] = output.left[node], score + _log(np.float32(1) - right)
        top += 2


@njit(nogil=True, cache=True)
def _log(x):  # type: ignore[no-untyped-def]
    return np.float32(np.log(x + 1e-5))


@njit(nogil=True, cache=True)
def _insert(label, score, labels, scores):  # type: ignore[no-untyped-def]
    """Puts a label among the best where it belongs; one that scores as the last that is held takes its place."""
    at = len(labels)
    while at and (labels[at - 1] < 0 or score >= scores[at - 1]):
        at -= 1
    for i in range(len(labels) - 1, at, -1):
        labels[i], scores[i] = labels[i - 1], scores[i - 1]
    if at < len(labels):
        labels[at], scores[at] = label, score
