"""Blocks as text: a line each, or as Markdown with headings, lists, tables, quotes and code.

Lines are parted by one line break, as trafilatura's are; Markdown puts an empty line between blocks.
Cells of one row stand in one line, parted by a tab.
"""

import re

import numpy as np
from numba import njit

from stages.extraction import tags as t
from stages.extraction.walk import END, FLAG_BITS, KIND, LIST_DEPTH, NUMBER, ROW, START, Page, walked

_CELLS = (t.TD, t.TH)
_QUOTED = t.ELEMENT_BIT[t.QUOTE]
_LEADS = re.compile(r"^(?=#{1,6} |>|```)", re.M)


def rendered(page: Page, kept: np.ndarray, markdown: bool) -> str:
    """The text of the blocks that a mask (bool [B]) keeps."""
    rows = page.blocks[kept]
    if not markdown:
        return _lines(page.text, rows).tobytes().decode("utf-8", "replace")
    said = [page.text[a:b].tobytes().decode("utf-8", "replace") for a, b in rows[:, (START, END)].tolist()]
    return _markdown(rows.tolist(), said)


def structured(html: str) -> str:
    """Markdown of a small page, all of it: for engines that hand back HTML."""
    page = walked(html.encode("utf-8", "replace"), markdown=True)
    return rendered(page, np.ones(len(page.blocks), np.bool_), markdown=True)


def _beside(row: list[int], before: list[int] | None) -> bool:
    """Whether a block stands in the same row of a table as the block before it."""
    return before is not None and row[ROW] >= 0 and row[ROW] == before[ROW] and row[KIND] in _CELLS


@njit(nogil=True, cache=True)
def _lines(text, rows):  # type: ignore[no-untyped-def]
    """The blocks' bytes with a line break between two, a tab between cells of one row."""
    size = max(0, len(rows) - 1)
    for n in range(len(rows)):
        size += rows[n, END] - rows[n, START]
    out, o = np.empty(size, np.uint8), 0
    for n in range(len(rows)):
        if n:
            beside = rows[n, ROW] >= 0 and rows[n, ROW] == rows[n - 1, ROW]
            out[o] = 9 if beside and (rows[n, KIND] == t.TD or rows[n, KIND] == t.TH) else 10
            o += 1
        length = rows[n, END] - rows[n, START]
        out[o : o + length] = text[rows[n, START] : rows[n, END]]
        o += length
    return out


def _markdown(rows: list[list[int]], said: list[str]) -> str:
    parts: list[str] = []
    before: list[int] | None = None
    for row, one in zip(rows, said, strict=True):
        if row[KIND] in _CELLS and row[ROW] >= 0:
            cell = one.replace("\n", " ").replace("|", "\\|")
            parts.append(f" {cell} |" if _beside(row, before) else _row_start(row, before, parts) + f"| {cell} |")
        else:
            parts += (_gap(row, before), _block(row, one))
        before = row
    return _ruled("".join(parts[0:] if parts and parts[0] else parts[1:]))


def _row_start(row: list[int], before: list[int] | None, parts: list[str]) -> str:
    if not parts:
        return ""
    return "\n" if before is not None and before[KIND] in _CELLS and before[ROW] >= 0 else "\n\n"


def _gap(row: list[int], before: list[int] | None) -> str:
    if before is None:
        return ""
    items = row[NUMBER] >= 0 and before[LIST_DEPTH] > 0
    return "\n" if items else "\n\n"


def _block(row: list[int], text: str) -> str:
    """One block with its mark before it; what goes on in a list's item is indented."""
    kind, depth = row[KIND], row[LIST_DEPTH]
    if kind == t.PRE:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
        return f"{fence}\n{text}\n{fence}"
    if t.H1 <= kind <= t.H6:
        return "#" * (kind - t.H1 + 1) + " " + text.replace("\n", " ")
    text = _LEADS.sub(r"\\", text)
    if depth and row[NUMBER] >= 0:
        mark = f"{row[NUMBER]}. " if row[NUMBER] else "- "
        indent = "  " * (depth - 1)
        return indent + mark + text.replace("\n", "\n" + indent + " " * len(mark))
    if depth:
        return "  " * depth + text.replace("\n", "\n" + "  " * depth)
    return "> " + text.replace("\n", "\n> ") if row[FLAG_BITS] & _QUOTED else text


def _ruled(text: str) -> str:
    """A rule below the first row of every table, which Markdown asks for."""
    lines, out = text.split("\n"), []
    inside = fenced = False
    for line in lines:
        fenced ^= line.startswith("```")
        out.append(line)
        table = not fenced and line.startswith("| ") and line.endswith(" |")
        if table and not inside:
            out.append("|" + " --- |" * (len(re.split(r"(?<!\\)\|", line)) - 2))
        inside = table
    return "\n".join(out)
