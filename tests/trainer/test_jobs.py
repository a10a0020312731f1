"""Small runs side by side: on this machine or as tasks of an engine they come to the same, whoever is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import psutil
import pytest
import torch
from trained_tokens import learnable, settings

from corpus.errors import RecipeError
from pipeline.engines import engine
from stages.base import Needs
from trainer.evaluation.held_out import DomainLoss
from trainer.jobs import workers
from trainer.jobs.job import RESULT, _found, made
from trainer.jobs.ray_tasks import MOST_DEATHS, STARTS, run_on_ray, trained
from trainer.jobs.workers import asked, cuda_devices, done, on_cuda
from trainer.run.outcome import BUDGET, Outcome
from trainer.run.settings import TrainSettings

torch.set_num_threads(1)


@dataclass(frozen=True)
class Small:
    name: str
    settings: TrainSettings


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return learnable(tmp_path_factory.mktemp("tokens"))


def jobs(tokens, steps=20):
    return [Small(f"seed-{seed}", settings(tokens, steps, seed=seed)) for seed in range(2)]


def alone(folder, wanted):
    """What came of the jobs in this very process."""
    for job in wanted:
        made(asked(folder, job))
    return [done(folder, job) for job in wanted]


def figures(found):
    return [(one.job.name, one.loss, one.tokens, one.why, one.domains, one.trained) for one in found]


def test_tasks_of_an_engine_come_to_what_runs_alone_do_and_are_not_made_twice(tokens, tmp_path):
    wanted = jobs(tokens)
    told = []
    with engine("local", 1) as inline:
        first = run_on_ray(tmp_path / "tasks", wanted, inline.map, told.append)
        files = {path: path.stat().st_mtime_ns for path in (tmp_path / "tasks").glob(f"*/{RESULT}")}
        again = run_on_ray(tmp_path / "tasks", wanted, inline.map, told.append)
    assert figures(first) == figures(alone(tmp_path / "alone", wanted)) == figures(again)
    assert len(told) == 4
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert not list((tmp_path / "tasks").glob(f"*/{STARTS}"))


def test_a_third_start_trains_nothing_and_a_new_command_forgets_the_deaths(tokens, tmp_path):
    job = jobs(tokens)[0]
    own = asked(tmp_path, job)
    (own / STARTS).write_text("1\n" * MOST_DEATHS)
    assert trained(str(own)) == ""
    assert not (own / RESULT).exists()
    with engine("local", 1) as inline:
        (found,) = run_on_ray(tmp_path, [job], inline.map)
    assert found.loss is not None


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path):
    with pytest.raises(RecipeError, match="all machines see"):
        trained(str(tmp_path / "elsewhere"))


def test_what_cannot_be_trained_is_refused_as_in_the_pool(tokens, tmp_path):
    strange = Small("strange", jobs(tokens)[0].settings.model_copy(update={"mixture": {"even": 0.5, "seven": 0.5}}))
    with engine("local", 1) as inline, pytest.raises(RecipeError, match="'seven'"):
        run_on_ray(tmp_path, [strange], inline.map)


def test_a_run_without_a_finite_loss_still_says_what_it_was_trained_on():
    lost = DomainLoss(documents=1, tokens=8, nats=float("nan"), text_tokens=7, text_nats=1.0, bytes=9)
    said = _found(Outcome(3, 384, {"even": 384}, {}, {"even": lost}, 0, BUDGET, "0a"))
    assert (said["tokens"], said["trained"]) == (384, {"even": 384})
    assert "nan" in said["why"]
    assert "loss" not in said


def test_gpus_are_taken_in_turn_where_jobs_train_on_them(tokens, monkeypatch):
    wanted = jobs(tokens)
    assert not on_cuda(wanted)
    assert on_cuda([Small("gpu", wanted[0].settings.model_copy(update={"device": "cuda"}))])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-7")
    assert cuda_devices() == ["2", "GPU-7"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert len(cuda_devices()) == torch.cuda.device_count()
    assert workers._environment("3")["CUDA_VISIBLE_DEVICES"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in workers._environment(None)


class Killer(threading.Thread):
    """Kills the process of a job in the middle of its training, `times` times."""

    def __init__(self, folder, times):
        super().__init__(daemon=True)
        self.folder, self.times, self.killed = folder, times, []

    def run(self):
        while len(self.killed) < self.times:
            time.sleep(0.05)
            starts, metrics = self.folder / STARTS, self.folder / "metrics.jsonl"
            known = starts.read_text().splitlines() if starts.exists() else []
            if len(known) > len(self.killed) and metrics.exists() and '"step"' in metrics.read_text():
                os.kill(int(known[-1]), signal.SIGKILL)
                self.killed.append(known[-1])
                metrics.unlink()


@pytest.fixture(scope="module")
def cluster():
    with engine("ray", 1) as found:  # 5 s, hence once
        yield found


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("times", [1, MOST_DEATHS])
def test_a_killed_task_goes_on_and_one_that_is_always_killed_is_told(cluster, tokens, tmp_path, times):
    wanted = jobs(tokens, steps=150)
    killer = Killer(tmp_path / "ray" / wanted[0].name, times)
    killer.start()
    found = run_on_ray(tmp_path / "ray", wanted, lambda task, items: cluster.map(task, items, needs=Needs()))
    killer.join(5)
    assert len(killer.killed) == times
    whole = alone(tmp_path / "alone", wanted)
    if times == 1:
        assert figures(found) == figures(whole)
    else:
        assert found[0].died
        assert f"died {MOST_DEATHS} times" in found[0].why
        assert found[0].loss is None
        assert figures(found[1:]) == figures(whole[1:])


@pytest.mark.slow
def test_a_killed_worker_of_this_machine_goes_on_with_its_job(tokens, tmp_path):
    wanted = jobs(tokens, steps=150)[:1]
    killed = []

    def kill():
        metrics = tmp_path / "pool" / wanted[0].name / "metrics.jsonl"
        while not (metrics.exists() and '"step"' in metrics.read_text()):
            time.sleep(0.05)
        for child in psutil.Process().children():
            if "trainer.jobs.job" in " ".join(child.cmdline()):
                child.kill()
                killed.append(child.pid)

    threading.Thread(target=kill, daemon=True).start()
    found = workers.run(tmp_path / "pool", wanted, 1)
    assert len(killed) == 1
    assert figures(found) == figures(alone(tmp_path / "alone", wanted))


@pytest.mark.slow
def test_where_the_command_is_killed_its_workers_end_and_the_next_one_goes_on(tokens, tmp_path):
    wanted = jobs(tokens, steps=400)[:1]
    code = (
        "import sys; from pathlib import Path; from test_jobs import Small, jobs; from trainer.jobs import workers\n"
        f"workers.run(Path({str(tmp_path / 'pool')!r}), jobs({tokens!r}, steps=400)[:1], 1)"
    )
    path = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parent)])
    command = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path})
    metrics = tmp_path / "pool" / wanted[0].name / "metrics.jsonl"
    while not (metrics.exists() and '"step"' in metrics.read_text()):
        assert command.poll() is None
        time.sleep(0.05)
    (worker,) = psutil.Process(command.pid).children()
    command.kill()
    command.wait()
    worker.wait(20)
    assert done(tmp_path / "pool", wanted[0]) is None
    assert figures(workers.run(tmp_path / "pool", wanted, 1)) == figures(alone(tmp_path / "alone", wanted))


@pytest.mark.slow
def test_a_job_that_cannot_be_had_ends_those_beside_it(tokens, tmp_path):
    long, strange = jobs(tokens, steps=20_000)  # 100 s
    strange = Small("strange", strange.settings.model_copy(update={"mixture": {"even": 0.5, "seven": 0.5}}))
    with pytest.raises(RecipeError, match="'seven'"):
        workers.run(tmp_path, [long, strange], 2)
    assert done(tmp_path, long) is None
    assert not [child for child in psutil.Process().children() if "trainer.jobs.job" in " ".join(child.cmdline())]


def begun(folder, job, told=lambda one: None):
    """A worker at its job, which has made a step."""
    asked(folder, job)
    left = SimpleQueue()
    left.put(job)
    worker = workers._Worker(folder, left, told, None)
    worker.start()
    metrics = folder / job.name / "metrics.jsonl"
    while not (metrics.exists() and '"step"' in metrics.read_text()):
        assert worker.is_alive()
        time.sleep(0.02)
    return worker


@pytest.mark.slow
def test_a_run_that_is_told_to_end_while_it_is_measured_keeps_nobody_waiting(tmp_path):
    """After its last step a run does not hear SIGTERM any more: its process ends for there is no other job."""
    many = learnable(tmp_path / "tokens", documents=200)
    looks = {"evaluation": {"every": 0, "held_out": 0.4, "most_tokens": 10**9}, "monitoring": {"every": 1}}
    job = Small("measured", settings(many, 1, **looks))
    worker = begun(tmp_path / "pool", job)
    ending = threading.Thread(target=worker.end, daemon=True)
    ending.start()
    try:
        ending.join(45)
        assert not ending.is_alive()
    finally:
        worker.process.kill()


@pytest.mark.slow
def test_what_libraries_print_is_no_answer_and_ctrl_c_is_for_who_asked(tokens, tmp_path, monkeypatch):
    """Ctrl-C goes to all processes of a terminal; here one prints as it reads its settings, and is sent SIGINT."""
    greets = "import os, sys\nsys.addaudithook(lambda event, args: event == 'open' and"
    greets += " str(args[0]).endswith('settings.json') and os.write(1, b'welcome\\n'))\n"
    (tmp_path / "sitecustomize.py").write_text(greets)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told = []
    job = Small("greeted", settings(tokens, 150, monitoring={"every": 1}))
    worker = begun(tmp_path / "pool", job, told.append)
    process = worker.process
    os.kill(process.pid, signal.SIGINT)
    worker.join(60)
    assert worker.failed is None
    assert worker.process is process
    assert figures(told) == figures(alone(tmp_path / "alone", [job]))
    worker.end()
