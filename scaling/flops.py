"""FLOPs of a token, exactly per architecture; a multiplication and an addition are two.

Forward: 2 for each parameter that multiplies the token, plus the attention scores, which multiply tokens with
tokens and are in no parameter count: 4 x layers x heads x head_dim x keys seen. Backward is twice forward. What
6 N D leaves out is those scores; what it wrongly counts is the input embedding, which is looked up, not multiplied.

    attention="full"     every token meets the whole context: the convention of MFU (Chowdhery et al. 2022, appendix B)
    attention="causal"   it meets half of it on average: what a kernel that skips the mask executes
    attention="none"     scores left out, as 6 N D does

Norms, activations, softmax and rotary positions are not counted: below 1 % (Hoffmann et al. 2022, appendix F).
"""

from typing import Literal

from scaling.architecture import Architecture
from scaling.errors import LawError, unknown
from scaling.units import as_params, as_tokens

Attention = Literal["full", "causal", "none"]
Recompute = Literal["none", "selective", "full"]
RECOMPUTE = ("none", "selective", "full")


def forward(
    shape: Architecture, *, context: int | None = None, attention: Attention = "full", head: bool = True
) -> float:
    """FLOPs of the forward pass, a token.

    context: tokens of a sequence, the architecture's own by default. head=False leaves the vocabulary projection out.
    """
    matmul = shape.matmul_params() if head else shape.layer_matmul_params()
    return 2.0 * matmul + scores(shape, context=context, attention=attention)


def scores(shape: Architecture, *, context: int | None = None, attention: Attention = "full") -> float:
    """Forward FLOPs of queries x keys and weights x values, a token, all layers."""
    keys = keys_seen(shape, context=context, attention=attention)
    return 2.0 * shape.layers * shape.heads * (shape.key_dim + shape.value_dim) * keys


def backward(
    shape: Architecture, *, context: int | None = None, attention: Attention = "full", head: bool = True
) -> float:
    """FLOPs of the backward pass, a token: each matrix product of the forward pass has two, one for each factor."""
    return 2 * forward(shape, context=context, attention=attention, head=head)


def training(
    shape: Architecture, *, context: int | None = None, attention: Attention = "full", head: bool = True
) -> float:
    """Useful FLOPs of training, a token: forward and backward, nothing recomputed. The numerator of MFU."""
    return 3 * forward(shape, context=context, attention=attention, head=head)


def hardware(
    shape: Architecture, *, recompute: Recompute, context: int | None = None, attention: Attention = "full"
) -> float:
    """FLOPs that are executed in training, a token: the numerator of HFU.

    "full" runs every layer forward once more (the head has nothing to save); "selective" the attention scores only
    (Korthikanti et al. 2022, section 5), two products a layer.
    """
    if recompute not in RECOMPUTE:
        raise unknown("recompute", recompute, RECOMPUTE)
    again = {
        "none": 0.0,
        "selective": scores(shape, context=context, attention=attention),
        "full": forward(shape, context=context, attention=attention, head=False),
    }
    return training(shape, context=context, attention=attention) + again[recompute]


def hfu_over_mfu(
    shape: Architecture, *, recompute: Recompute, context: int | None = None, attention: Attention = "full"
) -> float:
    """Executed over useful FLOPs: 1 without recomputation, near 4 / 3 with all of it."""
    executed = hardware(shape, recompute=recompute, context=context, attention=attention)
    return executed / training(shape, context=context, attention=attention)


def attention_share(shape: Architecture, *, context: int | None = None, attention: Attention = "full") -> float:
    """The share of a token's training FLOPs that goes into attention scores: what 6 N D misses."""
    counted = forward(shape, context=context, attention=attention)
    return scores(shape, context=context, attention=attention) / counted


def generating(shape: Architecture, *, context: int) -> float:
    """FLOPs to generate one token after `context` others: 2 a matmul parameter, and scores with all it may see.

    Latent attention is counted as in training, with keys and values rebuilt; kernels that absorb the projections
    into the queries trade those for longer scores.
    """
    return forward(shape, context=context, attention="full")


def keys_seen(shape: Architecture, *, context: int | None = None, attention: Attention = "full") -> float:
    """How many tokens one token attends to, on average over a sequence of `context`.

    Causal is half the context by convention (exactly (context + 1) / 2, 0.05 % more at 2,048). In a sliding window w
    the first w tokens see half of it and all others the whole: w - w^2 / (2 x context).
    """
    length = shape.context if context is None else context
    if length < 1:
        raise LawError(f"context is {length}: a sequence has 1 token or more")
    window = min(length, shape.window or length)
    if attention == "full":
        return float(window)
    if attention == "causal":
        return window - window**2 / (2 * length)
    if attention == "none":
        return 0.0
    raise unknown("attention", attention, ("full", "causal", "none"))


def six_nd(params: float, tokens: float) -> float:
    """FLOPs of a training run as 6 N D: 2 forward and 4 backward (Kaplan et al. 2020, section 2.1)."""
    return float(6 * as_params(params) * as_tokens(tokens))


def run(shape: Architecture, tokens: float, *, context: int | None = None, attention: Attention = "full") -> float:
    """Useful FLOPs of training `shape` on `tokens` tokens."""
    return training(shape, context=context, attention=attention) * float(as_tokens(tokens))
