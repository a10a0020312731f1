"""`winnow mix swarm` in processes of its own: killed and gone on, to the same bytes, and on to a mixture."""

import json
import time

import psutil
import pytest

from tests.e2e.runs import start, winnow_json
from tests.e2e.test_json import fits
from tests.pipeline.byte_tokens import byte_tokens

pytestmark = pytest.mark.slow  # torch is imported by each process: 3 s

SMALL = ("model.layers=1", "model.width=16", "model.heads=2", "model.ffn_width=16", "model.context=16")
SETTINGS = [word for said in (*SMALL, "budget=2K", "batch.tokens=256") for word in ("--set", said)]


def test_a_swarm_that_was_killed_goes_on_to_the_same_bytes_and_to_a_mixture(tmp_path):
    tokens = byte_tokens(tmp_path / "tokens")
    asked = ("mix", "swarm", tokens, "--runs", 10, "--workers", 1, *SETTINGS)
    at, until = tmp_path / "swarm", time.monotonic() + 100
    process = start(*asked, "--at", at, "--json")
    while not (at / "runs.jsonl").exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    (worker,) = psutil.Process(process.pid).children()
    process.kill()
    process.communicate()
    worker.wait(20)
    begun = len((at / "runs.jsonl").read_text().splitlines())
    assert 1 <= begun < 10
    facts = winnow_json(*asked, "--at", at)
    fits(facts, "swarm")
    assert (facts["proxies"], facts["failed"]) == (10, {})
    assert winnow_json(*asked, "--at", at) == facts
    whole = winnow_json(*asked, "--at", tmp_path / "whole")
    for name in ("runs.jsonl", "swarm.json"):
        assert (at / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert whole["best"] == facts["best"]
    mixture = winnow_json("mix", "regmix", tokens, "--runs", facts["runs"], "--out", tmp_path / "mixture.json")
    assert mixture["settings"]["evidence"]["runs"] == 10
    assert json.loads((tmp_path / "mixture.json").read_text())["inputs"] == facts["inputs"]
