"""What `winnow run` prints of a recipe with `mixture:`, below its funnel."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.plain import plain
from pipeline.report.terminal import table_of


def show(facts: dict[str, Any], console: Console) -> None:
    """Domains from weight to measured loss, what was foretold, and the judge's words."""
    model = facts["model"]
    table = table_of(("domain", ">weight", ">allotted", ">trained", ">bits a byte"))
    for name, weight in facts["weights"].items():
        known = model["held_out"].get(name, {}).get("bits_per_byte")
        trained = model["domains"].get(name, {}).get("tokens", 0)
        cells = [f"{weight:.2%}", f"{facts['allotted'].get(name, 0):,}", f"{trained:,}"]
        table.add_row(plain(name, 60), *cells, "" if known is None else f"{known:.4f}")
    console.print(table)
    if facts["predicted"] is not None and facts["measured"] is not None:
        said = f"foretold {facts['predicted']:.4f}, measured {facts['measured']:.4f} {facts['unit']}"
        console.print(Text(f"\nproxies on {plain(facts['method'])}: {said} ({facts['off']:+.2%})"))
    for sentence in facts["verdict"]:
        console.print(Text(plain(sentence, 400)))
    console.print(
        Text(f"model: held-out loss {model['held_out_loss']:.4f} nats a token -> {plain(model['checkpoint'], 400)}")
    )
