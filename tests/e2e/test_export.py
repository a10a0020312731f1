"""Exports: every document once, in order, with its columns; whole or absent; nothing lost that stood there."""

import gzip
import json
import os

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml

from corpus.errors import RecipeError
from corpus.storage import read_bytes
from pipeline.export import export
from pipeline.finished import Finished
from tests.e2e.runs import corpus, recipe, winnow, winnow_json
from tests.laws.corpora import prose

FIELDS = ["url", "words", "duplicate_of"]  # two of them named as columns of stages


def ran(folder, sources, stages=("gopher_quality", "exact", "minhash")):
    """A finished run, opened."""
    whole = {"name": "export", "sources": sources, "stages": list(stages), "shard_mb": 0.01}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(whole))
    winnow("run", folder / "recipe.yaml", "--at", folder / "run", "--workers", 1)
    return Finished.at(str(folder / "run"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run over two sources with different fields, with duplicates across them, in several shards."""
    folder = tmp_path_factory.mktemp("export")
    plain = [{"id": f"a{n}", "text": prose(n, 80), "domain": "a"} for n in range(60)]
    rich = [{"id": f"b{n}", "text": prose(n, 80) if n % 3 else "short", "domain": "b"} for n in range(60)]
    rich = [row | {"url": f"u{row['id']}", "words": "many", "duplicate_of": "its own"} for row in rich]
    for name, rows in (("a", plain), ("b", rich)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = [
        {"path": f"{folder}/a.jsonl", "domain_field": "domain"},
        {"path": f"{folder}/b.jsonl", "domain_field": "domain", "fields": FIELDS},
    ]
    return ran(folder, sources)


def rows_of(path):
    """Rows of an exported file or folder, in order."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = []
    for file in files:
        raw = file.read_bytes()
        if file.suffix == ".parquet":
            found += pq.read_table(file).to_pylist()
        else:
            codec = {".gz": "gzip", ".zst": "zstd"}.get(file.suffix)
            raw = pa.CompressedInputStream(pa.BufferReader(raw), codec).read() if codec else raw
            found += [json.loads(line) for line in raw.decode().splitlines()]
    return found


OUTS = ["out", "out.parquet", "out.jsonl", "out.jsonl.gz", "out.jsonl.zst"]


@pytest.mark.parametrize("form", [None, "jsonl", "parquet"])
@pytest.mark.parametrize("out", OUTS)
@pytest.mark.parametrize("what", ["kept", "dropped", "all"])
def test_every_form_holds_the_same_rows(run, tmp_path, out, form, what):
    if form and "." in out and form not in out:
        with pytest.raises(RecipeError, match="--format says"):
            export(run, str(tmp_path / out), form, what)
        return
    done = export(run, str(tmp_path / out), form, what)
    export(run, str(tmp_path / "reference.jsonl"), None, what)
    rows = rows_of(tmp_path / out)
    assert rows == rows_of(tmp_path / "reference.jsonl")
    assert done["documents"] == len(rows) > 0
    assert done["bytes"] == sum(len(row["text"].encode()) for row in rows)
    assert [str(p) for p in sorted((tmp_path / out).iterdir() if out == "out" else [tmp_path / out])] == done["files"]


def test_kept_and_dropped_are_all_in_the_order_of_the_sources(run, tmp_path):
    parts = {what: tmp_path / f"{what}.jsonl" for what in ("kept", "dropped", "all")}
    for what, path in parts.items():
        export(run, str(path), None, what)
    kept, dropped, everything = (rows_of(parts[what]) for what in parts)
    assert [row["id"] for row in everything] == [f"a{n}" for n in range(60)] + [f"b{n}" for n in range(60)]
    assert [row for row in everything if row["drop"] is None] == [
        row | {"stage": None, "drop": None, "value": None} for row in kept
    ]
    assert [row for row in everything if row["drop"]] == dropped
    assert (len(kept), len(dropped)) == (run.report["documents"]["kept"], run.report["documents"]["dropped"])


def test_rows_of_all_sources_have_the_same_columns_and_no_field_is_lost(run, tmp_path):
    """Of two columns of one name, a source's field and a stage's measure, each keeps its values and its type."""
    export(run, str(tmp_path / "all.parquet"), None, "all")
    table = pq.read_table(tmp_path / "all.parquet")
    assert table.column_names[:3] == ["id", "text", "domain"]
    assert len(set(table.column_names)) == len(table.column_names)
    assert table.schema.field("text").type == pa.large_string()
    for row in table.to_pylist():
        from_b = row["domain"] == "b"
        assert (row["url"], row["words"]) == ((f"u{row['id']}", "many") if from_b else (None, None))
        assert row["gopher_quality.words"] == (1 if row["text"] == "short" else 80)


def test_duplicates_name_their_keeper(run, tmp_path):
    export(run, str(tmp_path / "all.jsonl"), None, "all")
    rows = rows_of(tmp_path / "all.jsonl")
    by_id = {row["id"]: row for row in rows}
    duplicates = [row for row in rows if row["drop"] == "exact duplicate"]
    assert len(duplicates) == 40
    for row in duplicates:
        keeper = by_id[row["exact.duplicate_of"]]
        assert (keeper["text"], keeper["drop"]) == (row["text"], None)
        assert row["similarity"] == row["value"] == 1.0
        assert row["cluster"] == keeper["cluster"] == keeper["id"]
        assert row["cluster_size"] == keeper["cluster_size"] == 2


def test_an_export_twice_gives_the_same_bytes(run, tmp_path):
    for out in OUTS[1:]:
        for name in ("one", "two"):
            (tmp_path / name).mkdir(exist_ok=True)
            export(run, str(tmp_path / name / out), None, "kept")
        assert (tmp_path / "one" / out).read_bytes() == (tmp_path / "two" / out).read_bytes()


def test_other_tools_read_the_folder_as_one_table(run, tmp_path):
    done = export(run, str(tmp_path / "out"), None, "all")
    assert len(done["files"]) > 1
    assert ds.dataset(tmp_path / "out").to_table().num_rows == done["documents"]


@pytest.mark.parametrize("out", OUTS)
def test_an_export_of_nothing_has_columns_and_no_rows(tmp_path, out):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": prose(1, 90)}) + "\n")
    run = ran(tmp_path, [{"path": f"{tmp_path}/a.jsonl"}], ["exact"])
    done = export(run, str(tmp_path / out), None, "dropped")
    assert (done["documents"], len(done["files"])) == (0, 1)
    assert rows_of(tmp_path / out) == []
    if not out.endswith(("jsonl", "gz", "zst")):
        assert {"id", "text", "drop", "cluster"} <= set(ds.dataset(tmp_path / out).schema.names)


def test_object_stores_are_written_too(run):
    for out in ("memory://exports/kept.jsonl.gz", "memory://exports/folder"):
        for overwrite in (False, True):
            done = export(run, out, None, "kept", overwrite)
            assert done["documents"] == run.report["documents"]["kept"]
    lines = gzip.decompress(read_bytes("memory://exports/kept.jsonl.gz")).splitlines()
    assert len(lines) == done["documents"]
    with pytest.raises(RecipeError, match="exists already"):
        export(run, "memory://exports/folder", None, "kept")


# What stands there already


def test_a_file_is_replaced_only_when_asked(run, tmp_path):
    out = tmp_path / "kept.jsonl"
    out.touch()  # as `mktemp` leaves it: nothing to lose
    export(run, str(out), None, "kept")
    before = out.read_bytes()
    with pytest.raises(RecipeError, match="--overwrite"):
        export(run, str(out), None, "all")
    assert out.read_bytes() == before
    export(run, str(out), None, "all", overwrite=True)
    assert len(out.read_bytes()) > len(before)


def test_a_folder_is_replaced_only_when_asked_and_never_mixed(run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    export(run, str(out), "jsonl", "all")
    with pytest.raises(RecipeError, match="--overwrite"):
        export(run, str(out), "parquet", "kept")
    assert {path.suffix for path in out.iterdir()} == {".jsonl"}
    export(run, str(out), "parquet", "kept", overwrite=True)
    assert {path.suffix for path in out.iterdir()} == {".parquet"}
    assert len(rows_of(out)) == run.report["documents"]["kept"]
    (out / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(RecipeError, match=r"notes\.txt"):
            export(run, str(out), "parquet", "kept", overwrite)
    assert (out / "notes.txt").read_text() == "mine"


def test_a_run_is_never_written_over(run, tmp_path):
    at = run.home.at
    before = sorted(os.listdir(at))
    shard = next(path for path in os.listdir(f"{at}/{run.plan.documents.folder}") if path.endswith(".parquet"))
    outs = [at, f"{at}/{run.plan.documents.folder}", f"{at}/{run.plan.documents.folder}/{shard}"]
    for out in outs:
        for overwrite in (False, True):
            with pytest.raises(RecipeError):
                export(run, out, None, "kept", overwrite)
    assert sorted(os.listdir(at)) == before


@pytest.mark.parametrize("out", ["file/out", "file", "folder.jsonl", "out.csv", "out.gz", "out.parquet.gz"])
def test_places_that_cannot_be_written_are_refused_and_stay_as_they_are(run, tmp_path, out):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.jsonl").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for overwrite in (False, True):
        with pytest.raises(RecipeError):
            export(run, str(tmp_path / out), None, "kept", overwrite)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "mine"


def test_an_export_that_fails_leaves_what_stood_there(run, tmp_path):
    export(run, str(tmp_path / "out"), "jsonl", "kept")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    export(run, str(tmp_path / "out.jsonl"), None, "kept")
    damaged = Finished(run.home, run.plan, (*run.shards, "no-such-shard"), run.report)
    for out in ("out", "out.jsonl"):
        with pytest.raises(Exception, match="not there"):
            export(damaged, str(tmp_path / out), None, "kept", overwrite=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert len(rows_of(tmp_path / "out.jsonl")) == run.report["documents"]["kept"]
    assert sorted(os.listdir(tmp_path)) == ["out", "out.jsonl"]


def test_the_command_line_exports_by_the_name_of_the_output(tmp_path):
    path = recipe(tmp_path / "recipe.yaml", corpus(tmp_path / "in", 120))
    at = tmp_path / "run"
    winnow("run", path, "--at", at, "--workers", 1)
    said = winnow("export", at, tmp_path / "kept.jsonl.zst")
    kept = len(rows_of(tmp_path / "kept.jsonl.zst"))
    assert said.startswith(f"{kept:,} documents, ")
    done = winnow_json("export", at, tmp_path / "out", "--what", "dropped")
    assert (done["format"], len(rows_of(tmp_path / "out"))) == ("parquet", done["documents"])
    assert kept + done["documents"] == winnow_json("report", at)["documents"]["read"]
