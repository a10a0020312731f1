"""WARC to pages beside bare fastwarc: CPU seconds and MB/s of decompressed input.

Both read a .warc.gz from the page cache; fastwarc parses the HTTP heads and reads every payload of every type, the
reader of Winnow makes record batches of pages besides, with their URLs and dates. Runs take turns and the least of
each counts: of a busy machine take the shares. `--pages` makes an archive as Common Crawl writes it, of real pages:
each response between a request and a metadata record, one gzip member a record.

Example: python -m scripts.bench_warc ../shared/data/warc/aut/example.warc.gz --mb 40 --pages ../shared/data/html_gold
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import zstandard
from fastwarc.warc import ArchiveIterator

from corpus.documents import TEXT, Batch
from corpus.readers import records
from corpus.source import Source
from corpus.units import units
from pipeline.memory import keep_pages
from stages.extract import Extract


def bare(path: Path) -> int:
    """Records that fastwarc reads, payloads and all."""
    count = 0
    for record in ArchiveIterator(path.open("rb"), parse_http=True):
        record.reader.read()
        count += 1
    return count


def reader(path: Path) -> int:
    """Records that Winnow accounts for."""
    source, count = Source(path=str(path), fields=("url", "date")), 0
    for unit in units([source], lambda found: "x"):
        for read in records(unit, source):
            count += read.rows.num_rows + len(read.bad) + sum(read.skipped.values())
    return count


def kept(path: Path) -> int:
    """Bytes of text that the engine `plain` makes of the pages."""
    source, stage, size = Source(path=str(path)), Extract(engine="plain"), 0
    for unit in units([source], lambda found: "x"):
        for read in records(unit, source):
            size += stage.annotate(Batch(read.rows))[TEXT].nbytes
    return size


def gold(folder: Path) -> Iterator[bytes]:
    """The pages of a folder of JSONL, again and again."""
    pages = []
    for path in sorted(folder.glob("*.jsonl.zst")):
        with zstandard.open(path, "rt", encoding="utf-8") as lines:
            pages += [json.loads(line).get("html") for line in lines]
    return cycle([page.encode() for page in pages if page])


def crawl(folder: Path, responses: int) -> bytes:
    """A .warc.gz as Common Crawl writes it."""
    asked = b"GET /page HTTP/1.1\r\nUser-Agent: CCBot/2.0\r\nAccept-Language: en-US,en;q=0.5\r\nHost: a.com\r\n\r\n"
    said = b"fetchTimeMs: 285\r\ncharset-detected: UTF-8\r\n\r\n"
    members = []
    for number, page in enumerate(islice(gold(folder), responses)):
        head = f"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-type: text/html; charset=UTF-8\r\nContent-Length: {len(page)}"
        members += [
            _member("request", number, asked, "application/http; msgtype=request"),
            _member("response", number, head.encode() + b"\r\n\r\n" + page, "application/http; msgtype=response"),
            _member("metadata", number, said, "application/warc-fields"),
        ]
    return b"".join(members)


def _member(kind: str, number: int, block: bytes, media: str) -> bytes:
    lines = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2024-05-18T01:58:10Z",
        f"WARC-Record-ID: <urn:uuid:{number:08d}-0000-4000-8000-{kind:>012.12}>\r\nContent-Length: {len(block)}",
        f"Content-Type: {media}\r\nWARC-IP-Address: 192.0.2.1\r\nWARC-Target-URI: https://example.com/{number}",
        "WARC-Payload-Digest: sha1:RY7PLBUFQNI2FFV5FTUQK72W6SNPXLQU\r\nWARC-Identified-Payload-Type: text/html",
    )
    return gzip.compress("\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n", 6)


def least_cpu(works: list[Callable[[Path], int]], path: Path, times: int) -> list[tuple[float, int]]:
    """The least CPU seconds of several runs of each, in turns, and what each returned."""
    spent = [(float("inf"), 0)] * len(works)
    for _ in range(times):
        for n, work in enumerate(works):
            began = time.process_time()
            count = work(path)
            spent[n] = min(spent[n], (time.process_time() - began, count))
    return spent


def show(name: str, raw: bytes, times: int) -> None:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.warc.gz"
        path.write_bytes(raw)
        opened = len(gzip.decompress(raw)) / 1e6
        ours, fast, plain = least_cpu([reader, bare, kept], path, times)
    print(
        f"{name}: {opened:.0f} MB, {1e3 * opened / max(1, ours[1]):.1f} KB a record: "
        f"reader {opened / ours[0]:.0f} MB/s, "
        f"fastwarc {opened / fast[0]:.0f}: {fast[0] / ours[0]:.0%} of bare fastwarc; to text (plain) "
        f"{opened / plain[0]:.0f} MB/s: {fast[0] / plain[0]:.0%}"
    )


def main() -> None:
    """Print a line a file: the reader's speed, fastwarc's, and that to kept text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--mb", type=float, default=40, help="stored size to repeat each file to")
    parser.add_argument("--pages", type=Path, help="a folder of JSONL with `html`, to make an archive of")
    parser.add_argument("--responses", type=int, default=2_000)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    keep_pages()  # as workers do
    for file in asked.files:
        raw = file.read_bytes()
        show(file.name, raw * max(1, int(asked.mb * 1e6 / len(raw))), asked.times)
    if asked.pages:
        show(f"{asked.responses:,} real pages", crawl(asked.pages, asked.responses), asked.times)


if __name__ == "__main__":
    main()
