"""Forms of scaling laws: what loss a model of N parameters reaches on D tokens, and the best N and D for C FLOPs.

A law is a frozen dataclass: its constants, its source, and where it was fitted. Loss is in nats a token on the
authors' own text and tokenizer, so across laws compare allocations, and losses only within one. C = 6 N D throughout.
The named constant sets are in table.py.
"""

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import LawError
from scaling.units import MOST, as_flops, as_params, as_positive, as_tokens

FLOPS_PER_PARAM_TOKEN = 6  # Kaplan et al. 2020, section 2.1: 2 forward and 4 backward
PF_DAY = 8.64e19  # FLOPs: 1e15 a second for 86,400 seconds (Kaplan et al. 2020, section 1)


class Optimum(NamedTuple):
    """The plan of least loss for some FLOPs."""

    params: float
    tokens: float
    loss: float


class Allocation(NamedTuple):
    """Compute-optimal parameters as a power law: scale * flops ** exponent."""

    scale: float
    exponent: float


@dataclass(frozen=True, kw_only=True)
class Law:
    """What every law has. A form adds its constants, `_loss`, `allocation`, `floor` and `tokens_at`."""

    name: str = "unnamed"
    source: str = ""
    fitted: tuple[float, float] | None = None  # FLOPs of the least and the largest run behind the constants
    ratios: tuple[float, float] | None = None  # tokens per parameter of those runs, least and most

    @overload
    def loss(self, params: float, tokens: float) -> float: ...
    @overload
    def loss(self, params: ArrayLike, tokens: ArrayLike) -> Any: ...
    def loss(self, params: ArrayLike, tokens: ArrayLike) -> Any:
        """Expected loss, nats a token; arrays broadcast. LawError where a count is not a plausible raw count."""
        return self._loss(as_params(params), as_tokens(tokens))

    @property
    def allocation(self) -> Allocation:
        """How compute is split at the optimum."""
        raise NotImplementedError

    @property
    def floor(self) -> float:
        """The loss that no parameters and no tokens go below."""
        raise NotImplementedError

    def optimal(self, flops: float) -> Optimum:
        """The parameters and tokens of least loss that `flops` pays for; 6 N D = flops exactly."""
        scale, exponent = self.allocation
        params = scale * as_flops(flops) ** exponent
        tokens = flops / (FLOPS_PER_PARAM_TOKEN * params)
        return Optimum(params, tokens, float(self._loss(params, tokens)))

    def params_for(self, tokens: float) -> float:
        """The parameters for which `tokens` is the compute-optimal number: N = k (6 N D)^p solved for N."""
        scale, exponent = self.allocation
        most = scale * (FLOPS_PER_PARAM_TOKEN * as_tokens(tokens)) ** exponent
        return float(most ** (1 / (1 - exponent)))

    def tokens_for(self, params: float) -> float:
        """The compute-optimal number of tokens of a model with `params`: the same equation solved for D."""
        scale, exponent = self.allocation
        return float((as_params(params) / scale) ** (1 / exponent) / (FLOPS_PER_PARAM_TOKEN * params))

    def flops_for(self, loss: float) -> float:
        """The least FLOPs that reach `loss`, to 12 digits. LawError where no amount of compute does."""
        if not np.isfinite(loss) or loss <= self.floor:
            raise LawError(f"{self.name} never goes below {self.floor:.4f} nats a token, and {loss:.4f} was asked")
        low, high = 0.0, float(np.log(MOST))
        while high - low > 1e-12 * high:  # the best loss falls with compute, so bisection holds the root: 40 halvings
            middle = (low + high) / 2
            low, high = (middle, high) if self._best_loss(np.exp(middle)) > loss else (low, middle)
        return float(np.exp(high))

    def tokens_to_reach(self, params: float, loss: float) -> float:
        """Tokens after which a model with `params` has `loss`. LawError where it never has."""
        tokens = float(self.tokens_at(np.float64(as_params(params)), loss))
        if not np.isfinite(tokens):
            least = float(self._loss(params, np.inf))
            raise LawError(
                f"{self.name}: {params:,.0f} parameters stay above {least:.4f} nats a token on any number of tokens, "
                f"and {loss:.4f} was asked; it takes a larger model"
            )
        return tokens

    def tokens_at(self, params: Any, loss: float) -> Any:
        """Tokens after which models with `params` (float64, array or scalar) have `loss`; infinite where never."""
        raise NotImplementedError

    def interval(self, params: float, tokens: float, level: float = 0.95) -> tuple[float, float] | None:
        """Where the expected loss lies with chance `level`; None where the source gives too little to say."""
        return None

    def constants(self) -> dict[str, float]:
        """The constants, by the names of their form."""
        shared = {*Law.__dataclass_fields__, "covariance"}
        return {name: value for name, value in asdict(self).items() if name not in shared}

    def _loss(self, params: Any, tokens: Any) -> Any:
        raise NotImplementedError

    def _best_loss(self, flops: float) -> float:
        params = self.allocation.scale * flops**self.allocation.exponent
        return float(self._loss(params, flops / (FLOPS_PER_PARAM_TOKEN * params)))


