"""The stage `quality`: scores are the library's, thresholds and labels hold, and what does not fit is refused."""

import json

import numpy as np
import pyarrow as pa
import pytest

from classifiers import card as cards
from classifiers.fasttext_model import load
from classifiers.fasttext_projection import probabilities
from corpus.documents import DROP, VALUE, Batch
from corpus.errors import RecipeError
from stages.quality import Quality
from tests.classifiers.fasttext_files import VOCABULARY, Made
from tests.laws.corpora import documents, planted

TEXTS = [" ".join(VOCABULARY[n : n + 4]) for n in range(10)] + ["", "no word of it"]


@pytest.fixture
def model(tmp_path):
    return str(Made(labels=("cc", "hq"), dim=6, word_ngrams=2).written(tmp_path / "m.bin"))


@pytest.fixture
def topics(tmp_path):
    return str(Made(labels=("law", "sport", "science"), dim=6).written(tmp_path / "topics.bin"))


def laid(stage, texts=TEXTS):
    rows = documents(texts)
    return stage.checked(stage.annotate(Batch(rows)), rows.num_rows)


def card(model, **more):
    """A card of a random model, as far as the stage goes by it."""
    score = np.linspace(0.01, 0.99, 100)
    fit = cards.fitted(score, score > 0.7)
    interval = {"value": 1.0, "low": 0.9, "high": 1.0}
    made = {
        "sha256": load(model).sha256,
        "labels": ("cc", "hq"),
        "positive": "hq",
        "training": cards.Training(
            library="floret 0.10.5", word_ngrams=2, rate=0.1, dim=6, epochs=5, min_count=1, buckets=300, seed=42
        ),
        "given": (),
        "fingerprint": "0" * 32,
        "left": cards.Left(bad=0, empty=0, copies=0, contradicted=0),
        "split": cards.Split(
            held_out=0.2, seed=42, by="text", balanced=True, train={}, calibration={}, metrics={}
        ),
        "calibration": {"hq": fit, "cc": fit},
        "accuracy": 1.0,
        "judged": (),
        "cross_validation": cards.Folds(
            folds=2, auc={"hq": cards.Interval(**interval)}, accuracy=1.0, baseline=None
        ),
    }  # fmt: skip
    cards.write(cards.Card(**made | more), model)
    return fit


def test_the_score_is_the_probability_of_the_label(model):
    table = laid(Quality(model=model, label="hq"))
    said = probabilities(load(model), pa.array(TEXTS, pa.large_string()))[:, 1]
    assert table["quality"].to_numpy() == pytest.approx(said, abs=1e-5)
    assert table["quality_label"].to_pylist() == ["hq" if p > 0.5 else "cc" for p in said]
    assert table[DROP].null_count == len(TEXTS)
    assert {"hq", "cc"} == set(table["quality_label"].to_pylist())  # else the models' draw tests nothing


def test_what_scores_below_least_is_dropped_with_its_score(model):
    table = laid(Quality(model=model, label="hq", least=0.5, column="educational"))
    below = table["educational"].to_numpy() < 0.5
    assert 0 < below.sum() < len(TEXTS)
    assert table[DROP].to_pylist() == ["educational" if one else None for one in below]
    assert table[VALUE].drop_null().to_pylist() == table["educational"].filter(pa.array(below)).to_pylist()


def test_without_a_label_the_most_probable_one_counts(topics):
    table = laid(Quality(model=topics, column="topic"))
    said = probabilities(load(topics), pa.array(TEXTS, pa.large_string()))
    assert table["topic"].to_numpy() == pytest.approx(said.max(axis=1), abs=1e-5)
    assert table["topic_label"].to_pylist() == [("law", "sport", "science")[n] for n in said.argmax(axis=1)]


def test_two_stages_lay_columns_of_their_own(model, topics):
    stages = Quality(model=model, label="hq"), Quality(model=topics, column="topic")
    assert not set(stages[0].adds) & set(stages[1].adds)


def test_how_texts_are_batched_changes_nothing(model):
    stage, texts = Quality(model=model, label="hq", least=0.4), planted(60)
    whole = laid(stage, texts)
    halves = [laid(stage, texts[:23]), laid(stage, texts[23:])]
    assert pa.concat_tables(halves).combine_chunks().equals(whole.combine_chunks())
    assert laid(stage, []).num_rows == 0


def test_the_card_names_the_label_and_calibrates(model):
    fit = card(model)
    raw = laid(Quality(model=model))["quality"].to_numpy()
    assert raw.tolist() == laid(Quality(model=model, label="hq"))["quality"].to_pylist()
    better = laid(Quality(model=model, calibrated=True))["quality"].to_numpy()
    assert better == pytest.approx(fit(raw), abs=1e-7)
    assert not np.allclose(better, raw)
    assert Quality(model=model).files == (model, model + cards.SUFFIX)


def test_a_share_is_kept_by_a_quota_behind_it(model):
    (quota,) = Quality(model=model, label="hq", keep_share=0.3, column="fine").then
    assert (quota.name, quota.column, quota.keep_share) == ("quota", "fine", 0.3)
    assert Quality(model=model, label="hq").then == ()


def test_the_asked_hash_is_the_models(model):
    right = load(model).sha256
    assert Quality(model=model, label="hq", sha256=right).files == (model,)
    with pytest.raises(RecipeError, match=f"has sha-256 {right}, and the recipe asks for {'0' * 64}"):
        _ = Quality(model=model, label="hq", sha256="0" * 64).files


def test_models_that_do_not_fit_are_refused_before_a_document_is_read(model, topics, tmp_path):
    for stage, said in (
        (Quality(model=model), "`label` is not set, and no card beside"),
        (Quality(model=model, label="good"), "no label 'good' in .*there are: cc, hq"),
        (Quality(model=model, label="hq", calibrated=True), "there is no card"),
        (Quality(model=str(tmp_path / "none.bin"), label="hq"), "no such file"),
    ):
        with pytest.raises(RecipeError, match=said):
            _ = stage.files
    (tmp_path / "short.bin").write_bytes((tmp_path / "m.bin").read_bytes()[:-7])
    with pytest.raises(RecipeError, match="cut short or damaged"):
        _ = Quality(model=str(tmp_path / "short.bin"), label="hq").files


def test_the_card_of_another_model_is_refused(model):
    card(model, sha256="0" * 64)
    with pytest.raises(RecipeError, match="the card of another model"):
        _ = Quality(model=model).files


def test_a_damaged_card_is_refused(model):
    card(model)
    path = model + cards.SUFFIX
    with open(path) as file:
        whole = json.load(file)
    for damaged in (json.dumps(whole | {"more": 1}), json.dumps(whole)[:-9], "[]", json.dumps(whole | {"sha256": 3})):
        with open(path, "w") as file:
            file.write(damaged)
        with pytest.raises(RecipeError, match="no card of a model"):
            cards.beside(model)


def test_too_few_documents_calibrate_nothing(model):
    score = np.linspace(0, 1, 19)
    card(model, calibration={"hq": cards.fitted(score, score > 0.5)})
    with pytest.raises(RecipeError, match="too few documents were held out"):
        _ = Quality(model=model, calibrated=True).files


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": None}, "`model` is not set"),
        ({"least": 1.5}, "least 1.5 must be 0 to 1"),
        ({"keep_share": 0}, "keep nothing"),
        ({"least": 0.5, "keep_share": 0.5}, "keep one"),
        ({"column": "text"}, "cannot be one"),
        ({"column": "../x"}, "cannot be one"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, said):
    with pytest.raises(RecipeError, match=said):
        Quality(**{"model": "m.bin", "label": "hq"} | settings)
