"""What `winnow mix judge` prints: the verdict, the ranking with intervals, who is best where, what it cost."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.plain import plain
from pipeline.report.terminal import table_of

MOST_NAMED = 3
"""Mixtures that a cell names; the rest are counted."""


def show_judged(facts: dict[str, Any], console: Console) -> None:
    """Print what `pipeline.judging.judge` found."""
    for line in facts["verdict"]:
        console.print(Text(plain(line, 400)), soft_wrap=True)
    aim = ", ".join(f"{plain(name)} {share:.3g}" for name, share in facts["target"].items())
    parts = [(f"Held-out {facts['unit']}, the mean of {aim}", _ranking(facts))]
    references = dict.fromkeys([facts["ranking"][0]["mixture"] if facts["ranking"] else None, facts["baseline"]])
    parts += [(f"Difference to {plain(name)}", _differences(facts, name)) for name in references if name is not None]
    parts += [("Which is best where", _domains(facts)), ("Weights, passes, cost", _mixtures(facts))]
    for title, table in parts:
        if table.row_count:
            console.print(Text(f"\n{title}\n"), soft_wrap=True)
            console.print(table)
    for note in facts["notes"]:
        console.print(Text(f"\nNote: {plain(note, 400)}."), soft_wrap=True)
    console.print(Text(f"\nwritten to {plain(facts['judged'], 400)}"), soft_wrap=True)


def against(pairs: list[dict[str, Any]], mixture: str, other: str) -> dict[str, Any] | None:
    """The comparison of one mixture to another, turned where it stands the other way; None where there is none."""
    for one in pairs:
        if (one["mixture"], one["against"]) == (mixture, other):
            return dict(one)
        if (one["mixture"], one["against"]) == (other, mixture):
            mean = one["reference"] + one["difference"]
            relative = -one["difference"] / mean if mean else None
            turned = {"difference": -one["difference"], "relative": relative, "low": -one["high"], "high": -one["low"]}
            return one | {"mixture": mixture, "against": other, "reference": mean} | turned
    return None


def verdict_of(one: dict[str, Any]) -> str:
    """A comparison in words; nothing is said of a difference whose interval holds 0 but that."""
    if not one["significant"]:
        return "no significant difference"
    return "better" if one["difference"] < 0 else "worse"


def named(names: list[str]) -> str:
    """Some of the names, and how many more."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(plain(name, 30) for name in names[:MOST_NAMED]) + more


def interval(low: float | None, high: float | None) -> str:
    """Ends of an interval; nothing of one seed."""
    return "" if low is None or high is None else f"{low:.4f} to {high:.4f}"


def share(value: float | None) -> str:
    """Per cent, with its sign."""
    return "" if value is None else f"{value:+.2%}"


def _ranking(facts: dict[str, Any]) -> Table:
    table = table_of((">rank", "mixture", ">mean", ">95 % of the mean alone", "not told apart from"))
    for one in facts["ranking"]:
        cells = [f"{one['mean']:.4f}", interval(one["low"], one["high"]), named(one["tied"])]
        _add(table, str(one["rank"]), plain(one["mixture"], 30), *cells)
    return table


def _differences(facts: dict[str, Any], other: str) -> Table:
    table = table_of(("mixture", ">seeds", ">difference", ">interval", ">effect", ">p", "verdict", ">detectable"))
    for name in facts["mixtures"]:
        one = against(facts["pairs"], name, other)
        if one is not None:
            figures = [f"{one['difference']:+.4f}", interval(one["low"], one["high"]), share(one["relative"])]
            last = [f"{one['adjusted']:.3g}", verdict_of(one), f"{one['detectable']:.4f}"]
            _add(table, plain(name, 30), str(one["pairs"]), *figures, *last)
    return table


def _domains(facts: dict[str, Any]) -> Table:
    table = table_of(("domain", ">held-out documents", "least", ">mean", "best"))
    for name, one in facts["domains"].items():
        if one["ranking"]:
            mean = f"{one['ranking'][0]['mean']:.4f}"
            documents = f"{facts['held_out'].get(name, 0):,}"
            _add(table, plain(name, 30), documents, plain(one["least"], 30), mean, best_of(one))
    return table


def best_of(domain: dict[str, Any]) -> str:
    """Who is best in a domain, in words."""
    if domain["winner"] is not None:
        return plain(domain["winner"], 30)
    leaders = domain["leaders"]
    if len(leaders) == 1:
        return f"none is better than {named(leaders)}"
    return f"no significant difference: {named(leaders)}" if leaders else "no verdict"


def _mixtures(facts: dict[str, Any]) -> Table:
    table = table_of(
        ("mixture", "method", ">most passes", ">of proxies", "at its cap", ">FLOPs", ">seconds", ">search")
    )
    for name, one in facts["mixtures"].items():
        passes = [f"{max(found.values()):.3g}" if found else "" for found in (one["epochs"], one["proxy_epochs"])]
        spent = [f"{one['flops']:.3g}", f"{facts['seconds'].get(name, 0.0):,.0f}", searched(one["search"])]
        _add(table, plain(name, 30), plain(one["method"], 20), *passes, named(one["capped"]), *spent)
    return table


def searched(cost: dict[str, float | None]) -> str:
    """What finding a mixture cost, where it says."""
    flops = "" if cost["flops"] is None else f"{cost['flops']:.3g} FLOPs"
    seconds = "" if cost["seconds"] is None else f"{cost['seconds']:,.0f} s"
    return ", ".join(filter(None, (flops, seconds)))


def _add(table: Table, *cells: str) -> None:
    table.add_row(*map(Text, cells))  # as it stands: a mixture may be called [bold]
