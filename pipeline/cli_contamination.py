"""The verb about benchmarks: which items stand in which documents of a finished run."""

from typing import Annotated

import typer

from pipeline.options import Json, Run
from pipeline.printed import printed

app = typer.Typer()


@app.command()
def decontaminate(
    at: Run,
    stage: Annotated[str | None, typer.Option(help="The decontaminate stage, where there are several.")] = None,
    documents: Annotated[int, typer.Option(min=0, help="Most documents told of an item.")] = 5,
    html: Annotated[str | None, typer.Option(help="Also write the report as a page here.")] = None,
    frequent: Annotated[str | None, typer.Option(help="Also write here the n-grams in more than 10 documents.")] = None,
    json: Json = False,
) -> None:
    """Which benchmark items stand in which documents of a finished run, where, and what became of them.

    Example: winnow decontaminate runs/clean --html contamination.html
    """
    from corpus.storage import write_bytes
    from pipeline import contamination
    from pipeline.finished import Finished
    from pipeline.report import contaminations

    judge = contamination.judge(Finished.at(at), stage)
    facts = contamination.report(judge, documents)
    facts["frequent"] = contamination.frequent(judge, frequent) if frequent else None
    if html:
        write_bytes(html, contaminations.page(facts).encode())
    printed(facts, json, lambda console: contaminations.show(facts, console))
