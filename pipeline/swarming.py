"""`winnow mix swarm`: from what the command line says to proxies that are trained, and the facts of their table."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.errors import RecipeError
from corpus.storage import is_local, located
from pipeline.mixing import targets
from pipeline.pools import pool
from pipeline.quantities import quantity
from pipeline.report.plain import plain
from pipeline.training import needed, tokens_of
from pipeline.training_settings import asked, settled

if TYPE_CHECKING:
    from mixtures.proxies.swarm import Swarm
    from trainer.run.settings import TrainSettings

DEFAULTS = {
    "evaluation.held_out": "0.02",  # of a tenth of a budget's documents .005 leaves too few to compare by
    "evaluation.every": "0",
    "checkpoints.keep": "1",
    "checkpoints.asynchronous": "false",
    "stability.spikes": "false",
    "monitoring.every": "100",
}
"""What small runs are told where nobody said otherwise: as those of a sweep."""

BEST = 5  # runs that are shown


def proxy_settings(at: str, out: str, overrides: Sequence[str]) -> "TrainSettings":
    """The settings that proxies share, told as `winnow train` is; the mixture and the seed are those of each proxy.

    at: a recipe with a `train:` part, a finished run, a folder of tokens or a manifest. out: the folder of the
    proxies, where a recipe with sources makes its corpus. RecipeError as of `winnow train`.
    """
    with needed():
        from trainer.parallel.launch import device_of
    if not is_local(out):
        raise RecipeError(f"--at {out}: proxies train into a folder on a mounted disk")
    said = asked(at, overrides).part
    given = asked(at, [*overrides, *(f"{key}={value}" for key, value in DEFAULTS.items() if not _has(said, key))])
    device = device_of(str(given.part.get("device", "auto"))).type
    manifest, beside = tokens_of(given, out)
    own = {"mixture": None, "seed": 0, "device": device}  # said, so that proxies of two devices are never taken for one
    found = settled(given, manifest, beside, device == "cuda")
    if found.online is not None:
        raise RecipeError("train.online: proxies train on weights that stay; --set online=null leaves it out")
    return found.model_copy(update=own)


def _has(part: Any, key: str) -> bool:
    """Whether a part of the recipe says the setting."""
    first, _, rest = key.partition(".")
    return isinstance(part, dict) and first in part and (not rest or _has(part[first], rest))


def swarm(
    at: str,
    out: str,
    overrides: Sequence[str],
    *,
    runs: int,
    seed: int,
    seeds: int,
    rounds: int,
    target: str | None,
    target_budget: str | None = None,
    engine: str,
    address: str | None,
    workers: int | None,
) -> dict[str, Any]:
    """Train the swarm into the folder `out`, or go on there; the facts of docs/reference/json.md."""
    with needed():
        from mixtures.proxies.swarm import Asked
        from mixtures.proxies.swarm import swarm as trained
    real = None if target_budget is None else int(quantity(target_budget, "--target-budget"))
    wanted = Asked(runs=runs, seed=seed, seeds=seeds, rounds=rounds, targets=targets(target), target_budget=real)
    settings = proxy_settings(at, out, overrides)
    folder = Path(located(out))
    with pool(engine, workers, address) as train:
        found = trained(settings, wanted, folder, train, told)
    return _facts(out, settings, found, wanted.targets)


def told(one: Any) -> None:
    """A line a proxy, on stderr."""
    loss = plain(one.why, 400) if one.loss is None else f"loss {one.loss:.4f}, {one.seconds:.0f} s"
    print(f"winnow: {one.job.run}: {loss}", file=sys.stderr, flush=True)


def _facts(out: str, settings: "TrainSettings", found: "Swarm", wanted: dict[str, float] | None) -> dict[str, Any]:
    from mixtures.proxies.proxy import losses, unit
    from mixtures.proxies.swarm import RUNS

    whole = [(one, losses(one)) for one in found.done if one.loss is not None]
    counted = {name: (wanted or {}).get(name, 0.0 if wanted else 1.0) for name in found.ground.tokens}
    scale = sum(counted.values())
    ranked = sorted((sum(counted[name] * own[name] for name in own) / scale, one.job.run) for one, own in whole)
    by_run = {one.job.run: one.job.weights for one, _ in whole}
    return {
        "swarm": out,
        "runs": str(Path(located(out)) / RUNS),
        "tokens": settings.tokens,
        "inputs": found.ground.inputs,
        "budget": settings.budget,
        "params": settings.model.architecture().params(),
        "proxies": len(found.done),
        "failed": found.failed,
        "unit": unit(whole[0][0]) if whole else None,
        "domains": {
            name: {"tokens": n, "share": n / sum(found.ground.tokens.values())}
            for name, n in found.ground.tokens.items()
        },
        "best": [{"run": run, "loss": loss, "weights": by_run[run]} for loss, run in ranked[:BEST]],
        "rounds": [one._asdict() | {"predicted": list(one.predicted)} for one in found.rounds],
        "flops": found.flops,
        "seconds": found.seconds,
    }
