"""Mixing and allotting real runs: every token counts once, whatever domains are, and what is asked wrongly is said."""

import json
from fractions import Fraction

import pytest
from rich.console import Console

from corpus import shards
from corpus.errors import RecipeError, ShardError
from corpus.manifest import read_manifest
from corpus.tokens import read_shard
from mixtures.mixture import Mixture
from mixtures.presets import PRESETS
from pipeline import mixing
from pipeline.engines import engine
from pipeline.finished import Finished, kept
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.report import mixtures as shown
from pipeline.run import Run
from pipeline.stock import Stock, stocked
from scaling.table import DEFAULT, law
from tests.laws.corpora import prose

BUCKETS = ("head", "middle", "tail")


def ran(folder, tokens):
    """A finished run of 60 documents in two domains over several shards, with fields `bucket`, `score`, `gap`."""
    folder.mkdir(parents=True)
    rows = [
        {"id": f"d{n}", "text": prose(n, 60 + n), "domain": "web" if n % 3 else "Gov Web", "bucket": BUCKETS[n % 3]}
        for n in range(60)
    ]
    rows += [rows[4] | {"id": "copy", "bucket": "head"}]  # dropped: its bucket must not count
    for n, row in enumerate(rows):
        row |= {"gap": "there"} if n != 30 else {}
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"path": f"{folder}/in.jsonl", "domain_field": "domain", "fields": ["bucket", "gap"]}
    asked = {"tokens": {"tokenizer": "train", "vocab": 300, "train_mb": 1}} if tokens else {}
    recipe = parse(
        {"name": "mix", "sources": [source], "stages": ["gopher_quality", "exact"], "shard_mb": 0.005} | asked
    )
    with engine("local", 1) as inline:
        Run(recipe, Home(str(folder / "run")), inline, Silent())()
    return str(folder / "run")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return ran(tmp_path_factory.mktemp("mixed") / "a", tokens=True)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return ran(tmp_path_factory.mktemp("bare") / "a", tokens=False)


def documents(at):
    """The kept documents of a run, as dicts."""
    return [row for table in Finished.at(at).tables(kept) for row in table.to_pylist()]


# What there is


def test_a_run_its_folder_of_tokens_and_its_manifest_hold_the_same(run):
    manifest = Finished.at(run).report["manifest"]
    held = [stocked(at) for at in (run, manifest.rpartition("/")[0], manifest)]
    assert held[0] == held[1] == held[2]
    totals = read_manifest(manifest).domains
    assert held[0].tokens == {name: one.tokens for name, one in totals.items()}
    assert len(read_manifest(manifest).shards) > 4


def test_buckets_of_a_column_hold_every_token_once(run):
    by = stocked(run, by="bucket")
    assert sum(by.tokens.values()) == sum(stocked(run).tokens.values())
    assert set(by.tokens) == set(BUCKETS)
    assert (by.by.column, by.inputs) == ("bucket", stocked(run).inputs)
    assert stocked(run, by="domain").tokens == stocked(run).tokens


def test_each_document_counts_in_its_own_bucket(run):
    """By the ids beside the tokens, where the code goes by rows."""
    manifest = Finished.at(run).report["manifest"]
    bucket = {row["id"]: row["bucket"] for row in documents(run)}
    sums = dict.fromkeys(BUCKETS, 0)
    for entry in read_manifest(manifest).shards:
        url = f"{manifest.rpartition('/')[0]}/{entry.path}"
        ids = shards.read(f"{url}.rows.parquet", ["id"])["id"].to_pylist()
        for id_, length in zip(ids, read_shard(url).lengths.tolist(), strict=True):
            sums[bucket[id_]] += length
    assert stocked(run, by="bucket").tokens == sums


def test_edges_part_a_measure_that_a_stage_laid(run):
    found = stocked(run, by="words", edges="80,100.5")
    assert sum(found.tokens.values()) == sum(stocked(run).tokens.values())
    assert set(found.tokens) == {"below 80.0", "80.0 to 100.5", "100.5 and up"}


def test_before_there_are_tokens_they_are_estimated_from_the_kept_bytes(bare):
    rows = documents(bare)
    held = stocked(bare)
    assert held.estimated
    assert held.inputs == Finished.at(bare).report["digest"]
    for domain in ("web", "Gov Web"):
        size = sum(len(row["text"].encode()) for row in rows if row["domain"] == domain)
        assert held.tokens[domain] == int(size * 0.29335)
    size = sum(len(row["text"].encode()) for row in rows if row["bucket"] == "head")
    assert stocked(bare, by="bucket", bytes_per_token=4.0).tokens["head"] == size // 4


