"""What `winnow classify` shows people: a model's figures as tables, and a reliability plot as SVG."""

from collections.abc import Sequence
from html import escape
from typing import Any

from rich.console import Console
from rich.table import Table

_WIDTH, _EDGE = 320, 40  # pixels of the plot's square, and of the margin for its numbers


def show_trained(facts: dict[str, Any], console: Console) -> None:
    """A training: what went in, then how good it is."""
    split = facts["split"]
    table = Table("label", "train", "calibration", "metrics", box=None, pad_edge=False)
    for label in facts["labels"]:
        table.add_row(label, *(f"{split[part][label]:,}" for part in ("train", "calibration", "metrics")))
    console.print(table)
    show_evaluated(facts, console)
    console.print(f"sha-256 {facts['sha256']}", markup=False, soft_wrap=True)


def show_evaluated(facts: dict[str, Any], console: Console) -> None:
    """Figures of each label that was judged, what thresholds keep, and cross-validation where it was asked for."""
    table = Table(
        "label", "documents", "true", "AUC", "95 %", "AP", "ECE", "ECE calibrated", "Brier", box=None, pad_edge=False
    )
    for one in facts["judged"]:
        better = one["calibrated"]
        table.add_row(
            one["label"], f"{one['documents']:,}", f"{one['true']:,}", f"{one['auc']['value']:.3f}",
            _interval(one["auc"]), f"{one['average_precision']:.3f}", f"{one['raw']['error']:.3f}",
            f"{better['error']:.3f}" if better else "", f"{(better or one['raw'])['brier']:.3f}",
        )  # fmt: skip
    console.print(table)
    console.print(f"accuracy of the most probable label {facts['accuracy']:.1%}", markup=False)
    if len(facts["judged"]) == 1:
        _show_thresholds(facts["judged"][0]["thresholds"], console)
    if facts["cross_validation"]:
        _show_folds(facts["cross_validation"], console)


def _show_thresholds(thresholds: Sequence[dict[str, float]], console: Console) -> None:
    table = Table("least", "documents kept", "bytes kept", "precision", "recall", box=None, pad_edge=False)
    for one in thresholds:
        shares = (one[name] for name in ("documents", "bytes", "precision", "recall"))
        table.add_row(f"{one['at']:.6f}", *(f"{share:.1%}" for share in shares))
    console.print(table)


def _show_folds(crossed: dict[str, Any], console: Console) -> None:
    columns = ["label", f"AUC of {crossed['folds']} folds", "95 %"]
    columns += ["TF-IDF + logistic", "95 %"] if crossed["baseline"] else []
    table = Table(*columns, box=None, pad_edge=False)
    for label, found in crossed["auc"].items():
        beside = (crossed["baseline"] or {}).get(label)
        more = (f"{beside['value']:.3f}", _interval(beside)) if beside else ()
        table.add_row(label, f"{found['value']:.3f}", _interval(found), *more)
    console.print(table)


def _interval(auc: dict[str, float]) -> str:
    return f"{auc['low']:.3f} to {auc['high']:.3f}"


def show_scored(facts: dict[str, Any], console: Console) -> None:
    """How many documents were scored, and what the best tenths score."""
    line = f"{facts['documents']:,} documents, {facts['bytes'] / 1e6:,.1f} MB -> {facts['file']}"
    console.print(line, markup=False, soft_wrap=True)
    table = Table("best share", f"{facts['column']} at least", box=None, pad_edge=False)
    for one in facts["exceeded"]:
        table.add_row(f"{one['share']:.0%}", f"{one['score']:.6f}")
    console.print(table)


def plot(judged: dict[str, Any]) -> str:
    """A reliability plot, SVG: share of true documents over the probability said; areas go by documents.

    judged: as in a card. Grey is the model's own probability, blue the calibrated one, where there is one.
    """
    side = _WIDTH + 2 * _EDGE
    title = f"{judged['label']}: {judged['documents']:,} documents, {judged['true']:,} of them true"
    marks = [_marks(judged["raw"], "#999")] + (
        [_marks(judged["calibrated"], "#1f5fbf")] if judged["calibrated"] else []
    )
    ticks = "".join(
        f'<text x="{_x(n / 5):.1f}" y="{_y(0) + 16:.1f}" text-anchor="middle">{n / 5:g}</text>'
        f'<text x="{_x(0) - 6:.1f}" y="{_y(n / 5) + 4:.1f}" text-anchor="end">{n / 5:g}</text>'
        for n in range(6)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" '
        f'font-family="sans-serif" font-size="11">\n'
        f'<rect width="{side}" height="{side}" fill="white"/>\n'
        f'<rect x="{_EDGE}" y="{_EDGE}" width="{_WIDTH}" height="{_WIDTH}" fill="none" stroke="#ccc"/>\n'
        f'<line x1="{_x(0):.1f}" y1="{_y(0):.1f}" x2="{_x(1):.1f}" y2="{_y(1):.1f}" stroke="#ccc"/>\n'
        f'<text x="{_EDGE}" y="{_EDGE - 12}">{escape(title)}</text>\n{ticks}\n{"".join(marks)}\n</svg>\n'
    )


def _marks(of: dict[str, Any], colour: str) -> str:
    most = max(one["documents"] for one in of["bins"])
    return "\n".join(
        f'<circle cx="{_x(one["mean"]):.1f}" cy="{_y(one["share"]):.1f}" '
        f'r="{2 + 8 * (one["documents"] / most) ** 0.5:.1f}" fill="{colour}" fill-opacity="0.6"/>'
        for one in of["bins"]
    )


def _x(share: float) -> float:
    return _EDGE + _WIDTH * share


def _y(share: float) -> float:
    return _EDGE + _WIDTH * (1 - share)
