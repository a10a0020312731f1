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
    ours = stage.signatures(batch(texts))
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


def clustered(texts, cluster=None):
    rows = batch(texts).rows
    table = pa.table({"cluster": cluster or [0] * len(texts), "node": list(range(len(texts)))})
    return table.append_column("id", rows.column("id")).append_column("text", rows.column("text"))


@given(st.lists(words.map(" ".join), min_size=1, max_size=12), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_what_is_dropped_is_similar_enough_to_a_document_that_is_kept(texts, least):
    """By brute force over Python sets: precision is 1 by construction."""
    found = MinHash(least=least).verify(clustered(texts)).to_pylist()
    sets = {f"d{n:05d}": s for n, s in enumerate(shingle_sets(texts, 5))}
    names = {f"d{row['node']:05d}": row for row in found}
    for name, row in names.items():
        if row["drop"] is not None:
            union = sets[name] | sets[row["duplicate_of"]]
            similarity = len(sets[name] & sets[row["duplicate_of"]]) / len(union)
            assert row["similarity"] == similarity >= least
            assert names[row["duplicate_of"]]["drop"] is None
            assert row["cluster"] == row["duplicate_of"]
            assert row["cluster_size"] == sum(other["cluster"] == row["cluster"] for other in found)


def test_a_chain_is_split_where_its_ends_are_not_alike():
    """a ~ b and b ~ c, but c is not like a: b goes with a, and c stays."""
    a, b, c = (" ".join(f"w{n}" for n in range(start, start + 100)) for start in (0, 10, 20))
    found = {row["node"]: row for row in MinHash(ngram=1, least=0.8).verify(clustered([a, b, c])).to_pylist()}
    assert found[1]["duplicate_of"] == "d00000"
    assert found[1]["similarity"] == pytest.approx(90 / 110)
    assert 2 not in found


@pytest.mark.parametrize("wrong", [{"ngram": 0}, {"bands": 0}, {"rows": -1}, {"least": 0.0}, {"least": 1.5}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(RecipeError, match="minhash"):
        MinHash(**wrong)
