"""A command's process ends at once, after all that still has to be said and done."""

import subprocess
import sys

import pytest

from tests.e2e.runs import environment

LAST_WORDS = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pipeline.outcome import leave

class Told:
    def __del__(self):
        print("taken apart")

told, pool = Told(), ThreadPoolExecutor(1)
pool.submit(lambda: (time.sleep(0.2), print("pool")))
threading.Thread(target=lambda: (time.sleep(0.4), print("thread"))).start()
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
atexit.register(print, "at exit")
sys.stderr.write("stderr")
leave({code})
"""


def ended(code, **more):
    whole = environment() | {"PYTHONUNBUFFERED": ""}
    return subprocess.run([sys.executable, "-c", code], env=whole, text=True, timeout=60, **more)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_threads_and_handlers_are_waited_for_and_all_is_written(code):
    done = ended(LAST_WORDS.format(code=code), capture_output=True)
    assert (done.returncode, done.stderr) == (code, "stderr")
    assert done.stdout.split("\n")[:-1] == ["pool", "thread", "at exit"]  # and nothing is taken apart


def test_what_cannot_be_written_is_a_failure():
    with open("/dev/full", "w") as full:
        assert ended("from pipeline.outcome import leave; print('held back'); leave(0)", stdout=full).returncode == 1
