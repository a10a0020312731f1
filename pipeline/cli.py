"""The command line. Every verb has `--json`; exit code 0: done, 1: the work failed, 2: it was asked wrongly.

Nothing heavy is imported before a verb needs it: `winnow --help` takes a tenth of a second.
"""

import gc
import os
import sys
from typing import Annotated, Any

import typer

from corpus.errors import RecipeError
from corpus.left_out import COMMAND
from pipeline import cli_classify, cli_contamination, cli_duplicates, cli_mixing, cli_scaling, cli_tokens, cli_train
from pipeline.options import Json, Run
from pipeline.outcome import dumped, leave, outcome, say
from pipeline.printed import printed

app = typer.Typer(
    name="winnow",
    help="Raw text in, a curated and de-duplicated corpus of token shards out, with a report that adds up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

At = Annotated[str, typer.Option("--at", help="Folder or URL of the run.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Change one setting: stage.key=value.")]
Engine = Annotated[str, typer.Option(help="local: processes of this machine; ray: a Ray cluster.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Workers; all cores where absent.")]
Address = Annotated[str | None, typer.Option(help="Address of a Ray cluster; one of its own where absent.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Documents in flight; changes no result.")]
MaxBad = Annotated[str | None, typer.Option("--max-bad", help="Share of bad records that stops the run; 1% if absent.")]
Count = Annotated[int, typer.Option("-n", min=1, help="How many documents.")]

_GARBAGE = 10_000
"""Objects made between two looks for garbage: at Python's 700, looks while modules load are 0.15 of a start's 1.5 s."""


@app.command()
def demo(at: At = "winnow-demo", engine: Engine = "local", workers: Workers = None, json: Json = False) -> None:
    """The main job on real text found on this machine: code, documents, licences, manuals. No network.

    Example: winnow demo --at winnow-demo
    """
    from pipeline import demo as found
    from pipeline.recipe import parse
    from pipeline.report import tour

    report = _run(parse(found.recipe()), at, engine, None, workers)
    printed(_summary(report), json, lambda console: tour.show(at, report, console))


@app.command()
def plan(
    recipe: Annotated[str, typer.Argument(help="A recipe, YAML.")],
    at: Annotated[str | None, typer.Option("--at", help="Folder of the run it would go on with.")] = None,
    set: Set = None,
    json: Json = False,
) -> None:
    """What a run would do, what is done, and why the rest is not. Changes nothing but the memory of input hashes.

    Example: winnow plan recipes/tiny.yaml --at runs/tiny --set gopher_quality.min_words=20
    """
    from pipeline.places import run_home
    from pipeline.plan import plan as made
    from pipeline.recipe import load
    from pipeline.report import plans
    from pipeline.spooling import spooled

    loaded = load(recipe, set or ())
    home = None if at is None else run_home(at)
    facts = plans.facts(made(spooled(loaded, home, None), home), home)
    printed(facts, json, lambda console: plans.show(facts, console))


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="A recipe, YAML.")],
    at: At,
    engine: Engine = "local",
    address: Address = None,
    workers: Workers = None,
    set: Set = None,
    batch_size: BatchSize = None,
    max_bad: MaxBad = None,
    json: Json = False,
) -> None:
    """Run a recipe, or go on with a run that was stopped; what is done is not done again.

    A recipe with `mixture:` goes on from its corpus to a mixture, an allotment and a model.

    Example: winnow run recipes/tiny.yaml --at runs/tiny --workers 2 --set minhash.bands=20
    """
    from pipeline.experiment_settings import wanted
    from pipeline.recipe import load
    from pipeline.report import terminal

    loaded = load(recipe, set or ())
    further = wanted(recipe, at, set or ())
    report = _run(loaded, at, engine, address, workers, batch_size, max_bad)
    if further is None:
        printed(_summary(report), json, lambda console: terminal.show(report, console))
        return
    if not json:
        printed({}, False, lambda console: terminal.show(report, console))
    _carry_out(further, at, engine, address, workers, json, _summary(report))


