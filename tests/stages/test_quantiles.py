"""Quota and buckets: what counts as a score and as a size, the noise, buckets by hand, and what is refused."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import CORE, Batch
from corpus.errors import RecipeError, StageError
from corpus.hashing import hash64
from stages.buckets import EDGES, Buckets
from stages.quantiles import numbers
from stages.quota import Quota, _ln, gumbel


def batch(**columns):
    count = len(next(iter(columns.values())))
    core = [pa.array([f"d{n}" for n in range(count)]), pa.array(["a b c"] * count, pa.large_string())]
    rows = pa.table([*core, pa.array(["web"] * count)], schema=CORE)
    for name, values in columns.items():
        rows = rows.append_column(name, values if isinstance(values, pa.Array) else pa.array(values))
    return Batch(rows.combine_chunks().to_batches()[0])


READ = {
    "0.5": 0.5, "-1": -1.0, "1e-05": 1e-05, ".5": 0.5, "3.": 3.0, "inf": math.inf, "-Infinity": -math.inf, "-0": 0.0,
    "nan": None, "": None, " 1": None, "1 ": None, "0x10": None, "1_0": None, "one": None, "1e": None, "1\n": None,
    "--1": None, "9" * 401: None,
}  # fmt: skip


def test_text_that_is_a_number_is_a_score_and_other_text_is_none():
    assert numbers(pa.array([*READ, None]), "s").to_pylist() == [*READ.values(), None]


@given(st.lists(st.floats()))
def test_a_number_is_the_same_as_text_and_as_a_number(values):
    told = [None if math.isnan(v) else v for v in values]
    assert numbers(pa.array(values, pa.float64()), "s").to_pylist() == told
    assert numbers(pa.array([repr(v) for v in values], pa.string()), "s").to_pylist() == told


@pytest.mark.parametrize("kind", [pa.int64(), pa.bool_(), pa.float32(), pa.null()])
def test_numbers_of_other_types_are_scores(kind):
    value = None if kind == pa.null() else 1
    assert numbers(pa.array([value], pa.int64()).cast(kind) if value else pa.nulls(1), "s").to_pylist() == [value]


def test_a_list_is_no_score():
    with pytest.raises(StageError, match="a score is a number"):
        numbers(pa.array([[1.0]]), "s")


def sizes(of, **columns):
    return Quota(column="s", of=of).emit(batch(s=[1.0, 2.0], **columns))["size"].to_pylist()


def test_sizes():
    assert sizes("bytes") == [5, 5]
    assert sizes("words") == [3, 3]
    assert sizes("documents") == [1, 1]
    assert sizes("tokens", tokens=["7", "0"]) == sizes("tokens", tokens=[7, 0]) == [7, 0]


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", None, str(1 << 41), ""])
def test_a_document_without_a_size_is_named(wrong):
    with pytest.raises(StageError, match=r"of tokens: document 'd1'"):
        sizes("tokens", tokens=["1", wrong])


def test_quota_by_hand():
    stage = Quota(column="s")
    laid = stage.laid([np.array([0.9, 0.1, np.nan])], [np.array([0, 1, 0])])
    assert laid["drop"].to_pylist() == [None, "quota", "no_score"]
    assert laid["value"].to_pylist()[:2] == [None, 0.1]
    assert math.isnan(laid["value"].to_pylist()[2])


@given(st.floats(min_value=5e-324, max_value=1e300, exclude_min=False))
def test_the_logarithm_is_the_libraries_to_the_last_bits(x):
    assert _ln(x) == pytest.approx(math.log(x), rel=4e-16, abs=2e-16)


def test_noise_is_gumbels():
    """Mean 0.5772 (Euler's constant), variance pi**2 / 6; limits are 3 standard errors of 200,000 draws and more."""
    drawn = gumbel(hash64(pa.array([f"d{n}" for n in range(200_000)]), 3))
    assert drawn.mean() == pytest.approx(0.57722, abs=0.01)
    assert drawn.var() == pytest.approx(math.pi**2 / 6, abs=0.03)
    assert np.isfinite(gumbel(np.array([0, (1 << 64) - 1], np.uint64))).all()


def test_noise_hangs_on_the_id_and_the_seed_alone():
    one = [Quota(column="s", gumbel=seed).emit(batch(s=[1.0, 1.0]))["score_0"].to_pylist() for seed in (1, 1, 2)]
    assert one[0] == one[1] != one[2]
    assert one[0][0] != one[0][1]
    low = Quota(column="s", gumbel=1, best="low").emit(batch(s=[1.0, 1.0]))["score_0"].to_pylist()
    assert [high + other for high, other in zip(one[0], low, strict=True)] == pytest.approx([2.0, 2.0])


def test_twenty_buckets_and_five_levels():
    stage = Buckets(columns=("a",))
    laid = stage.laid([np.arange(20.0)], [np.arange(20)])
    assert laid["bucket"].to_pylist() == laid["a_bucket"].to_pylist() == list(range(20))
    counts = {name: laid["level"].to_pylist().count(name) for name in stage.names}
    assert counts == {"low": 3, "medium-low": 4, "medium": 5, "medium-high": 6, "high": 2}


def test_ensembles_go_by_the_scorers_that_gave_a_score():
    scores = [np.array([1.0, 1.0, np.nan, np.nan]), np.array([1.0, np.nan, 1.0, np.nan])]
    behind = [np.array([4, 4, 0, 0]), np.array([9, 0, 9, 0])]
    largest, mean = (Buckets(columns=("a", "b"), ensemble=how).laid(scores, behind) for how in ("max", "mean"))
    assert largest["bucket"].to_pylist() == [9, 4, 9, None]
    assert mean["bucket"].to_pylist() == [7, 4, 9, None]  # 6.5 goes up
    assert largest["a_bucket"].to_pylist() == [4, 4, None, None]
    assert largest["level"].to_pylist() == ["medium", "medium-low", "medium", None]


def test_head_middle_and_tail():
    stage = Buckets(columns=("perplexity",), edges=(30, 60), names=("head", "middle", "tail"), per=("language",))
    assert stage.laid([np.arange(3.0)], [np.arange(3)])["level"].to_pylist() == ["head", "middle", "tail"]
    assert [float(share) for share in stage.shares] == [0.3, 0.6]


WRONG = {
    "no column": lambda: Quota(),
    "no columns": lambda: Buckets(),
    "a column twice": lambda: Buckets(columns=("a", "a")),
    "a group twice": lambda: Quota(column="s", per=("d", "d")),
    "an empty group": lambda: Quota(column="s", per=("",)),
    "a share of nothing": lambda: Quota(column="s", keep_share=0.0),
    "more than all": lambda: Quota(column="s", keep_share=1.1),
    "not a number": lambda: Quota(column="s", keep_share=math.nan),
    "a seed below 0": lambda: Quota(column="s", gumbel=-1),
    "no edges": lambda: Buckets(columns=("a",), edges=()),
    "edges at the end": lambda: Buckets(columns=("a",), edges=(*EDGES, 100.0)),
    "edges that fall": lambda: Buckets(columns=("a",), edges=(60, 30), names=("a", "b", "c")),
    "a name too few": lambda: Buckets(columns=("a",), edges=(30, 60), names=("a", "b")),
    "a name twice": lambda: Buckets(columns=("a",), edges=(30, 60), names=("a", "b", "b")),
    "first not from 0": lambda: Buckets(columns=("a",), first=(1, 3, 7, 12, 18)),
    "first beyond": lambda: Buckets(columns=("a",), first=(0, 3, 7, 12, 20)),
}


@pytest.mark.parametrize("what", WRONG)
def test_settings_that_mean_nothing_are_refused(what):
    with pytest.raises(RecipeError, match=r"quota: |buckets: "):
        WRONG[what]()
