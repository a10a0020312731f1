"""`winnow classify`: train, judge and score by real commands; twice the same bytes, and nothing is left half done."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from classifiers import card as cards
from corpus.errors import RecipeError, TooMuchBad
from pipeline import classifying
from pipeline.classifying import Asked
from stages.quality import Quality
from tests.classifiers.test_training_fasttext import SMALL, pages
from tests.e2e.runs import winnow_json

pytest.importorskip("floret")


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Files of one class each, one file with a field of labels, and a model trained by a command."""
    folder = tmp_path_factory.mktemp("classify")
    found = pages(150)
    for label in ("hq", "cc"):
        jsonl(folder / f"{label}.jsonl", [{"text": text} for one, text in found if one == label])
    jsonl(folder / "all.jsonl", [{"body": t, "kind": one, "site": n % 40} for n, (one, t) in enumerate(found)])
    facts = winnow_json("classify", "train", folder / "m.bin", *classes(folder), *small(), "--plot", folder / "m.svg")
    return folder, facts


def classes(folder):
    return [f"--class=hq={folder}/hq.jsonl", f"--class=cc={folder}/cc.jsonl"]


def small():
    return ["--dim", 8, "--buckets", 500, "--rate", 1, "--held-out", 0.4]


def test_a_training_says_what_its_card_says(place):
    folder, facts = place
    assert facts == json.loads((folder / "m.bin.card.json").read_text())
    assert facts["positive"] == "hq"
    assert sum(sum(part.values()) for part in (facts["split"][p] for p in ("calibration", "metrics"))) > 80
    assert facts["split"]["train"]["hq"] == facts["split"]["train"]["cc"]
    assert facts["judged"][0]["auc"]["value"] > 0.95
    assert (folder / "m.svg").read_text().startswith("<svg")


