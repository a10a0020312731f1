"""What a page says of itself: title, date, canonical address, language. From the marks of the walk, nothing guessed.

Sources: <title> and Open Graph (ogp.me), article:published_time and JSON-LD `datePublished` (schema.org), <time>,
Dublin Core, <link rel=canonical>, the html element's lang. Work is bounded: the first MOST_MARKS tags, 4 kB of each.
"""

import re
from datetime import date
from html import unescape
from typing import NamedTuple

from stages.extraction import tags as t
from stages.extraction.walk import Page

MOST_MARKS = 400  # heads come first; 10**6 of them at 6 us would cost seconds
_MOST_BYTES, _MOST_SCRIPT = 4_096, 200_000
_ATTRIBUTE = re.compile(r"""(?<![\w:-])([a-zA-Z:_-]{1,40})\s{0,20}=\s{0,20}("[^"]*"|'[^']*'|[^\s"'>]+)""")
_WANTED = (b"<html", b"<time", b"canonical", b"og:", b"language", b"date", b"dc", b"publish")
"""A tag is read where it holds one of these: six of seven tags of real pages do not, and reading one takes 6 us."""
_NAME = re.compile(rb"<(/?[a-zA-Z]+)")
_PUBLISHED = re.compile(rb'"datePublished"\s{0,20}:\s{0,20}"([^"]{8,40})"')
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
_LANG = re.compile(r"[a-zA-Z]{2,3}(?:[-_][a-zA-Z0-9]{1,8}){0,3}")
_SPACE = re.compile(r"\s+")
_DATES = (
    "article:published_time", "datepublished", "date", "dc.date", "dc.date.issued", "dcterms.created", "dcterms.date",
    "dcterms.issued", "pubdate", "publishdate", "publish-date", "sailthru.date", "parsely-pub-date",
)  # fmt: skip
"""Names of meta elements that hold a day of publication, the surest first."""


class Told(NamedTuple):
    """Each null where the page does not say."""

    title: str | None
    published: str | None  # YYYY-MM-DD
    canonical_url: str | None
    html_lang: str | None  # a language tag (BCP 47), lower case


def told(html: bytes, page: Page) -> Told:
    """What the marks of a page say."""
    metas: dict[str, str] = {}
    title = canonical = lang = day = None
    scripts = 0
    for kind, start, end in page.marks[:MOST_MARKS].tolist():
        raw = html[start : min(end, start + _MOST_BYTES)]
        small = raw.lower()
        if kind == t.TITLE:
            title = title or _text(raw.partition(b">")[2].decode("utf-8", "replace"))
        elif kind == t.SCRIPT:
            if scripts < 8 and b"ld+json" in small[:200]:
                scripts += 1
                found = _PUBLISHED.search(html, start, min(end, start + _MOST_SCRIPT))
                day = day or (_day(found[1].decode("utf-8", "replace")) if found else None)
        elif any(word in small for word in _WANTED):
            name, attributes = _NAME.match(raw), _attributes(raw)
            canonical, lang = _of_tag(name[1].lower() if name else b"", attributes, metas, canonical, lang)
    dates = [day] + [_day(metas[name]) for name in _DATES if name in metas] + [_day(metas.get("<time>", ""))]
    address = canonical if _absolute(canonical) else metas.get("og:url")
    lang = lang or _language(metas.get("content-language"))
    best = metas.get("og:title") or title
    return Told(best, next(filter(None, dates), None), address if _absolute(address) else None, lang)


def _of_tag(
    name: bytes, given: dict[str, str], metas: dict[str, str], canonical: str | None, lang: str | None
) -> tuple[str | None, str | None]:
    """Takes a meta or time element into `metas`; canonical address and language, newer or as they were."""
    if name == b"html":
        return canonical, lang or _language(given.get("lang") or given.get("xml:lang"))
    if name == b"link" and "canonical" in given.get("rel", "").lower().split():
        return canonical or given.get("href"), lang
    if name == b"time" and "datetime" in given:
        metas.setdefault("<time>", given["datetime"])
    if name == b"meta":
        key = given.get("property") or given.get("name") or given.get("itemprop") or given.get("http-equiv") or ""
        if key and (content := _text(given.get("content", ""))):
            metas.setdefault(key.lower(), content)
    return canonical, lang


def _attributes(raw: bytes) -> dict[str, str]:
    found = _ATTRIBUTE.findall(raw.decode("utf-8", "replace"))
    return {name.lower(): unescape(value.strip("\"'")) for name, value in reversed(found)}


def _text(raw: str) -> str | None:
    return _SPACE.sub(" ", unescape(raw)).strip()[:1_000] or None


def _day(said: str) -> str | None:
    """The day that an ISO date begins with, if there is such a day."""
    if not _DAY.match(said.strip()):
        return None
    try:
        return date.fromisoformat(said.strip()[:10]).isoformat()
    except ValueError:
        return None


def _language(said: str | None) -> str | None:
    found = _LANG.match(said.strip()) if said else None
    return found[0].lower().replace("_", "-") if found else None


def _absolute(address: str | None) -> bool:
    return address is not None and address.lower().startswith(("http://", "https://"))
