"""A run as it stands in memory, and how it is made from its settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from trainer.checkpoints.errors import OtherSettings
from trainer.checkpoints.saving import Saver
from trainer.model.decoder import Decoder
from trainer.monitoring.sinks import Guarded, Sink, TensorBoard, WeightsAndBiases
from trainer.optim import made
from trainer.parallel.apply import Parallelised, parallelised
from trainer.parallel.mesh import Mesh, meshed
from trainer.reading.loader import Loader
from trainer.reading.plan import planned
from trainer.run.batches import Reader
from trainer.run.checks import refuse_misfits, refuse_unsteered
from trainer.run.compiling import compiled
from trainer.run.journal import Journal
from trainer.run.position import Position
from trainer.run.precision import LossScale, narrow_dtype, weight_dtype
from trainer.run.ranks import first
from trainer.run.settings import TrainSettings
from trainer.run.steering import Steerer, Steering
from trainer.run.weighing import Weigher
from trainer.stability.clipping import Guard
from trainer.stability.noise import NoiseScale
from trainer.stability.rewind import Skip
from trainer.stability.spikes import SpikeDetector


@dataclass
class Run:
    """All that a step changes, and what it needs. Within `with`; what it holds open is closed at the end."""

    settings: TrainSettings
    device: torch.device
    mesh: Mesh
    parallel: Parallelised
    optimizer: Optimizer
    reader: Reader
    saver: Saver
    journal: Journal
    loss_scale: LossScale
    guard: Guard
    spikes: SpikeDetector
    noise: NoiseScale
    position: Position = field(default_factory=Position)
    saved_step: int | None = None  # of the newest checkpoint
    weigher: Weigher | None = None
    steering: Steering | None = None
    skips: list[Skip] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # what the user should know of how it was made

    @property
    def model(self) -> Decoder:
        """The part of it that this rank holds."""
        return self.parallel.model

    @property
    def dtype(self) -> torch.dtype:
        """Of weights."""
        return weight_dtype(self.settings.precision)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        try:
            self.saver.close()
        finally:
            self.journal.close()

    def state_dict(self) -> dict[str, Any]:
        """All of the state that is no tensor, of JSON's types."""
        loader = self.reader.loader.state_dict() | {"read": self.position.read}
        return {"loader": loader, **{name: one.state_dict() for name, one in self._parts().items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there. WrongPlan where the state is that of other tokens."""
        self.reader.loader.load_state_dict(state["loader"])
        if ("weigher" in state) != (self.weigher is not None):
            raise OtherSettings("its tokens were weighed by a method in one of the two runs, and not in the other")
        if ("steering" in state) != (self.steering is not None):
            raise OtherSettings("its domains were weighed on the way in one of the two runs, and not in the other")
        for name, one in self._parts().items():
            one.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        hooks = [name for name in ("weigher", "steering") if getattr(self, name) is not None]
        return {name: getattr(self, name) for name in ("position", "loss_scale", "guard", "spikes", "noise", *hooks)}


def run_of(settings: TrainSettings, folder: Path, device: torch.device, steerer: Steerer | None = None) -> Run:
    """A run before its first step. RecipeError, or what the plan and the loader refuse, where it cannot be had."""
    refuse_unsteered(settings, steerer is not None)
    mesh = meshed(settings.parallel, settings.model, device)
    refuse_misfits(settings, mesh.readers)
    loader = _loader(settings, mesh, steerer is not None)
    parallel = parallelised(
        settings.model,
        mesh,
        seed=settings.seed,
        kind=weight_dtype(settings.precision),
        narrow=narrow_dtype(settings.precision),
        recompute=settings.recompute,
    )
    stability, checkpoints = settings.stability, settings.checkpoints
    return Run(
        settings=settings,
        device=device,
        mesh=mesh,
        parallel=parallel,
        optimizer=made(parallel.model, settings.model, settings.optimizer, device),
        reader=Reader(loader, settings.batch.micro, device, settings.model.within_documents),
        saver=Saver(
            folder / "checkpoints",
            keep=checkpoints.keep,
            back=stability.rewind if stability.spikes else 0,
            asynchronous=checkpoints.asynchronous,
        ),
        journal=Journal(folder if first() else None),
        loss_scale=LossScale(settings.precision),
        guard=Guard(stability.most_skipped),
        spikes=SpikeDetector(stability.spike_score, stability.spike_window),
        noise=NoiseScale(),
        steering=None if steerer is None else Steering(steerer, loader.plan),
        told=compiled(parallel.model, device) if settings.compile else [],
    )


def sinks(settings: TrainSettings, folder: Path, journal: Journal) -> list[Guarded]:
    """What else gets the lines, as the settings ask; where one fails the journal says so and the run goes on."""
    if not first():
        return []

    def failed(name: str, why: str) -> None:
        journal.event("sink failed", 0, sink=name, why=why)

    made_of: dict[str, Callable[[], Sink]] = {}
    if settings.monitoring.tensorboard:
        made_of["tensorboard"] = lambda: TensorBoard(folder / "tensorboard")
    if settings.monitoring.wandb:
        said = settings.model_dump(mode="json")
        made_of["wandb"] = lambda: WeightsAndBiases(settings.monitoring.wandb, folder.name, said, folder)
    return [Guarded(name, make, failed) for name, make in made_of.items()]


def _loader(settings: TrainSettings, mesh: Mesh, steered: bool) -> Loader:
    """A sequence of the plan trains `context` tokens and holds one more; passes are counted in tokens trained."""
    context = settings.model.context
    multiple = context * mesh.readers
    plan = planned(
        settings.tokens,
        sequence=context + 1,
        mixture=settings.mixture,
        sequences=-(-settings.budget // multiple) * mesh.readers,
        packing=settings.packing,
        seed=settings.seed,
        held_out=settings.evaluation.held_out,
        most_epochs=settings.most_epochs * (context + 1) / context,
        steered=steered,
    )
    return Loader(plan, 1, mesh.reader, mesh.readers, vocabulary=settings.model.vocab)
