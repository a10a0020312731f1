"""The `mixture:` part of a recipe: how the mixture that its `train:` part trains on is found, and who judges it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic

from corpus.errors import RecipeError
from corpus.storage import is_local, read_bytes
from pipeline.recipe_overrides import override
from pipeline.recipe_settings import STRICT, checked
from pipeline.recipe_yaml import Mistake, read

MIXTURE, TRAIN = "mixture", "train"


class Swarm(pydantic.BaseModel):
    """As of `winnow mix swarm`."""

    model_config = STRICT
    runs: int = pydantic.Field(default=32, ge=1)
    rounds: int = pydantic.Field(default=1, ge=1)
    seed: int = pydantic.Field(default=0, ge=0)


class Judge(pydantic.BaseModel):
    """As of `winnow mix judge`. beside: methods without proxies of their own that the mixture is compared with."""

    model_config = STRICT
    seeds: int = pydantic.Field(default=3, ge=1, le=1000)
    beside: tuple[str, ...] = pydantic.Field(default=("proportional", "uniform"), min_length=1)


class MixturePart(pydantic.BaseModel):
    """Settings of the search. settings: what else the method takes, named as in docs/reference/mixtures.md."""

    model_config = STRICT
    method: str = "regmix"
    settings: dict[str, Any] = {}
    proxies: dict[str, Any] = {}  # settings of `train:` that proxies have otherwise
    swarm: Swarm = Swarm()
    judge: Judge = Judge()


@dataclass(frozen=True)
class Wanted:
    """A recipe that goes on after its corpus."""

    recipe: str  # its path
    part: MixturePart
    train: tuple[str, ...]  # `--set` of the `train:` part

    def of_model(self, tokens: str, **more: str) -> list[str]:
        """`--set` of the model's run."""
        return [*self.train, f"tokens={tokens}", *(f"{key}={value}" for key, value in more.items())]

    def of_proxies(self, tokens: str) -> list[str]:
        """`--set` of the proxies' runs."""
        return [
            *self.of_model(tokens),
            "online=null",
            *(f"{key}={json.dumps(value)}" for key, value in self.part.proxies.items()),
        ]


def wanted(recipe: str, at: str, overrides: Sequence[str] = ()) -> Wanted | None:
    """What the recipe asks for beyond a corpus; None where it has no `mixture:` part.

    RecipeError where that part is wrong, has no `train:` and `tokens:` beside it, or `at` is no folder of this machine.
    """
    tree = read(read_bytes(recipe), recipe)
    if not isinstance(tree.value, dict) or not tree.value.get(MIXTURE):
        return None
    own = list(_of((MIXTURE,), overrides))
    override(tree, own, (MIXTURE,))
    if missing := [key for key in ("tokens", TRAIN) if not tree.value.get(key)]:
        raise RecipeError(f"{recipe}: it has `mixture:` and no `{missing[0]}:`; a mixture is searched to be trained on")
    if not is_local(at):
        raise RecipeError(f"--at {at}: proxies and models train into a folder on a mounted disk")
    wrong: list[Mistake] = []
    part = checked(MixturePart, tree, (MIXTURE,), tree.value[MIXTURE], wrong)
    tree.refuse(wrong)
    assert part is not None  # else there was a mistake, and it was told
    _refuse_methods(part)
    return Wanted(recipe, part, tuple(_of((TRAIN,), overrides)))


def _of(keys: Sequence[str], overrides: Sequence[str]) -> Iterator[str]:
    return (said for said in overrides if said.partition("=")[0].partition(".")[0] in keys)


def _refuse_methods(part: MixturePart) -> None:
    from mixtures.regressors.cross_validation import FOLDS
    from mixtures.table import FITTED, TABLE

    simple = [name for name in TABLE if name not in ("preset", "static")]
    if part.method not in (known := [*FITTED, "doremi", *simple]):
        raise RecipeError(f"mixture.method: {part.method!r} is no method; there are: {', '.join(known)}")
    if part.method in FITTED and part.swarm.runs < 2 * FOLDS:
        raise RecipeError(f"mixture.swarm.runs: {part.swarm.runs}; {part.method} needs {2 * FOLDS} to be chosen by")
    for name in part.judge.beside:
        if name not in simple or name == part.method:
            raise RecipeError(
                f"mixture.judge.beside: {name!r} is not one of {', '.join(n for n in simple if n != part.method)}"
            )
