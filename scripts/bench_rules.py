"""Rules by pattern, list and address, and datatrove's blocks: MB/s or addresses a second a core, CPU time.

    python scripts/bench_rules.py [FOLDER]      # texts; ../shared/data/corpus, word lists in ../lists/ldnoobw beside it

`pii`, `bad_words` (beside the word pass) and `repair` on the collections of scripts/bench_filters.py, the Russian and
Chinese ones with the list of their language. `url_rules` on 200,000 made-up addresses, with the bundled words alone and
with a million made-up domains listed. datatrove's blocks as the stage `datatrove`, on English; and the time of its
PII block on 10 and 20 kB of `a-a-a-`. Medians of five calls after one that compiles.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from bench_filters import ROOT, collections, cut, seconds, texts

sys.path.insert(0, str(ROOT))

from corpus.buffers import total_bytes
from corpus.documents import Batch
from stages.bad_words import BadWords
from stages.base import Local
from stages.interop import Datatrove
from stages.pii import Pii
from stages.repair import Repair
from stages.url import UrlRules

BLOCKS = {
    "filters.GopherQualityFilter": 1_000_000,
    "filters.GopherRepetitionFilter": 1_000_000,
    "filters.C4QualityFilter": 1_000_000,
    "filters.FineWebQualityFilter": 2_000_000,
    "formatters.FTFYFormatter": 2_000_000,
    "formatters.PIIFormatter": 4_000_000,
}
"""datatrove's blocks, and the bytes each is timed on: about two seconds."""


def speed(stage: Local, text: pa.Array, split: bool = False) -> str:
    """MB/s of a stage over a column of texts; split: the word pass is not timed."""
    rows = pa.record_batch([pa.array([str(n) for n in range(len(text))]), text], names=["id", "text"])
    words = Batch(rows).words if split else None

    def annotate() -> None:
        fresh = Batch(rows)
        if words is not None:
            fresh.words = words
        stage.annotate(fresh)

    return f"{total_bytes(text) / 1e6 / seconds(annotate, 5):,.2f}"


def addresses(count: int, seed: int = 1) -> pa.RecordBatch:
    """Made-up addresses, one in thirty on a host that `listed` names."""
    draw, ends = random.Random(seed), (".com", ".org", ".co.uk")
    hosts = (f"www.site{draw.randrange(10_000_000)}.example{draw.choice(ends)}" for _ in range(count))
    urls = [f"https://{host}/a/page-{draw.randrange(1000)}.html?q={draw.randrange(99)}" for host in hosts]
    return pa.record_batch([pa.array(urls), pa.array([""] * count, pa.large_string())], names=["url", "text"])


def listed(folder: Path, count: int) -> UrlRules:
    """The rules with so many domains in a list of UT1's layout."""
    (folder / "made").mkdir()
    names = (f"site{n}.example{(n % 3 == 0) * '.com' or '.org'}\n" for n in range(count))
    (folder / "made" / "domains").write_text("".join(names))
    return UrlRules(lists=str(folder), categories=("made",))


def url_rules() -> None:
    """Addresses a second, with and without a long list."""
    rows = addresses(200_000)
    with tempfile.TemporaryDirectory() as name:
        stages = {"bundled words": UrlRules(), "and a million domains": listed(Path(name), 1_000_000)}
        for what, stage in stages.items():
            taken = seconds(lambda stage=stage: stage.annotate(Batch(rows)), 5)  # type: ignore[misc]
            print(f"url_rules, {what}: {rows.num_rows / taken:,.0f} addresses/s", flush=True)


def datatrove(english: list[str]) -> None:
    """Its blocks, and how its PII block's time grows."""
    for block, most in BLOCKS.items():
        text = pa.array(cut(english, most), pa.large_string())
        print(f"datatrove {block}: {speed(Datatrove(block=block), text)} MB/s", flush=True)
    for size in (10_000, 20_000):
        rows = pa.record_batch([["0"], pa.array(["a-" * (size // 2)], pa.large_string())], names=["id", "text"])
        stage = Datatrove(block="formatters.PIIFormatter")
        print(f"datatrove PIIFormatter, {size:,} B of a-a-a-: {seconds(lambda: stage.annotate(Batch(rows)), 1):.1f} s")  # noqa: B023


def russian(folder: Path) -> list[str]:
    """Texts of which a quarter is Cyrillic."""
    every = (text for path in sorted(folder.glob("multilingual__*")) for text in texts(path))
    return [text for text in every if sum("\u0400" <= char <= "\u04ff" for char in text) > len(text) // 4]


def main() -> None:
    """Print a table of texts, then lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "../shared/data/corpus")
    asked = parser.parse_args()
    found = collections(asked.folder) | {"Russian": pa.array(cut(russian(asked.folder)), pa.large_string())}
    lists = str(asked.folder.parent / "lists/ldnoobw")
    of = {"Chinese": "zh", "Russian": "ru"}
    rows: dict[str, Callable[[str], str]] = {
        "pii": lambda name: speed(Pii(), found[name]),
        "bad_words": lambda name: speed(BadWords(lists=lists, language=of.get(name, "en")), found[name], split=True),
        "repair": lambda name: speed(Repair(), found[name]),
    }
    print(f"| MB/s a core | {' | '.join(found)} |\n|{' --- |' * (len(found) + 1)}")
    for kernel, figure in rows.items():
        print(f"| {kernel} | {' | '.join(map(figure, found))} |", flush=True)
    url_rules()
    datatrove([text for path in sorted(asked.folder.glob("gov_web__*")) for text in texts(path)])


if __name__ == "__main__":
    main()
