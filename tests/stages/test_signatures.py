"""Signatures equal those of the libraries they are named after, estimate as theory says, and equal torch's."""

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.normalisation import DATATROVE, normalised
from stages.shingles import datatrove_shingles
from stages.signatures import MERSENNE, SCHEMES, bands, permutations, signatures

hashes = st.integers(0, 2**64 - 1)
collections = st.lists(st.lists(hashes, max_size=80), max_size=5)
schemes = st.sampled_from(SCHEMES)


def offsets(rows):
    first = np.r_[np.int64(0), np.cumsum([len(row) for row in rows], dtype=np.int64)]
    return first, np.array([value for row in rows for value in row], np.uint64)


def signed(rows, scheme, k=24, seed=7):
    return signatures(*offsets(rows), scheme, k, seed)


@given(collections, st.sampled_from(["affine32", "affine64"]), st.integers(1, 70), st.integers(0, 9))
def test_affine_signatures_are_those_of_datasketch(rows, scheme, k, seed):
    datasketch = pytest.importorskip("datasketch")
    low = 0xFFFFFFFF if scheme == "affine32" else 2**64 - 1
    for row, found in zip(rows, signed(rows, scheme, k, seed), strict=True):
        theirs = datasketch.MinHash(num_perm=k, seed=seed, hashfunc=int, scheme=scheme)
        theirs.update_batch([value & low for value in row]) if row else None
        assert found.dtype == theirs.hashvalues.dtype
        assert found.tolist() == theirs.hashvalues.tolist()


def datatroves_step(folder):
    """datatrove's own first step, with words split on white space; spaCy also splits some, as "cannot"."""
    pytest.importorskip("spacy", reason="datatrove makes a spaCy tokenizer; it is in the extra `interop`")
    minhash = pytest.importorskip("datatrove.pipeline.dedup.minhash", reason="datatrove is in the extra `interop`")
    step = minhash.MinhashDedupSignature(str(folder))

    class OnWhiteSpace:
        word_tokenize = staticmethod(str.split)

    step.word_tokenizer = OnWhiteSpace()
    xxh64 = pytest.importorskip("xxhash").xxh64_intdigest
    step._hash_func = lambda words: xxh64(words.encode())  # what xxhash 3 did to a str; xxhash 4 takes bytes alone
    return step


def test_datatrove_signatures_are_those_of_datatrove(tmp_path, data):
    step = datatroves_step(tmp_path)
    (path,) = (data / "corpus").glob("web__trafilatura_pages.jsonl.*")
    with pa.input_stream(str(path), compression="detect") as file:
        texts = [orjson.loads(line)["text"] for line in file.read().splitlines()][:300]
    simple = normalised(pa.array(texts, pa.large_string()), DATATROVE)
    found = signatures(*datatrove_shingles(simple, 5), "datatrove", 112, 1)
    compared = 0
    for text, signature in zip(texts, found, strict=True):
        theirs = step.get_shingles(text)
        if theirs.size:  # ours has a shingle for the whole of a text under five words
            assert np.concatenate(step.get_signature(theirs)).tolist() == signature.tolist()
            compared += 1
    assert compared > 290


@given(collections)
def test_datatrove_permutations_are_those_of_datatrove(rows):
    """By its published formula, (a * x + b with wrap-around) modulo 2**61 - 1, in Python's own integers."""
    a, b = (row.tolist() for row in permutations("datatrove", 24, 7))
    for row, found in zip(rows, signed(rows, "datatrove"), strict=True):
        expected = [
            min((by * x + plus) % 2**64 % (2**61 - 1) for x in row) for by, plus in zip(a, b, strict=True) if row
        ]
        assert found.tolist() == (expected or [2**64 - 1] * 24)


def test_multiples_of_the_modulus_are_zero():
    """a * x + b = m in 64 bits has a solution for odd a: multiples of the modulus, up to the seventh, must be 0."""
    seed = next(seed for seed in range(99) if permutations("datatrove", 1, seed)[0][0] % 2)
    a, b = (int(row[0]) for row in permutations("datatrove", 1, seed))
    for multiple in range(8):
        x = (multiple * int(MERSENNE) - b) * pow(a, -1, 2**64) % 2**64
        assert signed([[x]], "datatrove", 1, seed).tolist() == [[0]]


@given(st.lists(hashes, min_size=1, max_size=60), schemes, st.randoms(use_true_random=False))
def test_order_and_repeats_change_nothing(row, scheme, random):
    again = row + random.choices(row, k=5)
    random.shuffle(again)
    one, other = signed([row, again], scheme)
    assert one.tolist() == other.tolist()


@given(collections, schemes)
def test_a_text_is_signed_as_by_itself_and_one_without_shingles_has_the_largest_value(rows, scheme):
    found = signed(rows, scheme)
    assert found.shape == (len(rows), 24)
    for row, signature in zip(rows, found, strict=True):
        assert signature.tolist() == signed([row], scheme)[0].tolist()
        if not row:
            assert set(signature.tolist()) == {np.iinfo(found.dtype).max}


@pytest.mark.parametrize("scheme", ["affine32", "affine64", "datatrove"])
def test_a_long_text_has_the_least_of_its_parts(scheme):
    """10,000 shingles are five blocks of the kernel; an uneven rest is filled up."""
    rows = np.random.RandomState(1).randint(0, 2**64, 10_000, dtype=np.uint64).tolist()
    parts = signed([rows[start : start + 61] for start in range(0, len(rows), 61)], scheme)
    assert signed([rows], scheme)[0].tolist() == parts.min(axis=0).tolist()


