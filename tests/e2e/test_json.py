"""The documented JSON is what is printed: every schema and example in docs/reference/json.md, against real runs."""

import gzip
import json
import re
from dataclasses import fields

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from corpus import errors
from stages.table import TABLE
from tests.e2e.runs import ROOT, corpus, recipe, winnow, winnow_json

DOCUMENT = (ROOT / "docs" / "reference" / "json.md").read_text()
BLOCKS = re.findall(r"^```json (schema|example) (\w+)\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
SCHEMAS = {name: json.loads(body) for kind, name, body in BLOCKS if kind == "schema"}
EXAMPLES = {name: json.loads(body) for kind, name, body in BLOCKS if kind == "example"}
OPEN = {"show", "row"}  # columns of stages and fields of sources stand beside the documented keys


def fits(value, name):
    """Validate a value against the documented schema of that name."""
    jsonschema.Draft202012Validator(SCHEMAS[name]).validate(value)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with tokens, bad records, and sources with fields of their own; and its summary."""
    folder = tmp_path_factory.mktemp("json")
    inputs = corpus(folder / "in", 400)
    with (inputs / "a.jsonl").open("a") as file:
        file.write('{"id": "x", "te\n{"text": 3}\n')
    rows = [json.loads(line) for line in gzip.decompress((inputs / "b.jsonl.gz").read_bytes()).splitlines()]
    with (inputs / "d.jsonl").open("w") as file:
        file.writelines(json.dumps(row | {"url": f"u{n}", "words": "many"}) + "\n" for n, row in enumerate(rows))
    path = recipe(folder / "recipe.yaml", inputs)
    whole = yaml.safe_load(path.read_text())
    whole["sources"].append({"path": f"{inputs}/d.jsonl", "domain_field": "domain", "fields": ["url", "words"]})
    path.write_text(yaml.safe_dump(whole))
    return folder / "run", path, winnow_json("run", path, "--at", folder / "run", "--workers", 1)


def test_every_shape_has_an_example_that_fits_it():
    assert EXAMPLES.keys() == SCHEMAS.keys()
    for name, example in EXAMPLES.items():
        fits(example, name)


def objects(schema):
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_shapes_are_closed_and_complete(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    for one in objects(SCHEMAS[name]):
        assert "additionalProperties" in one
        if name not in OPEN:
            assert set(one.get("required", ())) == set(one.get("properties", ()))


def test_the_documented_kinds_of_errors_are_those_there_are():
    kinds = {kind.__name__ for kind in vars(errors).values() if isinstance(kind, type)} - {"WinnowError"}
    documented = SCHEMAS["error"]["properties"]["error"]["properties"]["kind"]["enum"]
    assert set(documented) == kinds | {"UsageError", "Stopped", "OSError", "Unexpected"}


def test_run_and_report(run):
    at, path, summary = run
    fits(summary, "run")
    assert summary["documents"]["quarantined"] == 2
    report = winnow_json("report", at)
    fits(report, "report")
    assert {key: report[key] for key in ("digest", "documents", "tokens")} == {
        key: summary[key] for key in ("digest", "documents", "tokens")
    }
    again = winnow_json("run", path, "--at", at)
    assert {**again, "seconds": 0} == {**summary, "seconds": 0}


def test_a_moved_run_says_where_it_is(run, tmp_path):
    at = tmp_path / "elsewhere"
    at.symlink_to(run[0])
    report = winnow_json("report", at)
    assert report["run"] == str(at)
    assert report["manifest"].startswith(f"{at}/kept-")
    assert json.loads((at / report["manifest"]).read_text())["documents"] == report["documents"]["kept"]


def test_plan(run, tmp_path):
    at, path, _ = run
    done = winnow_json("plan", path, "--at", at)
    fits(done, "plan")
    assert done["done"]
    assert not any(step["why"] for step in done["steps"])
    new = winnow_json("plan", path)
    fits(new, "plan")
    assert (new["run"], new["done"]) == (None, False)
    changed = winnow_json("plan", path, "--at", at, "--set", "gopher_quality.min_words=31")
    fits(changed, "plan")
    assert changed["steps"][1]["why"] == ["min_words 30 -> 31"]


def test_show(run):
    at = run[0]
    kept = winnow_json("show", at, "-n", 3)
    fits(kept, "show")
    assert len(kept["documents"]) == 3
    assert not any("drop" in one for one in kept["documents"])
    for reason, stage in (("words", "gopher_quality"), ("exact duplicate", "exact"), ("minhash", "minhash")):
        found = winnow_json("show", at, "--dropped-by", reason, "-n", 10_000)
        fits(found, "show")
        assert {one["stage"] for one in found["documents"]} == {stage}
        report = winnow_json("report", at)
        assert len(found["documents"]) == sum(
            count for s in report["stages"] for r, count in s["dropped"].items() if reason in (r, s["name"])
        )
    duplicate = found["documents"][0]
    (one,) = winnow_json("show", at, "--id", duplicate["id"])["documents"][:1]
    assert one["duplicate_of"] == duplicate["duplicate_of"]
    cluster = winnow_json("show", at, "--cluster", duplicate["cluster"], "-n", 10_000)
    fits(cluster, "show")
    ids = [one["id"] for one in cluster["documents"]]
    assert {duplicate["id"], duplicate["duplicate_of"]} <= set(ids)


def test_show_bad(run, tmp_path):
    bad = winnow_json("show", run[0], "--bad")
    fits(bad, "bad")
    assert len(bad["quarantined"]) == 2
    first = bad["quarantined"][0]
    assert first["file"] == "a.jsonl"
    raw = (run[1].parent / "in" / "a.jsonl").read_bytes()
    assert raw[first["offset"] :].startswith(b'{"id": "x", "te\n')
    assert first["sample"].startswith('{"id": "x", "te')
    assert len(winnow_json("show", run[0], "--bad", "-n", 1)["quarantined"]) == 1


def test_a_run_that_too_much_bad_stopped_shows_what_was_bad(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"no": "text"}\n' * 50 + '{"text": "good"}\n')
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"name": "bad", "sources": [{"path": f"{tmp_path}/a.jsonl"}]}))
    stopped = winnow_json("run", path, "--at", tmp_path / "run", "--workers", 1, code=1)
    fits(stopped, "error")
    assert stopped["error"]["kind"] == "TooMuchBad"
    bad = winnow_json("show", tmp_path / "run", "--bad", "-n", 100)
    fits(bad, "bad")
    assert len(bad["quarantined"]) == 50


def test_a_measure_without_a_value_is_null_and_the_json_is_valid(tmp_path):
    """A text without words has no mean word length: dropped, with no number to say why."""
    rows = [{"id": "none", "text": "... !!! ..."}, {"id": "some", "text": "there are some words of that kind here"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stages = [{"gopher_quality": {"min_words": 0, "min_stop_words": 0}}]
    whole = {"name": "nan", "sources": [{"path": f"{tmp_path}/a.jsonl"}], "stages": stages}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(whole))
    at = tmp_path / "run"
    winnow("run", tmp_path / "recipe.yaml", "--at", at, "--workers", 1)
    for arguments in (("show", at, "--dropped-by", "gopher_quality"), ("report", at)):
        printed = winnow(*arguments, "--json")
        found = json.loads(printed, parse_constant=pytest.fail)
        fits(found, "show" if arguments[0] == "show" else "report")
    json.loads((at / "report.json").read_text(), parse_constant=pytest.fail)
    winnow("export", at, tmp_path / "out.jsonl", "--what", "all")
    for line in (tmp_path / "out.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    assert "none" in winnow("show", at, "--dropped-by", "gopher_quality")


def test_export_and_its_rows(run, tmp_path):
    at, _, summary = run
    done = winnow_json("export", at, tmp_path / "all.parquet", "--what", "all")
    fits(done, "export")
    assert done["documents"] == summary["documents"]["read"]
    dropped = winnow_json("export", at, tmp_path / "dropped.jsonl", "--what", "dropped")
    fits(dropped, "export")
    rows = [json.loads(line) for line in (tmp_path / "dropped.jsonl").read_text().splitlines()]
    assert len(rows) == dropped["documents"] == summary["documents"]["dropped"]
    schema = pq.read_schema(tmp_path / "all.parquet")
    for row in rows:
        fits(row, "row")
        assert list(row) == schema.names
    assert schema.field("value").type == pa.float64()
    kept = winnow_json("export", at, tmp_path / "kept.parquet")
    fits(kept, "export")
    names = pq.read_schema(tmp_path / "kept.parquet").names
    assert names == [name for name in schema.names if name not in ("stage", "drop", "value")]


def test_stages(run):
    fits(winnow_json("stages"), "stages")
    for name, stage in TABLE.items():
        one = winnow_json("stages", name)
        fits(one, "stage")
        assert {setting["name"] for setting in one["settings"]} == {field.name for field in fields(stage)}


def test_schema_accepts_the_recipes_that_run(run):
    schema = winnow_json("schema")
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(yaml.safe_load(run[1].read_text()))
    validator.validate(yaml.safe_load((run[0] / "recipe.yaml").read_text()))
    assert list(validator.iter_errors({"name": "x", "sources": [{"path": "a"}], "stages": [{"exact": {"no": 1}}]}))
    assert json.loads(winnow("schema")) == schema


WRONG = [
    ("frob", "UsageError"),
    ("run", "UsageError"),
    ("show {run} -n 0", "UsageError"),
    ("show {run} --id nobody", "RecipeError"),
    ("run {run}/nowhere.yaml --at {run}", "RecipeError"),
    ("report {run}/nowhere", "RecipeError"),
    ("stages no_such", "RecipeError"),
    ("export {run} {run}/out.csv", "RecipeError"),
]


@pytest.mark.parametrize(("command", "kind"), WRONG)
def test_errors(run, command, kind):
    found = winnow_json(*command.format(run=run[0]).split(" "), code=2)
    fits(found, "error")
    assert found["error"]["kind"] == kind


def test_a_run_shows_the_bad_records_of_its_own_inputs_only(tmp_path):
    """Files of earlier inputs stay in the folder, for a recipe that names them again."""
    good = json.dumps({"text": "good"}) + "\n"
    for name, more in (("a", "bad\n"), ("b", "")):
        (tmp_path / f"{name}.jsonl").write_text(good + more)
    whole = {"name": "bad", "sources": [{"path": f"{tmp_path}/*.jsonl"}], "stages": ["exact"]}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(whole))
    at = tmp_path / "run"
    winnow("run", tmp_path / "recipe.yaml", "--at", at, "--workers", 1)
    assert len(winnow_json("show", at, "--bad")["quarantined"]) == 1
    (tmp_path / "a.jsonl").unlink()
    winnow("run", tmp_path / "recipe.yaml", "--at", at, "--workers", 1)
    assert winnow_json("show", at, "--bad") == {"quarantined": []}
    assert winnow_json("show", at, "--dropped-by", "exact") == {"documents": []}  # a stage, and it dropped nothing
    assert winnow("show", at, "--dropped-by", "exact") == "none\n"


def test_audit_and_rules(run):
    fits(winnow_json("audit", run[0], "--planted", 60), "audit")
    fits(winnow_json("report", run[0], "--rules"), "rules")


def test_index(run, tmp_path):
    fits(winnow_json("index", "make", run[0], tmp_path / "index"), "index")
