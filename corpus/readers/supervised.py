"""A parser of corpus/parsing at work in a process of its own: a file that hangs or crashes it costs itself alone.

The limit is processor time, which varies with a machine's load: parsers refuse by the bytes alone what would come near
it, and the limit is for what they did not foresee (corpus/supervision.py). (The clock ends what sleeps instead of
working, at ten times the limit.) A file costs 0.1 ms of pipes.
"""

from importlib.util import find_spec
from typing import Self

import orjson

from corpus.errors import RecipeError
from corpus.parsing import Record
from corpus.readers.base import Fault
from corpus.supervision import CPU, DIED, MEMORY, WALL, Supervisor, Work

_CLOCK = 10  # seconds by the clock per second of processor time allowed


class Supervised:
    """`parse` as a method; a context that ends the child. The child starts with the first file."""

    def __init__(self, parser: str, seconds: float, megabytes: int) -> None:
        """parser: a file of corpus/parsing. seconds: processor time for one file. megabytes: of memory."""
        work = Work("corpus.parsing.served", "record", parser, seconds, _CLOCK * seconds, megabytes * 1_000_000)
        self._supervisor = Supervisor(work)
        self._causes = {
            CPU: f"takes more than {seconds:g} s of processor time",
            WALL: f"takes more than {_CLOCK * seconds:g} s",
            MEMORY: f"takes more than {megabytes} MB of memory",
            DIED: "the parser died of it: ",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.close()

    def parse(self, raw: bytes | bytearray) -> Record:
        """The record of one file. Raises Fault with the cause where there is none."""
        ((answer, fault, said),) = self._supervisor.outcomes([bytes(raw)])
        if fault is not None:
            raise Fault(self._causes[fault] + (said if fault == DIED else ""))
        reply = orjson.loads(answer)
        if "cause" in reply:
            raise Fault(reply["cause"])
        record: Record = reply["record"]
        return record


def needs(form: str, package: str, extra: str) -> None:
    """RecipeError, naming the extra, where a format's library is not installed."""
    if find_spec(package) is None:
        raise RecipeError(
            f"format {form!r} reads with {package}, which is not installed: pip install 'winnow[{extra}]'"
        )
