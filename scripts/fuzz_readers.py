"""Mutated files for every reader, for a stated time: no crash, no hang, no growth, and no error but our own.

A child process reads one mutated file after another, each in two cuts; its parent watches the time of each and
the memory of the child, and starts another where one dies. Case `n` of a seed is the same bytes every time, and
the bytes of each finding are kept under `--keep`. Ends with 1 where there is a finding.

Example: python -m scripts.fuzz_readers --minutes 10 --seeds ../shared/data/warc ../shared/data/formats
"""

import argparse
import gzip
import io
import json
import multiprocessing
import random
import sys
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.errors import WinnowError
from corpus.readers import FORMATS, records
from corpus.source import Source
from corpus.units import units

MOST_SECONDS, MOST_MB = 20.0, 1500
"""Per file, and of the child: files are of 200 KB at most, and what they may open to is limited to 1 MB a record."""

_MOST_SEED = 200_000  # bytes
_ROWS = [{"id": f"d{n}", "text": f"text {n} <b>x</b>", "url": None, "meta": {"a": [n]}} for n in range(20)]
_PDF = b"""%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R
/Resources <</Font <</F <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>>>>>>> endobj
4 0 obj <</Length 39>> stream
BT /F 12 Tf 20 200 Td (some text) Tj ET
endstream endobj
trailer <</Root 1 0 R /Size 5>>
%%EOF
"""
_EVENTS = (
    b"\0",
    b"\xff",
    b"\r\n",
    b"\n\n",
    b"<",
    b"&#",
    b'"',
    b",",
    b"{" * 50,
    b"[" * 50,
    b"WARC/1.0\r\n",
    b"\x1f\x8b\x08",
)
_NUMBERS = (b"-1", b"0", b"4294967296", b"99999999999999999999", b"2147483647", b"1e999")


class Case(NamedTuple):
    """A mutated file and what it is read as."""

    name: str
    form: str
    raw: bytes
    unit_bytes: int


class Finding(NamedTuple):
    """What went wrong with which case."""

    number: int
    what: str


def made() -> dict[str, bytes]:
    """A small file of each common format, by name."""
    parquet, arrow = io.BytesIO(), io.BytesIO()
    table = pa.Table.from_pylist(_ROWS)
    pq.write_table(table, parquet, row_group_size=7)
    with pa.ipc.new_file(arrow, table.schema) as file:
        file.write_table(table, 7)
    lines = "".join(json.dumps(row) + "\n" for row in _ROWS).encode()
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<p>\r\n0\r\n\r\n"
    head = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: %d\r\n\r\n" % len(
        page
    )
    archive = (head + page + b"\r\n\r\n") * 5
    arc = b"http://a.com/ 1.2.3.4 20040506070809 text/html %d\n" % len(page) + page + b"\n"
    cells = [{"cell_type": "code", "source": ["x = 1\n"], "outputs": []}, {"cell_type": "markdown", "source": "# A"}]
    revision = b"<id>1</id><revision><text>'''A''' [[b]]</text></revision>"
    wiki = b"<mediawiki><page><title>A</title><ns>0</ns>" + revision + b"</page></mediawiki>"
    return {
        "a.jsonl": lines,
        "a.jsonl.gz": gzip.compress(lines, mtime=0),
        "a.parquet": parquet.getvalue(),
        "a.arrow": arrow.getvalue(),
        "a.csv": b'id,text\n1,"a ""quoted""\ntext"\n2,b\n',
        "a.txt": b"plain text\n",
        "a.html": b"<html><title>a</title><p>text</html>",
        "a.warc": archive,
        "a.warc.gz": gzip.compress(archive, mtime=0),
        "a.arc": arc * 4,
        "a.ipynb": json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}).encode(),
        "a.xml": wiki,
        "a.epub": _book(),
        "a.pdf": _PDF,
        "a.md": b"# A\n\ntext `code`\n\n```py\nx\n```\n",
        "a.tex": b"\\section{A} text $x^2$ \\begin{verbatim}y\\end{verbatim}\n",
    }


