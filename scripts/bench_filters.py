"""Filters beside datatrove's: the same JSONL through quality, repetition, C4 and FineWeb, in CPU seconds, one core.

    python scripts/bench_filters.py                       # ../shared/data/corpus
    python scripts/bench_filters.py FOLDER --documents 2000 --times 10 --given 300 --repeat 3

Ours is `winnow run` with one worker (files to Parquet, start-up included, children counted), in the datatrove dialects
and once more in the papers' with our own words, on the documents that datatrove gets, written `--times` times over: no
stage here compares documents, so a copy costs what its original does, and seconds of start-up fade as they do in a
shard of a crawl. Runs of one document tell the start-up of both, which the last column takes off both.
datatrove is a LocalPipelineExecutor with one task, JSONL to JSONL, in its own process, on each document once; stock,
and with spaCy's memory zone off, which forgets every word after each document. "words given" is its filters alone in
a loop, on fewer documents, with spaCy's words and sentences handed in: what is left is not splitting. All is compared
by CPU seconds per MB of text. The first run of ours compiles kernels and is not counted. All take turns, and the least
of each counts. Kernel figures are the median of nine calls. FOLDER holds JSONL, gzip or zstd; the length of documents
matters, so it is told: datatrove pays by the document too.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import orjson
import pyarrow as pa
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

NAMES = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
STAGES = [{name: {"dialect": "datatrove"}} for name in NAMES]
FILTERS = ("GopherRepetitionFilter", "GopherQualityFilter", "C4QualityFilter", "FineWebQualityFilter")
KINDS = {"English": "books__english*", "web": "web__*", "code": None, "Chinese": None}
MOST = 8_000_000  # bytes of text a kernel is timed on: seconds, not minutes

DATATROVE = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline import filters
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
source, target, logs, zone, *names = sys.argv[1:]
if zone == "off":
    from contextlib import nullcontext
    from spacy.language import Language
    Language.memory_zone = lambda self, mem=None: nullcontext()
steps = [JsonlReader(source), *(getattr(filters, name)() for name in names), JsonlWriter(target)]
LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=logs).run()
"""


def texts(path: Path) -> list[str]:
    """The texts of one file."""
    with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else "gzip") as raw:
        return [orjson.loads(line)["text"] for line in raw.read().splitlines()]


def children(command: list[str], environment: dict[str, str]) -> float:
    """CPU seconds of a command and what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(source: Path, place: Path, stages: Sequence[object] = STAGES) -> float:
    """CPU seconds of a whole run."""
    recipe, at = place / "recipe.yaml", place / "run"
    whole = {"name": "bench", "sources": [{"path": f"{source}/*.jsonl"}], "stages": list(stages)}
    recipe.write_text(yaml.safe_dump(whole))
    shutil.rmtree(at, ignore_errors=True)
    command = [sys.executable, "-m", "pipeline", "run", str(recipe), "--at", str(at), "--workers", "1"]
    return children(command, os.environ | {"PYTHONPATH": str(ROOT)})


def theirs(source: Path, place: Path, zone: str) -> float:
    """CPU seconds of datatrove's pipeline; zone: on or off."""
    script, out = place / "peer.py", Path(tempfile.mkdtemp(dir=place))
    script.write_text(DATATROVE)
    folders = [str(source), str(out / "kept"), str(out / "logs")]
    return children([sys.executable, str(script), *folders, zone, *FILTERS], dict(os.environ))


def turns(place: Path, repeat: int) -> dict[str, float]:
    """CPU seconds, the least of each: all take turns, so that a busy machine is busy for all of them."""
    asked: dict[str, Callable[[], float]] = {
        "start-up": lambda: ours(place / "one", place),
        "datatrove's start-up": lambda: theirs(place / "one", place, "on"),
        "winnow run, our own words": lambda: ours(place / "many", place, NAMES),
        "winnow run": lambda: ours(place / "many", place),
        "datatrove": lambda: theirs(place / "once", place, "on"),
        "datatrove, no memory zone": lambda: theirs(place / "once", place, "off"),
    }
    taken: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(repeat):
        for name, run in asked.items():
            taken[name].append(run())
    return {name: min(all_) for name, all_ in taken.items()}


