"""The verbs about models: `train`, `sweep`, `generate`, `evaluate`, and those of `model`."""

from typing import Annotated

import typer

from corpus.errors import RecipeError
from pipeline.options import Json
from pipeline.printed import printed

app = typer.Typer()
model = typer.Typer(
    name="model",
    help="Hand a trained model to other tools; check how widths share a rate; replay what a spike left out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(model)

Model = Annotated[str, typer.Argument(metavar="RUN|CHECKPOINT", help="A run of `winnow train`, or a checkpoint.")]
Tokenizer = Annotated[str | None, typer.Option(help="The tokenizer.json, where it does not lie with the tokens.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Change one setting of `train:`: key=value.")]


@app.command()
def train(
    at: Annotated[str, typer.Argument(metavar="RECIPE|TOKENS|RUN", help="A recipe with `train:`, or what has tokens.")],
    out: Annotated[str, typer.Option("--at", help="Folder of the training run.")],
    set: Set = None,
    law: Annotated[str | None, typer.Option(help="A law, or a fit's .json: its loss beside the measured one.")] = None,
    html: Annotated[str | None, typer.Option(help="Write the run's page to this HTML file.")] = None,
    engine: Annotated[
        str, typer.Option(help="local: this process, or torchrun's; ray: workers of Ray Train.")
    ] = "local",
    address: Annotated[str | None, typer.Option(help="Address of a Ray cluster; one of its own where absent.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on Ray; what train.parallel multiplies to.")
    ] = None,
    json: Json = False,
) -> None:
    """Train a model, or go on with one that was stopped, until the budget is spent. Works under torchrun and on Ray.

    Example: winnow train runs/tiny --at runs/model --set model=1 --set budget=20K
    """
    from pipeline import training
    from pipeline.report import training as report

    if engine == "ray":
        from pipeline import ray_training

        facts = ray_training.train(at, out, set or (), law, html, address=address, workers=workers)
    else:
        _refuse_of_ray(engine, address, workers)
        facts = training.train(at, out, set or (), law, html)
    if facts["stopped"] == "SIGTERM":
        raise KeyboardInterrupt  # as every verb that was told to stop; the run is saved
    if training.first():
        printed(facts, json, lambda console: report.show(facts, console))


def _refuse_of_ray(engine: str, address: str | None, workers: int | None) -> None:
    if engine != "local":
        raise RecipeError(f"--engine: {engine!r} is not known; one of: local, ray")
    if address or workers:
        raise RecipeError("--address and --workers are of Ray; give --engine ray with them, or start torchrun")


@app.command()
def sweep(
    tokens: Annotated[str, typer.Argument(metavar="TOKENS|RUN", help="A folder of tokens, a manifest, or a run.")],
    out: Annotated[str, typer.Option("--at", help="Folder of the sweep.")],
    budgets: Annotated[str, typer.Option(help="FLOPs of a run, ascending.")] = "1.5e11,3e11,6e11,1.2e12",
    sizes: Annotated[int, typer.Option(help="Sizes at each budget.")] = 5,
    rates: Annotated[
        str, typer.Option(help="Learning rates, tried at the least budget.")
    ] = "0.0078,0.0156,0.0312,0.0625",
    context: Annotated[int, typer.Option(help="Tokens of a sequence.")] = 128,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at once, a thread each; all cores if absent.")
    ] = None,
    json: Json = False,
) -> None:
    """Train many small models and fit a scaling law of your own to them; what is trained is not trained again.

    Example: winnow sweep runs/tiny --at runs/sweep --budgets 1.5e11,3e11,6e11
    """
    from pipeline import sweeping
    from pipeline.report import training as report

    facts = sweeping.sweep(tokens, out, budgets, sizes, rates, context, workers)
    printed(facts, json, lambda console: report.show_sweep(facts, console))


