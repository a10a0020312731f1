"""Saving a run, going on from what was saved, and going back before a spike."""

from dataclasses import asdict

from trainer.checkpoints.errors import CheckpointError, NotSaved
from trainer.checkpoints.manifest import verified
from trainer.checkpoints.newest import Found, dropped, named, newest_valid, saved_steps
from trainer.run.checks import refuse_other
from trainer.run.making import Run
from trainer.run.ranks import first, shared, together
from trainer.run.tensors import restore, tensors, weights
from trainer.stability.rewind import remember, remembered, skipped, target
from trainer.stability.spikes import Spike

SKIPPED = "skipped.jsonl"
STEERED = "steered.json"


def saved(run: Run) -> None:
    """Begin to save the run as it is; NotSaved where the disk is full. That the one before failed is only told."""
    step = run.position.step
    _settled(run)
    run.saver.save(step, tensors(run.model, run.optimizer), run.settings.model_dump(mode="json"), run.state_dict())
    run.saved_step = step
    run.journal.event("checkpoint", step, folder=named(run.saver.directory, step).name)


def _settled(run: Run) -> None:
    """What was begun is on the disk, or it is told why not."""
    try:
        run.saver.wait()
    except NotSaved as error:
        run.journal.event("not saved", run.position.step, why=str(error))


def refuse_too_little_disk(run: Run) -> None:
    """NotSaved where not even one checkpoint will find room: better said now than after days.

    An optimizer remembers two values of each weight at most (AdamW), beside the weight itself.
    """
    run.saver.refuse_too_little(weights(run.model), times=3)


def resumed(run: Run) -> None:
    """Go on from the newest checkpoint that is whole; a run without any begins with its first weights.

    OtherSettings, WrongPlan where the checkpoint is of another run; CheckpointError where there are checkpoints and
    all of them are damaged.
    """
    for line in run.told:
        run.journal.event("note", run.position.step, what=line)
    newest = shared(lambda: newest_valid(run.saver.directory))
    for why in newest.damaged:
        run.journal.event("damaged checkpoint", run.position.step, why=why)
    if newest.damaged and newest.found is None:
        raise CheckpointError(
            f"{run.saver.directory}: none of the checkpoints is as it was written ({newest.damaged[0]}). Bring one "
            f"back from a copy, or move the folder away to begin anew."
        )
    run.skips = remembered(run.saver.directory / SKIPPED)
    if newest.found is not None:
        refuse_other(newest.found.manifest.settings, run.settings, str(newest.found.folder))
        restored_into(run, newest.found)
        run.journal.event("resumed", run.position.step, folder=newest.found.folder.name)


def restored_into(run: Run, found: Found) -> None:
    """The run as it was saved."""
    run.load_state_dict(found.manifest.state)
    if run.steering is not None:
        run.steering.recall(run.saver.directory / STEERED)
    restore(found.folder, run.model, run.optimizer)
    run.saved_step = run.position.step


def rewound(run: Run, spike: Spike) -> None:
    """Go back before the spike and leave out the batches around it; where that cannot be, take its level for normal.

    What is left out is written down first: a crash in between must not feed it again.
    """
    stability, told = run.settings.stability, spike._asdict()
    _settled(run)
    found = shared(lambda: _before(run, spike))
    if found is None or len(run.skips) >= stability.most_rewinds:
        why = "no checkpoint is old enough" if found is None else f"{len(run.skips)} rewinds were made"
        run.journal.event("spike", run.position.step, rewound=False, why=why, **told)
        run.spikes.forgive()
        return
    state = found.manifest.state["position"]
    tokens = (run.position.trained - state["trained"]) // (run.position.step - state["step"])
    batch = tokens // run.settings.model.context
    skip = skipped(spike, state["step"], state["read"], batch, stability.skip)
    run.skips = [*run.skips, skip]
    if run.steering is not None:
        run.steering.settle(skip.end, batch)  # here, and not when it is read: that may be after another checkpoint
        run.steering.remember(run.saver.directory / STEERED)
    if first():
        remember(run.saver.directory / SKIPPED, run.skips)
    run.journal.event("spike", run.position.step, rewound=True, **told, skip=asdict(skip))
    restored_into(run, found)
    together()
    if first():
        later = [step for step in saved_steps(run.saver.directory) if step > state["step"]]
        dropped(run.saver.directory, later)
    together()


def _before(run: Run, spike: Spike) -> Found | None:
    """The newest whole checkpoint that is old enough; a damaged one is passed over."""
    steps, directory = saved_steps(run.saver.directory), run.saver.directory
    while (step := target(spike, steps, run.settings.stability.rewind)) is not None:
        try:
            return Found(named(directory, step), verified(named(directory, step)))
        except CheckpointError:
            steps.remove(step)
    return None
