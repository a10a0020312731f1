"""What `winnow mix`, `inventory`, `allot` and `presets` print."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.laws import count
from pipeline.report.plain import plain
from pipeline.report.terminal import table_of

SAID = ("preset", "tau", "most_epochs")
"""Settings that stand above a mixture; weights and mappings are in its table."""


def show_mixture(mixture: dict[str, Any], out: str | None, console: Console) -> None:
    """Print a mixture (`Mixture.model_dump`), and where it was written."""
    settings = ", ".join(f"{key} {mixture['settings'][key]}" for key in SAID if key in mixture["settings"])
    console.print(Text(plain(f"{mixture['method']}, {settings}" if settings else mixture["method"]) + _kinds(mixture)))
    console.print()
    table = table_of(("domain", ">weight", ">of tokens", ">passes", "cap"))
    for domain, weight in mixture["weights"].items():
        passes = mixture["epochs"].get(domain)
        said = "" if passes is None else f"{passes:.3g}"
        mark = "reached" if domain in mixture["capped"] else ""
        table.add_row(Text(plain(domain)), f"{weight:.4f}", count(mixture["tokens"][domain]), said, mark)
    console.print(table)
    written = "" if out is None else f"written to {plain(out, 400)}"
    budget = "no budget: shares only" if mixture["budget"] is None else f"budget {count(mixture['budget'])} tokens"
    console.print(Text(f"\n{'; '.join(filter(None, (budget, written)))}"), soft_wrap=True)


def show_inventory(held: dict[str, Any], console: Console) -> None:
    """Print an inventory (`pipeline.mixing.inventoried`)."""
    passes = list(next(iter(held["domains"].values()), {"effective": {}})["effective"])
    table = table_of(("domain", ">tokens", *(f">{said} pass{'' if said == '1' else 'es'}" for said in passes)))
    for domain, one in held["domains"].items():
        table.add_row(Text(plain(domain)), count(one["tokens"]), *(count(one["effective"][said]) for said in passes))
    sums = [sum(one["effective"][said] for one in held["domains"].values()) for said in passes]
    table.add_row("all", count(held["tokens"]), *map(count, sums))
    console.print(Text(f"Fresh tokens that so many passes are worth{_kinds(held)}\n"))
    console.print(table)


def show_allotment(found: dict[str, Any], console: Console) -> None:
    """Print an allotment (`Allotment.as_dict`)."""
    passes = f"at most {found['most_epochs']:g} passes"
    console.print(Text(f"{found['budget']:,} tokens by {plain(found['method'])}, {passes}{_kinds(found)}\n"))
    table = table_of(("domain", ">weight", ">tokens", ">of", ">passes", ">worth", ">most", ">+1 point", ">-1 point"))
    for domain, one in found["domains"].items():
        amounts = (f"{one['tokens']:,}", count(one["unique"]), f"{one['epochs']:.3g}{'!' if one['capped'] else ''}")
        moves = (_lacking(one["raise_needs"]), _lacking(one["lower_needs"]))
        shares = (f"{one['weight']:.4f}", f"{one['most_weight']:.3g}")
        table.add_row(Text(plain(domain)), shares[0], *amounts, count(one["effective"]), shares[1], *moves)
    totals = (f"{found['budget']:,}", count(found["unique"]), f"{found['epochs']:.3g}", count(found["effective"]))
    table.add_row("all", "", *totals)
    console.print(table)
    for line in _lines(found):
        console.print(Text(f"\n{line}"))


def show_presets(known: dict[str, Any], console: Console) -> None:
    """Print published mixtures with their sources."""
    for name, one in known.items():
        console.print(Text(f"{name}: {one['source']}; {one['unit']}"), soft_wrap=True)
        parts = ", ".join(f"{domain} {part:g}" for domain, part in one["parts"].items())
        console.print(Text(f"    {parts}"), soft_wrap=True)


def _lines(found: dict[str, Any]) -> list[str]:
    first, most, loss = found["runs_out_first"], found["most_budget"], found["loss"]
    lines = [
        f"{plain(first['domain'])} runs out first, after {first['at_budget']:,} tokens of the run. These shares can "
        f"have {most['budget']:,} at most, then {plain(most['domain'])} is at {found['most_epochs']:g} passes."
    ]
    if loss is not None:
        lines.append(
            f"Repetition costs {loss['extra']:.4f} nats a token, {loss['repeated']:.4f} instead of "
            f"{loss['fresh']:.4f}, with {count(loss['params'])} parameters by {plain(loss['law'])}."
        )
    lines.append("+1, -1 point: different tokens that are missing for such a share, the others moving in proportion.")
    return [*lines, *(f"Note: {plain(said, 400)}" for said in found["warnings"])]


def _lacking(tokens: int | None) -> str:
    return "" if tokens is None else "none" if tokens == 0 else count(tokens)


def _kinds(of: dict[str, Any]) -> str:
    """What domains are, and whether tokens were counted, where that is not as usual."""
    by = of.get("by")
    said = [] if by is None else [f"by {plain(by['column'])}"]
    said += ["tokens estimated from bytes"] if of.get("estimated") else []
    return f" ({', '.join(said)})" if said else ""
