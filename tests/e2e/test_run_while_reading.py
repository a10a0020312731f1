"""Runs with stages that run while reading: one digest whoever did it, figures that add up, samples that say so."""

import copy
import csv
import json
import random
import subprocess
import sys
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from corpus import shards
from corpus.documents import HTML, ID, TEXT
from corpus.errors import RecipeError, ReportError, SourceError
from corpus.source import Bad, Read
from pipeline.accounting import accounting
from pipeline.engines import engine
from pipeline.export import export
from pipeline.finished import Finished, everything
from pipeline.home import Home
from pipeline.plan import plan
from pipeline.progress import Silent
from pipeline.reading import Quarantine
from pipeline.recipe import load, parse
from pipeline.report import documents, plans, rules, terminal
from pipeline.run import Run
from pipeline.state import states
from stages.table import TABLE as HOUSE
from tests.e2e import pages
from tests.e2e.runs import ROOT, environment, kill_tree
from tests.e2e.test_json import fits
from tests.laws.test_runs import ran, sound, survivors

TIMES = ("seconds", "work", "peak_rss_mb", "run", "manifest", "tokenizer_engine")


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The stage of these tests in the table that a finished run's recipe is read with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HOUSE, "page_text", pages.PageText)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a crawl, its good records, a recipe with tokens, and the report of an undisturbed run."""
    folder = tmp_path_factory.mktemp("fused")
    rows = pages.crawl(folder / "in")
    path = stored(folder, tokens={"vocab": 300, "train_mb": 0.05})
    return folder, rows, path, pages.run(str(path), str(folder / "run"), "local", 1)


def stored(folder, inputs=None, **more):
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(pages.recipe(inputs or folder / "in", **more)))
    return path


def figures(report):
    """A report without what a clock or a place says."""
    clocks = ("cpu_seconds", "mb_per_s", "peak_rss_mb")
    stages = [{key: value for key, value in one.items() if key not in clocks} for one in report["stages"]]
    return {key: value for key, value in report.items() if key not in TIMES} | {"stages": stages}


# One digest


@pytest.mark.parametrize(("workers", "batch_rows"), [(1, 64), (2, 4_096)])
def test_workers_and_batches_change_nothing(made, tmp_path, workers, batch_rows):
    _, _, path, alone = made
    assert figures(pages.run(str(path), str(tmp_path / "run"), "local", workers, batch_rows)) == figures(alone)


@pytest.mark.ray
def test_ray_gives_the_same_figures(made, tmp_path):
    _, _, path, alone = made
    assert figures(pages.run(str(path), str(tmp_path / "run"), "ray", 2)) == figures(alone)


def test_an_object_like_store_holds_the_same(made):
    _, _, path, alone = made
    found = figures(pages.run(str(path), "memory://fused", "local", 1))
    assert found == figures(alone)
    assert found["written"]["documents"] > 0


def test_kills_and_a_resume_give_the_same_figures(made, tmp_path):
    _, _, path, alone = made
    draw, killed, command = random.Random(1), 0, [sys.executable, "-m", "tests.e2e.pages", path, tmp_path / "run", "2"]
    for _ in range(5):
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment(), stderr=subprocess.PIPE)
        begun = time.monotonic()
        while process.poll() is None and not list((tmp_path / "run").glob("documents-*/*")):
            assert time.monotonic() - begun < 120, "it never began to write"
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.4))
        killed += process.poll() is None
        kill_tree(process)
    assert killed >= 1  # later ones may be done before: that is the resume working
    assert figures(pages.run(str(path), str(tmp_path / "run"), "local", 1)) == figures(alone)


def test_a_killed_unit_is_read_again_and_its_shards_are_not_written_again(made, tmp_path):
    _, _, path, alone = made
    at = tmp_path / "run"
    pages.run(str(path), str(at), "local", 1)
    (folder,) = at.glob("documents-*")
    marker, sample = next(folder.glob("a-*.json")), next(folder.glob("a-*.dropped.parquet"))
    before, sampled, last = marker.read_text(), sample.read_bytes(), sorted(folder.glob("a-*-0*.parquet"))[-1]
    kept = {p: p.stat().st_mtime_ns for p in folder.glob("*-0*.parquet") if p != last}
    for one in (marker, sample, last):
        one.unlink()
    assert figures(pages.run(str(path), str(at), "local", 1)) == figures(alone)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert sample.read_bytes() == sampled
    assert {**json.loads(marker.read_text()), "spent": 0} == {**json.loads(before), "spent": 0}


