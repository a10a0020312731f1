"""Engines that we did not write, each in a child process under limits: what a page gave, or why it gave nothing.

One child is kept for each process and engine (corpus/supervision.py); the child's side is served.py.
"""

import atexit
import os
import threading
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from corpus import supervision
from corpus.supervision import CPU, WALL, Work

TIME, MEMORY, CRASH = "time", supervision.MEMORY, "crash"
"""Why a page has no text: CPU time, memory, or the engine raised or died."""

BYTES = 3 << 30
"""Bytes of data a child may hold; a page that asks for more ends as `memory` or `crash`."""

CLOCK = 30
"""Wall seconds a CPU second may take: a core that 30 processes share."""


class Engine(NamedTuple):
    """A function (page, markdown) -> text, by module and name; `seconds` of CPU time a page may take."""

    module: str
    function: str
    markdown: bool
    seconds: float


class Outcome(NamedTuple):
    """The text of a page, or the reason why there is none."""

    text: str
    reason: str | None = None


class Supervisor:
    """A child that runs one engine. `outcomes` may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        settings = orjson.dumps([engine.module, engine.function, engine.markdown]).decode()
        seconds = engine.seconds
        work = Work("stages.extraction.served", "text", settings, seconds, seconds * CLOCK, BYTES)
        self.engine, self._supervisor = engine, supervision.Supervisor(work)

    def outcomes(self, pages: Sequence[bytes]) -> list[Outcome]:
        """What each page (UTF-8) gave. StageError where the engine cannot be started at all."""
        return [_outcome(*one) for one in self._supervisor.outcomes(pages)]

    def close(self) -> None:
        """End the child and wait for it."""
        self._supervisor.close()


def _outcome(answer: bytes, fault: str | None, said: str) -> Outcome:
    if fault is None:
        return Outcome(answer.decode())
    return Outcome("", TIME if fault in (CPU, WALL) else MEMORY if fault == MEMORY else CRASH)


_held: dict[tuple[int, Engine], Supervisor] = {}
_holding = threading.Lock()


def supervisor(engine: Engine) -> Supervisor:
    """The one of this process; a process that was forked has its own."""
    with _holding:
        if not _held:
            atexit.register(close_all)
        return _held.setdefault((os.getpid(), engine), Supervisor(engine))


def close_all() -> None:
    """End the children of this process; the next page starts another."""
    for (owner, _), one in list(_held.items()):
        if owner == os.getpid():
            one.close()
