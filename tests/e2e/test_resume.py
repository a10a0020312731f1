"""What is finished is not redone; what depends on a change is, and nothing else; `plan` says which and why."""

import json
import os
import shutil

import pytest

from tests.e2e.runs import STAGES, corpus, recipe, winnow, winnow_json


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Inputs, a recipe and a finished run of it."""
    folder = tmp_path_factory.mktemp("resume")
    inputs = corpus(folder / "in", 400)
    path = recipe(folder / "recipe.yaml", inputs, shard_mb=0.02)
    winnow_json("run", path, "--at", folder / "run", "--workers", 1)
    return folder


@pytest.fixture
def home(finished, tmp_path):
    """A copy of the finished run and its inputs, time stamps kept, to change at will."""
    shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copy2)
    recipe(tmp_path / "copy" / "recipe.yaml", tmp_path / "copy" / "in", shard_mb=0.02)
    winnow_json("run", tmp_path / "copy" / "recipe.yaml", "--at", tmp_path / "copy" / "run", "--workers", 1)
    return tmp_path / "copy"


def plan(home, *more):
    """What is left to do: (name, kind) -> why."""
    facts = winnow_json("plan", home / "recipe.yaml", "--at", home / "run", *more)
    return {(s["name"], s["kind"]): s["why"] for s in facts["steps"] if s["done"] < s["of"]}


def stamps(home):
    """When each file of the run was last written."""
    return {p: p.stat().st_mtime_ns for p in (home / "run").rglob("*") if p.is_file() and "-" in p.parent.name}


def test_a_second_run_writes_nothing_and_gives_the_same_digest(home):
    before, digest = stamps(home), json.loads((home / "run" / "report.json").read_text())["digest"]
    assert plan(home) == {}
    assert winnow_json("run", home / "recipe.yaml", "--at", home / "run", "--workers", 1)["digest"] == digest
    after = stamps(home)
    changed = {p.name for p in after if after[p] != before.get(p)}
    assert changed <= {"manifest.json", "tokenizer.json"}  # written whole again, with the same bytes


def test_a_changed_setting_redoes_what_comes_after_it(home):
    why = plan(home, "--set", "minhash.bands=10")
    assert why[("minhash", "emit")] == ["bands 14 -> 10"]
    assert {name for name, _ in why} == {"minhash", "tokenizer", "kept"}


def test_a_limit_that_only_judges_keeps_the_signatures(home):
    why = plan(home, "--set", "minhash.least=0.9")
    assert why[("minhash", "global")] == ["least 0.8 -> 0.9"]
    assert ("minhash", "emit") not in why


def test_the_first_stage_changed_redoes_all_stages_but_reads_nothing(home):
    why = plan(home, "--set", "gopher_quality.min_words=31")
    assert why[("gopher_quality", "local")] == ["min_words 30 -> 31"]
    assert ("documents", "documents") not in why
    assert why[("exact", "global")] == ["what comes before it changed"]


def test_touched_inputs_are_the_same_inputs(home):
    for path in (home / "in").rglob("*"):
        os.utime(path, (1, 1))
    assert plan(home) == {}


def test_a_changed_file_redoes_its_own_documents_and_every_comparison(home):
    text = (home / "in" / "a.jsonl").read_text()
    (home / "in" / "a.jsonl").write_text(text.replace("river", "brook"))
    before = stamps(home)
    why = plan(home)
    assert why[("documents", "documents")] == ["inputs: 1 changed (a)"]
    assert why[("exact", "global")] == ["inputs changed"]
    winnow_json("run", home / "recipe.yaml", "--at", home / "run", "--workers", 1)
    rewritten = {p for p, stamp in stamps(home).items() if before.get(p) != stamp}
    documents = [p for p in rewritten if p.parent.name.startswith(("documents-", "01-"))]
    assert documents
    assert all(p.name.startswith("a-") for p in documents)


def test_a_new_file_is_read_alone(home):
    shutil.copy(home / "in" / "a.jsonl", home / "in" / "files" / "new.txt")
    before = stamps(home)
    winnow_json("run", home / "recipe.yaml", "--at", home / "run", "--workers", 1)
    rewritten = {p.name for p, now in stamps(home).items() if before.get(p) != now and p.parent.name.startswith("01-")}
    assert not any(name.startswith(("a-", "b-", "c-")) for name in rewritten)


def test_a_removed_shard_is_made_again(home):
    digest = json.loads((home / "run" / "report.json").read_text())["digest"]
    victim = next((home / "run").glob("01-gopher_quality-*/*.parquet"))
    sound = victim.read_bytes()
    victim.unlink()
    assert set(plan(home)) == {("gopher_quality", "local")}
    assert winnow_json("run", home / "recipe.yaml", "--at", home / "run", "--workers", 1)["digest"] == digest
    assert victim.read_bytes() == sound


def test_a_killed_unit_goes_on_after_its_last_whole_shard(home):
    """A gzip stream cannot be entered in its midst, so it is read again; what it gave is not written again."""
    digest = json.loads((home / "run" / "report.json").read_text())["digest"]
    marker = next((home / "run").glob("documents-*/b-*.json"))
    shards = sorted((home / "run").glob("documents-*/b-*.parquet"))
    assert len(shards) >= 3
    marker.unlink()
    shards[-1].unlink()
    before = stamps(home)
    assert winnow_json("run", home / "recipe.yaml", "--at", home / "run", "--workers", 1)["digest"] == digest
    written = {
        p.name for p, now in stamps(home).items() if before.get(p) != now and p.parent.name[:4] in ("docu", "01-g")
    }
    assert written == {marker.name, shards[-1].name}


def test_a_damaged_shard_is_named(home):
    victim = next((home / "run").glob("documents-*/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-100])
    error = winnow("export", home / "run", home / "out.jsonl", "--format", "jsonl", code=1)
    assert victim.name in error
    assert "damaged" in error


def test_two_runs_in_one_home_do_not_mix(home):
    import fcntl

    with open(home / "run" / "lock", "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another winnow run" in winnow("run", home / "recipe.yaml", "--at", home / "run", code=1)


def test_the_runs_own_copy_of_the_recipe_is_the_recipe(home):
    winnow_json("run", home / "recipe.yaml", "--at", home / "run", "--set", "minhash.least=0.9")
    facts = winnow_json("plan", home / "run" / "recipe.yaml", "--at", home / "run")
    assert facts["done"]
    assert len(STAGES) == len([s for s in facts["steps"] if s["kind"] in ("local", "global")])