def test_an_inventory_says_what_passes_are_worth(run):
    facts = mixing.inventoried(stocked(run))
    assert facts["tokens"] == sum(one["tokens"] for one in facts["domains"].values())
    for one in facts["domains"].values():
        assert one["effective"]["1"] == one["tokens"]
        assert one["effective"]["4"] == pytest.approx(3.7257 * one["tokens"], rel=1e-4)
    assert (facts["estimated"], facts["by"]) == (False, None)


# Mixing and allotting


def test_a_mixture_is_written_allotted_and_sums(run, tmp_path):
    out = f"{tmp_path}/made/mixture.json"
    made = mixing.mixed("unimax", run, "2K", out, False, most_epochs=3.0)
    assert Mixture.load(out).model_dump(mode="json") == made
    found = mixing.allotted(run, out, None, None, 3.0, None)
    assert sum(one["tokens"] for one in found["domains"].values()) == found["budget"] == 2000
    assert found["warnings"] == []
    with pytest.raises(RecipeError, match=r"made/mixture\.json: exists"):
        mixing.mixed("uniform", run, None, out, False)
    assert mixing.mixed("uniform", run, None, out, True)["budget"] is None


def test_a_mixture_of_buckets_is_allotted_by_its_buckets(run, tmp_path):
    out = f"{tmp_path}/m.json"
    made = mixing.mixed("static", run, None, out, False, said_weights="head=0.5,middle=0.5,tail=0", by="bucket")
    assert made["by"] == {"column": "bucket", "edges": []}
    found = mixing.allotted(run, out, "101", None, None, None)
    assert [one["tokens"] for one in found["domains"].values()] == [51, 50, 0]
    with pytest.raises(RecipeError, match=r"tokens without their run; .* for --by bucket"):
        mixing.allotted(Finished.at(run).report["manifest"], out, "101", None, None, None)


def test_a_budget_from_parameters_is_the_compute_optimal_one(run, tmp_path):
    """40 tokens a parameter at 10,000 of them: more than this run holds, so it is refused with what it has."""
    mixing.mixed("proportional", run, None, f"{tmp_path}/m.json", False)
    held = stocked(run)
    with pytest.raises(RecipeError) as caught:
        mixing.allotted(run, f"{tmp_path}/m.json", None, "10K", None, None)
    assert f"of {round(law(DEFAULT).tokens_for(1e4)):,} tokens" in str(caught.value)
    assert f"no shares of these domains can have more than {4 * sum(held.tokens.values()):,}" in str(caught.value)


def test_estimates_can_be_mixed_and_allotted_and_say_so(bare, tmp_path):
    made = mixing.mixed("temperature", bare, "1K", f"{tmp_path}/m.json", False, tau=2.0)
    assert made["estimated"]
    found = mixing.allotted(bare, f"{tmp_path}/m.json", None, None, None, None)
    assert found["estimated"]
    assert "estimated from bytes" in found["warnings"][0]


def test_weights_come_from_a_file_of_shares_or_from_another_mixture(run, tmp_path):
    (tmp_path / "w.json").write_text('{"Gov Web": 0.25, "web": 0.75}')
    one = mixing.mixed("static", run, None, f"{tmp_path}/m.json", False, from_file=f"{tmp_path}/w.json")
    two = mixing.mixed("static", run, None, None, False, from_file=f"{tmp_path}/m.json")
    assert one["weights"] == two["weights"] == {"Gov Web": 0.25, "web": 0.75}


def test_a_preset_is_asked_for_by_its_name(run):
    maps = ["MassiveWeb=web,C4=web,News=web,GitHub=", "Books=Gov Web", "Wikipedia=Gov Web"]
    made = mixing.mixed("gopher", run, None, None, False, maps=maps)
    assert made["weights"] == pytest.approx({"Gov Web": 29 / 97, "web": 68 / 97})
    assert made["settings"]["preset"] == "gopher"
    assert mixing.presets("gopher")["gopher"]["source"].endswith("table 2 (MassiveText)")
    assert mixing.presets().keys() == PRESETS.keys()


