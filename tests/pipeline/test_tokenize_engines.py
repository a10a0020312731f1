"""The fast engine gives the reference's ids or none at all, and whoever made the ids, the bytes are the same."""

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from corpus.errors import TokenizerError
from pipeline import tokenize
from pipeline.tokenize import EOS, Tokenizer
from pipeline.tokenizing import engines, proof
from pipeline.tokenizing.engines import fast
from pipeline.tokenizing.proof import PASSAGE, PROBES, checked, differing, proven, spot_check
from pipeline.tokenizing.training import Splitting, train_bpe
from pipeline.tokenizing.unigram import train_unigram
from tests.laws.corpora import planted

pytest.importorskip("gigatoken", reason="the fast engine is not installed")

TEXTS = [text for text in planted(300) if text.strip()] + [probe * 3 for probe in PROBES]
ANY = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)
ODD = st.text(st.sampled_from("aZé漢ß'ſ._<|>0٣² \n\r\t\x0b\x0c\x1c\x85\xa0\u2028\u3000\u0301\u200d🏳"), max_size=200)
KINDS = {"gpt2": Splitting(), "cl100k": Splitting("groups3", "lines"), "qwen2": Splitting("split", "lines")}


def column(texts):
    return pa.array(texts, pa.large_string())


def table(texts):
    return pa.table({"id": [f"t{n}" for n in range(len(texts))], "text": column(texts)})


@pytest.fixture(scope="module")
def kinds():
    made = {name: train_bpe([TEXTS], 900, splitting, ["<|im_start|>"]) for name, splitting in KINDS.items()}
    return {name: Tokenizer(text.encode(), name, engine="gigatoken") for name, text in made.items()}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150)
@given(texts=st.lists(ANY | ODD, max_size=6))
def test_the_fast_engine_gives_the_references_ids(kinds, kind, texts):
    assert kinds[kind].engine.name == "gigatoken"
    ours, theirs = (kinds[kind].encode(column(texts), reference=who) for who in (False, True))
    assert np.array_equal(ours[0], theirs[0])
    assert np.array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_spelled_in_text_are_letters_to_the_fast_engine_too(kinds, kind):
    text = f"a{EOS}b {EOS}<|im_start|> <|im_start|>"
    ids, lengths = kinds[kind].encode(column([text, EOS]))
    special = [kinds[kind].reference.token_to_id(token) for token in (EOS, "<|im_start|>")]
    assert np.flatnonzero(np.isin(ids, special)).tolist() == (np.cumsum(lengths) - 1).tolist()
    assert kinds[kind].decode(ids[: lengths[0]]) == text


def test_tokens_added_without_being_special_are_found_by_both(kinds):
    hf = tokenizers.Tokenizer.from_str(kinds["gpt2"].text.decode())
    hf.add_tokens([AddedToken("<tab>", special=False, normalized=False)])
    added = Tokenizer(hf.to_str().encode(), "added", engine="gigatoken")
    ids, _ = added.encode(column(["a<tab>b"]))
    assert added.reference.token_to_id("<tab>") in ids
    assert np.array_equal(ids, added.encode(column(["a<tab>b"]), reference=True)[0])


@settings(max_examples=60)
@given(text=st.text(st.sampled_from("aé漢🏳.1_ \n\t"), max_size=400))
def test_a_long_document_has_the_same_ids_in_windows_and_pieces(kinds, text):
    uncut = kinds["gpt2"].encode(column([text]))[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenize, "PIECE", 5)
        patch.setattr(tokenize, "MOST", 40)
        for reference in (False, True):
            cut = kinds["gpt2"].encode(column([text]), reference=reference)[0]
            assert kinds["gpt2"].decode(cut) == text
            if " " in text and max(map(len, text.split(" "))) < 10:
                assert np.array_equal(cut, uncut)


def test_an_engine_renewed_again_and_again_gives_the_same(kinds, monkeypatch):
    ids, _ = kinds["gpt2"].encode(column(TEXTS))
    monkeypatch.setattr(engines, "RENEWED", 1000)
    again = Tokenizer(kinds["gpt2"].text, "t", engine="gigatoken")
    backend = again.engine._backend
    for _ in range(3):
        assert np.array_equal(again.encode(column(TEXTS))[0], ids)
    assert again.engine._backend is not backend


@pytest.mark.parametrize(
    "splitting", [Splitting("keep", "lines"), Splitting("groups3", "runs"), Splitting("split", "runs")]
)
def test_a_splitting_the_fast_engine_does_not_know_is_refused_not_guessed(splitting):
    text = train_bpe([TEXTS], 400, splitting).encode()
    assert "cannot load" in fast(text, EOS)
    verdict = proven(Tokenizer(text, "t"), [table(TEXTS)])
    assert (verdict.engine, verdict.documents) == ("huggingface", 0)
    assert Tokenizer(text, "t", engine="gigatoken").engine.name == "huggingface"


