"""Real files of many writers: whatever the container, the documents are those of docs.jsonl.gz."""

import csv
import gzip
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from corpus.readers import records
from corpus.source import Source
from corpus.units import UNIT_BYTES, content_hash, units

FIELDS = ["lang", "n_chars", "meta", "tags", "url"]


def read(path, unit_bytes=UNIT_BYTES, fields=FIELDS):
    source, rows, bad = Source(path=str(path), fields=fields), [], []
    for unit in units([source], lambda found: content_hash(found.url), unit_bytes):
        for piece in records(unit, source):
            rows += piece.rows.to_pylist()
            bad += piece.bad
    return rows, bad


@pytest.fixture(scope="module")
def reference(data):
    rows, bad = read(data / "formats" / "docs.jsonl.gz")
    assert (len(rows), bad) == (240, [])
    return {row["id"]: row for row in rows}


@pytest.mark.parametrize(
    ("name", "documents"),
    [
        ("docs_snappy.parquet", 240),
        ("docs_zstd_v2pages_50rows.parquet", 240),
        ("docs_gzip_nodict.parquet", 240),
        ("docs_brotli_delta.parquet", 240),
        ("docs_plain.parquet", 60),
        ("docs_multimember.jsonl.gz", 240),
        ("docs_multiframe.jsonl.zst", 240),
    ],
)
def test_every_container_gives_the_same_documents(data, reference, name, documents):
    rows, bad = read(data / "formats" / name)
    assert bad == []
    assert rows == list(reference.values())[:documents]
    assert read(data / "formats" / name, unit_bytes=100_000)[0] == rows


def test_broken_lines_among_crlf_lines_are_quarantined_alone(data, reference):
    rows, bad = read(data / "formats" / "docs_crlf_bom_badlines.jsonl")
    assert (len(rows), len(bad)) == (54, 6)
    assert rows == [reference[row["id"]] for row in rows]
    assert {one.cause.split(":")[0] for one in bad} == {"broken JSON"}
    assert bad[0].offset == 0
    for unit_bytes in (1_000, 70_001):
        assert read(data / "formats" / "docs_crlf_bom_badlines.jsonl", unit_bytes) == (rows, bad)


def test_a_truncated_stream_gives_every_line_before_the_cut(data, reference):
    rows, bad = read(data / "formats" / "docs_truncated.jsonl.gz")
    assert rows == list(reference.values())[: len(rows)]
    assert len(rows) == 239  # the last 2,000 bytes, compressed, are less than the last document
    assert [one.cause for one in bad] == ["damaged stream: the rest of the file is lost (Truncated compressed stream)"]
    assert bad[0].sample.startswith('{"id": ')


def test_csv_and_arrow_made_of_them_give_the_same_texts(data, reference, tmp_path):
    table = pq.read_table(data / "formats" / "docs_snappy.parquet")
    with pa.ipc.new_file(tmp_path / "docs.arrow", table.schema) as out:
        out.write_table(table, max_chunksize=50)
    assert read(tmp_path / "docs.arrow") == (list(reference.values()), [])
    assert read(tmp_path / "docs.arrow", unit_bytes=100_000)[0] == list(reference.values())
    plain = table.select(["id", "text", "lang", "n_chars"])
    with (tmp_path / "docs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([plain.column_names, *zip(*plain.to_pydict().values(), strict=True)])
    rows, bad = read(tmp_path / "docs.csv", fields=["lang", "n_chars"])
    kept = ("id", "text", "domain", "lang", "n_chars")
    assert (rows, bad) == ([{name: row[name] for name in kept} for row in reference.values()], [])


def test_a_zst_file_with_a_seek_table_gives_the_same_documents_to_several_workers(data, reference, tmp_path):
    raw = gzip.decompress((data / "formats" / "docs.jsonl.gz").read_bytes())
    parts = [raw[at : at + 100_000] for at in range(0, len(raw), 100_000)]
    frames = [zstandard.compress(part) for part in parts]
    sizes = [struct.pack("<II", len(frame), len(part)) for frame, part in zip(frames, parts, strict=True)]
    table = b"".join(sizes) + struct.pack("<IBI", len(sizes), 0, 0x8F92EAB1)
    content = b"".join(frames) + struct.pack("<II", 0x184D2A5E, len(table)) + table
    (tmp_path / "docs.jsonl.zst").write_bytes(content)
    found = units([Source(path=str(tmp_path))], lambda file: "x", 200_000)
    assert len(found) == -(-len(parts) // 2)
    assert read(tmp_path / "docs.jsonl.zst", 200_000) == (list(reference.values()), [])
