"""A shuffle without memory: for every epoch another permutation of [0, size), answered both ways in O(1).

A keyed Feistel network permutes the numbers of just enough bits, and what falls past `size` walks on until it
falls within (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). Nothing is stored and nothing is
drawn in turn, so any position of any epoch is known at once, on every machine, after every resume.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from corpus.hashing import combine, stable_hash

ROUNDS = 8
"""Of the network. Patarin (2004) shows 5 to resist any test with fewer than 2**(bits / 2) queries; halves of two or
three bits, as small sets have, want more. 8 cost 35 ns a number, walks included."""

MOST = 1 << 62  # so that twice as many, the numbers of the bits, are still int64


@dataclass(frozen=True)
class Order:
    """One permutation of [0, size)."""

    size: int
    key: int  # 64 bits

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MOST:
            raise ValueError(f"an order of {self.size:,} elements was asked for; 0 to {MOST:,} can be had")

    def element(self, positions: np.ndarray) -> np.ndarray:
        """Which element stands at each position: int64 [M] -> int64 [M]; ValueError outside of [0, size)."""
        return np.asarray(_walked(self._within(positions), self.size, self.bits, np.uint64(self.key), False))

    def position(self, elements: np.ndarray) -> np.ndarray:
        """Where each element stands, the inverse of `element`: int64 [M] -> int64 [M]; ValueError likewise."""
        return np.asarray(_walked(self._within(elements), self.size, self.bits, np.uint64(self.key), True))

    @property
    def bits(self) -> int:
        """Of the network: at least two, so that both halves have one. Fewer than four numbers for one walk on."""
        return max(2, (self.size - 1).bit_length())

    def _within(self, numbers: np.ndarray) -> np.ndarray:
        numbers = np.ascontiguousarray(numbers, np.int64)
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < self.size:
            raise ValueError(f"{numbers.min():,} to {numbers.max():,} were asked for, of an order of {self.size:,}")
        return numbers


def epoch_order(size: int, seed: int, epoch: int, of: str) -> Order:
    """The permutation of an epoch. of: what is put in order ("documents of web"), so no two things share theirs."""
    return Order(size, stable_hash("order", seed, epoch, of))


@njit(nogil=True, cache=True)
def place(number, size, bits, key):  # type: ignore[no-untyped-def]
    """The element at position `number` of the order with that key; for kernels, which check the range first."""
    number = _through(number, bits, key, False)
    while number >= size:
        number = _through(number, bits, key, False)
    return number


@njit(nogil=True, cache=True)
def _through(number, bits, key, back):  # type: ignore[no-untyped-def]
    """The network, or its inverse: each half in turn is mixed with a hash of the other, so sizes may differ."""
    low_bits = bits // 2
    high_mask, low_mask = (1 << (bits - low_bits)) - 1, (1 << low_bits) - 1
    high, low = number >> low_bits, number & low_mask
    for step in range(ROUNDS):
        turn = ROUNDS - 1 - step if back else step
        noise = combine(combine(key, np.uint64(turn)), np.uint64(high if turn % 2 else low))
        if turn % 2:
            low ^= np.int64(noise >> np.uint64(2)) & low_mask
        else:
            high ^= np.int64(noise >> np.uint64(2)) & high_mask
    return high << low_bits | low


@njit(nogil=True, cache=True)
def _walked(numbers, size, bits, key, back):  # type: ignore[no-untyped-def]
    found = np.empty(len(numbers), np.int64)
    for n in range(len(numbers)):
        number = _through(numbers[n], bits, key, back)
        while number >= size:
            number = _through(number, bits, key, back)
        found[n] = number
    return found
