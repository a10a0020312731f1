"""Training, loading and encoding, on real tokenizers that these tests train and build themselves."""

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers, processors, trainers

from corpus.errors import TokenizerError
from pipeline import tokenize
from pipeline.tokenize import EOS, Tokenizer, sampled, train_bpe

SOURCES = sorted(Path(os.__file__).parent.glob("*.py"))[:80]  # 3 MB of real text that every Python has
TEXTS = [path.read_text(encoding="utf-8") for path in SOURCES]
TRICKY = [
    EOS,
    f"a{EOS}b {EOS}",
    "",
    " ",
    "\n\n  \n",
    "naïve 漢字かな 🏳️‍🌈",
    "x" * 5000,
    "\x00\x1f",
    "don't  stop",
]


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return Tokenizer(train_bpe([TEXTS], 2048).encode(), "tokenizer.json")


def column(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def documents(ids: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    return np.split(ids, np.cumsum(lengths)[:-1]) if len(lengths) else []


# Training

TRAIN = """
import random, sys
from pathlib import Path
from pipeline.tokenize import train_bpe
texts = [Path(p).read_text(encoding="utf-8") for p in sys.argv[3:]]
random.Random(int(sys.argv[1])).shuffle(texts)
per = int(sys.argv[2])
print(train_bpe((texts[i : i + per] for i in range(0, len(texts), per)), 2048))
"""


def trained_elsewhere(seed: int, per_batch: int, **environment: str) -> str:
    command = [sys.executable, "-c", TRAIN, str(seed), str(per_batch), *map(str, SOURCES)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=os.environ | environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_training_depends_on_neither_order_batches_threads_nor_process(trained):
    one = trained_elsewhere(1, 1, RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", PYTHONHASHSEED="1")
    four = trained_elsewhere(2, 33, RAYON_NUM_THREADS="4", TOKENIZERS_PARALLELISM="true", PYTHONHASHSEED="2")
    assert one == four == trained.text.decode()


def test_merges_of_equal_count_do_not_depend_on_order():
    words = [f" {a}{b}" for a in "abcdefgh" for b in "ijklmnop"]  # 64 pairs, each met twice
    forth = train_bpe([["".join(words)], ["".join(words)]], 300)
    back = train_bpe([["".join(words[::-1]), "".join(words[::-1])]], 300)
    assert forth == back
    assert len(json.loads(forth)["model"]["merges"]) == 300 - 257


def test_the_vocabulary_is_what_was_asked_and_begins_with_the_end_token(trained):
    assert (trained.vocab, trained.eos, trained.eos_id) == (2048, EOS, 0)
    assert trained.dtype == np.uint16


def test_too_little_text_gives_a_smaller_vocabulary_and_no_text_gives_bytes():
    assert Tokenizer(train_bpe([["ab ab"]], 8192).encode(), "t").vocab == 258  # " ab" is met once only
    assert Tokenizer(train_bpe([], 8192).encode(), "t").vocab == 257


def test_a_vocabulary_below_the_bytes_is_refused():
    with pytest.raises(TokenizerError, match="257"):
        train_bpe([TEXTS], 256)


def test_a_word_of_a_megabyte_does_not_stall_training():
    began = time.monotonic()
    train_bpe([["ab" * 500_000, " " * 1_000_000]], 300)
    assert time.monotonic() - began < 20  # 0.3 s; uncut it takes six minutes and more


def test_end_tokens_in_training_text_do_not_become_tokens():
    text = train_bpe([[EOS * 3 + " hello"] * 5], 400)
    assert [t["content"] for t in json.loads(text)["added_tokens"]] == [EOS]


# Encoding


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=200), max_size=8))
def test_byte_level_ids_read_back_as_the_very_text(trained, texts):
    ids, lengths = trained.encode(column(texts))
    assert [trained.decode(d) for d in documents(ids, lengths)] == texts
    assert lengths.sum() == len(ids)


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_text_reads_back_and_ends_once(trained, text):
    ids, lengths = trained.encode(column([text, text]))
    for document in documents(ids, lengths):
        assert trained.decode(document) == text
        assert np.flatnonzero(document == trained.eos_id).tolist() == [len(document) - 1]


def test_ids_are_the_librarys_own_with_one_end_token(trained):
    plain = tokenizers.Tokenizer.from_str(trained.text.decode())
    ids, lengths = trained.encode(column(TEXTS[:9]))
    for text, document in zip(TEXTS[:9], documents(ids, lengths), strict=True):
        assert document.tolist() == [*plain.encode(text, add_special_tokens=False).ids, trained.eos_id]


def test_how_a_column_is_sliced_changes_nothing(trained):
    whole, lengths = trained.encode(column(TRICKY))
    halves = [trained.encode(column(["x", *TRICKY]).slice(1 + a, b - a)) for a, b in ((0, 4), (4, len(TRICKY)))]
    assert np.array_equal(whole, np.concatenate([h[0] for h in halves]))
    assert np.array_equal(lengths, np.concatenate([h[1] for h in halves]))


def test_no_documents_are_no_ids_and_a_null_is_an_empty_document(trained):
    ids, lengths = trained.encode(column([]))
    assert (len(ids), ids.dtype, len(lengths)) == (0, np.uint16, 0)
    ids, lengths = trained.encode(pa.array([None], pa.large_string()))
    assert (ids.tolist(), lengths.tolist()) == ([trained.eos_id], [1])


def test_a_tokenizer_travels_by_pickle(trained):
    again = pickle.loads(pickle.dumps(trained))  # noqa: S301  our own bytes
    assert again.card == trained.card
    assert np.array_equal(again.encode(column(TRICKY))[0], trained.encode(column(TRICKY))[0])


def test_truncation_padding_and_templates_of_a_file_are_not_followed(trained):
    hf = tokenizers.Tokenizer.from_str(trained.text.decode())
    hf.enable_truncation(4)
    hf.enable_padding(length=4)
    hf.post_processor = processors.TemplateProcessing(f"{EOS} $A {EOS}", None, [(EOS, 0)])
    meddling = Tokenizer(hf.to_str().encode(), "meddling.json")
    for mine, theirs in zip(meddling.encode(column(TRICKY)), trained.encode(column(TRICKY)), strict=True):
        assert np.array_equal(mine, theirs)


# Long documents


def with_split(pattern: str) -> tokenizers.Tokenizer:
    """Byte-level with another splitting pattern, as in newer models."""
    hf = tokenizers.Tokenizer(models.BPE())
    hf.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    hf.decoder = tokenizers.decoders.ByteLevel()
    return hf


def llama2_like() -> tokenizers.Tokenizer:
    """No splitting at all, and a mark put before every text: it can be cut nowhere."""
    hf = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    hf.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return hf


CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@pytest.fixture(scope="module")
def kinds(trained) -> dict[str, Tokenizer]:
    split, llama = with_split(CL100K), llama2_like()
    specials = [AddedToken(EOS, special=True)]
    split.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=2000, special_tokens=specials, show_progress=False))
    lines = [line for text in TEXTS[:9] for line in text.splitlines()]
    specials = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    llama.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=900, special_tokens=specials, show_progress=False))
    return {
        "gpt2": trained,
        "cl100k": Tokenizer(split.to_str().encode(), "cl100k.json"),
        "llama2": Tokenizer(llama.to_str().encode(), "llama2.json"),
    }


