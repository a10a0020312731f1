"""Eight bytes in a word."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from corpus.bits import first_marked, marked


@njit
def first(marks):
    return first_marked(np.uint64(marks))


@njit
def count(marks):
    return marked(np.uint64(marks))


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_the_first_marked_byte_is_the_lowest_and_all_are_counted(marks):
    word = np.uint64(sum(0x80 << 8 * i for i, one in enumerate(marks) if one))
    assert first(word) == (marks.index(True) if any(marks) else 8)
    assert count(word) == sum(marks)