def _book() -> bytes:
    """An EPUB of one chapter."""
    root = '<container><rootfiles><rootfile full-path="a.opf"/></rootfiles></container>'
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest><item id="c" href="c.xhtml" '
        'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="c"/></spine></package>'
    )
    files = {"mimetype": "application/epub+zip", "META-INF/container.xml": root, "a.opf": package}
    files["c.xhtml"] = "<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>A</h1><p>text</p></body></html>"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in files.items():
            book.writestr(zipfile.ZipInfo(name), text)  # of 1980, so that a case is the same bytes every day
    return packed.getvalue()


def seeds(folders: list[Path]) -> list[tuple[str, bytes]]:
    """(name, bytes) of what is mutated: `made`, and the files of the folders that are small enough, in order."""
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    real = [(path.name, path.read_bytes()) for path in found if path.stat().st_size <= _MOST_SEED]
    return [*made().items(), *real]


def case(number: int, seed: int, corpus: list[tuple[str, bytes]], formats: list[str]) -> Case:
    """Case `number` of a seed."""
    chance = random.Random(f"{seed}/{number}")
    name, raw = chance.choice(corpus)
    packed = raw[:2] == b"\x1f\x8b" and chance.random() < 0.6
    raw = _opened(raw) if packed else raw
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        raw = chance.choice(_MUTATIONS)(raw, chance, corpus)[: 2 * _MOST_SEED]
    raw = gzip.compress(raw, 1, mtime=0) if packed else raw
    own = [form for form in formats if name.removesuffix(".gz").removesuffix(".zst").endswith(FORMATS[form].suffixes)]
    form = chance.choice(own if own and chance.random() < 0.85 else formats)
    return Case(f"{number}-{name}", form, raw, max(1, len(raw) // chance.choice((2, 5, 20))))


def _opened(raw: bytes) -> bytes:
    try:
        return gzip.decompress(raw)[:_MOST_SEED]
    except (OSError, EOFError, ValueError, gzip.zlib.error):  # type: ignore[attr-defined]
        return raw


def _flip(raw: bytes, chance: random.Random, corpus: list[tuple[str, bytes]]) -> bytes:
    if not raw:
        return b"\0"
    at = chance.randrange(len(raw))
    return raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]


def _put(raw: bytes, chance: random.Random, corpus: list[tuple[str, bytes]]) -> bytes:
    at = chance.randint(0, len(raw))
    return raw[:at] + chance.choice(_EVENTS) * chance.choice((1, 1, 9)) + raw[at:]


def _drop(raw: bytes, chance: random.Random, corpus: list[tuple[str, bytes]]) -> bytes:
    at = chance.randint(0, len(raw))
    return raw[:at] + raw[at + chance.choice((1, 2, 10, 1000)) :]


def _cut(raw: bytes, chance: random.Random, corpus: list[tuple[str, bytes]]) -> bytes:
    return raw[: chance.randint(0, len(raw))]


def _repeat(raw: bytes, chance: random.Random, corpus: list[tuple[str, bytes]]) -> bytes:
    begin = chance.randint(0, len(raw))
    return raw[:begin] + raw[begin : begin + chance.choice((4, 100, 5_000))] * chance.choice((2, 3, 30)) + raw[begin:]


def _splice(raw: bytes, chance: random.Random, corpus: list[tuple[str, bytes]]) -> bytes:
    other = chance.choice(corpus)[1]
    return raw[: chance.randint(0, len(raw))] + other[chance.randint(0, len(other)) :]


def _number(raw: bytes, chance: random.Random, corpus: list[tuple[str, bytes]]) -> bytes:
    """A run of digits somewhere becomes another number."""
    at = chance.randint(0, len(raw))
    while at < len(raw) and not 48 <= raw[at] <= 57:
        at += 1
    end = at
    while end < len(raw) and 48 <= raw[end] <= 57:
        end += 1
    return raw[:at] + chance.choice(_NUMBERS) + raw[end:]


_MUTATIONS: tuple[Callable[[bytes, random.Random, list[tuple[str, bytes]]], bytes], ...] = (
    *(_flip, _flip, _put, _drop, _cut, _repeat, _splice, _number, _number),
)


def read(one: Case, folder: Path) -> None:
    """Read the case whole and in cuts; an error of ours is an answer, all else is raised."""
    path = folder / ("case" + "".join(Path(one.name).suffixes[-2:]))
    path.write_bytes(one.raw)
    for unit_bytes in (64_000_000, one.unit_bytes):
        source = Source(path=str(path), format=one.form, max_record_mb=1)  # type: ignore[arg-type]
        try:
            for unit in units([source], lambda found: "x", unit_bytes):
                for piece in records(unit, source):
                    piece.rows.validate(full=True)
        except WinnowError:
            return


def _child(first: int, last: int, seed: int, folders: list[Path], formats: list[str], state: Any, found: Any) -> None:
    corpus = seeds(folders)
    with TemporaryDirectory() as folder:
        for number in range(first, last):
            with state.get_lock():
                state[0], state[1] = number, time.time()
            one = case(number, seed, corpus, formats)
            try:
                read(one, Path(folder))
            except Exception:  # what is looked for
                found.put(Finding(number, traceback.format_exc()))
            except BaseException as error:  # a panic of a library in Rust is no Exception
                found.put(Finding(number, f"{type(error).__name__}: {error}"))
                raise


def fuzz(seconds: float, seed: int, folders: list[Path], formats: list[str]) -> tuple[int, list[Finding], float]:
    """Cases read, findings, and the most memory in MB that a child took."""
    spawn = multiprocessing.get_context("spawn")
    findings, first, most, until = [], 0, 0.0, time.time() + seconds
    while time.time() < until:
        state, found = spawn.Array("d", [first, time.time() + 60]), spawn.Queue()  # a minute to import and compile
        child = spawn.Process(
            target=_child, args=(first, sys.maxsize, seed, folders, formats, state, found), daemon=True
        )
        child.start()
        wrong = None
        while wrong is None and time.time() < until:
            child.join(0.1)
            findings += _taken(found)
            most = max(most, memory := _memory(child))
            wrong = _wrong(child, state, memory)
        if wrong is not None:
            findings.append(Finding(int(state[0]), wrong))
        child.kill()
        child.join()
        first = int(state[0]) + 1
    return first, findings, most


def _wrong(child: Any, state: Any, memory: float) -> str | None:
    if not child.is_alive():
        return f"the process died with {child.exitcode}"
    if time.time() - state[1] > MOST_SECONDS:
        return f"more than {MOST_SECONDS:g} s"
    return f"{memory:.0f} MB" if memory > MOST_MB else None


def _taken(found: Any) -> Iterator[Finding]:
    while not found.empty():
        yield found.get()


def _memory(child: Any) -> float:
    try:
        return float(psutil.Process(child.pid).memory_info().rss) / 1e6
    except psutil.Error:
        return 0.0


def main() -> None:
    """Fuzz, say what was found, keep the inputs of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=Path, nargs="*", default=[], help="folders of real files to mutate")
    parser.add_argument("--formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    asked = parser.parse_args()
    count, findings, most = fuzz(asked.minutes * 60, asked.seed, asked.seeds, asked.formats)
    corpus, told = seeds(asked.seeds), Counter()
    for finding in findings:
        one = case(finding.number, asked.seed, corpus, asked.formats)
        asked.keep.mkdir(parents=True, exist_ok=True)
        (asked.keep / f"{one.form}-{one.name}").write_bytes(one.raw)
        last = finding.what.strip().splitlines()[-1]
        told[last] += 1
        if told[last] <= 2:
            print(f"case {finding.number} ({one.form}, {one.name}):\n{finding.what}")
    print(f"{count:,} cases in {asked.minutes:g} minutes, {len(findings)} findings, at most {most:.0f} MB")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
