"""Laws of whole runs, in this process: who is kept depends on the documents alone, and figures add up."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.documents import ID, TEXT
from pipeline.engines import engine
from pipeline.finished import Finished, everything, kept
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.run import Run
from tests.laws.corpora import planted

STAGES = [{"gopher_quality": {"min_words": 20}}, "exact", "minhash"]


def ran(folder, texts, *, stages=STAGES, ids=None, files=1, batch_rows=1_024, **more):
    """A finished run over the texts, dealt to `files` files in order."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = ids or [f"t{n:04d}" for n in range(len(texts))]
    rows = [json.dumps({"id": i, "text": t}) + "\n" for i, t in zip(ids, texts, strict=True)]
    size = -(-len(rows) // files)
    for number in range(files):
        (folder / f"{number:03d}.jsonl").write_text("".join(rows[number * size : (number + 1) * size]))
    recipe = parse({"name": "law", "sources": [{"path": f"{folder}/*.jsonl"}], "stages": stages} | more)
    with engine("local", 1) as workforce:
        Run(recipe, Home(str(folder / "run")), workforce, Silent(), batch_rows)()
    return Finished.at(str(folder / "run"))


def survivors(run):
    return {row for table in run.tables(kept) for row in zip(*(table[c].to_pylist() for c in (ID, TEXT)), strict=True)}


def without_nul(count, seed=1):
    return [text for text in planted(count, seed) if "\x00" not in text]  # NUL is quarantined by every reader


sound = st.builds(without_nul, st.integers(1, 60), st.integers(0, 999))


@settings(max_examples=12)
@given(sound, st.integers(1, 5), st.sampled_from([0.0005, 0.003, 64]), st.integers(1, 7))
def test_files_shards_and_batches_do_not_change_who_is_kept(tmp_path_factory, texts, files, shard_mb, rows):
    folder = tmp_path_factory.mktemp("law")
    one = ran(folder / "one", texts)
    many = ran(folder / "many", texts, files=files, batch_rows=rows, shard_mb=shard_mb)
    assert survivors(one) == survivors(many)
    assert one.report["stages"][-1]["documents_out"] == many.report["documents"]["kept"]


@settings(max_examples=12)
@given(sound, st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_change_who_is_kept(tmp_path_factory, texts, draw):
    folder = tmp_path_factory.mktemp("law")
    ids = [f"t{n:04d}" for n in range(len(texts))]
    pairs = list(zip(ids, texts, strict=True))
    draw.shuffle(pairs)
    shuffled = ran(folder / "b", [t for _, t in pairs], ids=[i for i, _ in pairs])
    assert survivors(ran(folder / "a", texts, ids=ids)) == survivors(shuffled)


@settings(max_examples=8)
@given(sound)
def test_what_a_run_kept_a_second_run_keeps(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("law")
    first = survivors(ran(folder / "a", texts))
    if first:
        ids, left = zip(*sorted(first), strict=True)
        assert survivors(ran(folder / "b", list(left), ids=list(ids))) == first


@settings(max_examples=8)
@given(sound)
def test_every_document_is_kept_or_has_a_reason_and_figures_add_up(tmp_path_factory, texts):
    run = ran(tmp_path_factory.mktemp("law"), texts)
    rows = [row for table in run.tables(everything) for row in table.to_pylist()]
    assert sorted(row[TEXT] for row in rows) == sorted(texts)
    assert all((row["drop"] is None) == (row["stage"] is None) == (row["value"] is None) for row in rows)
    figures = run.report
    gone = sum(count for stage in figures["stages"] for count in stage["dropped"].values())
    assert figures["documents"]["kept"] + gone == figures["documents"]["read"] == len(texts)
    sizes = sum(size for stage in figures["stages"] for size in stage["dropped_bytes"].values())
    assert figures["bytes"]["kept"] + sizes == figures["bytes"]["read"] == sum(len(t.encode()) for t in texts)
    by_domain = figures["domains"].values()
    assert sum(d["documents"]["kept"] for d in by_domain) == figures["documents"]["kept"]


def test_stages_in_another_order_see_only_what_is_left(tmp_path):
    """A duplicate that the rules drop first never drops its copy, and a stage before it may."""
    texts = without_nul(80, 3)
    late = ran(tmp_path / "late", texts, stages=["exact", "minhash", {"gopher_quality": {"min_words": 20}}])
    for run in (late, ran(tmp_path / "early", texts)):
        here = run.report["documents"]["read"]
        for stage in run.report["stages"]:
            assert stage["documents_in"] == here
            here = stage["documents_out"]
    measured = [row for table in late.tables(everything) for row in table.to_pylist()]
    for row in measured:  # columns of a stage are null for documents that were gone before it
        assert (row["words"] is None) == (row["stage"] in ("exact", "minhash"))


@pytest.mark.parametrize("stages", [[], ["exact"], ["minhash"], ["gopher_quality", "gopher_quality"]])
def test_any_list_of_stages_runs(tmp_path, stages):
    run = ran(tmp_path, without_nul(40), stages=stages)
    assert [s["name"] for s in run.report["stages"]] == [*stages[:1], *[f"{s}_2" for s in stages[1:]]]


def test_a_corpus_of_which_nothing_is_kept_says_so(tmp_path):
    run = ran(tmp_path, ["too short"] * 3, stages=["gopher_quality"])
    assert run.report["documents"] == {"read": 3, "kept": 0, "dropped": 3, "quarantined": 0}
    assert run.report["stages"][0]["dropped"] == {"words": 3}


def test_a_run_on_an_object_like_store_gives_the_same_digest(tmp_path):
    """memory:// has no renames and no locks, as object stores have none."""
    texts = without_nul(60)
    here = ran(tmp_path / "a", texts)
    recipe = parse({"name": "law", "sources": [{"path": f"{tmp_path}/a/*.jsonl"}], "stages": STAGES})
    with engine("local", 1) as workforce:
        report = Run(recipe, Home("memory://law-run"), workforce, Silent())()
        again = Run(recipe, Home("memory://law-run"), workforce, Silent())()
    assert report["digest"] == again["digest"] == here.report["digest"]
    assert survivors(Finished.at("memory://law-run")) == survivors(here)
