"""What a measure is, and the little that all of them share."""

from collections.abc import Callable
from functools import wraps
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from corpus.documents import Batch

T = TypeVar("T")


def once(function: Callable[[Batch], T]) -> Callable[[Batch], T]:
    """The same function, run at most once a batch; the result lives as long as the batch."""
    known: WeakKeyDictionary[Batch, T] = WeakKeyDictionary()

    @wraps(function)
    def remembered(batch: Batch) -> T:
        if batch not in known:
            known[batch] = function(batch)
        return known[batch]

    return remembered


class Measure(NamedTuple):
    """A number per document: int64 or float64 [N], never NaN."""

    function: Callable[[Batch], np.ndarray]
    meaning: str  # with the unit
    source: str
    type: pa.DataType = pa.float64()


Rows = dict[str, Measure]
"""Measures by the name of their column: what each file of this folder gives to table.py."""


def per(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """parts / whole, and 0 where the whole is 0: float64 [N]."""
    shares: np.ndarray = np.divide(parts, whole, out=np.zeros(len(whole)), where=whole != 0)
    return shares
