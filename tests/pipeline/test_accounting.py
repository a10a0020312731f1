"""What rules cost: against brute force over documents, against runs with other limits, and against the report."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from corpus import shards
from corpus.documents import DROP, TEXT
from corpus.errors import RecipeError
from pipeline.accounting import Counts, accounting
from pipeline.engines import engine
from pipeline.finished import Finished, everything
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import parse
from pipeline.report import rules as report
from pipeline.ruled import HIGH, LOW, Judged, Ruled
from pipeline.run import Run
from stages.gopher_quality import GopherQuality
from tests.laws.corpora import planted, prose
from tests.laws.test_runs import ran, survivors, without_nul

# Limits that many documents fail, several at a time, on both sides.
SETTINGS = {"min_words": 60, "max_words": 300, "max_mean_word_length": 4.2, "min_stop_words": 6}
STAGES = ["exact", {"gopher_quality": SETTINGS}, "minhash"]
TOKENS = {"vocab": 300, "train_mb": 0.05}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    texts = [text for text in planted(500) if "\x00" not in text]
    return ran(tmp_path_factory.mktemp("rules"), texts, stages=STAGES, shard_mb=0.05, tokens=TOKENS)


def came(run, stage="gopher_quality"):
    """Rows that came to the stage, as dicts, in Python."""
    listed = [step.name for step in run.plan.judged]
    before = set(listed[: listed.index(stage)])
    return [one for table in run.tables(everything) for one in table.to_pylist() if one["stage"] not in before]


def broken(rule, one):
    value = one[rule.measure]
    return (rule.low is not None and not value >= rule.low) or (rule.high is not None and not value <= rule.high)


def test_every_count_is_that_of_brute_force(run):
    rules, held = GopherQuality(**SETTINGS).rules, came(run)
    failing = [[rule.measure for rule in rules if broken(rule, one)] for one in held]
    size = [len(one[TEXT].encode()) for one in held]
    found = accounting(run)
    assert [row["rule"] for row in found["rules"]] == [rule.measure for rule in rules]
    per_byte = run.report["tokens"] / run.report["bytes"]["kept"]
    for row, rule in zip(found["rules"], rules, strict=True):
        name = rule.measure
        kinds = {"first_fail": [f[:1] == [name] for f in failing], "any_fail": [name in f for f in failing]}
        kinds["only_fail"] = [f == [name] for f in failing]
        for (kind, hits), lost in zip(kinds.items(), ("lost", "any_fail", "only_fail"), strict=True):
            taken = sum(n for n, hit in zip(size, hits, strict=True) if hit)
            assert (row[kind], row[f"bytes_{lost}"]) == (sum(hits), taken)
            assert row[f"tokens_{lost}"] == round(taken * per_byte)
        values = [one[name] for one in held]
        assert (row["documents"], row["smallest"], row["largest"]) == (len(held), min(values), max(values))
        assert (row["low"], row["high"]) == (rule.low, rule.high)
    (square,) = found["overlap"]
    for a, row in zip(square["rules"], square["documents"], strict=True):
        assert row == [sum(a in f and b in f for f in failing) for b in square["rules"]]
    assert found["problems"] == []
    assert sum(row["first_fail"] > 0 for row in found["rules"]) >= 3  # else this would prove little


def test_what_rules_dropped_adds_up_to_the_report(run):
    stage = next(one for one in run.report["stages"] if one["name"] == "gopher_quality")
    found = accounting(run)["rules"]
    assert {row["rule"]: row["first_fail"] for row in found if row["first_fail"]} == stage["dropped"]
    assert {row["rule"]: row["bytes_lost"] for row in found if row["first_fail"]} == stage["dropped_bytes"]


SETTING = {("words", LOW): "min_words", ("words", HIGH): "max_words"}
SETTING |= {("mean_word_length", HIGH): "max_mean_word_length", ("stop_words", LOW): "min_stop_words"}


def test_a_limit_regains_what_a_run_with_that_limit_keeps(tmp_path):
    """The claim itself: for limits of every rule that fires, the recipe is run again with that one changed."""
    texts = [text for text in planted(300, 5) if "\x00" not in text]
    stages = [{"gopher_quality": SETTINGS}]
    before = ran(tmp_path / "before", texts, stages=stages)
    regained = accounting(before)["regained"]
    asked = {(one["rule"], one["limit"]) for one in regained}
    assert {("words", LOW), ("words", HIGH)} < asked
    for number, one in enumerate(regained[:: max(1, len(regained) // 8)]):
        changed = SETTINGS | {SETTING[one["rule"], one["limit"]]: one["at"]}
        after = ran(tmp_path / str(number), texts, stages=[{"gopher_quality": changed}])
        gained = survivors(after) - survivors(before)
        assert survivors(before) <= survivors(after)
        assert (one["documents"], one["bytes"]) == (len(gained), sum(len(text.encode()) for _, text in gained))


def test_limits_are_asked_from_the_nearest_to_the_one_that_regains_all(run):
    found = accounting(run)
    only = {row["rule"]: row["only_fail"] for row in found["rules"]}
    groups = {}
    for one in found["regained"]:
        groups.setdefault((one["rule"], one["limit"]), []).append(one)
    assert groups
    for (_, side), some in groups.items():
        at = [one["at"] for one in some]
        assert at == sorted(set(at), reverse=side == LOW)
        counts = [one["documents"] for one in some]
        assert counts == sorted(set(counts))
        assert counts[0] > 0
    for rule in {rule for rule, _ in groups}:
        assert sum(some[-1]["documents"] for (name, _), some in groups.items() if name == rule) == only[rule]


@settings(max_examples=6)
@given(st.builds(without_nul, st.integers(1, 60), st.integers(0, 999)), st.integers(1, 4))
def test_how_documents_are_sharded_changes_no_figure(tmp_path_factory, texts, files):
    folder = tmp_path_factory.mktemp("law")
    one = accounting(ran(folder / "one", texts, stages=STAGES))
    many = accounting(ran(folder / "many", texts, stages=STAGES, files=files, shard_mb=0.001))
    assert one | {"run": ""} == many | {"run": ""}


def relaid(run, change):
    """The run after a stage's files were changed, table by table."""
    step = next(step for step in run.plan.judged if step.name == "gopher_quality")
    for name in run.shards:
        url = run.home.path(step.folder, f"{name}.parquet")
        shards.write(url, change(shards.read(url)))
    return Finished.at(run.home.at)


