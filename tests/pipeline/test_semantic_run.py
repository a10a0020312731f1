"""A run that embeds, gives topics and drops semantic duplicates: the same rows however it is worked off; an index."""

import json

import pytest

from pipeline import index
from pipeline.crossing import crossed
from pipeline.engines import engine
from pipeline.finished import Finished, everything, kept
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.run import Run
from pipeline.topics import fit
from tests.classifiers.topic_texts import encoder, texts

pytestmark = pytest.mark.slow  # kernels of embeddings compile for most of a minute


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """240 texts, 60 of them once more with their words turned round: other shingles, the same vector."""
    folder = tmp_path_factory.mktemp("semantic")
    made, _ = texts(240)
    turned = [" ".join(text.split()[::-1]) for text in made[:60]]
    named = [*((f"d{n}", text) for n, text in enumerate(made)), *((f"a{n}", text) for n, text in enumerate(turned))]
    rows = [{"id": id_, "text": text, "domain": f"s{n % 2}"} for n, (id_, text) in enumerate(named)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    encoder(folder / "encoder")
    fit(f"{folder}/a.jsonl", f"{folder}/t.safetensors", f"{folder}/encoder", clusters=3)
    return folder


def ran(inputs, at, workers=1, batch_rows=64, shard_mb=0.005, **more):
    stages = [
        "minhash",
        {"embedding": {"encoder": f"{inputs}/encoder"}},
        {"topic": {"centroids": f"{inputs}/t.safetensors"}},
        {"semantic_dedup": {"least": 0.9999, **more}},
    ]
    source = {"path": f"{inputs}/a.jsonl", "domain_field": "domain"}
    recipe = parse({"name": "semantic", "sources": [source], "stages": stages, "shard_mb": shard_mb})
    with engine("local", workers) as workforce:
        report = Run(recipe, Home(str(at)), workforce, Silent(), batch_rows)()
    run = Finished.at(str(at))
    return report, run


def _kept(run):
    return sum(table.num_rows for table in run.tables(kept))


@pytest.fixture(scope="module")
def alone(inputs, tmp_path_factory):
    """What one worker makes of it in small shards."""
    return ran(inputs, tmp_path_factory.mktemp("alone") / "run")


def test_texts_that_say_the_same_in_another_order_of_words_are_dropped(alone):
    run = alone[1]
    rows = {row["id"]: row for table in run.tables(everything) for row in table.to_pylist()}
    gone = {name for name, row in rows.items() if row["drop"]}
    assert {row["stage"] for name, row in rows.items() if name in gone} == {"semantic_dedup"}
    assert {f"d{n}" for n in range(60)} <= gone  # as long as a0 to a59, whose ids come first
    for name in gone:
        assert rows[name]["topic"] == rows[rows[name]["duplicate_of"]]["topic"]
        assert rows[name]["similarity"] >= 0.9999
    assert _kept(run) == 300 - len(gone)
    assert all(row["uncompared"] is not True for row in rows.values())


def test_workers_batches_and_shards_change_nothing(inputs, alone, tmp_path):
    more = ran(inputs, tmp_path / "three", workers=3, batch_rows=1_024)
    assert more[0]["digest"] == alone[0]["digest"]
    one = ran(inputs, tmp_path / "one", shard_mb=1)[1]
    names = [sorted(row["id"] for table in run.tables(kept) for row in table.to_pylist()) for run in (one, alone[1])]
    assert names[0] == names[1]


def test_topics_cross_with_domains(alone):
    run = alone[1]
    said = crossed(run, "topic", "domain")
    assert len(said["rows"]) == 3
    assert sum(sum(row) for row in said["documents"]) == _kept(run)


def test_an_index_has_the_vectors_and_takes_part(inputs, alone, tmp_path):
    made = index.make(alone[1], f"{tmp_path}/index", "semantic_dedup")
    assert made["columns"]["embedding"] == "list<element: halffloat>"
    _, run = ran(inputs, tmp_path / "again", index=[f"{tmp_path}/index"])
    assert _kept(run) == 0
    rows = [row for table in run.tables(everything) for row in table.to_pylist()]
    assert all(row["duplicate_in"] == f"{tmp_path}/index" for row in rows)
