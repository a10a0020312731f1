"""The report of benchmarks over a finished run: shares over shards, fates, frequent n-grams, and the page."""

import json

import pytest

from corpus.errors import RecipeError
from pipeline import contamination
from pipeline.engines import engine
from pipeline.finished import Finished
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.report import contaminations
from pipeline.run import Run
from tests.laws.corpora import prose

WORDS = [f"w{n}" for n in range(40)]
HALVES = {"d1": " ".join(WORDS[:24]), "d2": " ".join(WORDS[16:])}
OTHER = " ".join(f"other{n}" for n in range(20))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Benchmarks of three items, and 14 documents: two halves of the first item, twelve with the second whole."""
    folder = tmp_path_factory.mktemp("contamination")
    items = [{"id": "split", "text": " ".join(WORDS)}, {"id": "common", "text": OTHER}, {"id": "short", "text": "why"}]
    (folder / "evals.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    documents = HALVES | {f"e{n:02d}": OTHER for n in range(12)}
    rows = [{"id": key, "text": f"{prose(n, 40)}\n{text}."} for n, (key, text) in enumerate(documents.items())]
    (folder / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def finished(inputs, name, stages):
    source = {"path": str(inputs / "docs.jsonl")}
    recipe = parse({"name": "run", "sources": [source], "stages": stages, "shard_mb": 0.001})
    with engine("local", 1) as workers:
        Run(recipe, Home(str(inputs / name)), workers, Silent())()
    return Finished.at(str(inputs / name))


def stage(inputs, **settings):
    return {"decontaminate": {"against": str(inputs / "evals.jsonl"), **settings}}


@pytest.fixture(scope="module")
def palm(inputs):
    """A finished run by PaLM's rule, in several shards, which only reports."""
    return contamination.judge(finished(inputs, "palm", [stage(inputs, rule="palm")]))


def test_an_item_in_two_halves_is_whole_in_the_corpus(palm):
    facts = contamination.report(palm)
    told = {one["item"]: one for one in facts["items"]}
    assert told["split"]["share"] == pytest.approx(1)  # 17 n-grams and 17, of 33; one of them in both
    assert told["split"]["score"] == pytest.approx(17 / 33)
    assert {one["id"] for one in told["split"]["in"]} == {"d1", "d2"}
    assert told["split"]["contaminated"]
    assert facts["documents"] == {"dropped": 0, "cut": 0, "reported": 12}  # no half is 70 %
    assert told["common"]["documents"] == 12
    assert len(told["common"]["in"]) == contamination.DOCUMENTS
    assert facts["benchmarks"] == [
        {"benchmark": "evals", "items": 3, "not_matchable": 1, "found": 2, "contaminated": 2}
    ]


def test_spans_are_where_the_item_stands(palm, inputs):
    texts = {row["id"]: row["text"] for row in map(json.loads, (inputs / "docs.jsonl").read_text().splitlines())}
    for item in contamination.report(palm)["items"]:
        for one in item["in"]:
            ((start, end),) = one["spans"]
            assert texts[one["id"]].encode()[start:end].decode() == HALVES.get(one["id"], OTHER)


def test_n_grams_in_more_than_ten_documents_are_listed_and_then_ignored(palm, inputs):
    listed = inputs / "frequent.txt"
    facts = contamination.frequent(palm, str(listed))
    assert facts == {"out": str(listed), "ngrams": 13, "of": 46, "more_than": 10}
    assert listed.read_text().splitlines()[1].split() == OTHER.split()[:8]
    again = finished(inputs, "second", [stage(inputs, rule="palm", frequent=str(listed))])
    told = contamination.report(contamination.judge(again))["items"]
    assert [one["item"] for one in told] == ["split"]


def test_fates_and_the_page(inputs):
    judge = contamination.judge(finished(inputs, "cut", [stage(inputs, action="cut")]))
    facts = contamination.report(judge)
    assert facts["documents"] == {"dropped": 0, "cut": 14, "reported": 0}
    page = contaminations.page(facts | {"run": "<script>"})
    assert "<script>" not in page
    assert page.count("<tr>") == 2 + 1 + sum(len(one["in"]) for one in facts["items"])
    with pytest.raises(RecipeError, match="action: report"):
        contamination.frequent(judge, str(inputs / "none.txt"))


def test_a_run_without_the_stage_and_an_unknown_one_are_refused(palm, inputs):
    with pytest.raises(RecipeError, match="no stage 'minhash'"):
        contamination.judge(palm.finished, "minhash")
    with pytest.raises(RecipeError, match="no stage of this run"):
        contamination.judge(finished(inputs, "without", ["gopher_quality"]))
    both = finished(inputs, "both", [stage(inputs, rule="palm"), stage(inputs, rule="gpt3")])
    with pytest.raises(RecipeError, match="name one by --stage"):
        contamination.judge(both)
