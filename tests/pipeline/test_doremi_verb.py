"""`winnow mix doremi`: what the command line asks for, the mixture that comes out, and what is printed of it."""

import json
import re
from math import nan
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

pytest.importorskip("torch")
import torch
from byte_tokens import byte_tokens
from typer.testing import CliRunner

from corpus.errors import RecipeError, WinnowError
from mixtures.baselines import Proportional
from mixtures.doremi import traced
from mixtures.inventory import inventory
from mixtures.mixture import Mixture
from pipeline.cli_doremi import doremi as verb
from pipeline.doremi_rounds import Asked, doremi, searched
from pipeline.mixing import mixed
from pipeline.report import doremi as report
from pipeline.report.doremi import BARS, sparkline
from pipeline.report.doremi_page import page
from tests.e2e.test_json import fits

torch.set_num_threads(1)
SIZES = {"model.layers": 1, "model.width": 16, "model.heads": 2, "model.ffn_width": 32, "model.context": 16}
BATCH = {"batch.tokens": 192, "batch.micro": 6, "budget": 960, "most_epochs": 100}
SMALL = [f"{key}={value}" for key, value in (SIZES | BATCH).items()]


def asked(**changes) -> Asked:
    return Asked(**({"rounds": 2} | changes))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return byte_tokens(tmp_path_factory.mktemp("tokens"), documents=20, domains=("code", "news", "web"))


@pytest.fixture(scope="module")
def found(tokens, tmp_path_factory):
    """The facts of a search of two rounds of five steps, and its folder."""
    at = tmp_path_factory.mktemp("search")
    return doremi(tokens, str(at), SMALL, asked(html=str(at / "page.html"), budget="2K")), at


def test_the_mixture_is_the_last_round_s_and_is_written_with_its_evidence(found, tokens):
    facts, at = found
    fits(facts, "mix_doremi")
    made = Mixture.load(facts["out"])
    assert facts["out"] == str(at / "mixture.json")
    assert made.model_dump(mode="json") == facts["mixture"]
    assert (made.method, made.inputs, made.budget) == ("doremi", inventory(tokens).inputs, 2_000)
    rounds = made.settings["evidence"]["rounds"]
    assert [one["steps"] for one in rounds] == [5, 5]
    assert rounds[1]["reference"] == rounds[0]["weights"]
    for one, url in zip(rounds, facts["traces"], strict=True):
        mean = traced(Path(url)).alpha.mean(axis=0)
        assert list(one["weights"].values()) == pytest.approx(mean.tolist(), abs=1e-9)
    assert made.weights == pytest.approx(rounds[1]["weights"], abs=1e-8)


def test_asked_again_nothing_is_trained_and_the_same_bytes_come_out(found, tokens, capsys):
    facts, at = found
    before = (at / "mixture.json").read_bytes()
    again = doremi(tokens, str(at), SMALL, asked(html=str(at / "page.html"), budget="2K"))
    assert capsys.readouterr().err == ""
    assert (at / "mixture.json").read_bytes() == before
    assert again == facts


def test_fewer_rounds_are_the_first_ones(found, tokens):
    facts, at = found
    fewer = doremi(tokens, str(at), SMALL, asked(rounds=1, reference="uniform", out=str(at / "one.json")))
    rounds = facts["mixture"]["settings"]["evidence"]["rounds"]
    assert fewer["mixture"]["settings"]["evidence"]["rounds"] == rounds[:1]


def test_the_command_line_writes_the_same_bytes_elsewhere_and_prints_them(found, tokens, tmp_path):
    app = typer.Typer()
    app.command()(verb)
    sets = [part for said in SMALL for part in ("--set", said)]
    arguments = [tokens, "--at", str(tmp_path / "at"), "--rounds", "2", "--budget", "2K", "--json", *sets]
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.stdout)["mixture"] == found[0]["mixture"]
    assert (tmp_path / "at" / "mixture.json").read_bytes() == (found[1] / "mixture.json").read_bytes()


# What is refused before anything is trained


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rounds": 0}, "rounds is 0"),
        ({"sampling": "even"}, "sampling is 'even'"),
        ({"reference": "even"}, "'even' is not known; give proportional, uniform or a mixture.json"),
        ({"reference": "nowhere.json"}, "nowhere.json"),
        ({"budget": "1B"}, "a budget of 1,000,000,000 tokens"),
        ({"budget": "lots"}, "--budget"),
        ({"most_epochs": 0.0}, "most_epochs is 0.0"),
        ({"most_epochs": nan}, "most_epochs is nan"),
        ({"out": "mixture.yaml"}, "a mixture ends in .json"),
        ({"html": "page"}, "a page ends in .html"),
    ],
)
def test_what_cannot_be_is_refused_first(tokens, tmp_path, changes, said):
    with pytest.raises(WinnowError, match=re.escape(said)):
        doremi(tokens, str(tmp_path / "at"), SMALL, asked(**changes))
    assert not (tmp_path / "at").exists()


def test_a_mixture_that_stands_is_not_written_over_unless_that_is_asked(tokens, found, tmp_path):
    place = tmp_path / "mine.json"
    place.write_text("mine")
    with pytest.raises(RecipeError, match="exists"):
        doremi(tokens, str(found[1]), SMALL, asked(out=str(place)))
    assert place.read_text() == "mine"
    doremi(tokens, str(found[1]), SMALL, asked(out=str(place), overwrite=True))
    assert Mixture.load(str(place)).method == "doremi"


