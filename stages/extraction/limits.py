"""The supervisor: pages go to a child process in bunches, and a page that kills it costs its limit and nothing else.

Engines hang and die inside C code, where no thread can stop them. The child (child.py) is ended by the kernel when a
page has had its CPU time; this side sees the pipe close, knows the page by how many answers came, and starts another
child (0.4 to 1 s) for the pages behind it. One child is kept for each process and engine.
"""

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, NamedTuple

from corpus.errors import StageError
from stages.extraction.child import ANSWER, COUNT, NO_MEMORY, OK

BUNCH_BYTES, BUNCH_PAGES = 1_000_000, 64
LIFE = 5_000  # pages a child serves: what its libraries leak stays small, and a new one costs some 1 % of their time

TIME, MEMORY, CRASH = "time", "memory", "crash"
"""Why a page has no text: CPU time, memory, or the engine raised or died."""

_START = "from stages.extraction.child import main; main()"


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
    """A child that runs one engine, replaced whenever it dies. `outcomes` may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._child: subprocess.Popen[bytes] | None = None
        self._served = 0
        self._lock = threading.Lock()

    def outcomes(self, pages: Sequence[bytes]) -> list[Outcome]:
        """What each page (UTF-8) gave. StageError where the engine cannot be started at all."""
        with self._lock:
            return [one for bunch in bunches(pages) for one in self._bunch(bunch)]

    def close(self) -> None:
        """End the child and wait for it."""
        child, self._child = self._child, None
        if child is None:
            return
        with suppress(OSError):  # it may be dead already, with a request in the pipe
            _end(child.stdin).close()
        child.kill()
        child.wait()
        _end(child.stdout).close()

    def _bunch(self, pages: list[bytes]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        again = False  # a death that load may have caused is tried once more
        while len(outcomes) < len(pages):
            before = len(outcomes)
            ended = self._served_by_one(pages[before:], outcomes)
            again = again and len(outcomes) == before
            if ended is None:
                continue
            if ended == -signal.SIGPROF or again:
                outcomes.append(Outcome("", TIME if ended in (-signal.SIGPROF, -signal.SIGALRM) else CRASH))
                again = False
            else:
                again = True
        return outcomes

    def _served_by_one(self, pages: list[bytes], outcomes: list[Outcome]) -> int | None:
        """Give the pages to a child and gather answers; how it ended, None where it lives."""
        child = self._living()
        self._served += len(pages)
        with suppress(BrokenPipeError):  # the answers, or their end, say what happened
            _send(_end(child.stdin), pages)
        for _ in pages:
            answer = _answer(_end(child.stdout))
            if answer is None:
                ended = child.wait()
                self.close()
                return ended
            outcomes.append(_outcome(*answer))
        return None

    def _living(self) -> subprocess.Popen[bytes]:
        if self._child is not None and (self._served >= LIFE or self._child.poll() is not None):
            self.close()
        if self._child is None:
            self._child, self._served = _started(self.engine), 0
        return self._child


def bunches(pages: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The pages in order, in bunches that a pipe and a child hold with ease."""
    held: list[bytes] = []
    size = 0
    for page in pages:
        held.append(page)
        size += len(page)
        if size >= BUNCH_BYTES or len(held) >= BUNCH_PAGES:
            yield held
            held, size = [], 0
    if held:
        yield held


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


def _started(engine: Engine) -> subprocess.Popen[bytes]:
    """A child that has imported its engine. StageError with its last words where it cannot."""
    asked = [engine.module, engine.function, str(int(engine.markdown)), repr(engine.seconds)]
    path = os.pathsep.join(place for place in sys.path if place)
    # Without a fixed seed sets of strings are walked in another order in every process; one thread, one core.
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, *asked],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=environment,
        )  # fmt: skip
        if _answer(_end(child.stdout)) is not None:
            return child
        said.seek(max(0, said.tell() - 400))
        words = said.read().decode("utf-8", "replace").strip()
    with suppress(OSError):
        _end(child.stdin).close()
    _end(child.stdout).close()
    raise StageError(f"extract: {engine.module} could not be started (exit {child.wait()}): {words}")


def _send(pipe: IO[bytes], pages: list[bytes]) -> None:
    pipe.write(COUNT.pack(len(pages)) + b"".join(COUNT.pack(len(page)) for page in pages))
    for page in pages:
        pipe.write(page)
    pipe.flush()


def _answer(pipe: IO[bytes]) -> tuple[int, bytes] | None:
    head = pipe.read(ANSWER.size)
    if len(head) < ANSWER.size:
        return None
    status, size = ANSWER.unpack(head)
    text = pipe.read(size)
    return (status, text) if len(text) == size else None


def _outcome(status: int, text: bytes) -> Outcome:
    if status == OK:
        return Outcome(text.decode("utf-8"))
    return Outcome("", MEMORY if status == NO_MEMORY else CRASH)


def _end(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "the child was started with pipes"
    return pipe
