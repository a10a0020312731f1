"""Recipes: what loads, what is refused and in which words, and that a run's own copy says the same again."""

# ruff: noqa: E501  (a message stands on one line, as people will meet it)

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.documents import HTML
from corpus.errors import RecipeError
from corpus.source import Source
from pipeline.recipe import Recipe, Tokens, _Keys, dump, load, loads, names, parse, reading_names, schema
from pipeline.recipe_yaml import read, written
from stages.base import Global, Stage
from stages.table import TABLE as HOUSE
from tests.laws.corpora import made

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Every(Stage):
    """One setting of every kind that a stage may have.

    This line is not in the schema.
    """

    name = "every"
    text: str = "a"
    count: int = 3
    share: float = 1  # an int where a float is due, as people write it
    flag: bool = False
    dialect: Literal["paper", "dolma"] = "paper"
    keep: tuple[str, ...] = ()
    limits: dict[str, float] = field(default_factory=dict)
    model: Path | None = None
    either: str | list[int] = "all"

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"every: count {self.count} must not be negative")


@dataclass(frozen=True, kw_only=True)
class Exact(Stage):
    """Without settings."""

    name = "exact"


@dataclass(frozen=True, kw_only=True)
class Extract(Stage):
    """Reads pages."""

    name = "extract"
    reads = (HTML,)


@dataclass(frozen=True, kw_only=True)
class Compare(Global):
    """Compares documents."""

    name = "compare"

    def emitted(self):
        raise NotImplementedError

    def emit(self, batch):
        raise NotImplementedError


TABLE = {"every": Every, "exact": Exact, "extract": Extract, "compare": Compare}
HEAD = "name: web\nsources: [{path: a}]\n"


def refusal(text: str, *overrides: str, tmp: Path | None = None) -> list[str]:
    """The lines of the RecipeError that `text` raises."""
    told = refused(
        lambda: load(stored(tmp, text), overrides, table=TABLE) if tmp else loads(text, "web.yaml", table=TABLE)
    )
    assert told is not None, "it loads"
    return told.split("\n")


def refused(loading: Callable[[], Recipe]) -> str | None:
    """What its RecipeError says; None where it loads."""
    try:
        assert isinstance(loading(), Recipe)
    except RecipeError as error:
        return str(error)
    return None


def stored(tmp: Path, text: str) -> Path:
    path = tmp / "web.yaml"
    path.write_text(text, encoding="utf-8")
    return path


# Laws


texts = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    [
        "no",
        "~",
        "",
        "1e3",
        "010",
        "12:30",
        "2024-01-01",
        "<<",
        "=",
        "- a",
        "#",
        "&a",
        "*a",
        "!!str",
        ".inf",
        "null",
        "{",
    ]
)
numbers = st.floats(allow_nan=False) | st.integers(-(10**9), 10**9)
stages = (
    st.just(Exact())
    | st.just(Extract())
    | st.builds(
        Every,
        text=texts,
        count=st.integers(0, 10**18),
        share=numbers,
        flag=st.booleans(),
        dialect=st.sampled_from(["paper", "dolma"]),
        keep=st.lists(texts, max_size=3).map(tuple),
        limits=st.dictionaries(texts, numbers, max_size=3),
        model=st.none() | st.sampled_from([Path("models/q.bin"), Path("no"), Path("5")]),
        either=texts | st.lists(st.integers(-(10**18), 10**18), max_size=3),
    )
)
full = texts.filter(bool)
sources = st.builds(
    Source,
    path=full | st.lists(full, min_size=1, max_size=3),
    format=st.none() | st.sampled_from(["jsonl", "parquet", "text"]),
    domain=st.none() | texts,
    fields=st.lists(texts, max_size=3) | st.lists(texts, max_size=3).map(tuple),
    max_record_mb=st.floats(1e-9, 1e9) | st.integers(1, 100),
)
tokens = st.builds(
    Tokens,
    vocab=st.integers(257, 10**9),
    train_mb=st.integers(1, 99) | st.floats(0.1, 1e9),
    eos=st.none() | full,
) | st.builds(Tokens, tokenizer=full.filter(lambda path: path != "train"))
recipes = st.builds(
    Recipe,
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20),
    st.lists(sources, min_size=1, max_size=3).map(tuple),
    st.lists(stages, max_size=2).map(tuple),
    st.lists(stages, max_size=4).map(tuple),
    st.none() | tokens,
    st.floats(1e-6, 1e6) | st.integers(1, 1000),
)


