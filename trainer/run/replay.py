"""Was it the batches? What a rewind left out, fed to the model as it was at another time: the question of Chowdhery et
al. 2022, section 5.1, who saw no spike then and took it for a meeting of certain data with a certain state.
"""

from dataclasses import dataclass
from pathlib import Path

from corpus.errors import RecipeError
from corpus.storage import located
from trainer.checkpoints.manifest import verified
from trainer.checkpoints.newest import Found, named, saved_steps
from trainer.optim.schedule import factor
from trainer.parallel.launch import device_of, joined
from trainer.run.alone import alone
from trainer.run.making import Run, run_of
from trainer.run.resuming import SKIPPED, restored_into
from trainer.run.settings import TrainSettings
from trainer.run.step import step
from trainer.stability.rewind import Skip, remembered
from trainer.stability.spikes import Spike


@dataclass(frozen=True)
class Replay:
    """What came of the skipped batches."""

    skip: Skip
    step: int  # of the checkpoint that they were fed to
    losses: tuple[float, ...]  # of each batch
    spike: Spike | None  # the first alarm; None: it did not come again


def replayed(settings: TrainSettings, at: str) -> Replay:
    """Feed the batches that the last rewind of the run in `at` left out to the newest checkpoint before the one it went
    back to (where none is left, to the oldest after it). Nothing is saved.

    RecipeError where nothing was left out, no other checkpoint is there, or the mixture changed on the way: what such
    a run left out is an order of domains that its weights made, and another checkpoint has none of it.
    """
    if settings.online is not None:
        raise RecipeError(
            f"{at}: train.online = {settings.online.method!r} changed the weights of domains on the way, so batches "
            f"are settled as they are read and cannot be fed to another checkpoint. Runs of a fixed mixture can."
        )
    folder, device = Path(located(at)), device_of(settings.device)
    with joined(device), alone(folder), run_of(settings, folder, device) as run:
        skips = remembered(run.saver.directory / SKIPPED)
        if not skips:
            raise RecipeError(f"{at}: no batches were left out, so there are none to replay")
        found = _other(run, skips[-1])
        restored_into(run, found)
        losses, spike = _fed(run, skips[-1])
        return Replay(skips[-1], found.manifest.step, losses, spike)


def _other(run: Run, skip: Skip) -> Found:
    steps = saved_steps(run.saver.directory)
    older, newer = [one for one in steps if one < skip.step], [one for one in steps if one > skip.step]
    if not older and not newer:
        raise RecipeError(
            f"{run.saver.directory}: there is no checkpoint but that of step {skip.step:,}, which was gone back to; "
            f"raise checkpoints.keep"
        )
    folder = named(run.saver.directory, older[-1] if older else newer[0])
    return Found(folder, verified(folder))


def _fed(run: Run, skip: Skip) -> tuple[tuple[float, ...], Spike | None]:
    """At the rate that the checkpoint was trained with, in batches as it was."""
    losses, alarms = [], []
    rate = factor(run.settings.schedule, min(run.position.trained, run.settings.budget), run.settings.budget)
    sequences = run.settings.batch.tokens // run.settings.model.context
    for read in range(skip.first, skip.end - sequences + 1, sequences):
        taken = step(run, run.reader.take(read, sequences), rate)
        run.position.step += 1
        losses.append(taken.loss)
        alarms.append(run.spikes.observe(run.position.step, taken.loss, taken.norm))
    return tuple(losses), next((alarm for alarm in alarms if alarm is not None), None)
