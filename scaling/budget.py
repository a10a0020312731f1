"""What one budget buys: from FLOPs, GPU-hours, parameters or tokens to a plan, its loss, its batch and its limits.

    budget(flops=1e23)
    budget(gpu_hours=5e4, peak_flops=989e12, mfu=0.4, inference_tokens=2e12, unique_tokens={"web": 4e11, "code": 6e10})

The chosen law gives the plan; every other named law and the 20:1 rule stand beside it, since they differ by more than
their own errors say. What the plan costs in hours and dollars is cost.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from scaling import hyperparameters, table
from scaling.compute import flops_of
from scaling.errors import LawError
from scaling.hyperparameters import Stretch
from scaling.laws import Law, Optimum
from scaling.lifetime import Lifetime, Prices, lifetime
from scaling.plans import RULE, Comparison, Penalty, Plan, compare, penalties, rule20
from scaling.repetition import MOST_EPOCHS, Supply, supply
from scaling.table import DEFAULT, LAWS, REPEATED

__all__ = ["RULE", "Budget", "Comparison", "Data", "Plan", "Prices", "View", "budget", "compare", "rule20"]

FAR = 10.0
"""How many times beyond the runs that a law was fitted on a budget may lie without a warning."""


@dataclass(frozen=True)
class View:
    """What one law makes of the same FLOPs: its own best plan, and the losses of this plan and of 20:1."""

    law: str
    source: str
    params: float
    tokens: float
    tokens_per_param: float
    optimal_loss: float
    loss: float  # of the budget's plan, under this law
    loss_low: float | None  # None where the law's source gives no covariance of its constants
    loss_high: float | None
    rule20_loss: float
    extrapolation: float | None  # FLOPs over the largest run the law was fitted on, at most 1 within; None: not known


@dataclass(frozen=True)
class Batch:
    """Tokens per step: the law's, rounded to a power of two, or as given; how far from critical; and a ramp to it."""

    tokens: int
    steps: int  # without the ramp
    critical_tokens: float  # Kaplan et al. 2020, at the final loss
    more_tokens: float  # over the fewest that reach the loss: 1 + B / B_crit
    more_steps: float  # over the fewest that reach the loss: 1 + B_crit / B
    by_law: dict[str, float]
    ramp: tuple[Stretch, ...]


@dataclass(frozen=True)
class Data:
    """The plan against a corpus: how domains repeat, the loss of it, and the best plan on that corpus."""

    supply: Supply
    loss: float  # of the plan under the budget's law, on the effective tokens
    extra_loss: float  # over fresh data, under the same law
    constrained_loss: float  # of the plan under muennighoff2023, all domains taken as one corpus
    optimal: Optimum  # under muennighoff2023 for the same FLOPs and corpus
    optimal_epochs: float