@app.command()
def report(
    at: Run,
    stage: Annotated[str | None, typer.Argument(help="With --rules or --thresholds: this stage's alone.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="What each rule cost, and what other limits regain.")] = False,
    thresholds: Annotated[bool, typer.Option("--thresholds", help="Where shares end, of quota and buckets.")] = False,
    cross: Annotated[tuple[str, str] | None, typer.Option(help="Two columns, such as level topic: a table.")] = None,
    html: Annotated[str | None, typer.Option(help="With --cross: write the table to this HTML file as well.")] = None,
    json: Json = False,
) -> None:
    """The funnel of a finished run: who was dropped where and why, by domain, and what it took; or what rules cost.

    Example: winnow report runs/tiny --rules gopher_quality
    """
    from pipeline.finished import Finished

    if html is not None and cross is None:
        raise RecipeError("report: --html is for the table of --cross")
    if rules + thresholds + (cross is not None) > 1:
        raise RecipeError("report: --rules, --thresholds and --cross each ask for something else; give one")
    if thresholds or cross is not None:
        _ranked(Finished.at(at), stage, cross, html, json)
        return
    if rules:
        from pipeline.accounting import accounting
        from pipeline.report import rules as ruled

        facts = accounting(Finished.at(at), stage)
        printed(facts, json, lambda console: ruled.show(facts, console))
        return
    if stage is not None:
        raise RecipeError(f"report: the rules of a stage are asked for by --rules {stage}")
    from pipeline.report import terminal

    figures = Finished.at(at).report
    printed(figures, json, lambda console: terminal.show(figures, console))


@app.command()
def show(
    at: Run,
    dropped_by: Annotated[str | None, typer.Option(help="A reason, or a stage for all of its reasons.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="One document.")] = None,
    cluster: Annotated[str | None, typer.Option(help="A cluster of duplicates, by its keeper's id.")] = None,
    bad: Annotated[bool, typer.Option("--bad", help="Records that were quarantined.")] = False,
    n: Count = 5,
    json: Json = False,
) -> None:
    """Documents of a finished run: kept ones, or those a reason dropped, with the value that sank each.

    Example: winnow show runs/tiny --dropped-by words -n 3
    """
    from pipeline.finished import Finished
    from pipeline.report import documents

    asked = {"dropped_by": dropped_by, "id": id, "cluster": cluster}
    if sum(value is not None for value in asked.values()) + bad > 1:
        raise RecipeError("show: --dropped-by, --id, --cluster and --bad each ask for something else; give one")
    if bad:
        records = documents.quarantined(at, n)
        printed({"quarantined": records}, json, lambda console: documents.show_quarantined(records, console))
        return
    run = Finished.at(at)
    found = documents.chosen(run, n, **asked)
    printed({"documents": found}, json, lambda console: documents.show(found, documents.limits(run), console))


@app.command()
def export(
    at: Run,
    out: Annotated[str, typer.Argument(help="A folder, or a file: .parquet, .jsonl, .jsonl.gz, .jsonl.zst.")],
    format: Annotated[str | None, typer.Option(help="parquet or jsonl; by the name of OUT where absent.")] = None,
    what: Annotated[str, typer.Option(help="kept, dropped or all.")] = "kept",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    json: Json = False,
) -> None:
    """Write documents of a finished run, with the columns its stages laid, for other tools to read.

    Example: winnow export runs/tiny kept.jsonl.zst --what kept
    """
    from pipeline import export as exports
    from pipeline.finished import Finished
    from pipeline.report.terminal import mb

    _one_of("--format", format or "jsonl", exports.SUFFIXES)
    _one_of("--what", what, exports.WHAT)
    done = exports.export(Finished.at(at), out, format, what, overwrite)
    line = f"{done['documents']:,} documents, {mb(done['bytes'])} MB of text -> {out}"
    printed(done, json, lambda console: console.print(line, markup=False, soft_wrap=True))


@app.command()
def stages(name: Annotated[str | None, typer.Argument(help="One stage.")] = None, json: Json = False) -> None:
    """The stages a recipe can name; of one stage its settings, and the columns it lays.

    Example: winnow stages minhash
    """
    from pipeline.report import stages as described

    facts = described.facts(name)
    printed(facts, json, lambda console: described.show(facts, console))


@app.command()
def schema(json: Json = False) -> None:
    """The JSON Schema of recipes, for editors (yaml-language-server) and checks. It is JSON either way.

    Example: winnow schema > recipe.schema.json
    """
    from pipeline.recipe import schema as made

    say(dumped(made(), indented=not json))


app.add_typer(cli_duplicates.app)  # audit, index
app.add_typer(cli_mixing.app)  # mix, inventory, allot, presets
app.add_typer(cli_tokens.app)  # tokenizer, tokenize, convert, trace, materialise
app.add_typer(cli_contamination.app)  # decontaminate
app.add_typer(cli_classify.app)  # classify
app.add_typer(cli_scaling.app)  # law, fit, budget, cost, explore
app.add_typer(cli_train.app)  # train, sweep, generate, evaluate, model


def command() -> None:
    """What `winnow` is: the command line in a process of its own, which ends without being taken apart."""
    try:
        main()
    except SystemExit as end:
        leave(int(end.code or 0))


def main() -> None:
    """Run the command line and end with its exit code."""
    os.environ[COMMAND] = "1"
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # the least: NumPy's threads else spin 0.1 s for work
    gc.set_threshold(_GARBAGE)
    sys.exit(outcome(app))


def _run(
    recipe: Any,
    at: str,
    engine: str,
    address: str | None,
    workers: int | None,
    batch_size: int | None = None,
    max_bad: str | None = None,
) -> dict[str, Any]:
    from pipeline.engines import engine as made
    from pipeline.places import run_home
    from pipeline.progress import shown
    from pipeline.run import BATCH_ROWS, MAX_BAD, Run

    _one_of("--engine", engine, ("local", "ray"))
    if address and engine != "ray":
        raise RecipeError("--address is of a Ray cluster; give --engine ray with it")
    share = MAX_BAD if max_bad is None else _share(max_bad)
    home = run_home(at)
    with made(engine, workers, address) as workforce:  # type: ignore[arg-type]
        return Run(recipe, home, workforce, shown(), batch_size or BATCH_ROWS, share, _stdin())()


def _ranked(run: Any, stage: str | None, cross: tuple[str, str] | None, html: str | None, json: bool) -> None:
    from pipeline.crossing import crossed
    from pipeline.report import crossed_page, ranked

    if cross is None:
        facts = ranked.facts(run, stage)
        printed(facts, json, lambda console: ranked.show(facts, console))
        return
    if stage is not None:
        raise RecipeError(f"report: --cross takes two columns and no stage ({stage!r})")
    table = crossed(run, *cross)
    if html is not None:
        crossed_page.write(table, html)
    printed(table, json, lambda console: ranked.show_crossed(table, console))


def _stdin() -> Any:
    return None if sys.stdin is None else sys.stdin.buffer  # None: closed by the caller


def _carry_out(
    further: Any, at: str, engine: str, address: str | None, workers: int | None, json: bool, summary: dict[str, Any]
) -> None:
    """What a recipe asks for beyond its corpus."""
    from corpus.storage import join
    from pipeline.experiment import EXPERIMENT, Where, carried_out
    from pipeline.report import experiments

    facts = carried_out(further, at, Where(engine, address, workers))
    said = summary | {"experiment": join(at, EXPERIMENT)}
    printed(said, json, lambda console: experiments.show(facts, console))


def _summary(report: dict[str, Any]) -> dict[str, Any]:
    """What `run --json` prints: docs/reference/json.md."""
    return {key: report[key] for key in ("run", "digest", "documents", "tokens", "seconds")} | {"experiment": None}


def _share(said: str) -> float:
    try:
        share = float(said.removesuffix("%")) / (100 if said.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise RecipeError(f"--max-bad: {said!r} is no share; give a percentage (0.1%) or a fraction (0.001)")
    return share


def _one_of(option: str, said: str, known: Any) -> None:
    if said not in known:
        raise RecipeError(f"{option}: {said!r} is not known; one of: {', '.join(known)}")
