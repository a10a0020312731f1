"""The loop around steps: from settings to an outcome, through stops, spikes and full disks.

    folder/checkpoints/00001200         what a run goes on from: checkpoints/manifest.py
    folder/checkpoints/skipped.jsonl    sequences left out after spikes: stability/rewind.py
    folder/metrics.jsonl                what happened: journal.py

A folder is a run. Asking for it again goes on with it; asking for another there is refused.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from corpus.errors import RecipeError
from corpus.storage import is_local, located
from trainer.checkpoints.errors import NotSaved
from trainer.evaluation.held_out import DomainLoss
from trainer.optim.schedule import factor
from trainer.parallel.launch import device_of, joined
from trainer.run.alone import alone
from trainer.run.benchmarking import benchmarked, refuse_benchmarks
from trainer.run.health import looked_at
from trainer.run.journal import Listener
from trainer.run.making import Run, run_of, sinks
from trainer.run.measuring import Measuring
from trainer.run.noise import observed, small_norm
from trainer.run.outcome import ASKED, BUDGET, SIGTERM, Outcome, weights_digest
from trainer.run.pace import due
from trainer.run.ranks import agreed
from trainer.run.resuming import refuse_too_little_disk, resumed, rewound, saved
from trainer.run.settings import TrainSettings
from trainer.run.steering import Steerer, settled
from trainer.run.step import Taken, step
from trainer.run.stopping import Stopping
from trainer.run.telling import Interval
from trainer.run.weighing import Weigher


def train(
    settings: TrainSettings,
    at: str,
    *,
    stop_after: int | None = None,
    listeners: Sequence[Listener] = (),
    weigher: Weigher | None = None,
    steerer: Steerer | None = None,
    told_to_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train into the folder `at`, from its newest valid checkpoint or from the beginning, until the budget is spent.

    stop_after: the step to stop and save at, if that comes sooner. SIGTERM does the same at the step at hand; a
    process should then exit with `stopping.TERMINATED`. told_to_stop: asked before each step, for who cannot send a
    signal; yes on one process is as SIGTERM. listeners: get each line of metrics.jsonl, a console for
    example. weigher: weighs the tokens of each batch before its step. steerer: says after each step which weights
    the domains have from the batch after next on, where settings.online asks for it. On the CPU the same settings and
    tokens give the same weights to the bit, however often a run was stopped.

    RecipeError where the run cannot be had as asked (OtherSettings: `at` holds one of other settings), ShardError and
    TokenizerError where the tokens are not as the manifest says, NotSaved where there is no room for a checkpoint,
    before the first step or after the last, Diverged where gradients stay non-finite, RunInUse where another process
    trains into `at`.
    """
    if not is_local(at):
        raise RecipeError(f"{at}: a run trains into a folder on a mounted disk; copy its checkpoints away afterwards")
    folder, device = Path(located(at)), device_of(settings.device)
    with joined(device), alone(folder), Stopping() as stopping, run_of(settings, folder, device, steerer) as run:
        run.weigher = weigher
        run.journal.listen([*listeners, *sinks(settings, folder, run.journal)])
        refuse_benchmarks(settings.evaluation.benchmarks, run.reader.loader.plan.held)
        refuse_too_little_disk(run)
        resumed(run)
        measuring = Measuring(settings, run.reader.loader.plan.held, run.parallel)
        losses: dict[int, float] = {}
        stopped = _to_the_end(run, measuring, lambda: stopping.asked or told_to_stop(), stop_after, losses)
        if run.saved_step != run.position.step:
            saved(run)
        run.saver.wait()
        known = _known(run, measuring) if stopped == BUDGET else {}
        if stopped == BUDGET:
            benchmarked(run)  # on all ranks, so that none waits for another longer than it may
        run.journal.event("stopped", run.position.step, why=stopped, tokens=run.position.trained)
        return Outcome(
            steps=run.position.step,
            tokens=run.position.trained,
            domains=dict(run.position.domains),
            losses=losses,
            held_out=known,
            skipped=sum(skip.end - skip.first for skip in run.skips),
            stopped=stopped,
            weights=weights_digest(run.model),
        )


def _to_the_end(
    run: Run, measuring: Measuring, told: Callable[[], bool], stop_after: int | None, losses: dict[int, float]
) -> str:
    """Steps until the run should stop, and why it should."""
    interval = Interval(run)
    while due(run, run.position.read, run.position.trained) is not None:
        if agreed(told(), run.device):
            return SIGTERM
        if stop_after is not None and run.position.step >= stop_after:
            return ASKED
        taken = _one(run, interval)
        losses[run.position.step] = taken.loss
        begun = time.perf_counter()
        _after(run, measuring, taken)
        interval.paused(time.perf_counter() - begun)
    return BUDGET


def _after(run: Run, measuring: Measuring, taken: Taken) -> None:
    """What stands between two steps: a spike's remedy, a checkpoint, a look at held-out documents."""
    step, settings = run.position.step, run.settings
    spike = run.spikes.observe(step, taken.loss, taken.norm) if settings.stability.spikes else None
    if spike is not None:
        rewound(run, spike)
        return
    if settings.checkpoints.every and step % settings.checkpoints.every == 0:
        _saved_or_told(run)
    if measuring.due(step):
        _known(run, measuring)


def _known(run: Run, measuring: Measuring) -> dict[str, DomainLoss]:
    """The loss on held-out documents, told as well; empty where nothing is held out."""
    found = measuring.losses() if measuring.texts else {}
    if found:
        run.journal.held_out(run.position.step, {name: one.to_dict() for name, one in found.items()})
    return found


def _one(run: Run, interval: Interval) -> Taken:
    """The next step, while the batch after it is read."""
    now = due(run, run.position.read, run.position.trained)
    assert now is not None
    settled(run, now)
    batch = run.reader.take(now.read, now.sequences)
    after = due(run, batch.end, run.position.trained + now.tokens)
    if after is not None:
        settled(run, after)
        run.reader.ahead(after.read, after.sequences)
    if run.weigher is not None:
        batch = run.weigher.weighed(run, batch)
    small = small_norm(run, batch)
    rate = factor(run.settings.schedule, run.position.trained, run.settings.budget)
    looked = looked_at(run, batch)
    taken = step(run, batch, rate)
    plan, context = run.reader.loader.plan, run.settings.model.context
    begun, ended = plan.counts(batch.read), plan.counts(batch.end)
    run.position.advanced(batch.end, now.tokens, {name: (ended[name] - begun[name]) * context for name in ended})
    if run.steering is not None:
        run.steering.observed(run.position.step, taken.nats, taken.tokens)
    if taken.updated:
        observed(run, small, taken.norm, batch.targets, now.tokens)
    interval.add(taken, now.tokens, rate, looked())
    return taken


def _saved_or_told(run: Run) -> None:
    """On the way a full disk stops nothing, since room may be made; at the end it is an error."""
    try:
        saved(run)
    except NotSaved as error:
        run.journal.event("not saved", run.position.step, why=str(error))
