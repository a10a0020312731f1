"""Libraries that others import by the way: left out of the command's processes, and of nobody else's."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from corpus.left_out import COMMAND
from tests.e2e.runs import environment

LOOK = "import sys, corpus.buffers, corpus.hashing; print(*sorted({'pandas', 'scipy.linalg', 'cffi'} & {*sys.modules}))"
USED = "import corpus.buffers, pandas, pyarrow; print(pyarrow.array(pandas.Series([1, None])).null_count)"


def said(code, **more):
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment() | more, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_command_imports_what_it_uses():
    assert said(LOOK, **{COMMAND: "1"}) == ""


@pytest.mark.skipif(find_spec("pandas") is None, reason="pandas is not installed")
def test_who_uses_pandas_beside_us_finds_it_as_it_is():
    assert said(USED) == "1"


def test_what_is_imported_already_stays():
    code = "import json; from corpus.left_out import left_out\nwith left_out('json', 'wave'):\n    import json"
    assert said(f"{code}\nimport wave; print('both')", **{COMMAND: "1"}) == "both"
    assert "ModuleNotFoundError" in said(
        "from corpus.left_out import left_out\n"
        "with left_out('wave'):\n"
        "    try:\n        import wave\n    except ModuleNotFoundError as error:\n        print(type(error).__name__)",
        **{COMMAND: "1"},
    )
