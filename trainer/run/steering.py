"""Weights of domains that change while a run goes on: what steers, and how what it says becomes an order of sequences.

What steers is observed after each step, and asked for weights when the batch after next is to be read: a batch is read
while the step before it runs, so the weights of step t know the losses up to step t - 2. What was settled stays so, for
ever: after a rewind the sequences that were read are those that are left out, and what is settled beyond them is read
as it was settled. So it is written beside the checkpoints before anything is gone back to, for the checkpoint that is
restored knows less of it.

All processes steer by the weights that the first one has: were they to differ in one bit, on machines that round
otherwise, ranks would read other sequences from there on.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from trainer.run.ranks import first, shared

if TYPE_CHECKING:
    from trainer.reading.plan import Plan
    from trainer.run.making import Run
    from trainer.run.pace import Due


class Steerer(Protocol):
    """Says which weights the domains have next. Its state goes into checkpoints, so such a run resumes like any."""

    def begin(self, domains: Sequence[str], weights: np.ndarray) -> None:
        """Before the first step: the names of the domains, and the mixture's weights, float64 [K], summing to 1."""

    def observed(self, step: int, losses: np.ndarray, tokens: np.ndarray) -> None:
        """After step 1, 2, ...: nats a token of each domain on all ranks, float64 [K], NaN where the step has none of
        it or they are not finite; and how many tokens those were."""

    def weights(self) -> np.ndarray:
        """Of what is read next: float64 [K], 0 or more."""

    def state_dict(self) -> dict[str, Any]:
        """Of JSON's types."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


class Steering:
    """A steerer at work on a plan that is steered."""

    def __init__(self, steerer: Steerer, plan: "Plan") -> None:
        assert plan.steered is not None
        self.steerer, self.order, self.domains = steerer, plan.steered, plan.domains
        whole = sum(plan.parts.values())
        steerer.begin(plan.domains, np.array([part / whole for part in plan.parts.values()]))
        self.exhausted: list[str] = []  # domains that gave all they may

    def settle(self, read: int, sequences: int) -> list[str]:
        """Settle the order up to `read` + `sequences`; names of domains that were found to have given all they may."""
        if self.order.settled >= read + sequences:
            return []
        weights = shared(self.steerer.weights)
        self.order.settle(read, weights)  # what a rewind leaves out, where that reaches beyond what was settled
        short = self.order.settle(read + sequences, weights)
        new = [self.domains[d] for d in np.flatnonzero(short) if self.domains[d] not in self.exhausted]
        self.exhausted += new
        return new

    def observed(self, step: int, nats: np.ndarray, tokens: np.ndarray) -> None:
        """After a step: sums over the tokens of each domain, and how many."""
        losses = np.where(tokens > 0, nats / np.maximum(tokens, 1), np.nan)
        self.steerer.observed(step, np.where(np.isfinite(losses), losses, np.nan), tokens)

    def told(self, read: int) -> dict[str, float]:
        """The weights of the batch that ended with `read` sequences, by domain."""
        return dict(zip(self.domains, self.order.weights(read).tolist(), strict=True))

    def remember(self, path: Path) -> None:
        """Write what was settled, whole or not at all; one process does."""
        if not first():
            return
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(self.order.state_dict()), encoding="utf-8")
        partial.replace(path)

    def recall(self, path: Path) -> None:
        """Take over what was settled before a rewind, where that is more than the checkpoint knows. All ranks ask."""
        found = shared(lambda: path.read_text(encoding="utf-8") if path.exists() else None)
        if found is not None:
            self.order.load_state_dict(json.loads(found))

    def state_dict(self) -> dict[str, Any]:
        """Of JSON's types."""
        order = self.order.state_dict()
        return {"steerer": self.steerer.state_dict(), "order": order, "exhausted": self.exhausted.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.steerer.load_state_dict(state["steerer"])
        self.order.load_state_dict(state["order"])
        self.exhausted = list(state["exhausted"])


def settled(run: "Run", due: "Due") -> None:
    """Settle which domains the batch that is due is of, where the run is steered; tell of domains that gave all."""
    if run.steering is None:
        return
    for domain in run.steering.settle(due.read, due.sequences):
        run.journal.event("domain exhausted", run.position.step, domain=domain, most_epochs=run.settings.most_epochs)
