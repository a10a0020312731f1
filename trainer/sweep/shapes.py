"""Models of few layers, from 10,000 parameters' worth of FLOPs on: what a sweep trains.

Size is counted in FLOPs: N = training FLOPs of a token / 6, attention scores included, so that C = 6 N D holds to the
digit (DeepSeek LLM 2024, arXiv 2401.02954, section 3, takes M = 6 N so). In small models scores are a third of all
work and the embedding half of all weights; counted in weights, a budget would not be the same for two sizes.
"""

import math
from functools import cache
from itertools import chain

from corpus.errors import RecipeError
from scaling import flops
from scaling.units import LEAST_PARAMS
from trainer.model.presets import PER_LAYER
from trainer.model.settings import ModelSettings

WIDTHS = tuple(
    chain(range(8, 64, 4), range(64, 128, 8), range(128, 256, 16), range(256, 512, 32), range(512, 2049, 64))
)

LEAST_LAYERS = 2


@cache
def size(model: ModelSettings) -> float:
    """N: FLOPs of a token's training over 6."""
    return flops.training(model.architecture(), attention="full") / 6


def sized(params: float, *, vocab: int, context: int) -> ModelSettings:
    """The shape of the nearest size on a log scale, of 10,000 or more, which is what laws take."""
    return min(shapes(vocab, context), key=lambda model: abs(math.log(size(model) / params)))


@cache
def shapes(vocab: int, context: int) -> tuple[ModelSettings, ...]:
    """All shapes there are, ascending. RecipeError where even the widest is too small for a law."""
    found = [shaped(width, vocab=vocab, context=context) for width in WIDTHS]
    large = tuple(model for model in found if size(model) >= LEAST_PARAMS)
    if not large:
        raise RecipeError(f"sweep: no shape with a vocabulary of {vocab:,} reaches {LEAST_PARAMS:,.0f} parameters")
    return large


def shaped(width: int, *, vocab: int, context: int) -> ModelSettings:
    """Two layers up to a width of 128, then one for each 64; heads of 12 to 64 values, normed."""
    most = max(1, width // (12 if width <= 128 else PER_LAYER))
    heads = next(count for count in range(most, 0, -1) if width % (2 * count) == 0)
    return ModelSettings(
        layers=max(LEAST_LAYERS, width // PER_LAYER),
        width=width,
        heads=heads,
        ffn_width=max(4, round(8 * width / 3 / 4) * 4),
        vocab=vocab,
        context=context,
        qk_norm=True,
    )
