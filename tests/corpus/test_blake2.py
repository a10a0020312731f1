"""Digests made side by side are BLAKE2b's, for every length, in whatever company."""

import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from corpus.blake2 import LANES, blake2b_128
from corpus.buffers import utf8
from corpus.documents import digests
from corpus.hashing import digest128


def expected(texts):
    return [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]


def in_lanes(texts):
    starts, data = utf8(pa.array(texts, pa.large_string()))
    out = np.zeros((len(texts), 2), np.uint64)
    blake2b_128(starts, data, np.arange(len(texts)), out)
    return [row.astype("<u8").tobytes() for row in out]


@given(st.lists(st.text(max_size=300), max_size=40))
def test_lanes_are_blake2b(texts):
    assert in_lanes(texts) == expected(texts)


def test_every_length_round_the_blocks():
    texts = ["é" * (n // 2) + "x" * (n % 2) for n in [*range(520), 127 * 128, 128 * 128, 9_999]]
    assert in_lanes(texts) == expected(texts)
    assert in_lanes(texts[::-1]) == expected(texts[::-1])


def test_the_digest_of_abc():
    # hashlib's, for RFC 7693's example is of 64 bytes: BLAKE2b-128("abc").
    assert in_lanes(["abc"])[0].hex() == "cf4ab791c62b8d2b2109c90275287816"


@given(st.integers(0, 3 * LANES), st.sampled_from([0, 10, 65_536, 65_537, 200_000]))
def test_long_texts_and_short_columns_go_another_way_to_the_same_digests(count, long):
    texts = ["s" * n for n in range(count)] + ["x" * long]
    assert digests(pa.array(texts, pa.large_string())).to_pylist() == expected(texts)
    assert digests(pa.array(texts, pa.large_string())[count // 2 :]).to_pylist() == expected(texts[count // 2 :])


def test_no_texts_have_no_digests():
    assert [len(half) for half in digest128(pa.array([], pa.large_string()))] == [0, 0]
