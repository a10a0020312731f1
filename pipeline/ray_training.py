"""`winnow train --engine ray`: the processes of a run as workers of Ray Train, each as torchrun would have started it.

Ray Train places the workers, gives each RANK, WORLD_SIZE and a GPU of its own, and makes their process group; the rest
is the same run. What it prints and whether it should stop go through an actor, since workers train in a thread, which
hears no signals. Checkpoints are the run's own, in its folder, which every machine must see under the same path.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpus.errors import EngineError, RecipeError, WinnowError
from corpus.storage import located
from pipeline.training import Foretold, carried_out, listener, prepared, written
from pipeline.training_settings import processes
from trainer.run.settings import TrainSettings

SCRATCH = ".ray"
"""Ray Train's own files, in the run's folder while it trains: by them it checks that all machines see that."""

OFTEN = 0.5  # seconds between looks for lines to print, and between a worker's looks whether it should stop

GRACE = 120.0
"""Seconds for the step at hand and its checkpoint, once the run was told to stop."""


@dataclass(frozen=True)
class Work:
    """What each worker is given."""

    settings: TrainSettings
    out: str
    foretold: Foretold | None
    board: Any  # the actor


@dataclass
class Board:
    """What workers and the driver tell each other: an actor on no CPU of its own."""

    stop: bool = False
    lines: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] | None = None

    def tell(self, line: dict[str, Any]) -> None:
        """A line of metrics.jsonl, by the first worker."""
        self.lines.append(line)

    def heard(self) -> list[dict[str, Any]]:
        """The lines since this was last asked."""
        lines, self.lines = self.lines, []
        return lines

    def end(self) -> None:
        """The run is to stop."""
        self.stop = True

    def ending(self) -> bool:
        """Whether it is."""
        return self.stop

    def done(self, facts: dict[str, Any]) -> None:
        """What the run came to, by the first worker."""
        self.facts = facts

    def found(self) -> dict[str, Any] | None:
        """The same; None while it trains."""
        return self.facts


def train(
    at: str,
    out: str,
    overrides: Sequence[str],
    law: str | None,
    html: str | None,
    *,
    address: str | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """As `pipeline.training.train`, by as many workers as `train.parallel` multiplies to.

    address: of a running cluster; None: one of this machine, begun and ended. workers: their number, where it is said.
    A run that was told to stop is saved at the step at hand, and `stopped` of its facts says SIGTERM; one whose worker
    or machine died goes on from its checkpoint when the command is given again. RecipeError where numbers do not fit
    or Ray Train is not installed, EngineError where the cluster is too small or a worker died.
    """
    if processes() > 1:
        raise RecipeError("--engine ray starts the processes itself: give the command without torchrun")
    settings, foretold = prepared(at, out, overrides, law, cuda=False)
    count = _count(settings, workers)
    _refuse_without_ray_train()
    from pipeline.engines import engine

    with engine("ray", count, address):
        if _on_gpus(settings.device, count):
            settings, foretold = prepared(at, out, overrides, law, cuda=True)  # precision and compilation are others
            settings = settings.model_copy(update={"device": "cuda"})
        else:
            settings = settings.model_copy(update={"device": "cpu"})
        facts = _facts(settings, out, foretold, count)
    facts |= {"run": out, "checkpoint": os.path.join(out, "checkpoints", Path(facts["checkpoint"]).name), "html": html}
    if html is not None:
        written(out, html, facts | {"settings": settings.model_dump(mode="json")})
    return facts


def _refuse_without_ray_train() -> None:
    try:
        import ray.train.torch  # noqa: F401
    except ImportError as error:
        raise RecipeError(f"Ray Train cannot be had here ({error}): pip install 'ray[train]'") from error


def _count(settings: TrainSettings, workers: int | None) -> int:
    """Processes of the run. RecipeError where `workers` are others, or the model does not divide so."""
    from trainer.parallel.mesh import fits, ranks

    parallel = settings.parallel
    count = ranks(parallel)
    if workers not in (None, count):
        raise RecipeError(
            f"--workers {workers}: train.parallel asks for {count} (data {parallel.data} x tensor {parallel.tensor} x "
            f"pipeline {parallel.pipeline} x context {parallel.context}). Leave --workers out, or set parallel.data."
        )
    fits(parallel, settings.model, count)
    return count


def _on_gpus(device: str, count: int) -> bool:
    """Whether the workers train on GPUs. EngineError where the cluster has too little for them; Ray would wait."""
    import ray

    there = ray.cluster_resources()
    gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 0))
    if cpus < count or (device == "cuda" and gpus < count):
        raise EngineError(
            f"{count} processes were asked for (train.parallel), one CPU each and a GPU where train.device is cuda; "
            f"this Ray cluster has {cpus} CPUs and {gpus} GPUs. Join a larger one, or lower parallel.data."
        )
    return device == "cuda" or (device == "auto" and gpus >= count)


def _facts(settings: TrainSettings, out: str, foretold: Foretold | None, count: int) -> dict[str, Any]:
    """Train on the cluster that is joined, and tell of it here meanwhile."""
    import ray

    folder = Path(located(out)).absolute()
    board: Any = ray.remote(num_cpus=0)(Board).remote()
    work = Work(_absolute(settings), str(folder), foretold, board)
    scratch = folder / SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    quiet = {"env_vars": {"RAY_TRAIN_ENABLE_PRINT_PATCH": "0", "RAY_CHDIR_TO_TRIAL_DIR": "0"}}
    options = {"num_cpus": 0, "max_retries": 0, "runtime_env": quiet}
    fit = ray.remote(**options)(_fitted).remote(work, count, str(scratch))
    try:
        _watched(fit, board, listener(settings.budget))
        facts = ray.get(board.found.remote())
        if facts is None:  # the workers ended well, and one of them told
            raise EngineError("Ray Train ended the workers before the run was done; the same command goes on")
        return facts
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _absolute(settings: TrainSettings) -> TrainSettings:
    """The same where workers stand, whose folder is another. Tokens and mixture are absolute already."""
    files = tuple(os.path.abspath(located(url)) if "://" not in url else url for url in settings.evaluation.benchmarks)
    return settings.model_copy(update={"evaluation": settings.evaluation.model_copy(update={"benchmarks": files})})


def _fitted(work: Work, count: int, scratch: str) -> Exception | None:
    """Ray Train's `fit`, and what it failed with. A task: in the driver, a signal ends its wait for good (Ray 2.60)."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from trainer.parallel.launch import TIMEOUT

    on_gpus = work.settings.device == "cuda"
    try:
        TorchTrainer(
            _worker,
            train_loop_config={"work": work},
            torch_config=TorchConfig(backend="nccl" if on_gpus else "gloo", timeout_s=int(TIMEOUT.total_seconds())),
            scaling_config=ScalingConfig(num_workers=count, use_gpu=on_gpus),
            run_config=RunConfig(name="run", storage_path=scratch, failure_config=FailureConfig(max_failures=0)),
        ).fit()
    except Exception as error:
        return error
    return None


