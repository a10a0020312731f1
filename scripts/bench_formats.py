"""How fast each format is read: MB of stored, plain bytes per second of processor time, child processes included.

Example: PYTHONPATH=. python scripts/bench_formats.py --megabytes 20 --formats csv arrow

Files are made of seeded words in a temporary folder: rows of 3 KB (CSV quoted, one newline a sentence), wikitext with
links, references, templates, lists and tables, Markdown and LaTeX with a listing a page. PDF needs a file: --pdf.
"""

import argparse
import csv
import json
import random
import resource
import struct
import tempfile
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

import pyarrow as pa
import zstandard

from corpus.readers import records
from corpus.source import Source
from corpus.units import units

CHANCE = random.Random(5)
VOCABULARY = ["".join(CHANCE.choices("etaoinshrdlu", k=CHANCE.randint(2, 9))) for _ in range(5000)]


def sentence() -> str:
    return " ".join(CHANCE.choices(VOCABULARY, k=16)).capitalize() + "."


def page() -> str:
    return "\n".join(sentence() for _ in range(30))


def wiki_page(number: int) -> str:
    lines = [f"'''{sentence()}''' [[{sentence()}|link]] and <ref name=a>{{{{cite book|title=x|year=2001}}}}</ref>."]
    for section in range(6):
        lines += [f"== Section {section} ==", sentence() + " [[A link]] " + sentence(), f"* [[item]] {sentence()}"]
        lines += [f"{sentence()} {{{{convert|5|km}}}} <ref>{sentence()}</ref> ''{sentence()}''"] * 4
    lines.append("{| class=wikitable\n|-\n| a || b\n|}")
    head = f"<title>P{number}</title><ns>0</ns><id>{number}</id>"
    return f"<page>{head}<revision><id>1</id><text>{escape(chr(10).join(lines))}</text></revision></page>\n"


def repeated(one: Callable[[int], str], megabytes: float) -> Iterator[str]:
    size = number = 0
    while size < megabytes * 1e6:
        text = one(number)
        yield text
        size, number = size + len(text), number + 1


def as_csv(folder: Path, megabytes: float) -> Path:
    with (folder / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "url"])
        writer.writerows([n, text, "http://a.com"] for n, text in enumerate(repeated(lambda _: page(), megabytes)))
    return folder / "a.csv"


def as_arrow(folder: Path, megabytes: float) -> Path:
    table = pa.table({"text": list(repeated(lambda _: page(), megabytes))})
    with pa.ipc.new_file(folder / "a.arrow", table.schema) as out:
        out.write_table(table, max_chunksize=1000)
    return folder / "a.arrow"


def as_seekable(folder: Path, megabytes: float) -> Path:
    raw = "".join(json.dumps({"text": text}) + "\n" for text in repeated(lambda _: page(), megabytes)).encode()
    parts = [raw[at : at + 2_000_000] for at in range(0, len(raw), 2_000_000)]
    frames = [zstandard.compress(part) for part in parts]
    sizes = [struct.pack("<II", len(frame), len(part)) for frame, part in zip(frames, parts, strict=True)]
    table = b"".join(sizes) + struct.pack("<IBI", len(sizes), 0, 0x8F92EAB1)
    content = b"".join(frames) + struct.pack("<II", 0x184D2A5E, len(table)) + table
    (folder / "a.jsonl.zst").write_bytes(content)
    return folder / "a.jsonl.zst"


def as_wikipedia(folder: Path, megabytes: float) -> Path:
    (folder / "a-pages-articles.xml").write_text("".join(repeated(wiki_page, megabytes)))
    return folder / "a-pages-articles.xml"


def files(suffix: str, one: Callable[[int], str]) -> Callable[[Path, float], Path]:
    def made(folder: Path, megabytes: float) -> Path:
        for number, text in enumerate(repeated(one, megabytes)):
            (folder / f"{number:06}.{suffix}").write_text(text)
        return folder

    return made


def notebook(_: int) -> str:
    kinds = ["markdown", "code"] * 10
    return json.dumps({"cells": [{"cell_type": kind, "source": page()} for kind in kinds], "metadata": {}})


def markdown(_: int) -> str:
    return "\n\n".join(f"# {sentence()}\n\n{page()}\n\n```python\n{page()}\n```" for _ in range(5))


def latex(_: int) -> str:
    listing = "\\begin{verbatim}\nx = 1\n\\end{verbatim}\n"
    parts = (
        f"\\section{{{sentence()}}}\n{page()} $x^2$ \\emph{{{sentence()}}}~\\cite{{a}}\n{listing}" for _ in range(5)
    )
    return "\\begin{document}" + "".join(parts) + "\\end{document}"


MADE: dict[str, Callable[[Path, float], Path]] = {
    "csv": as_csv,
    "arrow": as_arrow,
    "jsonl": as_seekable,
    "wikipedia": as_wikipedia,
    "notebook": files("ipynb", notebook),
    "markdown": files("md", markdown),
    "latex": files("tex", latex),
}


def seconds() -> float:
    """Processor time of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measured(form: str, path: Path) -> None:
    source = Source(path=str(path), format=form)  # type: ignore[arg-type]
    begun = seconds()
    parts = units([source], lambda found: "x")
    planned = seconds()
    reads = [read for unit in parts for read in records(unit, source)]
    rows, bad = sum(len(read.rows) for read in reads), sum(len(read.bad) for read in reads)
    stored = sum(unit.stored_bytes for unit in parts)
    text = sum(read.rows.column("text").nbytes for read in reads)
    spent = seconds() - planned
    print(
        f"{form:10} {stored / 1e6:7.1f} MB stored {text / 1e6:7.1f} MB text {rows:7,} documents {bad:3} bad "
        f"{len(parts):3} units  plan {planned - begun:5.2f} s  read {spent:6.2f} s  "
        f"{text / 1e6 / spent:7.2f} MB/s of text"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--formats", nargs="*", default=list(MADE), choices=[*MADE])
    parser.add_argument("--pdf", help="a PDF file or a folder of such")
    asked = parser.parse_args()
    for form in asked.formats:
        with tempfile.TemporaryDirectory() as folder:
            slow = 10 if form in ("wikipedia", "latex", "markdown") else 1
            measured(form, MADE[form](Path(folder), asked.megabytes / slow))
    if asked.pdf:
        measured("pdf", Path(asked.pdf))


if __name__ == "__main__":
    main()
