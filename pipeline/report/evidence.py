"""What `winnow mix` prints below a mixture that was fitted to runs: what it rests on, and what it promises."""

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.report.plain import plain
from pipeline.report.terminal import table_of

_LISTED = 8  # runs left out that are named


def show_evidence(mixture: dict[str, Any], console: Console) -> None:
    """Print the evidence of a mixture (`mixtures.fitted`); nothing where it has none."""
    found = mixture["settings"].get("evidence")
    if found is None:
        return
    losses = f"{len(found['targets'])} loss{'es' * (len(found['targets']) > 1)}"
    console.print(Text(f"\n{found['runs']:,} runs ({found['digest'][:12]}), {losses}\n"), soft_wrap=True)
    console.print(_ranked(found))
    for line in _lines(found):
        console.print(Text(f"\n{line}"), soft_wrap=True)


def _ranked(found: dict[str, Any]) -> Any:
    table = table_of(("regressor", ">rank correlation", ">error", "taken"))
    for name, score in found["cross_validation"].items():
        taken = "yes" if name == found["regressor"] else ""
        table.add_row(name, f"{score['spearman']:.3f}", f"{score['rmse']:.3f}", taken)
    return table


def _lines(found: dict[str, Any]) -> list[str]:
    promised, prior = found["predicted"], found["predicted_prior"]
    said = [f"Predicted a loss of {promised:.4f}; in proportion to the tokens {prior:.4f}."]
    if promised > prior:
        said.append("No better than in proportion to the tokens, by the fit itself: take `proportional`.")
    elif (error := found["cross_validation"][found["regressor"]]["rmse"]) > prior - promised:
        said.append(
            f"The fit errs by {error:.4f} on runs it has not seen, more than the {prior - promised:.4f} it promises: "
            f"judge the mixture (`winnow mix judge`) before you train on it, or train more runs."
        )
    for theirs, parts in found["spread"].items():
        said.append(f"Runs drew from {plain(theirs)}: taken for {plain(', '.join(parts))}, in proportion to tokens.")
    if out := list(found["left_out"].items()):
        named = "; ".join(f"{plain(run)}: {plain(why)}" for run, why in out[:_LISTED])
        more = f"; and {len(out) - _LISTED:,} more" if len(out) > _LISTED else ""
        said.append(f"Left out, {len(out):,} of {len(out) + found['runs']:,} runs: {named}{more}.")
    return said
