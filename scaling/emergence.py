"""Why an ability looks sudden: exact match raises a smooth chance to the length of the answer.

If each token is right with chance p, an answer of k tokens is right as a whole with chance p^k: 0.8^5 is 33 %,
0.95^5 is 77 %. Loss falls as a power of scale, (c / N)^alpha, and p = exp(-loss) rises with it; then p^k is the very
same curve shifted to k^(1 / alpha) times the scale, four decades for 10 tokens and alpha = 1/4. Over the models at
hand a long answer therefore stays near 0 and leaves it late, while partial credit and bits per byte have moved all
along (Schaeffer et al. 2023, "Are emergent abilities of large language models a mirage?", section 2). A report puts
the three side by side.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import LawError


def token_chance(loss_nats: ArrayLike) -> Any:
    """Chance that a token is right where its mean loss is `loss_nats`: exp(-loss), the geometric mean chance."""
    loss = np.asarray(loss_nats, np.float64)
    if not (np.isfinite(loss) & (loss >= 0)).all():
        raise LawError("a loss in nats a token is a finite number, 0 or more")
    return np.exp(-loss)


def exact_match(chance: ArrayLike, answer_tokens: int) -> Any:
    """Chance that all `answer_tokens` tokens are right, each with `chance` and independent of the others: p^k."""
    return _chances(chance) ** _length(answer_tokens)


def at_least(chance: ArrayLike, right: int, answer_tokens: int) -> Any:
    """Chance that `right` or more of `answer_tokens` tokens are right. All of them: exact match. One: any at all."""
    k, p = _length(answer_tokens), _chances(chance)
    if not 0 <= right <= k:
        raise LawError(f"{right} of {k} tokens cannot be right")
    return sum(math.comb(k, n) * p**n * (1 - p) ** (k - n) for n in range(right, k + 1))


def partial_credit(chance: ArrayLike) -> Any:
    """Expected share of an answer's tokens that are right: the chance itself, whatever the length."""
    return _chances(chance)


def bits_per_byte(loss_nats: ArrayLike, bytes_per_token: float) -> Any:
    """Loss in bits a byte of text: comparable between tokenizers, as nats a token are not."""
    if not (np.isfinite(bytes_per_token) and bytes_per_token > 0):
        raise LawError(f"bytes_per_token is {bytes_per_token:g}: it must be above 0, some 4.4 for English text")
    return np.asarray(loss_nats, np.float64) / (math.log(2) * bytes_per_token)


def steepest_step(scores: ArrayLike) -> float:
    """The largest rise between neighbours as a share of the whole rise: 1 / (n - 1) for a straight line, 1 for a jump.

    scores: [n] one metric over evenly spaced scales, at least two and not all the same.
    """
    rises = np.diff(np.asarray(scores, np.float64))
    if rises.size == 0 or not rises.sum():
        raise LawError("a step needs two scores or more that differ")
    return float(np.max(rises / rises.sum()))


@dataclass(frozen=True)
class Row:
    """One model, by three metrics of the same predictions."""

    scale: float  # whatever the run was scaled by: parameters, tokens or FLOPs
    loss_nats: float
    bits_per_byte: float
    partial_credit: float
    exact_match: dict[int, float]  # answer length in tokens -> chance


def rows(
    scales: Sequence[float],
    losses_nats: Sequence[float],
    *,
    answer_tokens: Sequence[int] = (1, 5, 20),
    bytes_per_token: float,
) -> list[Row]:
    """A report's section: each model's loss as bits per byte, partial credit and exact match, smallest scale first.

    losses_nats: mean loss on the *answers*, which are easier or harder than the training text.
    """
    if len(scales) != len(losses_nats):
        raise LawError(f"{len(scales)} scales and {len(losses_nats)} losses: one loss a model")
    order = np.argsort(np.asarray(scales, np.float64), kind="stable")
    return [_row(scales[n], losses_nats[n], answer_tokens, bytes_per_token) for n in order]


def _row(scale: float, loss: float, answer_tokens: Sequence[int], bytes_per_token: float) -> Row:
    chance = float(token_chance(loss))
    matches = {k: float(exact_match(chance, k)) for k in answer_tokens}
    return Row(float(scale), float(loss), float(bits_per_byte(loss, bytes_per_token)), chance, matches)


def table(models: Sequence[Row]) -> str:
    """The rows as a Markdown table, one line a model, and below it how sudden each column looks.

    The last line is the steepest step of each score; bits per byte fall, so theirs is of the fall.
    """
    lengths = list(models[0].exact_match) if models else []
    heads = [
        "scale",
        "loss (nats)",
        "bits/byte",
        "partial credit",
        *(f"exact match, {k} token{'s' * (k > 1)}" for k in lengths),
    ]
    lines = [heads, ["---:"] * len(heads), *(_cells(row) for row in models)]
    if len(models) > 1:
        columns = [[-row.loss_nats for row in models], [-row.bits_per_byte for row in models]]
        columns += [[row.partial_credit for row in models], *([row.exact_match[k] for row in models] for k in lengths)]
        lines.append(["steepest step", *(f"{steepest_step(column):.0%}" for column in columns)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cells(row: Row) -> list[str]:
    shares = [row.partial_credit, *row.exact_match.values()]
    return [f"{row.scale:.3g}", f"{row.loss_nats:.3f}", f"{row.bits_per_byte:.3f}", *(f"{s:.1%}" for s in shares)]


def _chances(chance: ArrayLike) -> Any:
    p = np.asarray(chance, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise LawError("a chance lies in 0..1; for a percentage divide by 100")
    return p


def _length(tokens: int) -> int:
    if not isinstance(tokens, int) or tokens < 1:
        raise LawError(f"answer_tokens is {tokens!r}: a whole number, 1 or more")
    return tokens
