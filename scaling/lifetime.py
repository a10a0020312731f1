"""The model that is cheapest over its life: trained once, then asked for so many tokens.

    least 6 N D + 2 N D_inf  with  loss(N, D) as good as wanted

A smaller model trained longer costs more to train and less to serve. In dollars the two phases have prices of their
own, since decoding reaches a small part of a device's peak. Source: Sardana et al. 2024, arXiv 2401.00448; their
figures in FLOPs come out with their constants only, the law "sardana2024".
"""

from dataclasses import dataclass

import numpy as np

from scaling.errors import LawError
from scaling.laws import FLOPS_PER_PARAM_TOKEN, Law
from scaling.search import least
from scaling.units import LEAST_PARAMS, MOST, as_positive, as_tokens

INFERENCE_FLOPS = 2  # per parameter and token: the forward pass alone


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a device costs and how much of its peak each phase reaches. Sardana takes 50 %, 50 % and 1 %."""

    dollars_per_gpu_hour: float
    peak_flops: float  # dense, a second
    train_mfu: float
    prefill_mfu: float
    decode_mfu: float
    output_share: float  # of the inference tokens, those that are decoded one by one

    def __post_init__(self) -> None:
        as_positive("dollars_per_gpu_hour", self.dollars_per_gpu_hour)
        as_positive("peak_flops", self.peak_flops)
        for name in ("train_mfu", "prefill_mfu", "decode_mfu"):
            if not 0 < getattr(self, name) <= 1:
                raise LawError(f"{name} is {getattr(self, name):g}: a share of peak lies above 0 and at most at 1")
        if not 0 <= self.output_share <= 1:
            raise LawError(f"output_share is {self.output_share:g}: it lies between 0 and 1")

    @property
    def train(self) -> float:
        """Dollars a useful FLOP of training."""
        return self.dollars_per_gpu_hour / 3600 / self.peak_flops / self.train_mfu

    @property
    def inference(self) -> float:
        """Dollars a FLOP of inference, prefill and decoding in their shares."""
        waiting = (1 - self.output_share) / self.prefill_mfu + self.output_share / self.decode_mfu
        return self.dollars_per_gpu_hour / 3600 / self.peak_flops * waiting


@dataclass(frozen=True)
class Lifetime:
    """The cheapest plan for a loss and a demand, beside the compute-optimal plan of the same loss."""

    unit: str  # of the costs: FLOPs or dollars
    loss: float
    inference_tokens: float
    params: float
    tokens: float
    tokens_per_param: float
    train_cost: float
    inference_cost: float
    cost: float
    optimal_params: float  # compute-optimal: what one would train without looking beyond training
    optimal_tokens: float
    optimal_cost: float
    saved: float  # optimal_cost - cost
    saved_share: float


def lifetime(law: Law, loss: float, inference_tokens: float, prices: Prices | None = None) -> Lifetime:
    """The plan that reaches `loss` and serves `inference_tokens` for least: FLOPs, or dollars with prices.

    Raises LawError where the loss is below what the law can reach.
    """
    demand = as_tokens(inference_tokens)
    train, serve = (prices.train, prices.inference) if prices else (1.0, 1.0)

    def costs(params: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return train * FLOPS_PER_PARAM_TOKEN * params * tokens, serve * INFERENCE_FLOPS * params * demand

    optimal = law.optimal(law.flops_for(loss))
    params = least(lambda n: np.add(*costs(n, law.tokens_at(n, loss))), LEAST_PARAMS, min(optimal.params * 10, MOST))
    tokens = law.tokens_to_reach(params, loss)
    train_cost, inference_cost = (float(cost) for cost in costs(np.array(params), np.array(tokens)))
    before = float(np.add(*costs(np.array(optimal.params), np.array(optimal.tokens))))
    return Lifetime(
        unit="dollars" if prices else "FLOPs",
        loss=loss,
        inference_tokens=demand,
        params=params,
        tokens=tokens,
        tokens_per_param=tokens / params,
        train_cost=train_cost,
        inference_cost=inference_cost,
        cost=train_cost + inference_cost,
        optimal_params=optimal.params,
        optimal_tokens=optimal.tokens,
        optimal_cost=before,
        saved=before - train_cost - inference_cost,
        saved_share=1 - (train_cost + inference_cost) / before,
    )
