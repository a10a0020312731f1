"""Which domain each sequence of a mixture comes from, so that after any number every domain has its due.

With parts m of a whole M, a domain's quota after n sequences is n m / M. Its count is that rounded down or up,
for every n: never a whole sequence from its quota, and nothing drifts. This is the chairman assignment problem
(Tijdeman 1980): the j-th sequence of a domain may not come before its quota passes j - 1 nor after it reaches j,
and of those that may come the one with the earliest deadline does.

That alone would have to be played from the first sequence on. So that any place is found without, the counts at
every multiple of `block` are settled by themselves, from n alone (`_ahead`), and only the block is played:

- At such an n each domain is between two sequences, one of which "crosses". As many crossing sequences must already
  have come as the quotas' fractions sum to. Which, has two sides: those that have not come must find room after n,
  with all that is due there; those that have must have found room before. Both are chains of conditions, on how
  many of the earliest deadlines have come and how many of the latest beginnings. The even flow of all domains meets
  both, so a choice in whole sequences does too (two laminar families: their matrix is totally unimodular), and
  taking, whenever a deadline forces one more, that which may come the earliest finds one (by exchange).
- A block is longer than any sequence may take, so none crosses two boundaries, and blocks cannot contradict.

A seek thus costs a block wherever it goes: 0.2 ms for 20 domains of like size, 0.15 s for a part of one in 2 million.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, gcd, lcm

import numpy as np
from numba import njit

from corpus.errors import RecipeError

WHOLE = 1 << 40
"""Parts of a whole that weights are rounded to where they have no smaller common denominator: after a billion
sequences such a quota is less than 0.001 of a sequence from that of the weight."""

LEAST = 1 << 22
"""A domain needs one sequence in so many at least, 8.6 billion tokens at 2,048: a block is played at a time."""

_BLOCK = 1024  # at least: what settling a boundary costs is shared by so many


class Interleave:
    """The domains of sequences 0, 1, 2, ... for parts of a whole."""

    def __init__(self, parts: Sequence[int]) -> None:
        """parts: of each domain, above 0. RecipeError where they sum to more than WHOLE or one is below 1 / LEAST."""
        whole = sum(parts)
        if not parts or min(parts) < 1 or whole > WHOLE or whole > LEAST * min(parts):
            raise RecipeError(
                f"interleave: parts {list(parts)[:8]} of {whole:,} were given; each must be 1 or more and one in "
                f"{LEAST:,} of the whole, which may be {WHOLE:,}. Leave out domains that are to give less."
            )
        divisor = gcd(*parts)
        self.parts = np.array([part // divisor for part in parts], np.int64)
        self.whole = whole // divisor
        self.block = max(_BLOCK, ceil(Fraction(whole, min(parts))) + 2)
        self._played: tuple[int, np.ndarray, np.ndarray, np.ndarray] | None = None

    def counts(self, n: int) -> np.ndarray:
        """Sequences of each domain among the first n: int64 [K], each its quota rounded down or up, n in sum."""
        first, domains, _ = self._block(n // self.block)
        return first + np.bincount(domains[: n % self.block], minlength=len(self.parts))

    def span(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """The domain of each sequence in [start, stop), int32, and how many of that domain came before it, int64."""
        if not 0 <= start <= stop:
            raise ValueError(f"sequences {start:,} to {stop:,} were asked for; they begin at 0 and go up")
        numbers = range(start // self.block, -(-stop // self.block))
        pieces = [self._block(number)[1:] for number in numbers]
        cut = slice(start % self.block, start % self.block + stop - start)
        if not pieces:
            return np.zeros(0, np.int32), np.zeros(0, np.int64)
        return np.concatenate([d for d, _ in pieces])[cut], np.concatenate([i for _, i in pieces])[cut]

    def _block(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Counts before block `number`, and the domains and indices of its sequences; the last one is kept."""
        played = self._played
        if played is None or played[0] != number:
            start, rests, ahead = self._state(number)
            stop, _, then = self._state(number + 1)
            due = np.array([b - a for a, b in zip(start, stop, strict=True)], np.int64) + then
            domains, indices = _play(self.parts, self.whole, self.block, rests, ahead, due)
            first = np.array(start, np.int64) + ahead
            indices += first[domains]
            self._played = played = (number, first, domains, indices)
        return played[1:]

    def _state(self, number: int) -> tuple[list[int], np.ndarray, np.ndarray]:
        """At the block's begin: quotas rounded down, what remains of them in 1 / whole, and who is one ahead."""
        n = number * self.block
        quotas = [divmod(n * int(part), self.whole) for part in self.parts]  # Python's integers: n * part is 2**80
        rests = np.array([rest for _, rest in quotas], np.int64)
        extra = n - sum(count for count, _ in quotas)
        return [count for count, _ in quotas], rests, _ahead(self.parts, self.whole, self.block, rests, extra)


