"""What `winnow run` prints of a recipe with `mixture:`, below its funnel."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.plain import plain
from pipeline.report.terminal import table_of


def show(facts: dict[str, Any], console: Console) -> None:
    """Domains from weight to measured loss, what was foretold, and the judge's words."""
    table = table_of(("domain", ">weight", ">allotted", ">trained", ">bits a byte"))
    for name, one in facts["domains"].items():
        known = one["bits_per_byte"]
        cells = [f"{one['weight']:.2%}", f"{one['allotted']:,}", f"{one['trained']:,}"]
        table.add_row(Text(plain(name, 60)), *cells, "" if known is None else f"{known:.4f}")
    console.print(table)
    if facts["off"] is not None:
        said = f"foretold {facts['predicted']:.4f}, measured {facts['measured']:.4f} {facts['unit']}"
        console.print(Text(f"\nproxies on {plain(facts['method'])}: {said} ({facts['off']:+.2%})"))
        console.print(Text(f"the fit erred by {facts['error']:.4f} on runs it had not seen: {_worth(facts)}"))
    for sentence in facts["verdict"]:
        console.print(Text(plain(sentence, 400)), soft_wrap=True)
    model = facts["model"]
    lost = "" if model["held_out_loss"] is None else f"held-out loss {model['held_out_loss']:.4f} nats a token "
    console.print(Text(f"model: {lost}-> {plain(model['checkpoint'], 400)}"), soft_wrap=True)


def _worth(facts: dict[str, Any]) -> str:
    """Whether the means of all mixtures that were judged lie within the error."""
    apart = max(facts["means"].values()) - min(facts["means"].values())
    said = "less" if facts["error"] < apart else "more runs are needed, for that is more"
    return f"{said} than the {apart:.4f} between the mixtures that were judged"
