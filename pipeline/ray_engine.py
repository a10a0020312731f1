"""The engine of many machines: items are Ray tasks. Beside ray_training.py the only file that imports ray.

Placement, retries after a death and GPU fractions are Ray's. A task costs it 1 ms, so items should be
worth seconds. Without an address a cluster of this machine is started (5 s) and stopped again.
"""

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Self

import psutil
import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError

from corpus.errors import EngineError
from pipeline.engine import (
    ATTEMPTS,
    ONE_CPU,
    Item,
    Result,
    attempt,
    broken,
    cores,
    died,
    environ,
    environment,
    result,
    short,
    threads,
)
from stages.base import Needs

_ANSWER_WITHIN = 20
"""Seconds a cluster has to answer. `ray.init` itself still tried after 5 minutes (Ray 2.60, closed port)."""

_PACKAGES = ("classifiers", "corpus", "mixtures", "pipeline", "scaling", "stages", "trainer")
"""What is sent to a cluster that was joined, so that its workers run the code of this driver."""

_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}


class RayEngine:
    """Runs tasks on a Ray cluster: the one already joined, the one at `address`, or one of its own."""

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        """workers: all CPUs of the cluster where None; on a cluster of others, at most so many tasks at once.

        address: host:port, ray://host:port or auto; RAY_ADDRESS where None. Raises EngineError where no
        cluster answers within some 20 s.
        """
        address = address or os.environ.get("RAY_ADDRESS")
        self._joined_before = ray.is_initialized()
        self._starts = starts = not self._joined_before and address in (None, "", "local")
        self._others = set(psutil.Process().children(recursive=True))  # what is not Ray's
        with _handlers_kept():
            if starts:
                _start(workers or cores())
            elif not self._joined_before:
                _join(str(address))
        self.workers = workers or _cluster_cpus()
        # Twice as many tasks as run hide latency, but only where Ray itself runs no more than was asked.
        self._ahead = 1 if workers and not starts else 2

    def map(
        self, task: Callable[[Item], Result], items: Iterable[Item], *, needs: Needs = ONE_CPU
    ) -> Iterator[tuple[int, Result]]:
        """As `Engine.map`. Raises EngineError where no machine of the cluster can give what a call needs."""
        _check_placeable(needs)
        window = max(1, int(self._ahead * self.workers / max(needs.cpus, 0.5)))
        remote = _attempt.options(num_cpus=needs.cpus, num_gpus=needs.gpus)
        shared = ray.put(task)
        todo = enumerate(items)
        running: dict[ray.ObjectRef[Any], tuple[int, Item]] = {}
        finished: list[tuple[int, Result]] = []
        try:
            while True:
                for place, item in islice(todo, window - len(running)):
                    running[remote.remote(shared, item, threads(needs))] = place, item
                yield from finished  # only now, so that no worker waits for what the caller does with them
                if not running:
                    return
                ready, _ = ray.wait(list(running), num_returns=1)
                finished = [_finished(ref, *running.pop(ref)) for ref in ready]
        finally:
            _cancel(list(running))

    def close(self) -> None:
        """Leave the cluster, and stop it where this engine started it.

        Ray's agents notice a raylet that is gone only after half a minute, so what is left of its processes is ended.
        """
        if not self._joined_before and ray.is_initialized():
            family = set(psutil.Process().children(recursive=True)) - self._others if self._starts else set()
            try:
                ray.shutdown()
            finally:
                for process in family:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@ray.remote(max_retries=ATTEMPTS - 1, retry_exceptions=False)
def _attempt(task: Callable[[Any], Any], item: Any, count: int) -> Any:
    return attempt(task, item, count)


def _finished(ref: "ray.ObjectRef[Any]", place: int, item: object) -> tuple[int, Any]:
    """The place and the result; EngineError where workers died or Ray failed."""
    try:
        return place, result(ray.get(ref))
    except (WorkerCrashedError, OutOfMemoryError, NodeDiedError) as error:
        raise died(item, type(error).__name__) from error
    except RayTaskError as error:  # around the task: it, its item or its result could not be read
        raise broken(item, f"{type(error.cause).__name__}: {error.cause}", str(error)) from error
    except RayError as error:
        raise EngineError(f"Ray could not run {short(item)}: {type(error).__name__}: {error}") from error


