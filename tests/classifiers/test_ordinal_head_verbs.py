"""`winnow classify train-head`, and `eval` and `score` of heads: real commands, the same bytes twice."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from classifiers import head_card, ordinal_head
from classifiers.encoder import load
from corpus.errors import RecipeError
from pipeline import classifying_embeddings as classifying
from pipeline.classifying_embeddings import Rated
from tests.classifiers.encoder_folders import graded, static
from tests.e2e.runs import winnow, winnow_json

pytestmark = pytest.mark.slow  # heads are trained: half a minute

pytest.importorskip("torch")
pytest.importorskip("safetensors")

SMALL = ordinal_head.Settings(epochs=40, rate=0.02, batch=64)
QUICK = ["--epochs", 40, "--rate", 0.02, "--batch", 64, "--held-out", 0.4]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Texts with scores, the same without, their scores by id, an encoder, and a head trained by a command."""
    folder = tmp_path_factory.mktemp("heads")
    found = graded(400)
    rows = [
        {"id": f"d{n}", "text": text, "score": score, "site": f"s{n % 90}"} for n, (text, score) in enumerate(found)
    ]
    jsonl(folder / "in.jsonl", rows)
    jsonl(folder / "plain.jsonl", [{"id": row["id"], "text": row["text"]} for row in rows])
    jsonl(folder / "labels.jsonl", [{"id": row["id"], "score": row["score"]} for row in rows])
    static(folder / "encoder", dim=24)
    asked = ["--encoder", folder / "encoder", "--source", folder / "in.jsonl"]
    facts = winnow_json("classify", "train-head", folder / "h.safetensors", *asked, *QUICK)
    return folder, facts


def rated(folder, **more):
    return Rated((f"{folder}/in.jsonl",), **more)


def test_a_training_says_what_its_card_says(place):
    folder, facts = place
    assert facts == json.loads((folder / "h.safetensors.card.json").read_text())
    assert (facts["kind"], facts["threshold"], facts["weak_labels"]) == ("embedding-head", 3.0, None)
    assert facts["encoder"]["fingerprint"] == load(str(folder / "encoder")).fingerprint
    assert facts["ordinal"]["spearman"] > 0.8
    assert facts["ordinal"]["at_least"][2]["f1"] > 0.8
    assert facts["judged"]["auc"]["low"] > 0.9
    assert facts["judged"]["calibrated"]["error"] < 0.15
    assert 0 <= facts["judged"]["thresholds"][-1]["at"] <= 5
    assert sum(map(sum, facts["ordinal"]["confusion"])) == sum(facts["split"]["metrics"].values())
    assert sum(sum(facts["split"][part].values()) for part in ("train", "calibration", "metrics")) == 400


def test_two_trainings_write_the_same_bytes_wherever_the_encoder_lies(place, tmp_path):
    folder, _ = place
    static(tmp_path / "elsewhere", dim=24)
    for name in ("a", "b"):
        encoder = load(str((folder / "encoder", tmp_path / "elsewhere")[name == "b"]))
        classifying.train(rated(folder), str(tmp_path / f"{name}.safetensors"), encoder, SMALL, held_out=0.4)
    for suffix in ("", ".card.json"):
        made = [(tmp_path / f"{name}.safetensors{suffix}").read_bytes() for name in ("a", "b")]
        assert made[0] == made[1] == (folder / f"h.safetensors{suffix}").read_bytes()


def test_labels_by_id_are_labels_in_the_field(place, tmp_path):
    folder, facts = place
    asked = Rated((f"{folder}/plain.jsonl",), labels=f"{folder}/labels.jsonl")
    card = classifying.train(asked, str(tmp_path / "h.safetensors"), load(f"{folder}/encoder"), SMALL, held_out=0.4)
    assert (card.sha256, card.fingerprint) == (facts["sha256"], facts["fingerprint"])


def test_weak_labels_bring_their_prompt_into_the_card(place, tmp_path):
    folder, _ = place
    labels = tmp_path / "labels.jsonl"
    labels.write_bytes((folder / "labels.jsonl").read_bytes())
    weak = head_card.LabelCard(
        model="m", prompt="Rate {text}", prompt_sha256="0" * 64, characters=10, most_tokens=9, documents=400,
        labelled=400, nonsense=0, failed=0, scores={}, fingerprint="0" * 32,
    )  # fmt: skip
    head_card.write(weak, str(labels))
    asked = Rated((f"{folder}/plain.jsonl",), labels=str(labels))
    card = classifying.train(asked, str(tmp_path / "h.safetensors"), load(f"{folder}/encoder"), SMALL, held_out=0.4)
    assert card.weak_labels == weak


def test_eval_judges_by_what_training_did_not_see(place):
    folder, facts = place
    head = f"{folder}/h.safetensors"
    asked = ["--encoder", folder / "encoder", "--source", folder / "in.jsonl"]
    found = winnow_json("classify", "eval", head, *asked)
    assert found["unseen"]
    assert (found["ordinal"], found["judged"]) == (facts["ordinal"], facts["judged"])
    assert found["documents"] == facts["split"]["metrics"]
    encoder = load(f"{folder}/encoder")
    everything = classifying.evaluated(head, rated(folder), encoder, everything=True, threshold=4.0)
    assert everything["ordinal"]["documents"] == 400
    assert everything["judged"]["label"] == "score >= 4"
    assert everything["judged"]["calibrated"] is None  # the card's map is of another threshold


