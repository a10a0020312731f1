"""Main text from web pages: what a reader came for, without menus, teasers, comments and footers.

A source of pages hands on `html` and `charset` while it reads; this stage makes `text` of them and lays what the page
says of itself. Engines, what they were measured at, and the limits: docs/extraction.md. Engines of our own (plain,
blocks) are linear in the page and run here; others run in a child process under limits (stages/extraction/limits.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from corpus.documents import CHARSET, DROP, HTML, TEXT, VALUE, Batch, Columns
from corpus.errors import RecipeError
from stages.base import Column, Local
from stages.extraction import blocks, charset, limits
from stages.extraction.metadata import Told, told
from stages.extraction.walk import MOST_BLOCKS, Page, walked

CAREFUL = {
    "resiliparse": ("stages.extraction.resiliparse", "extracted"),
    "trafilatura": ("stages.extraction.trafilatura", "extracted"),
    "cascade": ("stages.extraction.trafilatura", "quick"),
}
"""What a child process runs for an engine: module and function."""

_HEAD, _MOST_BINARY = 4_096, 0.1
_TEXTUAL = bytes({*range(32, 256), 9, 10, 12, 13, 27} - {127})
_MB = 1e6


@dataclass(slots=True)
class _Row:
    """What became of one page."""

    text: str = ""
    engine: str | None = None
    doubt: float | None = None
    drop: tuple[str, float] | None = None
    said: Told = field(default_factory=lambda: Told(None, None, None, None))


@dataclass(frozen=True, kw_only=True)
class Extract(Local):
    """Make the text of pages, and lay their title, date, canonical address and language.

    Reasons: `too_large` (value: MB), `too_many_blocks` (blocks), `not_html` (share of control bytes at its head),
    `time` (seconds allowed), `memory`, `crash` (1), `empty` (0). RecipeError where a limit is not above 0.
    """

    engine: Literal["plain", "blocks", "resiliparse", "trafilatura", "cascade"] = "cascade"
    markdown: bool = False  # headings, lists, tables, code and formulas as Markdown
    seconds: float = 2.0  # CPU time a page may take in a child: 6 times what the slowest of 996 gold pages took
    max_html_mb: float = 8.0  # MB of 10**6 bytes, as fetched
    doubt: float = 0.5  # cascade: pages above it are asked of trafilatura

    name = "extract"
    reads = (TEXT, HTML, CHARSET)
    rewrites = True

    def __post_init__(self) -> None:
        for name in ("seconds", "max_html_mb"):
            if not getattr(self, name) > 0:
                raise RecipeError(
                    f"extract: {name} is {getattr(self, name)}, which lets no page through; set it above 0"
                )

    @property
    def adds(self) -> Mapping[str, Column]:
        """What a page says of itself, and which engine made the text."""
        return {
            "title": Column(pa.string(), "title of the page, by Open Graph, else its title element"),
            "published": Column(pa.string(), "day of publication that the page states, YYYY-MM-DD"),
            "canonical_url": Column(pa.string(), "absolute address that the page calls its own"),
            "html_lang": Column(pa.string(), "language that the page declares (BCP 47, lower case): a hint"),
            "extract_engine": Column(
                pa.string(), "engine that made the text: plain, blocks, resiliparse or trafilatura"
            ),
            "extract_doubt": Column(
                pa.float64(), "bytes of blocks that were a guess over bytes kept (blocks, cascade)"
            ),
        }

    def annotate(self, batch: Batch) -> Columns:
        """Texts, reasons and what pages say; all null where html is null or the batch has no pages."""
        if HTML not in batch.rows.schema.names:
            return {name: pa.nulls(len(batch), column.type) for name, column in self.adds.items()}
        charsets = batch.column(CHARSET).to_pylist() if CHARSET in batch.rows.schema.names else [None] * len(batch)
        rows: list[_Row | None] = []
        asked: list[tuple[_Row, bytes]] = []
        # A Python loop: 843 pages take 1.4 CPU s in the fast engine, and pages are judged one by one.
        for html, declared in zip(batch.column(HTML), charsets, strict=True):
            rows.append(self._first(html.as_buffer(), declared, asked) if html.is_valid else None)
        self._careful(asked)
        return self._columns(rows)

    def _first(self, html: pa.Buffer, declared: str | None, asked: list[tuple[_Row, bytes]]) -> _Row:
        """What this process makes of a page; `asked` grows by those that a child has to see."""
        if html.size > self.max_html_mb * _MB:
            return _Row(drop=("too_large", html.size / _MB))
        page = charset.utf8(html.to_pybytes(), declared)
        if (binary := _binary(page)) > _MOST_BINARY:
            return _Row(drop=("not_html", binary))
        found = walked(page, self.markdown)
        if len(found.blocks) >= MOST_BLOCKS:
            return _Row(drop=("too_many_blocks", float(len(found.blocks))))
        row = _Row(said=told(page, found))
        if self._own(row, found):
            asked.append((row, page))
        return row

    def _own(self, row: _Row, found: Page) -> bool:
        """Fill the row with our own engines; whether another has to be asked."""
        if self.engine == "plain":
            row.text, row.engine = blocks.plain(found, self.markdown), "plain"
        elif self.engine in ("blocks", "cascade"):
            row.text, row.doubt = blocks.extracted(found, self.markdown)
            row.engine = "blocks"
        return self.engine in CAREFUL and (row.doubt is None or row.doubt > self.doubt)

    def _careful(self, asked: list[tuple[_Row, bytes]]) -> None:
        """Ask the child for the pages; where it finds nothing, our own text stays."""
        if not asked:
            return
        engine = limits.Engine(*CAREFUL[self.engine], self.markdown, self.seconds)
        name = "trafilatura" if self.engine == "cascade" else self.engine
        for (row, _), (text, reason) in zip(
            asked, limits.supervisor(engine).outcomes([p for _, p in asked]), strict=True
        ):
            if reason:
                row.drop, row.text = (reason, self.seconds if reason == limits.TIME else 1.0), ""
            elif text or row.engine is None:
                row.text, row.engine = text, name

    def _columns(self, rows: list[_Row | None]) -> Columns:
        for row in rows:
            if row and not row.drop and not row.text.strip():
                row.drop = ("empty", 0.0)
        kept = [row if row and not row.drop else None for row in rows]
        said = [row.said if row else Told(None, None, None, None) for row in rows]
        reasons = [row.drop if row and row.drop else (None, None) for row in rows]
        return {
            DROP: pa.array([reason for reason, _ in reasons], pa.string()),
            VALUE: pa.array([value for _, value in reasons], pa.float64()),
            TEXT: pa.array([row.text if row else None for row in kept], pa.large_string()),
            **{name: pa.array([getattr(one, name) for one in said], pa.string()) for name in Told._fields},
            "extract_engine": pa.array([row.engine if row else None for row in kept], pa.string()),
            "extract_doubt": pa.array([_finite(row.doubt) if row else None for row in rows], pa.float64()),
        }


def _binary(page: bytes) -> float:
    """The share of control bytes in a page's head: 0 in HTML of any charset, 0.3 in compressed data and images."""
    head = page[:_HEAD]
    return len(head.translate(None, _TEXTUAL)) / max(1, len(head))


def _finite(doubt: float | None) -> float | None:
    """Infinite doubt, where nothing was kept, as null: reports add and average."""
    return doubt if doubt is not None and np.isfinite(doubt) else None