@dataclass(frozen=True)
class Budget:
    """A plan and all that follows from it. Losses in nats a token; counts raw."""

    law: str
    source: str
    asked: dict[str, float]
    flops: float
    params: float
    tokens: float
    tokens_per_param: float
    loss: float
    loss_low: float | None
    loss_high: float | None
    level: float  # chance that the expected loss lies between low and high, if the law's form is right
    steps: int
    batch_tokens: int
    batch: Batch
    learning_rates: dict[str, float]
    rule20: Comparison
    laws: tuple[View, ...]
    penalties: tuple[Penalty, ...]
    inference: Lifetime | None
    data: Data | None
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, for JSON; `optimal` of the data part as {params, tokens, loss}."""
        plain = asdict(self)
        if self.data is not None:
            plain["data"]["optimal"] = self.data.optimal._asdict()
        return plain


def budget(
    *,
    law: str | Law = DEFAULT,
    flops: float | None = None,
    gpu_hours: float | None = None,
    peak_flops: float | None = None,
    mfu: float | None = None,
    params: float | None = None,
    tokens: float | None = None,
    inference_tokens: float | None = None,
    prices: Prices | None = None,
    unique_tokens: Mapping[str, float] | None = None,
    shares: Mapping[str, float] | None = None,
    most_epochs: float = MOST_EPOCHS,
    batch_tokens: int | None = None,
    level: float = 0.95,
) -> Budget:
    """The compute-optimal plan for exactly one of flops, gpu_hours, params or tokens, and what follows from it.

    law: a name of table.LAWS, a fit's JSON file, or a law. gpu_hours needs peak_flops (dense FLOPs a second of one
    device) and mfu. inference_tokens: served over the model's life; prices turn that objective from FLOPs into dollars.
    unique_tokens and shares: the corpus and mixture by domain. batch_tokens: instead of the step law's.
    Raises LawError where not exactly one is given, a name is unknown, or a number is no raw count.
    """
    chosen = law if isinstance(law, Law) else table.law(law)
    asked = {"flops": flops, "gpu_hours": gpu_hours, "params": params, "tokens": tokens}
    given = {name: value for name, value in asked.items() if value is not None}
    _refuse_idle(inference_tokens, prices, unique_tokens, shares)
    spent = flops_of(chosen, given, peak_flops, mfu)
    best = chosen.optimal(spent)
    low, high = chosen.interval(best.params, best.tokens, level) or (None, None)
    batch = _batch(chosen, spent, best, batch_tokens)
    data = None if unique_tokens is None else _data(chosen, spent, best, unique_tokens, shares, most_epochs)
    return Budget(
        law=chosen.name,
        source=chosen.source,
        asked=given,
        flops=spent,
        params=best.params,
        tokens=best.tokens,
        tokens_per_param=best.tokens / best.params,
        loss=best.loss,
        loss_low=low,
        loss_high=high,
        level=level,
        steps=batch.steps,
        batch_tokens=batch.tokens,
        batch=batch,
        learning_rates={
            "step law": hyperparameters.step_law_learning_rate(best.params, best.tokens),
            "deepseek": hyperparameters.deepseek_learning_rate(spent),
        },
        rule20=compare([rule20(spent)], _beside(chosen))[0],
        laws=tuple(_view(other, spent, best, level) for other in _beside(chosen)),
        penalties=penalties(chosen, spent),
        inference=None if inference_tokens is None else lifetime(chosen, best.loss, inference_tokens, prices),
        data=data,
        warnings=tuple(_warnings(chosen, spent, best, batch, data)),
    )


def _refuse_idle(inference_tokens: float | None, prices: object, unique_tokens: object, shares: object) -> None:
    if prices is not None and inference_tokens is None:
        raise LawError("prices are for serving: say how many inference_tokens, too")
    if shares is not None and unique_tokens is None:
        raise LawError("shares divide a corpus: say the unique_tokens of each domain, too")


def _beside(chosen: Law) -> list[Law]:
    """The chosen law first, then the named ones."""
    return [chosen, *(other for other in LAWS.values() if other != chosen)]


def _view(other: Law, flops: float, plan: Optimum, level: float) -> View:
    own, rule = other.optimal(flops), rule20(flops)
    low, high = other.interval(plan.params, plan.tokens, level) or (None, None)
    return View(
        law=other.name,
        source=other.source,
        params=own.params,
        tokens=own.tokens,
        tokens_per_param=own.tokens / own.params,
        optimal_loss=own.loss,
        loss=other.loss(plan.params, plan.tokens),
        loss_low=low,
        loss_high=high,
        rule20_loss=other.loss(rule.params, rule.tokens),
        extrapolation=flops / other.fitted[1] if other.fitted else None,
    )


def _batch(chosen: Law, flops: float, plan: Optimum, given: int | None) -> Batch:
    by_law = {
        "step law": hyperparameters.step_law_batch(plan.tokens),
        "deepseek": hyperparameters.deepseek_batch(flops),
    }
    tokens = hyperparameters.round_batch(by_law["step law"]) if given is None else _whole(given, plan.tokens)
    critical = hyperparameters.critical_batch(plan.loss)
    return Batch(
        tokens=tokens,
        steps=ceil(plan.tokens / tokens),
        critical_tokens=critical,
        more_tokens=hyperparameters.more_tokens(tokens, critical),
        more_steps=hyperparameters.more_steps(tokens, critical),
        by_law=by_law,
        ramp=hyperparameters.ramp(chosen, plan.params, plan.tokens, tokens),
    )


def _whole(batch: int, tokens: float) -> int:
    if not 1 <= batch <= tokens or batch != int(batch):
        raise LawError(
            f"batch_tokens is {batch:,g}: it must be a whole number from 1 to the run's {tokens:,.0f} tokens"
        )
    return int(batch)


def _data(
    chosen: Law,
    flops: float,
    plan: Optimum,
    unique_tokens: Mapping[str, float],
    shares: Mapping[str, float] | None,
    most_epochs: float,
) -> Data:
    fed = supply(plan.tokens, unique_tokens, shares, most_epochs)
    optimal = REPEATED.constrained_optimal(flops, fed.unique_tokens)
    loss = chosen.loss(plan.params, fed.effective_tokens)
    return Data(
        supply=fed,
        loss=loss,
        extra_loss=loss - plan.loss,
        constrained_loss=REPEATED.constrained_loss(plan.params, plan.tokens, fed.unique_tokens),
        optimal=optimal,
        optimal_epochs=optimal.tokens / fed.unique_tokens,
    )


def _warnings(chosen: Law, flops: float, plan: Optimum, batch: Batch, data: Data | None) -> Iterator[str]:
    ratio = plan.tokens / plan.params
    if chosen.fitted and flops > FAR * chosen.fitted[1]:
        yield (
            f"{flops:.3g} FLOPs are {flops / chosen.fitted[1]:,.0f} times the largest run behind {chosen.name}; "
            f"an interval covers the constants' error, not a law that bends further on"
        )
    if chosen.fitted and flops < chosen.fitted[0] / FAR:
        yield f"{flops:.3g} FLOPs are less than a tenth of {chosen.name}'s smallest run, {chosen.fitted[0]:.2g}"
    if chosen.ratios and not chosen.ratios[0] <= ratio <= chosen.ratios[1]:
        least, most = chosen.ratios
        yield f"{ratio:.3g} tokens per parameter lie outside the {least:.3g} to {most:.3g} behind {chosen.name}"
    if batch.tokens > batch.critical_tokens:
        yield (
            f"a batch of {batch.tokens:,} tokens is above the critical {batch.critical_tokens:,.0f}: "
            f"it takes {batch.more_tokens:.1f} times the fewest tokens"
        )
    if data is not None and plan.tokens > data.supply.most_tokens:
        fed = data.supply
        yield (
            f"{fed.runs_out_first} runs out after {fed.runs_out_at:,.0f} tokens of the run and would be seen "
            f"{plan.tokens / fed.runs_out_at:.1f} times; {fed.most_epochs:g} epochs allow {fed.most_tokens:,.0f} tokens"
        )
