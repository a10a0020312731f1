"""Jobs as tasks of an engine, a Ray cluster above all: the same contract as workers.py, on many machines.

Where tasks run is the engine's to say, and it is passed in: this file knows neither Ray nor a cluster. A task has one
thread, and a GPU where jobs train on them. The folder of the jobs must be a shared file system under the same path on
every machine, and so must the tokens, unless these lie in an object store.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from corpus.errors import RecipeError
from trainer.jobs.job import RESULT, SETTINGS, made
from trainer.jobs.workers import Done, Job, died, left_of, told_of

STARTS = "starts"
"""A line for each start of a job that has not ended, its process: what tells deaths."""

MOST_DEATHS = 2
"""An engine gives a task to a third worker and no fourth, and then ends all others too: so the third start tells that
the two before it died."""

J = TypeVar("J", bound=Job)

Mapped = Callable[[Callable[[str], str], Sequence[str]], Iterator[tuple[int, str]]]
"""The `map` of an engine (pipeline/engine.py): (place of the item, what the task made of it), as they end; an item
whose worker died is given to another one."""


def run_on_ray(
    folder: Path, jobs: Sequence[J], mapped: Mapped, told: Callable[[Done[J]], None] = lambda one: None
) -> list[Done[J]]:
    """What came of the jobs, in their order. told: called with each as it ends, those of before included.

    Runs that a death or Ctrl-C cut short go on from their checkpoints. RecipeError where a job cannot be had or its
    machine does not see the folder; EngineError as `mapped`.
    """
    found: dict[str, Done[J]] = {}

    def ended(one: Done[J]) -> None:
        found[one.job.name] = one
        told(one)

    left = left_of(folder, jobs, ended)
    for job in left:
        (folder / job.name / STARTS).unlink(missing_ok=True)
    for place, result in mapped(trained, [str((folder / job.name).absolute()) for job in left]):
        job = left[place]
        ended(told_of(job, result) if result else died(folder, job, MOST_DEATHS))
    return [found[job.name] for job in jobs]


def trained(folder: str) -> str:
    """The task: trains the folder of a job; the content of its result.json, or nothing where its process died before.

    The content itself, since another machine may see a new file some seconds late.
    """
    own = Path(folder)
    if not (own / SETTINGS).is_file():
        raise RecipeError(
            f"{folder}: not there on a machine of the cluster. Proxies train into a folder that all machines see under "
            f"the same path, a shared file system: give such a one as --at"
        )
    starts = own / STARTS
    if starts.exists() and len(starts.read_text().splitlines()) >= MOST_DEATHS:
        return ""
    with starts.open("a") as file:
        file.write(f"{os.getpid()}\n")
    torch.set_num_threads(1)
    made(own)
    starts.unlink(missing_ok=True)
    return (own / RESULT).read_text()
