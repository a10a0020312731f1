"""Workers are killed, drivers are killed: nothing is lost, nothing hangs, nobody stays behind."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

from engine_tasks import Die, Power, limits, within

from corpus.errors import EngineError
from pipeline.engine import ATTEMPTS, Engine
from pipeline.engines import engine

RAY = pytest.param("ray", marks=pytest.mark.ray)


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    with within(120):
        yield


@pytest.fixture(scope="module", params=["local", RAY])
def workers(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with engine(request.param, 2) as found:  # Ray: 5 s, hence once
        yield found


def calls(folder: Path) -> Counter[int]:
    """How often each item was done."""
    return Counter(int(file.name.split("-")[1]) for file in folder.glob("done-*"))


@pytest.mark.parametrize("deaths", [1, ATTEMPTS - 1])
def test_a_killed_worker_costs_its_item_another_attempt_and_nobody_else_anything(
    workers: Engine, tmp_path: Path, deaths: int
) -> None:
    answers = sorted(workers.map(Die(tmp_path, on=5, times=deaths), range(20)))
    assert answers == [(n, n) for n in range(20)]
    assert len(list(tmp_path.glob("death-*"))) == deaths
    assert set(calls(tmp_path).values()) == {1}


def test_an_item_that_kills_every_worker_is_named_after_three(workers: Engine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=f"^5: its worker died {ATTEMPTS} times"):
        list(workers.map(Die(tmp_path, on=5, times=99), range(20)))
    assert len(list(tmp_path.glob("death-*"))) == ATTEMPTS
    assert sorted(workers.map(Power(2), range(9))) == [(n, n * n) for n in range(9)]


def test_workers_that_die_idle_are_replaced() -> None:
    with engine("local", 2) as local:
        pids = {found[4] for _, found in local.map(limits, range(8))}
        for pid in pids:
            psutil.Process(pid).kill()
        assert len(list(local.map(Power(1), range(8)))) == 8


DRIVER = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from engine_tasks import Mark
from pipeline.engines import engine
if __name__ == "__main__":
    with engine({kind!r}, 2) as workers:
        for _ in workers.map(Mark(Path("pids"), 60), [1] * 9):
            pass
"""


ENDS = [("local", signal.SIGKILL), ("local", signal.SIGTERM), ("local", signal.SIGINT)]


@pytest.mark.parametrize(("kind", "end"), [*ENDS, pytest.param("ray", signal.SIGKILL, marks=pytest.mark.ray)])
def test_no_worker_outlives_its_driver(tmp_path: Path, kind: str, end: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    paths = [str(root), str(root / "tests" / "pipeline")]
    (tmp_path / "driver.py").write_text(DRIVER.format(paths=paths, kind=kind))
    pids = tmp_path / "pids"
    pids.mkdir()
    command = [sys.executable, "driver.py"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as driver:
        _until(lambda: len(list(pids.iterdir())) == 2, "both workers are in the middle of an item")
        family = psutil.Process(driver.pid).children(recursive=True)
        workers = [process for process in family if (pids / f"{process.pid}").exists()]
        assert len(workers) == 2
        watched = family if kind == "local" else workers  # two agents of Ray's, idle, take 60 s to notice
        driver.send_signal(end)
        _until(lambda: not [process for process in watched if _lives(process)], "all are gone", seconds=20)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(is_so: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
