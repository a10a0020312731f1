"""Which domain each sequence comes from when weights change during a run: a record that grows and is never rewritten.

A stretch of sequences is settled with weights, in whole parts of `WHOLE`. A domain's quota after n sequences is the sum
of its parts over the n; each sequence goes to the domain whose quota is furthest ahead of its count, the first by name
among equals. So, of K domains, after every sequence, however weights moved:

- no count is a sequence ahead of its quota, for only a domain whose quota is above its count may come next;
- none is behind by more than 1/2 + 1/3 + ... + 1/K sequences: 0.5 of 2 domains, 1.1 of 4, 2.6 of 20. (Of the j that are
  furthest behind, the mean is at most 1/(j+1) + ... + 1/K: as in the cup game of Dietz and Raman 1991.)

Within one sequence of every quota, which the interleave of fixed weights keeps, nobody can promise who does not know
the weights to come: of five equal domains two have come after two sequences; give the other three all weight now, and
two more sequences make all three due.

A domain may give so many sequences and no more. Its parts are cut to what is left of its quota, and the others share
what it leaves by their weights; counts being at most 1 - 1/K ahead of quotas, none passes its most.
"""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numba import njit

from corpus.interleave import shared_out

WHOLE = 1_000_000
"""Parts that weights are rounded to, so that rounding errors of floats, in other orders on other numbers of ranks,
rarely show. A million sequences settled with one weight are within half a sequence of it."""

_LONGEST = 1 << 16
"""Sequences of a stretch: to find any of them it is played from its begin, 1 ms for 20 domains
(scripts/bench_online.py)."""

_AT_ONCE = 1 << 12
"""Sequences that parts are cut for: rounded up, they let a quota pass its most by so many in WHOLE of a sequence,
0.004, which must stay below 1 / K."""

_MOST = 1 << 42
"""Sequences, 9e15 tokens at 2,048: as many times WHOLE are an int64 still, of more nobody asks a domain."""