def parts_of(weights: Mapping[str, float | Fraction | int]) -> dict[str, int]:
    """Whole parts in the proportion of the weights, for the domains above 0, in order of their names.

    Exact where the weights have a common denominator that makes no more than WHOLE parts; else WHOLE parts are
    shared out by largest remainder (ties to the first name), each within one of its exact share. RecipeError where
    a weight is below 0 or not finite, all are 0, or one would be less than one part in LEAST.
    """
    for domain, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise RecipeError(f"domain {domain!r} has the weight {weight!r}, not a number from 0 on")
    exact = {domain: Fraction(weights[domain]) for domain in sorted(weights) if weights[domain] > 0}
    total = sum(exact.values(), Fraction())
    for domain, weight in exact.items():
        if weight * LEAST < total:
            raise RecipeError(
                f"domain {domain!r} has {float(weight / total):.3g} of the weight, less than one sequence in "
                f"{LEAST:,}; raise it, or give it 0 to leave it out"
            )
    if not exact:
        raise RecipeError("no domain has a weight above 0, so there is nothing to read")
    scale = lcm(*(weight.denominator for weight in exact.values()))
    counts = {domain: int(weight * scale) for domain, weight in exact.items()}
    divisor = gcd(*counts.values())
    if sum(counts.values()) // divisor <= WHOLE:
        return {domain: count // divisor for domain, count in counts.items()}
    return shared_out(WHOLE, exact)


def shared_out(whole: int, weights: Mapping[str, Fraction | int]) -> dict[str, int]:
    """`whole` in integers that sum to it, by largest remainder (Hamilton's method); ties go to the first name."""
    total = sum(weights.values(), Fraction())
    shares = {domain: Fraction(weight) * whole / total for domain, weight in sorted(weights.items())}
    counts = {domain: int(share) for domain, share in shares.items()}
    by_rest = sorted(shares, key=lambda domain: (counts[domain] - shares[domain], domain))
    for domain in by_rest[: whole - sum(counts.values())]:
        counts[domain] += 1
    return counts


@njit(nogil=True, cache=True)
def _deadline(i, part, whole, rest):  # type: ignore[no-untyped-def]
    """Slots after the boundary by which the i-th sequence past the rounded-down count has come; i * whole < 2**63."""
    return (i * whole - rest + part - 1) // part


@njit(nogil=True, cache=True)
def _ahead(parts, whole, block, rests, extra):  # type: ignore[no-untyped-def]
    """int64 [K], 1 where the crossing sequence has come; `extra` of them. See the head of this file."""
    due = np.zeros(block + 1, np.int64)  # later sequences, by deadline
    last, begins = np.zeros(len(parts), np.int64), np.zeros(len(parts), np.int64)
    for d in range(len(parts)):
        i = 1
        if rests[d] > 0:
            last[d] = _deadline(1, parts[d], whole, rests[d])
            begins[d] = -rests[d] // parts[d]
            i = 2
        by = _deadline(i, parts[d], whole, rests[d])
        while by <= block:
            due[by] += 1
            i += 1
            by = _deadline(i, parts[d], whole, rests[d])
    order = np.argsort(last, kind="mergesort")
    ahead, taken, seen, later = np.zeros(len(parts), np.int64), 0, 0, 0
    while seen < len(order) and last[order[seen]] == 0:
        seen += 1  # whose quota is whole: nothing crosses
    none = seen
    for t in range(1, block + 1):
        later += due[t]
        while seen < len(order) and last[order[seen]] <= t:
            seen += 1
        while taken < min(extra, seen - none - (t - later)):
            ahead[_earliest(order[none:seen], begins, ahead)] = 1
            taken += 1
    while taken < extra:
        ahead[_earliest(order[none:], begins, ahead)] = 1
        taken += 1
    return ahead


@njit(nogil=True, cache=True)
def _earliest(among, begins, ahead):  # type: ignore[no-untyped-def]
    best = -1
    for d in among:
        if ahead[d] == 0 and (best < 0 or begins[d] < begins[best] or (begins[d] == begins[best] and d < best)):
            best = d
    return best


@njit(nogil=True, cache=True)
def _play(parts, whole, block, rests, ahead, due):  # type: ignore[no-untyped-def]
    """The domains of a block's sequences by earliest deadline, and how many of theirs the block had before each."""
    domains, indices = np.empty(block, np.int32), np.empty(block, np.int64)
    done = ahead.copy()
    begin, last = np.zeros(len(parts), np.int64), np.zeros(len(parts), np.int64)
    for d in range(len(parts)):
        _next(d, parts, whole, block, rests, done, due, begin, last)
    for slot in range(block):
        best = -1
        for d in range(len(parts)):
            if begin[d] <= slot and (best < 0 or last[d] < last[best]):
                best = d
        domains[slot], indices[slot] = best, done[best] - ahead[best]
        done[best] += 1
        _next(best, parts, whole, block, rests, done, due, begin, last)
    return domains, indices


@njit(nogil=True, cache=True)
def _next(d, parts, whole, block, rests, done, due, begin, last):  # type: ignore[no-untyped-def]
    """When the domain's next sequence may come, and must; after the block where it has given what is due."""
    if done[d] >= due[d]:
        begin[d] = last[d] = block + 1
    else:
        begin[d] = (done[d] * whole - rests[d]) // parts[d]
        last[d] = min(_deadline(done[d] + 1, parts[d], whole, rests[d]), block)
