"""A library at work in a process of its own, so that a file which hangs or crashes it costs itself alone.

The limit is processor time, which varies less than the clock's but does vary: one page of 32 KB took 17 s on a
quiet machine and more than 20 on a busy one. A file near the limit may so be read in one run and quarantined in
the next; parsers therefore refuse by the bytes alone what would come near it (corpus/parsing), and the limit is
for what they did not foresee. (The clock ends what sleeps instead of working, at ten times the limit.) A file
costs 0.1 ms of pipes; a child that had to be ended costs the next file 0.1 s for a new one.
"""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import Self

import orjson

from corpus.errors import RecipeError
from corpus.parsing import Record
from corpus.parsing.child import LENGTH
from corpus.readers.base import Fault

_CLOCK = 10  # seconds by the clock per second of processor time allowed
_MOST_REPLY = 1 << 31


class Supervised:
    """`parse` as a method; a context that ends the child. The child starts with the first file."""

    def __init__(self, parser: str, seconds: float, megabytes: int) -> None:
        """parser: a file of corpus/parsing. seconds: processor time for one file. megabytes: address space."""
        self._parser, self._seconds, self._megabytes = parser, seconds, megabytes
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended()

    def parse(self, raw: bytes | bytearray) -> Record:
        """The record of one file, which must not be empty. Raises Fault with the cause where there is none."""
        child = self._child = self._child or self._started()
        assert child.stdin is not None
        try:
            child.stdin.write(LENGTH.pack(len(raw)))
            child.stdin.write(raw)
            child.stdin.flush()
            size = LENGTH.unpack(self._received(child, LENGTH.size))[0]
            if size > _MOST_REPLY:
                raise EOFError
            reply = orjson.loads(self._received(child, size))
        except (EOFError, BrokenPipeError):
            raise Fault(self._end()) from None
        if "cause" in reply:
            raise Fault(reply["cause"])
        record: Record = reply["record"]
        return record

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "corpus.parsing.child", self._parser, f"{self._megabytes}", f"{self._seconds}"]
        there = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=there)

    def _received(self, child: subprocess.Popen[bytes], size: int) -> bytearray:
        """`size` bytes of the reply; EOFError where the child ended or the clock ran out."""
        assert child.stdout is not None
        got, deadline, ready = bytearray(), time.monotonic() + _CLOCK * self._seconds, select.poll()
        ready.register(child.stdout, select.POLLIN)
        while len(got) < size:
            left = deadline - time.monotonic()
            if left <= 0 or not ready.poll(1000 * left):
                raise EOFError
            piece = os.read(child.stdout.fileno(), min(1 << 20, size - len(got)))
            if not piece:
                raise EOFError
            got += piece
        return got

    def _end(self) -> str:
        """End the child; returns why it gave no answer."""
        ended = self._ended()
        if ended == -signal.SIGPROF:
            return f"takes more than {self._seconds:g} s of processor time"
        if ended == -signal.SIGKILL:
            return f"takes more than {_CLOCK * self._seconds:g} s"
        return f"the parser died of it: {signal.Signals(-ended).name if ended < 0 else f'exit {ended}'}"

    def _ended(self) -> int:
        child, self._child = self._child, None
        if child is None:
            return 0
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.wait(0.05 if child.poll() is None else 0)
        except subprocess.TimeoutExpired:
            child.kill()
        child.stdout.close()
        with suppress(BrokenPipeError):
            child.stdin.close()
        return child.wait()


def needs(form: str, package: str, extra: str) -> None:
    """RecipeError, naming the extra, where a format's library is not installed."""
    if find_spec(package) is None:
        raise RecipeError(
            f"format {form!r} reads with {package}, which is not installed: pip install 'winnow[{extra}]'"
        )