WORDY = st.text(st.sampled_from("aé漢.,'1_ \n\t"), max_size=400)


@pytest.mark.parametrize("kind", ["gpt2", "cl100k"])
@settings(max_examples=150, deadline=None)
@given(text=WORDY, extra=st.text(max_size=100))
def test_cutting_a_document_at_spaces_changes_no_id(kinds, kind, text, extra):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenize, "MOST", 10_000)
        uncut = kinds[kind].encode(column([text + extra]))[0]
        patch.setattr(tokenize, "PIECE", 5)
        assert np.array_equal(kinds[kind].encode(column([text + extra]))[0], uncut)


def test_the_law_above_does_cut(trained, monkeypatch):
    monkeypatch.setattr(tokenize, "PIECE", 5)
    assert len(list(trained._pieces(b"one two three four five six"))) > 2


@settings(max_examples=100, deadline=None)
@given(text=WORDY)
def test_a_document_without_a_place_to_cut_still_reads_back(trained, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenize, "PIECE", 3)
        patch.setattr(tokenize, "MOST", 5)
        assert trained.decode(trained.encode(column([text]))[0]) == text


def test_a_tokenizer_that_never_splits_is_cut_only_at_the_most(kinds, monkeypatch):
    monkeypatch.setattr(tokenize, "PIECE", 100)
    monkeypatch.setattr(tokenize, "MOST", 1000)
    pieces = [piece for piece, _ in kinds["llama2"]._pieces(b"some words " * 500)]
    assert {len(piece) for piece in pieces[:-1]} == {1000}


def test_a_real_document_of_a_megabyte_has_the_ids_of_one_piece(kinds):
    text = "\n".join(TEXTS)[:1_000_000]
    for kind in ("gpt2", "cl100k"):
        ids, lengths = kinds[kind].encode(column([text, "end"]))
        plain = tokenizers.Tokenizer.from_str(kinds[kind].text.decode())
        assert ids[: lengths[0] - 1].tolist() == plain.encode(text, add_special_tokens=False).ids


