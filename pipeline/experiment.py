"""What a recipe with `mixture:` asks for after its corpus: a mixture, searched and judged, an allotment, a model.

    AT                              the corpus and its tokens, as of every run
    AT/mixture/swarm                proxies of a method that is fitted to runs
    AT/mixture/<method>.json        the mixture that was found; beside it those it is judged with
    AT/mixture/judge                proxies of all of them, and judged.json
    AT/allotment.json               tokens of each domain for the model's budget
    AT/model                        the model
    AT/experiment.json              what was foretold beside what was measured

Each step is that of its own verb, goes on where it was, and does nothing twice.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import RecipeError
from corpus.storage import join, located, write_bytes
from mixtures.mixture import Mixture
from mixtures.table import FITTED
from pipeline import judging, mixing, swarming, training
from pipeline.experiment_settings import TAU, Wanted
from pipeline.stock import Stock, stocked
from pipeline.training_settings import asked, settled

EXPERIMENT, ALLOTMENT, MODEL = "experiment.json", "allotment.json", "model"


@dataclass(frozen=True)
class Where:
    """Who trains proxies: as of `winnow run`."""

    engine: str
    address: str | None
    workers: int | None


def carried_out(wanted: Wanted, at: str, where: Where) -> dict[str, Any]:
    """All steps after the corpus at `at`; the facts of experiment.json. Errors as of each step's verb.

    KeyboardInterrupt where SIGTERM stopped the model's run, which is saved.
    """
    folder, budget = join(at, "mixture"), _budget(wanted, at)
    beside = [_simple(name, {}, at, folder, budget) for name in wanted.part.judge.beside]
    _refuse_unplannable(wanted, at, folder, beside)
    found, evidence = _found(wanted, at, folder, budget, where)
    most = wanted.part.settings.get("most_epochs")
    allotted = mixing.allotted(at, found, str(budget), None, most, None)
    judged = judging.judge(
        wanted.recipe,
        [found, *beside],
        join(folder, "judge"),
        seeds=wanted.part.judge.seeds,
        target=_said(wanted.part.settings.get("targets")),
        baseline=wanted.part.judge.beside[0],
        overrides=wanted.of_proxies(at),
        **vars(where),
    )
    allotment = join(at, ALLOTMENT)
    write_bytes(allotment, f"{json.dumps(allotted, indent=1)}\n".encode())
    model = training.train(wanted.recipe, join(at, MODEL), wanted.of_model(at, allotment), None, None)
    if model["stopped"] == "SIGTERM":
        raise KeyboardInterrupt
    facts = _facts(wanted, found, evidence, judged, allotted, model)
    write_bytes(join(at, EXPERIMENT), f"{json.dumps(facts, indent=1)}\n".encode())
    return facts


def _budget(wanted: Wanted, at: str) -> int:
    """The model's tokens: as its recipe says, else one pass."""
    manifest = Stock.of(at).manifest
    assert manifest is not None  # the recipe asks for tokens
    given = asked(wanted.recipe, wanted.of_model(at, None))
    return settled(given, manifest, join(at, "mixture"), False).budget


def _refuse_unplannable(wanted: Wanted, at: str, folder: str, beside: list[str]) -> None:
    """RecipeError where the judge's proxies cannot have a plain mixture: better said before the search."""
    with training.needed():
        from mixtures.proxies.judging import refuse_unplannable
    settings = swarming.proxy_settings(wanted.recipe, join(folder, "judge"), wanted.of_proxies(at))
    weights = {name: Mixture.load(url).weights for name, url in zip(wanted.part.judge.beside, beside, strict=True)}
    try:
        refuse_unplannable(settings, weights)
    except RecipeError as error:
        raise RecipeError(f"mixture.judge.beside: {error} Or judge beside other methods.") from error


def _found(wanted: Wanted, at: str, folder: str, budget: int, where: Where) -> tuple[str, dict[str, Any]]:
    """The URL of the mixture, and what it rests on."""
    part, settings = wanted.part, dict(wanted.part.settings)
    if part.method == "doremi":
        return _doremi(wanted, at, folder, budget)
    if part.method in FITTED:
        swarm = swarming.swarm(
            wanted.recipe,
            join(folder, "swarm"),
            wanted.of_proxies(at),
            runs=part.swarm.runs,
            seed=part.swarm.seed,
            seeds=1,
            rounds=part.swarm.rounds,
            target=_said(settings.get("targets")),
            **vars(where),
        )
        settings["runs"] = (swarm["runs"],)
    url = _simple(part.method, settings, at, folder, budget)
    return url, Mixture.load(url).settings.get("evidence", {})


def _simple(name: str, settings: dict[str, Any], at: str, folder: str, budget: int) -> str:
    url = join(folder, f"{name}.json")
    Path(located(folder)).mkdir(parents=True, exist_ok=True)
    own = {"tau": TAU} if name == "temperature" and "tau" not in settings else {}
    mixing.method(name, settings | own).mix(stocked(at), budget).save(url)
    return url


def _doremi(wanted: Wanted, at: str, folder: str, budget: int) -> tuple[str, dict[str, Any]]:
    from pipeline.doremi_rounds import Asked, doremi

    own = Asked(**wanted.part.settings, budget=str(budget), out=join(folder, "doremi.json"), overwrite=True)
    facts = doremi(wanted.recipe, join(folder, "doremi"), wanted.of_proxies(at), own)
    return facts["out"], facts["mixture"]["settings"]["evidence"]


def _said(targets: dict[str, float] | None) -> str | None:
    """As the command line has them."""
    return None if targets is None else ",".join(f"{name}={weight!r}" for name, weight in targets.items())


def _error(evidence: dict[str, Any]) -> float | None:
    """By how much the fit erred on runs it had not seen; None where the method fits none."""
    return evidence.get("cross_validation", {}).get(evidence.get("regressor"), {}).get("rmse")  # type: ignore[no-any-return]


def _facts(
    wanted: Wanted,
    found: str,
    evidence: dict[str, Any],
    judged: dict[str, Any],
    allotted: dict[str, Any],
    model: dict[str, Any],
) -> dict[str, Any]:
    """What was foretold of proxies, what they came to, and the model."""
    means = {one["mixture"]: one["mean"] for one in judged["ranking"]}
    foretold, measured = evidence.get("predicted"), means.get(wanted.part.method)
    return {
        "format": "winnow-experiment/1",
        "mixture": found,
        "method": wanted.part.method,
        "unit": judged["unit"],
        "predicted": foretold,
        "error": _error(evidence),
        "measured": measured,
        "off": measured / foretold - 1 if measured and foretold else None,
        "judged": judged["judged"],
        "means": means,
        "verdict": judged["verdict"],
        "domains": {
            name: {
                "weight": weight,
                "allotted": allotted["domains"].get(name, {"tokens": 0})["tokens"],
                "trained": model["domains"].get(name, {"tokens": 0})["tokens"],
                "bits_per_byte": model["held_out"].get(name, {}).get("bits_per_byte"),
            }
            for name, weight in Mixture.load(found).weights.items()
        },
        "model": {key: model[key] for key in ("checkpoint", "budget", "tokens", "held_out_loss", "weights")},
    }
