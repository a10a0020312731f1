"""MinHash: signatures equal datasketch's, bands propose as theory says, and text decides."""

from itertools import pairwise

import datasketch
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import CORE, Batch
from corpus.errors import RecipeError
from stages.minhash import MinHash
from stages.shingles import jaccard, shingles
from stages.verification import KEEPERS, sets

WORDS = ["the", "cat", "sat", "on", "a", "mat", "with", "dog", "and", "bird", "near", "river"]
words = st.lists(st.sampled_from(WORDS), max_size=40)


def batch(texts):
    ids = [f"d{n:05d}" for n in range(len(texts))]
    return Batch(pa.record_batch([ids, pa.array(texts, pa.large_string()), ["x"] * len(texts)], schema=CORE))


def shingle_sets(texts, ngram):
    first, values = shingles(batch(texts).words, ngram)
    return [set(values[a:b].tolist()) for a, b in pairwise(first)]


@given(st.lists(words.map(" ".join), min_size=1, max_size=4))
def test_signatures_are_those_of_datasketch_affine32(texts):
    stage = MinHash(bands=4, rows=3, seed=5)
    ours = stage.signatures(*stage.shingles(batch(texts)))
    for text_set, signature in zip(shingle_sets(texts, 5), ours, strict=True):
        theirs = datasketch.MinHash(num_perm=12, seed=5, hashfunc=int, scheme="affine32")
        theirs.update_batch([value & 0xFFFFFFFF for value in text_set]) if text_set else None
        assert signature.tolist() == theirs.hashvalues.tolist()


@given(words, st.integers(1, 6))
def test_shingles_are_equal_where_their_words_are(text, ngram):
    """Compared with tuples of words; a text shorter than the n-gram is one shingle, without words none."""
    count = len(text) - ngram + 1
    expected = [tuple(text[i : i + ngram]) for i in range(count)] if count > 0 else [tuple(text)][: len(text)]
    first, values = shingles(batch([" ".join(text), " ".join(text).upper()]).words, ngram)
    one, other = values[: first[1]].tolist(), values[first[1] :].tolist()
    assert one == other
    assert len(one) == len(expected)
    assert len(set(one)) == len(set(expected))


def test_the_order_of_words_counts():
    (a,), (b,) = (shingle_sets([t], 2) for t in ("red fish", "fish red"))
    assert a != b


hashes = st.integers(0, 2**64 - 1)
one_bucket = st.integers(0, 20)


@given(
    st.lists(st.lists(st.one_of(hashes, one_bucket, one_bucket.map(lambda h: 2**64 - 1 - h)), max_size=60), max_size=5)
)
def test_sets_are_sorted_and_each_hash_is_there_once(rows):
    first = np.cumsum([0, *map(len, rows)])
    ends, values = sets(first, np.array([value for row in rows for value in row], np.uint64))
    assert [values[a:b].tolist() for a, b in pairwise(ends)] == [sorted(set(row)) for row in rows]


def test_hashes_made_to_fall_into_one_bucket_are_sorted_all_the_same():
    hostile = np.arange(50_000, dtype=np.uint64)[::-1].copy()  # by insertion 1.25e9 moves, a second
    ends, values = sets(np.array([0, len(hostile)]), hostile)
    assert ends.tolist() == [0, len(hostile)]
    assert np.array_equal(values, hostile[::-1])


@given(st.sets(st.integers(0, 50)), st.sets(st.integers(0, 50)))
def test_jaccard_is_that_of_sets(a, b):
    found = jaccard(np.array(sorted(a), np.uint64), np.array(sorted(b), np.uint64))
    assert found == (len(a & b) / len(a | b) if a | b else 0.0)


def test_texts_without_words_are_never_proposed():
    rows = MinHash().emit(batch(["", "  \n", "...", "one", "one"]))
    assert sorted(set(rows["row"].to_pylist())) == [3, 4]


def test_bands_propose_as_often_as_theory_says():
    """At similarity 0.8 two texts share a band with chance 1 - (1 - 0.8**8)**14 = 0.924 (FineWeb's setting)."""
    random = np.random.RandomState(3)
    pairs, hit = 400, 0
    for _ in range(pairs):
        pool = random.randint(0, 2**62, 100)  # 80 shared of 100 in the union: 0.8 exactly
        a = " ".join(f"w{v}" for v in pool[:90])
        b = " ".join(f"w{v}" for v in np.r_[pool[:80], pool[90:]])
        rows = MinHash(ngram=1).emit(batch([a, b]))
        keys = list(zip(rows["key"].to_pylist(), rows["key2"].to_pylist(), strict=True))
        hit += bool(set(keys[:14]) & set(keys[14:]))
    chance = 1 - (1 - 0.8**8) ** 14
    assert abs(hit / pairs - chance) < 4 * np.sqrt(chance * (1 - chance) / pairs)


def verified(stage, texts):
    """Keeper row and similarity of each text, all of one candidate cluster in this order."""
    rows = batch(texts).rows
    table = pa.table({"cluster": [0] * len(texts), "id": rows.column("id"), "text": rows.column("text")})
    found = stage.verify(table)
    return found["keeper"].to_pylist(), found["similarity"].to_pylist()


