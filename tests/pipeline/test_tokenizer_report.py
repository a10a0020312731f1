"""What a check of a tokenizer says: against brute force, and on tokenizers with faults that are known."""

import json

import pyarrow as pa
import pytest
from rich.console import Console
from tokenizers import Tokenizer as HuggingFace
from tokenizers import normalizers

from corpus.documents import ID, TEXT
from corpus.errors import RecipeError, TokenizerError
from corpus.words import words
from pipeline.finished import kept
from pipeline.report import tokenizers as report
from pipeline.tokenize import EOS
from pipeline.tokenizing import checking
from pipeline.tokenizing.checking import check
from pipeline.tokenizing.from_run import train
from pipeline.tokenizing.training import train_bpe
from tests.laws.test_runs import ran, without_nul

TEXTS = [*without_nul(250), "naïve 漢字 🏳️‍🌈 12345", "plain"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return ran(tmp_path_factory.mktemp("check"), TEXTS, stages=["exact"], shard_mb=0.05)


@pytest.fixture(scope="module")
def urls(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    for kind in ("bpe", "unigram"):
        train(run, f"{folder}/{kind}.json", kind=kind, vocab=450)
    return {kind: f"{folder}/{kind}.json" for kind in ("bpe", "unigram")}


def held(run):
    return [(row[ID], row[TEXT]) for table in run.tables(kept) for row in table.to_pylist()]


def test_every_figure_is_that_of_brute_force(run, urls):
    found = check(urls["bpe"], run, baselines=[urls["unigram"]])
    texts = [text for _, text in held(run)]
    for one in found["tokenizers"]:
        hf = HuggingFace.from_file(one["tokenizer"])
        ids = [hf.encode(text, add_special_tokens=False).ids for text in texts]
        size, made = sum(len(text.encode()) for text in texts), sum(map(len, ids))
        spoken = len(words(pa.array(texts, pa.large_string())).starts)
        assert (one["documents"], one["bytes"], one["tokens"], one["words"]) == (len(texts), size, made, spoken)
        assert one["bytes_per_token"] == size / made
        assert one["tokens_per_word"] == made / spoken
        used = {id_ for some in ids for id_ in some}
        there = {id_ for token, id_ in hf.get_vocab().items() if token != EOS}
        assert one["unused"]["tokens"] == len(there - used)
        assert one["unused"]["share"] == len(there - used) / len(there)
    assert json.dumps(found) == json.dumps(check(urls["bpe"], run, baselines=[urls["unigram"]]))


def test_domains_and_values_add_up(run, urls):
    found = check(urls["bpe"], run, by="cluster_size")["tokenizers"][0]
    for key in ("domains", "values"):
        for what in ("documents", "bytes", "words", "tokens"):
            assert sum(sums[what] for sums in found[key].values()) == found[what]
    assert len(found["values"]) > 1


def test_rare_values_are_summed(run, urls, monkeypatch):
    monkeypatch.setattr(checking, "MOST_VALUES", 2)
    found = check(urls["bpe"], run, by="id")["tokenizers"][0]
    assert [*found["values"]][2:] == ["(other)"]
    assert sum(sums["tokens"] for sums in found["values"].values()) == found["tokens"]


def test_a_byte_level_tokenizer_reads_everything_back(run, urls):
    for one in check(urls["bpe"], run, baselines=[urls["unigram"]])["tokenizers"]:
        assert one["round_trip"] == {"documents": len(held(run)), "differ": 0, "examples": []}
        # Bytes from 0x80 on are no characters alone; a BPE has further such tokens, our Unigram has not.
        assert one["partial"] == 128 or (one["model"] == "BPE" and one["partial"] > 128)


def test_a_tokenizer_that_loses_text_is_found_out(run, urls, tmp_path):
    hf = HuggingFace.from_file(urls["bpe"])
    hf.normalizer = normalizers.StripAccents()
    hf.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])
    hf.save(f"{tmp_path}/lossy.json")
    (one,) = check(f"{tmp_path}/lossy.json", run)["tokenizers"]
    accented = next(id_ for id_, text in held(run) if text.startswith("naïve 漢"))
    assert {"id": accented, "character": 2} in one["round_trip"]["examples"]


def test_a_token_that_no_text_gives_is_a_glitch_candidate(run, urls, tmp_path):
    """A token whose merge comes after one that takes its parts away: (a, b) first, so `bc` is never made of `abc`."""
    whole = json.loads(train_bpe([["x"]], 300))
    vocab = whole["model"]["vocab"]
    for token in ("ab", "abc", "bc", "zqz"):
        vocab[token] = len(vocab)
    whole["model"]["merges"] = [["a", "b"], ["ab", "c"]]  # `bc` and `zqz` have none
    (tmp_path / "glitch.json").write_text(json.dumps(whole))
    (one,) = check(f"{tmp_path}/glitch.json", run)["tokenizers"]
    assert [token["text"] for token in one["unreachable"]["examples"]] == ["bc", "zqz"]
    assert one["unreachable"]["examples"][0]["becomes"] == [vocab["b"], vocab["c"]]


def test_the_sample_is_seeded_and_about_as_large_as_asked(run, urls):
    one, same, other = (check(urls["bpe"], run, mb=0.1, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one["bytes"] != other["bytes"]
    assert 0.5 < one["bytes"] / 1e5 < 1.5


def test_what_cannot_be_had_is_said(run, urls, tmp_path):
    with pytest.raises(RecipeError, match=r"no column 'moon'.*there are"):
        check(urls["bpe"], run, by="moon")
    with pytest.raises(TokenizerError, match="cannot be read"):
        check(f"{tmp_path}/none.json", run)


def test_it_prints_in_100_columns_and_shows_no_escapes(run, urls):
    found = check(urls["bpe"], run, baselines=[urls["unigram"]], by="cluster_size")
    found["tokenizers"][0]["unreachable"] = {"tokens": 1, "examples": [{"id": 7, "text": "\x1b[2J", "becomes": [1]}]}
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    report.show_check(found, console)
    report.show_trained(train(run, urls["bpe"], vocab=450), console)
    text = console.export_text()
    assert "\x1b[2J" not in text
    assert "\\x1b[2J" in text
    assert max(map(len, text.splitlines())) <= 100
    assert f"{found['tokenizers'][0]['bytes_per_token']:.2f}" in text
