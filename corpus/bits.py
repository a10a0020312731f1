"""Eight bytes looked at together in one word: which of them is the first with a mark, and how many have one."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic


def _zeros(context: Any, word: Any) -> Any:
    def counted(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), counted


_trailing_zeros: Any = intrinsic(_zeros)
_ONES = np.uint64(0x0101_0101_0101_0101)


@njit(inline="always")
def first_marked(marks):  # type: ignore[no-untyped-def]
    """The place of the lowest byte of a uint64 that has its high bit set, no other bit being set; 8 where none has."""
    return _trailing_zeros(marks) >> np.uint64(3)


@njit(inline="always")
def marked(marks):  # type: ignore[no-untyped-def]
    """How many bytes of such a uint64 have a mark: int64."""
    return np.int64(((marks >> np.uint64(7)) * _ONES) >> np.uint64(56))
