"""Training: the same text gives the same bytes, splits are kept, and special tokens stay out of reach of text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from corpus.errors import RecipeError, TokenizerError
from mixtures.inventory import Inventory
from mixtures.mixture import Mixture
from pipeline.tokenize import EOS, Tokenizer
from pipeline.tokenizing import sampling, unigram
from pipeline.tokenizing.from_run import train
from pipeline.tokenizing.training import Splitting, train_bpe
from pipeline.tokenizing.unigram import BYTES, train_unigram
from tests.laws.corpora import planted
from tests.laws.test_runs import ran, without_nul

TEXTS = [*planted(200), "In 1984 and 2001, 31337 of 1000000 were there. def f(x):\n    return x\n" * 9]
TRAINERS = {"bpe": train_bpe, "unigram": train_unigram}
SPLITTINGS = [Splitting(digits, space) for digits in ("keep", "split", "groups3") for space in ("runs", "lines")]


@pytest.mark.parametrize("kind", TRAINERS)
@given(seed=st.randoms(use_true_random=False), per=st.integers(1, 50))
@settings(max_examples=5)
def test_order_and_batches_change_no_byte(kind, seed, per):
    texts = [*TEXTS]
    seed.shuffle(texts)
    batches = [texts[n : n + per] for n in range(0, len(texts), per)]
    assert TRAINERS[kind](batches, 400) == TRAINERS[kind]([TEXTS], 400)


UNIGRAM = """
from pipeline.tokenizing.unigram import train_unigram
from tests.laws.corpora import planted
print(train_unigram([planted(200)], 400))
"""


def test_a_unigram_is_the_same_in_another_process():
    environment = os.environ | {"PYTHONHASHSEED": "3", "RAYON_NUM_THREADS": "3", "TOKENIZERS_PARALLELISM": "true"}
    command, root = [sys.executable, "-c", UNIGRAM], Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == train_unigram([planted(200)], 400)


@pytest.mark.parametrize("kind", TRAINERS)
@pytest.mark.parametrize("splitting", SPLITTINGS, ids=lambda s: f"{s.digits}-{s.white_space}")
def test_no_token_reaches_over_a_split(kind, splitting):
    vocab = json.loads(TRAINERS[kind]([TEXTS], 600, splitting))["model"]["vocab"]
    tokens = [token for token in (vocab if isinstance(vocab, dict) else [t for t, _ in vocab]) if token != EOS]
    texts = [token.translate(BYTES).encode("latin-1").decode(errors="ignore") for token in tokens]
    digits = max(sum(letter.isdigit() for letter in text) for text in texts)
    assert digits <= {"keep": 99, "split": 1, "groups3": 3}[splitting.digits]
    assert splitting.digits != "keep" or digits > 3
    if splitting.white_space == "lines":
        assert not [text for text in texts if "\n" in text[:-1].rstrip("\r\n") and text.strip() == "" and " " in text]


@pytest.mark.parametrize("kind", TRAINERS)
@settings(max_examples=60)
@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=200))
def test_any_text_reads_back(kind, text):
    tokenizer = _made(kind)
    ids, _ = tokenizer.encode(pa.array([text], pa.large_string()))
    assert tokenizer.decode(ids) == text


_MADE: dict[str, Tokenizer] = {}


def _made(kind):
    if kind not in _MADE:
        text = TRAINERS[kind]([TEXTS], 500, Splitting("groups3", "lines"), ["<|im_start|>"])
        _MADE[kind] = Tokenizer(text.encode(), kind)
    return _MADE[kind]


@pytest.mark.parametrize("kind", TRAINERS)
def test_special_tokens_come_first_and_never_from_text(kind):
    tokenizer = _made(kind)
    assert [tokenizer.reference.token_to_id(t) for t in (EOS, "<|im_start|>")] == [0, 1]
    ids, lengths = tokenizer.encode(pa.array([f"{EOS}<|im_start|> {EOS} <|im_start|>"] * 2))
    assert np.flatnonzero(ids <= 1).tolist() == (np.cumsum(lengths) - 1).tolist()


@pytest.mark.parametrize("kind", TRAINERS)
def test_no_text_gives_the_bytes_and_too_small_a_vocabulary_is_refused(kind):
    assert Tokenizer(TRAINERS[kind]([], 400).encode(), kind).vocab == 257
    with pytest.raises(TokenizerError, match="258"):
        TRAINERS[kind]([TEXTS], 257, Splitting(), ["<|pad|>"])
    for special in (["<|pad|>", "<|pad|>"], [" "], [EOS]):
        with pytest.raises(RecipeError, match="empty or there twice"):
            TRAINERS[kind]([TEXTS], 400, Splitting(), special)


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_special_token_that_is_a_word_of_the_text_is_refused(kind):
    with pytest.raises(TokenizerError, match="put marks around it"):
        TRAINERS[kind]([["the the the"] * 50], 300, Splitting(), ["the"])


# Unigram


def test_letters_of_bytes_are_those_of_the_library():
    assert sorted(unigram._LETTERS) == sorted(pre_tokenizers.ByteLevel.alphabet())
    text = "naïve 漢字\x00\x7f\xad"
    ((word, _),) = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    assert word.translate(BYTES).encode("latin-1").decode() == text


def test_digamma_is_that_of_the_tables():
    known = {1: -0.5772156649, 0.5: -1.9635100260, 2: 0.4227843351, 10: 2.2517525890}  # Abramowitz and Stegun 6.3
    assert np.allclose(unigram._digamma(np.array([*known], float)), [*known.values()], atol=2e-9)


def test_expected_uses_are_those_of_all_ways_to_cut_a_word():
    words = unigram.Words(np.frombuffer(b"aab", np.uint8), np.array([0, 3]), np.array([2.0]))
    places, sizes = np.r_[np.arange(256), 0], np.r_[np.zeros(256, np.int64), 2]  # the bytes, and "aa"
    chances = np.full(257, 1e-9)
    chances[[ord("a"), ord("b"), 256]] = 0.5, 0.25, 0.25
    slots = unigram._table(words.data, places, sizes, unigram._BASE)
    uses = unigram._expected(*words, slots, places, sizes, np.log(chances), unigram._BASE)
    # a a b: 0.5 * 0.5 * 0.25, aa b: 0.25 * 0.25; equally likely, and the word is there twice
    assert np.allclose(uses[[ord("a"), ord("b"), 256]], [2.0, 2.0, 1.0])


def test_what_is_frequent_becomes_a_token_and_pieces_are_whole_characters():
    text = train_unigram([["漢字 漢字 hello"] * 30], 270)
    tokens = [token.translate(BYTES).encode("latin-1") for token, _ in json.loads(text)["model"]["vocab"][1:]]
    assert "漢字".encode() in tokens or " 漢字".encode() in tokens
    assert all(len(token) == 1 or token.decode() for token in tokens)  # decode raises on half a character


# From a run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return ran(tmp_path_factory.mktemp("training"), without_nul(300), stages=["exact"], shard_mb=0.05)


@pytest.mark.parametrize("kind", TRAINERS)
def test_the_same_call_writes_the_same_bytes_and_says_what_it_read(run, tmp_path, kind):
    facts = [train(run, f"{tmp_path}/{n}.json", kind=kind, vocab=400, train_mb=0.05) for n in range(2)]
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()
    assert facts[0] == facts[1] | {"tokenizer": f"{tmp_path}/0.json"}
    assert facts[0]["vocab"] == Tokenizer.load(f"{tmp_path}/0.json").vocab <= 400
    assert 0.5 < facts[0]["bytes"] / 50_000 < 1.5
    assert facts[0]["bytes"] == sum(one["bytes"] for one in facts[0]["domains"].values())


def test_another_seed_reads_other_documents(run, tmp_path):
    one, other = (train(run, f"{tmp_path}/t.json", vocab=300, train_mb=0.03, seed=seed) for seed in (1, 2))
    assert one["bytes"] != other["bytes"]


def test_shares_are_by_bytes_or_by_weight_and_never_more_than_there_is():
    sizes = {"a": 3_000_000, "b": 1_000_000}
    assert sampling.shares(sizes, 2) == {"a": 0.5, "b": 0.5}
    assert sampling.shares(sizes, 2, {"a": 0.25, "b": 0.75}) == {"a": pytest.approx(1 / 6), "b": 1.0}
    assert sampling.shares(sizes, 99) == {"a": 1.0, "b": 1.0}
    with pytest.raises(RecipeError, match="above 0"):
        sampling.shares(sizes, float("nan"))


def test_a_mixture_weighs_the_sample_and_must_be_of_these_domains(run, tmp_path):
    (domain,) = sampling.kept_bytes(run)
    for names, good in (({domain: 1.0}, True), ({domain: 0.5, "moon": 0.5}, False)):
        held = Inventory(dict.fromkeys(names, 10), "0" * 32)
        Mixture.of("static", {}, names, held, None).save(f"{tmp_path}/m.json")
        if good:
            assert sampling.mixed(f"{tmp_path}/m.json", {domain: 5}) == names
        else:
            with pytest.raises(RecipeError, match="no text was kept of moon"):
                train(run, f"{tmp_path}/t.json", mixture=f"{tmp_path}/m.json")


def test_what_is_not_known_is_refused(run, tmp_path):
    for wrong in ({"kind": "wordpiece"}, {"digits": "two"}, {"white_space": "none"}):
        with pytest.raises(RecipeError, match="one of:"):
            train(run, f"{tmp_path}/t.json", **wrong)
    with pytest.raises(TokenizerError, match="no document is in a sample"):
        train(run, f"{tmp_path}/t.json", train_mb=1e-9)
