"""Model files: what is read is what was written, and a file that is damaged anywhere is refused in words."""

import hashlib
import struct
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.fasttext_model import load, read
from classifiers.fasttext_scores import predicted
from classifiers.fasttext_tables import FNV_BASIS, fnv, tree
from corpus.errors import RecipeError
from tests.classifiers.fasttext_files import HS, VOCABULARY, Made


def bytes_of(path):
    return np.frombuffer(path.read_bytes(), np.uint8)


def test_what_was_written_is_read(tmp_path):
    path = Made(dim=5, labels=("eng_Latn", "deu_Latn")).written(tmp_path / "m.bin")
    model = load(str(path))
    assert model.labels == ("eng_Latn", "deu_Latn")
    assert model.args == (5, 1, 3, 300, 2, 4)
    assert model.words.rows.shape == (len(VOCABULARY) + 300, 5)
    assert model.output.rows.shape == (2, 5)
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_loaded_once_and_anew_when_it_changes(tmp_path):
    path = Made().written(tmp_path / "m.bin")
    first = load(str(path))
    assert load(str(path)) is first
    other = Made(labels=("a", "b", "c", "d")).written(tmp_path / "other.bin")
    other.replace(path)
    assert load(str(path)).labels == ("a", "b", "c", "d")


def test_version_11_has_no_character_ngrams(tmp_path):
    model = load(str(Made(version=11).written(tmp_path / "m.bin")))
    assert model.args.maxn == 0


def test_fnv_is_over_signed_characters():
    """By hand: 0x80 is -128, 0xFFFFFF80 in 32 bits; plain FNV-1a of the byte would flip only the low eight bits."""
    expected = ((2166136261 ^ 0xFFFFFF80) * 16777619) % 2**32
    assert int(fnv(FNV_BASIS, np.uint8(0x80))) == expected
    assert int(fnv(FNV_BASIS, np.uint8(0x61))) == ((2166136261 ^ 0x61) * 16777619) % 2**32


def test_the_tree_of_four_labels_by_hand():
    """Counts 7, 3, 2, 1: 1 and 2 make 3 (node 4), 3 is not less than that so the node goes first, with 3 it makes 6."""
    left, right = tree(np.array([7, 3, 2, 1]))
    assert left.tolist() == [-1, -1, -1, -1, 3, 4, 5]
    assert right.tolist() == [-1, -1, -1, -1, 2, 1, 0]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return bytes_of(Made(loss=HS, dim=2, bucket=8).written(tmp_path_factory.mktemp("m") / "m.bin"))


def test_a_file_cut_short_anywhere_is_refused(small):
    for size in range(len(small)):
        with pytest.raises(RecipeError, match=r"model m\.bin: no fastText model"):
            read("m.bin", small[:size])


@given(st.data())
def test_damaged_sizes_are_refused_or_harmless(small, data):
    """Any four bytes of the arguments and sizes set to anything: a model or a RecipeError, no crash and no hunger."""
    at = data.draw(st.integers(0, 56 + 8 + 28 - 4))
    number = data.draw(st.sampled_from([-1, 0, 1, 2**31 - 1, -(2**31), 65, 1 << 20]) | st.integers(-(2**31), 2**31 - 1))
    damaged = bytearray(small)
    damaged[at : at + 4] = struct.pack("<i", number)
    with suppress(RecipeError):
        model = read("m.bin", np.frombuffer(bytes(damaged), np.uint8))
        assert 0 <= predicted(model, pa.array(["the naïve foo"], pa.large_string())).labels[0, 0] < 3


@pytest.mark.parametrize(
    ("change", "said"),
    [({"kind": 2}, "word vectors"), ({"loss": 9}, "loss number 9"), ({"maxn": 1000}, "1,000 character n-grams")],
)
def test_what_cannot_be_scored_is_said(tmp_path, change, said):
    with pytest.raises(RecipeError, match=said):
        load(str(Made(**change).written(tmp_path / "m.bin")))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "m.bin").write_bytes(b"PK\x03\x04 and more of a zip file")
    with pytest.raises(RecipeError, match="04034b50 where fastText writes 2f4f16ba"):
        load(str(tmp_path / "m.bin"))
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(RecipeError, match="0 bytes left"):
        load(str(tmp_path / "empty.bin"))
    with pytest.raises(RecipeError, match="no such file"):
        load(str(tmp_path / "none.bin"))


def test_counts_that_would_build_no_tree_are_refused(small):
    damaged = bytearray(small)
    at = bytes(small).index(b"__label__en\0") + 12
    damaged[at : at + 8] = struct.pack("<q", 10**15)
    with pytest.raises(RecipeError, match="counts of labels"):
        read("m.bin", np.frombuffer(bytes(damaged), np.uint8))
