"""Pages that hang, crash or fill memory cost themselves and nothing else; children neither outlive nor leak."""

import os
import subprocess
import sys
import time

import psutil
import pytest
from pages import ARTICLE, HOSTILE, rows

from corpus import supervision
from corpus.errors import StageError
from stages.extract import Extract
from stages.extraction.limits import CRASH, MEMORY, TIME, Engine, Outcome, Supervisor

ENGINE = """
import os, time
def answer(page, markdown):
    if page.startswith("spin"):
        while True: pass
    if page.startswith("sleep"): time.sleep(60)
    if page.startswith("die"): os._exit(3)
    if page.startswith("once") and not os.path.exists(page[5:]): os.close(os.open(page[5:], os.O_CREAT)); os._exit(3)
    if page.startswith("raise"): raise ValueError(page)
    if page.startswith("eat"): return "x" * (8 << 30)
    if page.startswith("print"): print("not an answer")
    if page.startswith("pid"): return str(os.getpid())
    return page.upper()
def broken(page, markdown): raise RuntimeError("no model here")
"""


@pytest.fixture
def supervisor(tmp_path, monkeypatch):
    (tmp_path / "engine_of_a_test.py").write_text(ENGINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Supervisor(Engine("engine_of_a_test", "answer", False, 0.2))
    yield made
    made.close()


def test_what_a_page_does_to_the_child_is_that_pages_fault(supervisor):
    pages = [b"a", b"spin", b"b", b"die", b"raise", b"c", b"eat", b"print", "é\ud7ff".encode(), b""]
    reasons = [None, TIME, None, CRASH, CRASH, None, MEMORY, None, None, None]
    found = supervisor.outcomes(pages)
    assert [one.reason for one in found] == reasons
    assert [one.text for one in found] == ["A", "", "B", "", "", "C", "", "PRINT", "É\ud7ff", ""]


def test_a_death_that_does_not_come_again_is_nobodys_fault(supervisor, tmp_path):
    pages = [f"once {tmp_path / name}".encode() for name in "abc"]
    assert [one.reason for one in supervisor.outcomes(pages)] == [None, None, None]


def test_a_page_that_sleeps_meets_the_wall_clock(supervisor, monkeypatch):
    quick = Supervisor(supervisor.engine._replace(seconds=0.02))
    start = time.monotonic()
    assert quick.outcomes([b"sleep", b"a"]) == [Outcome("", TIME), Outcome("A")]
    assert time.monotonic() - start < 30
    quick.close()


def test_a_dead_child_is_replaced_and_no_descriptor_or_zombie_is_left(supervisor):
    supervisor.outcomes([b"die", b"spin"])
    this = psutil.Process()
    before = this.num_fds()
    for _ in range(3):
        supervisor.outcomes([b"a", b"die"])
    assert this.num_fds() == before
    assert not [child for child in this.children() if child.status() == psutil.STATUS_ZOMBIE]
    supervisor.close()
    assert this.num_fds() <= before


def test_a_child_killed_between_requests_blames_no_page(supervisor):
    child = int(supervisor.outcomes([b"pid"])[0].text)
    os.kill(child, 9)
    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=5)
    assert supervisor.outcomes([b"a", b"b"]) == [Outcome("A"), Outcome("B")]


def test_children_are_replaced_before_they_grow_old(supervisor, monkeypatch):
    monkeypatch.setattr(supervision, "LIFE", 2)
    pids = [supervisor.outcomes([b"pid"])[0].text for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_an_engine_that_cannot_start_says_why(supervisor):
    with pytest.raises(StageError, match="no model here"):
        Supervisor(supervisor.engine._replace(function="broken")).outcomes([b"a"])


def test_large_pages_and_answers_pass_the_pipes(supervisor):
    pages = [bytes([97 + n]) * 700_000 for n in range(9)]
    assert [one.text for one in supervisor.outcomes(pages)] == [page.decode().upper() for page in pages]


def test_the_child_ends_when_its_parent_is_killed(tmp_path, supervisor):
    (tmp_path / "parent.py").write_text(
        "from stages.extraction.limits import Engine, supervisor\nimport os\n"
        "made = supervisor(Engine('engine_of_a_test', 'answer', False, 5.0))\n"
        "print(made.outcomes([b'pid'])[0].text, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    said = subprocess.run([sys.executable, str(tmp_path / "parent.py")], env=os.environ | path, stdout=subprocess.PIPE)
    child = int(said.stdout)
    deadline = time.monotonic() + 20
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)


@pytest.mark.parametrize("engine", ["resiliparse", "trafilatura"])
def test_attributes_that_hold_an_engine_up_for_a_minute_cost_the_limit(engine):
    stage = Extract(engine=engine, seconds=0.5)
    found = rows(stage, [ARTICLE, HOSTILE["attributes"] * 2, ARTICLE])
    assert [row["drop"] for row in found] in ([None, "time", None], [None, "empty", None])
    assert found[0]["text"] == found[2]["text"]
    if engine == "resiliparse":
        assert (found[1]["drop"], found[1]["value"]) == ("time", 0.5)


@pytest.mark.parametrize("engine", ["plain", "blocks"])
@pytest.mark.parametrize("name", HOSTILE)
def test_our_own_engines_are_linear_in_whatever_comes(engine, name):
    """Twice 100,000 repetitions; quadratic work would take minutes."""
    stage = Extract(engine=engine)
    rows(stage, [ARTICLE])
    start = time.process_time()
    row = rows(stage, [HOSTILE[name] * 2])[0]
    assert time.process_time() - start < 5
    assert row["drop"] or row["text"]
