"""From what `winnow train` is given to the settings of a run: a recipe's `train:` part, or a place with tokens.

What a recipe leaves out comes from the tokens and from published laws, as docs/training.md says; the run's checkpoints
keep what was settled.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import log2
from typing import Any

from corpus.errors import RecipeError
from corpus.manifest import Manifest, read_manifest
from corpus.storage import exists, is_local, join, located, read_bytes
from pipeline.quantities import quantity
from pipeline.recipe_overrides import override
from pipeline.recipe_settings import checked, found, no_such
from pipeline.recipe_yaml import Mistake, Tree, read
from scaling.errors import LawError
from scaling.hyperparameters import round_batch, step_law_batch, step_law_learning_rate
from scaling.units import LEAST_PARAMS, LEAST_TOKENS
from trainer.model.presets import by_depth, named
from trainer.model.settings import ModelSettings
from trainer.run.settings import Batch, Parallel, TrainSettings

TRAIN = "train"
MIXTURES = ("allotment.json", "mixture.json")
"""What is looked for beside tokens, likeliest last asked for first."""

ROWS = 64  # a vocabulary is rounded up to this multiple: tensor cores multiply tiles of 64

MOST_CONTEXT = 2048
FEWEST_SEQUENCES = 8
"""Of the smallest domain, where the recipe names no context."""

TOKENS_PER_PARAM = 20  # Hoffmann et al. 2022, table 3
MOST_DEPTH = 40


@dataclass(frozen=True)
class Asked:
    """The `train:` part as it was given, with where its values were written; and what else the file holds."""

    tree: Tree
    rest: dict[str, Any]  # sources, stages, ...: the recipe of the corpus, if there is one

    @property
    def part(self) -> dict[str, Any]:
        """Plain values."""
        part: dict[str, Any] = self.tree.value[TRAIN]
        return part


def asked(at: str, overrides: Sequence[str] = ()) -> Asked:
    """What a recipe (.yaml) or a place with tokens asks for. RecipeError where it is neither.

    overrides: `key=value`, of keys of the `train:` part.
    """
    tree = _recipe(at) if at.endswith((".yaml", ".yml")) else Tree({TRAIN: {"tokens": at}}, at)
    override(tree, [said if said.startswith(f"{TRAIN}.") else f"{TRAIN}.{said}" for said in overrides], (TRAIN,))
    tree.refuse(tree.mistakes)
    return Asked(tree, {key: value for key, value in tree.value.items() if key != TRAIN})


def settled(asked: Asked, manifest_url: str, beside: str, cuda: bool) -> TrainSettings:
    """The settings of a run over these tokens. RecipeError, with the line, for what cannot be.

    beside: the folder where a mixture is looked for. cuda: whether it trains there, for what depends on it.
    """
    said, manifest = dict(asked.part), read_manifest(manifest_url)
    said["tokens"] = absolute(manifest_url)
    said.setdefault("mixture", next((url for name in MIXTURES if exists(url := join(beside, name))), None))
    if isinstance(said["mixture"], str):
        said["mixture"] = absolute(said["mixture"])
    said["budget"] = _budget(said, manifest)
    model = _model(asked, said.get("model"), manifest, said["budget"])
    said["model"] = asdict(model)
    said.setdefault("precision", "bf16" if cuda else "fp32")
    said.setdefault("compile", cuda)
    said["optimizer"] = _part(said, "optimizer") | {"rate": _rate(_part(said, "optimizer"), model, said["budget"])}
    said["batch"] = _part(said, "batch") | {"tokens": _batch(_part(said, "batch"), said, model)}
    wrong: list[Mistake] = []
    settings = checked(TrainSettings, asked.tree, (TRAIN,), said, wrong)
    asked.tree.refuse(wrong)
    assert settings is not None  # else there was a mistake, and it was told
    return settings


def absolute(url: str) -> str:
    """The same place from wherever it is asked: checkpoints and workers of a sweep name it."""
    return os.path.abspath(located(url)) if is_local(url) else url


def _recipe(at: str) -> Tree:
    try:
        tree = read(read_bytes(at), at)
    except (OSError, ValueError, ImportError) as error:
        raise RecipeError(f"{at}: cannot be read ({error})") from error
    if not isinstance(tree.value, dict) or not isinstance(tree.value.get(TRAIN), dict):
        raise RecipeError(f"{at}: it has no `train:` part with settings; docs/training.md shows one")
    return tree


def _part(said: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of the settings; what is no mapping stays for `checked` to refuse."""
    part = said.get(name)
    if part is not None and not isinstance(part, dict):
        raise RecipeError(f"{TRAIN}.{name}: expected settings (key: value), found {found(part)}")
    return dict(part or {})