def test_scores_are_the_stages(place, tmp_path):
    folder, _ = place
    head, encoder = f"{folder}/h.safetensors", load(f"{folder}/encoder")
    asked = ["--encoder", folder / "encoder", "--column", "edu"]
    done = winnow_json("classify", "score", head, folder / "in.jsonl", tmp_path / "s.parquet", *asked)
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column_names == ["id", "domain", "bytes", "edu", "edu_level"]
    assert done["documents"] == table.num_rows == 400
    assert ordinal_head.levels(table["edu"].to_numpy()).tolist() == table["edu_level"].to_pylist()
    right = ordinal_head.load(head)[0].scores(encoder.vectors(classifying.examined(rated(folder)).examples.text))
    assert np.sort(table["edu"].to_numpy()).tolist() == np.sort(right).tolist()


def test_groups_stay_together(place, tmp_path):
    folder, _ = place
    encoder, out = load(f"{folder}/encoder"), str(tmp_path / "g.safetensors")
    card = classifying.train(rated(folder, group_field="site"), out, encoder, SMALL, held_out=0.4)
    assert card.split.by == "group"
    with pytest.raises(RecipeError, match="parted texts with --group-field"):
        classifying.evaluated(out, rated(folder), encoder)
    assert classifying.evaluated(out, rated(folder, group_field="site"), encoder)["unseen"]


def test_the_tables_add_up_for_people(place):
    folder, _ = place
    said = winnow(
        "classify", "eval", folder / "h.safetensors", "--encoder", folder / "encoder", "--source", folder / "in.jsonl"
    )
    assert "Spearman" in said
    assert "score >= 3" in said
    assert max(map(len, said.splitlines())) <= 100


def test_too_few_steps_are_told(place, tmp_path):
    """FineWeb-Edu's settings on 240 texts: 20 steps, where its own training took 35,000."""
    folder, _ = place
    asked = ["--encoder", folder / "encoder", "--source", folder / "in.jsonl", "--held-out", 0.4]
    assert "20 steps at a rate of 0.0003" in winnow("classify", "train-head", tmp_path / "a.safetensors", *asked)
    assert "steps at a rate" not in winnow("classify", "train-head", tmp_path / "b.safetensors", *asked, *QUICK)


@pytest.mark.parametrize(
    ("asked", "more", "said"),
    [
        ({"label_field": "site"}, {}, "label 's0' in field 'site' is no score from 0 to 5"),
        ({"labels": "{}/in.jsonl", "label_field": "none"}, {}, "of 400 records are bad"),
        ({}, {"held_out": 1.0}, "--held-out 1"),
        ({}, {"threshold": 6.0}, "--threshold 6"),
        ({}, {"held_out": 0.001}, "the part for"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(place, tmp_path, asked, more, said):
    from corpus.errors import WinnowError

    folder, _ = place
    asked = {key: value.format(folder) for key, value in asked.items()}
    with pytest.raises(WinnowError, match=said):
        classifying.train(
            rated(folder, **asked), str(tmp_path / "n.safetensors"), load(f"{folder}/encoder"), SMALL, **more
        )
    assert list(tmp_path.iterdir()) == []


def test_ids_that_fit_no_document_or_two_are_refused(place, tmp_path):
    folder, _ = place
    none = jsonl(tmp_path / "none.jsonl", [{"id": "zz", "score": 1}])
    with pytest.raises(RecipeError, match="none of its 1 ids is that of a document"):
        classifying.examined(Rated((f"{folder}/plain.jsonl",), labels=str(none)))
    twice = jsonl(tmp_path / "twice.jsonl", [{"id": "d0", "text": "a"}, {"id": "d0", "text": "b"}])
    with pytest.raises(RecipeError, match="id 'd0' stands at two documents"):
        classifying.examined(Rated((str(twice),), labels=f"{folder}/labels.jsonl"))


def test_what_does_not_go_together_is_refused(place, tmp_path):
    folder, _ = place
    head, encoder = folder / "h.safetensors", static(tmp_path / "other", seed=2, dim=24)
    asked = ["--source", folder / "in.jsonl"]
    winnow("classify", "eval", head, *asked, "--encoder", encoder, code=2)
    winnow("classify", "eval", head, *asked, "--label-field", "score", code=2)
    winnow("classify", "eval", head, *asked, "--encoder", folder / "encoder", "--folds", 3, code=2)
    winnow("classify", "train-head", head, *asked, "--encoder", folder / "encoder", code=2)
    with pytest.raises(RecipeError, match=r"ends in \.safetensors"):
        classifying.train(rated(folder), str(tmp_path / "h.bin"), load(f"{folder}/encoder"), SMALL)
