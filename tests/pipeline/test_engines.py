"""Laws of the engines: where work runs changes nothing but the time it takes."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from engine_tasks import Mark, Overtake, Power, Raise, limits, unsendable, within
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import EngineError, RecipeError, ShardError, StageError
from pipeline.engine import Engine, _quota, cores, short
from pipeline.engines import engine
from stages.base import Needs

ROOT = Path(__file__).parents[2]
RAY = pytest.param("ray", marks=pytest.mark.ray)


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    with within(120):
        yield


@pytest.fixture(scope="module")
def one() -> Iterator[Engine]:
    with engine("local", 1) as found:
        yield found


@pytest.fixture(scope="module")
def two() -> Iterator[Engine]:
    with engine("local", 2) as found:
        yield found


@pytest.fixture(scope="module")
def ray() -> Iterator[Engine]:
    with engine("ray", 2) as found:  # 5 s, hence once
        yield found


@pytest.fixture(params=["one", "two", RAY], scope="module")
def any_engine(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["two", RAY], scope="module")
def parallel(request: pytest.FixtureRequest) -> Engine:
    return request.getfixturevalue(request.param)


def python(code: str, folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs code in a Python of its own, which knows the project only by sys.path."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    seen = os.environ | (env or {})
    return subprocess.run(command, cwd=folder, env=seen, capture_output=True, text=True, timeout=90, check=False)


@given(st.lists(st.integers(-99, 99), max_size=30), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_each_item_is_worked_on_once_and_answered_with_its_place(
    any_engine: Engine, items: list[int], exponent: int
) -> None:
    answers = sorted(any_engine.map(Power(exponent), iter(items)))
    assert answers == [(place, item**exponent) for place, item in enumerate(items)]


def test_a_later_item_may_finish_first(parallel: Engine, tmp_path: Path) -> None:
    places = [place for place, _ in parallel.map(Overtake(tmp_path), range(6))]
    assert places.index(1) < places.index(0)
    assert sorted(places) == list(range(6))


def test_items_are_drawn_only_as_workers_become_free(any_engine: Engine) -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for item in range(200):
            drawn += 1
            yield item

    for done, _ in enumerate(any_engine.map(Power(1), items())):
        assert drawn - done <= 4 * any_engine.workers + 1
    assert drawn == 200


def test_our_errors_arrive_as_they_were_raised(any_engine: Engine) -> None:
    with pytest.raises(ShardError, match=r"^shard 3 is damaged$") as caught:
        list(any_engine.map(Raise(3, ours=True), range(9)))
    assert type(caught.value) is ShardError
    assert len(list(any_engine.map(Power(1), range(9)))) == 9  # and the engine is as good as new


def test_other_errors_name_the_item_and_carry_the_traceback_of_the_worker(any_engine: Engine) -> None:
    with pytest.raises(StageError, match="the task on 3 failed with ZeroDivisionError: of 3") as caught:
        list(any_engine.map(Raise(3, ours=False), range(9)))
    assert "engine_tasks.py" in str(caught.value)
    assert "in __call__" in str(caught.value)


def test_an_error_cancels_what_is_running_so_that_every_cpu_is_free_again(parallel: Engine) -> None:
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(ShardError):
            list(parallel.map(Raise(0, ours=True, seconds=60), range(9)))
        assert list(parallel.map(Power(2), [3], needs=Needs(cpus=2))) == [(0, 9)]
    assert time.monotonic() - began < 50


def test_a_map_that_is_left_early_stops_its_workers(tmp_path: Path) -> None:
    with engine("local", 2) as local:
        results = local.map(Mark(tmp_path, 60), [0, 1, 1])
        assert next(results)[0] == 0
        results.close()
        assert not [file for file in tmp_path.iterdir() if psutil.pid_exists(int(file.name))]
        assert list(local.map(Power(2), [3])) == [(0, 9)]


def test_a_result_that_cannot_be_sent_is_an_error_and_no_hang(two: Engine) -> None:
    with pytest.raises(StageError, match="the task on 0 failed with a result that cannot be sent"):
        list(two.map(unsendable, range(1)))
    assert list(two.map(Power(2), [3])) == [(0, 9)]


def test_a_task_has_one_thread_and_the_driver_keeps_its_own(any_engine: Engine) -> None:
    before = pa.cpu_count(), pa.io_thread_count(), os.environ.get("OMP_NUM_THREADS")
    places = [limits_ for _, limits_ in any_engine.map(limits, range(4))]
    assert {each[:4] for each in places} == {(1, 1, "1", "false")}
    assert (pa.cpu_count(), pa.io_thread_count(), os.environ.get("OMP_NUM_THREADS")) == before
    assert (places[0][4] == os.getpid()) == (any_engine.workers == 1)


def test_a_task_that_needs_both_cpus_runs_alone_and_has_two_threads(parallel: Engine, tmp_path: Path) -> None:
    both = Needs(cpus=2)
    spans = sorted(span for _, span in parallel.map(Mark(tmp_path, 0.05), [1] * 4, needs=both))
    assert all(end <= began for (_, end), (began, _) in pairwise(spans))
    assert next(parallel.map(limits, [0], needs=both))[1][:3] == (2, 2, "2")


@pytest.mark.ray
def test_what_no_machine_of_the_cluster_has_is_refused_instead_of_awaited(ray: Engine) -> None:
    with pytest.raises(EngineError, match="needs 1 CPUs and 1000 GPUs on one machine"):
        list(ray.map(limits, [0], needs=Needs(gpus=1000)))


@pytest.mark.ray
def test_a_cluster_that_was_there_before_stays(ray: Engine) -> None:
    with engine("ray") as guest:
        assert guest.workers == 2
        assert list(guest.map(Power(2), [3])) == [(0, 9)]
    assert list(ray.map(Power(2), [3])) == [(0, 9)]


@pytest.mark.ray
def test_ray_says_nothing_and_its_workers_find_what_the_driver_finds(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "nearby.py").write_text("def double(item):\n    return 2 * item\n")
    code = (
        "sys.path.append('elsewhere')\nimport nearby\nfrom pipeline.engines import engine\n"
        "with engine('ray', 1) as ray:\n    assert list(ray.map(nearby.double, [2, 3])) == [(0, 4), (1, 6)]\n"
    )
    ran = python(code, tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@contextmanager
def cluster(address: str, env: dict[str, str]) -> Iterator[None]:
    """A Ray cluster that was started elsewhere and does not know where the project lies."""
    port = address.rpartition(":")[2]
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:  # Ray's sockets need a short path
        start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=1"]
        options = [f"--port={port}", f"--temp-dir={folder}", "--disable-usage-stats"]
        head = subprocess.Popen([*start, *options], cwd="/", env=os.environ | env, stderr=subprocess.DEVNULL)
        try:
            _answers(int(port))
            yield
        finally:
            head.send_signal(signal.SIGTERM)
            head.wait(30)


def _answers(port: int) -> None:
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)


@pytest.mark.ray
def test_a_joined_cluster_runs_the_code_of_the_driver(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    code = (
        "import operator\nfrom pipeline.engines import engine\n"
        f"with engine('ray', None, {address!r}) as ray:\n"
        "    assert ray.workers == 1\n    assert list(ray.map(operator.neg, [2])) == [(0, -2)]\n"
    )
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with cluster(address, token):
        ran = python(code, tmp_path, token)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.ray
@pytest.mark.parametrize(
    "silent",
    [
        pytest.param(False, id="closed port"),
        pytest.param(True, id="port that never answers", marks=pytest.mark.slow),  # 20 s of waiting
    ],
)
def test_an_address_without_a_cluster_is_named_within_half_a_minute(tmp_path: Path, silent: bool) -> None:
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        if silent:
            port.listen()
        address = f"127.0.0.1:{port.getsockname()[1]}"
        code = (
            "from pipeline.engines import engine\nfrom corpus.errors import EngineError\n"
            f"try: engine('ray', None, {address!r})\nexcept EngineError as error: print(error)\n"
        )
        ran = python(code, tmp_path)
    assert f"no Ray cluster can be joined at {address}" in ran.stdout, ran.stderr


def test_importing_the_engines_and_working_locally_loads_neither_ray_nor_torch(tmp_path: Path) -> None:
    code = (
        "from pipeline.engines import engine\nfrom pipeline import local_engine\nimport operator\n"
        "if __name__ == '__main__':\n"
        "    with engine('local', 2) as local: assert list(local.map(operator.neg, [2])) == [(0, -2)]\n"
        "    print(sorted({'ray', 'torch'} & set(sys.modules)))\n"
    )
    assert python(code, tmp_path).stdout == "[]\n"


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(RecipeError, match="0 workers"):
        engine("local", 0)
    with pytest.raises(RecipeError, match="no engine 'spark'"):
        engine("spark")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="the local engine has no address"):
        engine("local", 1, "head:6379")


def test_a_container_quota_bounds_the_default_workers(tmp_path: Path) -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
    assert _quota(tmp_path) == sys.maxsize
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert _quota(tmp_path) == sys.maxsize
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("250000\n")
    assert _quota(tmp_path) == 2.5
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert _quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert _quota(tmp_path) == sys.maxsize


@given(st.text(max_size=2000))
def test_errors_name_items_in_at_most_200_characters(item: str) -> None:
    assert len(short(item)) <= 200
    assert len(repr(item)) > 200 or short(item) == repr(item)