@settings(max_examples=8)
@given(sound, st.integers(0, 4), st.sampled_from([0.001, 0.01, 64]))
def test_where_stages_run_does_not_change_what_is_kept_or_why_the_others_went(tmp_path_factory, texts, fused, shard_mb):
    """The same stages, the first of them while reading or on documents at rest."""
    stages = ["repair", {"gopher_quality": {"min_words": 20}}, {"c4": {"min_sentences": 1}}, "pii", "exact"]
    folder = tmp_path_factory.mktemp("law")
    more = {"while_reading": stages[:fused], "shard_mb": shard_mb}
    one, other = (
        ran(folder / "rest", texts, stages=stages),
        ran(folder / "reading", texts, stages=stages[fused:], **more),
    )
    assert survivors(one) == survivors(other)
    assert [{**stage, "sampled": None} for stage in figures(one.report)["stages"]] == [
        {**stage, "sampled": None} for stage in figures(other.report)["stages"]
    ]
    assert (one.report["bytes"], one.report["domains"]) == (other.report["bytes"], other.report["domains"])


# What is at rest


def test_no_page_is_at_rest_and_dropped_documents_are_in_samples_alone(made):
    folder, rows, _, report = made
    fused = [stage for stage in report["stages"] if stage["sampled"] is not None]
    gone = sum(count for stage in fused for count in stage["dropped"].values())
    run = Finished.at(str(folder / "run"))
    held = [row for table in run.tables(everything) for row in table.to_pylist()]
    assert len(held) + gone == report["documents"]["read"] == len(rows)
    for path in (folder / "run").rglob("*.parquet"):
        assert HTML not in shards.schema(str(path)).names
        said = str(shards.read(str(path)).to_pylist())
        assert "<html>" not in said or path.name.endswith(".bad.parquet")
    sampled = sum(shards.rows(str(p)) for p in (folder / "run").glob("documents-*/*.dropped.parquet"))
    assert sampled == sum(count for stage in fused for count in stage["sampled"].values()) > 0


def test_columns_are_those_of_documents_typed_and_exported(made, tmp_path):
    folder, _, _, _ = made
    run = Finished.at(str(folder / "run"))
    export(run, str(tmp_path / "kept.parquet"), None, "kept")
    table = shards.read(str(tmp_path / "kept.parquet"))
    assert table.num_rows == run.report["documents"]["kept"]
    assert {"url", "title", "tags", "words", "c4_spans", "kept_sentences", "pii_spans"} <= set(table.column_names)
    assert str(table.schema.field("tags").type) == "int64"
    assert all(title.startswith("page ") for title in table["title"].to_pylist())


def test_a_later_stage_goes_by_a_column_laid_while_reading(made, tmp_path):
    """Of exact copies the one with the greatest number of tags stays: all have the same, so the least id does."""
    folder, _, _, _ = made
    path = stored(tmp_path, folder / "in", stages=[{"exact": {"prefer": ["-title"]}}])
    pages.run(str(path), str(tmp_path / "run"), "local", 1)
    rows = [row for table in Finished.at(str(tmp_path / "run")).tables(everything) for row in table.to_pylist()]
    texts = {}
    for row in rows:
        texts.setdefault(row[TEXT], []).append(row)
    copies = [some for some in texts.values() if len(some) > 1]
    assert len(copies) > 3
    for some in copies:
        kept = [row["title"] for row in some if row["drop"] is None]
        assert kept == [max(row["title"] for row in some)]


# Figures


def test_figures_add_up_over_the_whole_source(made):
    _, rows, _, report = made
    fits(report, "report")
    assert report["documents"]["read"] == len(rows)
    assert report["documents"]["quarantined"] == 2
    assert [stage["name"] for stage in report["stages"]] == [
        "url_rules", "page_text", "gopher_quality", "c4", "pii", "exact", "minhash"
    ]  # fmt: skip
    assert sum(one["documents"]["read"] for one in report["domains"].values()) == len(rows)
    size = report["bytes"]
    assert size["read"] == size["kept"] + size["dropped"] + size["cut"]
    assert size["cut"] == sum(stage["bytes_cut"] for stage in report["stages"]) > 0
    for stage in report["stages"][:4]:
        assert stage["dropped"]
        assert stage["cpu_seconds"] > 0
    assert set(report["work"]) >= {"read", "words", "url_rules", "page_text", "gopher_quality", "c4"}


def test_a_unit_whose_counts_do_not_add_up_is_refused(made, tmp_path):
    """One document more that the reader says it handed on, or one less that was dropped, and there is no report."""
    _, _, path, _ = made
    at = tmp_path / "run"
    pages.run(str(path), str(at), "local", 1)
    marker = next(at.glob("documents-*/a-*.json"))
    sound = json.loads(marker.read_text())
    for key, change in (("read", 1), ("dropped", -1)):
        wrong = copy.deepcopy(sound)
        if key == "read":
            wrong["while_reading"]["read"] += change
        else:
            wrong["while_reading"]["dropped"][0][3] += change
        marker.write_text(json.dumps(wrong))
        with pytest.raises(ReportError, match="do not add up"):
            pages.run(str(path), str(at), "local", 1)


