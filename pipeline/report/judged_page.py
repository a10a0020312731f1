"""The judge's page: weights beside the tokens' shares, passes, held-out losses with intervals, trajectories, ranking.

Needs plotly, which the extra `scaling` brings. Tables hold the figures of judged.json, to the digits shown.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from pipeline.report.judged import against
from pipeline.report.judged_tables import place, reference, tables
from pipeline.report.plain import plain
from scaling.plots import page
from trainer.monitoring.lines import Told

MOST_FIGURES = 12
"""Domains, and mixtures, that have a figure of trajectories of their own: a page of 100 figures takes seconds to draw.
All of them are in the tables."""

Lines = Mapping[tuple[str, int], Told]
"""The lines of metrics.jsonl by mixture and seed."""


def page_of(facts: Mapping[str, Any], lines: Lines) -> str:
    """facts: of `pipeline.judging.judge`. The whole page; it fetches nothing."""
    names = list(facts["mixtures"])
    figures = [_weights(facts, names), _paired(facts, names), _domains(facts, names), _target(facts, lines, names)]
    figures += [_held_out(facts, lines, names, domain) for domain in list(facts["domains"])[:MOST_FIGURES]]
    figures += [_training(lines, name) for name in names[:MOST_FIGURES]]
    notes = [*facts["verdict"], *(f"Note: {note}." for note in facts["notes"])]
    return page("Which mixture is better?", notes, figures, tables(facts))


def _weights(facts: Mapping[str, Any], names: Sequence[str]) -> go.Figure:
    domains = list(facts["tokens"])
    figure = go.Figure()
    shares = [facts["shares"][domain] for domain in domains]
    figure.add_bar(x=_escaped(domains), y=shares, name="the tokens", marker={"color": "silver"})
    for name in names:
        weights = facts["mixtures"][name]["weights"]
        figure.add_bar(x=_escaped(domains), y=[weights[domain] for domain in domains], **_named(name, names))
    return _drawn(figure, "Weights, beside the shares of the tokens", "", "share")


def _paired(facts: Mapping[str, Any], names: Sequence[str]) -> go.Figure:
    """Differences to the baseline, or the best, with their intervals: by the target and in each domain."""
    other, figure = reference(facts), go.Figure()
    kinds = {"the target": facts["pairs"], **{domain: one["pairs"] for domain, one in facts["domains"].items()}}
    for name in names:
        found = {kind: one for kind, pairs in kinds.items() if (one := against(pairs, name, other)) is not None}
        if found:
            points = {"x": _escaped(found), "y": [one["difference"] for one in found.values()], "mode": "markers"}
            half = [one["high"] - one["difference"] for one in found.values()]
            figure.add_scatter(**points, error_y={"type": "data", "array": half}, **_named(name, names))
    figure.add_hline(y=0, line_width=1)
    figure.update_layout(scattermode="group")
    title = f"Paired differences to {escape(plain(other))} (holding 0: no significant difference)"
    return _drawn(figure, title, "", facts["unit"])


def _domains(facts: Mapping[str, Any], names: Sequence[str]) -> go.Figure:
    """Means over seeds, with the interval of each by itself."""
    figure = go.Figure()
    domains = list(facts["domains"])
    for name in names:
        found = [(domain, one) for domain in domains if (one := place(facts, domain, name)) is not None]
        half = [0.0 if one["high"] is None else one["high"] - one["mean"] for _, one in found]
        points = {"x": _escaped([domain for domain, _ in found]), "y": [one["mean"] for _, one in found]}
        figure.add_scatter(**points, error_y={"type": "data", "array": half}, mode="markers", **_named(name, names))
    title = "Held-out documents (95 % intervals of each mean alone; the figure above compares)"
    figure.update_layout(scattermode="group")
    return _drawn(figure, title, "", facts["unit"])


def _target(facts: Mapping[str, Any], lines: Lines, names: Sequence[str]) -> go.Figure:
    def aim(found: Mapping[str, Any]) -> float | None:
        parts = [(_bits(facts, found, domain), weight) for domain, weight in facts["target"].items()]
        return None if any(bits is None for bits, _ in parts) else sum(bits * weight for bits, weight in parts if bits)

    return _trajectory(facts, lines, names, "Held-out documents over steps: the target", aim)


def _held_out(facts: Mapping[str, Any], lines: Lines, names: Sequence[str], domain: str) -> go.Figure:
    title = f"Held-out documents over steps: {escape(plain(domain))}"
    return _trajectory(facts, lines, names, title, lambda found: _bits(facts, found, domain))


def _trajectory(
    facts: Mapping[str, Any],
    lines: Lines,
    names: Sequence[str],
    title: str,
    figure_of: Callable[[Mapping[str, Any]], float | None],
) -> go.Figure:
    """The mean over a mixture's seeds at steps that all of them measured."""
    figure = go.Figure()
    for name in names:
        own = [{step: figure_of(found) for step, found in one.held_out.items()} for one in _own(lines, name)]
        figure.add_scatter(**_mean(own), **_named(name, names))
    return _drawn(figure, title, "step", facts["unit"])


def _training(lines: Lines, name: str) -> go.Figure:
    own = _own(lines, name)
    figure = go.Figure()
    domains = {domain for one in own for line in one.measures.values() for domain in line.get("domains", {})}
    for domain in sorted(domains):
        found = [dict(zip(*one.series("domains", domain), strict=True)) for one in own]
        figure.add_scatter(**_mean(found), name=escape(plain(domain)))
    return _drawn(figure, f"Training loss by domain: {escape(plain(name))}", "step", "nats a token")


def _own(lines: Lines, name: str) -> list[Told]:
    return [lines[at] for at in sorted(lines) if at[0] == name]


def _mean(series: Sequence[Mapping[int, float | None]]) -> dict[str, Any]:
    """Steps at which every series has a figure, and the mean there."""
    shared = set.intersection(*(set(one) for one in series)) if series else set()
    steps = [step for step in sorted(shared) if all(one[step] is not None for one in series)]
    return {"x": steps, "y": [sum(one[step] or 0.0 for one in series) / len(series) for step in steps]}


def _bits(facts: Mapping[str, Any], found: Mapping[str, Any], domain: str) -> float | None:
    key = "bits_per_byte" if facts["unit"].startswith("bits") else "loss"
    value = found.get(domain, {}).get(key)
    return value if isinstance(value, int | float) else None


def _named(name: str, names: Sequence[str]) -> dict[str, Any]:
    """A mixture's name and its colour, the same in every figure."""
    colour = f"hsl({names.index(name) * 360 / len(names):.0f}, 65%, 42%)"
    return {"name": escape(plain(name)), "marker": {"color": colour}}


def _escaped(names: Iterable[str]) -> list[str]:
    """Labels of axes: plotly reads some HTML in them."""
    return [escape(plain(name)) for name in names]


def _drawn(figure: go.Figure, title: str, x: str, y: str) -> go.Figure:
    legend = {"orientation": "h", "y": -0.2}
    figure.update_layout(title=title, template="plotly_white", height=420, legend=legend, showlegend=True)
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    return figure
