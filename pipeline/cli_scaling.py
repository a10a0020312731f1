"""The verbs about scale: `law`, `fit`, `budget`, `cost`, `explore`. pipeline/cli.py mounts them beside its own.

Counts are raw, with a suffix where that is shorter (7B, 1.4T, 1e22). What scaling refuses (LawError, FitError) was
asked wrongly, so it becomes a RecipeError here, with exit code 2: scaling imports nothing of ours, so cannot raise one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from corpus.errors import RecipeError
from pipeline.printed import printed
from pipeline.quantities import pair, quantities, quantity

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
laws = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object (docs/reference/scaling.md) on stdout.")]
LawName = Annotated[str | None, typer.Option("--law", help="A name of `winnow law list`, or a fit's JSON file.")]
Params = Annotated[str | None, typer.Option(help="Parameters: 7e9 or 7B.")]
Tokens = Annotated[str | None, typer.Option(help="Training tokens: 2e12 or 2T.")]
Gpu = Annotated[str | None, typer.Option(help="A device, such as H100-SXM; an unknown one lists all.")]
Mfu = Annotated[float | None, typer.Option(help="Useful share of the dense peak; 0.4 if absent (Llama 3, table 4).")]
Price = Annotated[str | None, typer.Option("--price", help="Dollars a GPU-hour; a dated list price if absent.")]
Gpus = Annotated[int, typer.Option(min=1, help="How many of them, for the days it takes.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what stands at that name.")]
Column = Annotated[str | None, typer.Option(help="The column's name, where it is no common one.")]
Method = Annotated[str, typer.Option(help="parametric, isoflop, envelope; or params, tokens, flops: a law of one.")]
Against = Annotated[list[str] | None, typer.Option(help="Judge a law's constants on the same runs; repeatable.")]
DecodeMfu = Annotated[float | None, typer.Option(help="MFU of generating; with it, serving is counted in dollars.")]
OutputShare = Annotated[float | None, typer.Option(help="Share of the served tokens that are generated.")]


@app.command()
def fit(
    runs: Annotated[str, typer.Argument(metavar="RUNS.csv", help="One row a run: params, tokens or flops, loss.")],
    method: Method = "parametric",
    params: Column = None,
    tokens: Column = None,
    flops: Column = None,
    loss: Column = None,
    drop_highest: Annotated[int, typer.Option(min=0, help="Leave out so many runs of highest loss.")] = 0,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples behind the 95 % intervals.")] = 200,
    against: Against = None,
    no_floor: Annotated[bool, typer.Option("--no-floor", help="A law of one quantity without E.")] = False,
    below: Annotated[str | None, typer.Option(help="Back-test: fit up to so many FLOPs, predict the others.")] = None,
    html: Annotated[str | None, typer.Option(help="Write plots to this HTML file, which works offline.")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Fit L = E + A / N^alpha + B / D^beta to your runs, with intervals and warnings.

    That is the method parametric, Hoffmann's approach 3; isoflop is approach 2 and envelope approach 1, which give
    the best N for a budget only; params, tokens and flops give L = E + k / x^exponent of that quantity alone.

    Example: winnow fit runs.csv --bootstrap 1000 --json
    """
    from pipeline.places import page_place

    with _asked():
        from pipeline import fitting  # needs scipy, and says so
        from pipeline.report import fits

        page = None if html is None else page_place(html, overwrite)
        columns = {"params": params, "tokens": tokens, "flops": flops, "loss": loss}
        read = fitting.read(runs, columns, drop_highest)
        below_flops = None if below is None else quantity(below, "--below")
        found = fitting.fitted(read, method, bootstrap, against or (), below_flops, page, floor=not no_floor)
    printed(found, json, lambda console: fits.show(found, console))


