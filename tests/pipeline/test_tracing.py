"""From any token of a run back to its document: against the corpus itself."""

import json
import shutil

import numpy as np
import pytest
from rich.console import Console

from corpus.errors import RecipeError, ShardError, TokenizerError
from corpus.manifest import read_manifest
from corpus.tokens import read_shard
from pipeline.finished import kept
from pipeline.report import tokenizers as report
from pipeline.tokenize import Tokenizer
from pipeline.tracing import trace
from tests.laws.test_runs import ran, without_nul

ODD = "naïve 漢字かな 🏳️‍🌈 \ufffd\ufffd end é"
TEXTS = [*without_nul(200), ODD]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace")
    return ran(folder, TEXTS, stages=["exact"], files=3, shard_mb=0.05, tokens={"vocab": 400, "train_mb": 0.1})


@pytest.fixture(scope="module")
def documents(run):
    return {row["id"]: row for table in run.tables(kept) for row in table.to_pylist()}


def every(run):
    manifest = run.report["manifest"]
    for number, entry in enumerate(read_manifest(manifest).shards):
        yield number, entry, read_shard(manifest.rpartition("/")[0] + "/" + entry.path)


def test_tokens_lead_to_their_documents_and_all_columns(run, documents):
    for number, entry, shard in every(run):
        for position in np.linspace(0, len(shard.ids) - 1, 7).astype(int).tolist():
            found = trace(run.report["manifest"], f"{number}", position)
            assert found == trace(run.report["manifest"], entry.path, position)
            row = documents[found["document"]["id"]]
            n = found["document"]["number"]
            assert found["token"] == shard.ids[position] == shard.document(n)[found["place"]["token"]]
            assert found["columns"] == {
                k: v for k, v in row.items() if v is not None and k not in ("id", "text", "domain")
            }
            assert found["place"]["tokens"] == shard.lengths[n]
            text, at, size = row["text"], found["place"]["character"], len(found["context"]["token"])
            if "\ufffd" not in found["context"]["token"] and not found["place"]["end"]:
                assert text[at : at + size] == found["context"]["token"]
                assert text[:at].endswith(found["context"]["before"].lstrip("\ufffd"))
            assert len(text[:at].encode()) == found["place"]["byte"]


def test_every_token_of_an_odd_text_has_its_place(run, documents):
    tokenizer = Tokenizer.load(run.report["manifest"].rpartition("/")[0] + "/tokenizer.json")
    (id_,) = [i for i, row in documents.items() if row["text"] == ODD]
    for number, _, shard in every(run):
        for n in range(len(shard)):
            if tokenizer.decode(shard.document(n)) != ODD:
                continue
            start, size = int(shard.starts[n]), 0
            for token in range(int(shard.lengths[n]) - 1):
                found = trace(run.report["manifest"], f"{number}", start + token)
                assert found["document"]["id"] == id_
                # the character that the byte before the token ends in, or where the token begins
                letters = len(ODD.encode()[:size].decode(errors="ignore"))
                assert found["place"]["character"] == letters
                size += len(tokenizer.reference.id_to_token(found["token"]))
            assert size == len(ODD.encode())
            assert trace(run.report["manifest"], f"{number}", start + token + 1)["place"]["end"]
            return
    pytest.fail("the odd text is in no shard")


def test_an_id_made_of_file_and_offset_gives_them(tmp_path):
    (tmp_path / "in").mkdir()
    lines = [json.dumps({"text": text}) + "\n" for text in ("one two", "three four")]
    (tmp_path / "in" / "x.jsonl").write_text("".join(lines))
    from pipeline.engines import engine
    from pipeline.home import Home
    from pipeline.progress import Silent
    from pipeline.recipe import parse
    from pipeline.run import Run

    recipe = {"name": "t", "sources": [{"path": f"{tmp_path}/in/*.jsonl"}], "tokens": {"vocab": 300}}
    with engine("local", 1) as inline:
        made = Run(parse(recipe), Home(f"{tmp_path}/run"), inline, Silent(), 10)()
    last = trace(made["manifest"], "0", made["tokens"] - 1)
    assert last["document"]["file"] == f"{tmp_path}/in/x.jsonl"
    assert last["document"]["offset"] == len(lines[0])


def test_what_is_not_there_is_said(run, tmp_path):
    manifest = run.report["manifest"]
    tokens = read_manifest(manifest).shards[0].tokens
    for shard, position, said in (
        ("moon/0", 0, "no shard 'moon/0'"),
        ("99", 0, "no shard"),
        ("0", tokens, "not in it"),
    ):
        with pytest.raises(RecipeError, match=said):
            trace(manifest, shard, position)
    with pytest.raises(RecipeError, match="not in it"):
        trace(manifest, "0", -1)
    copy = tmp_path / "away" / "tokens"
    shutil.copytree(manifest.rpartition("/")[0], copy)
    with pytest.raises(RecipeError, match="--run"):
        trace(f"{copy}/manifest.json", "0", 0)
    assert trace(f"{copy}/manifest.json", "0", 0, run.home.at)["columns"]
    (copy / "tokenizer.json").write_text((copy / "tokenizer.json").read_text() + " ")
    with pytest.raises(TokenizerError, match="has hash"):
        trace(f"{copy}/manifest.json", "0", 0, run.home.at)


def test_another_runs_corpus_is_refused_not_misread(run, tmp_path):
    other = ran(tmp_path, TEXTS[::-1], stages=["exact"], files=3, shard_mb=0.05, tokens={"vocab": 400, "train_mb": 0.1})
    with pytest.raises(ShardError, match=r"made by another|made anew"):
        trace(run.report["manifest"], "0", 0, other.home.at)


def test_it_prints_no_escapes(run):
    found = trace(run.report["manifest"], "0", 3)
    found["context"]["after"] = "\x1b[2J"
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    report.show_trace(found, console)
    text = console.export_text()
    assert "\x1b[2J" not in text
    assert found["document"]["id"] in text
