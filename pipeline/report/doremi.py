"""What `winnow mix doremi` prints: the mixture, each round, how weights and excess went over its steps, alarms."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from corpus.storage import located
from mixtures.doremi import Steps, traced
from pipeline.report.laws import count
from pipeline.report.mixtures import show_mixture
from pipeline.report.plain import plain
from pipeline.report.terminal import table_of

BARS = "▁▂▃▄▅▆▇█"
PLACES = 24  # of a curve: two of them and five figures stand in 100 columns


def show(facts: dict[str, Any], console: Console) -> None:
    """Print the facts of `pipeline.doremi_rounds.doremi`."""
    show_mixture(facts["mixture"], facts["out"], console)
    evidence = facts["mixture"]["settings"]["evidence"]
    console.print(Text(f"\n{_headline(facts, evidence)}\n"), soft_wrap=True)
    console.print(_rounds(evidence["rounds"]))
    steps = traced(Path(located(facts["traces"][-1])))
    console.print(Text(f"\nRound {len(evidence['rounds']):,}, weights and excess over {len(steps.alpha):,} steps\n"))
    console.print(_curves(evidence["rounds"][-1], steps))
    for said in alarms_of(evidence):
        console.print(Text(f"\nAlarm: {plain(said, 400)}"), soft_wrap=True)


def alarms_of(evidence: dict[str, Any]) -> list[str]:
    """A line each: of the whole search, then of each round."""
    found = [("", one) for one in evidence["alarms"]]
    for number, each in enumerate(evidence["rounds"], 1):
        found += [(f"round {number:,}, ", one) for one in each["alarms"]]
    return [
        f"{where}{one['kind']}: {one['domain']}{': ' if one['domain'] else ''}{one['what']}." for where, one in found
    ]


def _headline(facts: dict[str, Any], evidence: dict[str, Any]) -> str:
    made = evidence["rounds"]
    ended = "weights settled" if evidence["converged"] else "weights still move"
    cost = f"{evidence['cost']['flops']:.3g} FLOPs, {facts['seconds']:,.0f} s"
    return f"{len(made):,} round{'s' * (len(made) > 1)}, {ended}; {cost}"


def _rounds(rounds: list[dict[str, Any]]) -> Any:
    table = table_of(("round", ">steps", ">moved by", ">alarms", ">FLOPs"))
    for number, one in enumerate(rounds, 1):
        table.add_row(f"{number}", f"{one['steps']:,}", f"{one['moved']:.4f}", f"{len(one['alarms'])}", _si(one))
    return table


def _si(one: dict[str, Any]) -> str:
    return count(one["flops"])


def _curves(last: dict[str, Any], steps: Steps) -> Any:
    table = table_of(("domain", ">reference", ">mean", ">last", ">excess", "weight", "excess"))
    domains = sorted(last["weights"])
    high = float(steps.alpha.max()), float(np.nanmax(steps.excess, initial=0.0))
    for n, domain in enumerate(domains):
        own = steps.excess[:, n]
        found = own[~np.isnan(own)]
        figures = (
            *(last[name][domain] for name in ("reference", "weights", "last")),
            found.mean() if len(found) else 0,
        )
        curves = (sparkline(steps.alpha[:, n], high[0]), sparkline(own, high[1]))
        table.add_row(Text(plain(domain, 30)), *(f"{figure:.4f}" for figure in figures), *curves)
    return table


def sparkline(values: np.ndarray, high: float, places: int = PLACES) -> str:
    """Means of equal stretches as bars from 0 to `high`; a blank where a stretch has no number. values: float64 [S]."""
    parts = np.array_split(values, min(places, len(values)))
    return "".join(_bar(part[~np.isnan(part)], high) for part in parts)


def _bar(part: np.ndarray, high: float) -> str:
    if not len(part):
        return " "
    return BARS[min(len(BARS) - 1, int(part.mean() / high * len(BARS)) if high > 0 else 0)]
