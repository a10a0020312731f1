"""`winnow model replay`: was it the batches? What a rewind left out, fed to the model as it was at another time."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corpus.errors import RecipeError
from corpus.storage import is_local, located
from pipeline.training import needed


def replay(at: str) -> dict[str, Any]:
    """Feed what the last rewind of the run in `at` left out to another of its checkpoints; the facts of
    docs/reference/json.md. Nothing is changed. One process does it, however many trained.

    RecipeError where `at` is no run, nothing was left out, there is no other checkpoint, or `online` changed its
    weights; RunInUse while it trains.
    """
    with needed():
        from trainer.checkpoints.loading import newest_in
        from trainer.checkpoints.manifest import manifest_in
        from trainer.run.replay import replayed
        from trainer.run.settings import Parallel, TrainSettings
    folder = Path(located(at)) / "checkpoints"
    if not is_local(at) or not folder.is_dir():
        raise RecipeError(f"{at}: not a run of `winnow train` on a mounted disk: it has no checkpoints")
    saved = manifest_in(newest_in(folder)).settings
    settings = TrainSettings.model_validate(saved).model_copy(update={"parallel": Parallel(), "device": "auto"})
    found = replayed(settings, at)
    return {
        "run": at,
        "skip": asdict(found.skip) | {"loss": _finite(found.skip.loss)},
        "step": found.step,
        "losses": [_finite(loss) for loss in found.losses],
        "came_again": found.spike is not None,
        "spike": None if found.spike is None else {name: _finite(one) for name, one in found.spike._asdict().items()},
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
