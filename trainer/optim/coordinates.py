"""The coordinate check of muP: after a few steps, do activations keep their size as the model widens?

Under a right parametrization they do; under the standard one updates of all weights add up and activations grow with
the width, which is why its best rate falls (Yang et al. 2022, appendix D.1).

Under muP the check has the head begin at 0, as the paper advises (appendix D.2), so that what it measures is of the
steps alone. Training keeps the drawn head (model/initial.py); through it the steps of a wide model lower the loss
sooner, and its stream moves the less from the third on: a slope of -0.09 at a base of 64. The standard parametrization
is checked with the head that it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from corpus.errors import RecipeError
from trainer.model.decoder import Decoder, Losses
from trainer.model.initial import initialise
from trainer.model.settings import ModelSettings
from trainer.optim.groups import made
from trainer.run.settings import Optimizer

WIDTHS = (64, 128, 256, 512)
FLAT = 0.05  # |slope| that passes for none, over widths of 8 x: sizes differ by at most 1.11 x


@dataclass(frozen=True)
class Coordinates:
    """Mean sizes |x| after the steps, for each width, and the slope of their logarithms over log(width)."""

    widths: tuple[int, ...]
    residual: tuple[float, ...]  # of the stream after the last block, before the norm
    logits: tuple[float, ...]
    residual_slope: float
    logits_slope: float

    @property
    def flat(self) -> bool:
        """Both within 0.05 of none."""
        return max(abs(self.residual_slope), abs(self.logits_slope)) <= FLAT


def coordinate_check(
    settings: ModelSettings,
    *,
    widths: Sequence[int] = WIDTHS,
    optimizer: Optimizer = Optimizer(rate=1e-2),  # noqa: B008 (frozen)
    steps: int = 5,
    batch: int = 8,
    seeds: int = 3,
) -> Coordinates:
    """Train `settings`, widened, on one batch of tokens by Zipf's law. 4 s a seed on one core at two layers.

    settings: the smallest model, which is the base under "mup" unless `base_width` says otherwise. Sizes are means
    over `seeds` of first weights and batch. RecipeError where a width is no multiple of the smallest model's.
    """
    shapes = [widened(settings, width) for width in widths]
    found = np.array([[_sizes(shape, optimizer, steps, batch, seed) for shape in shapes] for seed in range(seeds)])
    residual, logits = found.mean(axis=0).T
    return Coordinates(
        tuple(widths), tuple(residual.tolist()), tuple(logits.tolist()), slope(widths, residual), slope(widths, logits)
    )


def slope(widths: Sequence[int], sizes: np.ndarray) -> float:
    """Of the line of least squares through log(size) over log(width)."""
    return float(np.polyfit(np.log(widths), np.log(sizes), 1)[0])


def widened(settings: ModelSettings, width: int) -> ModelSettings:
    """The model at another width: as many layers, heads of as many values, all else in proportion."""
    if width < settings.width or width % settings.width:
        raise RecipeError(f"width {width:,} is no multiple of {settings.width:,}, the width of the smallest model")
    times = width // settings.width
    return replace(
        settings,
        width=width,
        heads=settings.heads * times,
        kv_heads=settings.kv_heads * times,
        head_dim=settings.channels,
        ffn_width=settings.ffn_width * times,
        expert_width=settings.expert_width * times,
        base_width=settings.base_width or settings.width,
    )


def _sizes(settings: ModelSettings, optimizer: Optimizer, steps: int, batch: int, seed: int) -> tuple[float, float]:
    model = Decoder(settings)
    initialise(model, seed)
    if settings.parametrization == "mup" and not settings.tied:
        assert model.head is not None
        nn.init.zeros_(model.head.weight)
    moved = made(model, settings, optimizer, torch.device("cpu"))
    tokens = _tokens(settings, batch, seed)
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    scale = torch.tensor(1 / targets.numel())
    for _ in range(steps):
        losses = model(inputs, targets, scale=scale)
        assert isinstance(losses, Losses)
        losses.objective.backward()  # type: ignore[no-untyped-call]
        moved.step()
        moved.zero_grad()
    return _measured(model, inputs)


def _tokens(settings: ModelSettings, batch: int, seed: int) -> Tensor:
    """int64 [batch, context + 1], frequent by Zipf's law as in text: the n-th has a share of 1 / n.

    Of equally frequent ones there is nothing to learn but the batch by heart, and how well narrow models keep its
    tokens apart changes with the width under any parametrization.
    """
    random = torch.Generator().manual_seed(seed)
    shares = 1 / torch.arange(1, settings.vocab + 1, dtype=torch.float64)
    places = batch * (settings.context + 1)
    return torch.multinomial(shares, places, replacement=True, generator=random).view(batch, -1)


@torch.no_grad()
def _measured(model: Decoder, inputs: Tensor) -> tuple[float, float]:
    """The stream before the last norm, and the logits."""
    assert model.norm is not None
    assert model.head is not None
    stream: list[Tensor] = []
    hook = model.norm.register_forward_pre_hook(lambda _, given: stream.append(given[0]))
    hidden_BLD = model(inputs)
    hook.remove()
    logits_BLV = model.head(hidden_BLD) / model.settings.width_ratio
    return float(stream[0].abs().mean()), float(logits_BLV.abs().mean())
