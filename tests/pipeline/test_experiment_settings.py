"""The `mixture:` part of a recipe: what it means, and that what cannot be is told before anything is read."""

import io
import re
from pathlib import Path

import pytest
import yaml
from byte_tokens import byte_tokens
from rich.console import Console

from corpus.errors import RecipeError
from pipeline.experiment import Where, carried_out
from pipeline.experiment_settings import wanted
from pipeline.recipe import load
from pipeline.report.experiments import show
from pipeline.training_settings import asked
from tests.e2e.test_json import EXAMPLES

EMPTY: dict = {}

RECIPE = Path(__file__).parents[2] / "recipes" / "mixture.yaml"


def written(tmp_path, **changes):
    recipe = yaml.safe_load(RECIPE.read_text())
    for key, value in changes.items():
        recipe[key] = value if value is None or value is EMPTY else recipe[key] | value
    path = tmp_path / "mixture.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in recipe.items() if value is not None}))
    return str(path)


def test_the_recipe_that_ships_is_one_of_a_corpus_and_asks_for_more():
    assert load(RECIPE).tokens is not None
    found = wanted(str(RECIPE), "runs/m", ["mixture.swarm.runs=12", "train.budget=5M", "tokens.vocab=512"])
    assert found.part.swarm.runs == 12
    assert found.train == ("train.budget=5M",)
    assert found.of_model("runs/m", "a.json") == ["train.budget=5M", 'tokens="runs/m"', 'mixture="a.json"']
    assert found.of_model("runs/m", None)[-1] == "mixture=null"
    assert found.of_proxies("runs/m")[-1] == 'budget="300K"'


def test_a_recipe_without_the_part_ends_with_its_corpus(tmp_path):
    assert wanted(written(tmp_path, mixture=None), "runs/m") is None


def test_a_part_may_be_empty_or_said_by_overrides_alone(tmp_path):
    assert wanted(written(tmp_path, tokens=EMPTY, mixture=EMPTY, train=EMPTY), "runs/m").part.method == "regmix"
    found = wanted(written(tmp_path, mixture=None), "runs/m", ["mixture.method=doremi"])
    assert found.part.method == "doremi"


@pytest.mark.parametrize("at", ["2024", "runs/a #1", "yes", "a: b", "runs/\N{GRINNING FACE}"])
def test_a_folder_is_text_whatever_it_looks_like(at):
    found = wanted(str(RECIPE), at)
    assert asked(str(RECIPE), found.of_model(at, f"{at}/m.json")).part["tokens"] == at
    assert asked(str(RECIPE), found.of_proxies(at)).part["tokens"] == at


def test_proxies_keep_what_they_are_not_told_otherwise(tmp_path):
    """A rate of their own leaves them the other settings of the optimizer; a preset is a whole model."""
    own = {"proxies": {"optimizer": {"rate": 0.02}, "model": "1M", "schedule.warmup": 0.1}}
    path = written(tmp_path, mixture=own, train={"optimizer": {"rate": 0.01, "decay": 0.2}})
    part = asked(path, wanted(path, "runs/m").of_proxies("runs/m")).part
    assert part["optimizer"] == {"rate": 0.02, "decay": 0.2}
    assert (part["model"], part["schedule"]["warmup"]) == ("1M", 0.1)


def test_what_was_found_is_printed():
    """As docs/reference/json.md has it, and where nothing was foretold or held out."""
    plain = EXAMPLES["experiment"]
    bare = plain | {"predicted": None, "off": None, "model": plain["model"] | {"held_out_loss": None}}
    for facts in (plain, bare):
        console = Console(width=100, record=True, file=io.StringIO())
        show(facts, console)
        said = console.export_text()
        for domain, one in facts["domains"].items():
            figures = (f"{one['weight']:.2%}", f"{one['allotted']:,}", f"{one['bits_per_byte']:.4f}")
            assert re.search(" .*".join((domain, *figures)), said)
        assert facts["verdict"][0] in said
        assert ("foretold 4.7342, measured 4.8067 bits a byte (+1.53%)" in said) == (facts is plain)


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
        ({"mixture": {"method": "uniform"}}, "'uniform' is not one of proportional.* the method itself is judged"),
        ({"mixture": {"judge": {"beside": ["uniform", "uniform"]}}}, "'uniform' stands there twice"),
        ({"mixture": {"settings": {"most_epoch": 4}}}, "most_epoch: no such setting; did you mean 'most_epochs'"),
        ({"mixture": {"settings": {"most_epochs": -4}}}, "most_epochs is -4.0, not a number above 0"),
        ({"mixture": {"settings": {"targets": ["web"]}}}, "targets: expected settings"),
        ({"mixture": {"settings": {"runs": ["a.csv"]}}}, "settings.runs: no setting here"),
        ({"mixture": {"method": "doremi", "settings": {"targets": {"a": 1}}}}, "settings.targets: no such setting"),
        ({"mixture": {"method": "doremi", "settings": {"rounds": "two"}}}, "rounds: expected a whole number"),
        ({"train": {"mixture": "a.json"}}, "train.mixture: .* the mixture that is found"),
        ({"train": {"tokens": "runs/other"}}, "train.tokens: the recipe's tokens"),
    ],
)
def test_what_cannot_be_is_told_at_once(tmp_path, changes, said):
    with pytest.raises(RecipeError, match=said):
        wanted(written(tmp_path, **changes), "runs/m")


def test_what_the_judge_could_not_train_is_refused_before_the_search(tmp_path):
    """Proxies of 100,000 tokens over two domains of 9,000, which may be read twice each."""
    at = byte_tokens(tmp_path / "tokens").rpartition("/")[0]
    small = {"layers": 1, "width": 16, "heads": 2, "ffn_width": 32, "context": 32}
    path = written(tmp_path, mixture={"proxies": {"budget": 100_000, "most_epochs": 2.0}}, train={"model": small})
    with pytest.raises(RecipeError, match=r"judge\.beside: proportional: its proxies cannot .* beside other methods"):
        carried_out(wanted(path, at, ["train.budget=20K"]), at, Where("local", None, 1))
    assert not (tmp_path / "tokens" / "mixture" / "swarm").exists()


def test_models_are_not_trained_on_object_stores():
    with pytest.raises(RecipeError, match="mounted disk"):
        wanted(str(RECIPE), "s3://bucket/run")
