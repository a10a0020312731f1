"""The supervisor: items go to a child process in bunches, and one that kills it costs its limit and nothing else.

Libraries that parse what strangers wrote hang and die inside C code, where no thread can stop them. The child
(supervised.py) is ended by the kernel when an item has had its CPU time; this side sees the pipe close, knows the item
by how many answers came, and starts another child for those behind it (0.1 to 1 s, by what the library imports).

CPU time varies less with a machine's load than the clock, but it does vary (a page took 17 s, and more than 20 on a
busy machine): what is known to come near a limit should be refused by its bytes alone before it comes here.
"""

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
from corpus.supervised import ANSWER, COUNT, NO_MEMORY, OK

BUNCH_BYTES, BUNCH_ITEMS = 1_000_000, 64
LIFE = 5_000  # items a child serves: what its libraries leak stays small, and a new one costs some 1 % of their time

CPU, WALL, MEMORY, RAISED, DIED = "cpu", "wall", "memory", "raised", "died"
"""Why an item has no answer: out of CPU time, of wall time or memory, or the library raised, or its process died."""

_START = "from corpus.supervised import main; main()"
_ENDS = {-signal.SIGPROF: CPU, -signal.SIGALRM: WALL}


class Work(NamedTuple):
    """A function (item: bytes, settings: str) -> bytes, by module and name, and the limits of one item."""

    module: str
    function: str
    settings: str
    seconds: float  # of CPU time
    wall: float  # seconds
    memory: int  # bytes of data the child may hold (RLIMIT_DATA)


class Outcome(NamedTuple):
    """The answer for an item, or the fault why there is none and what the library or the kernel said of it."""

    answer: bytes
    fault: str | None = None
    said: str = ""


class Supervisor:
    """A child that does one work, replaced whenever it dies. `outcomes` may be called from any thread."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._child: subprocess.Popen[bytes] | None = None
        self._served = 0
        self._lock = threading.Lock()

    def outcomes(self, items: Sequence[bytes]) -> list[Outcome]:
        """What each item gave. StageError where the library cannot be started at all."""
        with self._lock:
            return [one for bunch in bunches(items) for one in self._bunch(bunch)]

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

    def _bunch(self, items: list[bytes]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        again = False  # a death that load may have caused is tried once more
        while len(outcomes) < len(items):
            before = len(outcomes)
            ended = self._served_by_one(items[before:], outcomes)
            again = again and len(outcomes) == before
            if ended is None:
                continue
            if ended == -signal.SIGPROF or again:
                outcomes.append(Outcome(b"", _ENDS.get(ended, DIED), _told(ended)))
                again = False
            else:
                again = True
        return outcomes

    def _served_by_one(self, items: list[bytes], outcomes: list[Outcome]) -> int | None:
        """Give the items to a child and gather answers; how it ended, None where it lives."""
        child = self._living()
        self._served += len(items)
        with suppress(BrokenPipeError):  # the answers, or their end, say what happened
            _send(_end(child.stdin), items)
        for _ in items:
            answer = _answer(_end(child.stdout))
            if answer is None:
                ended = child.wait()
                if ended == -signal.SIGPROF:
                    _took(self.work.seconds)
                self.close()
                return ended
            outcomes.append(_outcome(*answer))
        return None

    def _living(self) -> subprocess.Popen[bytes]:
        if self._child is not None and (self._served >= LIFE or self._child.poll() is not None):
            self.close()
        if self._child is None:
            self._child, self._served = _started(self.work), 0
        return self._child


def bunches(items: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The items in order, in bunches that a pipe and a child hold with ease."""
    held: list[bytes] = []
    size = 0
    for item in items:
        held.append(item)
        size += len(item)
        if size >= BUNCH_BYTES or len(held) >= BUNCH_ITEMS:
            yield held
            held, size = [], 0
    if held:
        yield held


_aside = 0.0
_counting = threading.Lock()


def aside_seconds() -> float:
    """CPU seconds that children of this process have spent on its items so far, as they told or were ended for."""
    return _aside


def _took(seconds: float) -> None:
    global _aside
    with _counting:
        _aside += seconds


def _started(work: Work) -> subprocess.Popen[bytes]:
    """A child that has imported its library. StageError with its last words where it cannot."""
    asked = [work.module, work.function, work.settings, repr(work.seconds), repr(work.wall), str(work.memory)]
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
    raise StageError(f"{work.module}.{work.function} could not be started (exit {child.wait()}): {words}")


def _send(pipe: IO[bytes], items: list[bytes]) -> None:
    pipe.write(COUNT.pack(len(items)) + b"".join(COUNT.pack(len(item)) for item in items))
    for item in items:
        pipe.write(item)
    pipe.flush()


def _answer(pipe: IO[bytes]) -> tuple[int, bytes] | None:
    head = pipe.read(ANSWER.size)
    if len(head) < ANSWER.size:
        return None
    status, seconds, size = ANSWER.unpack(head)
    _took(seconds)
    answer = pipe.read(size)
    return (status, answer) if len(answer) == size else None


def _outcome(status: int, answer: bytes) -> Outcome:
    if status == OK:
        return Outcome(answer)
    return Outcome(b"", MEMORY if status == NO_MEMORY else RAISED, answer.decode("utf-8", "replace"))


def _told(ended: int) -> str:
    return signal.Signals(-ended).name if ended < 0 else f"exit {ended}"


def _end(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "the child was started with pipes"
    return pipe
