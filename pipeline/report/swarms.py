"""What `winnow mix swarm` shows people."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.laws import count
from pipeline.report.plain import plain
from pipeline.report.terminal import table_of


def show(facts: dict[str, Any], console: Console) -> None:
    """The best runs, those that failed, what it cost, and what to do with the table."""
    each = f"{count(facts['params'])} parameters on {count(facts['budget'])} tokens each"
    console.print(
        Text(f"{facts['proxies']:,} proxies of {each}: {facts['flops']:.3g} FLOPs, {facts['seconds']:,.0f} s\n")
    )
    domains = list(facts["domains"])
    table = table_of(("run", f">{facts['unit'] or 'loss'}", *(f">{plain(name, 24)}" for name in domains)))
    shares = (f"{facts['domains'][name]['share']:.3f}" for name in domains)
    table.add_row("of tokens", "", *shares)
    for one in facts["best"]:
        table.add_row(one["run"], f"{one['loss']:.4f}", *(f"{one['weights'][name]:.3f}" for name in domains))
    console.print(table)
    for number, one in enumerate(facts["rounds"], 2):
        rank = one["cross_validation"][one["regressor"]]["spearman"]
        said = f"round {number}: {one['runs']:,} of {one['candidates']:,} by {one['regressor']}, its ranks {rank:.3f}"
        console.print(Text(said + ("" if rank > 0 else ": no better than chance")))
    for run, why in facts["failed"].items():
        console.print(Text(f"left out: {plain(run)}: {plain(why, 200)}"), soft_wrap=True)
    after = f"winnow mix regmix {plain(facts['tokens'], 400)} --runs {plain(facts['runs'], 400)} --out mixture.json"
    console.print(Text(f"\n{after}"), soft_wrap=True)