def test_written_is_what_lies_there(made):
    folder, _, _, report = made
    at = folder / "run"
    names = {path.name for path in at.glob("documents-*/*-0*.parquet")}
    documents = sum(path.stat().st_size for path in at.glob("documents-*/*-0*.parquet"))
    columns = sum(p.stat().st_size for p in at.glob("0*/*.parquet") if p.name in names)
    assert report["written"] == {"documents": documents, "columns": columns}


def test_stages_that_drop_all_leave_a_run_of_nothing(made, tmp_path):
    folder, rows, _, _ = made
    strict = ["page_text", {"gopher_quality": {"min_words": 100_000}}]
    path = stored(tmp_path, folder / "in", while_reading=strict)
    report = pages.run(str(path), str(tmp_path / "run"), "local", 1)
    fits(report, "report")
    assert report["documents"] == {"read": len(rows), "kept": 0, "dropped": len(rows), "quarantined": 2}
    assert report["written"] == {"documents": 0, "columns": 0}
    run = Finished.at(str(tmp_path / "run"))
    done = export(run, str(tmp_path / "kept.parquet"), None, "kept")
    assert done["documents"] == 0
    names = shards.schema(str(tmp_path / "kept.parquet")).names
    assert names[:4] == ["id", "text", "domain", "url"]
    assert {"title", "tags", "words", "pii_spans", "cluster"} <= set(names)


def test_pages_are_asked_for_where_a_stage_reads_them(tmp_path):
    """Text files have no fields, so what they hold is known when they are read."""
    (tmp_path / "a.txt").write_text("some text")
    whole = {"name": "x", "sources": [{"path": f"{tmp_path}/a.txt"}], "stages": ["page_text"]}
    with engine("local", 1) as workforce, pytest.raises(RecipeError, match="no source has any"):
        Run(parse(whole, table=pages.TABLE), Home(str(tmp_path / "run")), workforce, Silent())()


