"""URL rules: documents judged by their address alone, before a byte of text is looked at.

The six rules of the field (RefinedWeb, Penedo et al. 2023, appendix G.1; FineWeb's URL filter): the domain is
listed, a domain above it is, the very address is, it holds a hard word, two soft words, or a sub-word anywhere.
corpus/urls.py says what a domain is: no list of public suffixes is needed where lists name what they mean.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from corpus.buffers import utf8
from corpus.documents import DROP, VALUE, Batch, Columns
from corpus.errors import RecipeError, StageError
from corpus.urls import bare, canonical, complete, parse
from stages.automaton import Automaton, automaton
from stages.base import Column, Local
from stages.lists import lines
from stages.url_lists import Listed, category_files, listed
from stages.url_walk import MOST_SOFT, Places, found_places, walk_domains, walk_subwords, walk_words

REASONS = ("domain", "subdomain", "url", "word", "soft_words", "subword")
"""What `drop` holds, in the order in which rules are asked."""

_PLAIN_DOMAIN = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_-]{1,63}\.)+[a-z][a-z0-9_-]{0,62}")

WORDS_FILE = Path(__file__).with_name("url_words.txt")


class Lists(NamedTuple):
    """What the rules go by, read once a worker."""

    domains: Listed
    urls: Listed  # as `_key` writes them
    url_hosts: Listed
    words: Listed
    soft_words: Listed
    subwords: Automaton | None
    subword_list: list[str]


@dataclass(frozen=True, kw_only=True)
class UrlRules(Local):
    """Drop documents whose address is on a list or holds words that a list bans; those without one are kept."""

    url_column: str = "url"  # a field of the source
    lists: str | None = None  # folder in UT1's layout: category/domains, category/urls, plain or .gz
    categories: tuple[str, ...] = ()  # of that folder
    words: str | None = None  # files with a word a line in place of the bundled ones
    soft_words: str | None = None
    subwords: str | None = None
    min_soft_words: int = 2

    name = "url_rules"

    def __post_init__(self) -> None:
        if (self.lists is None) != (not self.categories):
            raise RecipeError(
                "url_rules: `lists` (a folder) and `categories` (of it, say [adult]) go together: set both"
            )
        if not 1 <= self.min_soft_words <= MOST_SOFT:
            raise RecipeError(f"url_rules: min_soft_words {self.min_soft_words:,} must be 1 to {MOST_SOFT}")

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # a setting names it
        """The column of addresses."""
        return (self.url_column,)

    @property
    def files(self) -> tuple[str, ...]:
        """The lists, whose content is part of what the stage is. RecipeError where a category has none."""
        given = [file for file in (self.words, self.soft_words, self.subwords) if file is not None]
        return (*self._categories("domains"), *self._categories("urls"), *given)

    def _categories(self, kind: str) -> tuple[str, ...]:
        return category_files(self.lists, self.categories, kind) if self.lists is not None else ()

    @property
    def adds(self) -> Mapping[str, Column]:
        """Whether there was an address to judge, its soft words, and the entry that hit."""
        return {
            "url_read": Column(pa.bool_(), "whether the document has an address that can be read; others are kept"),
            "url_soft_words": Column(pa.int64(), f"different soft words in the address, at most {MOST_SOFT}"),
            "url_entry": Column(pa.string(), "the entry of a list that dropped the document; of soft words the first"),
        }

    @cached_property
    def _lists(self) -> Lists:
        urls = [key for file in self._categories("urls") for line in lines(file) if (key := _key(line))]
        domains = (_domain(line) for file in self._categories("domains") for line in lines(file))
        subwords = sorted(set(self._words("subword", self.subwords)))
        return Lists(
            listed(domains), listed(urls), listed(key.partition("/")[0] for key in urls),
            listed(self._words("hard", self.words)), listed(self._words("soft", self.soft_words)),
            automaton([word.encode() for word in subwords]) if subwords else None, subwords,
        )  # fmt: skip

    def _words(self, kind: str, file: str | None) -> list[str]:
        """Entries as the walk reads addresses: lower-case, ASCII letters and digits and what is beyond ASCII."""
        if file is not None:
            return [word for line in lines(file) if (word := _squeezed(line))]
        rows = (line.split(" ", 1) for line in lines(str(WORDS_FILE)))
        return [_squeezed(word) for said, word in rows if said == kind]

    def annotate(self, batch: Batch) -> Columns:
        """The columns of `adds`, and the first of REASONS; `value` is 1, or how many soft words there were."""
        if self.url_column not in batch.rows.schema.names:
            raise StageError(
                f"url_rules: no column {self.url_column!r}, which should hold the addresses; there are: "
                f"{', '.join(batch.rows.schema.names)}. Name it in the source's `fields: [{self.url_column}]`."
            )
        urls = batch.column(self.url_column)
        found = Places.of(urls)
        hit, soft = self._hits(found, urls)
        rule = hit[0]
        dropped = rule >= 0
        value = np.where(rule == REASONS.index("soft_words"), soft, 1).astype(np.float64)
        return {
            DROP: pa.array(REASONS, pa.string()).take(pa.array(rule, mask=~dropped)),
            VALUE: pa.array(value, mask=~dropped),
            "url_read": pa.array(found.read),
            "url_soft_words": pa.array(soft),
            "url_entry": self._entries(hit),
        }

    def _hits(self, found: Places, urls: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Rule and entry of each document (int64 [2, N], -1 where none), and its soft words (int64 [N])."""
        lists = self._lists
        n = len(urls)
        hit, soft = np.full((2, n), -1, np.int64), np.zeros(n, np.int64)
        on_host = np.zeros(n, np.bool_)
        hosts = (found.host_starts, found.host_ends)
        walk_domains(found.text, *hosts, found.is_ip, tuple(lists.domains), tuple(lists.url_hosts), hit, on_host)
        self._listed_urls(urls, np.flatnonzero(on_host & (hit[0] < 0)), hit)
        spans = (found.text, found.starts, found.ends)
        walk_words(*spans, tuple(lists.words), tuple(lists.soft_words), self.min_soft_words, hit, soft)
        if lists.subwords is not None:
            a = lists.subwords
            walk_subwords(*spans, a.classes, a.moves, a.width, a.ending, a.patterns, hit)
        hit[:, ~found.read], soft[~found.read] = -1, 0
        return hit, soft

    def _listed_urls(self, urls: pa.Array, asked: np.ndarray, hit: np.ndarray) -> None:
        """A Python loop over addresses on a host with listed addresses: 1 in 100 of a crawl, 8 us each."""
        if not len(asked):
            return
        keys = pa.array([_key(url) or "" for url in urls.take(pa.array(asked)).to_pylist()], pa.large_string())
        places = found_places(*utf8(keys), tuple(self._lists.urls))
        at = asked[places >= 0]
        hit[0, at], hit[1, at] = REASONS.index("url"), places[places >= 0]

    def _entries(self, hit: np.ndarray) -> pa.Array:
        """The text of each entry that hit: string [N]; a Python loop over what is dropped, 1 us each."""
        lists = self._lists
        of = (lists.domains, lists.domains, lists.urls, lists.words, lists.soft_words)
        dropped = hit[0] >= 0
        said = [
            lists.subword_list[entry] if rule == len(of) else of[rule].entry(entry)
            for rule, entry in hit.T[dropped].tolist()
        ]
        return pa.array(said, pa.string()).take(pa.array(np.cumsum(dropped) - 1, mask=~dropped))


def _squeezed(word: str) -> str:
    return "".join(c for c in word.lower() if c.isalnum() or not c.isascii())


def _domain(line: str) -> str:
    """A listed domain as hosts are written; entries that are none (a path, a stray character) match nothing."""
    if _PLAIN_DOMAIN.fullmatch(line):  # 99 in 100; `parse` takes ten times as long
        return bare(line)
    url = parse(complete(line))
    return bare(url.host) if url else ""


def _key(url: str) -> str | None:
    """An address without its scheme and `www.`, as lists write them and in one spelling; None where it is none."""
    written = canonical(complete(url))
    return None if written is None else _bare_key(written.partition("://")[2])


def _bare_key(key: str) -> str:
    host, slash, rest = key.partition("/")
    return bare(host) + slash + rest
