"""What a run says while it works: bars in a terminal, plain lines elsewhere, always on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

EVERY = 10.0
"""Seconds between plain lines of a step: enough to see life in a log file, few enough to read it."""

Advance = Callable[[float], None]


class Progress(Protocol):
    """Something that can show how far a step is."""

    def step(self, name: str, total: float):  # type: ignore[no-untyped-def]
        """A context that gives a function to advance by; total 0 where it is not known."""


class Lines:
    """Plain lines, for logs: one when a step ends, and one every EVERY seconds before."""

    @contextmanager
    def step(self, name: str, total: float) -> Iterator[Advance]:
        """Count parts and the share of `total`."""
        begun = said = time.monotonic()
        done, parts = 0.0, 0

        def advance(by: float) -> None:
            nonlocal done, parts, said
            done, parts = done + by, parts + 1
            if time.monotonic() - said > EVERY:
                said = time.monotonic()
                share = f" {done / total:.0%}" if total else ""
                print(f"winnow: {name}{share}, {parts:,} parts, {said - begun:.0f} s", file=sys.stderr, flush=True)

        yield advance
        if parts:
            took = time.monotonic() - begun
            print(f"winnow: {name} done, {parts:,} parts, {took:.1f} s", file=sys.stderr, flush=True)


class Bars:
    """Bars with the time left, by rich."""

    @contextmanager
    def step(self, name: str, total: float) -> Iterator[Advance]:
        """One bar, gone when the step ends, with a line left behind."""
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description:<18}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with RichProgress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
            bar = bars.add_task(name, total=total or None)
            yield lambda by: bars.advance(bar, by)


class Silent:
    """Says nothing; for tests and for callers that have their own way."""

    @contextmanager
    def step(self, name: str, total: float) -> Iterator[Advance]:
        """Advances nothing."""
        yield lambda by: None


def shown() -> Progress:
    """Bars where stderr is a terminal, else lines."""
    return Bars() if sys.stderr.isatty() else Lines()
