"""The folder of a search by DoReMi: what it was asked for, which of its rounds are done, and what it cannot read."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from corpus.errors import RecipeError, ShardError
from corpus.storage import write_bytes
from mixtures.doremi_mixture import UNIFORM, Round, Search
from mixtures.inventory import Inventory
from trainer.reading.plan import planned
from trainer.run.checks import flat, may_change
from trainer.run.ranks import shared
from trainer.run.settings import TrainSettings

SEARCH, ROUND = "search.json", "round.json"


def smallest_batch(settings: TrainSettings) -> int:
    """Sequences of the smallest batch of a run's steps."""
    return min([settings.batch.tokens, *(tokens for _, tokens in settings.batch.ramp)]) // settings.model.context


def asked_before(at: Path, settings: TrainSettings, tokens: Inventory, search: Search) -> None:
    """Write down what is asked, or RecipeError with the first thing that differs from what was asked there before.

    More or fewer rounds of the same search are not another one. All processes come to the same end.
    """
    told = {name: value for name, value in asdict(search).items() if name != "rounds"}
    asked = json.loads(json.dumps({"tokens": tokens.inputs, "search": told}))  # as the file gives it back
    train = flat(settings.model_dump(mode="json"))
    same = {f"train.{name}": value for name, value in train.items() if not may_change(name)}
    now = dict(sorted((flat(asked) | same).items()))
    before = shared(lambda: _noted(at / SEARCH, now))
    for name in sorted({*before, *now}, key=lambda name: (name.startswith("search.first."), name)):
        if before.get(name) != now.get(name):
            raise RecipeError(
                f"{at}: a search with {name} = {before.get(name)!r} lies there, now it is {now.get(name)!r}. Give it "
                f"the old value, or search into another folder."
            )


def _noted(path: Path, now: dict[str, Any]) -> dict[str, Any]:
    """What the file says, which is made where there is none."""
    if not path.exists():
        write_bytes(str(path), f"{json.dumps(now, indent=1)}\n".encode())
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise ShardError(f"{path}: not what a search was asked for ({error!r:.80}); move the folder away") from error


def kept(at: Path) -> Round | None:
    """A round that is done; None where it is not. All processes get the first one's. ShardError for a damaged file."""
    return shared(lambda: _read(at / ROUND))


def _read(path: Path) -> Round | None:
    try:
        return TypeAdapter(Round).validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ShardError(f"{path}: not a round ({error.errors()[0]['msg']}); remove it, and it is made anew") from error


def written(at: Path, made: Round) -> None:
    """Put the round down: from now on it is done."""
    write_bytes(str(at / ROUND), f"{json.dumps(asdict(made), indent=1)}\n".encode())


def refuse_unreadable(settings: TrainSettings, search: Search, weights: Mapping[str, float], number: int) -> None:
    """RecipeError where tokens do not give what reference or proxy of a round reads: better said before both.

    weights: of the reference. number: of the round, from 1.
    """
    for who, shares in (("reference", weights), ("proxy", search.shares(weights))):
        try:
            _planned(settings, shares)
        except RecipeError as error:
            alike = who == "proxy" and search.sampling == UNIFORM
            said = f"doremi: the {who} of round {number:,} cannot read that much. {error} {_mends(len(shares), alike)}"
            again = f"--rounds {number - 1} --reference {search.reference}"
            so_far = f" {again} takes what came out so far." if number > 1 else ""
            raise RecipeError(said + so_far) from error


def _mends(domains: int, alike: bool) -> str:
    if alike:
        return (
            f"It reads all {domains:,} domains alike, however small they are: lower the budget, allow more passes "
            f"(--set most_epochs=...), join small domains, or sample by the reference's weights (--sampling reference)."
        )
    return "Lower the budget, allow more passes (--set most_epochs=...), shorten model.context, or join small domains."


def _planned(settings: TrainSettings, weights: Mapping[str, float]) -> None:
    """As a run's own plan (trainer/run/making.py), of shards that are not read."""
    context, ranks = settings.model.context, settings.parallel.data
    planned(
        settings.tokens,
        sequence=context + 1,
        mixture=weights,
        sequences=-(-settings.budget // (context * ranks)) * ranks,
        packing=settings.packing,
        seed=settings.seed,
        held_out=settings.evaluation.held_out,
        most_epochs=settings.most_epochs * (context + 1) / context,
        verify=False,
    )