@app.command()
def budget(
    flops: Annotated[str | None, typer.Option(help="Training FLOPs: 1e23.")] = None,
    params: Params = None,
    tokens: Tokens = None,
    gpu_hours: Annotated[str | None, typer.Option(help="Hours x devices, of --gpu.")] = None,
    dollars: Annotated[str | None, typer.Option(help="Dollars, of --gpu at --price.")] = None,
    gpu: Gpu = None,
    gpus: Gpus = 1,
    mfu: Mfu = None,
    price: Price = None,
    law: LawName = None,
    inference_tokens: Annotated[str | None, typer.Option(help="Tokens served over the model's life.")] = None,
    decode_mfu: DecodeMfu = None,
    output_share: OutputShare = None,
    unique_tokens: Annotated[str | None, typer.Option(help="What there is by domain: web=1e12,code=200B.")] = None,
    shares: Annotated[str | None, typer.Option(help="The mixture: web=0.7,code=0.3; as there is, if absent.")] = None,
    json: Json = False,
) -> None:
    """The plan that one quantity pays for: parameters, tokens, batch, steps, loss, under each law.

    Give one of --flops, --params, --tokens, --gpu-hours, --dollars.

    Example: winnow budget --flops 1e22 --inference-tokens 2T --unique-tokens web=200B,code=30B
    """
    from pipeline import budgeting
    from pipeline.report import budgets

    with _asked():
        asked = {"flops": flops, "params": params, "tokens": tokens, "gpu_hours": gpu_hours, "dollars": dollars}
        numbers = {name: quantity(said, _option(name)) for name, said in asked.items() if said is not None}
        device = budgeting.device(gpu, gpus, mfu, _number(price, "--price"))
        serving = budgeting.Serving(_number(inference_tokens, "--inference-tokens"), decode_mfu, output_share)
        domains, mixture = _named(unique_tokens, "--unique-tokens"), _named(shares, "--shares")
        found = budgeting.budgeted(numbers, law, device, serving, domains, mixture)
    printed(found, json, lambda console: budgets.show(found, console))


@app.command()
def cost(
    tokens: Annotated[str, typer.Option(help="Training tokens: 15T.")],
    gpu: Annotated[str, typer.Option(help="A device, such as H100-SXM; an unknown one lists all.")],
    model: Annotated[str | None, typer.Option(help="A published architecture, such as llama3_8b.")] = None,
    params: Params = None,
    mfu: Mfu = None,
    gpus: Annotated[int, typer.Option(min=1, help="Devices; those of the layout, if that has more.")] = 1,
    price: Price = None,
    context: Annotated[int | None, typer.Option(min=1, help="Tokens of a sequence; the model's own if absent.")] = None,
    data: Annotated[int, typer.Option(min=1, help="Replicas.")] = 1,
    tensor: Annotated[int, typer.Option(min=1, help="Devices that share each matrix.")] = 1,
    pipeline: Annotated[int, typer.Option(min=1, help="Stages of consecutive layers.")] = 1,
    zero: Annotated[int, typer.Option(min=0, max=3, help="ZeRO stage; 3 is FSDP.")] = 0,
    micro_batch: Annotated[int, typer.Option(min=1, help="Sequences at once on a device.")] = 1,
    micro_batches: Annotated[int, typer.Option(min=1, help="Of these in a step.")] = 1,
    recompute: Annotated[str, typer.Option(help="none, selective or full.")] = "none",
    serve_on: Annotated[int | None, typer.Option(min=1, help="Show serving on so many devices.")] = None,
    json: Json = False,
) -> None:
    """What a run costs: FLOPs, GPU-hours, days, dollars, energy, memory of a device, idle, traffic, serving.

    Example: winnow cost --model llama3_8b --tokens 15T --gpu H100-SXM --data 64 --zero 1 --recompute full
    """
    from pipeline import costing
    from pipeline.report import costs
    from scaling.cost import TYPICAL_MFU
    from scaling.parallel import Layout

    with _asked():
        ways = {"data": data, "tensor": tensor, "pipeline": pipeline, "zero": zero}
        layout = Layout(**ways, micro_batch=micro_batch, micro_batches=micro_batches)  # type: ignore[arg-type]
        asked = costing.Asked(
            model=model,
            params=_number(params, "--params"),
            tokens=quantity(tokens, "--tokens"),
            gpu=gpu,
            gpus=gpus,
            mfu=TYPICAL_MFU if mfu is None else mfu,
            dollars_per_gpu_hour=_number(price, "--price"),
            layout=layout,
            recompute=recompute,  # type: ignore[arg-type]
            context=context,
            serve_on=serve_on,
        )
        found = costing.cost(asked)
    printed(found, json, lambda console: costs.show(found, console))