@given(st.lists(words.map(" ".join), min_size=1, max_size=12), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_what_repeats_a_keeper_is_similar_enough_to_it_and_to_no_earlier_one(texts, least):
    """By brute force over Python sets: precision is 1 by construction, and each goes to the first that it is like."""
    keeper, similarity = verified(MinHash(least=least), texts)
    sets = shingle_sets(texts, 5)

    def alike(a, b):
        return len(sets[a] & sets[b]) / len(sets[a] | sets[b]) if sets[a] | sets[b] else 0.0

    leaders = []
    for n in range(len(texts)):
        like = [k for k in leaders if alike(n, k) >= least]
        assert keeper[n] == (like[0] if like else n)
        assert similarity[n] == (alike(n, like[0]) if like else 1.0)
        leaders += [] if like else [n]


def test_a_chain_is_split_where_its_ends_are_not_alike():
    """a ~ b and b ~ c, but c is not like a: b goes with a, and c stays."""
    a, b, c = (" ".join(f"w{n}" for n in range(start, start + 100)) for start in (0, 10, 20))
    keeper, similarity = verified(MinHash(ngram=1, least=0.8), [a, b, c])
    assert keeper == [0, 0, 2]
    assert similarity[1] == pytest.approx(90 / 110)


def test_after_sixteen_keepers_the_rest_is_kept():
    apart = [" ".join(f"{n}w{i}" for i in range(9)) for n in range(KEEPERS + 2)]
    keeper, _ = verified(MinHash(ngram=1), [*apart, apart[0], apart[KEEPERS], apart[KEEPERS + 1]])
    assert keeper == [*range(KEEPERS + 2), 0, KEEPERS + 3, KEEPERS + 4]


def test_a_document_contained_in_a_longer_one_goes_by_containment_alone():
    article = " ".join(f"w{n}" for n in range(100))
    page = f"{article} {' '.join(f'b{n}' for n in range(100))}"
    assert verified(MinHash(ngram=1), [page, article])[0] == [0, 1]
    keeper, similarity = verified(MinHash(ngram=1, measure="containment", least=1.0), [page, article])
    assert (keeper, similarity) == ([0, 0], [1.0, 1.0])
    assert verified(MinHash(ngram=1, measure="containment", least=1.0), [article, page])[0] == [0, 1]


CHOICES = [
    (
        {"shingle": "char", "ngram": 24},
        ("Café au lait, long enough", "café au lait, long enough"),
        False,
    ),
    (
        {"shingle": "char", "ngram": 24, "case": "lower", "diacritics": "strip"},
        ("Café au lait, long enough", "cafe au lait, long enough"),
        True,
    ),
    ({"digits": "zero"}, ("on page 12 of the book today", "on page 7 of the book today"), True),
    ({}, ("on page 12 of the book today", "on page 7 of the book today"), False),
    ({"shingle": "datatrove"}, ("One, two - three. Four 55 six!", "one two three four 0 six"), True),
]


@pytest.mark.parametrize(("settings", "texts", "alike"), CHOICES)
@pytest.mark.parametrize("scheme", ["affine32", "affine64", "one_permutation", "datatrove"])
def test_what_is_made_alike_has_the_same_keys_and_is_verified_alike(settings, texts, alike, scheme):
    stage = MinHash(scheme=scheme, **settings)
    rows = stage.emit(batch(texts))
    keys = list(zip(rows["key"].to_pylist(), rows["key2"].to_pylist(), strict=True))
    assert len(keys) == 28
    assert (keys[:14] == keys[14:]) == alike
    assert (verified(stage, texts)[1][1] == 1.0 and verified(stage, texts)[0] == [0, 0]) == alike


def test_texts_alike_in_their_first_shingles_are_candidates_and_judged_on_all():
    texts = [" ".join([*(f"w{n}" for n in range(50)), *(f"{side}{n}" for n in range(500))]) for side in "ab"]
    stage = MinHash(most_shingles=46)
    rows = stage.emit(batch(texts))
    assert rows["key"].to_pylist()[:14] == rows["key"].to_pylist()[14:]
    assert verified(stage, texts)[0] == [0, 1]


def test_bands_for_a_threshold_take_at_most_the_hashes_given():
    stage = MinHash(threshold=0.8)
    assert stage.banding == (9, 12)  # datasketch's optimum of 112 permutations
    assert MinHash().banding == (14, 8)
    assert stage.emit(batch(["a b c d e f"])).num_rows == 9


def test_a_device_changes_no_identity_and_no_key():
    assert MinHash(device="cuda").keying == MinHash().keying
    with pytest.raises(RecipeError, match="no one_permutation on cuda"):
        MinHash(device="cuda", scheme="one_permutation")


@pytest.mark.parametrize(
    "wrong",
    [
        {"ngram": 0},
        {"bands": 0},
        {"rows": -1},
        {"least": 0.0},
        {"least": 1.5},
        {"threshold": 1.0},
        {"most_shingles": 0},
        {"bands": 101, "rows": 100},
        {"shingle": "datatrove", "case": "lower"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(RecipeError, match="minhash"):
        MinHash(**wrong)
