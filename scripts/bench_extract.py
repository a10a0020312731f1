"""Engines of the stage `extract` and their peers on pages whose main text people marked: F1 and MB/s of HTML.

    python scripts/bench_extract.py                          # ../shared/data/html_gold, the published sets
    python scripts/bench_extract.py FOLDER --engines blocks cascade --sets scrapinghub --repeat 3

scrapinghub: multisets of 4-grams of `\\w+` tokens, precision and recall averaged over pages, as its benchmark does.
trafilatura_eval: strings that the text must and must not hold. mozilla_readability and newspaper4k: as the first.
CPU seconds of this process and its children over the whole stage, decoding, title, date and language included; peers
get the bytes and decode them likewise. The least of `--repeat`; what an engine compiles and imports is not counted.
"""

import argparse
import base64
import json
import re
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SETS = ("scrapinghub", "trafilatura_eval", "mozilla_readability", "newspaper4k")
TOKEN = re.compile(r"\w+")


class Gold(NamedTuple):
    """A page as it was fetched, and what is known of its main text."""

    html: bytes
    charset: str | None
    text: str | None
    must: list[str]
    must_not: list[str]


class Score(NamedTuple):
    """How a set's texts agree with gold."""

    f1: float
    precision: float
    recall: float


def gold(folder: Path, name: str) -> list[Gold]:
    """The pages of one set."""
    lines = pa.input_stream(folder / f"{name}.jsonl.zst", compression="zstd").read().decode().split("\n")
    return [_page(json.loads(line)) for line in lines if line]


def _page(row: dict[str, Any]) -> Gold:
    html = base64.b64decode(row["html_b64"]) if row.get("html_b64") else row["html"].encode("utf-8", "replace")
    must, must_not = ([text for text in row.get(key) or [] if text] for key in ("with", "without"))
    return Gold(html, row.get("declared_charset"), row.get("gold_text"), must, must_not)


def score(pages: list[Gold], texts: Iterable[str]) -> Score:
    """By segments where the set has them, else by 4-grams of tokens."""
    pairs = list(zip(pages, texts, strict=True))
    return _by_segments(pairs) if pages[0].text is None else _by_grams(pairs)


def _by_segments(pairs: list[tuple[Gold, str]]) -> Score:
    hit = sum(one in text for page, text in pairs for one in page.must)
    missed = sum(len(page.must) for page, _ in pairs) - hit
    wrong = sum(one in text for page, text in pairs for one in page.must_not)
    return _f1(hit / max(1, hit + wrong), hit / max(1, hit + missed))


def _by_grams(pairs: list[tuple[Gold, str]]) -> Score:
    precision, recall = [], []
    for page, text in pairs:
        true, said = _grams(page.text or ""), _grams(text)
        both = (true & said).total()
        if said:
            precision.append(both / said.total())
        recall.append(both / true.total() if true else float(not said))
    return _f1(sum(precision) / max(1, len(precision)), sum(recall) / len(recall))


def _grams(text: str) -> Counter[tuple[str, ...]]:
    tokens = TOKEN.findall(text)
    return Counter(tuple(tokens[k : k + 4]) for k in range(max(1, len(tokens) - 3))) if tokens else Counter()


def _f1(precision: float, recall: float) -> Score:
    return Score(2 * precision * recall / max(1e-9, precision + recall), precision, recall)


def ours(name: str, **settings: Any) -> Callable[[list[Gold]], list[str]]:
    """The stage itself, on batches of 64 pages."""
    from corpus.documents import CHARSET, CORE, HTML, Batch
    from stages.extract import Extract

    stage = Extract(engine=name, **settings)  # type: ignore[arg-type]

    def texts(pages: list[Gold]) -> list[str]:
        out: list[str] = []
        for start in range(0, len(pages), 64):
            some = pages[start : start + 64]
            schema = pa.schema([*CORE, pa.field(HTML, pa.large_binary()), pa.field(CHARSET, pa.string())])
            none = [""] * len(some)
            columns = [none, none, none, [page.html for page in some], [page.charset for page in some]]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            out += stage.annotate(Batch(pa.record_batch(arrays, schema=schema)))["text"].to_pylist()
        return [text or "" for text in out]

    return texts


def peers() -> dict[str, Callable[[list[Gold]], list[str]]]:
    """What is installed of trafilatura as it comes, resiliparse as it comes, readability-lxml and jusText."""
    made: dict[str, Callable[[str], str | None]] = {}
    try:
        import trafilatura

        made["trafilatura (stock)"] = trafilatura.extract
        made["trafilatura (fast)"] = lambda page: trafilatura.extract(page, fast=True, include_comments=False)
    except ImportError:
        pass
    try:
        from resiliparse.extract.html2text import extract_plain_text

        made["resiliparse (stock)"] = lambda page: extract_plain_text(page, main_content=True)
    except ImportError:
        pass
    try:
        import lxml.html
        from readability import Document

        made["readability-lxml"] = lambda page: lxml.html.fromstring(Document(page).summary()).text_content()
    except ImportError:
        pass
    try:
        import justext

        words = frozenset().union(*(justext.get_stoplist(name) for name in ("English", "German", "French", "Spanish")))
        made["jusText"] = lambda page: "\n".join(p.text for p in justext.justext(page, words) if not p.is_boilerplate)
    except ImportError:
        pass
    return {name: _over(one) for name, one in made.items()}


def _over(one: Callable[[str], str | None]) -> Callable[[list[Gold]], list[str]]:
    from stages.extraction.charset import utf8

    def texts(pages: list[Gold]) -> list[str]:
        out = []
        for page in pages:
            try:
                out.append(one(utf8(page.html, page.charset).decode("utf-8", "replace")) or "")
            except Exception:  # a peer that fails on a page has no text of it
                out.append("")
        return out

    return texts


def _cpu() -> float:
    """CPU seconds of this process and of the children it waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def timed(texts: Callable[[list[Gold]], list[str]], pages: list[Gold]) -> tuple[list[str], float]:
    """The texts and the CPU seconds they took; a child's start is taken off."""
    from stages.extraction import limits

    texts(pages[:1])
    limits.close_all()
    idle = _cpu()
    texts(pages[:1])
    limits.close_all()
    start = _cpu()
    found = texts(pages)
    limits.close_all()
    return found, max(1e-9, _cpu() - start - (start - idle))


def main() -> None:
    """Print a Markdown table, a row an engine and set."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("folder", nargs="?", type=Path, default=ROOT.parent / "shared/data/html_gold")
    ask.add_argument("--engines", nargs="*")
    ask.add_argument("--sets", nargs="*", default=SETS[:2], choices=SETS)
    ask.add_argument("--repeat", type=int, default=1)
    given = ask.parse_args()
    engines = {name: ours(name) for name in ("plain", "blocks", "resiliparse", "trafilatura", "cascade")} | peers()
    print("| set | engine | F1 | precision | recall | MB/s |\n| --- | --- | --- | --- | --- | --- |")
    for name in given.sets:
        pages = gold(given.folder, name)
        size = sum(len(page.html) for page in pages) / 1e6
        for engine in given.engines or engines:
            runs = [timed(engines[engine], pages) for _ in range(given.repeat)]
            f1, precision, recall = score(pages, runs[0][0])
            speed = size / min(seconds for _, seconds in runs)
            print(f"| {name} | {engine} | {f1:.4f} | {precision:.4f} | {recall:.4f} | {speed:.1f} |", flush=True)


if __name__ == "__main__":
    main()
