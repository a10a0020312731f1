"""Tasks for the engines' tests: picklable, so that workers can import them by this module's name."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from corpus.errors import ShardError


@dataclass(frozen=True)
class Power:
    """item ** exponent."""

    exponent: int

    def __call__(self, item: int) -> int:
        return item**self.exponent


@dataclass(frozen=True)
class Overtake:
    """Item 0 waits until item 2 is done, which no other worker is given before the driver has item 1's result."""

    folder: Path

    def __call__(self, item: int) -> int:
        while item == 0 and not (self.folder / "2").exists():
            time.sleep(0.01)
        (self.folder / f"{item}").touch()
        return item


@dataclass(frozen=True)
class Raise:
    """Raises on one item, one of our errors or one of Python's; the other items take `seconds`."""

    on: int
    ours: bool
    seconds: float = 0.0

    def __call__(self, item: int) -> int:
        time.sleep(0 if item == self.on else self.seconds)
        if item == self.on:
            raise ShardError(f"shard {item} is damaged") if self.ours else ZeroDivisionError(f"of {item}")
        return item


@dataclass(frozen=True)
class Die:
    """Its process is killed on one item, the first `times` times. Files in the folder count deaths, calls."""

    folder: Path
    on: int
    times: int

    def __call__(self, item: int) -> int:
        deaths = len(list(self.folder.glob("death-*")))
        if item == self.on and deaths < self.times:
            (self.folder / f"death-{deaths}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / f"done-{item}-{time.monotonic_ns()}").touch()
        return item


@dataclass(frozen=True)
class Mark:
    """When a call began and ended, item * seconds later. The file it leaves is named after its process."""

    folder: Path
    seconds: float

    def __call__(self, item: int) -> tuple[float, float]:
        began = time.time()
        (self.folder / f"{os.getpid()}").touch()
        time.sleep(item * self.seconds)
        return began, time.time()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """TimeoutError where the block hangs, so that no test of a dead worker waits for ever."""

    def late(*_: object) -> None:
        raise TimeoutError(f"still running after {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def limits(item: int) -> tuple[int, int, str | None, str | None, int]:
    """What a task may use: Arrow's CPU and I/O threads, OMP, tokenizers; and the process it ran in."""
    omp, tokenizers = os.environ.get("OMP_NUM_THREADS"), os.environ.get("TOKENIZERS_PARALLELISM")
    return pa.cpu_count(), pa.io_thread_count(), omp, tokenizers, os.getpid()


def unsendable(item: int) -> object:
    """A result that cannot be pickled."""
    return lambda: item
