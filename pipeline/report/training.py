"""What the verbs about models show people."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.plain import plain, printable
from pipeline.report.terminal import table_of


def show(facts: dict[str, Any], console: Console) -> None:
    """A run: tokens beside the budget, loss beside the law's, domains beside the mixture."""
    share = facts["tokens"] / facts["budget"]
    console.print(Text(f"{facts['steps']:,} steps, {facts['tokens']:,} of {facts['budget']:,} tokens ({share:.2%})"))
    if facts["stopped"] != "budget":
        console.print(Text(f"stopped ({facts['stopped']}); the same command goes on"))
    console.print(Text(f"{facts['params']:,} parameters -> {plain(facts['checkpoint'], 400)}\n"))
    if facts["domains"]:
        _domains(facts, console)
    if facts["held_out_loss"] is not None:
        console.print(Text(f"\nheld-out loss {facts['held_out_loss']:.4f} nats a token"))
    if facts["predicted"] is not None:
        one = facts["predicted"]
        off = "" if one["off"] is None else f", measured {one['off']:+.2%}"
        console.print(Text(f"{plain(one['law'])} foretold {one['loss']:.4f}{off}"))


def _domains(facts: dict[str, Any], console: Console) -> None:
    table = table_of(("domain", ">tokens", ">share", ">asked", ">held-out loss", ">bits a byte"))
    for name, one in facts["domains"].items():
        known = facts["held_out"].get(name, {})
        cells = [f"{one['tokens']:,}", _share(one["share"]), _share(one["asked"])]
        table.add_row(plain(name, 60), *cells, _figure(known.get("loss")), _figure(known.get("bits_per_byte")))
    console.print(table)


def show_evaluated(facts: dict[str, Any], console: Console) -> None:
    """What a model knows: domains, benchmarks, canaries."""
    console.print(Text(f"{plain(facts['checkpoint'], 400)}, after {facts['tokens']:,} tokens\n"))
    table = table_of(("domain", ">documents", ">tokens", ">loss", ">perplexity", ">bits a byte"))
    for name, one in facts["held_out"].items():
        figures = [_figure(one[key]) for key in ("loss", "perplexity", "bits_per_byte")]
        table.add_row(plain(name, 60), f"{one['documents']:,}", f"{one['tokens']:,}", *figures)
    console.print(table)
    for score in facts["benchmarks"]:
        console.print(Text(_score(score)))
    for one in facts["canaries"]:
        console.print(Text(f"planted {one['copies']:,} times: {one['recited']:,} of {one['canaries']:,} recited"))


def _score(score: dict[str, Any]) -> str:
    choice = "" if score["accuracy"] is None else f"accuracy {score['accuracy']:.2%} (chance {score['chance']:.2%}), "
    return f"{plain(score['file'], 200)}: {score['items']:,} items, {choice}exact {score['exact_match']:.2%}"


def show_generated(facts: dict[str, Any], console: Console) -> None:
    """The prompt and what follows."""
    console.print(Text(printable(facts["prompt"] + facts["text"], keep="\n\t")))


def show_coordinates(facts: dict[str, Any], console: Console) -> None:
    """Sizes by width, and whether they keep."""
    table = table_of((">width", ">residual", ">logits"))
    for width, residual, logits in zip(facts["widths"], facts["residual"], facts["logits"], strict=True):
        table.add_row(f"{width:,}", f"{residual:.4f}", f"{logits:.4f}")
    console.print(table)
    told = "flat" if facts["flat"] else "not flat"
    slopes = f"residual {facts['residual_slope']:+.3f}, logits {facts['logits_slope']:+.3f}"
    console.print(Text(f"slopes {slopes}: {told}"))


def show_transfer(facts: dict[str, Any], console: Console) -> None:
    """A table for each parametrization, the best rate of each width marked, and the verdict."""
    for one in facts["transfers"]:
        table = table_of((one["parametrization"], *(f">{rate:.3g}" for rate in one["rates"])))
        for width, losses, best in zip(one["widths"], one["losses"], one["best_rates"], strict=True):
            marks = ["*" if rate == best else "" for rate in one["rates"]]
            cells = ["diverged" if loss is None else f"{loss:.4f}" for loss in losses]
            table.add_row(f"width {width:,}", *(mark + cell for cell, mark in zip(cells, marks, strict=True)))
        console.print(table)
        where = "inside the grid" if one["inside"] else "at the edge of the grid"
        wider = "wider is not worse" if one["no_worse"] else "a wider model is worse"
        notches = "1 notch" if one["moved"] == 1 else f"{one['moved']} notches"
        told = "carries over" if one["carries_over"] else "does not carry over"
        console.print(Text(f"best rate moved {notches}, {where}; {wider}: it {told}\n"))
    if facts["as_good_as_standard"] is not None:
        told = "at every width" if facts["as_good_as_standard"] else "not at every width"
        console.print(Text(f"muP as good as the standard parametrization, within 0.02 nats: {told}"))


def show_replayed(facts: dict[str, Any], console: Console) -> None:
    """What was left out, what it was fed to, and whether the spike came again."""
    skip, losses = facts["skip"], [loss for loss in facts["losses"] if loss is not None]
    which = f"sequences {skip['first']:,} to {skip['end']:,}"
    console.print(Text(f"left out: {which}, for a spike that began at step {skip['began']:,}"))
    seen = f", losses {min(losses):.4f} to {max(losses):.4f}" if losses else ""
    console.print(Text(f"fed to the model of step {facts['step']:,}: {len(facts['losses']):,} batches{seen}"))
    told = "it came again: it is the batches" if facts["came_again"] else "it did not come again: not the batches alone"
    console.print(Text(told))


def show_sweep(facts: dict[str, Any], console: Console) -> None:
    """The best run of each budget, the law, and what was foretold."""
    table = table_of((">FLOPs", ">sizes", ">best size", ">tokens", ">rate", ">loss", "minimum"))
    for one in facts["budgets"]:
        where = "inside" if one["interior"] else "at the edge"
        sizes = [f"{one['flops']:.3g}", f"{one['sizes']}", f"{one['params']:,.0f}", f"{one['tokens']:,}"]
        table.add_row(*sizes, f"{one['rate']:.3g}", f"{one['loss']:.4f}", where)
    console.print(table)
    if facts["foretold"] is not None:
        one = facts["foretold"]
        console.print(
            Text(f"top budget: foretold {one['predicted']:.4f}, measured {one['loss']:.4f} ({one['error']:+.2%})")
        )
    for warning in facts["warnings"]:
        console.print(Text(f"Note: {plain(warning, 400)}"))


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _figure(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.4f}"
