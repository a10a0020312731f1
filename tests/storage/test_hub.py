"""Datasets of the Hugging Face Hub (hf://), from a local server that answers what is asked of a Hub."""

import json
import os
import subprocess
import sys

import pytest

from tests.e2e.runs import environment
from tests.storage.servers import Trouble, hub, served

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed: pip install 'winnow[hf]'")

BODY = os.urandom(400_000)

LOOK = """
import json, sys
from corpus import storage
root = "hf://datasets/someone/some/"
found = storage.glob(root + "data/**/*.bin")
body = storage.read_bytes(found[0].url)
with storage.opened(found[0].url) as file:
    file.seek(-10, 2)
    tail = file.read()
try:
    storage.write_bytes(root + "x", b"x")
except storage.RecipeError as error:
    refused = str(error)
print(json.dumps({"urls": [f.url for f in found], "sizes": [f.size for f in found], "stamps": [f.stamp for f in found],
    "body": body.hex(), "tail": tail.hex(), "none": storage.exists(root + "none"), "refused": refused}))
"""


@pytest.fixture
def server():
    with served(hub("someone/some", {"data/a.bin": BODY, "data/b/c.bin": b"c", "README.md": b"#"})) as front:
        yield front


def looked(server):
    """In a process of its own: huggingface_hub reads HF_ENDPOINT once, when it is imported."""
    env = environment() | {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": ""}
    done = subprocess.run([sys.executable, "-c", LOOK], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stderr[-3_000:]}\nasked: {server.asked}"
    return json.loads(done.stdout.splitlines()[-1])


def test_a_dataset_is_listed_and_read_by_parts_and_never_written(server):
    server.troubles = [Trouble("GET .*resolve", 503, times=2)]
    seen = looked(server)
    root = "hf://datasets/someone/some"
    assert seen["urls"] == [f"{root}/data/a.bin", f"{root}/data/b/c.bin"]
    assert seen["sizes"] == [len(BODY), 1]
    assert len(set(seen["stamps"])) == 2
    assert bytes.fromhex(seen["body"]) == BODY
    assert bytes.fromhex(seen["tail"]) == BODY[-10:]
    assert not seen["none"]
    assert "read only" in seen["refused"]