@given(recipes)
def test_a_dumped_recipe_loads_equal_and_dumps_the_same_again(recipe):
    text = dump(recipe)
    again = loads(text, table=TABLE)
    assert again == recipe
    assert dump(again) == text


@given(recipes)
def test_what_the_loader_takes_the_schema_takes(recipe):
    jsonschema.Draft202012Validator(schema(TABLE)).validate(read(dump(recipe), "copy").value)


@settings(max_examples=300)
@given(st.text(max_size=200) | st.text("[]{}:,-#&*!|>'\"%@ \n\tabn01.~?", max_size=60) | st.binary(max_size=60))
def test_any_text_is_a_recipe_or_a_recipe_error(text):
    assert (refused(lambda: loads(text, table=TABLE)) or "recipe").startswith("recipe")


@given(recipes, st.data())
def test_a_recipe_with_a_slip_is_a_recipe_or_a_recipe_error(recipe, data):
    text = dump(recipe)
    at = data.draw(st.integers(0, len(text)))
    slip = data.draw(st.sampled_from(["", " ", ":", "\n", "-", "'", '"', "no", "\t", "[", "*a", "&a ", "!!x "]))
    slipped = text[:at] + slip + text[at + 1 :]
    assert (refused(lambda: loads(slipped, table=TABLE)) or "recipe").startswith("recipe")


values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda held: st.lists(held, max_size=4) | st.dictionaries(texts, held, max_size=4),
    max_leaves=12,
)


@example({"\x85": ["a\u2028b", "\n", " a", "é"]})  # PyYAML alone gives " " for the first
@given(values)
def test_written_values_are_read_back_with_their_types(value):
    again = read(written(value), "copy").value
    assert again == value
    assert json.dumps(again) == json.dumps(value)  # 1, 1.0 and true are equal to Python, and not the same


@given(st.integers(0, 30))
def test_lines_are_those_of_the_file(above):
    [said] = refusal("# why\n" * above + HEAD + "stages:\n  - exact\n  - every:\n      cuont: 2\n")
    assert said.startswith(f"web.yaml:{above + 6}: stages[1].every.cuont: no such setting; did you mean 'count'?")


@given(st.lists(st.sampled_from(["exact", "exact_2", "every"]), max_size=8))
def test_every_stage_of_a_recipe_has_a_name_of_its_own(given_names):
    table = {name: type(name, (Stage,), {"name": name}) for name in ("exact", "exact_2", "every")}
    called = names(Recipe("x", (), (), tuple(table[name]() for name in given_names)))
    assert len(set(called)) == len(called) == len(given_names)
    assert all(label.startswith(name) for label, name in zip(called, given_names, strict=True))


def test_the_second_of_a_name_is_numbered():
    assert names(loads(HEAD + "stages: [exact, every, exact]", table=TABLE)) == ["exact", "every", "exact_2"]


def test_stages_while_reading_are_numbered_first():
    recipe = loads(HEAD + "while_reading: [exact]\nstages: [exact, every]", table=TABLE)
    assert (reading_names(recipe), names(recipe)) == (["exact"], ["exact_2", "every"])


def test_what_makes_text_of_pages_and_all_before_it_run_while_reading():
    """Under the names they would have had anyway, and after what while_reading names."""
    moved = loads(HEAD + "while_reading: [exact]\nstages: [every, extract, exact, compare]", table=TABLE)
    assert [stage.name for stage in moved.while_reading] == ["exact", "every", "extract"]
    assert (reading_names(moved), names(moved)) == (["exact", "every", "extract"], ["exact_2", "compare"])
    assert moved == loads(HEAD + "while_reading: [exact, every, extract]\nstages: [exact, compare]", table=TABLE)


