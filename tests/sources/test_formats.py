"""Real files of many writers: whatever the container, the documents are those of docs.jsonl.gz."""

import pytest

from corpus.readers import records
from corpus.source import Source
from corpus.units import UNIT_BYTES, content_hash, units

FIELDS = ["lang", "n_chars", "meta", "tags", "url"]


def read(path, unit_bytes=UNIT_BYTES):
    source, rows, bad = Source(path=str(path), fields=FIELDS), [], []
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
