"""The `mixture:` part of a recipe: how the mixture that its `train:` part trains on is found, and who judges it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pydantic

from corpus.errors import RecipeError
from corpus.storage import is_local, read_bytes
from pipeline.recipe_overrides import override
from pipeline.recipe_settings import STRICT, checked, made
from pipeline.recipe_yaml import Mistake, Tree, read

MIXTURE, TRAIN = "mixture", "train"
TAU = 2.0
"""Of `temperature`, where the recipe gives none."""


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
    proxies: tuple[str, ...]  # and what proxies have otherwise

    def of_model(self, tokens: str, mixture: str | None) -> list[str]:
        """`--set` of the model's run."""
        return [*self.train, _set("tokens", tokens), _set("mixture", mixture)]

    def of_proxies(self, tokens: str) -> list[str]:
        """`--set` of the proxies' runs."""
        return [*self.train, _set("tokens", tokens), "online=null", *self.proxies]


def wanted(recipe: str, at: str, overrides: Sequence[str] = ()) -> Wanted | None:
    """What the recipe asks for beyond a corpus; None where it has no `mixture:` part.

    RecipeError where that part is wrong, has no `train:` and `tokens:` beside it, `train:` names tokens or a mixture of
    its own, `at` is no folder of this machine, or what trains is not installed.
    """
    tree = read(read_bytes(recipe), recipe)
    if not isinstance(tree.value, dict):
        return None
    train = tuple(_of((TRAIN,), overrides))
    override(tree, [*_of((MIXTURE,), overrides), *train], (MIXTURE, TRAIN))
    if tree.value.get(MIXTURE) is None:
        return None
    if missing := [key for key in ("tokens", TRAIN) if tree.value.get(key) is None]:
        raise RecipeError(f"{recipe}: it has `mixture:` and no `{missing[0]}:`; a mixture is searched to be trained on")
    if not is_local(at):
        raise RecipeError(f"--at {at}: proxies and models train into a folder on a mounted disk")
    wrong: list[Mistake] = []
    part = checked(MixturePart, tree, (MIXTURE,), tree.value[MIXTURE], wrong)
    if part is not None:
        _refuse_methods(part)
        wrong += _wrong_settings(part, tree)
    own = tree.value[TRAIN] if isinstance(tree.value[TRAIN], dict) else {}
    said = "the recipe's tokens and the mixture that is found are trained on; remove it, or `mixture:`"
    wrong += [Mistake((TRAIN, key), said) for key in ("tokens", MIXTURE) if own.get(key) is not None]
    tree.refuse(wrong)
    assert part is not None  # else there was a mistake, and it was told
    _refuse_uninstalled()
    return Wanted(recipe, part, train, tuple(_otherwise(part.proxies, own)))


def _of(keys: Sequence[str], overrides: Sequence[str]) -> Iterator[str]:
    return (said for said in overrides if said.partition("=")[0].partition(".")[0] in keys)


def _set(key: str, value: Any) -> str:
    """JSON is YAML, so that a path is text whatever it looks like."""
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def _otherwise(proxies: dict[str, Any], train: dict[str, Any], within: str = "") -> Iterator[str]:
    """`--set` that lays the one over the other: a part of settings keeps those that it does not name."""
    for key, value in proxies.items():
        if isinstance(value, dict) and isinstance(train.get(key), dict):
            yield from _otherwise(value, train[key], f"{within}{key}.")
        else:
            yield _set(f"{within}{key}", value)


def _refuse_methods(part: MixturePart) -> None:
    from mixtures.regressors.cross_validation import FOLDS
    from mixtures.table import FITTED, TABLE

    simple = [name for name in TABLE if name not in ("preset", "static")]
    if part.method not in (known := [*FITTED, "doremi", *simple]):
        raise RecipeError(f"mixture.method: {part.method!r} is no method; there are: {', '.join(known)}")
    if part.method in FITTED and part.swarm.runs < 2 * FOLDS:
        raise RecipeError(f"mixture.swarm.runs: {part.swarm.runs}; {part.method} needs {2 * FOLDS} to be chosen by")
    others = [name for name in simple if name != part.method]
    for name in part.judge.beside:
        if name not in others:
            known = ", ".join(others)
            itself = "; the method itself is judged anyway" if name == part.method else ""
            raise RecipeError(f"mixture.judge.beside: {name!r} is not one of {known}{itself}")
        if part.judge.beside.count(name) > 1:
            raise RecipeError(f"mixture.judge.beside: {name!r} stands there twice; judge each method once")


GIVEN = ("runs", "budget", "out", "overwrite", "html")
"""Settings of methods that the recipe says elsewhere, or that are places of its own."""


def _wrong_settings(part: MixturePart, tree: Tree) -> list[Mistake]:
    """Settings that the method does not have, or values that it cannot have: told before the corpus is made."""
    from mixtures.table import FITTED, TABLE
    from pipeline.doremi_rounds import Asked

    path = (MIXTURE, "settings")
    wrong = [Mistake((*path, key), "no setting here; the recipe says it") for key in GIVEN if key in part.settings]
    needed: dict[str, Any] = {"tau": TAU} if part.method == "temperature" else {}
    if part.method in FITTED:
        needed = {"runs": ("runs.jsonl",)}
    kinds: dict[str, type] = {"doremi": Asked, **TABLE, **FITTED}
    made(kinds[part.method], part.method, tree, path, needed | part.settings, wrong)
    return wrong


def _refuse_uninstalled() -> None:
    for package, extra in (("torch", "train"), ("safetensors", "train"), ("scipy", "mix")):
        if find_spec(package) is None:
            raise RecipeError(
                f"mixture: it needs proxies, and {package} is not installed: pip install 'winnow[{extra}]'"
            )
