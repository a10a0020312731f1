"""What a run is refused for before its first step, beside what the model, the plan and the mesh refuse themselves."""

from typing import Any

from corpus.errors import RecipeError
from trainer.checkpoints.errors import OtherSettings
from trainer.optim.ramp import refuse_ramp
from trainer.run.settings import TrainSettings

MAY_CHANGE = (
    *("tokens", "mixture", "batch.micro", "recompute", "compile", "device", "parallel", "stability", "checkpoints"),
    *("evaluation.most_tokens", "evaluation.every", "evaluation.benchmarks", "monitoring"),
)
"""Settings that a run may be given anew on the way: where and how fast it trains, not what comes out. Tokens and
mixture may lie elsewhere; that they are the same is the plan's hash to say."""


def refuse_misfits(settings: TrainSettings, data_ranks: int) -> None:
    """RecipeError where a run cannot be had as it is asked for."""
    if not settings.tokens:
        raise RecipeError("train: no tokens were given; name the manifest.json of a folder of token shards")
    batches = [settings.batch.tokens, *(tokens for _, tokens in settings.batch.ramp)]
    for asked in batches:
        _refuse_batch(asked, settings.model.context, data_ranks, settings.batch.micro)
    refuse_ramp(settings.batch)
    _refuse_noise(settings, min(batches), settings.batch.micro * settings.model.context * data_ranks)


def _refuse_batch(tokens: int, context: int, ranks: int, micro: int) -> None:
    """A batch is whole sequences for each rank, and whole micro-batches where it is more than one."""
    least = context * ranks * (micro if tokens > context * ranks * micro else 1)
    if tokens % least:
        near = max(1, round(tokens / least)) * least
        raise RecipeError(
            f"a batch of {tokens:,} tokens does not divide into sequences of {context:,} (model.context) on {ranks:,} "
            f"data ranks, {micro:,} at once (batch.micro): it must be a multiple of {least:,}, for example {near:,}"
        )


def _refuse_noise(settings: TrainSettings, batch: int, micro: int) -> None:
    if settings.batch.follow_noise and not settings.stability.noise_every:
        raise RecipeError("batch.follow_noise needs the noise scale: set stability.noise_every, 10 for example")
    if settings.stability.noise_every and batch <= micro:
        raise RecipeError(
            f"the noise scale compares a batch ({batch:,} tokens) with a part of it that passes at once ({micro:,} "
            f"tokens on all ranks): lower batch.micro, now {settings.batch.micro}, or set stability.noise_every to 0"
        )


def refuse_unsteered(settings: TrainSettings, steered: bool) -> None:
    """RecipeError where settings ask for weights that change and nothing is there to change them, or the other way.

    A run whose settings do not say so would be taken for one of fixed weights by whoever reads its checkpoints.
    """
    if steered != (settings.online is not None):
        asked = "none was asked for" if settings.online is None else f"{settings.online.method!r} was asked for"
        given = "one was given" if steered else "none was given"
        raise RecipeError(
            f"train.online: {asked} to change the weights of domains, and {given}. `winnow train` makes it from the "
            f"settings; a caller of `train` gives it as `steerer`."
        )


def refuse_other(saved: dict[str, Any], settings: TrainSettings, where: str) -> None:
    """OtherSettings, with the first setting that differs, unless it is one of `MAY_CHANGE`."""
    asked = flat(settings.model_dump(mode="json"))
    known = flat(saved)
    for name in sorted({*asked, *known}):
        if asked.get(name) == known.get(name) or may_change(name):
            continue
        raise OtherSettings(
            f"{where}: it was trained with {name} = {known.get(name)!r}, the settings say {asked.get(name)!r}. That "
            f"would be another run: give it the old value, or train into another folder."
        )


def may_change(name: str) -> bool:
    """Whether a run goes on where this setting, by its dotted name, has another value."""
    return any(name == one or name.startswith(f"{one}.") for one in MAY_CHANGE)


def flat(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Settings by dotted name."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found