def test_a_copy_says_every_default_and_nothing_of_what_is_absent():
    copy = dump(loads(HEAD + "stages: [exact, every: {keep: [de, 'no']}]\ntokens: {}", table=TABLE))
    assert (
        copy
        == """\
name: web
sources:
- path: a
  text_field: text
  fields: []
  max_record_mb: 64.0
while_reading: []
stages:
- exact
- every:
    text: a
    count: 3
    share: 1.0
    flag: false
    dialect: paper
    keep:
    - de
    - 'no'
    limits: {}
    either: all
tokens:
  tokenizer: train
  vocab: 32000
  train_mb: 16.0
  formats:
  - megatron
shard_mb: 64.0
"""
    )


# What is read


def test_a_bare_name_takes_the_defaults_as_if_they_were_written():
    bare = loads(HEAD + "stages: [every, every: {}, {every: null}]", table=TABLE).stages
    full = loads(HEAD + "stages: [every: {share: 1, count: 3}]", table=TABLE).stages
    assert [repr(stage) for stage in bare] == 3 * [repr(full[0])]  # repr: 1 and 1.0 would have two fingerprints


def test_sources_and_tokens_are_read():
    recipe = loads("name: a\nsources: [{path: [a, b], fields: [url]}]\ntokens: {eos: <s>}\nshard_mb: 8", table=TABLE)
    assert recipe.sources == (Source(path=["a", "b"], fields=("url",)),)
    assert recipe.tokens == Tokens(eos="<s>")
    assert (recipe.stages, recipe.shard_mb) == ((), 8.0)
    assert loads(HEAD, table=TABLE).tokens is None


def test_parse_takes_plain_values_and_names_no_line():
    value = {"name": "web", "sources": [{"path": "a"}], "stages": ["exact"]}
    assert parse(value, table=TABLE) == loads(HEAD + "stages: [exact]", table=TABLE)
    with pytest.raises(RecipeError, match=r"^recipe: stages\[0\]: no stage 'exat'; did you mean 'exact'\?"):
        parse(value | {"stages": ["exat"]}, table=TABLE)
    with pytest.raises(RecipeError, match="holds more than plain values"):
        parse(value | {"sources": [{"path": object()}]}, table=TABLE)


def test_home_is_filled_in_and_variables_are_not(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    recipe = loads("name: a\nsources: [{path: [~/web, $HOME/web, a~/b, ~]}]".replace("~]", "'~']"), table=TABLE)
    assert recipe.sources[0].paths == ["/home/ada/web", "$HOME/web", "a~/b", "~"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[
            ("8000", 8000),
            ("32_000", 32_000),
            ("-5", -5),
            ("+5", 5),
            ("0.5", 0.5),
            (".5", 0.5),
            ("1e-3", 1e-3),
        ],
        *[("1.", 1.0), ("1.5E2", 150.0), (".inf", float("inf")), ("-.inf", float("-inf"))],
        *[(text, text) for text in ("010", "0x1F", "0b1", "12:30", "12:30.5", "2024-01-01", ".nan", "1e999", "=")],
        *[
            ("9" * 20, "9" * 20),
            ("no", False),
            ("Off", False),
            ("yes", True),
            ("~", None),
            ("", None),
            ("y", "y"),
        ],
        *[("'5'", "5"), ('"no"', "no"), ("<<", "<<"), ("|\n 5", "5")],
    ],
)
def test_only_decimals_are_numbers(text, value):
    found = read(f"a: {text}", "x").value["a"]
    assert (found, type(found)) == (value, type(value))


