"""What a run made, in every format: each document's tokens are its kept text, and nothing is lost on the way."""

import json

import pytest
import tokenizers

from pipeline.converting import Tokens, check, convert
from pipeline.finished import Finished, kept
from tests.corpus.token_folders import ALL, contents, stream
from tests.e2e.runs import corpus, recipe, winnow_json


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    winnow_json(
        "run", recipe(folder / "recipe.yaml", corpus(folder / "in", 200)), "--at", folder / "run", "--workers", 1
    )
    tokens = winnow_json("report", folder / "run")["manifest"].rpartition("/")[0]
    run = Finished.at(str(folder / "run"))
    texts = {row["id"]: (row["domain"], row["text"]) for table in run.tables(kept) for row in table.to_pylist()}
    return tokens, texts


@pytest.mark.parametrize("format", [*ALL, "megatron"])
def test_decoded_tokens_are_the_kept_text(made, tmp_path, format):
    tokens, texts = made
    done = convert(tokens, f"{tmp_path}/out", format, part_bytes=5_000)
    tokenizer = tokenizers.Tokenizer.from_file(f"{tmp_path}/out/tokenizer.json")
    eos = check(f"{tmp_path}/out").tokenizer.eos_id
    found = {}
    for _, domain, _, id, _, ids in stream(tmp_path / "out"):
        assert ids.index(eos) == len(ids) - 1  # one end token, and it is the last
        found[id] = (domain, tokenizer.decode(ids[:-1], skip_special_tokens=False))
    assert found == texts
    assert (done["documents"], len({domain for domain, _ in texts.values()})) == (len(texts), 4)


@pytest.mark.parametrize("format", ALL)
def test_what_comes_back_is_the_run_s_own_bytes(made, tmp_path, format):
    tokens, _ = made
    convert(tokens, f"{tmp_path}/out", format, part_bytes=5_000)
    assert max(json.loads((tmp_path / "out/manifest.json").read_text())["parts"].values()) > 1
    convert(f"{tmp_path}/out", f"{tmp_path}/back", "megatron")
    before, back = contents(tokens), contents(tmp_path / "back")
    assert back == {name: before[name] for name in back}
    suffixes = (".bin", ".idx", ".rows.parquet")
    shards = {f"{entry.path}{suffix}" for entry in Tokens.at(tokens).manifest.shards for suffix in suffixes}
    assert set(back) == {"manifest.json", "tokenizer.json", *shards}
