"""The simple mixtures: closed formulas over token counts, without a model. What finer methods must beat.

A method gives each domain a part, in whatever unit; the weight is its share of all parts. Parts are summed
and divided as fractions, so weights are the nearest doubles and do not depend on the order of domains.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from math import fsum, inf
from typing import ClassVar

from corpus.errors import RecipeError
from mixtures.inventory import Inventory
from mixtures.mixture import Mixture

ROUNDED = 0.02
"""How far from 1 given weights may sum: GPT-3's published 60, 22, 8, 8 and 3 % make 1.01 (Brown et al. 2020,
table 2.2). More than that is a mistake, and not ours to divide out."""

Parts = Mapping[str, float | Fraction]


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """Common to all: subclasses add their settings as dataclass fields."""

    name: ClassVar[str]

    def mix(self, held: Inventory, budget: int | None = None) -> Mixture:
        """The mixture of these tokens. budget: tokens to train on.

        Raises RecipeError where there is nothing to mix, or settings and domains do not fit together.
        """
        _refuse(self.name, held.tokens, budget)
        parts = {domain: Fraction(part) for domain, part in self.parts(held.tokens, budget).items()}
        whole = sum(parts.values(), Fraction())
        weights = {domain: float(part / whole) for domain, part in parts.items()}
        return Mixture.of(self.name, asdict(self), weights, held, budget, self.capped(parts, held.tokens))

    @abstractmethod
    def parts(self, tokens: Mapping[str, int], budget: int | None) -> Parts:
        """domain -> its part, at least 0; not all 0."""

    def capped(self, parts: Mapping[str, Fraction], tokens: Mapping[str, int]) -> tuple[str, ...]:
        """Domains held back by a limit of the method, sorted."""
        return ()


def _refuse(who: str, tokens: Mapping[str, int], budget: int | None) -> None:
    if not tokens:
        raise RecipeError(f"{who}: there are no domains to mix; the manifest holds no tokens")
    for domain, held in tokens.items():
        if held < 1:
            raise RecipeError(f"{who}: domain {domain!r} holds {held:,} tokens; leave out what holds none")
    if budget is not None and budget < 1:
        raise RecipeError(f"{who}: a budget of {budget:,} tokens; give 1 or more, or none for shares alone")


@dataclass(frozen=True, kw_only=True)
class Uniform(Method):
    """Every domain the same share, however small it is."""

    name = "uniform"

    def parts(self, tokens: Mapping[str, int], budget: int | None) -> Parts:
        return dict.fromkeys(tokens, 1)


@dataclass(frozen=True, kw_only=True)
class Proportional(Method):
    """Shares as large as the domains: every token equally often."""

    name = "proportional"

    def parts(self, tokens: Mapping[str, int], budget: int | None) -> Parts:
        return tokens


@dataclass(frozen=True, kw_only=True)
class Temperature(Method):
    """Shares as n ** (1 / tau) for n tokens: 1 is proportional, and the larger tau the nearer to uniform.

    Papers give the exponent 1 / tau: 0.7 for multilingual BERT, 0.3 for XLM-R (Conneau et al. 2020) and mT5.
    """

    tau: float

    name = "temperature"

    def __post_init__(self) -> None:
        if not 0 < self.tau < inf:
            raise RecipeError(f"temperature: tau is {self.tau!r}, not a number above 0; `uniform` is its limit")

    def parts(self, tokens: Mapping[str, int], budget: int | None) -> Parts:
        most = max(tokens.values())  # divided out: 1e13 ** (1 / 0.03) is no double
        return {domain: (held / most) ** (1 / self.tau) for domain, held in tokens.items()}


@dataclass(frozen=True, kw_only=True)
class UniMax(Method):
    """Shares as even as they can be with no domain seen more than `most_epochs` times; needs a budget.

    Chung et al. 2023, algorithm 1, exactly, in fractions of a token. The paper goes on where the budget is
    more than all domains may give; here that is a RecipeError with the budget that could be spent.
    """

    most_epochs: float = 4.0  # Muennighoff et al. 2023: four passes are worth 93 % of as many fresh tokens

    name = "unimax"

    def __post_init__(self) -> None:
        if not 0 < self.most_epochs < inf:
            raise RecipeError(f"unimax: most_epochs is {self.most_epochs!r}, not a number above 0")

    def parts(self, tokens: Mapping[str, int], budget: int | None) -> dict[str, Fraction]:
        """domain -> tokens of the budget; the smallest domains first, for they leave what they cannot give."""
        most, left = Fraction(self.most_epochs), Fraction(self._spendable(tokens, budget))
        given: dict[str, Fraction] = {}
        for domain, held in sorted(tokens.items(), key=lambda one: one[1]):
            given[domain] = min(left / (len(tokens) - len(given)), most * held)
            left -= given[domain]
        return given

    def capped(self, parts: Mapping[str, Fraction], tokens: Mapping[str, int]) -> tuple[str, ...]:
        most = Fraction(self.most_epochs)
        return tuple(sorted(domain for domain in tokens if parts[domain] == most * tokens[domain]))

    def _spendable(self, tokens: Mapping[str, int], budget: int | None) -> int:
        """The budget; RecipeError where there is none, or the domains cannot give it."""
        if budget is None:
            raise RecipeError("unimax: it shares out a budget, and none was given; say how many tokens")
        held = sum(tokens.values())
        most = int(Fraction(self.most_epochs) * held)
        if budget > most:
            raise RecipeError(
                f"unimax: a budget of {budget:,} tokens is {budget / held:.4g} passes over the {held:,} there "
                f"are; most_epochs allows {self.most_epochs:g}. Lower it to {most:,}, or raise most_epochs."
            )
        return budget


@dataclass(frozen=True, kw_only=True)
class Static(Method):
    """Shares as given, one for each domain; 0 leaves a domain out.

    Tables are rounded, so what weights sum to is divided out; RecipeError where it is not 1 within ROUNDED.
    """

    weights: dict[str, float] = field(hash=False)

    name = "static"

    def __post_init__(self) -> None:
        for domain, weight in self.weights.items():
            if not 0 <= weight < inf:
                raise RecipeError(f"static: the weight of {domain!r} is {weight!r}, not a number from 0 on")
        total = fsum(self.weights.values())
        if abs(total - 1) > ROUNDED:
            raise RecipeError(f"static: weights sum to {total:g}, more than {ROUNDED:g} from 1; is one missing?")

    def parts(self, tokens: Mapping[str, int], budget: int | None) -> Parts:
        for domain in sorted(self.weights.keys() - tokens.keys()):
            near = get_close_matches(domain, tokens, 1) or sorted(tokens)[:8]
            raise RecipeError(f"static: there are no tokens of {domain!r}; did you mean {' or '.join(near)}?")
        for domain in sorted(tokens.keys() - self.weights.keys()):
            raise RecipeError(
                f"static: no weight for {domain!r}, which holds {tokens[domain]:,} tokens; 0 leaves it out"
            )
        return self.weights
