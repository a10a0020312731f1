"""floret's files: what is left without its two arguments is fastText's, and nothing else is taken for one."""

import hashlib
import struct

import fasttext
import floret
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.fasttext_model import load
from classifiers.floret_models import standard
from corpus.errors import RecipeError
from tests.classifiers.fasttext_files import Made, floretted, trained

LINES = [("en", "the house and the water"), ("de", "das Haus und das Wasser"), ("ru", "дом и вода")] * 20
ASKED = [line + end for _, line in LINES[:3] for end in ("", " the", " Haus")]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model that floret trained, its predictions, and the file that it saved."""
    place = tmp_path_factory.mktemp("floret")
    (place / "lines").write_text("".join(f"__label__{label} {text}\n" for label, text in LINES), encoding="utf-8")
    model = floret.train_supervised(
        str(place / "lines"), dim=6, minn=1, maxn=3, wordNgrams=2, bucket=50, lrUpdateRate=77, t=0.25, thread=1,
        epoch=20, lr=0.5, verbose=0,
    )  # fmt: skip
    model.save_model(str(place / "floret.bin"))
    return model, (place / "floret.bin").read_bytes()


def test_all_arguments_are_where_fasttext_has_them(saved):
    """By the order of fastText's Args::save: twelve int32 from dim to lrUpdateRate, then t as a double."""
    raw = standard(saved[1])
    assert len(raw) == len(saved[1]) - 8
    asked = (793712314, 12, 6, 5, 20, 1, 5, 2, 3, 3, 50, 1, 3, 77, 0.25)  # 3, 3: softmax, supervised
    assert struct.unpack_from("<14id", raw) == asked
    assert struct.unpack_from("<3i", raw, 64)[2] == 3  # labels, in the dictionary that follows


def test_the_library_reads_it_and_says_what_floret_says(saved, tmp_path):
    model, raw = saved
    (tmp_path / "m.bin").write_bytes(standard(raw))
    library = fasttext.load_model(str(tmp_path / "m.bin"))
    for text in ASKED:
        said = library.f.predict(text + "\n", 3, 0.0, "strict")
        assert said == model.f.predict(text + "\n", 3, 0.0, "strict")
        assert len(said) == 3
    assert set(load(str(tmp_path / "m.bin")).labels) == {"en", "de", "ru"}


def test_the_same_lines_train_the_same_file(tmp_path):
    once, again = (trained(LINES, tmp_path / name, dim=6, minn=1, maxn=3, bucket=50) for name in ("once", "again"))
    assert hashlib.sha256(once.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest()


@given(st.binary(max_size=40))
def test_what_was_put_in_is_taken_out(tmp_path_factory, rest):
    raw = Made(dim=2, bucket=4).written(tmp_path_factory.getbasetemp() / "plain.bin").read_bytes() + rest
    assert standard(floretted(raw)) == raw


def test_what_floret_did_not_write_is_refused(saved, tmp_path):
    plain = standard(saved[1])
    with pytest.raises(RecipeError, match="mode 77 of"):  # its lrUpdateRate stands there
        standard(plain)
    with pytest.raises(RecipeError, match="this one has 59"):
        standard(saved[1][:59])
    with pytest.raises(RecipeError, match="04034b50"):
        standard(b"PK\x03\x04" + bytes(80))


def test_florets_own_mode_is_refused(tmp_path):
    """Real: its words have no rows of their own, so what fastText would look up is another word's."""
    (tmp_path / "lines").write_text("".join(f"{text}\n" for _, text in LINES), encoding="utf-8")
    model = floret.train_unsupervised(
        str(tmp_path / "lines"), mode="floret", hashCount=2, dim=4, bucket=50, minCount=1, thread=1, verbose=0
    )
    model.save_model(str(tmp_path / "floret.bin"))
    with pytest.raises(RecipeError, match="mode 2 of 2 hashes"):
        standard((tmp_path / "floret.bin").read_bytes())
