"""How a command ends: an exit code of 0, 1 or 2, an error as one line on stderr, and with --json as an object too.

docs/reference/cli.md has the table. Ctrl-C and SIGTERM stop a command alike: workers end, what is done stays.
"""

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import orjson
import typer

from corpus.errors import WinnowError
from pipeline.report.plain import printable

DONE, FAILED, ASKED_WRONGLY = 0, 1, 2

_UsageError: Any = typer.BadParameter.__base__  # click's class in older typer, its copy of it since


def outcome(command: Callable[..., Any]) -> int:
    """Run a typer app on `sys.argv`; its exit code. Whatever went wrong has been said."""
    _prepare()
    try:
        code = command(prog_name="winnow", standalone_mode=False) or DONE
    except WinnowError as error:
        return _failed(error.exit_code, type(error).__name__, str(error))
    except _UsageError as error:
        error.show()
        return _failed(ASKED_WRONGLY, "UsageError", error.format_message(), said=True)
    except (KeyboardInterrupt, typer.Abort):
        return _stopped()
    except SystemExit as end:  # Ray exits by itself on a signal, typer on a pipe closed before its help
        if isinstance(end.__context__, BrokenPipeError):
            return _reader_left()
        return _stopped() if end.code else DONE  # nothing of ours exits by itself, and nothing ends without a word
    except OSError as error:  # no space, no permission, no network: it says all there is to say
        return _failed(FAILED, "OSError", str(error))
    except Exception as error:
        traceback.print_exc()
        return _failed(FAILED, "Unexpected", f"{type(error).__name__}: {error} (the lines above say where)")
    return _stopped() if code == 128 + signal.SIGINT else code  # what typer makes of KeyboardInterrupt


def leave(code: int) -> NoReturn:
    """End the process as the interpreter does, but do not take it apart: the system frees what it held, at once.

    Modules and kernels were freed one by one before, 0.35 of the 1.4 CPU s that the least command took.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, pools first
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            code = code or (DONE if isinstance(error, BrokenPipeError) else FAILED)
    os._exit(code)


def say(text: str) -> None:
    """Write to stdout at once; fine where the reader has left, as `head` does."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _reader_left()


def dumped(value: Any, *, indented: bool = False) -> str:
    """A value as a line of JSON; what JSON has no number for (NaN, infinity) is null."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indented else None).decode() + "\n"


def _prepare() -> None:
    if sys.stdout is None:  # closed by the caller: `winnow ... >&-`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(heard,), daemon=True).start()


def _listen(heard: int) -> None:
    """Say that a signal stops the command as soon as it comes.

    The main thread may wait in Ray for a second before it looks, and where Ctrl-C ends Ray's own processes
    first, Ray's library ends this one from within, without a word.
    """
    while (number := os.read(heard, 1)) and number[0] not in (signal.SIGINT, signal.SIGTERM):
        pass
    _say_stopped()


def _failed(code: int, kind: str, message: str, *, said: bool = False) -> int:
    if _told_stopped:  # what came of stopping is no news
        return _stopped()
    message = message.encode("utf-8", "replace").decode()
    if "--json" in sys.argv:
        say(dumped({"error": {"kind": kind, "message": message}}))
    if not said:
        print(f"winnow: {printable(message, keep=chr(10))}", file=sys.stderr)
    return code


_telling = threading.Lock()
_told_stopped: list[bool] = []


def _say_stopped() -> None:
    with _telling:
        if not _told_stopped:
            _failed(FAILED, "Stopped", "stopped; a run goes on where it was when the same command is given again")
            _told_stopped.append(True)


def _stopped() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # impatient fingers: all that is left is to end
    _say_stopped()
    return FAILED


def _reader_left() -> int:
    """Let the interpreter flush to nowhere when it ends. The exit code is 0, for no work has failed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return DONE
