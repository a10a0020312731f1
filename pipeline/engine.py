"""Who does the work: an engine maps a picklable task over many small items, here, in processes or on Ray.

A task names what to do and an item where (a shard, a unit); documents never travel through an engine, they
lie in files. What a task returns is small: statistics, file names. Results come as they finish.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol, Self, TypeVar

import pyarrow as pa

from corpus.errors import EngineError, StageError, WinnowError
from pipeline.memory import keep_pages
from stages.base import Needs

Item = TypeVar("Item")
Result = TypeVar("Result")

ATTEMPTS = 3
"""How often an item may kill its worker. A machine is lost once; a text too large for memory always kills."""

ONE_CPU = Needs()


class Engine(Protocol):
    """Workers that one `map` at a time keeps busy. A context manager; `close` stops the workers."""

    workers: int

    def map(
        self, task: Callable[[Item], Result], items: Iterable[Item], *, needs: Needs = ONE_CPU
    ) -> Iterator[tuple[int, Result]]:
        """(place of the item, what the task returned) in the order of finishing.

        Items are drawn as workers become free, at most 4 a worker. needs: what one call takes.
        Raises what a task raised where it is a WinnowError, else StageError with the item and the worker's
        traceback, at once and with the other work cancelled; a worker that dies costs another attempt, and
        EngineError after ATTEMPTS of them.
        """
        ...

    def close(self) -> None:
        """Stop the workers; what they were doing is lost."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


def cores() -> int:
    """CPU cores that this process may use: its affinity, and less where a container's quota says so."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, int(_quota(Path("/sys/fs/cgroup")))))


def _quota(cgroup: Path) -> float:
    """Cores that the container's cgroup grants: version 2, else version 1, else no limit."""
    try:
        asked, period = (cgroup / "cpu.max").read_text().split()
        return float(asked) / float(period) if asked != "max" else sys.maxsize
    except (OSError, ValueError):
        pass
    try:
        asked, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(asked) / float(period) if float(asked) > 0 else sys.maxsize
    except (OSError, ValueError):
        return sys.maxsize


class Failed(NamedTuple):
    """A task's error on its way from a worker to the driver."""

    error: WinnowError


def attempt(task: Callable[[Item], Result], item: Item, count: int) -> Result | Failed:
    """What the task returns with `count` threads, or its error. Every engine runs tasks through this."""
    keep_pages()
    try:
        with limited(count):
            return task(item)
    except WinnowError as error:
        return Failed(error)
    except Exception as error:
        return Failed(broken(item, f"{type(error).__name__}: {error}", traceback.format_exc()))


def result(answer: Result | Failed) -> Result:
    """The result that a worker answered; raises the error where it answered one."""
    if isinstance(answer, Failed):
        raise answer.error
    return answer


def broken(item: object, cause: str, details: str = "") -> StageError:
    """The error for an item whose task raised `cause`. details: the worker's traceback."""
    return StageError(f"the task on {short(item)} failed with {cause}\n{details}".rstrip())


def died(item: object, how: str) -> EngineError:
    """The error for an item that killed every worker it was given to. how: the last death."""
    return EngineError(
        f"{short(item)}: its worker died {ATTEMPTS} times, the last by {how}. Signal 9 mostly means out of "
        f"memory: try fewer workers or smaller batches, and look at that item."
    )


def short(item: object) -> str:
    """The item as errors name it, at most 200 characters."""
    text = repr(item)
    return text if len(text) <= 200 else f"{text[:160]} ... {text[-35:]}"


def threads(needs: Needs) -> int:
    """Threads that one call may start: as many as the whole CPUs it asked for."""
    return max(1, int(needs.cpus))


def environment(count: int) -> dict[str, str]:
    """Environment variables that hold the libraries we load to `count` threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    return dict.fromkeys(names, f"{count}") | {"TOKENIZERS_PARALLELISM": "true" if count > 1 else "false"}


@contextmanager
def environ(changes: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a while; processes started meanwhile keep them."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def limited(count: int) -> Iterator[None]:
    """Hold libraries to `count` threads for a while, since workers already use every core; 17 us a block.

    numba's own variable is not among them: changing it while numba runs is an error, and our kernels are
    not parallel.
    """
    before = pa.cpu_count(), pa.io_thread_count()
    with environ(environment(count)):
        pa.set_cpu_count(count)
        pa.set_io_thread_count(count)
        try:
            yield
        finally:
            pa.set_cpu_count(before[0])
            pa.set_io_thread_count(before[1])
