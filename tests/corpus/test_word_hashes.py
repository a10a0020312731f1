"""The hashes of words alone are those of the word pass, on any text, wherever its blocks and its buffer end."""

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.documents import Batch
from corpus.word_hashes import hashes_of, word_hashes
from corpus.words import words

runs = st.one_of(
    st.text("aZ09", min_size=1, max_size=90),
    st.text("az'.,:;_-09 \n", max_size=12),
    st.text("é漢ёאا\u0301\u200b\u00ad\u00a0٣_'. a7", max_size=8),
    st.text(max_size=6),
    st.sampled_from(
        [" ", "\n\n", "don't", "3.14", "snake_case", "naïve", "x" * 63, "y" * 64, "z" * 65, "a'", "a.é", "_"]
    ),
)
texts = st.lists(runs, max_size=14).map("".join)


def assert_same(text):
    first, hashes = word_hashes(text)
    whole = words(text)
    assert first.tolist() == whole.first.tolist()
    assert hashes.tolist() == whole.hashes.tolist()


@settings(max_examples=400)
@given(st.lists(texts, max_size=5), st.booleans())
@example(["x" * 56 + " don't stop", "a" * 64, "", "b" * 200], True)
def test_they_are_those_of_the_word_pass(rows, padded):
    assert_same(pa.array([*rows, " " * 200 * padded], pa.large_string()))


@given(st.integers(0, 70), st.sampled_from(["ab", "a'b", "a_b", "aé", "漢", "12.5", "a" * 70, "a.", "a' b"]))
def test_a_word_may_lie_across_the_end_of_a_block(before, word):
    assert_same(pa.array(["-" * before + word + " tail" * 40], pa.large_string()))
    assert_same(pa.array(["-" * before + word], pa.large_string()))


def test_nulls_slices_and_no_texts_at_all():
    rows = pa.array(["one two", None, "three " * 50, "", "four"], pa.large_string())
    for text in (rows, rows[1:], rows[2:4], rows[:0]):
        assert_same(text)


def test_a_batch_that_was_split_is_not_hashed_again():
    batch = Batch(pa.record_batch([pa.array(["one two three"], pa.large_string())], names=["text"]))
    alone = [part.tolist() for part in hashes_of(batch)]
    batch.words = words(pa.array(["other words"], pa.large_string()))
    assert [part.tolist() for part in hashes_of(batch)] == [batch.words.first.tolist(), batch.words.hashes.tolist()]
    assert alone == [part.tolist() for part in word_hashes(batch.text)]
