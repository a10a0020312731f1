"""The `mixture:` part of a recipe: what it means, and that what cannot be is told before anything is read."""

from pathlib import Path

import pytest
import yaml

from corpus.errors import RecipeError
from pipeline.experiment_settings import wanted
from pipeline.recipe import load

RECIPE = Path(__file__).parents[2] / "recipes" / "mixture.yaml"


def written(tmp_path, **changes):
    recipe = yaml.safe_load(RECIPE.read_text())
    for key, value in changes.items():
        recipe[key] = value if value is None or not isinstance(value, dict) else recipe[key] | value
    path = tmp_path / "mixture.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in recipe.items() if value is not None}))
    return str(path)


def test_the_recipe_that_ships_is_one_of_a_corpus_and_asks_for_more():
    assert load(RECIPE).tokens is not None
    found = wanted(str(RECIPE), "runs/m", ["mixture.swarm.runs=12", "train.budget=5M", "tokens.vocab=512"])
    assert found.part.swarm.runs == 12
    assert found.train == ("train.budget=5M",)
    assert found.of_model("runs/m", mixture="a.json") == ["train.budget=5M", "tokens=runs/m", "mixture=a.json"]
    assert found.of_proxies("runs/m")[-1] == 'budget="300K"'


def test_a_recipe_without_the_part_ends_with_its_corpus(tmp_path):
    assert wanted(written(tmp_path, mixture=None), "runs/m") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train": None}, "no `train:`"),
        ({"tokens": None}, "no `tokens:`"),
        ({"mixture": {"method": "regmx"}}, "'regmx' is no method; there are: regmix, mixing_law, doremi, uniform"),
        ({"mixture": {"swarm": {"runs": 9}}}, "9; regmix needs 10"),
        ({"mixture": {"swarms": {"runs": 9}}}, "swarms"),
        ({"mixture": {"judge": {"beside": []}}}, "at least 1"),
        ({"mixture": {"judge": {"beside": ["regmix"]}}}, "'regmix' is not one of uniform, proportional"),
        ({"mixture": {"method": "uniform"}}, "'uniform' is not one of proportional"),
    ],
)
def test_what_cannot_be_is_told_at_once(tmp_path, changes, said):
    with pytest.raises(RecipeError, match=said):
        wanted(written(tmp_path, **changes), "runs/m")


def test_models_are_not_trained_on_object_stores():
    with pytest.raises(RecipeError, match="mounted disk"):
        wanted(str(RECIPE), "s3://bucket/run")