def test_a_field_that_only_dropped_documents_have_is_there(tmp_path):
    rows = [{"text": "too short", "note": "here"}, {"text": "the of and to in that is with " * 20}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = {"name": "x", "sources": [{"path": f"{tmp_path}/a.jsonl", "fields": ["note"]}]}
    whole |= {"while_reading": [{"gopher_quality": {"min_words": 10, "min_mean_word_length": 1}}]}
    with engine("local", 1) as workforce:
        report = Run(parse(whole), Home(str(tmp_path / "run")), workforce, Silent())()
        assert report["documents"]["kept"] == 1
        wrong = whole | {"sources": [{"path": f"{tmp_path}/a.jsonl", "fields": ["nota"]}]}
        with pytest.raises(SourceError, match=r"no document of .* has a field 'nota'"):
            Run(parse(wrong), Home(str(tmp_path / "other")), workforce, Silent())()


def test_real_archives_add_up_to_their_manifest(data, tmp_path):
    """Every record of the sound ones is a document, quarantined, or skipped by kind."""
    with (data / "warc" / "MANIFEST.csv").open() as file:
        sound = [row for row in csv.DictReader(file) if not row["reader_error"] and ".warc" in row["file"]]
    sound = [row for row in sound if not row["note"]]
    assert len(sound) > 20
    paths = [str(data / "warc" / row["file"]) for row in sound]
    whole = {"name": "x", "sources": [{"path": paths, "format": "warc", "fields": ["url"]}]}
    whole |= {"while_reading": ["url_rules", {"page_text": {"least": 100}}], "stages": ["exact"]}
    with engine("local", 1) as workforce:
        report = Run(parse(whole, table=pages.TABLE), Home(str(tmp_path / "run")), workforce, Silent(), max_bad=1)()
    fits(report, "report")
    documents, skipped = report["documents"], sum(report["skipped"].values())
    assert documents["read"] + documents["quarantined"] + skipped == sum(int(row["records"]) for row in sound)
    assert min(documents["kept"], documents["dropped"], skipped) > 20


def test_skipped_records_are_counted_by_kind_and_shown(made):
    _, _, _, report = made
    none = Read(None, [Bad("a", 1, "no text: x", "")], {"request": 2})
    quarantine = Quarantine()
    quarantine.add(none)
    quarantine.add(none._replace(skipped={"image/png": 1, "request": 1}))
    assert quarantine.marker() == {"bad": 2, "causes": {"no text": 2}, "skipped": {"image/png": 1, "request": 3}}
    shown = printed(lambda console: terminal.show(report | {"skipped": quarantine.marker()["skipped"]}, console))
    assert "skipped, for they are no documents: request 3, image/png 1" in shown
    assert "skipped" not in printed(lambda console: terminal.show(report, console))
    assert "x the kept text" in shown


def printed(show):
    console = Console(width=100, highlight=False, emoji=False)
    with console.capture() as shown:
        show(console)
    return shown.get()


# What people ask a finished run


def test_a_sample_is_shown_as_a_sample(made):
    folder, rows, _, report = made
    run = Finished.at(str(folder / "run"))
    html = {row["id"]: row["html"] for row in rows}
    for stage in report["stages"][:4]:
        found = documents.chosen(run, 1_000, dropped_by=stage["name"])
        fits({"documents": found}, "show")
        assert len(found) == sum(stage["sampled"].values()) <= sum(stage["dropped"].values())
        for one in found:
            assert (one["stage"], one["sampled"]) == (stage["name"], stage["sampled"][one["drop"]])
            assert one["sample_of"] == stage["dropped"][one["drop"]]
            assert one[TEXT] == "" or one[TEXT].split("\n")[0] in html[one[ID]]
            assert one["url"].endswith(f"/{int(one[ID][1:])}")
        shown = printed(lambda console, found=found: documents.show(found[:2], documents.limits(run), console))
        reason = found[0]["drop"]
        counts = f"A sample: {stage['sampled'][reason]:,} of the {stage['dropped'][reason]:,} documents that"
        assert " ".join(shown.split()).startswith(f"{counts} {stage['name']} dropped while reading ({reason}) are kept")
    words = documents.chosen(run, 1, dropped_by="words")
    assert "(at least 30)" in printed(lambda console: documents.show(words, documents.limits(run), console))


def test_one_of_a_sample_is_found_by_its_id_and_another_is_told_of(made):
    folder, rows, _, _ = made
    run = Finished.at(str(folder / "run"))
    sampled = {one[ID] for one in documents.chosen(run, 1_000, dropped_by="url_rules")}
    (found,) = documents.chosen(run, 5, id=min(sampled))
    assert found["drop"] == "word"
    others = {row[ID] for row in rows if "xxx" in row["url"]} - sampled
    with pytest.raises(RecipeError, match="only a sample is there"):
        documents.chosen(run, 5, id=min(others))


def test_rules_that_ran_while_reading_say_why_they_have_no_rows(made, tmp_path):
    folder, _, _, report = made
    run = Finished.at(str(folder / "run"))
    facts = accounting(run)
    fits(facts, "rules")
    assert facts["rules"] == []
    (one,) = [problem for problem in facts["problems"] if problem["stage"] == "gopher_quality"]
    counts = report["stages"][2]["dropped"]
    assert all(f"{rule} {count:,}" in one["problem"] for rule, count in counts.items())
    assert accounting(run, "gopher_quality")["problems"] == [one]
    assert "it ran while reading" in printed(lambda console: rules.show(facts, console))
    both = stored(tmp_path, folder / "in", stages=[{"gopher_quality": {"min_words": 60}}])
    pages.run(str(both), str(tmp_path / "run"), "local", 1)
    twice = accounting(Finished.at(str(tmp_path / "run")))
    assert {row["stage"] for row in twice["rules"]} == {"gopher_quality_2"}
    assert "gopher_quality" in {problem["stage"] for problem in twice["problems"]}


def test_a_plan_shows_the_stages_that_run_while_reading_and_why_it_would_read_again(made):
    folder, _, path, _ = made
    home = Home(str(folder / "run"))
    done = plans.facts(plan(load(path, table=pages.TABLE), home), home)
    fits(done, "plan")
    assert done["done"]
    assert [s["name"] for s in done["steps"] if s["kind"] == "while_reading"] == [
        "url_rules", "page_text", "gopher_quality", "c4"
    ]  # fmt: skip
    changed = plan(load(path, ["page_text.least=6"], table=pages.TABLE), home)
    why = {(one.step, one.kind): one.why for one in states(changed, home) if not one.complete}
    assert why["page_text", "while_reading"] == ("least 5 -> 6",)
    assert why["documents", "documents"] == ("while reading: page_text",)
    assert ("url_rules", "while_reading") in why  # it is done again with the others
    later = plan(load(path, ["minhash.least=0.9"], table=pages.TABLE), home)
    assert {one.step for one in states(later, home) if not one.complete} == {"minhash", "tokenizer", "kept"}
    shown = printed(lambda console: plans.show(plans.facts(changed, home), console))
    assert "while reading" in shown
    assert all(len(line) <= 100 for line in shown.splitlines())