def pair(random, shared, own, other):
    """Two sets with so many common values and so many of their own."""
    pool = random.randint(0, 2**64, shared + own + other, dtype=np.uint64)
    return pool[: shared + own].tolist(), np.r_[pool[:shared], pool[shared + own :]].tolist()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("shared", "own"), [(800, 100), (300, 350), (8, 1), (3, 3)])
def test_estimates_are_unbiased_and_err_as_theory_says(scheme, shared, own):
    """Over 300 pairs the mean error is within four of its deviations of 0, and the mean absolute error near
    sqrt(2 / pi) of sqrt(J * (1 - J) / k). One permutation of a few shingles holds less, and is unbiased alone."""
    random, k, pairs = np.random.RandomState(4), 112, 300
    similarity = shared / (shared + 2 * own)
    rows = [row for _ in range(pairs) for row in pair(random, shared, own, own)]
    found = signed(rows, scheme, k)
    errors = (found[::2] == found[1::2]).mean(axis=1) - similarity
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(pairs)
    deviation = np.sqrt(similarity * (1 - similarity) / k)
    if scheme != "one_permutation" or shared > k:
        assert np.abs(errors).mean() < 1.15 * np.sqrt(2 / np.pi) * deviation


def test_one_permutation_without_empty_bins_is_the_least_of_each_bin():
    """So every value is a hash of some shingle, bins come in order of the high bits, and each is its bin's least."""
    rows = np.random.RandomState(5).randint(0, 2**64, 4_000, dtype=np.uint64).tolist()
    (found,) = signed([rows], "one_permutation", 16)
    assert [int(h) * 16 >> 64 for h in found] == list(range(16))
    (fewer,) = signed([rows[:2_000]], "one_permutation", 16)
    (rest,) = signed([rows[2_000:]], "one_permutation", 16)
    assert found.tolist() == np.minimum(fewer, rest).tolist()


def test_one_permutation_of_a_few_shingles_takes_them_all_and_a_bounded_time():
    """9,000 places and three shingles: 50 texts would ask 1.4e9 bins without a bound, some 5 s."""
    found = signed([[1, 2, 3]] * 50, "one_permutation", 9_000)
    values, counts = np.unique(found[0], return_counts=True)
    assert len(values) == 3
    assert counts.min() > 300


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=12, max_size=12), min_size=1, max_size=12), st.sampled_from([1, 3, 4])
)
def test_keys_are_equal_where_the_same_band_is(rows, count):
    key, key2 = bands(np.array(rows, np.uint32), count)
    keys = [(a, b) for a, b in zip(key.ravel().tolist(), key2.ravel().tolist(), strict=True)]
    width = 12 // count
    cut = [(band, *row[band * width : (band + 1) * width]) for row in rows for band in range(count)]
    assert len(set(zip(keys, cut, strict=True))) == len(set(keys)) == len(set(cut))
    wide = bands(np.array(rows, np.uint64), count)
    assert [part.tolist() for part in wide] == [key.tolist(), key2.tolist()]


def test_values_are_for_ever():
    """Keys at rest outlive a release: another value here is another version of every stage made of them."""
    rows = [[1, 2, 3, 2**64 - 1]]
    found = {scheme: signed(rows, scheme, 4, 1) for scheme in SCHEMES}
    assert {scheme: f"{int(row[0, 0]):x}" for scheme, row in found.items()} == {
        "affine32": "3c49e6c",
        "affine64": "1a442f18fb7601c1",
        "one_permutation": "dd2e9fc9dcee297",
        "datatrove": "5d7a7c13a46d685",
    }
    assert [f"{int(part[0, 1]):x}" for part in bands(found["affine32"], 2)] == ["29c34b1caaaaadf", "9c0215e15838c883"]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="'sha1'; schemes are: affine32"):
        signed([[1]], "sha1")
    for count in (0, 5):
        with pytest.raises(ValueError, match="24 places"):
            bands(signed([[1]], "affine32"), count)


def devices():
    torch = pytest.importorskip("torch", reason="torch is in the extra `train`")
    return ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


@pytest.mark.parametrize("scheme", ["affine32", "affine64", "datatrove"])
def test_torch_gives_the_same_bits(scheme):
    """On the CPU and on a GPU where there is one; in one piece and in pieces of a few shingles."""
    for device in devices():
        from stages import signatures_torch

        random = np.random.RandomState(6)
        rows = [random.randint(0, 2**64, n, dtype=np.uint64).tolist() for n in (0, 1, 5, 0, 300, 0)]
        rows.append([0, 2**63, 2**63 - 1, 2**64 - 1, int(MERSENNE)])
        for some, most in ((rows, 256_000_000), (rows, 2_000), ([], 2_000), ([[]], 2_000)):
            theirs = signatures_torch.signatures(*offsets(some), scheme, 24, 7, device, most)
            ours = signed(some, scheme)
            assert theirs.dtype == ours.dtype
            assert theirs.tolist() == ours.tolist()


def test_torch_refuses_what_it_has_not():
    devices()
    from stages import signatures_torch

    with pytest.raises(ValueError, match="no torch version"):
        signatures_torch.signatures(*offsets([[1]]), "one_permutation", 4, 1, "cpu")
