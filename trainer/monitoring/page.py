"""A run as one HTML page that works offline: curves, held-out bits a byte, speed, what happened, what was trained on.

Needs plotly, which the extra `scaling` brings. Figures are those of metrics.jsonl, to the digit; the tables hold the
same numbers, so a reader of the page and a reader of the file see one thing.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from scaling.plots import page
from trainer.monitoring.console import said
from trainer.monitoring.lines import Told, gone_back_to

MOST_EVENTS = 500
"""Of the last ones: a run that saves every 100 steps for 100,000 tells of 1,000 checkpoints."""


def run_page(name: str, told: Told, facts: dict[str, Any]) -> str:
    """facts: what stands above the curves, by name: digests, counts, settings; values may be nested."""
    figures = [_losses(told), _held_out(told), _norms(told), _speeds(told)]
    if any("weights" in line for line in told.measures.values()):
        figures.insert(1, _weights(told))
    if any("noise_scale" in line for line in told.measures.values()):
        figures.append(_noise(told))
    tables = [
        _table("Held-out", _HELD_OUT, _held_out_rows(told)),
        _table("Events", ("step", "what"), _event_rows(told)),
    ]
    tables.append(_table("Facts", ("name", "value"), sorted(_flat(facts))))
    return page(name, [_headline(told)], figures, tables)


_HELD_OUT = ("domain", "documents", "tokens", "loss", "perplexity", "bits_per_byte")


def _headline(told: Told) -> str:
    if not told.measures:
        return "Nothing was measured yet."
    step, line = next(reversed(told.measures.items()))
    return f"{step:,} steps, {line.get('tokens', 0):,} tokens, loss {line['loss']:.4f} nats a token."


def _losses(told: Told) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(**_line(told.series("mean_loss")), name="all")
    for domain in sorted({name for line in told.measures.values() for name in line.get("domains", {})}):
        figure.add_scatter(**_line(told.series("domains", domain)), name=escape(domain), line={"width": 1})
    for event in told.events:
        if gone_back_to(event) is not None:
            figure.add_vline(x=event["step"], line_dash="dot", line_color="crimson")
    return _drawn(figure, "Training loss (dotted: rewound after a spike)", "nats a token")


def _weights(told: Told) -> go.Figure:
    figure = go.Figure()
    for domain in sorted({name for line in told.measures.values() for name in line.get("weights", {})}):
        figure.add_scatter(**_line(told.series("weights", domain)), name=escape(domain))
    return _drawn(figure, "Weights of domains, changed on the way", "share of sequences")


def _held_out(told: Told) -> go.Figure:
    figure = go.Figure()
    for domain in sorted({name for found in told.held_out.values() for name in found}):
        at = [(step, found[domain]["bits_per_byte"]) for step, found in told.held_out.items() if domain in found]
        figure.add_scatter(x=[step for step, _ in at], y=[bits for _, bits in at], name=escape(domain))
    return _drawn(figure, "Held-out documents", "bits a byte")


def _norms(told: Told) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(**_line(told.series("norm")), name="gradient norm")
    figure.add_scatter(**_line(told.series("rate")), name="rate", yaxis="y2")
    figure.update_layout(yaxis2={"overlaying": "y", "side": "right", "title": "rate", "exponentformat": "power"})
    return _drawn(figure, "Gradient norm before clipping, and rate", "norm")


def _speeds(told: Told) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(**_line(told.series("tokens_per_second")), name="tokens a second")
    for share in ("mfu", "hfu", "loader_wait"):
        figure.add_scatter(**_line(told.series(share)), name=share, yaxis="y2")
    figure.update_layout(yaxis2={"overlaying": "y", "side": "right", "title": "share", "rangemode": "tozero"})
    return _drawn(figure, "Speed", "tokens a second")


def _noise(told: Told) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(**_line(told.series("noise_scale")), name="critical batch")
    figure.add_scatter(**_line(told.series("batch")), name="batch")
    return _drawn(figure, "Gradient noise scale", "tokens")


def _line(series: tuple[list[int], list[float]]) -> dict[str, Any]:
    return {"x": series[0], "y": series[1], "mode": "lines"}


def _drawn(figure: go.Figure, title: str, y: str) -> go.Figure:
    figure.update_layout(title=title, template="plotly_white", height=420, legend={"orientation": "h", "y": -0.2})
    figure.update_xaxes(title="step")
    figure.update_yaxes(title=y, selector={"side": None})
    return figure


def _held_out_rows(told: Told) -> list[tuple[str, ...]]:
    if not told.held_out:
        return []
    last = next(reversed(told.held_out.values()))
    return [
        (domain, f"{one['documents']:,}", f"{one['tokens']:,}", *(_figure(one[name]) for name in _HELD_OUT[3:]))
        for domain, one in sorted(last.items())
    ]


def _figure(value: float | None) -> str:
    """Bits a byte are null where no tokenizer lies with the tokens."""
    return "" if value is None else f"{value:.4f}"


def _event_rows(told: Told) -> list[tuple[str, ...]]:
    return [(f"{event['step']:,}", said(event)) for event in told.events[-MOST_EVENTS:]]


def _flat(facts: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    if not lines:
        return ""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<h2>{escape(title)}</h2>\n<table><tr>{head}</tr>\n{body}</table>\n"
