"""The allotment: a budget shared out by a mixture, against what there is, in whole tokens and before a GPU is booked.

What a domain cannot give within its passes is refused, never given by another in silence: the refusal names the largest
budget that the shares can have, and the nearest shares that can have the budget.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil, inf
from typing import Any

from corpus.errors import RecipeError
from mixtures.apportionment import SLACK, Reach, apportioned, exact, most_budget, reach, shares_that_fit, spendable
from mixtures.buckets import Buckets
from mixtures.inventory import Inventory, effective
from mixtures.mixture import Mixture
from scaling.laws import Law
from scaling.repetition import MOST_EPOCHS
from scaling.units import LEAST_PARAMS, LEAST_TOKENS

POINT = Fraction(1, 100)
"""By how much a share is raised or lowered to say what that would need: a percentage point."""

_LISTED = 12  # domains that an error spells out


@dataclass(frozen=True)
class Allotted:
    """One domain's part of a budget."""

    weight: float
    tokens: int
    unique: int
    epochs: float
    effective: float  # fresh tokens that these are worth
    capped: bool  # not one token more fits most_epochs
    most_weight: float  # the largest share of this budget that fits most_epochs
    raise_needs: (
        int | None
    )  # different tokens that are missing for a point more, others less in proportion; None: no room
    lower_needs: int | None  # the same for a point less (or none at all), others more in proportion


@dataclass(frozen=True)
class Loss:
    """What repetition costs a model of `params`: nats a token, the whole corpus taken as one."""

    law: str
    params: float
    fresh: float  # were all tokens different
    repeated: float  # on the effective tokens
    extra: float


