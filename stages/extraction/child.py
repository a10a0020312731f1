"""The process that runs an engine we did not write, page after page, under limits that the kernel keeps.

    python -P -c "from stages.extraction.child import main; main()" MODULE FUNCTION MARKDOWN SECONDS

MODULE has a function (page, markdown) -> text. A request is a count and that many pages; each answer goes out as soon
as it is made, so that the parent knows at which page a child died. CPU time is limited by ITIMER_PROF: its signal ends
the process even inside C code, and a page costs about the same CPU time on a busy machine as on an idle one. Wall time
(ITIMER_REAL) is a far backstop for a page that sleeps. The end of its input ends the child: it goes with its parent.
"""

import logging
import resource
import signal
import struct
import sys
from collections.abc import Callable
from importlib import import_module
from typing import BinaryIO

MEMORY = 3 << 30
"""Bytes of data a child may hold (RLIMIT_DATA); a page that asks for more ends as `memory` or `crash`."""

WALL = 30
"""Wall seconds a CPU second may take: a core that 30 processes share."""

OK, NO_MEMORY, RAISED = range(3)
COUNT, ANSWER = struct.Struct("<q"), struct.Struct("<bq")

Engine = Callable[[str, bool], str]

_WARM = (
    "<html><head><title>t</title></head><body><article>"
    + "<p>Words, and more words here.</p>" * 20
    + "</article></body></html>"
)


def main() -> None:
    """Serve standard input until it ends."""
    module, function, markdown, seconds = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # an engine that prints must not write into the answers
    engine: Engine = getattr(import_module(module), function)
    _bounded()
    engine(_WARM, markdown == "1")  # imports and first use are not the first page's time
    _answer(answers, OK, b"")
    while count := requests.read(COUNT.size):
        for page in _pages(requests, COUNT.unpack(count)[0]):
            _timed(float(seconds))
            status, text = _outcome(engine, page, markdown == "1")
            _timed(0)
            _answer(answers, status, text)


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for ends in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(ends, signal.SIG_DFL)


def _timed(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * WALL)


def _pages(requests: BinaryIO, count: int) -> list[bytes]:
    """All pages of a request, read before the first answer, so that neither side waits for the other."""
    sizes = struct.unpack(f"<{count}q", requests.read(8 * count))
    return [requests.read(size) for size in sizes]


def _outcome(engine: Engine, page: bytes, markdown: bool) -> tuple[int, bytes]:
    try:
        return OK, engine(page.decode("utf-8", "replace"), markdown).encode("utf-8", "replace")
    except MemoryError:
        return NO_MEMORY, b""
    except Exception as error:  # an engine may raise what it likes; the page is at fault and the parent says so
        return RAISED, f"{type(error).__name__}: {error}"[:200].encode("utf-8", "replace")


def _answer(answers: BinaryIO, status: int, text: bytes) -> None:
    answers.write(ANSWER.pack(status, len(text)) + text)
    answers.flush()
