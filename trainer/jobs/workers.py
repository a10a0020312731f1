"""Jobs in processes of one thread each, as many at once as there are cores; what is done is not done again."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

import torch

from corpus.errors import RecipeError
from trainer.jobs.job import RESULT, SETTINGS
from trainer.run.settings import TrainSettings

MOST_DEATHS = 3
"""Of the worker of one job: a machine that runs out of memory kills it each time."""


class Job(Protocol):
    """A run to train: what a sweep or a swarm says of it beside its settings is its own."""

    @property
    def name(self) -> str:
        """Of its folder: the same whenever the same run is asked for, another for any other."""

    @property
    def settings(self) -> TrainSettings:
        """All that is trained."""


def name_of(begin: str, settings: TrainSettings) -> str:
    """A job's name: what it begins with, and a hash of all settings, so a default that changes is another job."""
    said = json.dumps(settings.model_dump(mode="json"), sort_keys=True)
    return f"{begin}-{hashlib.blake2b(said.encode(), digest_size=6).hexdigest()}"


J = TypeVar("J", bound=Job)


@dataclass(frozen=True)
class Done(Generic[J]):
    """A job and what came of it."""

    job: J
    loss: float | None  # held-out, nats a token; None where there is none, and `why` says why
    tokens: int
    seconds: float
    why: str = ""
    died: bool = False  # its process did, each time: nothing is written, so it is tried again when it is asked for
    domains: dict[str, dict[str, Any]] = field(default_factory=dict)  # held-out, of trainer/evaluation/held_out.py
    trained: dict[str, int] = field(default_factory=dict)  # tokens of each domain


def done(folder: Path, job: J) -> Done[J] | None:
    """What the folder of a job holds; None where it has not ended."""
    try:
        return told_of(job, (folder / job.name / RESULT).read_text())
    except FileNotFoundError:
        return None


def told_of(job: J, result: str) -> Done[J]:
    """The same of the content of result.json."""
    said: dict[str, Any] = json.loads(result)
    rest = {"domains": said.get("domains", {}), "trained": said.get("trained", {})}
    return Done(job, said.get("loss"), said.get("tokens", 0), said["seconds"], said.get("why", ""), **rest)


def asked(folder: Path, job: Job) -> Path:
    """The folder of a job, with its settings in it."""
    own = folder / job.name
    own.mkdir(parents=True, exist_ok=True)
    (own / SETTINGS).write_text(job.settings.model_dump_json(indent=1) + "\n")
    return own


def left_of(folder: Path, jobs: Sequence[J], told: Callable[[Done[J]], None]) -> list[J]:
    """Jobs that are not done, their settings in their folders, the one of most steps first; `told` of the others."""
    left = []
    for job in sorted(jobs, key=lambda job: -job.settings.budget):
        if (found := done(folder, job)) is not None:
            told(found)
        else:
            asked(folder, job)
            left.append(job)
    return left


def died(folder: Path, job: J, times: int) -> Done[J]:
    """What is told of a job whose process died so often."""
    why = f"the process that trained {folder / job.name} died {times} times; is the memory enough?"
    return Done(job, None, 0, 0.0, why, died=True)


def run(
    folder: Path, jobs: Sequence[J], workers: int, told: Callable[[Done[J]], None] = lambda one: None
) -> list[Done[J]]:
    """What came of the jobs, in their order. told: called with each as it ends, those of before included.

    Ctrl-C or an error ends the workers; runs go on from their checkpoints. RecipeError where a job cannot be had.
    """
    left: SimpleQueue[J] = SimpleQueue()
    for job in left_of(folder, jobs, told):
        left.put(job)
    devices = cuda_devices() if on_cuda(jobs) else []
    crew = [
        _Worker(folder, left, told, devices[n % len(devices)] if devices else None)
        for n in range(min(workers, left.qsize()))
    ]
    try:
        for worker in crew:
            worker.start()
        for worker in crew:
            while worker.is_alive() and not any(one.failed for one in crew):
                worker.join(0.2)  # short, so that Ctrl-C is heard
    finally:
        for worker in crew:
            worker.end()
    failed = next((worker.failed for worker in crew if worker.failed), None)
    if failed is not None:
        raise failed
    dead = {one.job.name: one for worker in crew for one in worker.dead}
    ended = [done(folder, job) or dead.get(job.name) for job in jobs]
    return [one for one in ended if one is not None]


def on_cuda(jobs: Sequence[Job]) -> bool:
    """Whether the jobs train on GPUs."""
    asked = {job.settings.device for job in jobs}
    return "cuda" in asked or ("auto" in asked and torch.cuda.is_available())


def cuda_devices() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them, those of this process: workers take them in turn."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return [one.strip() for one in said.split(",") if one.strip()] or [f"{n}" for n in range(torch.cuda.device_count())]


class _Worker(threading.Thread, Generic[J]):
    """Takes jobs until none is left, and has a process make them."""

    def __init__(self, folder: Path, left: SimpleQueue[J], told: Callable[[Done[J]], None], device: str | None) -> None:
        super().__init__(daemon=True)
        self.folder, self.left, self.told, self.device = folder, left, told, device
        self.dead: list[Done[J]] = []
        self.failed: BaseException | None = None
        self.ending = False
        self.process: subprocess.Popen[str] | None = None

    def run(self) -> None:
        try:
            while not self.ending:
                self._make(self.left.get_nowait())
        except Empty:
            return
        except BaseException as error:
            self.failed = error

    def _make(self, job: J) -> None:
        for _ in range(MOST_DEATHS):
            self._ask(self.folder / job.name)
            if self.ending:
                return
            if (found := done(self.folder, job)) is not None:
                self.told(found)
                return
        self.dead.append(died(self.folder, job, MOST_DEATHS))
        self.told(self.dead[-1])

    def _ask(self, folder: Path) -> None:
        """Returns when the process says it is done, or is gone."""
        if self.process is None or self.process.poll() is not None:
            command = [sys.executable, "-m", "trainer.jobs.job"]
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment(self.device)
            )
            if self.ending:  # which was said while there was none to let go
                self.process.terminate()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{folder}\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):  # it is gone, or `end` has closed the pipe
            return
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
        elif answer.strip():
            raise RecipeError(answer.strip())

    def end(self) -> None:
        """Let the process go: SIGTERM saves a run that goes on; one in its last looks ends, and finds no other job."""
        self.ending = True
        if self.process is not None:
            self.process.terminate()
            with suppress(BrokenPipeError):
                self.process.stdin.close()  # type: ignore[union-attr]
            self.process.wait()


def _environment(device: str | None) -> dict[str, str]:
    """One thread a process, and a GPU where it has one; this program's own code first, wherever it was started."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    alone = {"RANK", "WORLD_SIZE", "LOCAL_RANK"}
    kept = {name: value for name, value in os.environ.items() if name not in alone}
    own = {} if device is None else {"CUDA_VISIBLE_DEVICES": device}
    return kept | own | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path}