def without(table, column):
    """The table with null in a column."""
    place = table.schema.get_field_index(column)
    field = table.schema.field(column)
    return table.set_column(place, field, pa.nulls(table.num_rows, field.type))


def test_a_rule_that_could_not_fire_is_told(tmp_path):
    """Its measure is null everywhere, or was never laid; and a stage that no document came to."""
    texts = [prose(n, 200) for n in range(20)]
    for number, change in enumerate((lambda t: without(t, "stop_words"), lambda t: t.drop_columns(["stop_words"]))):
        run = relaid(ran(tmp_path / str(number), texts, stages=["gopher_quality"]), change)
        found = accounting(run)
        (one,) = found["problems"]
        assert (one["stage"], one["rule"]) == ("gopher_quality", "stop_words")
        row = found["rules"][-1]
        assert (row["documents"], row["smallest"], row["any_fail"]) == (0, None, 0)
    hopeless = ran(tmp_path / "none", texts, stages=[{"gopher_quality": {"min_words": 10**6, "max_words": 10**7}}] * 2)
    (one,) = accounting(hopeless, "gopher_quality_2")["problems"]
    assert "no document came" in one["problem"]


def test_drops_that_rules_do_not_explain_are_not_accounted_for(tmp_path):
    """A stage whose verdicts are not those of its rules gets no rows: figures that do not add up are not shown."""
    run = ran(tmp_path, [prose(n, 200) for n in range(20)], stages=[{"gopher_quality": {"min_words": 300}}])
    found = accounting(relaid(run, lambda table: without(table, DROP)))
    assert found["rules"] == found["regained"] == []
    assert "20 documents were judged otherwise" in found["problems"][0]["problem"]


