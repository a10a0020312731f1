"""What `winnow budget` prints: the plan, its batch, the same FLOPs under every law, and what corpus and serving say."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.laws import count
from pipeline.report.plain import plain
from pipeline.report.terminal import table_of


def show(budget: dict[str, Any], console: Console) -> None:
    """Print a budget (`scaling.budget.Budget.as_dict`, and `bill` where a GPU was named)."""
    console.print(Text(_headline(budget)))
    console.print(Text(_steps(budget) + "\n"))
    console.print(_laws(budget))
    console.print(Text(f"\nOther sizes for the same FLOPs, under {plain(budget['law'])}:"))
    console.print(_penalties(budget))
    for section in ("inference", "data", "bill"):
        if budget.get(section):
            console.print(Text(f"\n{_SAYS[section](budget[section])}"))
    for warning in budget["warnings"]:
        console.print(Text(f"\nNote: {plain(warning, 400)}"))


def _headline(budget: dict[str, Any]) -> str:
    plan = f"{count(budget['params'])} parameters on {count(budget['tokens'])} tokens"
    ratio = f"{budget['tokens_per_param']:.3g} a parameter"
    low, high = budget["loss_low"], budget["loss_high"]
    ends = "" if low is None else f" ({budget['level']:.0%}: {low:.4f} to {high:.4f})"
    loss = f"loss {budget['loss']:.4f} nats a token{ends}"
    return f"{budget['flops']:.3g} FLOPs by {plain(budget['law'])}: {plan}, {ratio}; {loss}"


def _steps(budget: dict[str, Any]) -> str:
    batch, rates = budget["batch"], budget["learning_rates"]
    said = ", ".join(f"{name} {rate:.2e}" for name, rate in rates.items())
    ramp = " -> ".join(count(stretch["batch_tokens"]) for stretch in batch["ramp"])
    critical = f"critical batch {count(batch['critical_tokens'])}"
    return f"{batch['steps']:,} steps of {batch['tokens']:,} tokens ({critical}; ramp {ramp}); learning rate: {said}"


def _laws(budget: dict[str, Any]) -> Table:
    """The plan under every law, beside the law's own best plan and the 20:1 rule."""
    table = table_of(("law", ">its N", ">its D", ">D / N", ">least loss", ">this plan", ">20:1", ">x beyond"))
    for view in budget["laws"]:
        beyond = view["extrapolation"]
        shape = (count(view["params"]), count(view["tokens"]), f"{view['tokens_per_param']:.3g}")
        losses = (f"{view[name]:.4f}" for name in ("optimal_loss", "loss", "rule20_loss"))
        table.add_row(Text(plain(view["law"])), *shape, *losses, f"{beyond:,.3g}" if beyond > 1 else "within")
    rule = budget["rule20"]
    table.add_row("20:1 rule", count(rule["params"]), count(rule["tokens"]), f"{rule['tokens_per_param']:.3g}")
    return table


def _penalties(budget: dict[str, Any]) -> Table:
    table = table_of((">x size", ">parameters", ">tokens", ">D / N", ">loss", ">above", ">wasted FLOPs"))
    for one in budget["penalties"]:
        shape = (f"{one['size']:g}", count(one["params"]), count(one["tokens"]), f"{one['tokens_per_param']:.3g}")
        table.add_row(*shape, f"{one['loss']:.4f}", f"{one['extra_loss']:+.4f}", f"{one['wasted']:.1%}")
    return table


def _inference(one: dict[str, Any]) -> str:
    plan = f"{count(one['params'])} parameters on {count(one['tokens'])} tokens"
    cost = f"{one['cost']:.3g} {one['unit']} instead of {one['optimal_cost']:.3g}, {one['saved_share']:.1%} less"
    return f"To serve {count(one['inference_tokens'])} tokens at the same loss: {plan}; in all {cost}"


def _data(one: dict[str, Any]) -> str:
    supply, best = one["supply"], one["optimal"]
    domains = "".join(
        f"\n  {plain(domain['name'])}: {count(domain['tokens'])} of {count(domain['unique_tokens'])}, "
        f"{domain['epochs']:.2f} passes, worth {count(domain['effective_tokens'])}"
        for domain in supply["domains"]
    )
    return (
        f"Corpus: {count(supply['unique_tokens'])} unique tokens, {supply['epochs']:.2f} passes worth "
        f"{count(supply['effective_tokens'])}; {plain(supply['runs_out_first'])} runs out first, after "
        f"{count(supply['runs_out_at'])}{domains}\n"
        f"Loss with repetition {one['loss']:.4f} ({one['extra_loss']:+.4f}); muennighoff2023 says "
        f"{one['constrained_loss']:.4f}, and best on this corpus {count(best['params'])} on {count(best['tokens'])} "
        f"({one['optimal_epochs']:.2f} passes)"
    )


def bill(one: dict[str, Any]) -> str:
    """A bill (`scaling.cost.Bill`) in a line: what runs where, how long, for how much."""
    money = "" if one["dollars"] is None else f", ${one['dollars']:,.0f} at ${one['dollars_per_gpu_hour']:g} an hour"
    source = f" ({plain(one['price_source'], 120)})" if money else ""
    energy = "" if one["kilowatt_hours"] is None else f", {one['kilowatt_hours'] / 1000:,.3g} MWh at most"
    devices = f"{one['gpus']:,} x {plain(one['gpu'])}, MFU {one['mfu']:.0%}"
    return f"On {devices}: {one['gpu_hours']:,.0f} GPU-hours, {one['days']:,.3g} days{energy}{money}{source}"


_SAYS = {"inference": _inference, "data": _data, "bill": bill}