# What is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "web.yaml: expected a recipe (name: ..., sources: [...], stages: [...]), found nothing"),
        ("- a", "web.yaml:1: expected a recipe (name: ..., sources: [...], stages: [...]), found a list of 1"),
        ("name: web", "web.yaml:1: sources: missing, and there is no default for it"),
        ("name: web\nsources: []", "web.yaml:2: sources: expected at least 1, found a list of 0"),
        ("name: web\nsources: {path: a}", "web.yaml:2: sources: expected a list, found settings (path)"),
        ("name: web\nsources: [a]", "web.yaml:2: sources[0]: expected settings (key: value), found text 'a'"),
        ("name: web\nsources: [{path: []}]", "web.yaml:2: sources[0].path: empty; give a file, a glob or a URL, or a list of them"),
        ("name: web\nsources: [{path: [a, 1]}]", "web.yaml:2: sources[0].path[1]: expected text, found 1; in quotes it is text: \"1\""),
        ("name: web\nsources: [{path: {}}]", "web.yaml:2: sources[0].path: expected text or a list, found {}"),
        ("name: web\nsources: [{path: a, max_record_mb: 0}]", "web.yaml:2: sources[0].max_record_mb: expected a number of MB above 0, found 0"),
        ('name: "a\\nb"\nsources: [{path: a}]', "web.yaml:1: name: expected text without control characters, found text 'a\\nb'"),
        (HEAD + "stage: []", "web.yaml:3: stage: no such setting; did you mean 'stages'? It has: name, sources, while_reading, stages, tokens, shard_mb, mixture, train"),
        (HEAD + "while_reading: exact", "web.yaml:3: while_reading: expected a list, found text 'exact'"),
        (HEAD + "while_reading: [exat]", "web.yaml:3: while_reading[0]: no stage 'exat'; did you mean 'exact'? There are: compare, every, exact, extract"),
        (HEAD + "while_reading: [exact, compare]", "web.yaml:3: while_reading[1]: compare cannot run while reading: it compares documents, and while reading none is at rest; put it into `stages`"),
        (HEAD + "stages: [compare, exact, extract]", "web.yaml:3: stages[0]: compare cannot run while reading: it compares documents, and while reading none is at rest; put it after 'extract'"),
        (HEAD + "stages:", "web.yaml:3: stages: expected a list, found nothing"),
        (HEAD + "tokens:", "web.yaml:3: tokens: expected settings (key: value), found nothing"),
        (HEAD + "shard_mb: 0", "web.yaml:3: shard_mb: expected a number above 0.0, found 0"),
        (HEAD + "stages: [every: {flag: 1}]", "web.yaml:3: stages[0].every.flag: expected true or false, found 1"),
        (HEAD + "stages: [every: {count: 1.0}]", "web.yaml:3: stages[0].every.count: expected a whole number, found 1.0"),
        (HEAD + "stages: [every: {count: yes}]", "web.yaml:3: stages[0].every.count: expected a whole number, found true"),
        (HEAD + "stages: [every: {count: '1'}]", "web.yaml:3: stages[0].every.count: expected a whole number, found text '1'; write it in decimal and without quotes"),
        (HEAD + "stages: [every: {text: }]", "web.yaml:3: stages[0].every.text: expected text, found nothing"),
        (HEAD + "stages: [every: {keep: [de, no]}]", "web.yaml:3: stages[0].every.keep[1]: expected text, found false (written no); in quotes it is text: \"no\""),
        (HEAD + "stages: [every: {keep: de}]", "web.yaml:3: stages[0].every.keep: expected a list, found text 'de'"),
        (HEAD + "stages: [every: {limits: {a: b}}]", "web.yaml:3: stages[0].every.limits.a: expected a number, found text 'b'"),
        (HEAD + "stages: [every: {dialect: papr}]", "web.yaml:3: stages[0].every.dialect: expected 'paper' or 'dolma', found text 'papr'; did you mean 'paper'?"),
        (HEAD + "stages: [every: {count: -1}]", "web.yaml:3: stages[0].every: count -1 must not be negative"),
        (HEAD + "stages: [exact: {n: 1}]", "web.yaml:3: stages[0].exact.n: no such setting. It has: none"),
        (HEAD + "stages: [exact: 3]", "web.yaml:3: stages[0].exact: expected settings (key: value), found 3"),
        (HEAD + "stages: [3]", "web.yaml:3: stages[0]: expected a stage's name, or one `name: {setting: value}`, found 3"),
        (HEAD + "tokens: {vocab: 100}", "web.yaml:3: tokens: vocab 100 must be at least 257 and train_mb 16 above 0"),
        (HEAD + "tokens: {formats: [mds]}", "web.yaml:3: tokens.formats[0]: expected 'megatron', found text 'mds'"),
        (HEAD + "tokens: {eos: ''}", "web.yaml:3: tokens: tokenizer, eos and formats cannot be empty"),
        (HEAD + "no: 1", "web.yaml:3: no: a key is text; in quotes it is: \"no\""),
        (HEAD + "[a]: 1", "web.yaml:3: a key is text, not a list or a mapping"),
        ("name: a\n" + HEAD, "web.yaml:2: name: stands twice, first at line 1; remove one"),
        ("name: !!python/name:os.system a", "web.yaml:1: tags such as 'tag:yaml.org,2002:python/name:os.system' are not read; remove it"),
        ("name: [a", "web.yaml:1: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n---\nb: 2", "web.yaml:2: expected a single document in the stream, but found another document"),
        ("a: \x01", "web.yaml:1: U+0001 is no character of YAML; remove it"),
        ('a: "\\ud800"', "web.yaml:1: half of a surrogate pair is not a character"),
        ('a: "\\U00110000"', "web.yaml: not YAML (chr() arg not in range(0x110000))"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_what_was_found_and_what_was_expected(text, said):
    assert refusal(text) == [said]


def test_mistakes_are_told_together_in_the_order_of_the_file():
    told = refusal("nme: web\nsources:\n  - {pth: a}\nstages:\n  - exat\n  - every: {count: x, flag: x}\ntokens: 3\n")
    assert [line.split(": ")[0] for line in told] == [f"web.yaml:{n}" for n in (1, 1, 3, 3, 5, 6, 6, 7)]


def test_twenty_mistakes_are_told_and_the_rest_counted():
    told = refusal(HEAD + "stages:\n" + "  - exat\n" * 1_500)
    assert len(told) == 21
    assert told[-1] == "and 1,480 more"


@pytest.mark.parametrize(
    "text",
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 9)),
        "a: &a [*a]",
        "a: &a {b: *a}",
        "[" * 200_000,
        "- " * 120_000,
        "{a: " * 50_000,
        "a: [" + "x, " * 80_000 + "]",
        "".join(f"key{n}: {{}}\n" for n in range(15_000)),
        "a: " + "x" * 300_000,
        "a: " + "9" * 250_000,
        "%YAML 1." + "9" * 250_000,
        HEAD + "stages:\n" + "- exat\n" * 9_000,
    ],
    ids=["laughs", "self", "self in keys", "deep", "dashes", "braces", "wide", "keys", "large", "digits", "version", "slips"],
)  # fmt: skip
def test_hostile_yaml_is_refused_within_seconds(text):
    began = time.monotonic()
    told = refusal(text)
    assert time.monotonic() - began < 5  # at most 1.5 s on a busy core; unbounded, the first alone takes all memory
    assert sum(map(len, told)) < 20_000


