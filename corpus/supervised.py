"""The process in which a library we did not write works, item after item, under limits that the kernel keeps.

    python -P -c "from corpus.supervised import main; main()" MODULE FUNCTION SETTINGS SECONDS WALL MEMORY

MODULE has a function (item: bytes, settings: str) -> bytes, and perhaps `warm(settings)`, which imports what it needs.
A request is a count and that many items; each answer goes out as soon as it is made, so that the parent knows at which
item a child died, and says what CPU time it took. CPU time is limited by ITIMER_PROF: its signal ends the process even
inside C code, where no Python handler would run, and an item costs about the same CPU time on a busy machine as on
an idle one. Wall time (ITIMER_REAL) is a far backstop for what sleeps. The end of its input ends the child: it goes
with its parent. Nothing here imports Arrow or numpy: a child starts in 0.1 s and holds 20 MB.
"""

import logging
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import BinaryIO

OK, NO_MEMORY, RAISED = range(3)
COUNT, ANSWER = struct.Struct("<q"), struct.Struct("<bdq")
"""A request's count and sizes; an answer's status, CPU seconds since the one before, and size."""

Worker = Callable[[bytes, str], bytes]


def main() -> None:
    """Serve standard input until it ends."""
    module, function, settings, *limits = sys.argv[1:]
    seconds, wall, memory = map(float, limits)
    logging.disable(logging.CRITICAL)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # a library that prints must not write into the answers
    there = import_module(module)
    worker: Worker = getattr(there, function)
    _bounded(int(memory))
    if warm := getattr(there, "warm", None):  # imports and first use are not the first item's time
        warm(settings)
    said = _answered(answers, OK, b"", 0.0)
    while count := requests.read(COUNT.size):
        for item in _items(requests, COUNT.unpack(count)[0]):
            _timed(seconds, wall)
            status, answer = _outcome(worker, item, settings)
            _timed(0, 0)
            said = _answered(answers, status, answer, said)


def _bounded(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for ends in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(ends, signal.SIG_DFL)


def _timed(seconds: float, wall: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, wall)


def _items(requests: BinaryIO, count: int) -> list[bytes]:
    """All items of a request, read before the first answer, so that neither side waits for the other."""
    sizes = struct.unpack(f"<{count}q", requests.read(8 * count))
    return [requests.read(size) for size in sizes]


def _outcome(worker: Worker, item: bytes, settings: str) -> tuple[int, bytes]:
    try:
        return OK, worker(item, settings)
    except MemoryError:
        return NO_MEMORY, b""
    except Exception as error:  # a library may raise what it likes; the item is at fault and the parent says so
        return RAISED, f"{type(error).__name__}: {error}"[:200].encode("utf-8", "replace")


def _answered(answers: BinaryIO, status: int, answer: bytes, before: float) -> float:
    """Send an answer; the CPU seconds of this process so far."""
    now = time.process_time()
    answers.write(ANSWER.pack(status, now - before, len(answer)) + answer)
    answers.flush()
    return now