def _cancel(running: list["ray.ObjectRef[Any]"]) -> None:
    """End tasks that nobody waits for, so that they do not hold CPUs against the next map.

    Asked again each second: where a task has just reached its worker, Ray 2.60 forgets what it was asked
    (3 of 6 times after an error in the first 20 ms).
    """
    for _ in range(10):
        if not running or not ray.is_initialized():
            return
        for ref in running:
            ray.cancel(ref, force=True)
        _, running = ray.wait(running, num_returns=len(running), timeout=1)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Signals mean what they meant before Ray came.

    Its core sets a handler of its own for SIGTERM that calls ours, waits three seconds and aborts (absl's failure
    handler, Ray 2.60): a run that was told to stop said so and then, where the cluster took longer to stop, ended by
    SIGABRT in place of its exit code. Setting ours again takes its place.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    if threading.current_thread() is threading.main_thread():  # no other may set any
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def _start(workers: int) -> None:
    """A cluster of this machine, whose workers import from where this process does."""
    imports = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    own = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    with _guarded(), environ(environment(1) | {"NUMBA_NUM_THREADS": "1", "PYTHONPATH": imports} | own):
        try:
            # By default Ray tries again for ever where its memory monitor killed a worker.
            bounded = {"task_oom_retries": ATTEMPTS - 1}
            ray.init("local", num_cpus=workers, include_dashboard=False, _system_config=bounded, **_QUIET)
        except Exception as error:  # Ray 2.60 raises a bare one where its node takes over 30 s
            raise EngineError(f"Ray could not start on this machine: {error}") from error


@contextmanager
def _guarded() -> Iterator[None]:
    """Start a cluster with a token that only this driver and its workers know, unless the user set one.

    By itself Ray 2.60 writes one to ~/.ray, after which `ray start` on this machine asks for it too.
    """
    if "RAY_AUTH_MODE" in os.environ or "RAY_AUTH_TOKEN" in os.environ:
        yield
        return
    try:
        with environ({"RAY_AUTH_TOKEN": _token()}):
            yield
    finally:
        os.environ.pop("RAY_AUTH_MODE", None)  # Ray sets it, which would reach clusters that are not ours


@cache  # Ray reads it once a process
def _token() -> str:
    return secrets.token_hex(32)


def _join(address: str) -> None:
    """Join the cluster at an address. A job that `ray job submit` started has brought its code itself."""
    in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    if not in_job:
        _check_reachable(address)
    try:
        ray.init(address, runtime_env=None if in_job else _our_code(), **_QUIET)
    except (RuntimeError, ConnectionError, OSError, ValueError) as error:
        raise _unreachable(address, error) from error


def _check_reachable(address: str) -> None:
    """EngineError where nothing answers at the address, or what answers is not Ray."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), _ANSWER_WITHIN).close()
        except OSError as error:
            raise _unreachable(address, error) from error
    if address.startswith("ray://"):
        return  # Ray's client gives up by itself after 30 s
    ask = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        subprocess.run(ask, check=True, capture_output=True, text=True, timeout=_ANSWER_WITHIN)
    except subprocess.TimeoutExpired as error:
        raise _unreachable(address, "no Ray answers there") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["no Ray answers there"]
        raise _unreachable(address, said[-1]) from error


def _unreachable(address: str, cause: object) -> EngineError:
    return EngineError(
        f"no Ray cluster can be joined at {address}: {cause}. `ray status --address {address}` should show "
        f"it; the port is the head's, 6379 unless it was started with another, not the dashboard's 8265."
    )


def _our_code() -> dict[str, Any]:
    """A runtime environment with our packages, from wherever this driver has them."""
    root = Path(__file__).parents[1]
    packages = [str(root / name) for name in _PACKAGES if (root / name / "__init__.py").is_file()]
    return {"py_modules": packages, "excludes": ["**/__pycache__"]}


def _check_placeable(needs: Needs) -> None:
    """EngineError where every machine lacks what a call needs: Ray would wait for one for ever."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(m.get("CPU", 0) >= needs.cpus and m.get("GPU", 0) >= needs.gpus for m in machines):
        most = {kind: max((m.get(kind, 0) for m in machines), default=0) for kind in ("CPU", "GPU")}
        raise EngineError(
            f"a call needs {needs.cpus:g} CPUs and {needs.gpus:g} GPUs on one machine; this Ray cluster has "
            f"{most['CPU']:g} and {most['GPU']:g} at most. Join a larger cluster, or ask for more workers."
        )


def _cluster_cpus() -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))