def test_what_is_not_utf8_is_refused_with_its_line(tmp_path):
    (tmp_path / "a.yaml").write_bytes(HEAD.encode() + "stages: [exäct]".encode("latin-1"))
    with pytest.raises(RecipeError, match=r"a.yaml:3: byte 0xe4 is not UTF-8; save the file as UTF-8"):
        load(tmp_path / "a.yaml", table=TABLE)
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + HEAD.encode())  # a byte order mark is fine
    assert load(tmp_path / "a.yaml", table=TABLE).name == "web"


def test_a_file_that_is_not_there_names_the_nearest(tmp_path):
    stored(tmp_path, HEAD)
    with pytest.raises(RecipeError, match=r"/wbe.yaml: no such file; did you mean '.*/web.yaml'\?$"):
        load(tmp_path / "wbe.yaml", table=TABLE)
    for path in (tmp_path, "nowhere://a.yaml", "a\0b"):
        with pytest.raises(RecipeError, match=r": (cannot be read \(|no store 'nowhere')"):
            load(path, table=TABLE)


# Overrides


STAGES = HEAD + "stages: [exact, every, exact, every: {count: 1, keep: [a, b], limits: {a: 1}}]\n"


@pytest.mark.parametrize(
    ("override", "edited"),
    [
        ("every.count=7", STAGES.replace("every,", "every: {count: 7},")),
        ("every_2.count=7", STAGES.replace("count: 1", "count: 7")),
        ("every_2.limits.b=2", STAGES.replace("a: 1", "a: 1, b: 2")),
        ("every_2.keep.1=c", STAGES.replace("a, b", "a, c")),
        ("every_2.keep=[c, 'no']", STAGES.replace("a, b", "c, 'no'")),
        ("every_2={}", STAGES.replace("count: 1, keep: [a, b], limits: {a: 1}", "")),
        ("every.text=a=b", STAGES.replace("every,", "every: {text: a=b},")),
        ("sources.0.domain=x", STAGES.replace("path: a", "path: a, domain: x")),
        ("while_reading=[exact]", STAGES + "while_reading: [exact]"),
        ("tokens.vocab=8000", STAGES + "tokens: {vocab: 8000}"),
        ("tokens={}", STAGES + "tokens: {}"),
        ("name=trial", STAGES.replace("web", "trial")),
        ("shard_mb=1", STAGES + "shard_mb: 1"),
    ],
)
def test_an_override_is_as_if_the_file_were_edited(tmp_path, override, edited):
    assert (
        load(stored(tmp_path, STAGES), [override], table=TABLE)
        == loads(edited, table=TABLE)
        != loads(STAGES, table=TABLE)
    )


