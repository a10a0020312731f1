"""Token shards of a run hold exactly the kept text: by domain, document for document, with a way back."""

import json
import shutil

import pytest

from corpus import shards
from corpus.tokens import check, read_shard
from pipeline.finished import Finished, kept
from pipeline.tokenize import Tokenizer
from tests.e2e.runs import corpus, recipe, winnow, winnow_json


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    path = recipe(folder / "recipe.yaml", corpus(folder / "in", 400))
    report = winnow_json("run", path, "--at", folder / "run", "--workers", 2)
    return folder, path, report, winnow_json("report", folder / "run")


def texts(run):
    return {row["id"]: (row["domain"], row["text"]) for table in run.tables(kept) for row in table.to_pylist()}


def decoded(manifest_url):
    """id -> (domain, text) of every document in the shards of a manifest."""
    manifest, folder = check(manifest_url), manifest_url.rsplit("/", 1)[0]
    tokenizer = Tokenizer.load(f"{folder}/tokenizer.json")
    found = {}
    for entry in manifest.shards:
        shard = read_shard(f"{folder}/{entry.path}", verify=entry)
        ids = shards.read(f"{folder}/{entry.path}.rows.parquet")["id"].to_pylist()
        for n, id_ in enumerate(ids):
            found[id_] = (entry.domain, tokenizer.decode(shard.document(n)))
    return manifest, found


def test_decoded_shards_are_the_kept_text(made):
    folder, _, report, figures = made
    manifest, found = decoded(figures["manifest"])
    assert found == texts(Finished.at(str(folder / "run")))
    assert manifest.tokens == report["tokens"] == sum(d["tokens"] for d in figures["domains"].values())
    assert manifest.documents == report["documents"]["kept"] == len(found)


def test_a_given_tokenizer_is_used_as_it_is(made, tmp_path):
    folder, _, _, figures = made
    given = tmp_path / "given.json"
    shutil.copy(f"{figures['manifest'].rsplit('/', 1)[0]}/tokenizer.json", given)
    path = recipe(tmp_path / "recipe.yaml", folder / "in", tokens={"tokenizer": str(given)})
    winnow_json("run", path, "--at", tmp_path / "run", "--workers", 1)
    manifest, found = decoded(winnow_json("report", tmp_path / "run")["manifest"])
    assert manifest.tokenizer.hash == check(figures["manifest"]).tokenizer.hash
    assert found == texts(Finished.at(str(folder / "run")))


def test_a_tokenizer_that_is_none_is_refused_before_anything_is_read(made, tmp_path):
    folder, *_ = made
    (tmp_path / "wrong.json").write_text(json.dumps({"not": "a tokenizer"}))
    path = recipe(tmp_path / "recipe.yaml", folder / "in", tokens={"tokenizer": str(tmp_path / "wrong.json")})
    assert "wrong.json" in winnow("run", path, "--at", tmp_path / "run", code=1)
    assert not list((tmp_path / "run").glob("documents-*"))
    missing = recipe(tmp_path / "missing.yaml", folder / "in", tokens={"tokenizer": "nowhere.json"})
    assert "nowhere.json" in winnow("run", missing, "--at", tmp_path / "run", code=2)
