"""`winnow mix judge`; pipeline/cli_mixing.py registers it among the commands of `mix`."""

from typing import Annotated

import typer

from pipeline.cli_proxies import Address, At, Engine, Out, Set, Workers
from pipeline.options import Json
from pipeline.printed import printed


def judge(
    at: At,
    mixtures: Annotated[list[str], typer.Argument(metavar="MIXTURE.json...", help="Two mixtures or more.")],
    out: Out,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Proxies of each mixture.")] = 3,
    target: Annotated[str | None, typer.Option(help="Domains that count: web=0.7,code=0.3; all alike.")] = None,
    baseline: Annotated[str | None, typer.Option(help="A mixture that each is compared with.")] = None,
    html: Annotated[str | None, typer.Option(help="Write a page to this HTML file.")] = None,
    set: Set = None,
    engine: Engine = "local",
    address: Address = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Which of several mixtures is better: proxies of the same seeds on each, differences with intervals.

    "No significant difference" is an answer. What is trained is not trained again.

    Example: winnow mix judge by-level proportional.json uniform.json --at judge --set model=1 --set budget=10K
    """
    from pipeline import judging
    from pipeline.report import judged

    facts = judging.judge(
        at,
        mixtures,
        out,
        seeds=seeds,
        target=target,
        baseline=baseline,
        overrides=set or (),
        engine=engine,
        address=address,
        workers=workers,
        html=html,
    )
    printed(facts, json, lambda console: judged.show_judged(facts, console))