# Asked wrongly


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": "unimx"}, "'unimx' is no method. .* unimax, static; or a published one: gpt3"),
        ({"name": "preset"}, "'preset' is no method"),
        ({"tau": 2.0}, "--tau is no setting of uniform"),
        ({"maps": ["a=b"]}, "--map is no setting of uniform"),
        ({"name": "temperature"}, "temperature needs --tau"),
        ({"name": "static"}, "static needs --weights or --from"),
        ({"name": "llama"}, "llama: not mapped: CommonCrawl"),
        ({"name": "llama", "maps": ["C4"]}, "'C4' is not published=yours"),
        ({"name": "llama", "maps": ["C4=web", "C4=web"]}, "'C4=web' is not published=yours of its own"),
        ({"name": "static", "said_weights": "web"}, "'web' is not domain=share"),
        ({"name": "static", "said_weights": "web=1,web=1"}, "'web=1' is not domain=share of its own"),
        ({"name": "static", "said_weights": "web=x"}, "--weights web: 'x' is no positive number"),
        ({"name": "static", "said_weights": "web=1", "from_file": "x.json"}, "--weights and --from both"),
        ({"name": "static", "from_file": "/nowhere/x.json"}, "no such file"),
        ({"budget": "0.5"}, "'0.5' is no whole number of tokens"),
        ({"budget": "many"}, "'many' is no positive number"),
        ({"out": "m.yaml"}, r"a mixture ends in \.json"),
        ({"edges": "0.5"}, "name it with --by"),
        ({"by": "bucket", "edges": "low"}, "'low' is no list of numbers"),
        ({"by": "quality"}, "no such column. There are: .*bucket"),
        ({"by": ""}, "no such column"),
        ({"by": "gap"}, "1 of .* kept documents of a shard have no value"),
        ({"bytes_per_token": 4.0}, "are counted, there is nothing to estimate"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(run, more, said):
    with pytest.raises(RecipeError, match=said):
        mixing.mixed(**{"name": "uniform", "at": run, "budget": None, "out": None, "overwrite": False} | more)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"web": "1"}', '{"web": true}', "[" * 100_000])
def test_a_file_that_holds_no_weights_is_refused(run, tmp_path, content):
    (tmp_path / "w.json").write_text(content)
    with pytest.raises(RecipeError, match=r"w\.json: not "):
        mixing.weights(None, f"{tmp_path}/w.json")


def test_a_place_with_neither_tokens_nor_a_run_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"no finished run there\. Nor is there a manifest\.json"):
        Stock.of(str(tmp_path))
    with pytest.raises(ShardError, match="no manifest there"):
        stocked(f"{tmp_path}/manifest.json")


# What is printed


def printed(show):
    console = Console(width=100, highlight=False, emoji=False)
    with console.capture() as text:
        show(console)
    return text.get()


def test_tables_say_what_the_facts_say_in_100_columns(run, tmp_path):
    out = f"{tmp_path}/m.json"
    made = mixing.mixed("unimax", run, "8K", out, False, by="bucket")
    found = mixing.allotted(run, out, None, None, None, None)
    pages = [
        printed(lambda console: shown.show_mixture(made, out, console)),
        printed(lambda console: shown.show_inventory(mixing.inventoried(stocked(run)), console)),
        printed(lambda console: shown.show_allotment(found, console)),
        printed(lambda console: shown.show_presets(mixing.presets("llama"), console)),
    ]
    for page in pages[:3]:
        assert max(map(len, page.splitlines())) <= 100 or out in page
    assert "(by bucket)" in pages[0]
    assert "(by bucket)" in pages[2]
    assert json.loads(json.dumps(found))["by"] == made["by"]
    assert "most_epochs 4.0" in pages[0]
    for one in found["domains"].values():
        assert f"{one['tokens']:,}" in pages[2]
    first = found["runs_out_first"]
    assert f"{first['domain']} runs out first, after {first['at_budget']:,} tokens" in pages[2]
    assert "table 1" in pages[3]
    assert "CommonCrawl 67" in pages[3]


def test_hostile_names_are_printed_as_they_are_and_harm_nothing(run):
    made = mixing.mixed("uniform", run, "1K", None, False)
    name = "\x1b[31m[bold]\u202e:smile:"
    hostile = {key: {name: next(iter(made[key].values()))} for key in ("weights", "tokens", "epochs")}
    page = printed(lambda console: shown.show_mixture(made | hostile, None, console))
    assert "\\x1b[31m[bold]\\u202e:smile:" in page
    assert "\x1b" not in page


def test_the_weights_of_a_run_are_its_tokens(run):
    made = mixing.mixed("proportional", run, None, None, False)
    whole = sum(made["tokens"].values())
    assert made["weights"] == {name: float(Fraction(count, whole)) for name, count in made["tokens"].items()}
