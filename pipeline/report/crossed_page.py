"""Two columns of a run crossed, as one HTML page that needs nothing else: darker cells hold more."""

from html import escape
from typing import Any

from corpus.storage import write_bytes
from pipeline.report.plain import plain
from pipeline.report.terminal import mb

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2em;color:#1c2b33}
table{border-collapse:collapse}td,th{padding:.3em .8em;text-align:right;border:1px solid #d5dde2}
th{background:#f3f6f8}td:first-child,th:first-child{text-align:left}"""


def write(facts: dict[str, Any], url: str) -> None:
    """Write what `pipeline.crossing.crossed` gives as a page."""
    write_bytes(url, page(facts).encode())


def page(facts: dict[str, Any]) -> str:
    """The page: tokens and documents, or MB and documents where a run has no tokens."""
    first = ("tokens", facts["tokens"]) if facts["tokens"] is not None else ("MB of text", facts["bytes"])
    title = escape(f"{facts['row']} and {facts['column']} of {facts['run']}")
    tables = "".join(_table(facts, *one) for one in (first, ("documents", facts["documents"])))
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body><h1>{title}</h1>{tables}</body></html>\n"


def _table(facts: dict[str, Any], what: str, counts: list[list[int]]) -> str:
    most = max((value for row in counts for value in row), default=0) or 1
    said = mb if what.startswith("MB") else "{:,}".format
    corner = escape(f"{facts['row']} / {facts['column']}")
    head = "".join(f"<th>{_name(name)}</th>" for name in facts["columns"])
    lines = [f"<tr><th>{corner}</th>{head}<th>all</th></tr>"]
    for name, row in zip(facts["rows"], counts, strict=True):
        lines.append(
            f"<tr><th>{_name(name)}</th>{''.join(_cell(v, most, said(v)) for v in row)}<td>{said(sum(row))}</td></tr>"
        )
    sums = [sum(column) for column in zip(*counts, strict=True)]
    last = "".join(f"<td>{said(value)}</td>" for value in (*sums, sum(sums)))
    return f"<h2>{escape(what)}</h2><table>{''.join(lines)}<tr><th>all</th>{last}</tr></table>"


def _name(name: str | None) -> str:
    return "<i>no value</i>" if name is None else escape(plain(name, 60))


def _cell(value: int, most: int, said: str) -> str:
    return f'<td style="background:rgba(46,125,160,{0.6 * value / most:.2f})">{said}</td>'
