"""What proxies stand on: the tokens of each domain that are trained on, and the documents that are held out.

A domain that no proxy could read or be measured on is refused before the first proxy, by name: among hundreds of runs
it would otherwise show as a loss that is missing, or not at all.
"""

from dataclasses import dataclass

import numpy as np

from corpus.errors import RecipeError
from mixtures.caps import caps
from trainer.reading.held import opened
from trainer.reading.held_out import held_out
from trainer.reading.line import line
from trainer.run.settings import TrainSettings


@dataclass(frozen=True)
class Ground:
    """Sorted by domain. inputs: of mixtures/inventory.py."""

    inputs: str
    tokens: dict[str, int]  # all there are, as an inventory counts
    read: dict[str, int]  # without the held-out documents

    @property
    def prior(self) -> np.ndarray:
        """Shares of the tokens, float64 [D]."""
        tokens = np.array(list(self.tokens.values()), np.float64)
        return np.asarray(tokens / tokens.sum())

    def most(self, settings: TrainSettings) -> np.ndarray:
        """The largest weights of a proxy's budget that `settings.most_epochs` passes allow, float64 [D]."""
        return caps(self.read, settings.budget, settings.most_epochs, "proxies")


def ground(
    settings: TrainSettings, mends: str = "Shorten model.context, or leave the domain out of the tokens."
) -> Ground:
    """The tokens of `settings`. RecipeError for a domain too small for a sequence or without held-out documents.

    mends: what helps where a domain is too small.
    """
    held = opened(settings.tokens, verify=False)
    share, sequence = settings.evaluation.held_out, settings.model.context + 1
    chosen = held_out(held, share)
    read = {}
    for domain in sorted(held.starts):
        read[domain] = line(held.starts[domain], ~chosen[domain]).tokens
        _refuse_unmeasured(domain, len(chosen[domain]), int(chosen[domain].sum()), share)
        if read[domain] < sequence:
            raise RecipeError(
                f"proxies: domain {domain!r} holds {read[domain]:,} tokens to train on, less than one sequence of "
                f"{sequence:,}. {mends}"
            )
    return Ground(held.inputs, {domain: held.manifest.domains[domain].tokens for domain in read}, read)


def _refuse_unmeasured(domain: str, documents: int, out: int, share: float) -> None:
    if share == 0:
        raise RecipeError("proxies: evaluation.held_out is 0, so nothing could be measured; give .02 for example")
    if out == 0:
        raise RecipeError(
            f"proxies: domain {domain!r} holds {documents:,} documents, and none can be held out to measure it: two "
            f"different ones at least are needed. Leave it out of the tokens, or join it to another domain."
        )