def _budget(said: dict[str, Any], manifest: Manifest) -> int:
    """As said; else the mixture's; else one pass over the tokens."""
    budget = said.get("budget")
    if isinstance(budget, str):
        return int(quantity(budget, f"{TRAIN}.budget"))
    if budget is None and isinstance(said.get("mixture"), str):
        budget = _planned(said["mixture"])
    if budget is None:
        budget = max(1, manifest.tokens)
    if isinstance(budget, bool) or not isinstance(budget, int | float) or not 1 <= budget < 1e18:
        raise RecipeError(f"{TRAIN}.budget: expected tokens, as 1e9 or 10B, found {found(budget)}")
    return int(budget)


def _planned(url: str) -> Any:
    try:
        planned = json.loads(read_bytes(url))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{url}: no mixture to be read there ({error})") from error
    return planned.get("budget") if isinstance(planned, dict) else None


def _model(asked: Asked, said: Any, manifest: Manifest, budget: int) -> ModelSettings:
    """A preset's name, a depth, either of them with changes, or all sizes; nothing: as deep as the budget pays for."""
    own = dict(said) if isinstance(said, dict) else {"depth": said} if type(said) is int else {"preset": said}
    vocab = own.get("vocab") or rows(manifest)
    context = own.get("context") or _context(manifest)
    preset, depth = own.pop("preset", None), own.pop("depth", None)
    if preset is not None and depth is not None:
        raise RecipeError(f"{TRAIN}.model: it has a preset and a depth; each is a whole shape, so keep one")
    _refuse_names(asked, own)
    given = said is not None and preset is None and depth is None
    if given:
        return _made({"vocab": vocab, "context": context} | own)
    if preset is not None:
        base = _of(lambda: named(str(preset), vocab=vocab, context=context))
    else:
        deep = depth if depth is not None else _depth(budget, vocab, context)
        base = _of(lambda: by_depth(deep, vocab=vocab, context=context))
    return _made(asdict(base) | own)


def _refuse_names(asked: Asked, own: dict[str, Any]) -> None:
    names = sorted(ModelSettings.__dataclass_fields__)
    wrong = [
        Mistake((TRAIN, "model", name), no_such("no such setting", str(name), ["preset", "depth", *names], "It has"))
        for name in own
        if name not in names
    ]
    asked.tree.refuse(wrong)


def _made(sizes: dict[str, Any]) -> ModelSettings:
    missing = [name for name in ("layers", "width", "heads", "ffn_width") if name not in sizes]
    if missing:
        raise RecipeError(
            f"{TRAIN}.model: {', '.join(missing)} missing; give all sizes, or a preset (`preset: 10M`) or a depth"
        )
    try:
        return ModelSettings(**sizes)
    except (TypeError, LawError) as error:
        raise RecipeError(f"{TRAIN}.model: {error}") from error


def _of(shape: Any) -> ModelSettings:
    try:
        return shape()  # type: ignore[no-any-return]
    except (TypeError, LawError) as error:
        raise RecipeError(f"{TRAIN}.model: {error}") from error


def rows(manifest: Manifest) -> int:
    """Of an embedding for these tokens."""
    return -(-manifest.tokenizer.vocab // ROWS) * ROWS


def _context(manifest: Manifest) -> int:
    """The largest power of two up to 2,048 of which the smallest domain holds 8 sequences; 16 at the least."""
    smallest = min((domain.tokens for domain in manifest.domains.values()), default=0)
    return min(MOST_CONTEXT, max(16, 1 << max(0, int(log2(max(1, smallest // FEWEST_SEQUENCES))))))


def _depth(budget: int, vocab: int, context: int) -> int:
    """The deepest model of the dial whose layers get 20 tokens a weight."""
    paid = [d for d in range(1, MOST_DEPTH + 1) if _layers(d, vocab, context) * TOKENS_PER_PARAM <= budget]
    return max(paid, default=1)


def _layers(depth: int, vocab: int, context: int) -> int:
    return by_depth(depth, vocab=vocab, context=context).architecture().layer_matmul_params()


def _rate(optimizer: dict[str, Any], model: ModelSettings, budget: int) -> Any:
    """The step law's, of the weights that multiply and the budget."""
    if "rate" in optimizer:
        return optimizer["rate"]
    params = max(LEAST_PARAMS, model.architecture().layer_matmul_params())
    return float(f"{step_law_learning_rate(params, max(LEAST_TOKENS, budget)):.3g}")


def _batch(batch: dict[str, Any], said: dict[str, Any], model: ModelSettings) -> Any:
    """The step law's, to the nearest that divides into sequences, ranks and micro-batches."""
    if "tokens" in batch:
        return batch["tokens"]
    data = _part(said, "parallel").get("data", Parallel().data)
    micro = batch.get("micro", Batch.model_fields["micro"].default)
    each = model.context * int(data)
    wanted = round_batch(step_law_batch(max(LEAST_TOKENS, said["budget"])))
    least = each * int(micro) if wanted > each * int(micro) else each
    return max(1, round(wanted / least)) * least


def processes() -> int:
    """How many torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1"))
