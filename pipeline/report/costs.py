"""What `winnow cost` prints: FLOPs, the bill, memory of a device, idle and traffic of a layout, and serving."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.budgets import bill
from pipeline.report.laws import count
from pipeline.report.plain import plain
from pipeline.report.terminal import table_of


def show(cost: dict[str, Any], console: Console) -> None:
    """Print a cost (`pipeline.costing.cost`)."""
    model = cost["model"] or f"{count(cost['params'])} parameters"
    console.print(Text(f"{plain(model)} on {count(cost['tokens'])} tokens: {cost['flops']:.4g} FLOPs"))
    if cost["flops_per_token"] is not None:
        exact = f"{cost['flops_per_token']:.4g} FLOPs a token, {cost['attention_share']:.1%} of them attention scores"
        console.print(Text(f"  {exact}; 6 N D says {cost['six_nd']:.4g}; HFU is {cost['hfu_over_mfu']:.2f} x MFU"))
    console.print(Text(bill(cost["bill"])))
    if cost["memory"]:
        _memory(cost, console)
    if cost["serving"]:
        console.print(Text("\n" + _serving(cost["serving"])))


def _memory(cost: dict[str, Any], console: Console) -> None:
    held, layout = cost["memory"], cost["layout"]
    fits = "fits" if held["fits"] else "does not fit"
    ways = ", ".join(f"{name} {layout[name]}" for name in ("data", "tensor", "pipeline", "zero"))
    console.print(Text(f"\nMemory of the fullest device ({ways}), {fits} with a tenth left free:"))
    table = table_of(("what", ">GB"))
    for name in ("weights", "gradients", "optimizer", "activations", "gathered", "total"):
        table.add_row(name, f"{held[f'{name}_bytes'] / 1e9:,.2f}")
    console.print(table)
    sent = cost["traffic"]
    moved = ", ".join(f"{name} {sent[f'{name}_bytes'] / 1e9:,.3g} GB" for name in ("data", "tensor", "pipeline"))
    console.print(Text(f"Pipeline bubble {cost['bubble']:.1%}; sent a step: {moved}"))


def _serving(one: dict[str, Any]) -> str:
    cache = f"{one['kv_bytes_per_token'] / 1024:,.4g} KiB of cache a token"
    speed = f"{one['tokens_per_second_one']:,.3g} tokens/s for one, {one['tokens_per_second_all']:,.4g} for all at most"
    return (
        f"To serve on {one['gpus']} x {plain(one['gpu'])}: weights {one['weights_bytes'] / 1e9:,.1f} GB, {cache}; "
        f"{one['sequences']:,} sequences of {one['context']:,} tokens fit; {speed}"
    )
