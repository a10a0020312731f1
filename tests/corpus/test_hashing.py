"""Our own hashes must never change: golden values, and the laws that kernels rely on."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.hashing import combine, digest128, eight_bytes, hash64, mix64, stable_hash

ROOT = Path(__file__).parents[2]
WORD = st.integers(0, 2**64 - 1)
TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=12)


def strings(values):
    return pa.array(values, pa.large_string())


def unmixed(x):
    """The inverse of mix64, in Python's whole numbers (inverses of the odd multipliers modulo 2**64)."""
    x ^= x >> 31 ^ x >> 62
    x = x * pow(0x94D049BB133111EB, -1, 2**64) % 2**64
    x ^= x >> 27 ^ x >> 54
    x = x * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64
    return x ^ x >> 30 ^ x >> 60


def test_golden_values():
    assert int(mix64(np.uint64(0))) == 0
    # The first output of SplitMix64 seeded with 0, as published with the generator (Vigna, splitmix64.c).
    assert int(mix64(np.uint64(0x9E3779B97F4A7C15))) == 0xE220A8397B1DCDAF
    assert int(combine(np.uint64(0), np.uint64(0))) == 0xE220A8397B1DCDAF
    assert hash64(strings(["", "a", "winnow the corpus", "日本語"]), seed=1).tolist() == [
        0xAB24D153F7AF81D9,
        0x27F5C82BB38EA262,
        0x65C286E4E08B7FB3,
        0x540BDE6C73E6FE88,
    ]
    assert stable_hash("minhash", 5, b"\x00") == 0xE35CE6DE3DB70E78


@settings(deadline=None)
@given(WORD)
def test_mix64_can_be_undone(x):
    assert unmixed(int(mix64(np.uint64(x)))) == x


@settings(deadline=None)
@given(WORD, WORD)
def test_order_counts_in_combine(h, x):
    assert (combine(np.uint64(h), np.uint64(x)) == combine(np.uint64(x), np.uint64(h))) == (h == x)


@settings(deadline=None)
@given(st.binary(min_size=8, max_size=20), st.data())
def test_eight_bytes_are_read_little_endian(raw, pick):
    b = pick.draw(st.integers(0, len(raw) - 8))
    assert eight_bytes(np.frombuffer(raw, np.uint8), b) == int.from_bytes(raw[b : b + 8], "little")


@settings(deadline=None)
@given(TEXTS, st.integers(0, 12), st.integers(0, 12))
def test_a_slice_hashes_as_its_part(texts, start, size):
    array = strings(texts)
    part = slice(start, start + size)
    assert hash64(array.slice(start, size), 3).tolist() == hash64(array, 3)[part].tolist()
    for half, whole in zip(digest128(array.slice(start, size)), digest128(array), strict=True):
        assert half.tolist() == whole[part].tolist()


@settings(deadline=None)
@given(TEXTS)
def test_digest128_is_blake2b_of_the_bytes(texts):
    high, low = digest128(strings(texts))
    expected = [hashlib.blake2b((text or "").encode(), digest_size=16).hexdigest() for text in texts]
    assert [f"{a:016x}{b:016x}" for a, b in zip(high.tolist(), low.tolist(), strict=True)] == expected


def test_hash64_keeps_apart_what_padding_might_join():
    near = ["", "\0", "\0\0", "a", "a\0", "\0a", "abcdefgh", "abcdefgh\0", "abcdefg", "hgfedcba"]
    hashes = hash64(strings(near), 0).tolist() + hash64(strings(near), 1).tolist()
    assert len(set(hashes)) == 2 * len(near)


def test_hash64_spreads_over_all_bits():
    hashes = hash64(strings([str(n) for n in range(20_000)]), 7)
    assert len(set(hashes.tolist())) == 20_000
    ones = [(hashes >> np.uint64(bit) & np.uint64(1)).mean() for bit in range(64)]
    assert np.abs(np.array(ones) - 0.5).max() < 0.02  # 5.6 standard deviations of 20,000 coin throws


def test_stable_hash_keeps_parts_and_kinds_apart():
    different = [("ab", "c"), ("a", "bc"), ("abc",), (1,), ("1",), (b"1",), (), (-1,)]
    assert len({stable_hash(*parts) for parts in different}) == len(different)
    assert stable_hash("x", bits=128) >= 2**64
    with pytest.raises(ValueError, match="digest"):
        stable_hash("x", bits=1024)


def test_another_process_hashes_alike():
    code = "import pyarrow, corpus.hashing as h; print(h.hash64(pyarrow.array(['a b']), 5)[0])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.split() == [str(hash64(strings(["a b"]), 5)[0])]
