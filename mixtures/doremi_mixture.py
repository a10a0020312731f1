"""What DoReMi's rounds came to, and the mixture that is made of the last one: its weights within the caps of a budget.

`settings.evidence` holds every round, so that a reader of mixture.json sees whether weights had settled and what was
wrong with them. Seconds differ from run to run and are not in it: the same search writes the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import inf
from typing import Any

from corpus.errors import RecipeError
from mixtures.apportionment import exact, shares_that_fit
from mixtures.caps import caps
from mixtures.doremi import CONVERGED
from mixtures.doremi_alarms import Alarm, carried, small_batch, window
from mixtures.fitted import DIGITS
from mixtures.inventory import Inventory
from mixtures.mixture import Mixture

NAME = "doremi"
MOST_EPOCHS = 4.0  # as UniMax
UNIFORM, REFERENCE = "uniform", "reference"


@dataclass(frozen=True)
class Round:
    """What one round came to."""

    reference: dict[str, float]  # weights that the reference was trained on
    weights: dict[str, float]  # mean over the proxy's steps: the answer
    last: dict[str, float]  # of its last step, for comparison
    moved: float  # largest change from `reference` to `weights`
    steps: int
    gaps: dict[str, float]  # the reference's loss on held-out documents minus that on trained ones, nats
    alarms: tuple[Alarm, ...]
    flops: float  # of both trainings and of what the proxy's steps were weighed by
    seconds: float  # of the call that ended the round

    def evidence(self) -> dict[str, Any]:
        """For mixture.json: all but the seconds, figures to 6 digits, weights as the mixture's."""
        said = asdict(self) | {"alarms": [asdict(alarm) for alarm in self.alarms], "window": window(self.steps)}
        del said["seconds"]
        for name in ("reference", "weights", "last"):
            said[name] = {domain: round(weight, DIGITS) for domain, weight in said[name].items()}
        said["gaps"] = {domain: float(f"{gap:.6g}") for domain, gap in self.gaps.items()}
        return said | {name: float(f"{said[name]:.6g}") for name in ("moved", "flops")}


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was asked for, beside the model and its training."""

    rounds: int  # at most
    step_size: float
    smoothing: float
    sampling: str  # which shares the proxy's batches have: "uniform", or those of the round's "reference"
    first: dict[str, float]  # weights of the first reference, summing to 1
    reference: str  # what they are called: "proportional", "uniform", or where they came from
    found_with: str | None = None  # the tokenizer that they were found with, where that is known
    same_tokens: bool = True  # whether they were made for these tokens

    def __post_init__(self) -> None:
        """RecipeError for what no search can be."""
        for said, fits, wanted in (
            ("rounds", self.rounds >= 1, "1 or more"),
            ("step_size", 0 < self.step_size < inf, "a number above 0"),
            ("smoothing", 0 < self.smoothing < 1, "above 0 and below 1: weights that reach 0 never come back"),
            ("sampling", self.sampling in (UNIFORM, REFERENCE), f"{UNIFORM} or {REFERENCE}"),
        ):
            if not fits:
                raise RecipeError(f"{NAME}: {said} is {getattr(self, said)!r}; it must be {wanted}")
        empty = sorted(domain for domain, weight in self.first.items() if not weight > 0)
        if empty:
            raise RecipeError(
                f"{NAME}: the reference gives {', '.join(empty[:8])} no weight, so it would know nothing to measure "
                f"a proxy by there; give every domain some, or leave the domain out of the tokens"
            )

    def shares(self, reference: Mapping[str, float]) -> dict[str, float]:
        """What a proxy's batches are made of."""
        return dict(reference) if self.sampling == REFERENCE else dict.fromkeys(reference, 1 / len(reference))

    def alarms(self, tokenizer: str, sequences: int) -> Iterator[Alarm]:
        """What to distrust before anything is trained. sequences: of the smallest batch of a step."""
        yield from carried(self.found_with, tokenizer, self.same_tokens)
        yield from small_batch(self.shares(self.first), sequences)


def mixture(
    search: Search,
    rounds: Sequence[Round],
    held: Inventory,
    *,
    tokenizer: str,
    sequences: int,
    seed: int,
    budget: int | None = None,
    most_epochs: float = MOST_EPOCHS,
) -> Mixture:
    """The last round's weights, within `most_epochs` passes over a domain where there is a budget.

    sequences: of the smallest batch. RecipeError where the domains together cannot give the budget.
    """
    last = rounds[-1]
    parts = exact({domain: max(round(last.weights[domain], DIGITS), 10.0**-DIGITS) for domain in held.tokens})
    capped: tuple[str, ...] = ()
    if budget is not None:
        refuse_budget(held, budget, most_epochs)
        parts = shares_that_fit(parts, held.tokens, budget, Fraction(most_epochs)) or parts
        most = {domain: Fraction(int(Fraction(most_epochs) * count), budget) for domain, count in held.tokens.items()}
        capped = tuple(sorted(domain for domain, part in parts.items() if part >= most[domain]))
    asked = asdict(search)
    settings = {name: asked[name] for name in ("rounds", "step_size", "smoothing", "sampling", "reference")}
    settings |= {"most_epochs": most_epochs, "evidence": _evidence(search, rounds, tokenizer, sequences)}
    weights = {domain: float(parts[domain]) for domain in held.tokens}
    return Mixture.of(NAME, settings, weights, held, budget, capped, seed)


def refuse_budget(held: Inventory, budget: int | None, most_epochs: float) -> None:
    """RecipeError where the domains cannot give the budget in so many passes: better said before hours of training."""
    if not 0 < most_epochs < inf:
        raise RecipeError(f"{NAME}: most_epochs is {most_epochs!r}, not a number above 0")
    caps(held.tokens, budget, most_epochs, NAME)


def _evidence(search: Search, rounds: Sequence[Round], tokenizer: str, sequences: int) -> dict[str, Any]:
    return {
        "rounds": [one.evidence() for one in rounds],
        "converged": rounds[-1].moved < CONVERGED,
        "tokenizer": tokenizer,
        "alarms": [asdict(alarm) for alarm in search.alarms(tokenizer, sequences)],
        "cost": {"flops": float(f"{sum(one.flops for one in rounds):.6g}")},
    }


def tokenizer_of(mixture: Mixture) -> str | None:
    """The hash of the tokenizer that a mixture's weights were found with; None where it does not say."""
    evidence = mixture.settings.get("evidence")
    found = evidence.get("tokenizer") if isinstance(evidence, dict) else None
    return found if isinstance(found, str) else None
