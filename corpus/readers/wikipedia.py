"""Wikipedia dumps (pages-articles .xml, .xml.bz2, multistream too): an article is a document, its wikitext as text.

The stream is cut at `<page>` and `</page>`, which cannot occur in a page's own text (MediaWiki escapes every `<`),
and each page is parsed alone: no document type, hence no entities to blow up, and a broken page costs itself.
Of several revisions the last is read. Wikitext is made text in a process with limits (corpus/parsing/wikitext.py).
"""

import html
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote
from xml.parsers import expat

from corpus.readers.base import Fault, Piece, longer_than
from corpus.readers.record import only, row
from corpus.readers.supervised import Supervised, needs
from corpus.source import Extent, Read, Source, Unit
from corpus.streams import Damage, blocks

SUFFIXES = ("-pages-articles.xml", "-pages-articles-multistream.xml", "-pages-meta-current.xml")
"""Others (`.xml-p1p41242.bz2`, other wikis) are read by `format: wikipedia`: not every .xml in a folder is a dump."""

FIELDS = ("text", "id", "title", "url", "date", "revision", "wikitext")
SECONDS, MEGABYTES = 20, 2000  # for a page: 2 MiB of real wikitext take 5 s and 500 MB

refuse = only("wikipedia", FIELDS, lambda: needs("wikipedia", "mwparserfromhell", "wikipedia"))

_TAG = re.compile(rb"</?page>")
_BASE = re.compile(rb"<base>([^<]{1,500})</base>")
_SPACE = re.compile(rb'<namespace key="(-2|6|14)"[^<>]{0,100}>([^<]{1,100})</namespace>')
_HIDDEN = ("File", "Image", "Media", "Category")
_ARTICLES = "0"  # the number of the namespace
_WANTED = {
    "page/title": "title",
    "page/ns": "ns",
    "page/id": "id",
    "page/revision/id": "revision",
    "page/revision/timestamp": "date",
    "page/revision/model": "model",
    "page/revision/text": "wikitext",
}
_DEEPEST = 20  # tags inside tags; the schema of export 0.11 has 5


class Page(NamedTuple):
    """The bytes of a page element. `cause` says why it is not whole; `raw` is its head then."""

    begin: int  # decompressed bytes from the start of the file
    raw: bytes
    cause: str | None = None


class Site(NamedTuple):
    """What a dump says of its wiki: the folder of its addresses, and namespaces whose links a reader does not see."""

    folder: str | None
    hidden: str


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """The articles of a unit in order, in pieces of about 8 MB; other pages are skipped by kind.

    Raises SourceError where a file cannot be opened.
    """
    piece = Piece(source)
    with Supervised("wikitext", SECONDS, MEGABYTES) as child:
        for extent in unit.extents:
            site = _site(extent)
            end = extent.end if extent.end >= 0 else sys.maxsize
            for page in pages(blocks(extent.url, extent.start), source.max_record_mb, end):
                try:
                    _add(page, extent, source, site, child, piece)
                except Fault as fault:
                    piece.add_bad(extent.name, page.begin, fault.cause, page.raw)
                if piece.full:
                    yield piece.take()
    if piece:
        yield piece.take()


def _add(page: Page, extent: Extent, source: Source, site: Site, child: Supervised, piece: Piece) -> None:
    if page.cause is not None:
        raise Fault(page.cause)
    found = _elements(page.raw)
    kind = _no_article(found)
    if kind is not None:
        piece.skip(kind)
        return
    wikitext = found.get("wikitext") or ""
    if source.text_field == "text":
        found |= child.parse(f"{site.hidden}\n{wikitext}".encode())
    title = found.get("title") or ""
    found["url"] = site.folder + quote(title.replace(" ", "_"), safe="/:,()'!*;@") if site.folder else None
    piece.add(row(found, f"{extent.name}#{page.begin}", source), len(page.raw))


def _no_article(found: dict[str, str | None]) -> str | None:
    """What a page is that is no document."""
    space, model = found.get("ns") or _ARTICLES, found.get("model") or "wikitext"
    if space != _ARTICLES:
        return f"namespace {space[:8]}"
    if "redirect" in found:
        return "redirect"
    if model != "wikitext":
        return f"model {model[:32]}"
    return None if found.get("wikitext") is not None else "without text"


def _elements(raw: bytes) -> dict[str, str | None]:
    """The wanted elements of a page by name; of those that repeat the last. Raises Fault where it is no XML."""
    path: list[str] = []
    found: dict[str, str | None] = {}
    parts: list[str] = []

    def begin(name: str, _: dict[str, str]) -> None:
        path.append(name)
        parts.clear()
        if len(path) > _DEEPEST:
            raise Fault("broken XML: nested too deeply")

    def end(_: str) -> None:
        here = "/".join(path)
        path.pop()
        if here in _WANTED:
            found[_WANTED[here]] = "".join(parts)
        elif here == "page/redirect":
            found["redirect"] = ""
        parts.clear()

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, parts.append
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise Fault(f"broken XML: {expat.ErrorString(error.code)}") from None
    return found


def _site(extent: Extent) -> Site:
    """From the head of the file, which every unit of it looks at."""
    try:
        head = next(blocks(extent.url), (0, b""))[1][:1_000_000]
    except Damage:
        head = b""
    base = _BASE.search(head)
    folder = html.unescape(base[1].decode("utf-8", "replace")).rpartition("/")[0] + "/" if base else None
    names = [html.unescape(name.decode("utf-8", "replace")) for _, name in _SPACE.findall(head)]
    return Site(folder, "|".join(name.replace("\n", " ") for name in (*_HIDDEN, *names)))


def pages(stream: Iterator[tuple[int, bytes]], limit_mb: float, end: int = sys.maxsize) -> Iterator[Page]:
    """Pages that begin before `end`. One above the limit is not held; damage ends all.

    stream: (offset, bytes) without gaps, from any byte: what comes before the first `<page>` is passed over.
    """
    held, at, inside, limit = bytearray(), 0, False, int(limit_mb * 1e6)
    try:
        for offset, block in stream:
            at = at if held else offset
            looked = max(len(b"<page>") if inside else 0, len(held) - 6)  # a tag may lie across two blocks
            held += block
            while tag := _TAG.search(held, looked):
                opens, (first, looked) = tag[0] == b"<page>", tag.span()
                if inside:
                    yield _page(at, held[: first if opens else looked], opens, limit_mb)
                if opens and at + first >= end:
                    return
                gone = first if opens else looked
                del held[:gone]
                at, looked, inside = at + gone, looked - gone, opens
            if not inside or len(held) - 6 > limit:
                if inside:
                    yield Page(at, bytes(held[:200]), longer_than(limit_mb))
                inside, gone = False, max(0, len(held) - 6)
                del held[:gone]
                at += gone
            if not inside and at >= end:
                return
    except Damage as damage:
        cause = f"damaged stream: the rest of the file is lost ({damage.cause})"
        yield Page(at if inside else damage.offset, bytes(held[:200]), cause)
        return
    if inside:
        yield _page(at, held, True, limit_mb)


def _page(at: int, raw: bytearray, unclosed: bool, limit_mb: float) -> Page:
    if len(raw) > limit_mb * 1e6:
        return Page(at, bytes(raw[:200]), longer_than(limit_mb))
    return Page(at, bytes(raw), "broken XML: the page is never closed" if unclosed else None)
