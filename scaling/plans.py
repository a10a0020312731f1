"""Plans beside each other: given ones, the 20:1 rule, and what a model too large or too small costs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scaling.errors import LawError
from scaling.laws import FLOPS_PER_PARAM_TOKEN, Law
from scaling.runs import Run
from scaling.table import LAWS
from scaling.units import as_flops, as_params, as_tokens

RULE = 20.0
"""The rule of thumb of Hoffmann et al. 2022, from approaches 1 and 2 (tables 2 and 3); approach 3 contradicts it."""

SIZES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Model sizes over the optimal one at which penalties are shown."""


@dataclass(frozen=True)
class Plan:
    """So many parameters on so many tokens, under a name. LawError where either is no raw count."""

    name: str
    params: float
    tokens: float

    def __post_init__(self) -> None:
        as_params(self.params)
        as_tokens(self.tokens)

    @property
    def flops(self) -> float:
        """6 N D."""
        return FLOPS_PER_PARAM_TOKEN * self.params * self.tokens

    @classmethod
    def of(cls, run: Run) -> "Plan":
        """The plan that a known run followed."""
        return cls(run.name, run.params, run.tokens)


def rule20(flops: float) -> Plan:
    """N = sqrt(C / 120) and D = 20 N."""
    params = (as_flops(flops) / (FLOPS_PER_PARAM_TOKEN * RULE)) ** 0.5
    return Plan("20 tokens per parameter", params, RULE * params)


@dataclass(frozen=True)
class Penalty:
    """What another model size costs at the same compute."""

    size: float  # parameters over the compute-optimal ones: above 1 too large and under-trained, below 1 over-trained
    params: float
    tokens: float
    tokens_per_param: float
    loss: float
    extra_loss: float  # nats over the compute-optimal plan; below 0 only under kaplan2020, see laws.Kaplan
    wasted: float  # share of the FLOPs that a compute-optimal plan of the same loss would not need


def penalties(law: Law, flops: float, sizes: Sequence[float] = SIZES) -> tuple[Penalty, ...]:
    """Loss and wasted compute of models smaller and larger than the best, all of `flops`."""
    best = law.optimal(flops)
    return tuple(_penalty(law, flops, size, best.params * size, best.loss) for size in sizes)


def _penalty(law: Law, flops: float, size: float, params: float, least: float) -> Penalty:
    tokens = flops / (FLOPS_PER_PARAM_TOKEN * params)
    loss = law.loss(params, tokens)
    wasted = 1 - min(law.flops_for(loss) / flops, 1.0)
    return Penalty(size, params, tokens, tokens / params, loss, loss - least, wasted)


@dataclass(frozen=True)
class Comparison:
    """One plan under several laws. Losses of different laws are on different text: compare down a column."""

    name: str
    params: float
    tokens: float
    flops: float
    tokens_per_param: float
    times_rule20: float  # tokens per parameter over 20
    losses: dict[str, float]  # by law, nats a token
    extra_losses: dict[str, float]  # by law, over that law's compute-optimal plan of the same FLOPs

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def compare(plans: Iterable[Plan], laws: Iterable[Law] | None = None) -> tuple[Comparison, ...]:
    """Each plan's compute, ratio and loss under every law (all named ones by default), in the order given.

    Raises LawError where there is no plan, or two share a name.
    """
    plans, laws = list(plans), list(LAWS.values() if laws is None else laws)
    names = [plan.name for plan in plans]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not plans or twice:
        raise LawError(f"two plans are called {twice[0]!r}; name them apart" if twice else "no plans to compare")
    return tuple(_comparison(plan, laws) for plan in plans)


def _comparison(plan: Plan, laws: list[Law]) -> Comparison:
    losses = {law.name: law.loss(plan.params, plan.tokens) for law in laws}
    ratio = plan.tokens / plan.params
    return Comparison(
        name=plan.name,
        params=plan.params,
        tokens=plan.tokens,
        flops=plan.flops,
        tokens_per_param=ratio,
        times_rule20=ratio / RULE,
        losses=losses,
        extra_losses={law.name: losses[law.name] - law.optimal(plan.flops).loss for law in laws},
    )
