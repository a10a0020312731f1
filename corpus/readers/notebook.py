"""Jupyter notebooks: the cells in order, code cells as fenced blocks; what they printed is left out.

Notebook formats 3 (worksheets) and 4 are read, by the JSON itself: 300 MB/s, and no deeper than orjson goes.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from corpus.parsing import Record, fenced, joined
from corpus.readers.base import NOT_UTF8, Fault
from corpus.readers.files import PATH, documents
from corpus.readers.record import only
from corpus.source import Read, Source, Unit

SUFFIXES = (".ipynb",)
FIELDS = ("text", "prose", "code", "language", "kernel", "title", PATH)

refuse = only("notebook", FIELDS)


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """One document per notebook, in order, in pieces of about 8 MB; SourceError where a file cannot be opened."""
    return documents(unit, source, parsed)


def parsed(raw: bytes | bytearray) -> Record:
    """text, prose and code (each joined), language, kernel, title. Raises Fault where it is no notebook."""
    held = _loaded(raw)
    about = _object(held.get("metadata"))
    kernel, info = _object(about.get("kernelspec")), _object(about.get("language_info"))
    language = _string(info.get("name")) or _string(kernel.get("language"))
    cells = [(kind, text) for kind, text in map(_cell, _cells(held)) if text.strip()]
    fence = language if language is not None and language.isalnum() else ""
    return {
        "text": joined([fenced(text.strip("\n"), fence) if kind == "code" else text for kind, text in cells]),
        "prose": joined([text for kind, text in cells if kind != "code"]),
        "code": joined([text for kind, text in cells if kind == "code"]),
        "language": language,
        "kernel": _string(kernel.get("name")),
        "title": _string(about.get("title")),
    }


def _loaded(raw: bytes | bytearray) -> dict[str, Any]:
    try:
        held = orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        reason = str(error).split(": line ")[0]
        raise Fault(NOT_UTF8 if "UTF-8" in reason else f"broken JSON: {reason}") from None
    if type(held) is not dict or not (type(held.get("cells")) is list or type(held.get("worksheets")) is list):
        raise Fault("not a notebook: no list of cells")
    return held


def _cells(held: dict[str, Any]) -> list[Any]:
    """The cells; those of format 3 lie in worksheets, and a heading has its level beside it."""
    if type(held.get("cells")) is list:
        return list(held["cells"])
    sheets = [_object(sheet).get("cells") for sheet in held["worksheets"]]
    return [cell for cells in sheets if type(cells) is list for cell in cells]


def _cell(cell: Any) -> tuple[str, str]:
    """Kind and source of a cell; nothing of one that has none."""
    cell = _object(cell)
    kind, source = cell.get("cell_type"), cell.get("source", cell.get("input"))
    if type(source) is list:
        source = "".join(line for line in source if type(line) is str)
    text = _string(source) or ""
    if kind == "heading":
        level = cell.get("level")
        return "markdown", f"{'#' * (level if type(level) is int and 0 < level < 7 else 1)} {text}"
    return ("code" if kind == "code" else "markdown"), text


def _object(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _string(value: Any) -> str | None:
    return value if type(value) is str else None
