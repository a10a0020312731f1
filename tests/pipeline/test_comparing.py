"""A comparison as a whole: who is kept hangs on the documents alone, and whoever goes is like the one that stays."""

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.documents import CORE, TEXT, Batch
from corpus.errors import RecipeError
from pipeline import verifying
from pipeline.clustering import cluster, clustered
from pipeline.comparing import compare, partitions
from pipeline.engines import engine
from stages.exact import Exact
from stages.minhash import MinHash
from stages.shingles import shingles
from tests.laws.compared import clusters, compared, comparison, documents, kept, laid
from tests.laws.corpora import edited, planted, prose

NEAR = MinHash(bands=30, rows=3, least=0.6)  # proposes far more than it may drop


def families(count: int, each: int, share: float = 0.02) -> list[str]:
    """`count` texts, each with edited copies that drift away from it."""
    texts = []
    for family in range(count):
        text = prose(family, 60)
        for step in range(each):
            texts.append(text)
            text = edited(text, 1_000 * family + step, share)
    return texts


def similarity(a: str, b: str, ngram: int) -> float:
    """Exact Jaccard similarity over Python sets of shingles."""
    rows = pa.record_batch([["a", "b"], pa.array([a, b], pa.large_string()), ["x", "x"]], schema=CORE)
    first, values = shingles(Batch(rows).words, ngram)
    one, two = (set(values[start:stop].tolist()) for start, stop in pairwise(first))
    return len(one & two) / len(one | two) if one | two else 0.0


@settings(max_examples=10)
@given(st.integers(0, 999), st.sampled_from([1, 37, 400]))
def test_no_document_goes_that_is_less_like_its_keeper_than_asked(tmp_path_factory, seed, per_shard):
    texts = [*families(6, 6, 0.05), *planted(60, seed)]
    found = compared(tmp_path_factory.mktemp("c"), NEAR, documents(texts), per_shard)
    by_id = {row["id"]: row for row in found}
    gone = [row for row in found if row["drop"] is not None]
    assert len(gone) > 10
    for row in gone:
        keeper = by_id[row["duplicate_of"]]
        assert keeper["drop"] is None
        assert row["similarity"] == row["value"] == similarity(row[TEXT], keeper[TEXT], NEAR.ngram) >= NEAR.least
        assert len(keeper[TEXT].encode()) >= len(row[TEXT].encode())
        assert row["cluster"] == keeper["cluster"] == keeper["id"]
        assert row["cluster_size"] == sum(other["cluster"] == row["cluster"] for other in found)


@settings(max_examples=12)
@given(st.randoms(use_true_random=False), st.sampled_from([1, 7, 37, 400]), st.sampled_from([Exact(), NEAR]))
def test_shards_and_the_order_of_documents_change_nothing(tmp_path_factory, draw, per_shard, stage):
    table = documents([*families(5, 5), *planted(60, 5)])
    order = list(range(table.num_rows))
    draw.shuffle(order)
    one = compared(tmp_path_factory.mktemp("c"), stage, table)
    other = compared(tmp_path_factory.mktemp("c"), stage, table.take(pa.array(order)), per_shard)
    assert kept(one) == kept(other)
    assert clusters(one) == clusters(other)
    assert one == sorted(other, key=lambda row: row["id"])


@pytest.fixture(params=[("local", 2), ("local", 4), pytest.param(("ray", 2), marks=pytest.mark.ray)])
def workers(request):
    with engine(*request.param) as found:
        yield found


def test_workers_change_nothing(tmp_path, workers):
    table = documents([*families(5, 5), *planted(60, 5)])
    here = compared(tmp_path / "a", NEAR, table, 30)
    assert compared(tmp_path / "b", NEAR, table, 30, workers) == here


@pytest.mark.parametrize(("portion", "held"), [(1_000, 256_000_000), (1_000, 3_000), (1, 1), (10_000, 5_000)])
def test_a_cluster_of_any_size_is_judged_in_portions_with_the_same_end(tmp_path, monkeypatch, portion, held):
    """Texts in memory or written once more, whole clusters or a few documents at a time."""
    texts = [*families(4, 12, 0.06), *planted(40, 2)]
    whole = compared(tmp_path / "a", NEAR, documents(texts), 9)
    monkeypatch.setattr(verifying, "PORTION_BYTES", portion)
    monkeypatch.setattr(verifying, "HELD_BYTES", held)
    assert compared(tmp_path / "b", NEAR, documents(texts), 9) == whole
    assert sum(row["drop"] is not None for row in whole) > 20