MEMORY = """
import resource, sys
import pyarrow as pa
from pathlib import Path
from pipeline.tokenize import Tokenizer, train_bpe
text = "".join(Path(p).read_text(encoding="utf-8") for p in sys.argv[1:])
tokenizer = Tokenizer(train_bpe([[text]], 1000).encode(), "t")
tokenizer.encode(pa.array([text[:1_000_000]]))
long = pa.array([(text * 10)[:20_000_000]], pa.large_string())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tokenizer.encode(long)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_a_document_of_20_megabytes_takes_bounded_memory():
    command = [sys.executable, "-c", MEMORY, *map(str, SOURCES)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 400  # MB: the text and its ids are 60; in one piece it takes 2,600


# Loading


def test_load_says_what_a_file_is_not(tmp_path, trained):
    for content, said in ((b"{oops", "not JSON"), (b"[1]", "no `model`"), (b'{"vocab": {}}', "no `model`")):
        (tmp_path / "t.json").write_bytes(content)
        with pytest.raises(TokenizerError, match=said):
            Tokenizer.load(str(tmp_path / "t.json"))
    (tmp_path / "t.json").write_text(json.dumps({"model": {"type": "Magic"}}))
    with pytest.raises(TokenizerError, match="cannot load it"):
        Tokenizer.load(str(tmp_path / "t.json"))
    with pytest.raises(TokenizerError, match=r"cannot be read.*tokenizer\.json was expected"):
        Tokenizer.load(str(tmp_path / "absent.json"))
    (tmp_path / "t.json").write_bytes(trained.text)
    assert Tokenizer.load(str(tmp_path / "t.json")).card.model_dump() == trained.card.model_dump() | {"file": "t.json"}


def with_added(tokens: list[AddedToken]) -> bytes:
    hf = tokenizers.Tokenizer.from_str(train_bpe([["some words"]], 300).replace(EOS, "<|pad|>"))
    hf.add_tokens(tokens)
    return hf.to_str().encode()


def test_the_end_token_is_the_common_name_or_the_one_asked_for():
    text = with_added([AddedToken("</s>", special=True), AddedToken("<|im_end|>", special=True)])
    assert Tokenizer(text, "t").eos == "</s>"
    assert Tokenizer(text, "t", eos="<|im_end|>").eos == "<|im_end|>"
    with pytest.raises(TokenizerError, match=r"no token '<fin>'.*'<\|im_end\|>'"):
        Tokenizer(text, "t", eos="<fin>")


def test_without_an_end_token_the_candidates_are_named():
    with pytest.raises(TokenizerError, match=r"Name one as eos.*'<\|pad\|>', '<\|stop\|>'"):
        Tokenizer(with_added([AddedToken("<|stop|>", special=True)]), "t")


def test_an_end_token_kept_as_a_common_token_is_not_found_in_text_either():
    tokenizer = Tokenizer(with_added([AddedToken("</s>", special=False)]), "t")
    ids, _ = tokenizer.encode(column(["x</s>y", "</s>"]))
    assert (ids == tokenizer.eos_id).sum() == 2


def test_a_tokenizer_that_makes_end_tokens_of_text_is_refused():
    hf = tokenizers.Tokenizer(models.WordLevel({"</s>": 0, "a": 1, "?": 2}, unk_token="?"))
    hf.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    hf.add_special_tokens(["</s>"])
    with pytest.raises(TokenizerError, match="from plain text"):
        Tokenizer(hf.to_str().encode(), "words.json")


def test_an_end_token_that_only_some_text_makes_is_refused_when_met():
    hf = tokenizers.Tokenizer(models.WordLevel({"</s>": 0, "a": 1, "?": 2}, unk_token="?"))
    hf.normalizer = normalizers.Replace("END", "</s>")
    hf.pre_tokenizer = pre_tokenizers.Split(Regex("</s>$"), "isolated")
    hf.add_special_tokens(["</s>"])
    hf.normalizer = normalizers.Sequence([normalizers.Replace("</s>", "?"), normalizers.Replace("END", "</s>")])
    tokenizer = Tokenizer(hf.to_str().encode(), "words.json")
    with pytest.raises(TokenizerError, match="document 1"):
        tokenizer.encode(column(["a", "END", "a"]))


def test_ids_of_a_vocabulary_over_65536_are_int32():
    hf = tokenizers.Tokenizer(models.WordLevel({str(n): n for n in range(65_536)}, unk_token="0"))
    hf.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    hf.add_special_tokens([EOS])
    tokenizer = Tokenizer(hf.to_str().encode(), "t")
    ids, _ = tokenizer.encode(column(["65535 7"]))
    assert (tokenizer.vocab, ids.dtype, ids.tolist()) == (65_537, np.int32, [65_535, 7, 65_536])


# Sampling


def test_a_sample_is_near_its_share_and_hangs_on_the_id_alone():
    ids = pa.array([f"doc-{n}" for n in range(20_000)])
    chosen = sampled(ids, 0.3, seed=1)
    assert abs(chosen.mean() - 0.3) < 0.02  # six standard deviations
    assert np.array_equal(chosen[::-1], sampled(ids.take(pa.array(range(19_999, -1, -1))), 0.3, seed=1))
    assert not np.array_equal(chosen, sampled(ids, 0.3, seed=2))
    assert np.all(sampled(ids, 0.5, seed=1)[chosen])
    assert sampled(ids, 1.0, seed=1).all()
    assert not sampled(ids, 0.0, seed=1).any()