def test_limits_are_sampled_where_values_are_many(run):
    """The sample is bounded and the same for any order of shards; its limits are values that documents have."""
    asked = accounting(run)["regained"][-1]
    step = next(step for step in run.plan.judged if step.name == "gopher_quality")
    ruled = Ruled(step, GopherQuality(**SETTINGS).rules)
    rule, side = [one.measure for one in ruled.rules].index(asked["rule"]), asked["limit"]
    one, other, all_ = Counts(ruled, most=3), Counts(ruled, most=3), Counts(ruled)
    judged = [Judged(ruled, view) for view in run.views()]
    for shard in judged:
        one.add(shard)
        all_.add(shard)
    for shard in reversed(judged):
        other.add(shard)
    keys, values = one.samples[rule, side]
    assert len(keys) == 3 < len(all_.samples[rule, side][0])
    assert (keys.tolist(), values.tolist()) == tuple(column.tolist() for column in other.samples[rule, side])
    assert keys.tolist() == all_.samples[rule, side][0][:3].tolist()
    assert set(one.limits(rule, side)) <= set(values)


def spoken(folder, rows, stage):
    """A finished run of Gopher's rules over rows with a field `lang`."""
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"path": f"{folder}/a.jsonl", "fields": ["lang"]}
    recipe = parse({"name": "law", "sources": [source], "stages": [{"gopher_quality": stage}]})
    with engine("local", 1) as workforce:
        Run(recipe, Home(str(folder / "run")), workforce, Silent())()
    return Finished.at(str(folder / "run"))


def test_limits_of_languages_are_accounted_for_apart(tmp_path):
    """German and English text, the language a field of the source, unknown for some; each by its own table."""
    german = "und der die das nicht mit von den ist ein zu auf im Haus Garten Fluss Wasser"
    rows = [{"id": f"e{n}", "text": prose(n, 30 + n), "lang": "en" if n % 2 else None} for n in range(60)]
    rows += [{"id": f"d{n}", "text": f"{german} " * (1 + n % 6), "lang": "de"} for n in range(40)]
    stage = {"language_column": "lang", "min_words": 60, "min_stop_words": 4}
    run = spoken(tmp_path, rows, stage)
    found = accounting(run)
    assert found["problems"] == []
    assert [(one["stage"], one["language"]) for one in found["overlap"]] == [
        ("gopher_quality", c) for c in ("de", "en")
    ]
    words = {row["language"]: row for row in found["rules"] if row["rule"] == "words"}
    assert {code: row["documents"] for code, row in words.items()} == {"de": 40, "en": 60}
    dropped = [one for one in came(run) if one["drop"] == "words"]
    assert words["de"]["first_fail"] == sum(one["lang"] == "de" for one in dropped) > 0
    assert words["en"]["first_fail"] == sum(one["lang"] != "de" for one in dropped) > 0
    for row in found["rules"]:
        (same,) = [rule for rule in GopherQuality(**stage).rules_of(row["language"]) if rule.measure == row["rule"]]
        assert (row["low"], row["high"]) == (same.low, same.high)


def test_a_language_that_no_document_has_is_told(tmp_path):
    rows = [{"id": f"e{n}", "text": prose(n, 100), "lang": "en"} for n in range(5)]
    (one,) = accounting(spoken(tmp_path, rows, {"language_column": "lang", "language": "de"}))["problems"]
    assert (one["language"], one["rule"]) == ("de", None)
    assert "no document of language 'de'" in one["problem"]


def test_runs_without_rules_and_unknown_stages_are_refused(run, tmp_path):
    with pytest.raises(RecipeError, match="no stage of this run has rules"):
        accounting(ran(tmp_path, ["a b"], stages=["exact"]))
    with pytest.raises(RecipeError, match="no stage 'exact' with rules; with rules there are: gopher_quality"):
        accounting(run, "exact")
    assert accounting(run, "gopher_quality") == accounting(run)


def test_what_is_printed_fits_and_adds_up(run):
    facts = accounting(run)
    console = Console(width=100, highlight=False, emoji=False)
    with console.capture() as shown:
        report.show(
            facts | {"problems": [{"stage": "a\x1b[1m", "language": None, "rule": None, "problem": "x"}]}, console
        )
    lines = shown.get().splitlines()
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in shown.get()
    for row in facts["rules"]:
        (line,) = [line for line in lines if line.split()[:1] == [row["rule"]] and "%" not in line]
        said = [f"{row[name]:,}" for name in ("first_fail", "tokens_lost", "any_fail", "only_fail")]
        first, _, *others = line.split()[-5:]
        assert [first, *others] == said
    assert sum("documents more" in line for line in lines) == 1
