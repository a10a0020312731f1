"""Folders that are a dataset: its data files are read, and what lies beside them is not taken for documents."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus.readers import records
from corpus.source import Source
from corpus.units import content_hash, units

TABLE = pa.table({"text": ["one", "two", "three"], "n": [1, 2, 3]})


def read(path, **settings):
    source, rows, bad = Source(path=str(path), **settings), [], []
    for unit in units([source], lambda found: content_hash(found.url)):
        for piece in records(unit, source):
            rows += piece.rows.to_pylist()
            bad += piece.bad
    return rows, bad


def test_a_folder_of_the_hub_is_its_parquet_files(tmp_path):
    (tmp_path / "data").mkdir()
    for split in ("train", "test"):
        pq.write_table(TABLE, tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# A card")
    (tmp_path / "dataset_infos.json").write_text(json.dumps({"default": {}}))
    (tmp_path / ".gitattributes").write_text("*.parquet filter=lfs")
    rows, bad = read(tmp_path, fields=("n",))
    assert bad == []
    assert [row["id"] for row in rows][::3] == [f"data/{split}-00000-of-00001.parquet#0" for split in ("test", "train")]
    assert [row["text"] for row in rows] == ["one", "two", "three"] * 2


def test_a_folder_that_datasets_saved_is_its_arrow_files(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the writer of these folders, `datasets`, is not installed")
    made = datasets.Dataset(TABLE)
    datasets.DatasetDict({"train": made, "test": made}).save_to_disk(
        str(tmp_path / "d"), num_shards={"train": 2, "test": 1}
    )
    (tmp_path / "d" / "train" / "cache-0123.arrow").write_bytes(b"left by map")
    rows, bad = read(tmp_path / "d", fields=("n",))
    assert bad == []
    assert [(row["text"], row["n"]) for row in rows] == [("one", "1"), ("two", "2"), ("three", "3")] * 2
    assert {row["id"].partition("-")[0] for row in rows} == {"train/data", "test/data"}
    assert {path.name for path in (tmp_path / "d").rglob("*.json")} >= {
        "state.json",
        "dataset_dict.json",
    }


def test_a_folder_that_is_no_dataset_keeps_its_readme(tmp_path):
    (tmp_path / "README.md").write_text("prose")
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    assert {row["text"] for row in read(tmp_path)[0]} == {"prose", "x"}
