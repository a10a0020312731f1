"""`winnow audit` and `winnow report --rules` by the command line, on a run of every stage there is."""

import json

import pytest
import yaml

from tests.e2e.runs import corpus, winnow, winnow_json

STAGES = [{"gopher_quality": {"min_words": 30}}, "exact", "minhash"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    inputs = corpus(folder / "in", 600)
    sources = [{"path": f"{inputs}/*.jsonl*", "domain_field": "domain"}, {"path": f"{inputs}/files/*.txt"}]
    tokens = {"tokenizer": "train", "vocab": 400, "train_mb": 0.1}
    whole = {"name": "audited", "sources": sources, "stages": STAGES, "shard_mb": 0.1, "tokens": tokens}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(whole))
    winnow("run", folder / "recipe.yaml", "--at", folder / "run", "--workers", 1)
    return folder / "run"


def test_audit_prints_json_and_tables_of_the_same_figures(run):
    facts = winnow_json("audit", run, "--planted", 60, "--seed", 3)
    assert facts["precision"] == 1.0
    assert facts["removed"] == facts["verified"] > 0
    assert facts["seed"] == 3
    for row in facts["recall"]:
        assert {"low", "high", "pairs", "measured", "measured_low", "measured_high", "theory"} <= row.keys()
    report = winnow_json("report", run)
    funnel = next(one for one in report["stages"] if one["name"] == "minhash")
    assert (facts["documents"], facts["removed"]) == (funnel["documents_in"], sum(funnel["dropped"].values()))
    lost = sum(one["bytes_removed"] for one in facts["domains"].values())
    assert lost == sum(funnel["dropped_bytes"].values())
    printed = winnow("audit", run, "--planted", 60, "--seed", 3)
    assert max(map(len, printed.splitlines())) <= 100
    assert f"{facts['removed']:,} of {facts['removed']:,} removed documents" in " ".join(printed.split())
    assert winnow_json("audit", run, "--sample", 50, "--planted", 0)["block"]["documents"] == 50


def test_nothing_in_the_run_is_changed_by_an_audit(run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    winnow("audit", run, "--planted", 6)
    winnow("report", run, "--rules")
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before


def test_rules_are_accounted_for(run):
    facts = winnow_json("report", run, "--rules")
    funnel = next(one for one in winnow_json("report", run)["stages"] if one["name"] == "gopher_quality")
    assert {row["rule"]: row["first_fail"] for row in facts["rules"] if row["first_fail"]} == funnel["dropped"]
    assert winnow_json("report", run, "--rules", "gopher_quality") == facts
    printed = winnow("report", run, "--rules")
    assert all(row["rule"] in printed for row in facts["rules"])
    json.dumps(facts, allow_nan=False)


@pytest.mark.parametrize(
    "wrong",
    [
        ("audit", "{run}/nowhere"),
        ("audit", "{run}", "--sample", "-1"),
        ("audit", "{run}", "--stage", "exact"),
        ("report", "{run}", "--rules", "exact"),
        ("report", "{run}", "gopher_quality"),
    ],
)
def test_what_is_asked_wrongly_is_refused(run, wrong):
    found = winnow_json(*(one.format(run=run) for one in wrong), code=2)
    assert found["error"]["kind"] in ("RecipeError", "UsageError")
