"""An engine whose worker is killed in the middle of a step: picklable, so that workers can import it by its name."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine import ONE_CPU, Engine
from stages.base import Needs


@dataclass(frozen=True)
class Killed:
    """The task; its process is killed on one item, once, before the work or when it is done and not yet told."""

    task: Callable[[Any], Any]
    on: int
    late: bool
    marker: Path

    def __call__(self, item: Any) -> Any:
        if item != self.on or self.marker.exists():
            return self.task(item)
        if self.late:
            self.task(item)
        self.marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Deadly:
    """The engine, with a worker killed in one step (the task's class)."""

    inner: Engine
    step: str
    on: int
    late: bool
    marker: Path

    @property
    def workers(self) -> int:
        """As many as the engine has."""
        return self.inner.workers

    def map(
        self, task: Callable[[Any], Any], items: Iterable[Any], *, needs: Needs = ONE_CPU
    ) -> Iterator[tuple[int, Any]]:
        """As the engine's own."""
        if type(task).__name__ == self.step:
            task = Killed(task, self.on, self.late, self.marker)
        return self.inner.map(task, items, needs=needs)
