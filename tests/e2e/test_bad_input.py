"""Bad input through the whole program: quarantined with its place and counted, or refused in plain words."""

import gzip
import json

import pyarrow as pa
import pytest
import yaml

from tests.e2e.runs import winnow, winnow_json

STORY = "It is the story of number {} and what became of it. "
GOOD = [json.dumps({"id": f"good-{n}", "text": STORY.format(n) * 8}) for n in range(600)]
BROKEN = {
    "broken JSON": '{"text": "cut',
    "no text": '{"body": "elsewhere"}',
    "wrong type": '{"text": 7}',
    "NUL": '{"text": "a\\u0000b"}',
    "lone surrogate": '{"text": "\\ud800"}',
}


def write(folder, name, content):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)


def recipe(folder, **more):
    path = folder / "recipe.yaml"
    whole = {"name": "bad", "sources": [{"path": f"{folder}/in/*"}], "stages": ["exact"]} | more
    path.write_text(yaml.safe_dump(whole))
    return path


def lines(*some):
    return ("\n".join(some) + "\n").encode()


def test_bad_records_are_quarantined_with_their_place_and_counted(tmp_path):
    write(tmp_path / "in", "a.jsonl", lines(*GOOD, *BROKEN.values()))
    write(tmp_path / "in", "invalid.jsonl", lines(*GOOD[:300]) + b'{"text": "\xff\xfe"}\n')
    write(tmp_path / "in", "torn.jsonl.gz", gzip.compress(lines(*GOOD))[:-40])
    write(tmp_path / "in", "torn.jsonl.zst", pa.compress(lines(*GOOD), "zstd", asbytes=True)[:-40])
    write(tmp_path / "in", "empty.jsonl", b"")
    report = winnow_json("run", recipe(tmp_path), "--at", tmp_path / "run")
    assert report["documents"]["quarantined"] == len(BROKEN) + 1 + 2
    figures = winnow_json("report", tmp_path / "run")
    assert sum(figures["quarantined"].values()) == report["documents"]["quarantined"]
    shown = winnow_json("show", tmp_path / "run", "--bad", "-n", 20)["quarantined"]
    assert {one["file"] for one in shown} == {"a.jsonl", "invalid.jsonl", "torn.jsonl.gz", "torn.jsonl.zst"}
    raw = (tmp_path / "in" / "a.jsonl").read_bytes()
    places = sorted(one["offset"] for one in shown if one["file"] == "a.jsonl")
    assert [raw[p:].split(b"\n")[0].decode() for p in places] == list(BROKEN.values())
    assert report["documents"]["kept"] == len(GOOD)  # every good record is there, once


def test_too_much_bad_stops_the_run_and_says_how_to_go_on(tmp_path):
    write(tmp_path / "in", "a.jsonl", lines(*GOOD, *['{"text": 1}'] * 20))
    path = recipe(tmp_path)
    error = winnow("run", path, "--at", tmp_path / "run", code=1)
    assert "20 of 620 records are bad (3.23%" in error
    assert "--max-bad" in error
    assert winnow_json("run", path, "--at", tmp_path / "run", "--max-bad", "5%")["documents"]["quarantined"] == 20
    assert "TooMuchBad" in winnow("run", path, "--at", tmp_path / "run", "--max-bad", "0.1%", "--json", code=1)


def test_a_few_bad_records_of_few_do_not_stop_a_run(tmp_path):
    write(tmp_path / "in", "a.jsonl", lines(*GOOD[:20], "{", "{"))
    assert winnow_json("run", recipe(tmp_path), "--at", tmp_path / "run")["documents"]["quarantined"] == 2


@pytest.mark.parametrize(
    ("content", "said", "code"),
    [
        (lines(*['{"body": "x"}'] * 200), "text", 1),
        (b"", "no document", 1),
    ],
    ids=["wrong text_field", "nothing but an empty file"],
)
def test_a_source_that_gives_nothing_is_an_error(tmp_path, content, said, code):
    write(tmp_path / "in", "a.jsonl", content)
    assert said in winnow("run", recipe(tmp_path), "--at", tmp_path / "run", code=code)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"sources": [{"path": "nowhere/*.jsonl"}]}, "nowhere"),
        ({"surces": []}, "did you mean 'sources'"),
        ({"stages": [{"minhash": {"band": 3}}]}, "did you mean 'bands'"),
        ({"stages": ["minhsh"]}, "minhash"),
        ({"name": False}, "name"),
    ],
    ids=["path", "key", "setting", "stage", "yaml no"],
)
def test_a_recipe_that_cannot_be_is_refused_before_anything_runs(tmp_path, more, said):
    write(tmp_path / "in", "a.jsonl", lines(*GOOD[:3]))
    code = 1 if "path" in str(more) else 2
    assert said in winnow("run", recipe(tmp_path, **more), "--at", tmp_path / "run", code=code)
    assert not (tmp_path / "run" / "report.json").exists()


def test_a_field_that_no_record_has_is_an_error(tmp_path):
    write(tmp_path / "in", "a.jsonl", lines(*GOOD[:30]))
    path = recipe(tmp_path, sources=[{"path": f"{tmp_path}/in/*", "fields": ["ulr"]}])
    assert "ulr" in winnow("run", path, "--at", tmp_path / "run", code=1)


@pytest.mark.parametrize("field", ["stage", "drop", "digest", "text"])
def test_a_field_that_would_hide_a_column_is_refused(tmp_path, field):
    write(tmp_path / "in", "a.jsonl", lines(*GOOD[:3]))
    sources = [{"path": f"{tmp_path}/in/*", "fields": [field]}]
    path = recipe(tmp_path, sources=sources)
    assert field in winnow("run", path, "--at", tmp_path / "run", code=2)
