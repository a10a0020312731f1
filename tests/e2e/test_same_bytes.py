"""One digest, whoever did the work: worker counts, engines, batch sizes, and kills at random moments."""

import random
import time

import pytest

from tests.e2e.runs import corpus, kill_tree, recipe, start, winnow_json


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A recipe, its inputs, and the digest of an undisturbed run with how long it took."""
    folder = tmp_path_factory.mktemp("same")
    path = recipe(folder / "recipe.yaml", corpus(folder / "in"))
    winnow_json("run", path, "--at", folder / "warm", "--workers", 1)  # compiles the kernels
    begun = time.monotonic()
    report = winnow_json("run", path, "--at", folder / "one", "--workers", 1)
    assert min(report["documents"]["kept"], report["documents"]["dropped"], report["tokens"]) > 100
    return folder, path, report, time.monotonic() - begun


@pytest.mark.parametrize(
    "how",
    [("--workers", 2), ("--workers", 1, "--batch-size", 64), ("--workers", 2, "--batch-size", 4096)],
    ids=lambda how: "".join(map(str, how)),
)
def test_workers_and_batches_change_nothing(made, tmp_path, how):
    _, path, alone, _ = made
    found = winnow_json("run", path, "--at", tmp_path / "run", *how)
    assert {**found, "run": 0, "seconds": 0} == {**alone, "run": 0, "seconds": 0}


@pytest.mark.ray
def test_ray_gives_the_same_bytes(made, tmp_path):
    _, path, alone, _ = made
    found = winnow_json("run", path, "--at", tmp_path / "run", "--engine", "ray", "--workers", 2)
    assert found["digest"] == alone["digest"]


def killed_again_and_again(path, at, took, engine, kills, seed):
    """Run, kill the whole tree at a random moment, run again, `kills` times; how often it was still working."""
    draw, in_time = random.Random(seed), 0
    for _ in range(kills):
        process = start("run", path, "--at", at, *engine)
        time.sleep(draw.uniform(0.3, 1.0) * took)
        in_time += process.poll() is None
        kill_tree(process)
    return in_time


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ten_kills_and_a_resume_give_the_same_bytes(made, tmp_path, workers):
    _, path, alone, took = made
    at, engine = tmp_path / "run", ("--workers", workers)
    in_time = killed_again_and_again(path, at, took, engine, 10, seed=workers)
    assert in_time >= 1  # later runs may finish before they are killed: that is the resume working
    found = winnow_json("run", path, "--at", at, *engine)
    assert {**found, "run": 0, "seconds": 0} == {**alone, "run": 0, "seconds": 0}
    assert not [p for p in at.rglob("*") if ".aside-" in p.name]
    assert not list(at.rglob("work"))


@pytest.mark.ray
@pytest.mark.slow
def test_ten_kills_on_ray_and_a_resume_give_the_same_bytes(made, tmp_path):
    _, path, alone, took = made
    at, engine = tmp_path / "run", ("--engine", "ray", "--workers", 2)
    killed_again_and_again(path, at, took + 12, engine, 10, seed=3)
    found = winnow_json("run", path, "--at", at, *engine)
    assert found["digest"] == alone["digest"]
