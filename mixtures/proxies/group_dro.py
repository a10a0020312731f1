"""Group DRO over domains as DoReMi has it: each step's tokens weighed by how far the proxy is behind the reference.

The proxy's batch is forwarded twice: once without gradients, for its excess over the reference in every domain, then
with the new weights. That costs a third more than a step alone, holds with any micro-batches, and uses this step's
weights for this step, where accumulated gradients in the published code used those of the step before. Sums are over
all ranks, so all have the same weights, however the model is divided (tests/mixtures/test_doremi_ranks.py).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from corpus.errors import RecipeError
from mixtures.doremi import SMOOTHING, STEP_SIZE, Trace, clipped_sums, excess, token_weights, updated
from mixtures.proxies.reference import Reference
from trainer.checkpoints.errors import OtherSettings
from trainer.run.batches import Inputs, Micro
from trainer.run.making import Run
from trainer.run.ranks import first


class GroupDro:
    """A weigher for `trainer.run.loop.train`: sum of alpha_i * mean loss_i is what the proxy minimises."""

    def __init__(
        self,
        reference: Reference,
        domains: Sequence[str],
        *,
        shares: Mapping[str, float] | None = None,
        trace: Path | None = None,
        step_size: float = STEP_SIZE,
        smoothing: float = SMOOTHING,
    ) -> None:
        """domains: as the plan names them, in its order. shares: that the plan samples them by, to correct for them;
        None: it samples them alike, and each domain's mean loss counts."""
        self.reference = reference
        self.step_size, self.smoothing = step_size, smoothing
        self.shares = None if shares is None else np.array([shares[domain] for domain in domains])
        self.trace = Trace(domains, trace)
        self.alpha = np.full(len(domains), 1 / len(domains))
        self.excess = np.zeros(len(domains))

    def weighed(self, run: Run, batch: Inputs) -> Inputs:
        """The batch with a weight for each token, by its domain, so that its mean loss is the weighed one."""
        self._refuse_others(run.reader.loader.plan.domains)
        domains_B = torch.from_numpy(batch.domains).to(run.device)
        own = [self._sums(run, *part) for part in zip(batch.micro, _parted(domains_B, batch), strict=True)]
        sums = run.parallel.summed(torch.from_numpy(np.sum(own, axis=0)).to(run.device)).cpu().numpy()
        self._step(excess(sums, self.excess))
        each = torch.from_numpy(token_weights(self.alpha, sums[1], self.shares)).to(run.device, run.dtype)
        return batch._replace(micro=_weighed(batch, each[domains_B]))

    def _step(self, found: np.ndarray) -> None:
        """A step whose losses are not finite, which the run will leave out, leaves the weights as they are."""
        if finite := bool(np.isfinite(found).all()):
            self.alpha, self.excess = updated(self.alpha, found, self.step_size, self.smoothing), found
        self.trace.add(self.alpha, found if finite else None, written=first())

    def _sums(self, run: Run, micro: Micro, domains_B: Tensor) -> np.ndarray:
        """float64 [2, k], of this rank's sequences of a micro-batch."""
        counted = micro.targets_BL >= 0
        nats = self.reference.nats(micro.inputs_BL, micro.targets_BL, micro.documents_BL)
        parts = (run.parallel.evaluated(micro), nats, domains_B[:, None].expand(counted.shape))
        proxy, reference, domains = (part[counted].cpu().numpy() for part in parts)
        return clipped_sums(proxy, reference, domains, len(self.alpha))

    def _refuse_others(self, domains: tuple[str, ...]) -> None:
        if domains != self.trace.domains:
            strange = ", ".join(sorted({*domains} ^ {*self.trace.domains})[:8])
            raise RecipeError(f"doremi: weights and batches are not of the same domains: {strange}")

    @property
    def _asked(self) -> dict[str, Any]:
        shares = None if self.shares is None else self.shares.tolist()
        return {"step_size": self.step_size, "smoothing": self.smoothing, "shares": shares}

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "alpha": self.alpha.tolist(),
            "excess": self.excess.tolist(),
            "trace": self.trace.state_dict(),
            "asked": self._asked,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there. OtherSettings where it was weighed otherwise."""
        for name, value in self._asked.items():
            if state["asked"][name] != value:
                raise OtherSettings(f"its tokens were weighed with {name} = {state['asked'][name]!r}, not {value!r}")
        self.alpha, self.excess = np.array(state["alpha"]), np.array(state["excess"])
        self.trace.load_state_dict(state["trace"], written=first())


def _weighed(batch: Inputs, of_sequence: Tensor) -> tuple[Micro, ...]:
    return tuple(
        micro._replace(weights_BL=part[:, None].expand(micro.targets_BL.shape).contiguous())
        for micro, part in zip(batch.micro, _parted(of_sequence, batch), strict=True)
    )


def _parted(rows: Tensor, batch: Inputs) -> tuple[Tensor, ...]:
    """Rows of the batch's sequences, for each micro-batch its own."""
    return torch.split(rows, [len(micro.inputs_BL) for micro in batch.micro])
