"""Where the extra `scaling` is not installed: what needs scipy or plotly says so; all else works."""

import json
import subprocess
import sys

import pytest

from tests.e2e.runs import environment

HIDDEN = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("scipy", "plotly"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
sys.meta_path.insert(0, Hide())
from pipeline.cli import main
main()
"""


def winnow(*arguments):
    command = [sys.executable, "-c", HIDDEN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60)


@pytest.fixture
def runs(tmp_path):
    path = tmp_path / "runs.csv"
    table = [f"{n},{d},{1.8 + 480 / n**0.35 + 2100 / d**0.37}" for n in (1e7, 1e8, 1e9) for d in (1e9, 1e10, 1e11)]
    path.write_text("\n".join(["params,tokens,loss", *table]) + "\n")
    return path


def test_a_fit_says_what_to_install(runs):
    done = winnow("fit", runs, "--json")
    assert done.returncode == 2
    assert "scipy is not installed: pip install 'winnow[scaling]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["kind"] == "RecipeError"


@pytest.mark.parametrize(
    "line", ["budget --flops 1e22", "cost --model llama3_8b --tokens 1T --gpu H100", "law list", "law emergence 1e22"]
)
def test_laws_budgets_and_costs_need_neither(line):
    done = winnow(*line.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_explorer_needs_neither(tmp_path):
    done = winnow("explore", tmp_path / "laws.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "laws.html").stat().st_size > 10_000