def _watched(fit: Any, board: Any, tell: Any) -> None:
    """Until it is done. Told to stop, the run is saved; told again, it is left. Raises what workers raised.

    fit: the reference of `_fitted`.
    """
    import ray

    until, running = float("inf"), [fit]
    try:
        while running and time.monotonic() < until:
            try:
                _, running = ray.wait([fit], timeout=OFTEN)
                for line in ray.get(board.heard.remote()):
                    tell.tell(line)
            except KeyboardInterrupt:  # SIGTERM too: pipeline/outcome.py
                if until < float("inf"):
                    raise
                until = time.monotonic() + GRACE
                board.end.remote()
        if running:
            raise KeyboardInterrupt
        failed = ray.get(fit)
    except ray.exceptions.RayError as error:
        raise _told(error) from error
    finally:
        tell.close()
    if failed is not None:
        raise _told(failed) from failed


def _told(error: Exception) -> WinnowError:
    """What a user should know: our own error of a worker as it is, or which workers died."""
    failures: Mapping[int, Exception] = getattr(error, "worker_failures", {})
    for one in failures.values():
        for cause in (one, one.__cause__, getattr(one, "base_exc", None), getattr(one, "_base_exc", None)):
            if isinstance(cause, WinnowError):
                return cause
    # Of Ray's own words the first line; paths of logs and addresses of actors fill a page.
    said = [f"process {rank}: {type(one).__name__}: {str(one).partition(chr(10))[0]}" for rank, one in failures.items()]
    return EngineError(
        f"Ray Train: {'; '.join(said) or error}\nThe same command goes on from the newest checkpoint. All machines "
        f"must see the run's folder under the same path."
    )


@dataclass(frozen=True)
class _Told:
    """The listener of the first worker: what it hears goes to the driver."""

    board: Any

    def tell(self, line: Mapping[str, Any]) -> None:
        self.board.tell.remote(dict(line))

    def close(self) -> None:
        pass


def _worker(config: dict[str, Any]) -> None:
    """What each worker does: the run, as one of its processes."""
    import ray

    from pipeline.training import first
    from trainer.parallel.launch import one_thread

    work: Work = config["work"]
    if work.settings.device == "cpu":
        one_thread()
    listeners = [_Told(work.board)] if first() else []
    with _asking(work.board) as told:
        facts = carried_out(work.settings, work.out, work.foretold, listeners, told)
    if first():
        ray.get(work.board.done.remote(facts))


@contextmanager
def _asking(board: Any) -> Iterator[Callable[[], bool]]:
    """Whether the driver said stop: asked by a thread, so that no step waits for it."""
    import ray

    said, over = threading.Event(), threading.Event()

    def ask() -> None:
        while not over.wait(OFTEN) and not said.is_set():
            if ray.get(board.ending.remote()):
                said.set()

    threading.Thread(target=ask, daemon=True).start()
    try:
        yield said.is_set
    finally:
        over.set()
