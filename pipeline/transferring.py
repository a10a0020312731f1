"""`winnow model transfer`: does the best rate of a narrow model serve wide ones, on tokens of one's own?"""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from corpus.errors import RecipeError
from corpus.manifest import read_manifest
from pipeline.quantities import quantity
from pipeline.stock import Stock
from pipeline.training import needed
from pipeline.training_settings import rows

if TYPE_CHECKING:
    from trainer.model.settings import ModelSettings
    from trainer.optim.transfer import Transfer

PARAMETRIZATIONS = ("mup", "standard")
CONTEXT, HEAD = 64, 16
"""Of all models of the grid: tokens of a sequence, values of a head; two layers, as in the coordinate check."""


def transfer(
    tokens: str, widths: str, rates: str, *, steps: int, parametrization: str, base_width: int | None, seeds: int
) -> dict[str, Any]:
    """Train the grid; the facts of docs/reference/json.md.

    tokens: a finished run, a folder of tokens or a manifest: its first tokens are trained on, documents joined, and
    those after them are held out. RecipeError for what the grid cannot be, or where there are too few tokens.
    """
    with needed():
        from trainer.optim.transfer import tokens_needed
        from trainer.parallel.launch import one_thread
    kinds = PARAMETRIZATIONS if parametrization == "both" else (parametrization,)
    if not set(kinds) <= set(PARAMETRIZATIONS):
        raise RecipeError(f"--parametrization: {parametrization!r} is not known; one of: mup, standard, both")
    manifest = Stock.of(tokens).manifest
    if manifest is None:
        raise RecipeError(
            f"{tokens}: the run made no tokens. `winnow tokenize {tokens} OUT --tokenizer train` makes some."
        )
    wide, tried = _ascending(widths, "--widths", 2), _ascending(rates, "--rates", 3)
    smallest = {kind: _smallest(kind, _whole(wide), rows(read_manifest(manifest)), base_width) for kind in kinds}
    text = _first(manifest, tokens_needed(CONTEXT, steps))
    one_thread()  # models this small are no faster on more, and slower where other work runs
    found = {kind: _found(shape, text, _whole(wide), tried, steps, seeds) for kind, shape in smallest.items()}
    as_good = found["mup"].as_good_as(found["standard"]) if len(found) == 2 else None
    return {
        "tokens": manifest,
        "used": len(text),
        "steps": steps,
        "seeds": seeds,
        "base_width": base_width or _whole(wide)[0],
        "transfers": [_facts(one) for one in found.values()],
        "as_good_as_standard": as_good,
    }


def _ascending(said: str, option: str, least: int) -> list[float]:
    values = [quantity(one, option) for one in said.split(",")]
    if len(values) < least or values != sorted(set(values)):
        raise RecipeError(f"{option} {said}: expected {least} or more figures, ascending, with commas between them")
    return values


def _whole(widths: list[float]) -> list[int]:
    return [int(width) for width in widths]


def _smallest(kind: str, widths: list[int], vocab: int, base_width: int | None) -> "ModelSettings":
    from trainer.model.settings import ModelSettings

    narrow = widths[0]
    if narrow < HEAD or any(width % HEAD or width % narrow for width in widths):
        raise RecipeError(
            f"--widths {','.join(map(str, widths))}: heads have {HEAD} values and models are widened by whole factors, "
            f"so each is a multiple of {HEAD} and of the first"
        )
    return ModelSettings(
        layers=2,
        width=narrow,
        heads=narrow // HEAD,
        head_dim=HEAD,
        ffn_width=3 * narrow,
        vocab=vocab,
        context=CONTEXT,
        parametrization=kind,  # type: ignore[arg-type]
        base_width=base_width or 0,
    )


def _first(manifest: str, count: int) -> np.ndarray:
    """The first tokens, over all domains in the order of their names: dtype of the shards, [count]."""
    from trainer.reading.held import opened

    held = opened(manifest)
    there = int(held.begins[-1])
    if there < count:
        raise RecipeError(f"{manifest}: it has {there:,} tokens, the grid needs {count:,}; ask for fewer --steps")
    return held.tokens(0, count)


def _found(
    shape: "ModelSettings", text: np.ndarray, widths: list[int], rates: list[float], steps: int, seeds: int
) -> "Transfer":
    from trainer.optim import transfer

    def told(width: int, rate: float, loss: float) -> None:
        print(f"winnow: {shape.parametrization}, width {width:,}, rate {rate:.4g}: {loss:.4f}", file=sys.stderr)

    return transfer.transfer(shape, text, widths=widths, rates=rates, steps=steps, seeds=seeds, told=told)


def _facts(found: "Transfer") -> dict[str, Any]:
    return {
        "parametrization": found.parametrization,
        "widths": list(found.widths),
        "rates": list(found.rates),
        "losses": [[loss if np.isfinite(loss) else None for loss in row] for row in found.losses.tolist()],
        "best_rates": [found.rates[best] for best in found.best],
        "moved": found.moved,
        "inside": found.inside,
        "no_worse": found.no_worse,
        "carries_over": found.carries_over,
    }