COPIES = documents(
    ["same text here"] * 4 + ["other"],
    ["b", "a", "c", "b", "x"],
    date=["2024-05-01", None, "2024-06-01", "2023-01-01", None],
)


@pytest.mark.parametrize(
    ("prefer", "more", "keeper"),
    [
        (("longest",), {}, "t00000"),  # equal in all but the id
        (("-date",), {}, "t00002"),
        (("date",), {}, "t00003"),  # null is last either way
        (("domain",), {}, "t00001"),
        (("-domain",), {}, "t00002"),
        (("domain", "date"), {"source_order": ("b", "c")}, "t00003"),
        (("longest",), {"protected": ("c",)}, "t00002"),
    ],
)
def test_the_keeper_is_the_first_by_the_order_asked_for(tmp_path, prefer, more, keeper):
    found = compared(tmp_path, Exact(prefer=prefer, **more), COPIES, 2)
    assert {row["cluster"] for row in found} == {keeper, None}
    assert kept(found) == {keeper, "t00004"}


def test_the_longest_or_shortest_text_is_kept(tmp_path):
    text = prose(1, 100)
    table = documents([text, text + " more", text + " and more"])
    assert kept(compared(tmp_path / "l", MinHash(), table)) == {"t00002"}
    assert kept(compared(tmp_path / "s", MinHash(prefer=("shortest",)), table)) == {"t00000"}


def test_modes(tmp_path):
    assert kept(compared(tmp_path / "n", Exact(keep="none"), COPIES)) == {"t00004"}
    everything = compared(tmp_path / "a", Exact(keep="all"), COPIES)
    assert len(kept(everything)) == 5
    assert [row["duplicate_of"] for row in everything] == [None, "t00000", "t00000", "t00000", None]
    across = compared(tmp_path / "x", Exact(protected=("x",), scope="across"), COPIES)
    assert len(kept(across)) == 5


def test_a_domain_that_no_document_has_is_refused_before_anything_is_compared(tmp_path):
    all_ = comparison(tmp_path, Exact(protected=("wkipedia",)), documents(["a", "b"], ["wikipedia", "x"]))
    with engine("local", 1) as inline, pytest.raises(RecipeError, match=r"'wkipedia'; did you mean 'wikipedia'"):
        list(compare(all_, inline))
    assert not (tmp_path / "stage").exists()


def test_components_alone_need_no_documents(tmp_path):
    all_ = comparison(tmp_path, Exact(), documents(["one", "two", "one", "two", "three"]), 2)
    for file in (tmp_path / "documents").iterdir():
        file.unlink()
    with engine("local", 1) as inline:
        list(cluster(all_, inline))
    row = (1 << 40) - 1
    links = [clustered(all_, n).to_pylist() for n in all_.all_shards]
    found = [
        [(node >> 40, node & row, other >> 40, other & row) for node, other in (link.values() for link in one)]
        for one in links
    ]
    assert found == [[(0, 0, 0, 0), (0, 1, 0, 1)], [(1, 0, 0, 0), (1, 1, 0, 1)], []]


def test_a_second_comparison_goes_on_where_the_first_stopped(tmp_path):
    table = documents(planted(60, 3))
    whole = compared(tmp_path / "a", NEAR, table, 20)
    all_ = comparison(tmp_path / "b", NEAR, table, 20)
    with engine("local", 1) as inline:
        steps = compare(all_, inline)
        while not (tmp_path / "b" / "stage" / "work" / "texts").exists():
            next(steps)
        steps.close()
        before = {f.name: f.stat().st_mtime_ns for f in (tmp_path / "b" / "stage" / "work" / "send").iterdir()}
        steps = compare(all_, inline)
        while not (tmp_path / "b" / "stage" / "work" / "verdicts").exists():
            next(steps)
        assert before == {f.name: f.stat().st_mtime_ns for f in (tmp_path / "b" / "stage" / "work" / "send").iterdir()}
        list(steps)
    assert laid(all_) == whole
    assert not (tmp_path / "b" / "stage" / "work").exists()


def test_partitions_are_by_volume_alone():
    assert [partitions(int(size)) for size in (0, 64e6, 1e9, 4e9, 32e9, 1e12)] == [2, 2, 16, 64, 64, 2048]
    assert partitions(1_000, 20_000_000) == 128
    assert partitions(int(3e13), 10**10) == 65_536
