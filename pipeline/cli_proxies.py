"""The verbs of `winnow mix` that train proxies. pipeline/cli_mixing.py mounts them in its group."""

from typing import Annotated

import typer

from pipeline.options import Json
from pipeline.printed import printed

At = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE|TOKENS|RUN", help="As of `winnow train`: a recipe with `train:`, or what has tokens."
    ),
]
Out = Annotated[str, typer.Option("--at", help="Folder of the proxies; the same command goes on there.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Change one setting of `train:`, of all proxies: key=value.")
]
Engine = Annotated[str, typer.Option(help="local: processes of this machine; ray: a Ray cluster.")]
Address = Annotated[str | None, typer.Option(help="Address of a Ray cluster; one of its own where absent.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Proxies at once, a thread each; all cores if absent.")]
Target = Annotated[str | None, typer.Option(help="The losses that count: web=0.8,code=0.2; all if absent.")]


def swarm(
    at: At,
    out: Out,
    runs: Annotated[int, typer.Option(min=1, help="Mixtures to train on, in all rounds.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Of the mixtures that are drawn.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Proxies on each mixture, which begin with other weights.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Above 1, later mixtures are those that earlier runs praise.")] = 1,
    target: Target = None,
    target_budget: Annotated[
        str | None, typer.Option(help="Tokens of the real run: proxies repeat each domain as often as that would.")
    ] = None,
    set: Set = None,
    engine: Engine = "local",
    address: Address = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Train proxies on many mixtures: the table of runs that `mix regmix` and `mix mixing_law` are fitted to.

    Example: winnow mix swarm by-level --at runs/swarm --runs 4 --set model=1 --set budget=10K --set most_epochs=100
    """
    from pipeline import swarming
    from pipeline.report import swarms

    facts = swarming.swarm(
        at,
        out,
        set or (),
        runs=runs,
        seed=seed,
        seeds=seeds,
        rounds=rounds,
        target=target,
        target_budget=target_budget,
        engine=engine,
        address=address,
        workers=workers,
    )
    printed(facts, json, lambda console: swarms.show(facts, console))
