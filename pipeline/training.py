"""`winnow train`: from a recipe or a place with tokens to a model and an account of it.

Under torchrun every process calls this; the first one tells and writes.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import RecipeError
from corpus.storage import exists, is_local, join, located, write_bytes
from pipeline.home import REPORT
from pipeline.stock import Stock
from pipeline.training_settings import Asked, asked, processes, settled
from scaling.errors import LawError
from scaling.laws import Law
from scaling.table import law as named
from trainer.run.settings import TrainSettings

CORPUS = "corpus"
"""Folder, within the run's, of the corpus that a recipe with sources makes first."""


@contextmanager
def needed() -> Iterator[None]:
    """What training, its figures or its pages need and is not installed, as a RecipeError that names the extra."""
    extras = {"torch": "train", "safetensors": "train", "plotly": "scaling", "scipy": "scaling"}
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in extras:
            raise
        raise RecipeError(f"{package} is not installed: pip install 'winnow[{extras[package]}]'") from error


@dataclass(frozen=True)
class Foretold:
    """What a law says of a run before it begins."""

    law: str
    params: float
    loss: float  # nats a token


def first() -> bool:
    """Whether this process tells and writes."""
    return int(os.environ.get("RANK", "0")) == 0


def train(at: str, out: str, overrides: Sequence[str], law: str | None, html: str | None) -> dict[str, Any]:
    """Train what is asked for into the folder `out`, or go on there; the facts of docs/reference/json.md.

    at: a recipe with a `train:` part, a finished run, a folder of tokens or a manifest. law: a published one, or a
    fit's JSON; html: where the page goes. Errors as `trainer.run.loop.train`, and RecipeError.
    """
    settings, foretold = prepared(at, out, overrides, law)
    facts = carried_out(settings, out, foretold, [listener(settings.budget)] if first() else []) | {"html": html}
    if html is not None and first():
        written(out, html, facts | {"settings": settings.model_dump(mode="json")})
    return facts


def prepared(
    at: str, out: str, overrides: Sequence[str], law: str | None, cuda: bool | None = None
) -> tuple[TrainSettings, Foretold | None]:
    """The settings of the run, and what the law says of it; all that is refused before any process trains.

    cuda: whether it trains on GPUs; where None, as this process would.
    """
    with needed():
        from trainer.parallel.launch import device_of
    if not is_local(out):
        raise RecipeError(f"--at {out}: a run trains into a folder on a mounted disk; copy its checkpoints afterwards")
    if exists(join(out, REPORT)):
        raise RecipeError(f"--at {out}: a corpus lies there; give the training run a folder of its own")
    given = asked(at, overrides)
    manifest, beside = tokens_of(given, out)
    if cuda is None:
        cuda = device_of(str(given.part.get("device", "auto"))).type == "cuda"
    settings = settled(given, manifest, beside, cuda)
    return settings, None if law is None else _foretold(law, settings)


