"""Wikitext as readable text, by mwparserfromhell: 0.4 MB/s, and quadratic on hostile input (`{{a|` 10,000 times
takes a minute), hence the limits. What readers of the rendered page skip is dropped: templates, tables, references,
images and category links. Lists keep a star, code its fence, mathematics its LaTeX between dollars.
"""

import re
from collections.abc import Iterable
from typing import Any

import mwparserfromhell
from mwparserfromhell import nodes

from corpus.parsing import Record, Unparsable, fenced

MOST_BYTES = 2 << 20
"""The longest page MediaWiki saves: $wgMaxArticleSize, 2,048 KiB (https://www.mediawiki.org/wiki/Manual:$wgMaxArticleSize)."""

_DROPPED = {
    "gallery",
    "imagemap",
    "maplink",
    "mapframe",
    "ref",
    "references",
    "score",
    "style",
    "table",
    "templatestyles",
}
_DROPPED |= {"timeline", "indicator", "categorytree", "inputbox", "graph", "section"}
_CODE = {"pre", "source", "syntaxhighlight"}
_MEDIA = re.compile(r"\.(?:jpe?g|png|svg|gif|tiff?|webp|web[mp]|og[gav]|mp[34]|midi?|flac|wav|pdf|djvu|stl)\Z", re.I)
_SHOWN = {
    "lang": 2,
    "transliteration": 2,
    "transl": 2,
    "nowrap": 1,
    "nobr": 1,
    "small": 1,
    "big": 1,
    "em": 1,
    "strong": 1,
}
"""Templates that only dress one of their arguments: its number."""

_MOST_WORK = 20_000_000  # marks never closed x characters: for each the parser looks through the rest. 1e8 took 12 s
_PAIRS = (("{{", "}}"), ("[[", "]]"), ("{|", "|}"), ("<", ">"))
_OPENING = re.compile(r"<(?!(?:br|hr|wbr|li|dt|dd|p|tr|td|th)\b)[a-z]", re.I)

Piece = str | tuple[int, str]  # text, or a heading with its level


def parsed(raw: bytes) -> Record:
    """`text` of a page. raw: names of namespaces whose links are not shown, with bars between; newline; wikitext."""
    names, _, wikitext = raw.decode().partition("\n")
    if len(raw) > MOST_BYTES + len(names):
        raise Unparsable(f"longer than a page can be ({MOST_BYTES:,} bytes of wikitext)")
    if _unclosed(wikitext) * len(wikitext) > _MOST_WORK:
        raise Unparsable(f"too many marks that are never closed: {_unclosed(wikitext):,}")
    out: list[Piece] = []
    hidden = frozenset(name.strip().lower() for name in names.split("|") if name)
    _render(mwparserfromhell.parse(wikitext, skip_style_tags=True), hidden, out)
    return {"text": _tidy("".join(_headed(out)))}


def _open_at_end(wikitext: str, opens: str, closes: str) -> int:
    """How many brackets nothing behind them closes."""
    depth = 0
    for mark in re.finditer(f"{re.escape(opens)}|{re.escape(closes)}", wikitext):
        depth = depth + 1 if mark[0] == opens else max(0, depth - 1)
    return depth


def _unclosed(wikitext: str) -> int:
    """Brackets and tags that nothing closes, by number: the bytes decide, not the machine's speed."""
    pairs = sum(_open_at_end(wikitext, opens, closes) for opens, closes in _PAIRS)
    tags = len(_OPENING.findall(wikitext)) - wikitext.count("</") - wikitext.count("/>")
    return pairs + max(0, tags)


def _render(code: Any, hidden: frozenset[str], out: list[Piece]) -> None:
    for node in code.nodes:
        if isinstance(node, nodes.Text):
            out.append(node.value.replace("'''''", "").replace("'''", "").replace("''", ""))
        elif isinstance(node, nodes.Wikilink):
            _link(node, hidden, out)
        elif isinstance(node, nodes.Tag):
            _tag(node, hidden, out)
        elif isinstance(node, nodes.Heading):
            out.append((node.level, _inside(node.title, hidden).strip()))
        elif isinstance(node, nodes.ExternalLink):
            if node.title is not None:
                _render(node.title, hidden, out)
            elif not node.brackets:
                out.append(str(node.url))
        elif isinstance(node, nodes.HTMLEntity):
            out.append(node.normalize())
        elif isinstance(node, nodes.Template):
            _template(node, hidden, out)


def _inside(code: Any, hidden: frozenset[str]) -> str:
    out: list[Piece] = []
    _render(code, hidden, out)
    return "".join(piece for piece in out if isinstance(piece, str))


def _link(node: Any, hidden: frozenset[str], out: list[Piece]) -> None:
    title = str(node.title).strip()
    space = title.partition(":")[0].strip().lower() if ":" in title else None
    if space in hidden or (space and _MEDIA.search(title)):
        return
    if node.text is not None:
        _render(node.text, hidden, out)
    else:
        out.append(title.removeprefix(":"))


def _tag(node: Any, hidden: frozenset[str], out: list[Piece]) -> None:
    name = str(node.tag).strip().lower()
    if name == "li" and node.wiki_markup:
        nested = out and out[-1] in ("* ", "  * ")
        out[-1:] = ["  ", "* "] if nested else [*out[-1:], "* "]
    elif (name in ("br", "dt", "dd") and node.contents is None) or name in _DROPPED:
        out.append("\n" if name == "br" else "")
    elif name == "math" or name == "chem":
        out.append(f"${str(node.contents).strip()}$")
    elif name in _CODE:
        language = next((str(a.value).strip() for a in node.attributes if str(a.name).strip() == "lang"), "")
        out.append("\n" + fenced(str(node.contents).strip("\n"), language if language.isalnum() else "") + "\n")
    elif node.contents is not None:
        _render(node.contents, hidden, out)


def _template(node: Any, hidden: frozenset[str], out: list[Piece]) -> None:
    place = _SHOWN.get(str(node.name).strip().lower())
    if place is not None and node.has(str(place)):
        _render(node.get(str(place)).value, hidden, out)


def _headed(pieces: list[Piece]) -> Iterable[str]:
    """The pieces, headings on lines of their own; one with nothing below it is left out."""
    kept: list[str] = []
    shown = 7  # the highest level (1 is highest) that has text between here and the end, by way of its children
    filled = False
    for piece in reversed(pieces):
        if isinstance(piece, str):
            kept.append(piece)
            filled = filled or (not piece.isspace() and piece not in ("", "* "))
        elif filled or (shown > piece[0] and shown < 7):
            kept.append(f"\n\n{piece[1]}\n\n")
            shown, filled = piece[0], False
        else:
            kept.append("\n\n")
    return reversed(kept)


def _tidy(text: str) -> str:
    """No blanks at the ends of lines, never two blank lines in a row."""
    kept: list[str] = []
    for line in map(str.rstrip, text.split("\n")):
        indent, star, item = line.partition("* ")
        if star and not indent.strip():
            line = f"{indent}* {item.lstrip()}" if item.strip("* ") else ""
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip("\n")
