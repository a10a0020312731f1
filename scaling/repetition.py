"""Repeated data: what an epoch more is worth, the best plan on a given corpus, and which domain runs out first.

Tokens seen again count for less: D' = U + U R* (1 - exp(-R / R*)) after R repetitions of U unique tokens. Four epochs
are worth 3.73 fresh ones, forty 15.2, and no number of them 16.4. Parameters beyond what U can feed decay likewise.
Source: Muennighoff et al. 2023, arXiv 2305.16264, equations 5 and 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import LawError, unknown
from scaling.laws import FLOPS_PER_PARAM_TOKEN, Chinchilla, Optimum
from scaling.search import least
from scaling.units import LEAST_PARAMS, LEAST_TOKENS, as_flops, as_params, as_positive, as_tokens

REPEATS = 15.387756
"""R_D*: repetitions after which a token has lost 1 - 1/e of its worth. Parametric fit of huggingface/datablations."""

MOST_EPOCHS = 4.0
"""Up to here repetition costs little: the paper's conclusion; the fourth pass is still worth 0.83 of a fresh one."""


def decayed(amount: ArrayLike, base: ArrayLike, repeats: float) -> Any:
    """base + base R* (1 - exp(-R / R*)), R = amount / base - 1; `amount` itself where it is not above `base`."""
    base = np.minimum(base, amount)
    beyond = np.asarray(amount, np.float64) / base - 1
    return base * (1 - repeats * np.expm1(-beyond / repeats))


def effective_tokens(tokens: ArrayLike, unique_tokens: ArrayLike, repeats: float = REPEATS) -> Any:
    """Fresh tokens that `tokens` drawn from `unique_tokens` are worth; arrays broadcast."""
    worth = decayed(as_tokens(tokens), as_tokens(unique_tokens), repeats)
    return float(worth) if np.ndim(worth) == 0 else worth


@dataclass(frozen=True, kw_only=True)
class DataConstrained(Chinchilla):
    """The parametric form in effective parameters and tokens. `loss` is the law with ample fresh data."""

    R_D: float  # repetitions after which a token's worth has decayed, R_D* in the paper
    R_N: float  # the same for parameters beyond those that the unique tokens feed, R_N*

    def constrained_loss(self, params: ArrayLike, tokens: ArrayLike, unique_tokens: ArrayLike) -> Any:
        """Expected loss where `tokens` come from `unique_tokens`, seen tokens / unique times; arrays broadcast."""
        params, tokens, unique = as_params(params), as_tokens(tokens), as_tokens(unique_tokens)
        scale, exponent = self.allocation
        fed = (scale * (FLOPS_PER_PARAM_TOKEN * np.minimum(unique, tokens)) ** exponent) ** (1 / (1 - exponent))
        loss = self._loss(decayed(params, fed, self.R_N), decayed(tokens, unique, self.R_D))
        return float(loss) if np.ndim(loss) == 0 else loss

    def constrained_optimal(self, flops: float, unique_tokens: float) -> Optimum:
        """The parameters and tokens of least loss on `unique_tokens`, to 8 digits, with 6 N D = flops."""
        low, high = LEAST_PARAMS, as_flops(flops) / (FLOPS_PER_PARAM_TOKEN * LEAST_TOKENS)
        if low >= high:
            raise LawError(f"flops is {flops:,g}: too little for 10,000 parameters on 100,000 tokens")

        def loss(params: np.ndarray) -> np.ndarray:
            return np.asarray(self.constrained_loss(params, flops / (FLOPS_PER_PARAM_TOKEN * params), unique_tokens))

        params = least(loss, low, high * (1 - 1e-12))
        return Optimum(params, flops / (FLOPS_PER_PARAM_TOKEN * params), float(loss(np.array(params))))


@dataclass(frozen=True)
class Domain:
    """One domain's part in a budget: tokens drawn, how often each is seen, and what they are worth."""

    name: str
    share: float
    unique_tokens: float
    tokens: float
    epochs: float
    effective_tokens: float
    runs_out_at: float  # tokens of the whole run when its last fresh token is drawn


@dataclass(frozen=True)
class Supply:
    """What a corpus can feed. `most_tokens` is the longest run in which no domain is seen over `most_epochs` times."""

    tokens: float
    unique_tokens: float
    effective_tokens: float
    epochs: float  # tokens / unique tokens, over all domains
    runs_out_first: str
    runs_out_at: float
    most_epochs: float
    most_tokens: float
    domains: tuple[Domain, ...]


def supply(
    tokens: float,
    unique_tokens: Mapping[str, float],
    shares: Mapping[str, float] | None = None,
    most_epochs: float = MOST_EPOCHS,
) -> Supply:
    """How `tokens` drawn from the domains repeat them.

    unique_tokens: by domain, after de-duplication. shares: the mixture, any positive scale; without it every domain
    gives in proportion to its size, so that all run out together. Domains are taken to share no text.
    Raises LawError where a share names no domain, or a number is no raw count.
    """
    parts = _shares(unique_tokens, shares)
    tokens, most_epochs = as_tokens(tokens), as_positive("most_epochs", most_epochs)
    domains = tuple(_domain(name, share, as_tokens(unique_tokens[name]), tokens) for name, share in parts.items())
    first = min(domains, key=lambda domain: (domain.runs_out_at, domain.name))
    unique = sum(domain.unique_tokens for domain in domains)
    return Supply(
        tokens=tokens,
        unique_tokens=unique,
        effective_tokens=sum(domain.effective_tokens for domain in domains),
        epochs=tokens / unique,
        runs_out_first=first.name,
        runs_out_at=first.runs_out_at,
        most_epochs=most_epochs,
        most_tokens=most_epochs * first.runs_out_at,
        domains=domains,
    )


def _domain(name: str, share: float, unique: float, tokens: float) -> Domain:
    drawn = share * tokens
    return Domain(name, share, unique, drawn, drawn / unique, float(decayed(drawn, unique, REPEATS)), unique / share)


def _shares(unique: Mapping[str, float], shares: Mapping[str, float] | None) -> dict[str, float]:
    if not unique:
        raise LawError("unique_tokens names no domain: give tokens by domain, such as web=1.2e12")
    given = dict(unique if shares is None else shares)
    for name, share in given.items():
        if name not in unique:
            raise unknown("domain", name, unique)
        as_positive(f"the share of {name!r}", share)
    total = sum(given.values())
    return {name: given[name] / total for name in sorted(given)}
