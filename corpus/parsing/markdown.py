"""Markdown with code and prose apart, by markdown-it-py's block rules (CommonMark). The text stays Markdown.

Only blocks are parsed: links and emphasis are left as they are written.
"""

from markdown_it import MarkdownIt

from corpus.parsing import Record, Unparsable, joined

_BLOCKS = MarkdownIt("commonmark").disable("inline")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])
_RULES = ("---", "+++")  # what YAML and TOML front matter stands between


def parsed(raw: bytes) -> Record:
    """text (without front matter), prose and code (each joined), languages, title, front_matter."""
    try:
        source = raw.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise Unparsable("invalid UTF-8") from None
    front, text = _front_matter(source)
    lines = text.split("\n")
    prose: list[str] = []
    code: list[str] = []
    languages: dict[str, None] = {}
    title, after = None, 0
    tokens = _BLOCKS.parse(text)
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1" and title is None:
            title = tokens[place + 1].content
        if token.type not in ("fence", "code_block") or token.map is None:
            continue
        first, last = token.map
        prose.append("\n".join(lines[after:first]))
        code.append(token.content)
        languages |= {token.info.split()[0]: None} if token.info.split() else {}
        after = last
    prose.append("\n".join(lines[after:]))
    return {
        "text": text.strip("\n"),
        "prose": joined(prose),
        "code": joined(code),
        "languages": ",".join(languages) or None,
        "title": title or _named(front),
        "front_matter": front,
    }


def _front_matter(source: str) -> tuple[str | None, str]:
    """What stands between two rules at the very beginning, and the rest."""
    rule = source[:3]
    end = source.find(f"\n{rule}\n", 3) if rule in _RULES and source[3:4] == "\n" else -1
    return (None, source) if end < 0 else (source[4 : end + 1], source[end + 5 :])


def _named(front: str | None) -> str | None:
    """The title that front matter gives, on a line of its own."""
    for line in (front or "").split("\n"):
        if line.startswith("title") and line[5:].lstrip()[:1] in (":", "="):
            return line[5:].lstrip()[1:].strip().strip("\"'") or None
    return None
