"""Shingles stand for n-grams: equal where those are, none more, in order; and XXH64 is XXH64."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.hashing import mix64
from corpus.words import words
from corpus.xxhash import xxh64
from stages.normalisation import DATATROVE, normalised
from stages.shingles import capped, char_shingles, characters, datatrove_shingles, datatrove_words, shingles

columns = st.lists(st.text(st.sampled_from("ab é日😀\n"), max_size=30), max_size=5)
sizes = st.integers(1, 7)


def column(texts):
    return pa.array(texts, pa.large_string())


def rows(found):
    first, values = found
    assert values.dtype == np.uint64
    return [values[a:b].tolist() for a, b in pairwise(first)]


def grams(units, ngram):
    """Every run of `ngram`, all of a shorter sequence, and none of an empty one."""
    return [tuple(units[i : i + ngram]) for i in range(max(len(units) - ngram + 1, min(len(units), 1)))]


def assert_one_to_one(hashes, expected):
    """As many hashes as n-grams, equal where those are equal and nowhere else."""
    assert [len(row) for row in hashes] == [len(row) for row in expected]
    pairs = {pair for row, grams in zip(hashes, expected, strict=True) for pair in zip(row, grams, strict=True)}
    assert len(pairs) == len({h for h, _ in pairs}) == len({gram for _, gram in pairs})


@given(columns, sizes)
def test_characters_are_shingled_by_code_points(texts, ngram):
    assert_one_to_one(rows(char_shingles(column(texts), ngram)), [grams(text, ngram) for text in texts])
    assert characters(column(texts)).tolist() == [len(text) for text in texts]


@given(columns, sizes)
def test_words_are_shingled_by_their_hashes(texts, ngram):
    found = words(column(texts))
    split = [found.hashes[a:b].tolist() for a, b in pairwise(found.first)]
    assert_one_to_one(rows(shingles(found, ngram)), [grams(row, ngram) for row in split])


@given(columns, sizes)
def test_a_word_shingle_is_the_mixed_sum_of_hashes_times_powers(texts, ngram):
    """The published keys hang on it, whichever way the sum is had."""
    found, phi = words(column(texts)), 0x9E3779B97F4A7C15
    split = [found.hashes[a:b].tolist() for a, b in pairwise(found.first)]
    sums = [[sum(h * phi ** (j + 1) for j, h in enumerate(g)) % 2**64 for g in grams(row, ngram)] for row in split]
    assert rows(shingles(found, ngram)) == [[int(mix64(np.uint64(s))) for s in row] for row in sums]


@given(columns, sizes, st.integers(1, 12))
def test_a_cap_keeps_the_first_shingles_and_counts_who_had_more(texts, ngram, most):
    text, found = column(texts), words(column(texts))
    for counts, all_, some in (
        (np.diff(found.first), shingles(found, ngram), shingles(found, ngram, most)),
        (characters(text), char_shingles(text, ngram), char_shingles(text, ngram, most)),
        (datatrove_words(text), datatrove_shingles(text, ngram), datatrove_shingles(text, ngram, most)),
    ):
        assert rows(some) == [row[:most] for row in rows(all_)]
        assert counts.dtype == np.int64
        assert capped(counts, ngram, most) == sum(len(row) > most for row in rows(all_))


@given(st.lists(st.text(st.sampled_from("AbÉ1., \u0301\u200b\u3000"), max_size=60), max_size=4), sizes)
@example(["a \u0301 b"], 2)  # stripping leaves two spaces; one stands between words
def test_datatrove_shingles_are_xxh64_of_words_joined_by_one_space(texts, ngram):
    xxhash = pytest.importorskip("xxhash", reason="comes with datatrove, in the extra `interop`")
    text = normalised(column(texts), DATATROVE)
    expected = [[" ".join(gram) for gram in grams(said.split(), ngram)] for said in text.to_pylist()]
    assert datatrove_words(text).tolist() == [len(said.split()) for said in text.to_pylist()]
    assert rows(datatrove_shingles(text, ngram)) == [
        [xxhash.xxh64_intdigest(g.encode()) for g in row] for row in expected
    ]


def test_a_slice_is_shingled_as_by_itself():
    texts = ["one two three", "vier fünf", "six", ""]
    for made in (char_shingles, datatrove_shingles):
        assert rows(made(column(texts)[1:3], 2)) == rows(made(column(texts[1:3]), 2))


def hashed(raw, start=0):
    return int(xxh64(np.frombuffer(raw, np.uint8), start, len(raw)))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(b"", 0xEF46DB3751D8E999), (b"a", 0xD24EC4F1A98C6E5B), (b"abc", 0x44BC2CF5AD770999)],
)
def test_published_values_of_xxh64(raw, expected):
    assert hashed(raw) == expected


@given(st.binary(max_size=150), st.integers(0, 9))
def test_xxh64_is_that_of_the_library(raw, start):
    xxhash = pytest.importorskip("xxhash", reason="comes with datatrove, in the extra `interop`")
    assert hashed(b"#" * start + raw, start) == xxhash.xxh64_intdigest(raw)
