"""What work took is booked under its name: CPU and waiting apart, sums of seconds, peaks of memory."""

import operator
import subprocess
import sys
import time

from corpus.supervision import CPU, Supervisor, Work
from pipeline.memory import keep_pages, peak_rss_mb
from pipeline.spent import Stopwatch, added


def busy(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        operator.neg(1)


def test_cpu_and_waiting_are_told_apart():
    watch = Stopwatch()
    with watch("wait"):
        time.sleep(0.2)
    for _ in range(2):
        with watch("work"):
            busy(0.1)
    spent = watch.spent()
    assert spent["wait"]["cpu"] < 0.1 < 0.2 <= spent["wait"]["wall"]
    assert spent["work"]["cpu"] >= 0.2


def test_items_are_timed_and_not_what_is_done_with_them():
    watch, found = Stopwatch(), []
    for item in watch.each("read", (busy(0.05) or n for n in range(3))):
        busy(0.2)
        found.append(item)
    assert found == [0, 1, 2]
    assert 0.15 <= watch.spent()["read"]["cpu"] < 0.4


def test_seconds_add_up_and_peaks_do_not():
    one, other = {"a": {"cpu": 1.0, "wall": 2.0, "rss": 5.0}}, {"a": {"cpu": 3.0, "wall": 4.0, "rss": 7.0}}
    assert added([one, other, {}]) == {"a": {"cpu": 4.0, "wall": 6.0, "rss": 7.0}}


def test_the_peak_is_this_program_s_and_not_its_parent_s():
    ballast = bytearray(b"x") * 300_000_000
    assert peak_rss_mb() > 300
    child = subprocess.run(
        [sys.executable, "-c", "from pipeline.memory import peak_rss_mb; print(peak_rss_mb())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(child.stdout) < 100 < len(ballast)


def test_keeping_pages_is_asked_once():
    assert keep_pages() is keep_pages()


def test_what_a_supervised_child_spends_is_booked_where_it_was_asked():
    """A fifth of a second is what the child may take; this process waits meanwhile."""
    watch = Stopwatch()
    child = Supervisor(Work("spent_aside", "spin", "", 0.2, 20, 1 << 30))
    with watch("asked"):
        (one,) = child.outcomes([b"item"])
    with watch("not asked"):
        pass
    child.close()
    assert one.fault == CPU
    assert watch.spent()["asked"]["cpu"] >= 0.2
    assert watch.spent()["not asked"]["cpu"] < 0.1
