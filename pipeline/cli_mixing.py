"""The verbs about mixtures: `mix`, `inventory`, `allot`, `presets`. pipeline/cli.py mounts them beside its own.

`mix` is a group: what trains proxies has commands of its own (cli_proxies.py), and whatever else its first word is
goes to `mix METHOD`.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline import cli_doremi, cli_judge, cli_proxies
from pipeline.options import Json
from pipeline.printed import printed

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Place = Annotated[
    str, typer.Argument(metavar="TOKENS|RUN", help="A folder of tokens, its manifest, or a finished run.")
]
Budget = Annotated[str | None, typer.Option(help="Training tokens: 10B or 1e10.")]
By = Annotated[str | None, typer.Option("--by", help="A column of the run whose buckets are the domains.")]
Edges = Annotated[str | None, typer.Option(help="Where buckets of scores part: 0.3,0.7.")]
PerToken = Annotated[float | None, typer.Option("--bytes-per-token", help="For a run without tokens; 3.41 if absent.")]

METHOD = "METHOD"


class Methods(TyperGroup):
    """A group whose first word is one of its commands, or a method."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As of a group, of `METHOD ...` where no command was named."""
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [METHOD, *args]
        return super().parse_args(ctx, args)


mix = typer.Typer(
    name="mix",
    cls=Methods,
    help="The share of the training tokens that each domain gets: by a METHOD, or found by training proxies.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(mix)


@mix.command(METHOD)
def mixed(
    method: Annotated[str, typer.Argument(help="A method, or a published mixture (`winnow presets`).")],
    at: Place,
    budget: Budget = None,
    out: Annotated[str | None, typer.Option(help="Write the mixture to this .json file.")] = None,
    tau: Annotated[float | None, typer.Option(help="temperature: 1 is proportional, large ones uniform.")] = None,
    most_epochs: Annotated[
        float | None, typer.Option(help="unimax, regmix, mixing_law: the most passes over a domain; 4 if absent.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="static: web=0.6,code=0.4.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="static: a JSON file of shares, or a mixture.")] = None,
    map: Annotated[
        list[str] | None, typer.Option(help="A published domain, or one of runs, and yours: Books=novels; repeatable.")
    ] = None,
    runs: Annotated[
        list[str] | None, typer.Option(help="regmix, mixing_law: a .csv or .jsonl of runs; repeatable.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The losses that count: web=0.8,code=0.2; all if absent.")] = None,
    regressor: Annotated[
        str | None, typer.Option(help="regmix: lightgbm, ridge, mixing_law, gaussian_process; the best if absent.")
    ] = None,
    candidates: Annotated[int | None, typer.Option(help="regmix: mixtures to simulate; 100,000 if absent.")] = None,
    seed: Annotated[int | None, typer.Option(help="regmix: of the candidates; 0 if absent.")] = None,
    kl: Annotated[
        float | None, typer.Option(help="mixing_law: nats a divergence of 1 from the tokens' shares costs; 0.05.")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="An earlier mixture.json whose ratios stay as they are.")] = None,
    by: By = None,
    edges: Edges = None,
    bytes_per_token: PerToken = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands at that name.")] = False,
    json: Json = False,
) -> None:
    """The share of the training tokens that each domain gets, by a method or as published.

    Example: winnow mix unimax runs/tiny --budget 10B --out mixture.json
    """
    from pipeline import mixing
    from pipeline.report import evidence, mixtures

    found = mixing.mixed(
        method,
        at,
        budget,
        out,
        overwrite,
        tau=tau,
        most_epochs=most_epochs,
        said_weights=weights,
        from_file=from_,
        maps=map or (),
        runs=runs or (),
        target=target,
        regressor=regressor,
        candidates=candidates,
        seed=seed,
        kl=kl,
        keep=keep,
        by=by,
        edges=edges,
        bytes_per_token=bytes_per_token,
    )

    def show(console: "Console") -> None:
        mixtures.show_mixture(found, out, console)
        evidence.show_evidence(found, console)

    printed(found, json, show)


mix.command("swarm")(cli_proxies.swarm)
mix.command("doremi")(cli_doremi.doremi)
mix.command("judge")(cli_judge.judge)


@app.command()
def inventory(
    at: Place, by: By = None, edges: Edges = None, bytes_per_token: PerToken = None, json: Json = False
) -> None:
    """The different tokens of each domain, and how many fresh ones some passes over them are worth.

    Example: winnow inventory runs/tiny --by words --edges 200,1000
    """
    from pipeline import mixing
    from pipeline.report import mixtures
    from pipeline.stock import stocked

    found = mixing.inventoried(stocked(at, by, edges, bytes_per_token))
    printed(found, json, lambda console: mixtures.show_inventory(found, console))


@app.command()
def allot(
    at: Place,
    mixture: Annotated[str, typer.Option(help="The mixture.json.")],
    budget: Budget = None,
    params: Annotated[
        str | None, typer.Option(help="Parameters: their compute-optimal tokens, where no budget is.")
    ] = None,
    most_epochs: Annotated[float | None, typer.Option(help="The most passes over a domain; 4 if absent.")] = None,
    law: Annotated[str | None, typer.Option("--law", help="A name of `winnow law list`, or a fit's JSON file.")] = None,
    bytes_per_token: PerToken = None,
    json: Json = False,
) -> None:
    """Whole tokens and passes by domain for a budget, who runs out first, and what repetition costs.

    Example: winnow allot runs/tiny --mixture mixture.json --budget 10B --most-epochs 4
    """
    from pipeline import mixing
    from pipeline.report import mixtures

    found = mixing.allotted(at, mixture, budget, params, most_epochs, law, bytes_per_token)
    printed(found, json, lambda console: mixtures.show_allotment(found, console))


@app.command()
def presets(name: Annotated[str | None, typer.Argument(help="One of them.")] = None, json: Json = False) -> None:
    """Published mixtures, each with the table it was read from.

    Example: winnow presets llama
    """
    from pipeline import mixing
    from pipeline.report import mixtures

    found = mixing.presets(name)
    printed(found, json, lambda console: mixtures.show_presets(found, console))
