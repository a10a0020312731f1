"""Pages for the tests of stages that run while reading: a stage that makes their text, a crawl, and a run to kill.

Run as a program (`python -m tests.e2e.pages RECIPE AT WORKERS`) it runs a recipe that may name the stage.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from corpus.documents import CHARSET, DROP, HTML, TEXT, VALUE, Batch, Columns
from pipeline.engines import engine
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import load
from pipeline.run import Run
from stages.base import Column, Local
from stages.table import TABLE as HOUSE
from tests.laws.corpora import planted

TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, kw_only=True)
class PageText(Local):
    """The text of pages without their tags and title; a page of fewer than `least` characters goes."""

    name = "page_text"
    reads = (HTML, CHARSET)
    rewrites = True
    least: int = 1

    @property
    def adds(self) -> Mapping[str, Column]:
        return {
            "title": Column(pa.string(), "the page's title"),
            "tags": Column(pa.int64(), "how many tags it had"),
        }

    def annotate(self, batch: Batch) -> Columns:
        """Null where there is no page."""
        pages = batch.rows.column(HTML).to_pylist() if HTML in batch.rows.schema.names else [None] * len(batch)
        rows = [self._made(page) for page in pages]
        types = (pa.large_string(), pa.string(), pa.int64(), pa.string(), pa.float64())
        columns = list(zip(*rows, strict=True)) or [()] * 5
        named = zip((TEXT, "title", "tags", DROP, VALUE), columns, types, strict=True)
        return {name: pa.array(values, type_) for name, values, type_ in named}

    def _made(self, page: bytes | None) -> tuple:
        if page is None:
            return (None,) * 5
        html = page.decode("utf-8", "replace")
        title = TITLE.search(html)
        text = TAG.sub("", TITLE.sub("", html)).strip()
        dropped = ("empty", float(len(text))) if len(text) < self.least else (None, None)
        return (None if dropped[0] else text, title and title[1], len(TAG.findall(html)), *dropped)


TABLE = HOUSE | {"page_text": PageText}


def crawl(folder: Path, count: int = 400, seed: int = 1) -> list[dict]:
    """Two files of pages, one of them with broken lines; the good records in order."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [text for text in planted(count, seed) if "\x00" not in text]
    rows = [
        {
            "id": f"p{n:04d}",
            "url": f"http://{'xxx' if n % 7 == 0 else 'a'}.com/{n}",
            "html": f"<html><title>page {n}</title>{_body(n, text)}</html>",
            "site": f"s{n % 3}",
        }
        for n, text in enumerate(texts)
    ]
    half = len(rows) // 2
    for name, some in (("a", rows[:half]), ("b", rows[half:])):
        lines = [json.dumps(row) + "\n" for row in some]
        (folder / f"{name}.jsonl").write_text("".join(lines) + ('{"id": "x"}\nno\n' if name == "b" else ""))
    return rows


def _body(n: int, text: str) -> str:
    """The text as a paragraph, most of them ended, before a line that is none; nothing where it is blank."""
    return f"<p>{text.replace('<', ' ')}{'.' if n % 11 else ''}</p>\nread on" if text.strip() else ""


FUSED = ["url_rules", {"page_text": {"least": 5}}, {"gopher_quality": {"min_words": 30}}, {"c4": {"min_sentences": 1}}]
LATER = ["pii", "exact", "minhash"]


def recipe(folder: Path, **more: object) -> dict:
    """A recipe for `crawl`, whose stages run while reading up to C4; shards of 0.02 MB so that there are many."""
    source = {"path": f"{folder}/*.jsonl", "html_field": "html", "domain_field": "site", "fields": ["url"]}
    whole = {"name": "crawl", "sources": [source], "while_reading": FUSED, "stages": LATER, "shard_mb": 0.02}
    return whole | more


def run(path: str, at: str, how: str, workers: int, batch_rows: int = 1_024) -> dict:
    """The report of a run."""
    with engine(how, workers) as workforce:
        return Run(load(path, table=TABLE), Home(at), workforce, Silent(), batch_rows)()


if __name__ == "__main__":
    from tests.e2e import pages

    pages.run(sys.argv[1], sys.argv[2], "local", int(sys.argv[3]))  # by its own name: workers import the stage by it
