"""Inventories: estimates are said to be such, repetition is worth what the paper says, and buckets lose no token."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from mixtures.buckets import MOST, Buckets, added, counted
from mixtures.inventory import BYTES_PER_TOKEN, effective, estimated, worth
from mixtures.mixture import Mixture
from mixtures.table import TABLE


def test_the_estimate_is_the_piles_tokens_a_byte():
    """Gao et al. 2020: 0.29335 tokens a byte; 1,254.20 GiB (their table 1, epochs counted) make about 395 B."""
    held = estimated({"pile": round(1254.20 * 2**30)}, "0" * 32)
    assert held.tokens["pile"] == pytest.approx(395e9, rel=0.01)
    assert (held.estimated, held.by) == (True, None)


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 10**15)), st.floats(0.5, 20))
def test_an_estimate_follows_the_bytes_and_leaves_out_what_has_none(sizes, bytes_per_token):
    tokens = estimated(sizes, "0" * 32, bytes_per_token).tokens
    assert [*tokens] == sorted(tokens)
    for name, size in sizes.items():
        assert abs(tokens.get(name, 0) * bytes_per_token - size) <= bytes_per_token * (1 + 1e-9)


@pytest.mark.parametrize("wrong", [0, -1.0, math.inf, math.nan])
def test_no_token_of_no_bytes(wrong):
    with pytest.raises(RecipeError, match="bytes-per-token"):
        estimated({"web": 100}, "0" * 32, wrong)


def test_a_mixture_says_that_its_tokens_are_estimated_and_of_which_buckets(tmp_path):
    by = Buckets(column="quality", edges=(0.3, 1.0))
    mixture = TABLE["uniform"]().mix(estimated({"web": 100}, "0" * 32, by=by), 10)
    mixture.save(url := f"{tmp_path}/m.json")
    assert Mixture.load(url) == mixture
    assert (Mixture.load(url).estimated, Mixture.load(url).by, Mixture.load(url).seed) == (True, by, None)


def test_files_from_before_these_keys_are_read(tmp_path):
    made = TABLE["uniform"]().mix(estimated({"web": 100}, "0" * 32)._replace(estimated=False), 10)
    old = made.model_dump(mode="json", exclude={"estimated", "by", "seed"})
    assert Mixture.model_validate(old | {"capped": ()}) == made


# What repetition is worth


def test_passes_are_worth_what_the_paper_says():
    """Muennighoff et al. 2023, equation 5 with R* = 15.387756: four passes 3.73, forty 15.2, any number 16.4."""
    unique = 10**9
    found = [worth(unique, passes) / unique for passes in (0.5, 1, 2, 4, 40, 1e9)]
    assert found == pytest.approx([0.5, 1, 1.9682, 3.7257, 15.17, 16.388], abs=0.005)


@given(st.integers(1, 10**13), st.floats(0, 1e4), st.floats(0, 1e4))
def test_more_passes_are_worth_more_and_never_more_than_they_are(unique, one, two):
    less, more = sorted((one, two))
    assert worth(unique, less) <= worth(unique, more) <= more * unique * (1 + 1e-9)
    assert effective(0, unique) == 0


# Buckets


def test_edges_part_scores_with_the_lower_end_within():
    by = Buckets(column="quality", edges=(0.3, 0.7))
    found = by.of(pa.chunked_array([[0.0, 0.3, 0.5], [0.7, 1.0, 0.29999]])).to_pylist()
    assert found == ["below 0.3", "0.3 to 0.7", "0.3 to 0.7", "0.7 and up", "0.7 and up", "below 0.3"]
    assert by.names == ["below 0.3", "0.3 to 0.7", "0.7 and up"]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (pa.array(["head", "tail", "head"]), ["head", "tail", "head"]),
        (pa.array(["head", "tail"], pa.large_string()), ["head", "tail"]),
        (pa.array(["head", "tail", "head"]).dictionary_encode(), ["head", "tail", "head"]),
        (pa.array([3, 0, -1], pa.int8()), ["3", "0", "-1"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([], pa.string()), []),
    ],
)
def test_names_numbers_and_booleans_are_buckets_as_they_are(values, names):
    assert Buckets(column="c").of(values).to_pylist() == names


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 1 << 50))), st.integers(0, 20))
def test_no_token_is_lost_and_shards_add_up(rows, cut):
    names, sizes = [name for name, _ in rows], np.array([size for _, size in rows], np.int64)
    whole = counted(pa.array(names, pa.string()), sizes)
    parts = [counted(pa.array(n, pa.string()), s) for n, s in ((names[:cut], sizes[:cut]), (names[cut:], sizes[cut:]))]
    assert added(parts) == dict(sorted(whole.items()))
    assert sum(whole.values()) == sum(size for _, size in rows)


@pytest.mark.parametrize(
    ("by", "values", "said"),
    [
        (Buckets(column="q"), pa.array(["a", None]), "1 of 2 kept documents of a shard have no value"),
        (Buckets(column="q"), pa.array([0.5]), "holds double, no buckets; give --edges"),
        (Buckets(column="q", edges=(0.5,)), pa.array(["a"]), "holds string, and edges are of numbers"),
        (Buckets(column="q", edges=(0.5,)), pa.array([math.nan]), "1 kept documents of a shard are no number"),
        (Buckets(column="q", edges=(0.5, 0.5)), pa.array([0.1]), "each above the one before"),
        (Buckets(column="q", edges=(math.inf,)), pa.array([0.1]), "finite numbers"),
    ],
)
def test_what_makes_no_buckets_is_refused_in_words(by, values, said):
    with pytest.raises(RecipeError, match=said):
        by.of(values)


def test_an_id_is_no_bucket():
    ids = pa.array([f"d{n}" for n in range(MOST + 1)])
    with pytest.raises(RecipeError, match="1,001 different values"):
        counted(ids, np.ones(len(ids), np.int64))
    assert len(counted(ids.slice(1), np.ones(MOST, np.int64))) == MOST


def test_the_constant_is_what_its_source_says():
    assert pytest.approx(3.4089, abs=1e-4) == BYTES_PER_TOKEN
