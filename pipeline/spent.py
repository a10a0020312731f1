"""What work took: CPU seconds, wall seconds and peak memory, by name, added up over tasks."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from corpus.supervision import aside_seconds
from pipeline.memory import peak_rss_mb

T = TypeVar("T")
Spent = dict[str, dict[str, float]]
"""Name -> {cpu, wall: seconds; rss: MB, the process's peak so far, which never falls}."""


class Stopwatch:
    """Times blocks of one task by name. CPU is of the whole process, and of what supervised children did for it: one
    task at a time runs in one."""

    def __init__(self) -> None:
        self._spent: Spent = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a block."""
        cpu, wall = _cpu(), time.perf_counter()
        try:
            yield
        finally:
            self._add(name, _cpu() - cpu, time.perf_counter() - wall)

    def each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Time what it takes to produce each item, not what is done with it."""
        iterator = iter(items)
        while True:
            with self(name):
                item = next(iterator, self)
            if item is self:
                return
            yield item  # type: ignore[misc]

    def _add(self, name: str, cpu: float, wall: float) -> None:
        one = self._spent.setdefault(name, {"cpu": 0.0, "wall": 0.0})
        one["cpu"] += cpu
        one["wall"] += wall

    def spent(self) -> Spent:
        """What each name took so far. The peak is the process's: asking for it costs 0.1 ms, so once a task."""
        peak = round(peak_rss_mb(), 3)
        return {name: {k: round(v, 6) for k, v in one.items()} | {"rss": peak} for name, one in self._spent.items()}


def _cpu() -> float:
    return time.process_time() + aside_seconds()


def added(all_spent: Iterable[Spent]) -> Spent:
    """Seconds summed, peaks as the largest of any task."""
    total: Spent = {}
    for spent in all_spent:
        for name, one in spent.items():
            sum_ = total.setdefault(name, {"cpu": 0.0, "wall": 0.0, "rss": 0.0})
            sum_["cpu"] += one["cpu"]
            sum_["wall"] += one["wall"]
            sum_["rss"] = max(sum_["rss"], one["rss"])
    return total
