"""What a run says while it goes on: sums over the steps between two lines of metrics.jsonl."""

import time
from typing import Any

import numpy as np
import torch

from trainer.run.making import Run
from trainer.run.ranks import world
from trainer.run.speed import Speed
from trainer.run.step import Taken


class Interval:
    """Steps since the last line."""

    def __init__(self, run: Run) -> None:
        self.run, self.speed = run, Speed(run.settings, run.device, world())
        self._begin()

    def paused(self, seconds: float) -> None:
        """Time that went into something else than steps."""
        self.begun += seconds

    def _begin(self) -> None:
        domains = len(self.run.reader.loader.plan.domains)
        self.steps, self.clipped, self.left_out, self.tokens = 0, 0, 0, 0
        self.nats, self.counts = np.zeros(domains), np.zeros(domains)
        self.begun, self.waited = time.perf_counter(), self.run.reader.waited

    def add(self, taken: Taken, tokens: int, rate: float, health: dict[str, float]) -> None:
        """A step; every `monitoring.every` of them a line is written. health: figures of this step alone."""
        self.steps, self.tokens = self.steps + 1, self.tokens + tokens
        self.clipped, self.left_out = self.clipped + taken.clipped, self.left_out + (not taken.updated)
        self.nats, self.counts = self.nats + taken.nats, self.counts + taken.tokens
        if self.run.position.step % self.run.settings.monitoring.every == 0:
            self.tell(taken, rate, health)

    def tell(self, taken: Taken, rate: float, health: dict[str, float]) -> None:
        """Write a line of what the steps since the last one found."""
        run, seconds = self.run, time.perf_counter() - self.begun
        figures: dict[str, Any] = {"loss": taken.loss, "mean_loss": self.nats.sum() / self.counts.sum()}
        figures["domains"] = self._of_domains()
        if run.steering is not None:
            figures["weights"] = run.steering.told(run.position.read)
        figures |= {"norm": taken.norm, "clipped": self.clipped / self.steps, "left_out": self.left_out}
        figures |= {"rate": rate * run.settings.optimizer.rate, **health}
        figures |= {"tokens": run.position.trained, "domain_tokens": dict(run.position.domains)}
        figures |= self.speed.told(self.tokens, seconds, run.reader.waited - self.waited, run.position.trained)
        if run.device.type == "cuda":
            figures["memory"] = torch.cuda.max_memory_allocated(run.device)
        if run.loss_scale.moves:
            figures["loss_scale"] = run.loss_scale.scale
        if run.settings.stability.noise_every:
            figures["noise_scale"] = run.noise.scale
        run.journal.measure(run.position.step, figures)
        self._begin()

    def _of_domains(self) -> dict[str, float]:
        """Nats a token of each that was trained on."""
        domains = self.run.reader.loader.plan.domains
        return {name: self.nats[d] / self.counts[d] for d, name in enumerate(domains) if self.counts[d]}
