"""Indexes of earlier runs: made, compared with, joined, taken apart; and refused where they do not fit."""

import json
from pathlib import Path

import pytest

from corpus.errors import RecipeError, ShardError
from pipeline import index
from pipeline.engines import engine
from pipeline.finished import Finished, kept
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.run import Run
from stages.exact import Exact
from stages.minhash import MinHash
from tests.laws.compared import compared, documents
from tests.laws.compared import kept as left
from tests.laws.corpora import edited, prose

OLD = [prose(n, 120) for n in range(6)]
STAGES = ["exact", {"minhash": {"prefer": ["-date"]}}]


def ran(folder: Path, texts: list[str], stages=STAGES) -> Finished:
    folder.mkdir(parents=True)
    rows = [{"id": f"old{n}", "text": text, "date": f"2024-01-{n + 1:02d}"} for n, text in enumerate(texts)]
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"path": f"{folder}/in.jsonl", "fields": ["date"]}
    recipe = parse({"name": "old", "sources": [source], "stages": stages, "shard_mb": 0.002})
    with engine("local", 1) as inline:
        Run(recipe, Home(str(folder / "run")), inline, Silent())()
    return Finished.at(str(folder / "run"))


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """An index of each stage, of a run that kept 6 of 8 documents, and the ids it kept."""
    folder = tmp_path_factory.mktemp("old")
    run = ran(folder / "a", [*OLD, OLD[0], edited(OLD[1], 1, 0.01)])
    made = {name: index.make(run, str(folder / name), name) for name in ("exact", "minhash")}
    ids = {one for table in run.tables(kept, text=False) for one in table["id"].to_pylist()}
    return {name: str(folder / name) for name in made}, made, ids


def test_an_index_holds_what_its_run_kept(old):
    urls, made, ids = old
    assert len(ids) == 6
    for name, url in urls.items():
        said = index.describe(url)
        assert said == made[name]
        assert said["documents"] == 6
        assert said["keys"] == 6 * (14 if name == "minhash" else 1)
        assert said["bytes"] == sum(one["bytes"] for one in said["shards"])


def test_what_an_index_holds_is_dropped_and_named(old, tmp_path):
    urls, _, ids = old
    new = [OLD[2], edited(OLD[3], 7, 0.01), prose(90, 120), edited(prose(90, 120), 8, 0.01)]
    table = documents(new, date=["2030-01-01"] * 4)
    found = compared(tmp_path / "both", MinHash(prefer=("-date",), index=(urls["minhash"],)), table, 2)
    of = [(row["duplicate_of"], row["duplicate_in"]) for row in found]
    assert of[0][1] == of[1][1] == urls["minhash"]
    assert {of[0][0], of[1][0]} <= ids
    assert of[2] == (None, None)
    assert of[3] == ("t00002", None)
    assert left(found) == {"t00002"}
    assert [row["cluster_size"] for row in found] == [2, 2, 2, 2]
    across = compared(
        tmp_path / "across", MinHash(prefer=("-date",), index=(urls["minhash"],), scope="across"), table, 2
    )
    assert left(across) == {"t00002", "t00003"}
    within = compared(
        tmp_path / "within", MinHash(prefer=("-date",), index=(urls["minhash"],), scope="within"), table, 2
    )
    assert left(within) == {"t00000", "t00001", "t00002"}
    exact = compared(tmp_path / "exact", Exact(index=(urls["exact"],)), table)
    assert left(exact) == {"t00001", "t00002", "t00003"}


def test_indexes_merge_and_subtract(old, tmp_path):
    urls, _, ids = old
    more = ran(tmp_path / "b", [*OLD[:2], prose(50, 120)])
    index.make(more, str(tmp_path / "more"), "minhash")
    both = index.merge(urls["minhash"], str(tmp_path / "more"), str(tmp_path / "both"))
    again = index.merge(str(tmp_path / "both"), urls["minhash"], str(tmp_path / "again"))
    assert again["documents"] == both["documents"]
    assert [one["documents"] for one in again["shards"]] == [one["documents"] for one in both["shards"]]
    gone = index.subtract(str(tmp_path / "both"), str(tmp_path / "more"), str(tmp_path / "less"))
    held = {row for shard in _shards(tmp_path / "less") for row in shard.table()["id"].to_pylist()}
    assert held == ids - {"old0", "old1", "old2"}
    assert gone["keys"] == 14 * len(held)
    found = compared(
        tmp_path / "c",
        MinHash(prefer=("-date",), index=(str(tmp_path / "less"),)),
        documents([OLD[0], OLD[4]], date=["1", "2"]),
    )
    assert [row["duplicate_of"] for row in found] == [None, "old4"]


def _shards(url):
    return [index.IndexShard(str(url), **one) for one in index.describe(str(url))["shards"]]


def test_an_index_of_other_settings_is_refused(old):
    with pytest.raises(RecipeError, match="ngram 5 and not 7"):
        index.check(MinHash(ngram=7, index=(old[0]["minhash"],)))
    with pytest.raises(RecipeError, match="stage 'exact' and not 'minhash'"):
        index.check(MinHash(index=(old[0]["exact"],)))
    with pytest.raises(RecipeError, match=r"no index\.json there"):
        index.check(MinHash(index=("nowhere",)))
    index.check(MinHash(index=("nowhere",), scope="within"))


def test_an_altered_index_is_found(old, tmp_path):
    urls, _, _ = old
    copy = tmp_path / "copy"
    for file in Path(urls["exact"]).rglob("*.*"):
        there = copy / file.relative_to(urls["exact"])
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(file.read_bytes())
    target = copy / "documents" / "000000.parquet"
    target.write_bytes(target.read_bytes()[:-1] + b"?")
    with pytest.raises(ShardError, match=r"000000\.parquet: does not have the checksum"):
        compared(tmp_path, Exact(index=(str(copy),)), documents([*OLD]))
    (copy / "index.json").write_text("{")
    with pytest.raises(ShardError, match="damaged"):
        index.describe(str(copy))


def test_an_index_is_not_written_over_another(old):
    with pytest.raises(RecipeError, match="not empty"):
        index.merge(old[0]["exact"], old[0]["exact"], old[0]["minhash"])
    with pytest.raises(RecipeError, match="differ: stage"):
        index.merge(old[0]["exact"], old[0]["minhash"], "elsewhere")


def test_an_index_s_content_is_part_of_a_stage_s_identity(old):
    assert MinHash(index=("a/b/",)).files == ("a/b/index.json",)
    assert MinHash(index=("a/b",), scope="within").files == ()