@app.command()
def explore(
    out: Annotated[str, typer.Argument(metavar="OUT.html", help="The page to write.")],
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a page with sliders over the laws: loss, best plans, serving, repetition. It needs no network.

    Example: winnow explore laws.html
    """
    from corpus.storage import write_bytes
    from pipeline.places import page_place
    from scaling.explorer import page

    place = page_place(out, overwrite)
    content = page().encode()
    write_bytes(place, content)
    done = {"file": out, "bytes": len(content)}
    printed(done, json, lambda console: console.print(f"{out}: open it in a browser", markup=False, soft_wrap=True))


@laws.callback()
def about_laws() -> None:
    """Published scaling laws, and the loss they expect.

    Example: winnow law loss --law besiroglu2024 --params 70e9 --tokens 1.4e12
    """


@laws.command("list")
def law_list(json: Json = False) -> None:
    """The laws there are, with their constants and where those were read.

    Example: winnow law list
    """
    from pipeline.report import laws as report

    found = report.listed()
    printed(found, json, lambda console: report.show_list(found, console))


@laws.command("loss")
def law_loss(
    params: Annotated[str, typer.Option(help="Parameters: 70e9 or 70B.")],
    tokens: Annotated[str, typer.Option(help="Training tokens: 1.4e12 or 1.4T.")],
    law: LawName = None,
    json: Json = False,
) -> None:
    """The loss that a law expects of so many parameters on so many tokens.

    Example: winnow law loss --law besiroglu2024 --params 70e9 --tokens 1.4e12
    """
    from pipeline.report import laws as report
    from scaling.table import DEFAULT
    from scaling.table import law as named

    with _asked():
        found = report.loss(named(law or DEFAULT), quantity(params, "--params"), quantity(tokens, "--tokens"))
    printed(found, json, lambda console: report.show_loss(found, console))


@laws.command("compare")
def law_compare(
    plans: Annotated[list[str] | None, typer.Argument(metavar="PLAN...", help="params:tokens, such as 7B:2T.")] = None,
    known: Annotated[list[str] | None, typer.Option(help="A known model, such as Chinchilla; repeatable.")] = None,
    law: Annotated[list[str] | None, typer.Option(help="Only these laws; repeatable.")] = None,
    json: Json = False,
) -> None:
    """Plans side by side under every law.

    Example: winnow law compare 7e9:2e12 13e9:1e12 --known Chinchilla
    """
    from pipeline.report import laws as report
    from scaling.table import LAWS
    from scaling.table import law as named

    with _asked():
        chosen = [named(name) for name in law or LAWS]
        found = report.compared([pair(plan, "PLAN") for plan in plans or ()], known or (), chosen)
    printed({"plans": found}, json, lambda console: report.show_compared(found, console))


@laws.command("emergence")
def law_emergence(
    flops: Annotated[list[str], typer.Argument(metavar="FLOPS...", help="Budgets, such as 1e20 1e22 1e24.")],
    law: LawName = None,
    answer_tokens: Annotated[str, typer.Option(help="Lengths of answers, in tokens.")] = "1,5,20",
    bytes_per_token: Annotated[float, typer.Option(help="Bytes of text a token, for bits a byte.")] = 4.4,
    json: Json = False,
) -> None:
    """Why an ability looks sudden: loss, partial credit and exact match of the best plans, side by side.

    Example: winnow law emergence 1e20 1e21 1e22 1e23 1e24
    """
    from pipeline.report import laws as report
    from scaling.table import DEFAULT
    from scaling.table import law as named

    with _asked():
        budgets = [quantity(said, "FLOPS") for said in flops]
        lengths = [int(quantity(said, "--answer-tokens")) for said in answer_tokens.split(",")]
        found = report.emergence(named(law or DEFAULT), budgets, lengths, bytes_per_token)
    printed(found, json, lambda console: report.show_emergence(found, console))


app.add_typer(laws, name="law")


@contextmanager
def _asked() -> Iterator[None]:
    """What scaling refuses, or cannot do without its extra, as a RecipeError."""
    from scaling.errors import FitError, LawError

    try:
        yield
    except (LawError, FitError) as error:
        raise RecipeError(str(error)) from error
    except ModuleNotFoundError as error:
        if error.name not in ("scipy", "plotly"):
            raise
        raise RecipeError(f"{error.name} is not installed: pip install 'winnow[scaling]'") from error


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _number(said: str | None, option: str) -> float | None:
    return None if said is None else quantity(said, option)


def _named(said: str | None, option: str) -> dict[str, float] | None:
    return None if said is None else quantities(said, option)