def given(found: list[str]) -> float:
    """CPU seconds of datatrove's filters in a loop, one after the other, with words and sentences handed in."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        c4_filters,
        fineweb_quality_filter,
        gopher_quality_filter,
        gopher_repetition_filter,
    )
    from datatrove.utils.word_tokenizers import load_word_tokenizer

    pieces: dict[str, list[str]] = {}
    split = load_word_tokenizer("en")

    def words(text: str, language: str = "") -> list[str]:
        return pieces[text] if text in pieces else pieces.setdefault(text, split.word_tokenize(text))

    sentences: dict[str, list[str]] = {}

    def parts(text: str, language: str = "") -> list[str]:
        return sentences[text] if text in sentences else sentences.setdefault(text, split.sent_tokenize(text))

    for module in (gopher_repetition_filter, gopher_quality_filter, fineweb_quality_filter):
        module.split_into_words = words
    c4_filters.split_into_sentences = parts
    chain = [
        gopher_repetition_filter.GopherRepetitionFilter(),
        gopher_quality_filter.GopherQualityFilter(),
        c4_filters.C4QualityFilter(),
        fineweb_quality_filter.FineWebQualityFilter(),
    ]

    def walk() -> None:
        for text in found:
            document = Document(text=text, id="")
            all(judge.filter(document) is True for judge in chain)

    walk()  # fills both tables
    return seconds(walk, 3)


def seconds(function: Callable[[], object], runs: int = 9) -> float:
    """CPU seconds of one call, the median after one that compiles."""
    function()
    taken = []
    for _ in range(runs):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return median(taken)


def collections(folder: Path) -> dict[str, pa.Array]:
    """Texts of a kind up to MOST bytes: files by name, Python's own library, Chinese pages of the folder."""
    import sysconfig

    found = {
        name: [t for path in sorted(folder.glob(glob)) for t in texts(path)] for name, glob in KINDS.items() if glob
    }
    library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    found["code"] = [path.read_text(encoding="utf-8", errors="replace") for path in library]
    every = (t for path in sorted(folder.glob("multilingual__*")) for t in texts(path))
    found["Chinese"] = [t for t in every if sum("\u4e00" <= char <= "\u9fff" for char in t) > len(t) // 4]
    return {name: pa.array(cut(listed), pa.large_string()) for name, listed in found.items() if listed}


def cut(listed: list[str], most: int = MOST) -> list[str]:
    """The first texts, up to `most` bytes and one text more."""
    size, kept = 0, []
    for text in listed:
        if size < most:
            kept.append(text)
            size += len(text.encode())
    return kept


def kernels(text: pa.Array) -> dict[str, float]:
    """CPU seconds of each kernel over all of a column; measures beyond their splitting."""
    from corpus.documents import Batch
    from corpus.words import words
    from stages.c4 import C4
    from stages.fineweb import FineWeb
    from stages.gopher_quality import GopherQuality
    from stages.gopher_repetition import GopherRepetition
    from stages.splitting import tokens

    rows = pa.record_batch([text], names=["text"])
    split = Batch(rows).words, tokens(Batch(rows), "spacy")

    def beyond(stage: type, dialect: str) -> float:
        from stages.splitting import given as hand_in

        def annotate() -> None:
            batch = Batch(rows)
            batch.words = split[0]
            hand_in(batch, split[1])
            stage(dialect=dialect).annotate(batch)

        return seconds(annotate)

    return {
        "words": seconds(lambda: words(text)),
        "white space": seconds(lambda: tokens(Batch(rows), "whitespace")),
        "spacy": seconds(lambda: tokens(Batch(rows), "spacy")),
        "quality (paper)": beyond(GopherQuality, "paper"),
        "quality (datatrove)": beyond(GopherQuality, "datatrove"),
        "repetition (paper)": beyond(GopherRepetition, "paper"),
        "repetition (datatrove)": beyond(GopherRepetition, "datatrove"),
        "C4 (datatrove)": beyond(C4, "datatrove"),
        "FineWeb (datatrove)": beyond(FineWeb, "datatrove"),
    }


def main() -> None:
    """Print two tables in Markdown: whole runs, and kernels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "../shared/data/corpus")
    parser.add_argument("--documents", type=int, default=2_000, help="of each file as many as make so many in all")
    parser.add_argument("--times", type=int, default=10, help="that ours reads each document")
    parser.add_argument("--given", type=int, default=300, help="documents for datatrove with words given")
    parser.add_argument("--repeat", type=int, default=3, help="turns of all, of which the least counts")
    parser.add_argument("--kernels-only", action="store_true")
    asked = parser.parse_args()
    if not asked.kernels_only:
        runs(asked)
    print(f"\n| kernel, MB/s a core | {' | '.join(found := collections(asked.folder))} |")
    print(f"| --- |{' --- |' * len(found)}")
    figures = {name: kernels(text) for name, text in found.items()}
    sizes = {name: sum(len(t.as_py().encode()) for t in text) / 1e6 for name, text in found.items()}
    for kernel in next(iter(figures.values())):
        print(f"| {kernel} | {' | '.join(f'{sizes[n] / figures[n][kernel]:,.0f}' for n in found)} |", flush=True)


def runs(asked: argparse.Namespace) -> None:
    """Print the table of whole runs, and where our seconds went."""
    paths = sorted(asked.folder.glob("*.jsonl.*"))
    found = [text for path in paths for text in texts(path)[: -(-asked.documents // len(paths))]][: asked.documents]
    size, few = sum(len(text.encode()) for text in found) / 1e6, found[:: max(1, len(found) // asked.given)]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for folder, those, times in (("one", found[:1], 1), ("once", found, 1), ("many", found, asked.times)):
            written(those, place / folder, times)
        for stages in (STAGES, NAMES):
            ours(place / "once", place, stages)  # compiles
        least = turns(place, asked.repeat)
        work = orjson.loads((place / "run" / "report.json").read_bytes())["work"]
    given_size, begun = sum(len(text.encode()) for text in few) / 1e6, least["datatrove's start-up"]
    rows = [(name, least[name], least["start-up"], size * asked.times) for name in least if name.startswith("winnow")]
    rows += [(name, least[name], begun, size) for name in ("datatrove", "datatrove, no memory zone")]
    rows.append(("datatrove, words given", given(few), 0.0, given_size))
    print(f"{len(found):,} documents of {size * 1e3 / len(found):.1f} kB, {size:.1f} MB; ours {asked.times} times over")
    print(f"words given: {len(few):,} documents\n")
    print("| what | MB | CPU s | start-up | MB/s, less start-up | `winnow run` is faster by | both less start-up |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    (_, mine, start, whole) = next(row for row in rows if row[0] == "winnow run")
    for what, taken, of_it, of in rows:
        whole_ratio, net_ratio = taken / of / (mine / whole), (taken - of_it) / of / ((mine - start) / whole)
        figures = f"{of:,.0f} | {taken:.2f} | {of_it:.2f} | {of / (taken - of_it):.2f}"
        print(f"| {what} | {figures} | {whole_ratio:.1f} | {net_ratio:.1f} |", flush=True)
    parts = sorted(((one["cpu_seconds"], name) for name, one in work.items()), reverse=True)
    print("\nOur CPU seconds, the last time: " + ", ".join(f"{name} {taken:.2f}" for taken, name in parts))


def written(found: list[str], folder: Path, times: int) -> Path:
    """The folder, with all texts in one JSONL file, so many times over under other ids."""
    folder.mkdir()
    with (folder / "corpus.jsonl").open("w") as file:
        for time_ in range(times):
            file.writelines(json.dumps({"id": f"d{time_}-{n}", "text": text}) + "\n" for n, text in enumerate(found))
    return folder


if __name__ == "__main__":
    main()