@app.command()
def generate(
    at: Model,
    prompt: Annotated[str, typer.Option(help="What the model goes on with.")],
    most: Annotated[int, typer.Option(min=0, help="Tokens, at most.")] = 64,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token.")] = 0.0,
    top_k: Annotated[int, typer.Option(min=0, help="Draw from so many likeliest; 0: from all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Draw from the fewest that have this chance together.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    tokenizer: Tokenizer = None,
    json: Json = False,
) -> None:
    """Have a trained model go on with a text.

    Example: winnow generate runs/model --prompt "The" --most 8
    """
    from pipeline import trained
    from pipeline.report import training as report

    options = {"most": most, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    facts = trained.generate(trained.trained(at, tokenizer), prompt, **options)  # type: ignore[arg-type]
    printed(facts, json, lambda console: report.show_generated(facts, console))


@app.command()
def evaluate(
    at: Model,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="A file of items, .jsonl or .jsonl.gz; repeatable.")
    ] = None,
    canaries: Annotated[str | None, typer.Option(help="The file of canaries that was among the sources.")] = None,
    tokenizer: Tokenizer = None,
    json: Json = False,
) -> None:
    """What a trained model knows: loss and bits a byte of held-out documents, benchmarks, recited canaries.

    Example: winnow evaluate runs/model
    """
    from pipeline import trained
    from pipeline.report import training as report

    facts = trained.evaluate(trained.trained(at, tokenizer), benchmark or (), canaries)
    printed(facts, json, lambda console: report.show_evaluated(facts, console))


@model.command("export")
def export(
    at: Model,
    out: Annotated[str, typer.Argument(help="A new folder.")],
    dtype: Annotated[str, typer.Option(help="Of the weights: fp32 or bf16.")] = "fp32",
    tokenizer: Tokenizer = None,
    json: Json = False,
) -> None:
    """Write a trained model as a Hugging Face folder, for transformers, vLLM and llama.cpp.

    Example: winnow model export runs/model exported
    """
    from pipeline import trained

    facts = trained.export(trained.trained(at, tokenizer), out, dtype)
    line = f"{facts['params']:,} parameters in {len(facts['files'])} files -> {out}"
    printed(facts, json, lambda console: console.print(line, markup=False, soft_wrap=True))


@model.command("coordinates")
def coordinates(
    widths: Annotated[str, typer.Option(help="Widths, multiples of the first.")] = "64,128,256,512",
    parametrization: Annotated[str, typer.Option(help="mup or standard.")] = "mup",
    seeds: Annotated[int, typer.Option(min=1, help="First weights and batches that sizes are means over.")] = 3,
    json: Json = False,
) -> None:
    """The coordinate check of muP: do activations keep their size as a model widens, after five steps?

    Example: winnow model coordinates --widths 32,64 --seeds 1
    """
    from pipeline import sweeping
    from pipeline.report import training as report

    if parametrization not in ("mup", "standard"):
        raise RecipeError(f"--parametrization: {parametrization!r} is not known; one of: mup, standard")
    facts = sweeping.coordinates(widths, parametrization, seeds)
    printed(facts, json, lambda console: report.show_coordinates(facts, console))


@model.command("transfer")
def transfer(
    tokens: Annotated[str, typer.Argument(metavar="TOKENS|RUN", help="A folder of tokens, a manifest, or a run.")],
    widths: Annotated[str, typer.Option(help="Widths, ascending multiples of the first and of 16.")] = "32,64,128",
    rates: Annotated[str, typer.Option(help="Learning rates, ascending.")] = "0.004,0.008,0.016,0.032,0.064",
    steps: Annotated[int, typer.Option(min=1, help="Of each training, of 16 sequences of 64 tokens.")] = 200,
    parametrization: Annotated[str, typer.Option(help="mup, standard, or both to compare them.")] = "mup",
    base_width: Annotated[
        int | None, typer.Option(min=1, help="Width at which muP is the standard; the first if absent.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="First weights that losses are means over.")] = 1,
    json: Json = False,
) -> None:
    """Does the best learning rate of a narrow model carry over to wide ones? A grid of widths and rates, trained.

    Example: winnow model transfer runs/tiny --widths 32,64 --rates 0.004,0.008,0.016 --steps 5
    """
    from pipeline import transferring
    from pipeline.report import training as report

    options = {"steps": steps, "parametrization": parametrization, "base_width": base_width, "seeds": seeds}
    facts = transferring.transfer(tokens, widths, rates, **options)  # type: ignore[arg-type]
    printed(facts, json, lambda console: report.show_transfer(facts, console))


@model.command("replay")
def replay(
    at: Annotated[str, typer.Argument(metavar="RUN", help="A run of `winnow train` that went back from a spike.")],
    json: Json = False,
) -> None:
    """Was it the batches? Feed what a rewind left out to another checkpoint of the run; nothing is changed.

    An example, for a run that left something out: winnow model replay runs/model
    """
    from pipeline import replaying
    from pipeline.report import training as report

    facts = replaying.replay(at)
    printed(facts, json, lambda console: report.show_replayed(facts, console))