@dataclass(frozen=True)
class Chinchilla(Law):
    """L = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, equation 2)."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    covariance: tuple[tuple[float, ...], ...] | None = None  # of (ln A, ln B, ln E, alpha, beta), from a bootstrap

    def __post_init__(self) -> None:
        for constant in ("A", "B", "alpha", "beta"):
            as_positive(f"{self.name}: {constant}", getattr(self, constant))
        if not (np.isfinite(self.E) and self.E >= 0):
            raise LawError(f"{self.name}: E is {self.E:g}: the irreducible loss must be finite and at least 0")

    @property
    def allocation(self) -> Allocation:
        """N = G (C/6)^a, G = (alpha A / beta B)^(1/(alpha+beta)), a = beta/(alpha+beta): Hoffmann 2022, equation 4."""
        both = self.alpha + self.beta
        exponent = self.beta / both
        scale = (self.alpha * self.A / (self.beta * self.B)) ** (1 / both)
        return Allocation(scale * FLOPS_PER_PARAM_TOKEN**-exponent, exponent)

    @property
    def floor(self) -> float:
        """E, the entropy of text under this law."""
        return self.E

    def tokens_at(self, params: Any, loss: float) -> Any:
        """D = (B / (loss - E - A / N^alpha))^(1/beta)."""
        left = np.maximum(loss - self.E - self.A * params**-self.alpha, 0)
        with np.errstate(divide="ignore"):
            return (self.B / left) ** (1 / self.beta)

    def interval(self, params: float, tokens: float, level: float = 0.95) -> tuple[float, float] | None:
        """Delta method on ln loss with the bootstrap's covariance; None without one.

        The interval is of the expected loss: the constants' error, not the scatter of single runs about the law.
        """
        if self.covariance is None:
            return None
        if not 0 < level < 1:
            raise LawError(f"level is {level:g}: it must lie between 0 and 1, such as 0.95")
        expected, slope = self.loss(params, tokens), self._slope(float(params), float(tokens))
        spread = float(np.sqrt(slope @ np.asarray(self.covariance) @ slope))
        reach = NormalDist().inv_cdf((1 + level) / 2) * spread / expected
        return float(expected * np.exp(-reach)), float(expected * np.exp(reach))

    def _slope(self, params: float, tokens: float) -> np.ndarray:
        """Derivatives of the loss by (ln A, ln B, ln E, alpha, beta)."""
        model, text = self.A * params**-self.alpha, self.B * tokens**-self.beta
        return np.array([model, text, self.E, -model * np.log(params), -text * np.log(tokens)])

    def _loss(self, params: Any, tokens: Any) -> Any:
        return self.E + self.A * params**-self.alpha + self.B * tokens**-self.beta


def overtraining(E: float, a: float, b: float, eta: float, **about: Any) -> Chinchilla:
    """The law L = E + (a M^eta + b M^-eta) C^-eta of M = D / N and C = 6 N D (Gadre et al. 2024, equation 4).

    It is the parametric form with alpha = beta = 2 eta: M^eta C^-eta is 6^-eta N^(-2 eta). `about` goes to Chinchilla.
    """
    six = FLOPS_PER_PARAM_TOKEN**-eta
    return Chinchilla(E, a * six, b * six, 2 * eta, 2 * eta, **about)


@dataclass(frozen=True)
class Kaplan(Law):
    """L = ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D, with no irreducible loss (Kaplan et al. 2020, eq. 1.5).

    N counts parameters without embeddings. The best N is the paper's own power law of C_min: it comes from runs that
    stop early, and cannot be derived from the joint law, whose minimum at 6 N D = C has the exponent 0.575.
    """

    N_c: float
    D_c: float
    alpha_N: float
    alpha_D: float
    N_e: float  # parameters at one PF-day
    p_N: float

    @property
    def allocation(self) -> Allocation:
        """N = N_e (C / PF-day)^p_N."""
        return Allocation(self.N_e * PF_DAY**-self.p_N, self.p_N)

    @property
    def floor(self) -> float:
        """Zero: the law has no irreducible loss, one reason why it must not be carried far."""
        return 0.0

    def tokens_at(self, params: Any, loss: float) -> Any:
        """The joint law solved for D."""
        left = np.maximum(loss ** (1 / self.alpha_D) - (self.N_c / params) ** (self.alpha_N / self.alpha_D), 0)
        with np.errstate(divide="ignore"):
            return self.D_c / left

    def _loss(self, params: Any, tokens: Any) -> Any:
        return ((self.N_c / params) ** (self.alpha_N / self.alpha_D) + self.D_c / tokens) ** self.alpha_D


@dataclass(frozen=True)
class PowerLaw:
    """L = (scale / x)^exponent of one quantity, the others being ample."""

    scale: float
    exponent: float
    source: str

    @overload
    def loss(self, amount: float) -> float: ...
    @overload
    def loss(self, amount: ArrayLike) -> Any: ...
    def loss(self, amount: ArrayLike) -> Any:
        """Expected loss at `amount`, in the unit of `scale`."""
        return (self.scale / np.asarray(amount, np.float64)) ** self.exponent

    def factor(self, times: float) -> float:
        """What the loss is multiplied by when there is `times` as much."""
        return float(as_positive("times", times) ** -self.exponent)
