"""The verbs about scale in this process, and a table of runs to fit."""

import csv
import json
import shlex
import signal
import sys

import numpy as np
import pytest
import typer

from pipeline.cli_scaling import app
from pipeline.outcome import outcome
from scaling.table import LAWS


class Winnow:
    """Runs a command line in this process, as `winnow` would."""

    def __init__(self, monkeypatch, capsys):
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, line: str, code: int = 0) -> str:
        """What `line` prints on stdout; on stderr where it is to end with another code."""
        self.monkeypatch.setattr(sys, "argv", ["winnow", *shlex.split(line)])
        mounted = typer.Typer()
        mounted.add_typer(app)
        found = outcome(mounted)
        printed = self.capsys.readouterr()
        assert found == code, f"exit {found}: {printed.err}"
        return printed.out if code == 0 else printed.err

    def json(self, line: str):
        """What `line --json` prints, which is one line."""
        (printed,) = self(f"{line} --json").splitlines()
        return json.loads(printed)


@pytest.fixture
def winnow(monkeypatch, capsys):
    """A function that runs a command line: winnow("law list"), winnow.json("law list")."""
    before = signal.getsignal(signal.SIGTERM)
    yield Winnow(monkeypatch, capsys)
    signal.signal(signal.SIGTERM, before)  # `outcome` makes it an interrupt


@pytest.fixture(scope="session")
def runs_csv(tmp_path_factory):
    """40 runs that lie on a law exactly, in columns that are named as people name them."""
    path, law = tmp_path_factory.mktemp("runs") / "runs.csv", LAWS["besiroglu2024"]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("Model Size", "Training FLOP", "loss"))
        for flops_spent in np.geomspace(1e18, 1e21, 5):
            for params in law.optimal(flops_spent).params * np.geomspace(0.2, 5, 8):
                rows.writerow((params, flops_spent, law.loss(params, flops_spent / 6 / params)))
    return path
