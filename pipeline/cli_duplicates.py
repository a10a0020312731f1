"""The verbs that are about duplicates: how well they were found, and indexes of earlier runs."""

from typing import Annotated, Any

import typer

from pipeline.options import Json, Run
from pipeline.printed import printed

app = typer.Typer()
index = typer.Typer(
    name="index",
    help="Indexes of finished runs, for later runs to be compared with (`minhash: {index: ...}`).",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(index)

Index = Annotated[str, typer.Argument(help="Folder or URL of an index.")]
Out = Annotated[str, typer.Argument(help="Folder or URL of the index to make.")]


@app.command()
def audit(
    at: Run,
    sample: Annotated[int, typer.Option(min=0, help="Most documents that exact truth is made for.")] = 20_000,
    planted: Annotated[int, typer.Option(min=0, help="Most edited copies that recall is tried on.")] = 3_000,
    seed: Annotated[int, typer.Option(help="Of samples and copies.")] = 0,
    stage: Annotated[str | None, typer.Option(help="The minhash stage, where there are several.")] = None,
    json: Json = False,
) -> None:
    """Precision and recall of a finished run's near-duplicates, from exact comparison; changes nothing.

    Example: winnow audit runs/tiny --sample 20000
    """
    from pipeline.audit.auditing import audit as audited
    from pipeline.finished import Finished
    from pipeline.report import audits

    facts = audited(Finished.at(at), sample, planted, seed, stage)
    printed(facts, json, lambda console: audits.show(facts, console))


@index.command("make")
def make(
    at: Run,
    out: Out,
    stage: Annotated[str, typer.Option(help="The stage whose keys it holds.")] = "minhash",
    json: Json = False,
) -> None:
    """An index of a finished run's kept documents: keys, ids, texts, and what keepers are chosen by.

    Example: winnow index make runs/tiny index/tiny --stage minhash
    """
    from pipeline import index as indexes
    from pipeline.finished import Finished

    _said(indexes.make(Finished.at(at), out, stage), json)


@index.command("merge")
def merge(first: Index, second: Index, out: Out, json: Json = False) -> None:
    """The documents of two indexes that were made alike.

    Example: winnow index merge index/may index/june index/both
    """
    from pipeline import index as indexes

    _said(indexes.merge(first, second, out), json)


@index.command("subtract")
def subtract(first: Index, second: Index, out: Out, json: Json = False) -> None:
    """The documents of the first index whose id the second does not have.

    Example: winnow index subtract index/june index/may index/rest
    """
    from pipeline import index as indexes

    _said(indexes.subtract(first, second, out), json)


@index.command("show")
def show(at: Index, json: Json = False) -> None:
    """What an index holds and what its keys were made with.

    Example: winnow index show index/may
    """
    from pipeline import index as indexes

    _said(indexes.describe(at), json)


def _said(facts: dict[str, Any], json: bool) -> None:
    from rich.console import Console

    def lines(console: Console) -> None:
        for key, value in facts.items():
            console.print(f"{key}: {value}", markup=False, soft_wrap=True)

    printed(facts, json, lines)