@pytest.mark.parametrize(("override", "place"), [("every", 0), ("every_2", 1), ("every_3", 3)])
def test_an_override_finds_stages_in_both_lists(tmp_path, override, place):
    text = HEAD + "stages: [every, exact, every]\nwhile_reading: [every]\n"
    recipe = load(stored(tmp_path, text), [f"{override}.count=7"], table=TABLE)
    found = [getattr(stage, "count", 0) for stage in (*recipe.while_reading, *recipe.stages)]
    assert found == [7 if n == place else default for n, default in enumerate([3, 3, 0, 3])]


def test_the_later_of_two_overrides_holds(tmp_path):
    recipe = load(stored(tmp_path, STAGES), ["every.count=7", "every.count=8"], table=TABLE)
    assert recipe.stages[1].count == 8


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("evry.count=1", "no such stage or key in this recipe; did you mean 'every'? There are: exact, every, exact_2, every_2, name, sources, while_reading, stages, tokens, shard_mb, mixture, train"),
        ("every.cuont=1", "stages[1].every.cuont: no such setting; did you mean 'count'? It has: text, count, share, flag, dialect, keep, limits, model, either"),
        ("every.count='1'", "stages[1].every.count: expected a whole number, found text '1'; write it in decimal and without quotes"),
        ("every_2.text=no", "stages[3].every.text: expected text, found false (written no); in quotes it is text: \"no\""),
        ("every.cuont.x=1", "stages[1].every.cuont: no such setting; did you mean 'count'? It has: text, count, share, flag, dialect, keep, limits, model, either"),
        ("exact", "expected key=value, as in minhash.bands=20"),
        ("=1", "expected key=value, as in minhash.bands=20"),
        ("every..x=1", "expected key=value, as in minhash.bands=20"),
        (f"every{'.x' * 99}=1", "expected key=value, as in minhash.bands=20"),
        ("sources.1.path=b", "sources is a list of 1 and has no '1'"),
        ("sources.-1.path=b", "sources is a list of 1 and has no '-1'"),
        ("name.x=1", "name is text 'web' and has no 'x'"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_told_in_place_of_a_line(tmp_path, override, said):
    assert refusal(STAGES, override, tmp=tmp_path) == [f"--set {override}: {said}"]


def test_the_value_of_an_override_is_read_as_safely_as_a_file(tmp_path):
    [said] = refusal(STAGES, "name=!!python/name:os.system a", tmp=tmp_path)
    assert said.startswith("--set name:1: tags such as")
    [said] = refusal(STAGES, "tokens={vocab: 300, vocab: 400}", tmp=tmp_path)
    assert said == "--set tokens={vocab: 300, vocab: 400}: tokens.vocab: stands twice, first at line 1; remove one"


def test_mistakes_of_the_file_come_before_those_of_overrides(tmp_path):
    told = refusal(STAGES + "shard_mb: x", "every.count=x", tmp=tmp_path)
    assert [line.split(": ")[1] for line in told] == ["shard_mb", "stages[1].every.count"]


# The schema, the recipes of the house and the documentation


def test_the_schema_is_valid_and_says_what_a_stage_does():
    jsonschema.Draft202012Validator.check_schema(schema(TABLE))
    said = schema(TABLE)["$defs"]["stage_every"]
    assert said["description"] == "One setting of every kind that a stage may have."
    assert said["properties"]["count"] == {"default": 3, "title": "Count", "type": "integer"}
    assert said["properties"]["dialect"]["enum"] == ["paper", "dolma"]


@pytest.mark.parametrize(
    "broken",
    [
        "name: web",
        HEAD + "stage: []",
        HEAD + "stages: [exat]",
        HEAD + "while_reading: [compare]",
        HEAD + "stages: [every: {cuont: 1}]",
        HEAD + "stages: [every: {count: '1'}]",
        HEAD + "stages: [{every: {}, exact: {}}]",
        HEAD + "tokens: {formats: [mds]}",
        "name: web\nsources: [{pth: a}]",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(broken):
    refusal(broken)
    assert not jsonschema.Draft202012Validator(schema(TABLE)).is_valid(read(broken, "x").value)


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_every_recipe_of_the_house_loads_and_validates_against_the_schema(path):
    recipe = load(path)
    assert recipe.name == path.stem
    assert loads(dump(recipe)) == recipe
    jsonschema.Draft202012Validator(schema()).validate(read(path.read_bytes(), str(path)).value)


@pytest.mark.parametrize("name", HOUSE)
def test_every_stage_of_the_house_survives_a_recipe(name):
    recipe = Recipe("x", (Source(path="a"),), (), (made(name),))
    assert loads(dump(recipe)) == recipe


REFERENCE = (ROOT / "docs/reference/recipe.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(yaml|console)\n(.*?)```(?:\n```text\n(.*?)```)?", REFERENCE, re.DOTALL)


def test_the_reference_has_examples_that_load_and_that_do_not():
    assert {(kind, bool(said)) for kind, _, said in BLOCKS} == {
        (kind, refused) for kind in ("yaml", "console") for refused in (True, False)
    }


@pytest.mark.parametrize(("kind", "example", "said"), BLOCKS)
def test_the_examples_of_the_reference_do_what_it_says(kind, example, said, monkeypatch):
    monkeypatch.chdir(ROOT)
    words = shlex.split(example)
    overrides = [after for word, after in pairwise(words) if word == "--set"]
    told = refused(lambda: loads(example, "recipe.yaml") if kind == "yaml" else load(words[3], overrides))
    assert told == (said.rstrip("\n") or None)


def documented(heading: str) -> dict[str, Any]:
    """Keys and defaults of the table under a heading of the reference."""
    section = REFERENCE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", section, re.MULTILINE)
    return {key: read(default.strip("`"), "reference").value for key, default in rows}


@pytest.mark.parametrize(("kind", "heading"), [(Source, "An entry of `sources`"), (Tokens, "`tokens`")])
def test_the_reference_has_every_key_with_its_default(kind, heading):
    defaults = {f.name: "required" if f.default is MISSING else f.default for f in fields(kind)}
    assert documented(heading) == {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}


def test_the_reference_has_every_key_of_a_recipe():
    assert (
        list(documented("The recipe"))
        == list(_Keys.model_fields)
        == [*(f.name for f in fields(Recipe)), "mixture", "train"]
    )
    assert documented("The recipe")["shard_mb"] == Recipe.shard_mb


def test_a_recipe_can_be_read_without_the_stages_of_the_house():
    code = "import pipeline.recipe, sys; print({'stages.table', 'ray', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
