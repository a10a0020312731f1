"""The text of an EPUB: its chapters in the order of the spine, by zipfile and lxml.

A zip may open to a thousand times its size and claim any names: members are read by the names that the package
gives, never written, and what they open to is counted. (EPUB 3.3, https://www.w3.org/TR/epub-33/.)
"""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from lxml import etree, html

from corpus.parsing import Record, Unparsable, joined

_MOST_BYTES = 256_000_000  # opened, in all: the longest novels are 10 MB
_MOST_MEMBERS = 100_000
_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_XML = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
_BLOCKS = {"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ul", "ol", "dl", "dt", "dd", "blockquote", "pre"}
_BLOCKS |= {"section", "article", "aside", "header", "footer", "figure", "figcaption", "table", "tr", "body", "hr"}
_SILENT = {"script", "style", "head", "template", "svg", "math"}


def parsed(raw: bytes) -> Record:
    """text (a blank line between paragraphs), title, author (with semicolons between), language, identifier, date."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            book = _Book(packed)
            text = joined([_chapter(book.read(name)) for name in book.chapters()])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, etree.XMLSyntaxError) as error:
        raise Unparsable(f"not readable as EPUB: {error}") from None
    if not text:
        raise Unparsable("no text in its chapters")
    about = {"title": "title", "author": "creator", "language": "language", "identifier": "identifier", "date": "date"}
    return {"text": text} | {field: book.said(element) for field, element in about.items()}


class _Book:
    """The members of the package by name."""

    def __init__(self, packed: zipfile.ZipFile) -> None:
        self._packed, self._left = packed, _MOST_BYTES
        self._names = set(packed.namelist())
        if len(self._names) > _MOST_MEMBERS:
            raise Unparsable(f"not readable as EPUB: {len(self._names):,} members")
        paths = [item.get("full-path") for item in _tree(self.read(_CONTAINER)).iter("{*}rootfile")]
        if not paths or not paths[0]:
            raise Unparsable("not readable as EPUB: the container names no package")
        self._folder, self._package = posixpath.dirname(paths[0]), _tree(self.read(paths[0]))

    def read(self, name: str) -> bytes:
        """A member's bytes, counted; Unparsable where there is none, or too much by now."""
        if name not in self._names:
            raise Unparsable(f"not readable as EPUB: it lacks {name!r}")
        try:
            with self._packed.open(name) as member:
                content = member.read(self._left + 1)
        except RuntimeError:  # zipfile asks for a password
            raise Unparsable("encrypted") from None
        self._left -= len(content)
        if self._left < 0:
            raise Unparsable(f"opens to more than {_MOST_BYTES // 1_000_000} MB")
        return content

    def chapters(self) -> list[str]:
        """Names of the spine's documents, the table of contents aside, each once."""
        items = {item.get("id"): item for item in self._package.iter("{*}item")}
        spine = [items[ref.get("idref")] for ref in self._package.iter("{*}itemref") if ref.get("idref") in items]
        shown = [item for item in spine if "nav" not in (item.get("properties") or "").split()]
        names = [posixpath.normpath(posixpath.join(self._folder, unquote(item.get("href") or ""))) for item in shown]
        found = [name for name in dict.fromkeys(names) if name in self._names]
        if self._locked() & set(found):
            raise Unparsable("encrypted")
        return found

    def _locked(self) -> set[str]:
        """Members that the encryption file lists; fonts are often among them, and no harm."""
        if _ENCRYPTION not in self._names:
            return set()
        return {unquote(item.get("URI") or "") for item in _tree(self.read(_ENCRYPTION)).iter("{*}CipherReference")}

    def said(self, element: str) -> str | None:
        """What the package says in an element of Dublin Core, several with semicolons between."""
        found = self._package.iter(f"{{http://purl.org/dc/elements/1.1/}}{element}")
        return "; ".join(" ".join((one.text or "").split()) for one in found).strip("; ") or None


def _tree(raw: bytes) -> Any:
    return etree.fromstring(raw, etree.XMLParser(**_XML))


def _chapter(raw: bytes) -> str:
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    parser = html.HTMLParser(encoding="utf-16" if wide else "utf-8", no_network=True, huge_tree=False)
    if not raw.strip() or (tree := etree.fromstring(raw, parser)) is None:
        return ""
    return joined([" ".join(block.split()) if kind != "pre" else block for kind, block in _blocks(tree)])


def _blocks(tree: Any) -> Iterator[tuple[str, str]]:
    """(kind, text) of runs of text between the borders of blocks."""
    held: list[str] = []
    silent = fixed = 0
    for event, element in etree.iterwalk(tree, events=("start", "end", "comment", "pi")):
        begins, name = event == "start", element.tag if isinstance(element.tag, str) else ""
        if name in _BLOCKS or (name == "br" and not fixed):
            yield "pre" if fixed else "", "".join(held)
            held = []
        silent += (name in _SILENT) * (1 if begins else -1)
        fixed += (name == "pre") * (1 if begins else -1)
        said = element.text if begins else element.tail
        if said and not silent:
            held.append(said)
    yield "", "".join(held)
