"""A budget in whole tokens by largest remainders, and how far given shares of given tokens reach.

Weights are fractions that sum to 1 (`exact`). By largest remainders (Hamilton's method) parts sum to the budget, and
none is a token or more from its share. The method has the Alabama paradox: a budget of one more can take a token from a
domain, never two.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

SLACK = 1 + Fraction(1, 1 << 50)
"""A weight is the nearest double to a share: off by 2**-53 of itself, and all by 2**-52 when divided by their sum. So
the cap of UniMax, which is exact, is met at the budget it was worked out for, and not missed by a token."""


class Reach(NamedTuple):
    """The domain that comes first to some number of passes, and the whole budget at which it does."""

    domain: str
    budget: int


def exact(weights: Mapping[str, float]) -> dict[str, Fraction]:
    """The weights as fractions that sum to 1, in the order of their names."""
    whole = sum(map(Fraction, weights.values()), Fraction())
    return {domain: Fraction(weights[domain]) / whole for domain in sorted(weights)}


def apportioned(weights: Mapping[str, Fraction], budget: int, caps: Mapping[str, int] | None = None) -> dict[str, int]:
    """The budget in whole tokens by largest remainders, ties to the earlier name; sums to `budget` exactly.

    caps: the most a domain may get; ValueError where those of a weight above 0 do not hold the budget together. Without
    them each part is less than a token from weight x budget, and one of weight 0 is 0.
    """
    shares = {domain: budget * weight for domain, weight in weights.items()}
    room = {domain: budget if caps is None else caps[domain] for domain in weights}
    given = {domain: min(int(share), room[domain]) for domain, share in shares.items()}
    left = budget - sum(given.values())
    order = sorted((domain for domain in weights if weights[domain]), key=lambda d: (int(shares[d]) - shares[d], d))
    if caps is not None and sum(caps[domain] for domain in order) < budget:
        raise ValueError(f"caps hold {sum(caps[domain] for domain in order):,} of a budget of {budget:,} tokens")
    while left:  # once round, but where caps cut off what doubles are too coarse to tell (budgets above 1e15)
        for domain in order:
            if left and given[domain] < room[domain]:
                given[domain], left = given[domain] + 1, left - 1
    return given


def reach(weights: Mapping[str, Fraction], unique: Mapping[str, int], passes: Fraction) -> Reach:
    """The domain that first comes to so many passes over its tokens, and the largest budget with none beyond them."""
    budgets = {domain: int(passes * unique[domain] * SLACK / weight) for domain, weight in weights.items() if weight}
    first = min(budgets, key=lambda domain: (budgets[domain], domain))
    return Reach(first, budgets[first])


def most_budget(weights: Mapping[str, Fraction], unique: Mapping[str, int], most: Fraction) -> Reach:
    """The largest budget that these shares can have with no domain seen more than `most` times."""
    first = reach(weights, unique, most)
    return first._replace(budget=min(first.budget, spendable(weights, unique, most)))


def shares_that_fit(
    weights: Mapping[str, Fraction], unique: Mapping[str, int], budget: int, most: Fraction
) -> dict[str, Fraction] | None:
    """The weights with those lowered that exceed their cap at this budget, the others raised in proportion.

    None where the domains of a weight above 0 cannot give the budget at all.
    """
    if budget > spendable(weights, unique, most):
        return None
    fixed: dict[str, Fraction] = {domain: Fraction() for domain, weight in weights.items() if not weight}
    while True:  # a domain joins the fixed ones in every round but the last
        free = {domain: weight for domain, weight in weights.items() if domain not in fixed}
        scale = (1 - sum(fixed.values(), Fraction())) / sum(free.values(), Fraction()) if free else Fraction()
        caps = {domain: Fraction(int(most * unique[domain]), budget) for domain in free}
        over = {domain: caps[domain] for domain in free if free[domain] * scale > caps[domain]}
        if not over:
            return {domain: fixed.get(domain, weights[domain] * scale) for domain in weights}
        fixed |= over


def spendable(weights: Mapping[str, Fraction], unique: Mapping[str, int], most: Fraction) -> int:
    """Tokens that the domains of a weight above 0 can give in `most` passes, whatever their shares."""
    return sum(int(most * unique[domain]) for domain, weight in weights.items() if weight)
