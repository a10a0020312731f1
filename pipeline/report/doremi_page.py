"""A search by DoReMi as one HTML page that works offline: weights and excess over the steps of every round.

Needs plotly, which the extra `scaling` brings.
"""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from corpus.storage import located
from mixtures.doremi import traced
from pipeline.report.doremi import alarms_of
from scaling.plots import page as drawn

POINTS = 500
"""Of a curve: every so many steps one. 200,000 steps of 22 domains would be 300 MB."""


def page(facts: dict[str, Any]) -> str:
    """The page of the facts of `pipeline.doremi_rounds.doremi`."""
    mixture = facts["mixture"]
    evidence = mixture["settings"]["evidence"]
    rounds: list[dict[str, Any]] = evidence["rounds"]
    figures = [figure for number, url in enumerate(facts["traces"], 1) for figure in _figures(number, url, rounds)]
    ended = "Weights settled." if evidence["converged"] else "Weights still move."
    notes = [f"{len(rounds):,} rounds, {evidence['cost']['flops']:.3g} FLOPs. {ended}", *alarms_of(evidence)]
    tables = [_weights(mixture, rounds), _gaps(rounds)]
    return drawn("DoReMi", notes, figures, tables)


def _figures(number: int, url: str, rounds: list[dict[str, Any]]) -> Iterable[go.Figure]:
    steps, domains = traced(Path(located(url))), sorted(rounds[number - 1]["weights"])
    for title, values, unit in (("weights", steps.alpha, "weight"), ("excess", steps.excess, "nats a token")):
        figure = go.Figure()
        at = np.unique(np.linspace(0, len(values) - 1, min(POINTS, len(values))).astype(int))
        for n, domain in enumerate(domains):
            own = [None if np.isnan(value) else value for value in values[at, n].tolist()]
            figure.add_scatter(x=(at + 1).tolist(), y=own, mode="lines", name=escape(domain))
        figure.update_layout(title=f"Round {number}: {title}", template="plotly_white", height=420)
        figure.update_xaxes(title="step")
        figure.update_yaxes(title=unit)
        yield figure


def _weights(mixture: dict[str, Any], rounds: list[dict[str, Any]]) -> str:
    columns = ["domain", *(f"round {n}: {name}" for n in range(1, len(rounds) + 1) for name in _SAID.values())]
    rows = [
        [
            domain,
            *(f"{one[name][domain]:.4f}" for one in rounds for name in _SAID),
            f"{weight:.4f}",
            f"{mixture['epochs'][domain]:.3g}" if mixture["epochs"] else "",
            "reached" if domain in mixture["capped"] else "",
        ]
        for domain, weight in sorted(mixture["weights"].items())
    ]
    return _table("Weights", [*columns, "mixture", "passes", "cap"], rows)


_SAID = {"reference": "reference", "weights": "mean", "last": "last"}


def _gaps(rounds: list[dict[str, Any]]) -> str:
    rows = [
        [domain, *(f"{one['gaps'][domain]:.4f}" if domain in one["gaps"] else "not measured" for one in rounds)]
        for domain in sorted(rounds[0]["weights"])
    ]
    title = "Held-out less trained loss of the reference, nats a token"
    return _table(title, ["domain", *(f"round {n}" for n in range(1, len(rounds) + 1))], rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2>\n<table><tr>{head}</tr>\n{body}</table>\n"