def test_a_unigram_is_encoded_by_the_reference():
    assert proven(Tokenizer(train_unigram([TEXTS], 400).encode(), "t"), []).engine == "huggingface"


def test_equal_ids_on_the_sample_prove_the_fast_engine(kinds):
    verdict = proven(kinds["cl100k"].by("huggingface"), [table(TEXTS), table([]), table(["x"])])
    assert verdict.engine == "gigatoken"
    assert verdict.documents > len(TEXTS)


# An engine that is wrong on purpose: a real tokenizer of the same vocabulary, splitting otherwise.


class Wrong:
    """Gigatoken's place, taken by an engine that reads digits otherwise."""

    name = "gigatoken"

    def __init__(self, tokenizer):
        self.right = tokenizer.engine

    def __call__(self, pieces):
        return self.right([piece.replace(b"7", b"8") for piece in pieces])


@pytest.fixture
def wrong(kinds):
    tokenizer = Tokenizer(kinds["gpt2"].text, "wrong", engine="gigatoken")
    tokenizer.__dict__["engine"] = Wrong(kinds["gpt2"])
    return tokenizer


def test_a_spot_check_names_the_document_and_the_reference_redoes_all(kinds, wrong):
    texts, ids = column(["six", "it was 7 then", "eight"]), pa.array(["a", "b", "c"])
    flat, lengths, said = checked(wrong, texts, ids)
    right = kinds["gpt2"].encode(texts)
    assert np.array_equal(flat, right[0])
    assert np.array_equal(lengths, right[1])
    assert "document 'b': from token" in said
    assert checked(wrong, column(["six"]), pa.array(["a"]))[2] is None


def test_a_long_document_is_checked_by_its_beginning(wrong):
    ids = pa.array(["long"])
    for text, found in ((f"7 {'a b ' * PASSAGE}", True), (f"{'a b ' * PASSAGE} 7", False)):
        texts = column([text])
        assert (spot_check(wrong, texts, wrong.encode(texts), ids) is not None) == found


def test_an_engine_that_fails_leaves_the_work_to_the_reference(kinds):
    class Broken(Wrong):
        def __call__(self, pieces):
            raise TokenizerError("gigatoken failed: index out of bounds")

    broken = Tokenizer(kinds["gpt2"].text, "broken", engine="gigatoken")
    broken.__dict__["engine"] = Broken(kinds["gpt2"])
    flat, _, said = checked(broken, column(TEXTS), pa.array([f"{n}" for n in range(len(TEXTS))]))
    assert np.array_equal(flat, kinds["gpt2"].encode(column(TEXTS))[0])
    assert "index out of bounds" in said


def test_a_mismatch_on_the_sample_is_found_and_said(kinds, monkeypatch):
    monkeypatch.setattr(Tokenizer, "by", lambda self, engine: self)
    tokenizer = Tokenizer(kinds["gpt2"].text, "wrong", engine="gigatoken")
    tokenizer.__dict__["engine"] = Wrong(kinds["gpt2"])
    verdict = proven(tokenizer, [])
    assert verdict.engine == "huggingface"
    assert "document 'probe" in verdict.reason


def test_the_first_document_that_differs_is_named_with_its_place():
    lengths, ids = np.array([2, 3]), pa.array(["a", "b"])
    one, other = np.array([1, 0, 5, 6, 0]), np.array([1, 0, 5, 7, 0])
    assert differing((one, lengths), (one.copy(), lengths), ids) is None
    assert differing((one, lengths), (other, lengths), ids) == ("b", 1, [6, 0], [7, 0])
    longer = np.array([1, 0, 5, 6, 6, 0])
    assert differing((one, lengths), (longer, np.array([2, 4])), ids) == ("b", 2, [0], [6, 0])


@given(st.integers(1, 40), st.integers(0, 9))
def test_spots_are_few_and_do_not_depend_on_where_a_document_stands(count, turn):
    texts = [f"{n} " * 2000 for n in range(count)]
    ids = [f"d{n}" for n in range(count)]
    chosen = {ids[row] for row in proof._spots(column(texts), pa.array(ids))}
    moved = ids[turn % count :] + ids[: turn % count]
    again = {moved[row] for row in proof._spots(column([texts[ids.index(i)] for i in moved]), pa.array(moved))}
    assert chosen == again
    assert 1 <= len(chosen) <= proof.SPOTS
