"""Hostile and broken input: what is good beside it is kept, what is bad is named, memory stays bounded."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from corpus.errors import SourceError
from corpus.readers import records
from corpus.source import Source
from corpus.units import content_hash, units

ROOT = Path(__file__).parents[2]
LINES = [json.dumps({"id": f"d{n}", "text": f"document {n} " * 40}) for n in range(300)]


def read(path, **settings):
    source, rows, bad = Source(path=str(path), **settings), [], []
    for unit in units([source], lambda found: content_hash(found.url)):
        for piece in records(unit, source):
            rows += piece.rows["id"].to_pylist()
            bad += piece.bad
    return rows, bad


PACKERS = {".gz": gzip.compress, ".zst": lambda raw: pa.compress(raw, codec="zstd", asbytes=True)}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_truncated_download_gives_a_prefix_of_its_documents_and_one_bad_record(tmp_path, suffix):
    packed = PACKERS[suffix]("\n".join(LINES).encode())
    (tmp_path / "whole.jsonl").write_text('{"text": "beside it", "id": "beside"}\n')
    for cut in (1, 10, len(packed) // 2, len(packed) - 1):
        (tmp_path / f"torn.jsonl{suffix}").write_bytes(packed[:cut])
        rows, bad = read(tmp_path)
        assert rows == [f"d{n}" for n in range(len(rows) - 1)] + ["beside"]
        assert [(one.file, one.cause.split(":")[0]) for one in bad] == [(f"torn.jsonl{suffix}", "damaged stream")]
        good = "\n".join(LINES[: len(rows) - 1])
        assert bad[0].offset == (len(good) + 1 if good else 0)


def test_a_member_damaged_in_the_middle_keeps_what_came_before(tmp_path):
    first, second = "\n".join(LINES[:150]) + "\n", "\n".join(LINES[150:])
    packed = bytearray(gzip.compress(first.encode()) + gzip.compress(second.encode()))
    start = len(gzip.compress(first.encode()))
    packed[start : start + 4] = b"\0\0\0\0"  # the second member's magic
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    rows, bad = read(tmp_path / "a.jsonl.gz")
    assert rows == [f"d{n}" for n in range(150)]
    assert len(bad) == 1


def test_good_records_beside_every_kind_of_bad_one_are_kept(tmp_path):
    bad_lines = [
        b'{"id": "x", "text": "cut',
        b'{"id": "x"}',
        b'{"id": "x", "text": 12}',
        b'{"id": "x", "text": "\xff\xfe"}',
        b'{"id": "x", "text": "\\u0000"}',
        b'{"id": "x", "text": "\0"}',
        b'{"id": "x", "text": "\\udfff"}',
        b"\x1f\x8b\x08\x00",
        b"[" * 100_000,
    ]
    mixed = []
    for n, line in enumerate(LINES):
        mixed.append(line.encode())
        if n % 10 == 0:
            mixed.append(bad_lines[n // 10 % len(bad_lines)])
    (tmp_path / "a.jsonl").write_bytes(b"\r\n".join(mixed))
    rows, bad = read(tmp_path / "a.jsonl")
    assert rows == [f"d{n}" for n in range(300)]
    assert len(bad) == 30
    raw = (tmp_path / "a.jsonl").read_bytes()
    for one in bad:
        line = raw[one.offset :].split(b"\n", 1)[0]
        assert line.rstrip(b"\r") in bad_lines
        assert one.sample.isascii()
        assert one.sample.isprintable()


def test_a_wrong_text_field_stops_early_with_the_nearest_name(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(LINES))
    with pytest.raises(SourceError, match=r"300 of the first 300 records are bad.*no field 'txt': nearest is 'text'"):
        read(tmp_path / "a.jsonl", text_field="txt")


def test_an_empty_file_holds_nothing_and_nothing_bad(tmp_path):
    for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst"):
        (tmp_path / name).touch()
        assert read(tmp_path / name) == ([], [])
    (tmp_path / "d.jsonl").write_bytes(b"\xef\xbb\xbf\r\n\r\n")
    assert read(tmp_path / "d.jsonl") == ([], [])


def test_a_file_that_vanished_since_planning_is_named(tmp_path):
    for name in ("a.jsonl", "a.jsonl.gz", "a.txt", "a.parquet"):
        path = tmp_path / name
        path.write_bytes(b"x")
        source = Source(path=str(path))
        (unit,) = units([source], lambda found: "x")
        path.unlink()
        with pytest.raises(SourceError, match=rf"{name}: cannot be read \(No such file"):
            list(records(unit, source))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_this_user_may_not_read_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.touch(mode=0)
    with pytest.raises(SourceError, match=r"a\.jsonl: cannot be read \(Permission denied"):
        read(path)


PEAK = """
import sys
from corpus.readers import records
from corpus.source import Source
from corpus.units import units
source = Source(path=sys.argv[1])
rows = bad = 0
for unit in units([source], lambda found: "x"):
    for piece in records(unit, source):
        rows, bad = rows + piece.rows.num_rows, bad + len(piece.bad)
high = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(rows, bad, int(high.split()[1]) // 1024)
"""


def peak(path):
    """Documents, bad records and peak memory in MB of a process that reads the path with default settings."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc; ru_maxrss would begin with what the parent holds")
    command = [sys.executable, "-c", PEAK, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


def test_a_line_of_300_mb_is_skipped_without_being_held(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "before"}\n{"text": "')
        for _ in range(300):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n{"text": "after"}\n')
    rows, bad, memory = peak(path)
    assert (rows, bad) == (2, 1)
    assert memory < 330  # MB, of which 140 are imports


@pytest.mark.parametrize("name", ["line.jsonl.gz", "lines.jsonl.gz", "file.txt.gz"])
def test_a_bomb_is_met_with_bounded_memory(tmp_path, name):
    piece = {"line.jsonl.gz": b"x", "lines.jsonl.gz": b"\n", "file.txt.gz": b" "}[name] * 1_000_000
    with gzip.open(tmp_path / name, "wb", compresslevel=1) as file:
        for _ in range(500):
            file.write(piece)
    rows, bad, memory = peak(tmp_path / name)
    assert (rows, bad) == (0, 0 if name == "lines.jsonl.gz" else 1)
    assert memory < 330  # MB, of which 140 are imports
