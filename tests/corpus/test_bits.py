"""Eight bytes in a word."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from corpus.bits import first_marked


@njit
def first(marks):
    return first_marked(np.uint64(marks))


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_the_first_marked_byte_is_the_lowest(marked):
    word = sum(0x80 << 8 * i for i, one in enumerate(marked) if one)
    assert first(np.uint64(word)) == (marked.index(True) if any(marked) else 8)