class Steered:
    """The domains of sequences 0, 1, 2, ... as far as they are settled."""

    def __init__(self, most: Sequence[int]) -> None:
        """most: sequences that each domain gives at most, in order of their names."""
        self.most = np.array([min(one, _MOST) for one in most], np.int64)
        self.settled = 0
        self._forget()

    def _forget(self) -> None:
        none = np.zeros(len(self.most), np.int64)
        self._begins: list[int] = []  # of stretches
        self._parts: list[np.ndarray] = []  # int64 [K] of each
        self._states: list[np.ndarray] = [np.stack((none, none))]  # before each: counts, and quotas less counts
        self._last: tuple[int, np.ndarray] = (0, self._states[0])  # a place, and the state there

    def settle(self, stop: int, weights: np.ndarray) -> np.ndarray:
        """Settle what is not yet settled up to `stop`, by these weights: float64 [K], 0 or more.

        Returns bool [K], which domains get less than that, because they have given what they may. Where all have, they
        go on: a rewind may ask for more sequences than were planned. ValueError where weights are no weights.
        """
        if stop <= self.settled:
            return np.zeros(len(self.most), bool)
        asked, short = rounded(weights, len(self.most)), np.zeros(len(self.most), bool)
        for begin in range(self.settled, stop, _AT_ONCE):
            many = min(_AT_ONCE, stop - begin)
            parts = self._within(asked, many)
            if not self._parts or begin - self._begins[-1] >= _LONGEST or (parts != self._parts[-1]).any():
                self._begin(begin, parts)
            self.settled = begin + many
            short |= parts < asked
        return short

    def _begin(self, begin: int, parts: np.ndarray) -> None:
        if self._parts:
            self._states.append(self._state(begin))
        self._begins.append(begin)
        self._parts.append(parts)

    def _within(self, asked: np.ndarray, many: int) -> np.ndarray:
        """The parts that leave every quota at most `most` after so many more sequences."""
        counts, behind = self._state(self.settled)
        left = self.most * WHOLE - (counts * WHOLE + behind)
        return limited(asked, -(-np.maximum(left, 0) // many))

    def counts(self, n: int) -> np.ndarray:
        """Sequences of each domain among the first n: int64 [K]. ValueError where n is not settled."""
        return self._state(n)[0].copy()

    def quotas(self, n: int) -> np.ndarray:
        """What would be each domain's due among the first n, in 1 / WHOLE of a sequence: int64 [K]."""
        counts, behind = self._state(n)
        return np.asarray(counts * WHOLE + behind)

    def weights(self, n: int) -> np.ndarray:
        """Of the last of the first n sequences: float64 [K], summing to 1. ValueError where it is not settled."""
        if not 0 < n <= self.settled:
            raise ValueError(f"the weights of sequence {n - 1:,} were asked for, {self.settled:,} are settled")
        return np.asarray(self._parts[self._stretch(n - 1)[0]] / WHOLE)

    def span(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """The domain of each sequence in [start, stop), int32, and how many of that domain came before it, int64."""
        if not 0 <= start <= stop <= self.settled:
            raise ValueError(f"sequences {start:,} to {stop:,} were asked for, {self.settled:,} are settled")
        found: list[tuple[np.ndarray, np.ndarray]] = [(np.zeros(0, np.int32), np.zeros(0, np.int64))]
        state = self._state(start).copy()
        while start < stop:
            own, end = self._stretch(start)
            until = min(end, stop)
            found.append(_played(self._parts[own], state[0], state[1], until - start))
            start = until
        return np.concatenate([d for d, _ in found]), np.concatenate([i for _, i in found])

    def _stretch(self, n: int) -> tuple[int, int]:
        """The number of the stretch that sequence n lies in, and where it ends."""
        own = max(0, bisect_right(self._begins, n) - 1)
        later = self._begins[own + 1 : own + 2]
        return own, later[0] if later else self.settled

    def _state(self, n: int) -> np.ndarray:
        """Counts, and quotas less counts in parts, before sequence n: int64 [2, K]. Not to be written to."""
        if not 0 <= n <= self.settled:
            raise ValueError(f"the state before sequence {n:,} was asked for, {self.settled:,} are settled")
        if not self._parts:
            return self._states[0]
        own = self._stretch(n)[0]
        begin, state = self._begins[own], self._states[own]
        last = self._last  # once: the thread that reads ahead asks as well
        if begin <= last[0] <= n:
            begin, state = last
        state = state.copy()
        _played(self._parts[own], state[0], state[1], n - begin)
        self._last = n, state
        return state

    def state_dict(self) -> dict[str, Any]:
        """All that was settled: where weights changed, and the parts from there on; of JSON's types."""
        new = [n for n in range(len(self._parts)) if n == 0 or (self._parts[n] != self._parts[n - 1]).any()]
        parts = [self._parts[n].tolist() for n in new]
        return {"settled": self.settled, "begins": [self._begins[n] for n in new], "parts": parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a record; one that does not reach as far as this is the beginning of it, and changes nothing."""
        if state["settled"] <= self.settled:
            return
        self.settled = 0
        self._forget()
        for begin, end, parts in zip(
            state["begins"], [*state["begins"][1:], state["settled"]], state["parts"], strict=True
        ):
            for at in range(begin, end, _LONGEST):
                self._begin(at, np.array(parts, np.int64))
                self.settled = min(end, at + _LONGEST)


def rounded(weights: np.ndarray, k: int) -> np.ndarray:
    """int64 [k] parts that sum to WHOLE, in proportion to the weights. ValueError where they are no weights."""
    given = np.asarray(weights, np.float64)
    if given.shape != (k,) or not np.isfinite(given).all() or given.min() < 0 or given.sum() <= 0:
        raise ValueError(f"weights {given.tolist()!s:.200} for {k:,} domains; finite, 0 or more, and not all 0")
    return _shared(WHOLE, [Fraction(weight) for weight in given.tolist()])


def limited(asked: np.ndarray, most: np.ndarray) -> np.ndarray:
    """int64 [K] parts in proportion to those asked for, none above its most; as asked where `most` sum to too little.

    What a domain may not have the others share by what they asked for, those that asked for nothing last.
    """
    whole = int(asked.sum())
    if (asked <= most).all() or int(most.sum()) < whole:
        return asked
    parts, free = np.minimum(most, 0), np.ones(len(asked), bool)
    while True:
        wanted = np.where(free, asked, 0)
        if not wanted.any():
            wanted = np.where(free, most, 0)
        parts[free] = _shared(whole - int(parts[~free].sum()), [Fraction(int(one)) for one in wanted])[free]
        over = free & (parts > most)
        if not over.any():
            return parts
        parts[over], free = most[over], free & ~over


def _shared(whole: int, weights: list[Fraction]) -> np.ndarray:
    """`whole` in integers by largest remainder, ties to the first."""
    width = len(str(len(weights)))
    found = shared_out(whole, {f"{n:0{width}}": weight for n, weight in enumerate(weights)})
    return np.array(list(found.values()), np.int64)


@njit(nogil=True, cache=True)
def _played(parts, counts, behind, many):  # type: ignore[no-untyped-def]
    """The domains of so many sequences, and how many of theirs came before each; moves counts and `behind` on."""
    domains, indices = np.empty(many, np.int32), np.empty(many, np.int64)
    for slot in range(many):
        best = 0
        for d in range(len(parts)):
            behind[d] += parts[d]
            if behind[d] > behind[best]:
                best = d
        domains[slot], indices[slot] = best, counts[best]
        counts[best] += 1
        behind[best] -= WHOLE
    return domains, indices
