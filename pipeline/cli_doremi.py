"""`winnow mix doremi`. pipeline/cli_mixing.py mounts it in its group."""

from typing import Annotated

import typer

from pipeline.cli_proxies import At, Set
from pipeline.options import Json
from pipeline.printed import printed


def doremi(
    at: At,
    out: Annotated[str, typer.Option("--at", help="Folder of the search; the same command goes on there.")],
    rounds: Annotated[int, typer.Option(min=1, help="At most; fewer where no weight moves by 0.001 between two.")] = 3,
    step_size: Annotated[float, typer.Option(help="What a nat of excess multiplies a weight by, as its log.")] = 1.0,
    smoothing: Annotated[
        float, typer.Option(help="The share of all weight that is spread evenly at each step.")
    ] = 1e-3,
    reference: Annotated[
        str | None,
        typer.Option(help="proportional, uniform or a mixture.json; proportional for one round, else uniform."),
    ] = None,
    sampling: Annotated[
        str, typer.Option(help="A proxy's batches: uniform over domains, or by the reference's weights, corrected.")
    ] = "uniform",
    budget: Annotated[str | None, typer.Option(help="Training tokens of the mixture: 10B or 1e10.")] = None,
    most_epochs: Annotated[
        float | None, typer.Option(help="The most passes over a domain within that budget; 4 if absent.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the reference; the proxy has the next.")] = 0,
    mixture: Annotated[
        str | None, typer.Option("--out", help="Where the mixture goes; mixture.json in the folder if absent.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands at that name.")] = False,
    set: Set = None,
    html: Annotated[str | None, typer.Option(help="Write weights and excess of every step to this HTML file.")] = None,
    json: Json = False,
) -> None:
    """DoReMi: the weights at which a small model does no worse in any domain than a reference. Works under torchrun.

    Example: winnow mix doremi by-level --at runs/doremi --rounds 1 --set model=1 --set budget=10K --set most_epochs=99
    """
    from pipeline import doremi_rounds
    from pipeline.report import doremi as report
    from pipeline.training import first

    asked = doremi_rounds.Asked(
        rounds=rounds,
        step_size=step_size,
        smoothing=smoothing,
        sampling=sampling,
        reference=reference,
        budget=budget,
        most_epochs=most_epochs,
        seed=seed,
        out=mixture,
        overwrite=overwrite,
        html=html,
    )
    facts = doremi_rounds.doremi(at, out, set or (), asked)
    if first():
        printed(facts, json, lambda console: report.show(facts, console))