def carried_out(
    settings: TrainSettings,
    out: str,
    foretold: Foretold | None,
    listeners: Sequence[Any],
    told_to_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """The facts of the run, trained by this process among those of its group; all of them but `html`.

    listeners: as of `trainer.run.loop.train`, and likewise `told_to_stop`.
    """
    with needed():
        from trainer.run.loop import train as trained
    begun = time.perf_counter()
    outcome = trained(settings, out, listeners=listeners, steerer=steerer(settings), told_to_stop=told_to_stop)
    return _facts(out, settings, outcome, foretold) | {"seconds": round(time.perf_counter() - begun, 3)}


def steerer(settings: TrainSettings) -> Any:
    """What changes the weights of domains on the way, as `train.online` asks; None where it does not."""
    online, steps = settings.online, -(-settings.budget // settings.batch.tokens)
    if online is None:
        return None
    if online.method == "odm":
        from mixtures.online import odm

        share = odm.WARMUP if online.warmup is None else online.warmup
        return odm.Odm(warmup=round(share * steps), every=online.every)
    with needed():
        from mixtures.online import ado
    share = ado.REFIT if online.warmup is None else online.warmup
    return ado.Ado(refit=max(ado.FEWEST, round(share * steps)), every=online.every)


def written(at: str, html: str, facts: dict[str, Any]) -> None:
    """The page of the run in the folder `at`. RecipeError without plotly."""
    with needed():
        from trainer.monitoring.page import run_page
    from trainer.monitoring.lines import told
    from trainer.run.journal import METRICS

    write_bytes(html, run_page(Path(located(at)).resolve().name, told(Path(located(at)) / METRICS), facts).encode())


def tokens_of(given: Asked, out: str) -> tuple[str, str]:
    """The manifest of the tokens to train on, and the folder in which a mixture is looked for."""
    at = given.part.get("tokens")
    if at is None:
        at = _corpus(given, out)
    if not isinstance(at, str) or not at:
        raise RecipeError("train.tokens: expected the folder of a finished run, a folder of tokens, or a manifest.json")
    manifest = Stock.of(at).manifest
    if manifest is None:
        raise RecipeError(f"{at}: the run made no tokens. `winnow tokenize {at} OUT --tokenizer train` makes some.")
    return manifest, at.rpartition("/")[0] or "." if at.endswith(".json") else at


def _corpus(given: Asked, out: str) -> str:
    """Run the rest of the recipe, which says what the corpus is; its folder. Nothing is done twice."""
    if "sources" not in given.rest:
        raise RecipeError(
            "train.tokens is missing: name a finished run or a folder of tokens, or give the recipe sources to make a "
            "corpus of first"
        )
    at = join(out, CORPUS)
    if processes() > 1:
        raise RecipeError(
            f"several processes train: make the corpus first (winnow run), and name it: --set tokens={at}"
        )
    from pipeline.engines import engine
    from pipeline.places import run_home
    from pipeline.progress import shown
    from pipeline.recipe import parse
    from pipeline.run import Run

    home = run_home(at)
    with engine("local", None) as workforce:
        Run(parse(given.rest), home, workforce, shown())()
    return at


def _foretold(name: str, settings: TrainSettings) -> Foretold:
    """What the law says of a model of this size on this budget. RecipeError where it says nothing."""
    try:
        law = named(name)
        params = _params(name, law, settings)
        return Foretold(law.name, params, float(law.loss(params, settings.budget)))
    except LawError as error:
        raise RecipeError(f"--law: {error}") from error


def _params(name: str, law: Law, settings: TrainSettings) -> float:
    """As the law counts them: all, but for laws of a sweep, which count FLOPs / 6 (trainer/sweep/shapes.py)."""
    import json

    shape = settings.model.architecture()
    if name.endswith(".json") and json.loads(Path(name).read_bytes()).get("params_of") == "flops":
        from trainer.sweep.shapes import size

        return size(settings.model)
    return float(shape.active_params())


def listener(budget: int) -> Any:
    """What tells people of the run: a line that stays on a terminal, lines in a log."""
    import sys

    from trainer.monitoring.console import Console
    from trainer.monitoring.plain import Plain

    return Console(budget) if sys.stderr.isatty() else Plain()


def _facts(out: str, settings: TrainSettings, outcome: Any, foretold: Foretold | None) -> dict[str, Any]:
    from trainer.checkpoints.newest import named as folder_of

    nats = sum(one.nats for one in outcome.held_out.values())
    tokens = sum(one.tokens for one in outcome.held_out.values())
    measured = nats / tokens if tokens else None
    return {
        "run": out,
        "stopped": outcome.stopped,
        "steps": outcome.steps,
        "tokens": outcome.tokens,
        "budget": settings.budget,
        "params": settings.model.architecture().params(),
        "loss": outcome.loss,
        "held_out_loss": measured,
        "held_out": {name: one.to_dict() for name, one in outcome.held_out.items()},
        "predicted": None if foretold is None else vars(foretold) | {"off": _off(measured, foretold.loss)},
        "domains": _domains(settings, outcome.domains),
        "skipped": outcome.skipped,
        "weights": outcome.weights,
        "checkpoint": str(folder_of(Path(located(out)) / "checkpoints", outcome.steps)),
    }


def _off(measured: float | None, predicted: float) -> float | None:
    """Measured over predicted, less 1."""
    return None if measured is None else measured / predicted - 1


def _domains(settings: TrainSettings, tokens: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Of each domain the tokens trained, their share, and the mixture's; None without a mixture."""
    wanted: dict[str, float] = {}
    if settings.mixture is not None:
        from trainer.reading.held import opened
        from trainer.reading.shares import shares

        weights = shares(opened(settings.tokens, verify=False), settings.mixture).weights
        whole = float(sum(weights.values()))
        wanted = {name: float(weight) / whole for name, weight in weights.items()}
    trained = sum(tokens.values())
    return {
        name: {"tokens": count, "share": count / trained if trained else None, "asked": wanted.get(name)}
        for name, count in sorted(tokens.items())
    }
