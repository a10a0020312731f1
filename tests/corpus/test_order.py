"""The shuffle: a permutation for every size, seed and epoch, both ways, and never the same twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.order import MOST, Order, epoch_order, place

SEEDS = st.integers(0, 2**64 - 1)


@given(st.integers(0, 3000), SEEDS, st.integers(0, 1000))
def test_every_element_stands_once_and_the_inverse_finds_it(size, seed, epoch):
    order, positions = epoch_order(size, seed, epoch, "documents"), np.arange(size)
    elements = order.element(positions)
    assert sorted(elements.tolist()) == positions.tolist()
    assert order.position(elements).tolist() == positions.tolist()


@given(st.integers(1, MOST), SEEDS, st.data())
def test_any_place_of_any_size_is_found_by_itself(size, key, data):
    order = Order(size, key)
    positions = np.array(data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=20)))
    elements = order.element(positions)
    assert ((elements >= 0) & (elements < size)).all()
    assert order.position(elements).tolist() == positions.tolist()
    assert order.element(positions[:1])[0] == elements[0]
    assert [place(p, size, order.bits, np.uint64(key)) for p in positions] == elements.tolist()


@given(st.integers(64, 2000), SEEDS, st.integers(0, 1 << 40))
def test_no_two_epochs_share_a_permutation(size, seed, epoch):
    """By chance two of 64! do with probability 1e-89."""
    seen = {epoch_order(size, seed, epoch + n, "x").element(np.arange(size)).tobytes() for n in range(12)}
    assert len(seen) == 12


def test_seed_and_subject_matter_too():
    orders = [epoch_order(100, 1, 0, "a"), epoch_order(100, 2, 0, "a"), epoch_order(100, 1, 0, "b")]
    assert len({order.element(np.arange(100)).tobytes() for order in orders}) == 3


def test_the_order_of_ten_never_changes():
    """A resumed run reads on in the order it began with, whatever version goes on."""
    assert epoch_order(10, 1, 0, "documents of web").element(np.arange(10)).tolist() == [5, 2, 8, 0, 6, 3, 1, 4, 9, 7]
    assert epoch_order(10, 1, 1, "documents of web").element(np.arange(10)).tolist() == [5, 7, 3, 9, 1, 2, 8, 6, 4, 0]


@pytest.mark.parametrize("size", [16, 1000])
def test_elements_land_everywhere_alike(size):
    """Pearson's chi-squared of where element 0 stands over 200 epochs a place; 5 standard deviations are allowed."""
    many = 200 * size if size < 100 else 20 * size
    stands = [int(epoch_order(size, 3, n, "x").position(np.zeros(1, np.int64))[0]) for n in range(many)]
    counts = np.bincount(stands, minlength=size)
    squared = ((counts - many / size) ** 2 / (many / size)).sum()
    assert abs(squared - (size - 1)) < 5 * np.sqrt(2 * (size - 1))


def test_neighbours_do_not_stay_neighbours():
    """Of 100,000 elements, those still followed by their successor are Poisson with mean 1."""
    elements = epoch_order(100_000, 3, 0, "x").element(np.arange(100_000))
    assert (np.diff(elements) == 1).sum() < 10
    assert abs(np.corrcoef(np.arange(100_000), elements)[0, 1]) < 5 / np.sqrt(100_000)


@pytest.mark.parametrize("positions", [[-1], [5], [0, 7]])
def test_what_lies_outside_is_refused(positions):
    with pytest.raises(ValueError, match="of an order of 5"):
        Order(5, 1).element(np.array(positions))


def test_more_than_there_are_numbers_is_refused():
    with pytest.raises(ValueError, match="can be had"):
        Order(MOST + 1, 1)
