"""The engine of one machine: a loop in this process for one worker, worker processes for more.

Workers come from a `forkserver`, never from a fork of the driver: a fork copies locked locks of Arrow's
threads and can hang. Each holds one item at a time, so a death is its item's and nobody else's.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, context, get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Self

from corpus.errors import StageError
from pipeline.engine import (
    ATTEMPTS,
    ONE_CPU,
    Failed,
    Item,
    Result,
    attempt,
    broken,
    cores,
    died,
    environ,
    environment,
    result,
    threads,
)
from stages.base import Needs

_PRELOAD = ["numba", "pyarrow.parquet"]
"""Imported once, by the fork server: 0.39 CPU s a worker without, 0.03 with. None of ours: the server looks
in the working directory first, where another `pipeline` may lie."""

_BEFORE_IMPORT = {"NUMBA_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Read while numba and pyarrow are imported. Without jemalloc's thread the fork server has a single one."""


class LocalEngine:
    """Runs tasks on this machine. One worker: a plain loop here, nothing pickled; more: processes."""

    def __init__(self, workers: int | None = None) -> None:
        """workers: all cores this process may use where None."""
        self.workers = workers or cores()
        self._idle: list[_Worker] = []

    def map(
        self, task: Callable[[Item], Result], items: Iterable[Item], *, needs: Needs = ONE_CPU
    ) -> Iterator[tuple[int, Result]]:
        """As `Engine.map`. Tasks that need more CPUs or a GPU run in fewer workers at once."""
        if self.workers == 1:
            return ((n, result(attempt(task, item, threads(needs)))) for n, item in enumerate(items))
        return self._map(task, items, needs)

    def _map(self, task: Callable[[Item], Result], items: Iterable[Item], needs: Needs) -> Iterator[tuple[int, Result]]:
        turns = (_Turn(place, item) for place, item in enumerate(items))
        again: list[_Turn] = []  # items whose worker died
        running: dict[Connection, tuple[_Worker, _Turn]] = {}
        finished: list[tuple[int, Result]] = []
        at_once = self._at_once(needs)
        try:
            while True:
                while len(running) < at_once and (turn := again.pop() if again else next(turns, None)):
                    worker = self._idle.pop() if self._idle else _Worker()
                    running[worker.pipe] = worker, turn
                    worker.give(task, turn.item, threads(needs))
                yield from finished  # only now, so that no worker waits for what the caller does with them
                if not running:
                    return
                ready = [running.pop(pipe) for pipe in connection.wait(list(running))]  # type: ignore[call-overload]
                finished = [one for worker, turn in ready for one in self._finished(worker, turn, again)]
        finally:
            for worker, _ in running.values():
                worker.stop()

    def _finished(self, worker: "_Worker", turn: "_Turn", again: list["_Turn"]) -> list[tuple[int, Any]]:
        """The place and result in a list, which is empty where the worker died: then `again` grows."""
        try:
            answer = worker.answer(turn.item)
        except EOFError:
            again.append(turn.after_death(worker.death()))
            return []
        self._idle.append(worker)
        return [(turn.place, result(answer))]

    def _at_once(self, needs: Needs) -> int:
        """How many workers may run such tasks: their CPUs must fit, and one GPU is taken to be there."""
        at_most = self.workers / max(needs.cpus, 1)
        if needs.gpus:
            at_most = min(at_most, 1 / needs.gpus)
        return max(1, int(at_most))

    def close(self) -> None:
        """Stop the worker processes."""
        while self._idle:
            self._idle.pop().stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Turn(NamedTuple):
    """An item and how many workers died of it."""

    place: int
    item: Any
    deaths: int = 0

    def after_death(self, how: str) -> "_Turn":
        if self.deaths + 1 == ATTEMPTS:
            raise died(self.item, how)
        return self._replace(deaths=self.deaths + 1)


class _Worker:
    """A worker process and our end of its pipe."""

    def __init__(self) -> None:
        self.pipe, theirs = _context().Pipe()
        with environ(environment(1) | _BEFORE_IMPORT), _deaf_to_ctrl_c():  # the first worker starts the fork server
            self._process = _context().Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
        theirs.close()  # from now on a worker's death is the end of its pipe
        self._has: object = None

    def give(self, task: Callable[[Any], Any], item: object, count: int) -> None:
        """Send an item, with the task unless the worker has it."""
        with suppress(BrokenPipeError, ConnectionResetError):  # it died idle: `answer` will find out
            self.pipe.send((None if self._has is task else task, item, count))
        self._has = task

    def answer(self, item: object) -> Any:
        """What it answered; EOFError where it died instead."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise EOFError from error
        except Exception as error:
            answer = Failed(broken(item, f"a result that cannot be read back: {error!r}"))
        if isinstance(answer, Failed):
            self._has = None  # perhaps it could not even load the task
        return answer

    def stop(self) -> None:
        """End it at once. What it was writing lies aside and is swept."""
        self.pipe.close()
        self._process.kill()
        self._process.join()

    def death(self) -> str:
        """How it died, after its pipe has ended."""
        self._process.join(1)
        self.stop()
        code = self._process.exitcode or 0
        return f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started meanwhile never see SIGINT, not even before they could ignore it; ours waits for the end."""
    resource_tracker.ensure_running()  # else started with the first process, and it unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _context() -> context.ForkServerContext:
    found = get_context("forkserver")
    found.set_forkserver_preload(_PRELOAD)  # heeded until the server runs
    return found


def _serve(pipe: Connection) -> None:
    """A worker's life: items in, answers out, until the driver closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the driver decides
    threading.Thread(target=_follow_driver, daemon=True).start()
    task: Any = None
    with suppress(EOFError, OSError):
        while True:
            try:
                given, item, count = pipe.recv()
            except (EOFError, OSError):
                return
            except Exception as error:
                pipe.send(Failed(StageError(f"a worker cannot load its task: {error!r}")))
                continue
            task = task if given is None else given
            _send(pipe, attempt(task, item, count), item)


def _send(pipe: Connection, answer: object, item: object) -> None:
    try:
        pipe.send(answer)
    except (OSError, EOFError):
        raise
    except Exception as error:  # nothing was sent: pickling comes first
        pipe.send(Failed(broken(item, f"a result that cannot be sent: {error!r}")))


def _follow_driver() -> None:
    """End this worker when its driver is gone, however it went, even in the middle of an item."""
    driver = parent_process()
    assert driver is not None
    connection.wait([driver.sentinel])
    os._exit(1)
