"""The process in which a library parses files one by one: `python -m corpus.parsing.child <parser> <MB> <CPU s>`.

A request is its length (8 bytes, little-endian) and the bytes; a reply is its length and JSON: the record, or
the cause why there is none. The kernel ends the process where one file takes more processor time than allowed
(ITIMER_PROF counts on inside C code, where no Python handler would run), and refuses memory above the limit.
"""

import resource
import signal
import struct
import sys
from collections.abc import Callable
from importlib import import_module
from typing import BinaryIO

import orjson

from corpus.parsing import Record, Unparsable

PARSERS = ("epub", "latex", "markdown", "pdf", "wikitext")
LENGTH = struct.Struct("<Q")


def main(parser: str, megabytes: str, seconds: str) -> None:
    """Answer requests until there are no more."""
    if parser not in PARSERS:
        raise SystemExit(f"no parser {parser!r}; there are: {', '.join(PARSERS)}")
    parsed = import_module(f"corpus.parsing.{parser}").parsed
    limit = int(megabytes) * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    while raw := _request(requests):
        signal.setitimer(signal.ITIMER_PROF, float(seconds))
        reply = _reply(parsed, raw, megabytes)
        signal.setitimer(signal.ITIMER_PROF, 0)
        replies.write(LENGTH.pack(len(reply)) + reply)
        replies.flush()


def _request(requests: BinaryIO) -> bytes | None:
    head = requests.read(LENGTH.size)
    return requests.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else None


def _reply(parsed: Callable[[bytes], Record], raw: bytes, megabytes: str) -> bytes:
    """What the library made of it. Any exception of a library is about this one file: it becomes the cause."""
    try:
        return orjson.dumps({"record": {name: _valid(value) for name, value in parsed(raw).items()}})
    except Unparsable as error:
        cause = str(error)
    except MemoryError:
        cause = f"takes more than {megabytes} MB of memory"
    except RecursionError:
        cause = "nested too deeply"
    except Exception as error:
        short = isinstance(error.__cause__ or error.__context__, MemoryError)  # C code that saw one and went on
        cause = f"takes more than {megabytes} MB of memory" if short else f"cannot be parsed: {error!r}"
    return orjson.dumps({"cause": _valid(cause[:300])})


def _valid(text: str | None) -> str | None:
    """The text without halves of surrogate pairs, which UTF-8 cannot hold."""
    return None if text is None else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


if __name__ == "__main__":
    main(*sys.argv[1:])
