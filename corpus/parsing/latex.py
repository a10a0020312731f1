"""LaTeX with code and prose apart, by pylatexenc: what a reader of the page reads, formulas as they are written.

The text is the document's body: no preamble, no comments, headings as in Markdown, listings as fenced blocks.
Macros that the file defines are not expanded; one that is unknown leaves its arguments.
"""

from typing import Any

from pylatexenc import latexwalker, macrospec
from pylatexenc.latex2text import EnvironmentTextSpec, LatexNodes2Text, MacroTextSpec, get_default_latex_context_db

from corpus.parsing import Record, Unparsable, fenced, joined

MOST_BYTES = 4_000_000  # 0.26 MB/s: 15 s, a quarter of what the reader allows; the Stacks project is 6 MB in 30 files

_LISTINGS = ("verbatim", "verbatim*", "Verbatim", "lstlisting", "minted", "alltt", "code")
_HEADINGS = ("part", "chapter", "section", "subsection", "subsubsection")
_LEVELS = dict(zip(_HEADINGS, ("#", "#", "##", "###", "####"), strict=True))
_CITATIONS = ("citep", "citet", "autocite", "parencite", "textcite")
_BIBLIOGRAPHY = ("thebibliography",)
_MARK = "\ue000"  # private use: stands for a listing while macros are made text


def parsed(raw: bytes) -> Record:
    """text, prose and code (each joined), languages, title. Bytes that are not UTF-8 are taken for Latin-1."""
    if len(raw) > MOST_BYTES:
        raise Unparsable(f"longer than {MOST_BYTES:,} bytes of LaTeX")
    try:
        source = raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        source = raw.decode("latin-1")  # TeX's own inputenc default for decades; it has a letter for every byte
    if "\0" in source:
        raise Unparsable("NUL in the text")
    source = source.replace("\r\n", "\n").replace(_MARK, "")
    body, listings, languages = _without_listings(_body(source))
    plain = _tidy(_text(body))
    title = _braced(source, "\\title")
    parts = plain.split(_MARK)
    blocks = [fenced(code, language) for code, language in zip(listings, languages, strict=True)]
    text = [part for pair in zip(parts, [*blocks, ""], strict=False) for part in pair]
    return {
        "text": joined(text),
        "prose": joined(parts),
        "code": joined(listings),
        "languages": ",".join(dict.fromkeys(filter(None, languages))) or None,
        "title": _tidy(_text(title)) or None if title else None,
    }


def _body(source: str) -> str:
    """What is between \\begin{document} and \\end{document}; all where there is none (a chapter of a book)."""
    _, begun, rest = source.partition("\\begin{document}")
    return rest.partition("\\end{document}")[0] if begun else source


def _without_listings(body: str) -> tuple[str, list[str], list[str]]:
    """The body with a mark for each listing, the listings, and their languages ("" where they name none)."""
    kept, listings, languages, at = [], [], [], 0
    while (begin := body.find("\\begin{", at)) >= 0:
        name = body[begin + 7 : begin + 27].partition("}")[0]
        start = begin + 8 + len(name)
        end = body.find(f"\\end{{{name}}}", start) if name in _LISTINGS else -1
        line = body.rfind("\n", 0, begin) + 1
        if end < 0 or "%" in body[line:begin]:
            kept.append(body[at : begin + 7])
            at = begin + 7
            continue
        code, language = _listing(body[start:end])
        kept += [body[at:begin], f"\n\n{_MARK}\n\n"]
        listings.append(code)
        languages.append(language)
        at = end + 6 + len(name)
    return "".join([*kept, body[at:]]), listings, languages


def _listing(inside: str) -> tuple[str, str]:
    """The code behind [options] and {language}, and the language."""
    first, newline, code = inside.partition("\n")
    if not newline:
        return first, ""
    options = first.strip()
    language = options.rpartition("{")[2].rstrip("}") if options.endswith("}") else ""
    if "language=" in options:
        language = options.partition("language=")[2].split(",")[0].strip("]{} ")
    plain = not options or options[0] in "[{"
    return (code if plain else inside).strip("\n"), language.lower() if language.isalnum() else ""


def _braced(source: str, macro: str) -> str | None:
    """The argument of a macro's first use, braces balanced."""
    at = source.find(f"{macro}{{")
    if at < 0:
        return None
    start, depth = at + len(macro) + 1, 1
    for place in range(start, min(len(source), start + 2000)):
        depth += (source[place] == "{") - (source[place] == "}")
        if depth == 0:
            return source[start:place]
    return None


def _text(latex: str) -> str:
    nodes, _, _ = latexwalker.LatexWalker(latex, tolerant_parsing=True, latex_context=_READ).get_latex_nodes()
    return str(_WRITTEN.nodelist_to_text(nodes))


def _heading(node: Any, l2tobj: Any) -> str:
    name = l2tobj.nodelist_to_text([node.nodeargd.argnlist[-1]]) if node.nodeargd and node.nodeargd.argnlist else ""
    return f"\n\n{_LEVELS[node.macroname]} {' '.join(name.split())}\n\n"


def _item(node: Any, l2tobj: Any) -> str:
    label = node.nodeargd.argnlist[0] if node.nodeargd and node.nodeargd.argnlist else None
    return "\n* " if label is None else f"\n* {l2tobj.nodelist_to_text([label]).strip('[]')}: "


def _tidy(text: str) -> str:
    """Lines without blanks at their ends, of blank lines one in a row; a lone star joins the line it marks."""
    kept: list[str] = []
    for line in (line.strip() for line in text.replace("\xa0", " ").split("\n")):
        if line.startswith("*") and kept[-1:] == [""] and kept[-2:-1] and kept[-2].startswith("* "):
            kept.pop()  # items of one list
        if line and kept and kept[-1] == "*":
            kept[-1] = f"* {line}"
        elif line or (kept and kept[-1] not in ("", "*")):
            kept.append(line)
    return "\n".join(kept).strip("\n")


def _read() -> Any:
    db = latexwalker.get_default_latex_context_db()
    asides = [macrospec.MacroSpec(name, "[[{") for name in _CITATIONS]
    asides += [macrospec.MacroSpec(name, "{") for name in ("cref", "Cref", "autoref", "pageref", "label")]
    db.add_context_category("winnow", prepend=True, macros=asides)
    return db


def _written() -> LatexNodes2Text:
    db = get_default_latex_context_db()
    silent = ["label", "maketitle", "tableofcontents", "bibliography", "bibliographystyle", "includegraphics"]
    silent += ["input", "include", "vspace", "hspace", "cite", *_CITATIONS]
    macros = [MacroTextSpec(name, simplify_repl=_heading) for name in _HEADINGS]
    macros += [MacroTextSpec(name, simplify_repl="") for name in silent]
    macros += [MacroTextSpec("item", simplify_repl=_item)]
    hidden = [EnvironmentTextSpec(name, simplify_repl="", discard=True) for name in _BIBLIOGRAPHY]
    db.add_context_category("winnow", prepend=True, macros=macros, environments=hidden)
    return LatexNodes2Text(latex_context=db, math_mode="verbatim", keep_comments=False)


_READ, _WRITTEN = _read(), _written()
