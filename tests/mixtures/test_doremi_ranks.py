"""DoReMi on several processes is DoReMi on one: the same weights, however the model is divided, also after a kill."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[1] / "trainer"))
import torch
from forked import at_step, begun, side_by_side
from trained_tokens import learnable, model, settings

from mixtures.doremi import traced
from mixtures.doremi_mixture import Round, Search
from mixtures.inventory import inventory
from mixtures.proxies import doremi
from trainer.parallel.launch import joined
from trainer.run.settings import Parallel

CLOSE = 1e-9
STEPS = 12
HALF = {"even": 0.5, "odd": 0.5}
EXPERTS = model(experts=4, active_experts=2)

WAYS = {
    "DDP": Parallel(data=2),
    "ZeRO 2": Parallel(data=2, zero=2),
    "ZeRO 3": Parallel(data=2, zero=3),
    "tensor": Parallel(tensor=2),
    "pipeline": Parallel(pipeline=2),
    "context": Parallel(context=2),
    "expert": Parallel(data=2, expert=2),
}
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return learnable(tmp_path_factory.mktemp("tokens"))


def asked(tokens, way="", steps=STEPS, **changes):
    own = {"precision": "fp64", "monitoring": {"every": 1}, "evaluation": {"held_out": 0.1, "every": 0}}
    shape = {"model": EXPERTS} if way == "expert" else {}
    parallel = WAYS.get(way, Parallel()).model_dump()
    return settings(tokens, steps, **(own | shape | {"parallel": parallel} | changes))


def rounds(wanted, at, most=1) -> list[Round]:
    search = Search(rounds=most, step_size=1.0, smoothing=1e-3, sampling="uniform", first=HALF, reference="uniform")
    torch.set_num_threads(1)
    return doremi.rounds(wanted, inventory(wanted.tokens), at, search)


def same(found: Path, wanted: Path, most: int = 1, steps: int = STEPS) -> bool:
    """Whether every step of every round has the same weights and excess."""
    pairs = [(traced(at / f"round-{n}" / "trace.jsonl") for at in (found, wanted)) for n in range(1, most + 1)]
    return all(
        len(one.alpha) == len(other.alpha) == steps
        and np.abs(one.alpha - other.alpha).max() <= CLOSE
        and np.abs(one.excess - other.excess).max() <= CLOSE
        for one, other in pairs
    )


def test_a_round_on_two_processes_is_that_of_one(tokens, tmp_path):
    rounds(asked(tokens, steps=3), tmp_path / "one")
    side_by_side(2, lambda _: rounds(asked(tokens, "DDP", steps=3), tmp_path / "two") and None)
    assert same(tmp_path / "two", tmp_path / "one", steps=3)


@pytest.mark.slow
def test_two_rounds_on_two_processes_are_those_of_one(tokens, tmp_path):
    """One group around all four trainings: a second one would wait for ever at the first one's store."""
    due = rounds(asked(tokens), tmp_path / "one", most=2)

    def work(rank):
        found = rounds(asked(tokens, "DDP"), tmp_path / "two", most=2)
        (tmp_path / f"found-{rank}.json").write_text(json.dumps([[one.weights, one.gaps] for one in found]))

    side_by_side(2, work)
    assert same(tmp_path / "two", tmp_path / "one", most=2)
    told = [json.loads((tmp_path / f"found-{rank}.json").read_text()) for rank in (0, 1)]
    assert told[0] == told[1]
    for (weights, gaps), one in zip(told[0], due, strict=True):
        assert weights == pytest.approx(one.weights, abs=CLOSE)
        assert gaps == pytest.approx(one.gaps, abs=CLOSE)
    assert abs(np.subtract(*(one.weights["even"] for one in due))) > 1000 * CLOSE  # rounds do differ


@pytest.mark.slow
def test_however_the_model_is_divided_the_weights_are_those_of_one_process(tokens, tmp_path):
    rounds(asked(tokens), tmp_path / "dense")
    rounds(asked(tokens, model=EXPERTS), tmp_path / "experts")

    def work(rank):
        with joined(torch.device("cpu")):
            for way in WAYS:
                rounds(asked(tokens, way), tmp_path / way)

    side_by_side(2, work)
    assert {way: same(tmp_path / way, tmp_path / ("experts" if way == "expert" else "dense")) for way in WAYS} == (
        dict.fromkeys(WAYS, True)
    )


SAVING = {"checkpoints": {"every": 3, "keep": 2}}


@pytest.mark.slow
def test_killed_on_two_processes_it_goes_on_to_the_same_bytes(tokens, tmp_path):
    """In the reference, then in the proxy, with -9, which takes both processes."""
    wanted = asked(tokens, "ZeRO 3", **SAVING)
    side_by_side(2, lambda _: rounds(wanted, tmp_path / "due") and None)
    for name, step in (("reference", 5), ("proxy", 7)):

        def work():
            os.setpgid(0, 0)
            side_by_side(2, lambda _: rounds(wanted, tmp_path / "killed") and None)

        folder = tmp_path / "killed" / "round-1" / name
        assert at_step(folder, step, begun(work), signal.SIGKILL, group=True) == -signal.SIGKILL
    side_by_side(2, lambda _: rounds(wanted, tmp_path / "killed") and None)
    due, found = ((tmp_path / at / "round-1" / "trace.jsonl").read_bytes() for at in ("due", "killed"))
    assert found == due


@pytest.mark.slow
def test_begun_by_one_process_it_goes_on_with_two(tokens, tmp_path):
    rounds(asked(tokens), tmp_path / "due")
    child = begun(lambda: rounds(asked(tokens, **SAVING), tmp_path / "moved") and None)
    folder = tmp_path / "moved" / "round-1" / "proxy"
    assert at_step(folder, 5, child, signal.SIGKILL) == -signal.SIGKILL
    side_by_side(2, lambda _: rounds(asked(tokens, "DDP", **SAVING), tmp_path / "moved") and None)
    assert same(tmp_path / "moved", tmp_path / "due")
