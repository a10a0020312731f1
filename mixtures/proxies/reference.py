"""The reference of a round: a trained model that no longer changes, whole on every rank, in the run's precision."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from trainer.checkpoints.loading import loaded, newest_in
from trainer.evaluation.held_out import documents, measured
from trainer.model.decoder import Decoder
from trainer.reading.held import Held
from trainer.reading.held_out import held_out
from trainer.run.precision import narrow_dtype
from trainer.run.ranks import world
from trainer.run.settings import TrainSettings


class Reference:
    """Gives the nats of tokens. A difference of precision would show as excess, so products are made as the proxy's."""

    def __init__(self, model: Decoder, device: torch.device, narrow: torch.dtype | None) -> None:
        """narrow: of matrix products, by autocast; None: as weights."""
        self.model, self.device, self.narrow = model, device, narrow

    @torch.no_grad()
    def nats(self, inputs_BL: Tensor, targets_BL: Tensor, documents_BL: Tensor | None = None) -> Tensor:
        """Of each target, [B, L]."""
        with torch.autocast(self.device.type, dtype=self.narrow, enabled=self.narrow is not None):
            nats: Tensor = self.model(inputs_BL, targets_BL, documents_BL).tokens_BL
        return nats


def reference(folder: Path, settings: TrainSettings, device: torch.device) -> Reference:
    """That of a finished run. CheckpointError where its newest checkpoint is not as it was written."""
    model, _ = loaded(newest_in(folder / "checkpoints"), device)
    return Reference(model, device, narrow_dtype(settings.precision))


def gaps(reference: Reference, settings: TrainSettings, held: Held) -> dict[str, float]:
    """By domain, nats by which the reference is worse on documents that it was not trained on; all ranks together.

    Domains without documents of one of the two kinds are left out.
    """
    chosen = held_out(held, settings.evaluation.held_out)
    unseen = _losses(reference, settings, held, chosen)
    seen = _losses(reference, settings, held, {name: ~out for name, out in chosen.items()})
    return {name: unseen[name] - seen[name] for name in unseen if name in seen}


def _losses(
    reference: Reference, settings: TrainSettings, held: Held, chosen: dict[str, np.ndarray]
) -> dict[str, float]:
    texts = {name: own for name, own in documents(held, chosen, settings.evaluation.most_tokens).items() if own}
    forward: Callable[[Tensor, Tensor], Tensor] = reference.nats
    found = measured(
        forward,
        texts,
        dict.fromkeys(texts, 0),  # bytes are not asked for
        context=settings.model.context,
        batch=settings.batch.micro,
        eos_id=held.manifest.tokenizer.eos_id,
        device=reference.device,
        reader=dist.get_rank() if dist.is_initialized() else 0,
        readers=world(),
        summed=_summed,
    )
    return {name: one.loss for name, one in found.items()}


def _summed(figures: Tensor) -> Tensor:
    """Over all ranks, each of which measured its own documents."""
    if dist.is_initialized():
        dist.all_reduce(figures)
    return figures
