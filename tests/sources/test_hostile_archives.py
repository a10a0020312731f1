"""Bombs and lies in archives: memory and time stay bounded, it is said, and the good pages beside them are kept."""

import gzip
import io
import random
import subprocess
import sys
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard

from tests.corpus.archive_files import http, page, warc

ROOT = Path(__file__).parents[2]
PEAK = """
import sys, time
from corpus.readers import records
from corpus.source import Source
from corpus.units import units
source = Source(path=sys.argv[1], max_record_mb=float(sys.argv[2]))
rows, bad, skipped = 0, [], 0
for unit in units([source], lambda found: "x"):
    for piece in records(unit, source):
        rows, bad = rows + piece.rows.num_rows, bad + piece.bad
        skipped += sum(piece.skipped.values())
high = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
causes = sorted({one.cause for one in bad})
print(rows, int(high.split()[1]) // 1024, int(time.process_time()), skipped, *causes, sep="|")
"""
MOST_MB = 400  # of which 140 are imports


def peak(path, limit_mb=64.0):
    """Documents, skipped records and the causes of bad ones, in a process whose memory and time are looked at."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path), str(limit_mb)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rows, memory, seconds, skipped, *causes = done.stdout.strip().split("|")
    assert int(memory) < MOST_MB
    assert int(seconds) < 60  # of CPU: most take 2, of which 1 is imports
    return int(rows), int(skipped), [cause for cause in causes if cause]


SLOW = pytest.mark.slow


@pytest.mark.parametrize("blocks", [12, pytest.param(640, marks=SLOW)])
def test_a_zstd_frame_of_at_most_1_mb_that_opens_to_200_mb_or_10_gb_is_passed_over(tmp_path, blocks):
    pack, raw = zstandard.ZstdCompressor(level=1).compressobj(), io.BytesIO()
    raw.write(pack.compress(warc("resource", b"", 1, Content_Type="text/html", length=blocks << 24)[:-4]))
    for _ in range(blocks):
        raw.write(pack.compress(bytes(1 << 24)))
    raw.write(pack.compress(b"\r\n\r\n") + pack.flush())
    assert len(raw.getvalue()) < 1_100_000
    good = zstandard.ZstdCompressor().compress
    (tmp_path / "a.warc.zst").write_bytes(good(page(0)) + raw.getvalue() + good(page(2)))
    assert peak(tmp_path / "a.warc.zst") == (2, 0, ["longer than max_record_mb = 64"])


@pytest.mark.parametrize("blocks", [12, pytest.param(64, marks=SLOW)])
def test_a_gzip_member_that_opens_to_200_mb_or_1_gb_is_passed_over(tmp_path, blocks):
    pack, raw = zlib.compressobj(9, wbits=31), io.BytesIO()
    raw.write(pack.compress(warc("resource", b"", 1, Content_Type="text/html", length=blocks << 24)[:-4]))
    for _ in range(blocks):
        raw.write(pack.compress(bytes(1 << 24)))
    raw.write(pack.compress(b"\r\n\r\n") + pack.flush())
    assert len(raw.getvalue()) < 1_100_000
    (tmp_path / "a.warc.gz").write_bytes(gzip.compress(page(0)) + raw.getvalue() + gzip.compress(page(2)))
    assert peak(tmp_path / "a.warc.gz") == (2, 0, ["longer than max_record_mb = 64"])


BOMBS = {
    "gzip": lambda raw: gzip.compress(raw, 9),
    "deflate": lambda raw: zlib.compress(raw, 9),
    "br": lambda raw: brotli.compress(raw, quality=5),
    "zstd": lambda raw: zstandard.ZstdCompressor(level=1).compress(raw),
}


@pytest.mark.parametrize("megabytes", [50, pytest.param(1_000, marks=SLOW)])
@pytest.mark.parametrize("name", BOMBS)
def test_a_page_whose_content_coding_is_a_bomb_costs_itself(tmp_path, name, megabytes):
    bomb = BOMBS[name](bytes(megabytes * 1_000_000))
    twice = BOMBS[name](bomb)
    records = [
        page(0),
        page(1, bomb, Content_Encoding=name),
        page(2, twice, Content_Encoding=f"{name}, {name}"),
        page(3, bomb, Content_Encoding=", ".join([name] * 9)),
        page(4),
    ]
    (tmp_path / "a.warc.gz").write_bytes(b"".join(map(gzip.compress, records)))
    causes = ["9 content codings, at most 4 are taken off", "longer than max_record_mb = 16"]
    assert peak(tmp_path / "a.warc.gz", 16) == (2, 0, causes)


def test_a_length_of_2_gb_that_is_a_lie_costs_its_record(tmp_path):
    lie = warc("resource", b"<p>", 1, Content_Type="text/html", length=2**31)
    for suffix, pack in {"": bytes, ".gz": gzip.compress}.items():
        (tmp_path / f"a.warc{suffix}").write_bytes(b"".join(map(pack, [page(0), lie, page(2), lie, page(3)])))
        rows, _, causes = peak(tmp_path / f"a.warc{suffix}")
        assert rows == 3
        assert any(cause.startswith("truncated record") for cause in causes)


@pytest.mark.parametrize("size", [2**28, pytest.param(2**33, marks=SLOW)])
def test_a_true_record_of_gigabytes_that_is_no_page_is_skipped_and_a_page_is_bad(tmp_path, size):
    with (tmp_path / "a.warc").open("wb") as file:
        for kind in ("video/mp4", "text/html"):
            file.write(warc("resource", b"", Content_Type=kind, length=size)[:-4])
            file.seek(size, io.SEEK_CUR)  # a hole: nothing is stored
            file.write(b"\r\n\r\n" + page(1))
    assert peak(tmp_path / "a.warc") == (2, 1, ["longer than max_record_mb = 64"])


@pytest.mark.parametrize(
    "filler", [b"X-A: " + b"a" * 1_000_000, b"X-A: b\r\n" * 125_000, b"\r\n " * 333_000, b"WARC/1.0\r\n" * 100_000]
)
def test_a_head_of_100_mb_is_not_held(tmp_path, filler):
    with gzip.open(tmp_path / "a.warc.gz", "wb", compresslevel=1) as file:
        file.write(page(0) + b"WARC/1.0\r\nWARC-Type: response\r\n")
        for _ in range(1 if filler.startswith(b"WARC") else 100):
            file.write(filler)
        file.write(b"\r\n\r\n" + page(1))
    rows, _, causes = peak(tmp_path / "a.warc.gz")
    assert rows == 2
    assert causes


def test_hundreds_of_thousands_of_chunks_headers_and_blank_lines_take_seconds(tmp_path):
    bodies = [
        http(b"1\r\na\r\n" * 300_000, Transfer_Encoding="chunked"),
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300_000 + b"\r\n<p>",
        http(b"f" * 4_000_000, Transfer_Encoding="chunked"),
    ]
    with gzip.open(tmp_path / "a.warc.gz", "wb", compresslevel=1) as file:
        file.write(page(0))
        for n, block in enumerate(bodies):
            file.write(warc("response", block, n) + b"\r\n" * 2_000_000)
        file.write(page(1))
    rows, skipped, causes = peak(tmp_path / "a.warc.gz")
    assert (rows + skipped, causes) == (5, [])


def test_members_without_end_or_content_take_seconds(tmp_path):
    named = gzip.compress(b"")[:3] + b"\x08" + gzip.compress(b"")[4:10] + b"n" * 30_000_000
    (tmp_path / "a.warc.gz").write_bytes(gzip.compress(page(0)) + named)
    rows, _, causes = peak(tmp_path / "a.warc.gz")
    assert (rows, causes) == (1, ["damaged gzip member: the file ends inside it"])
    (tmp_path / "b.warc.gz").write_bytes(gzip.compress(page(0)) + gzip.compress(b"") * 30_000 + gzip.compress(page(1)))
    assert peak(tmp_path / "b.warc.gz") == (2, 0, [])
    (tmp_path / "c.warc.gz").write_bytes(
        gzip.compress(page(0)) + gzip.compress(b"x" * 9)[:20] * 10_000 + gzip.compress(page(1))
    )
    assert peak(tmp_path / "c.warc.gz")[0] == 2


def test_noise_that_claims_to_be_members_is_searched_in_seconds(tmp_path):
    noise = random.Random(5).randbytes(200) + b"\x1f\x8b\x08\0" + b"WARC/1.0\r\n"
    (tmp_path / "a.warc.gz").write_bytes(gzip.compress(page(0)) + noise * 6_000 + gzip.compress(page(1)))
    assert peak(tmp_path / "a.warc.gz")[0] == 2


def test_thousands_of_media_types_are_counted_under_a_thousand_names(tmp_path):
    odd = [warc("resource", b"x", Content_Type=f"x-made-up/{n}") for n in range(3_000)]
    (tmp_path / "a.warc").write_bytes(b"".join(odd) + page(1))
    assert peak(tmp_path / "a.warc") == (1, 3_000, [])


def test_lines_that_look_like_arc_take_seconds(tmp_path):
    lines = b"aa:" + b" 1.1.1.1 12345678" * 900 + b"\n"
    (tmp_path / "a.arc").write_bytes(lines * 1_000 + b"http://a:b 1\n" * 100_000)
    rows, _, causes = peak(tmp_path / "a.arc")
    assert (rows, len(causes) >= 1) == (0, True)
