"""Batch size and learning rate by published laws, the critical batch, and a ramp up to it.

Laws give tokens per step and the peak learning rate of AdamW; they come from other data, models and schedules than
yours, so a budget shows them side by side and a sweep at small scale decides. A critical batch that depends on loss
alone is dated: Bergsma et al. 2025 (arXiv 2505.13738) find powers of the tokens instead, which is the step law's form.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np

from scaling.laws import Law
from scaling.units import LEAST_TOKENS, as_flops, as_params, as_positive, as_tokens

_KAPLAN_BATCH, _KAPLAN_POWER = 2e8, -1 / 0.21  # Kaplan et al. 2020, equation 1.4: B* in tokens, -1 / alpha_B

SMALLEST_STEP = 1 << 15
"""Tokens: where a ramp begins at the least, 32 sequences of 1,024."""


def deepseek_learning_rate(flops: float) -> float:
    """0.3118 C^-0.1250. C counts attention and no embeddings. DeepSeek LLM 2024, arXiv 2401.02954, equation 1."""
    return float(0.3118 * as_flops(flops) ** -0.1250)


def deepseek_batch(flops: float) -> float:
    """0.2920 C^0.3271 tokens. DeepSeek LLM 2024, arXiv 2401.02954, equation 1."""
    return float(0.2920 * as_flops(flops) ** 0.3271)


def deepseek_tokens(flops: float) -> float:
    """Compute-optimal tokens, 5.8316 C^0.4757. DeepSeek LLM 2024, arXiv 2401.02954, equation 4."""
    return float(5.8316 * as_flops(flops) ** 0.4757)


def deepseek_flops_per_token(flops: float) -> float:
    """Compute-optimal model scale M = 0.1715 C^0.5243 FLOPs a token; 6 N and attention. Equation 4 of the same."""
    return float(0.1715 * as_flops(flops) ** 0.5243)


def step_law_learning_rate(params: float, tokens: float) -> float:
    """1.79 N^-0.713 D^0.307. Li et al. 2025, Predictable Scale part I, arXiv 2503.04715, equation 1."""
    return float(1.79 * as_params(params) ** -0.713 * as_tokens(tokens) ** 0.307)


def step_law_batch(tokens: float) -> float:
    """0.58 D^0.571 tokens, whatever the size of the model. Li et al. 2025, arXiv 2503.04715, equation 1."""
    return float(0.58 * as_tokens(tokens) ** 0.571)


def critical_batch(loss: float) -> float:
    """2e8 / L^(1/0.21) tokens: 1.07 M at a loss of 3 and 7.4 M at 2. Kaplan et al. 2020, equation 1.4.

    At this batch a run needs twice the fewest steps and twice the fewest tokens.
    """
    return float(_KAPLAN_BATCH * as_positive("loss", loss) ** _KAPLAN_POWER)


def more_tokens(batch: float, critical: float) -> float:
    """Tokens over the fewest for a loss, 1 + B / B_crit. McCandlish et al. 2018, arXiv 1812.06162, equation 2.11."""
    return 1 + as_positive("batch", batch) / as_positive("critical", critical)


def more_steps(batch: float, critical: float) -> float:
    """Steps over the fewest for a loss, 1 + B_crit / B: (S/S_min - 1)(E/E_min - 1) = 1, the same source."""
    return 1 + as_positive("critical", critical) / as_positive("batch", batch)


@dataclass(frozen=True)
class Stretch:
    """Part of a run at one batch size."""

    from_tokens: float
    batch_tokens: int
    steps: int


def round_batch(tokens: float) -> int:
    """The power of two nearest on a log scale, in tokens: so that ramps double and sequences divide it."""
    return 1 << max(0, round(float(np.log2(as_positive("batch", tokens)))))


def ramp(law: Law, params: float, tokens: float, batch: int) -> tuple[Stretch, ...]:
    """Doublings from a small batch to `batch`, each taken once the critical batch has grown to it.

    The loss on the way is law.loss(params, tokens so far): that of a run which ended there, so the true loss under a
    longer schedule is somewhat higher and each doubling somewhat early. Steps cover `tokens` and
    less than one batch more.
    """
    tokens = as_tokens(tokens)
    seen = np.geomspace(LEAST_TOKENS, tokens, 2000)  # 2,000 points place a doubling to 1 % of the tokens seen by then
    critical = _KAPLAN_BATCH * law.loss(as_params(params), seen) ** _KAPLAN_POWER
    sizes = [batch >> halvings for halvings in range(batch.bit_length()) if batch >> halvings >= SMALLEST_STEP]
    starts = [(0.0, sizes.pop() if sizes else batch)]
    starts += [(float(seen[np.argmax(critical >= size)]), size) for size in sizes[::-1] if (critical >= size).any()]
    return tuple(_stretches(starts, tokens))


def _stretches(starts: list[tuple[float, int]], tokens: float) -> Iterator[Stretch]:
    at = 0.0
    for (_, size), (end, _) in pairwise([*starts, (tokens, 0)]):
        steps = ceil((end - at) / size)
        if steps > 0:
            yield Stretch(at, size, steps)
            at += steps * size