# The reference


def test_the_reference_is_proportional_for_one_round_and_uniform_for_more(tokens):
    held = inventory(tokens)
    assert searched(asked(rounds=1), held, "t").first == pytest.approx(Proportional().mix(held).weights)
    assert searched(asked(rounds=3), held, "t").first == pytest.approx(dict.fromkeys(held.tokens, 1 / 3))
    assert searched(asked(rounds=3, reference="proportional"), held, "t").reference == "proportional"


def test_weights_of_another_tokenizer_are_taken_with_an_alarm(found, tokens):
    """The evidence of a mixture says which tokenizer its weights were found with."""
    url, held = found[0]["out"], inventory(tokens)
    known = Mixture.load(url).settings["evidence"]["tokenizer"]
    assert searched(asked(reference=url), held, known).first == Mixture.load(url).weights
    assert list(searched(asked(reference=url), held, known).alarms(known, 12)) == []
    (alarm,) = searched(asked(reference=url), held, "another").alarms("another", 12)
    assert (alarm.kind, known in alarm.what, "another" in alarm.what) == ("tokenizer mismatch", True, True)
    others = held._replace(inputs="00" * 16)
    assert [one.kind for one in searched(asked(reference=url), others, known).alarms(known, 12)] == ["other tokens"]


def test_more_rounds_of_another_reference_are_refused_by_its_name(found, tokens):
    """One round begins with proportional weights where nothing is said, two with uniform ones."""
    with pytest.raises(RecipeError, match=r"search\.reference = 'uniform' lies there, now it is 'proportional'"):
        doremi(tokens, str(found[1]), SMALL, asked(rounds=1, out=str(found[1] / "one.json"), overwrite=True))


def test_weights_of_another_tokenizer_are_mixed_with_a_warning(found, tokens, tmp_path, capsys):
    facts = found[0]["mixture"]
    other = json.loads(json.dumps(facts).replace(facts["settings"]["evidence"]["tokenizer"], "\\u001b[31m"))
    for name, mixture, warned in (("own", facts, False), ("other", other, True)):
        (tmp_path / f"{name}.json").write_text(json.dumps(mixture))
        mixed("static", tokens, None, None, False, from_file=str(tmp_path / f"{name}.json"))
        said = capsys.readouterr().err
        assert ("--from" in said and "tokenizer mismatch" in said) == warned
        assert "\x1b" not in said


def test_a_reference_of_other_domains_is_refused(found, tokens):
    held = inventory(tokens)
    fewer = held._replace(tokens={name: count for name, count in held.tokens.items() if name != "web"})
    with pytest.raises(RecipeError, match="not of the same domains as the tokens: web"):
        searched(asked(reference=found[0]["out"]), fewer, "t")


# What is printed


def test_the_report_has_every_domain_round_and_alarm(found):
    facts, _ = found
    evidence = facts["mixture"]["settings"]["evidence"]
    loud = json.loads(json.dumps(facts))
    alarm = {"kind": "one-hot", "domain": "web", "what": "has [red]all[/red] of it"}
    loud["mixture"]["settings"]["evidence"]["rounds"][1]["alarms"] = [alarm]
    console = Console(width=100, record=True)
    with console.capture() as shown:
        report.show(loud, console)
    said = shown.get()
    assert "2 rounds, weights still move" in said
    assert "Alarm: round 2, one-hot: web: has [red]all[/red] of it." in said
    for domain, weight in evidence["rounds"][1]["weights"].items():
        assert re.search(rf"{re.escape(domain)} .*{weight:.4f} .*[{BARS}]+ +[{BARS}]+", said)
    assert max(map(len, said.splitlines())) <= 100


def test_the_page_has_the_figures_of_the_trace(found):
    facts, at = found
    said = (at / "page.html").read_text()
    assert said == page(facts)
    for title in ("Round 1: weights", "Round 1: excess", "Round 2: weights", "Round 2: excess"):
        assert title in said
    alpha = traced(Path(facts["traces"][1])).alpha
    assert all(repr(weight) in said for weight in alpha[:, 2].tolist())
    assert f"<td>{facts['mixture']['weights']['web']:.4f}</td>" in said


def test_the_page_takes_no_markup_from_names_of_domains(found):
    named = json.loads(json.dumps(found[0]).replace('"code"', '"<b>code"'))
    said = page(named)
    assert "<b>code" not in said
    assert "<td>&lt;b&gt;code</td>" in said


@given(st.lists(st.floats(0, 1) | st.just(nan), min_size=1, max_size=80), st.integers(1, 30))
def test_a_sparkline_is_as_wide_as_asked_and_as_high_as_its_values(values, places):
    drawn = sparkline(np.array(values), 1.0, places)
    assert len(drawn) == min(places, len(values))
    if len(values) <= places:
        for value, bar in zip(values, drawn, strict=True):
            assert bar == (" " if value != value else BARS[min(7, int(value * 8))])


def test_a_sparkline_of_nothing_is_low():
    assert sparkline(np.zeros(4), 0.0) == "▁▁▁▁"
    assert sparkline(np.array([0.0, 0.5, 1.0]), 1.0) == "▁▅█"
