"""The table of stages: rows name what there is, and asking for one imports no other."""

import subprocess
import sys

from stages.base import Global
from stages.table import GLOBAL, LOCAL, TABLE
from tests.e2e.runs import environment


def test_every_row_names_a_class_that_calls_itself_so():
    assert list(TABLE) == [*LOCAL, *GLOBAL]
    for name, stage in TABLE.items():
        assert stage.name == name
        assert issubclass(stage, Global) == (name in GLOBAL)


def test_a_stage_is_imported_when_it_is_asked_for():
    code = (
        "import sys; from stages.table import TABLE; TABLE['exact']\n"
        "print(*sorted({'stages.exact', 'stages.pii'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "stages.exact"
