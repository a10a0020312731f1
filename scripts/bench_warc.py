"""WARC to pages beside bare fastwarc: CPU seconds and MB/s of decompressed input.

Both read a .warc.gz from the page cache; fastwarc parses the HTTP heads and reads every payload, the reader of Winnow
makes record batches of pages besides, with their URLs and dates.

Example: python -m scripts.bench_warc ../shared/data/warc/aut/example.warc.gz --mb 40
"""

import argparse
import gzip
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fastwarc.warc import ArchiveIterator

from corpus.readers import records
from corpus.source import Source
from corpus.units import units
from pipeline.memory import keep_pages


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


def least_cpu(work: Callable[[Path], int], path: Path, times: int = 5) -> tuple[float, int]:
    """The least CPU seconds of several runs, and what the run returned."""
    spent, count = [], 0
    for _ in range(times):
        began = time.process_time()
        count = work(path)
        spent.append(time.process_time() - began)
    return min(spent), count


def main() -> None:
    """Print a table of files, readers and speeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--mb", type=float, default=40, help="stored size to repeat each file to")
    asked = parser.parse_args()
    keep_pages()  # as workers do
    for file in asked.files:
        raw = file.read_bytes()
        copies = max(1, int(asked.mb * 1e6 / len(raw)))
        opened = len(gzip.decompress(raw)) * copies
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bench.warc.gz"
            path.write_bytes(raw * copies)
            slow, fast = least_cpu(reader, path), least_cpu(bare, path)
        shares = f"{fast[0] / slow[0]:.0%} of bare fastwarc, {opened / max(1, slow[1]) / 1e3:.1f} KB a record"
        print(f"{file.name}: reader {opened / slow[0] / 1e6:.0f} MB/s, fastwarc {opened / fast[0] / 1e6:.0f}: {shares}")


if __name__ == "__main__":
    main()
