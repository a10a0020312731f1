"""Workers of Ray Train train as processes of torchrun do: to the same weights, with the same errors, stopped or not."""

import fcntl
import json
import signal
import subprocess
import sys
import time

import pytest

from corpus.errors import RecipeError, RunInUse
from pipeline import ray_training
from tests.e2e.runs import ROOT, environment, start, winnow_json
from tests.e2e.test_json import fits
from tests.e2e.test_train import settings
from tests.pipeline.byte_tokens import byte_tokens

ASKED = settings("budget=160K", "precision=fp64", "monitoring.every=1")
TWO = (*ASKED, "--set", "parallel.data=2")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return byte_tokens(tmp_path_factory.mktemp("tokens"))


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)  # imports of Ray Train take 9 s of CPU in each of four processes
def test_two_workers_told_to_stop_go_on_to_the_weights_of_torchrun(tokens, tmp_path):
    on_ray = ("train", tokens, "--at", tmp_path / "ray", *TWO, "--engine", "ray", "--json")
    process, metrics = start(*on_ray), tmp_path / "ray" / "metrics.jsonl"
    until = time.monotonic() + 250
    while not (metrics.exists() and '"step": 5,' in metrics.read_text()):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=150)
    assert (process.returncode, json.loads(out.splitlines()[-1])["error"]["kind"]) == (1, "Stopped"), err
    stopped = json.loads(metrics.read_text().splitlines()[-1])
    assert stopped["why"] == "SIGTERM"
    assert 5 <= stopped["step"] < 79
    again = winnow_json(*on_ray[:-1])
    fits(again, "train")
    assert (again["run"], again["tokens"]) == (f"{tmp_path}/ray", 160_000)
    assert {path.name for path in (tmp_path / "ray").iterdir()} == {"checkpoints", "lock", "metrics.jsonl"}
    assert again["weights"] == by_torchrun(tokens, tmp_path / "torchrun")["weights"]
    alone = winnow_json("train", tokens, "--at", tmp_path / "one", *ASKED)
    assert again["held_out_loss"] == pytest.approx(alone["held_out_loss"], abs=1e-9)


def by_torchrun(tokens, at):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pipeline"]
    command += ["train", tokens, "--at", str(at), "--json", *TWO]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(300)
def test_the_error_of_a_worker_is_told_as_it_is(tokens, tmp_path):
    at = tmp_path / "run"
    at.mkdir()
    with open(at / "lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunInUse, match="another process trains into it"):
            ray_training.train(tokens, str(at), [word for word in ASKED if word != "--set"], None, None)


@pytest.mark.parametrize(
    ("workers", "changed", "says"),
    [
        (3, ["parallel.data=2"], "--workers 3: train.parallel asks for 2"),
        (None, ["parallel.tensor=3"], "do not divide over tensor"),
    ],
)
def test_what_does_not_fit_is_said_before_a_cluster_is_begun(tokens, tmp_path, workers, changed, says):
    asked = [word for word in ASKED if word != "--set"]
    with pytest.raises(RecipeError, match=says):
        ray_training.train(tokens, str(tmp_path), [*asked, *changed], None, None, workers=workers)


def test_torchrun_and_ray_are_not_both(tokens, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="without torchrun"):
        ray_training.train(tokens, str(tmp_path), [], None, None)