@dataclass(frozen=True)
class Allotment:
    """A budget in tokens and passes by domain; `tokens` of the domains sum to `budget`."""

    budget: int
    most_epochs: float
    method: str
    domains: dict[str, Allotted]
    unique: int
    epochs: float
    effective: float
    runs_out_first: Reach  # when the last fresh token of a domain is drawn
    most_budget: Reach  # the largest budget that these shares can have, and the domain that ends it
    loss: Loss | None  # None below the 100,000 tokens and 10,000 parameters that laws speak of
    estimated: bool
    by: Buckets | None  # see Inventory
    inputs: str
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, for JSON."""
        first, most = self.runs_out_first, self.most_budget
        return asdict(self) | {
            "runs_out_first": {"domain": first.domain, "at_budget": first.budget},
            "most_budget": {"domain": most.domain, "budget": most.budget},
            "by": None if self.by is None else self.by.model_dump(mode="json"),
            "warnings": list(self.warnings),
        }


def allot(
    mixture: Mixture,
    held: Inventory,
    law: Law,
    *,
    budget: int | None = None,
    most_epochs: float = MOST_EPOCHS,
    params: float | None = None,
) -> Allotment:
    """The budget (the mixture's own where None) by domain, none of them seen more than `most_epochs` times.

    law and params: for the loss; params None: those for which the budget is compute-optimal.
    Raises RecipeError where the domains are not those of the mixture, or one cannot give its share: it names the
    largest budget that these shares can have, and the nearest shares that can have this one.
    """
    budget = _budget(mixture, budget)
    _refuse_strangers(mixture, held)
    weights, most = exact(mixture.weights), _most(most_epochs)
    caps = {domain: int(most * held.tokens[domain]) for domain in weights}
    largest = most_budget(weights, held.tokens, most)
    if budget > largest.budget:
        raise RecipeError(_refusal(weights, held.tokens, budget, most, largest))
    tokens = apportioned(weights, budget, caps)
    return _allotment(mixture, held, law, budget, most, tokens, largest, params)


def _budget(mixture: Mixture, budget: int | None) -> int:
    budget = mixture.budget if budget is None else budget
    if budget is None:
        raise RecipeError("allot: the mixture was made without a budget, and none was given; say how many tokens")
    if budget < 1:
        raise RecipeError(f"allot: a budget of {budget:,} tokens; give 1 or more")
    return budget


def _most(most_epochs: float) -> Fraction:
    if not 0 < most_epochs < inf:
        raise RecipeError(f"allot: most_epochs is {most_epochs!r}, not a number above 0")
    return Fraction(most_epochs)


def _refuse_strangers(mixture: Mixture, held: Inventory) -> None:
    if mixture.by != held.by:
        raise RecipeError(f"allot: domains of the mixture are {_kind(mixture)}, those of the tokens {_kind(held)}")
    gone, new = (sorted(a - b) for a, b in _both_ways(mixture.weights.keys(), held.tokens.keys()))
    if gone:
        raise RecipeError(f"allot: the mixture has {', '.join(gone[:8])}, of which there are no tokens; mix anew")
    if new:
        raise RecipeError(f"allot: there are tokens of {', '.join(new[:8])}, which the mixture does not have; mix anew")


def _both_ways(ours: Any, theirs: Any) -> tuple[tuple[set[str], set[str]], tuple[set[str], set[str]]]:
    return (set(ours), set(theirs)), (set(theirs), set(ours))


def _kind(of: Mixture | Inventory) -> str:
    return "those of the documents" if of.by is None else f"buckets of {of.by.column} {list(of.by.edges) or ''}".strip()


def _refusal(
    weights: Mapping[str, Fraction], unique: Mapping[str, int], budget: int, most: Fraction, largest: Reach
) -> str:
    """Who lacks what, and the two ways out."""
    asked = budget * weights[largest.domain] / unique[largest.domain]
    said = (
        f"allot: of {budget:,} tokens, {largest.domain!r} is due {float(weights[largest.domain]):.4g}, that is "
        f"{float(asked):.4g} passes over its {unique[largest.domain]:,} tokens, and {float(most):g} are allowed. The "
        f"largest budget for these shares is {largest.budget:,}"
    )
    shares = shares_that_fit(weights, unique, budget, most)
    if shares is None:
        total = spendable(weights, unique, most)
        return f"{said}, and no shares of these domains can have more than {total:,}. Allow more epochs, or get more."
    changed = shares if len(shares) <= _LISTED else {d: s for d, s in shares.items() if s < weights[d]}
    listed = ",".join(f"{domain}={float(share)!r}" for domain, share in [*changed.items()][:_LISTED])
    rest = "" if changed is shares else ", and the others in proportion"
    return f"{said}; for this budget, shares that can be had: {listed}{rest}. Or allow more epochs."


def _allotment(
    mixture: Mixture,
    held: Inventory,
    law: Law,
    budget: int,
    most: Fraction,
    tokens: Mapping[str, int],
    largest: Reach,
    params: float | None,
) -> Allotment:
    weights = exact(mixture.weights)
    domains = {domain: _allotted(domain, weights, held.tokens, tokens[domain], budget, most) for domain in weights}
    worth, unique = sum(one.effective for one in domains.values()), sum(held.tokens[domain] for domain in weights)
    return Allotment(
        budget=budget,
        most_epochs=float(most),
        method=mixture.method,
        domains=domains,
        unique=unique,
        epochs=budget / unique,
        effective=worth,
        runs_out_first=reach(weights, held.tokens, Fraction(1)),
        most_budget=largest,
        loss=_loss(law, budget, worth, params),
        estimated=held.estimated,
        by=held.by,
        inputs=held.inputs,
        warnings=_warnings(mixture, held),
    )


def _allotted(
    domain: str, weights: Mapping[str, Fraction], unique: Mapping[str, int], tokens: int, budget: int, most: Fraction
) -> Allotted:
    cap, weight = int(most * unique[domain]), weights[domain]
    return Allotted(
        weight=float(weight),
        tokens=tokens,
        unique=unique[domain],
        epochs=tokens / unique[domain],
        effective=effective(tokens, unique[domain]),
        capped=weight > 0 and tokens >= cap,
        most_weight=min(1.0, cap / budget),
        raise_needs=_needs(domain, weights, unique, budget, most, weight + POINT),
        lower_needs=_needs(domain, weights, unique, budget, most, max(weight - POINT, Fraction())),
    )


def _needs(
    domain: str, weights: Mapping[str, Fraction], unique: Mapping[str, int], budget: int, most: Fraction, to: Fraction
) -> int | None:
    """Different tokens missing, over all domains, where the share of `domain` becomes `to`; None where it cannot."""
    own = weights[domain]
    if own == 1 or to > 1 or to == own:
        return None
    passes = budget / (most * SLACK)
    grown = (1 - to) / (1 - own) * passes
    missing = (max(0, _ceil(weight, grown) - unique[other]) for other, weight in weights.items() if other != domain)
    return max(0, ceil(to * passes) - unique[domain]) + sum(missing)


def _ceil(one: Fraction, two: Fraction) -> int:
    """one x two, rounded up, without the gcd of a product: 1,000 domains take 2 s so, and 14 s with it."""
    return -(-one.numerator * two.numerator // (one.denominator * two.denominator))


def _loss(law: Law, budget: int, worth: float, params: float | None) -> Loss | None:
    if worth < LEAST_TOKENS or (params is None and law.params_for(budget) < LEAST_PARAMS):
        return None
    params = law.params_for(budget) if params is None else params
    fresh, repeated = law.loss(params, budget), law.loss(params, worth)
    return Loss(law.name, params, fresh, repeated, repeated - fresh)


def _warnings(mixture: Mixture, held: Inventory) -> tuple[str, ...]:
    said = []
    if mixture.inputs != held.inputs:
        said.append(
            f"the mixture was made for other tokens ({mixture.inputs[:12]}, these are {held.inputs[:12]}): "
            f"its shares stand, what it says of epochs does not"
        )
    if held.estimated:
        said.append("tokens are estimated from bytes: allot again once they are counted")
    return tuple(said)
