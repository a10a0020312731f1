"""Whole runs over sources that are no files of this machine: a pipe, a web server, a bucket."""

import gzip
import json
import subprocess
import sys

import pytest
import yaml

from corpus import storage
from corpus.errors import RecipeError, SourceError
from corpus.source import Source
from corpus.units import matched
from pipeline.places import run_home
from tests.e2e.runs import corpus, environment, recipe, winnow_json
from tests.storage.servers import files, served
from tests.storage.test_store_sources import ran, uploaded

LINES = "".join(json.dumps({"id": f"r{n}", "text": f"the text of number {n}"}) + "\n" for n in range(50)).encode()


def asked(folder, *paths):
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({"name": "there", "sources": [{"path": one} for one in paths], "stages": ["exact"]}))
    return path


def piped(content, *arguments):
    command = [sys.executable, "-m", "pipeline", *map(str, arguments), "--json"]
    done = subprocess.run(command, input=content, capture_output=True, env=environment(), timeout=120)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow  # four processes: 66 s on a busy machine; what becomes of a pipe is in test_spooling.py
def test_a_pipe_is_read_planned_and_gone_on_with(tmp_path):
    path, at = asked(tmp_path, "-"), tmp_path / "run"
    code, first = piped(LINES, "run", path, "--at", at, "--workers", 1)
    assert (code, first["documents"]["read"]) == (0, 50)
    assert winnow_json("plan", path, "--at", at)["done"]
    assert winnow_json("run", at / "recipe.yaml", "--at", at, "--workers", 1)["digest"] == first["digest"]


def test_an_empty_pipe_is_said(tmp_path):
    code, said = piped(b"", "run", asked(tmp_path, "-"), "--at", tmp_path / "run")
    assert (code, "is empty" in said["error"]["message"]) == (1, True)


def test_files_of_a_web_server_give_the_digest_of_local_ones_whatever_their_query(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(LINES)
    (tmp_path / "in" / "b.jsonl.gz").write_bytes(gzip.compress(LINES.replace(b"text of", b"words of")))
    here = ran(asked(tmp_path, f"{tmp_path}/in/*"), str(tmp_path / "here"))
    with served(files({f"/in/{p.name}": p.read_bytes() for p in (tmp_path / "in").iterdir()})) as web:
        path = asked(tmp_path, *(f"{web.url}/in/{name}?download=true" for name in ("a.jsonl", "b.jsonl.gz")))
        assert ran(path, str(tmp_path / "there")) == here
        with pytest.raises(SourceError, match=r"no file matches.*The server has no such file"):
            matched(Source(path=f"{web.url}/in/c.jsonl"))
        with pytest.raises(RecipeError, match="read only"):
            run_home(f"{web.url}/run")


def test_what_is_near_in_a_bucket_is_named(bucket):
    storage.write_bytes(f"{bucket}/a/books.jsonl", LINES)
    with pytest.raises(SourceError, match=rf"In {bucket}/a, for 'boks.jsonl': nearest is 'books.jsonl'"):
        matched(Source(path=f"{bucket}/a/boks.jsonl"))
    with pytest.raises(SourceError, match=rf"In {bucket}, for 'b': "):
        matched(Source(path=f"{bucket}/b/c/*.jsonl"))
    with pytest.raises(SourceError, match="Nor is there any folder above it"):
        matched(Source(path="s3://no-such-bucket/*.jsonl"))


@pytest.mark.slow
def test_token_shards_of_sources_on_s3_have_the_digest_of_local_ones(bucket, tmp_path):
    """Units there are known by their ETag, here by a hash of their content: names differ, what is made does not."""
    inputs = corpus(tmp_path / "in", 120)
    uploaded(inputs, f"{bucket}/in")
    here = ran(recipe(tmp_path / "here.yaml", inputs), str(tmp_path / "here"))
    assert ran(recipe(tmp_path / "there.yaml", f"{bucket}/in"), str(tmp_path / "there")) == here