def test_two_trainings_write_the_same_bytes(place, tmp_path):
    folder, facts = place
    again = winnow_json("classify", "train", tmp_path / "m.bin", *classes(folder)[::-1], "--positive", "hq", *small())
    assert again["fingerprint"] != facts["fingerprint"]  # the labels stand in another order
    again = winnow_json("classify", "train", tmp_path / "m.bin", *classes(folder), *small(), "--overwrite")
    assert again == facts
    for name in ("m.bin", "m.bin.card.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_eval_judges_by_what_training_did_not_see(place):
    folder, facts = place
    found = winnow_json("classify", "eval", folder / "m.bin", *classes(folder))
    assert found["unseen"]
    assert found["documents"] == facts["split"]["metrics"]
    assert found["judged"] == facts["judged"]
    everything = winnow_json("classify", "eval", folder / "m.bin", *classes(folder), "--all", "--folds", 3)
    assert sum(everything["documents"].values()) == 300
    assert everything["cross_validation"]["auc"]["hq"]["value"] > 0.95


def test_scores_are_the_stages(place, tmp_path):
    folder, _ = place
    done = winnow_json("classify", "score", folder / "m.bin", folder / "hq.jsonl", tmp_path / "s.parquet")
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column_names == ["id", "domain", "bytes", "quality", "quality_label"]
    assert done["documents"] == table.num_rows == 150
    assert np.median(table["quality"].to_numpy()) > 0.5
    rows = winnow_json("classify", "score", folder / "m.bin", folder / "hq.jsonl", tmp_path / "s.jsonl")
    assert rows["exceeded"] == done["exceeded"]
    assert [json.loads(one) for one in (tmp_path / "s.jsonl").read_text().splitlines()] == table.to_pylist()


def test_a_field_of_labels_and_groups(place, tmp_path):
    folder, _ = place
    asked = Asked((), (str(folder / "all.jsonl"),), "kind", "site", "body")
    card = classifying.train(asked, str(tmp_path / "g.bin"), SMALL, positive="cc", held_out=0.4)
    assert card.split.by == "group"
    assert classifying.evaluated(str(tmp_path / "g.bin"), asked)["documents"] == card.split.metrics
    with pytest.raises(RecipeError, match="parted texts with --group-field"):
        classifying.evaluated(str(tmp_path / "g.bin"), Asked((), (str(folder / "all.jsonl"),), "kind", None, "body"))


def test_more_than_two_labels_are_judged_one_by_one(tmp_path):
    rows = [{"text": f"{['stone', 'river', 'moon'][n % 3]} {n}", "topic": "abc"[n % 3]} for n in range(180)]
    asked = Asked((), (str(jsonl(tmp_path / "t.jsonl", rows)),), "topic")
    card = classifying.train(asked, str(tmp_path / "t.bin"), SMALL, held_out=0.4)
    assert card.positive is None
    assert sorted(one.label for one in card.judged) == ["a", "b", "c"]
    assert set(card.calibration) == {"a", "b", "c"}
    assert Quality(model=str(tmp_path / "t.bin"), column="topic").files[1].endswith(cards.SUFFIX)


@pytest.mark.parametrize(
    ("asked", "more", "said"),
    [
        ((), {}, "--class LABEL=PATH"),
        (("hq={}/hq.jsonl",), {}, "two or more"),
        (("hq={}/hq.jsonl", "cc={}/hq.jsonl"), {}, "label 'hq' has none"),
        (("hq={}/hq.jsonl", "cc={}/cc.jsonl"), {"held_out": 0.0}, "--held-out 0"),
        (("hq={}/hq.jsonl", "cc={}/cc.jsonl"), {"held_out": 0.001}, "no example of 'hq'"),
        (("hq={}/hq.jsonl", "cc={}/cc.jsonl"), {"positive": "zz"}, "no such label; there are: hq, cc"),
        (("hq={}/hq.jsonl", "cc={}/cc.jsonl"), {"folds": 1}, "--folds 1: 2 to 100"),
        (("hq",), {}, "expected LABEL=PATH"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(place, tmp_path, asked, more, said):
    folder, _ = place
    with pytest.raises(RecipeError, match=said):
        classifying.train(Asked(tuple(one.format(folder) for one in asked)), str(tmp_path / "n.bin"), SMALL, **more)
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_not_overwritten_unasked(place):
    folder, _ = place
    before = (folder / "m.bin").read_bytes()
    with pytest.raises(RecipeError, match="exists"):
        classifying.train(Asked(tuple(one[8:] for one in classes(folder))), str(folder / "m.bin"), SMALL)
    assert (folder / "m.bin").read_bytes() == before


def test_bad_records_stop_a_training(place, tmp_path):
    folder, _ = place
    bad = tmp_path / "bad.jsonl"
    bad.write_text((folder / "hq.jsonl").read_text() + '{"text": \n' * 20)
    with pytest.raises(TooMuchBad, match="20 of 320 records are bad"):
        classifying.labelled(Asked((f"hq={bad}", f"cc={folder}/cc.jsonl")))


def test_labels_that_are_not_the_models_are_refused(place, tmp_path):
    folder, _ = place
    with pytest.raises(RecipeError, match="label 'good'"):
        classifying.evaluated(str(folder / "m.bin"), Asked((f"good={folder}/hq.jsonl", f"cc={folder}/cc.jsonl")))


def test_the_baseline_is_scikit_learns(place):
    pytest.importorskip("sklearn")
    folder, _ = place
    of = classifying.labelled(Asked(tuple(one[8:] for one in classes(folder)))).examples
    found = classifying.cross_validated(of, SMALL, 2, balance=True, baseline=True)
    assert found.baseline is not None
    assert found.baseline["hq"].value > 0.95


def test_real_reference_texts_are_told_from_the_web(data, tmp_path):
    """State of the union and inaugural speeches against news pages: one command, two small files."""
    corpus = Path(data) / "corpus"
    asked = Asked(
        (
            f"reference={corpus}/speeches__us_presidents.jsonl.gz",
            f"web={corpus}/web__article_benchmark_pages.jsonl.zst",
        )
    )
    card = classifying.train(asked, str(tmp_path / "m.bin"), SMALL, held_out=0.4)
    assert card.judged[0].auc.value > 0.95
