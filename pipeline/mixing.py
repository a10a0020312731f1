"""From what the command line asks to mixtures and allotments: what there is, by which method, for which budget."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from corpus.errors import RecipeError
from corpus.manifest import read_manifest
from corpus.storage import exists, read_bytes
from mixtures.allotment import allot
from mixtures.baselines import Method
from mixtures.doremi_alarms import carried
from mixtures.doremi_mixture import tokenizer_of
from mixtures.inventory import Inventory, worth
from mixtures.mixture import Mixture
from mixtures.presets import PRESETS
from mixtures.table import FITTED, TABLE
from pipeline.places import local, make
from pipeline.quantities import quantity
from pipeline.report.plain import plain
from pipeline.stock import Stock, stocked
from scaling.errors import LawError
from scaling.repetition import MOST_EPOCHS
from scaling.table import DEFAULT
from scaling.table import law as named

PASSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Passes at which an inventory says what its domains are worth; 16 are worth 10.6."""


def inventoried(held: Inventory, passes: Sequence[float] = PASSES) -> dict[str, Any]:
    """The facts of an inventory, for JSON: tokens of each domain, and the fresh ones that some passes are worth."""
    return {
        "tokens": sum(held.tokens.values()),
        "estimated": held.estimated,
        "by": None if held.by is None else held.by.model_dump(mode="json"),
        "inputs": held.inputs,
        "domains": {
            name: {"tokens": count, "effective": {f"{e:g}": worth(count, e) for e in passes}}
            for name, count in held.tokens.items()
        },
    }


def method(name: str, settings: Mapping[str, Any]) -> Method:
    """The method of that name, or the published mixture, with the settings that were given (None: not given).

    Raises RecipeError where there is none, a setting is of another method, or one is missing.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    known: dict[str, type[Method]] = TABLE | FITTED
    made, given = (TABLE["preset"], given | {"preset": name}) if name in PRESETS else (known.get(name), given)
    if made is None or name == "preset":
        methods = ", ".join(one for one in TABLE if one != "preset")
        raise RecipeError(
            f"mix: {name!r} is no method. There are: {methods}; or a published one: {', '.join(PRESETS)}; or one "
            f"fitted to runs: {', '.join(FITTED)}"
        )
    own = {field.name: field for field in fields(made)}
    for key in sorted(given.keys() - own.keys()):
        raise RecipeError(f"mix: {OPTIONS[key]} is no setting of {name}")
    if name in PRESETS:
        given.setdefault("mapping", {})
    for key in sorted(own.keys() - given.keys()):
        if key in REQUIRED:
            raise RecipeError(f"mix: {name} needs {OPTIONS[key]}")
    return made(**given)


OPTIONS = {
    "tau": "--tau",
    "most_epochs": "--most-epochs",
    "weights": "--weights or --from",
    "mapping": "--map",
    "unused": "--map",
    "runs": "--runs",
    "targets": "--target",
    "regressor": "--regressor",
    "candidates": "--candidates",
    "seed": "--seed",
    "kl": "--kl",
    "keep": "--keep",
}
"""The option of the command line that gives each setting."""

REQUIRED = ("tau", "weights", "runs")


def targets(said: str | None) -> dict[str, float] | None:
    """The losses that count and how much, of `web,code` or `web=0.8,code=0.2`; None where not given.

    Raises RecipeError where a part is neither, or a loss comes twice.
    """
    found: dict[str, float] = {}
    for part in [] if said is None else said.split(","):
        name, sign, weight = part.rpartition("=")
        name = (name if sign else part).strip()
        if not name or name in found:
            raise RecipeError(f"--target: {part!r} is no loss of its own; give them as web=0.8,code=0.2, or web,code")
        found[name] = quantity(weight, f"--target {name}") if sign else 1.0
    return found or None


def weights(said: str | None, url: str | None) -> dict[str, float] | None:
    """Weights as `web=0.6,code=0.4`, or of a JSON file: {"web": 0.6} or a mixture. None where neither is given.

    Raises RecipeError where both are, or it is none.
    """
    if said is not None and url is not None:
        raise RecipeError("mix: --weights and --from both give weights; give one")
    if url is not None:
        return _read_weights(url, "--from")
    return None if said is None else _said_weights(said)


def _said_weights(said: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in said.split(","):
        domain, sign, weight = part.rpartition("=")
        domain = domain.strip()
        if not sign or not domain or domain in found:
            raise RecipeError(f"--weights: {part!r} is not domain=share of its own; give them as web=0.6,code=0.4")
        found[domain] = quantity(weight, f"--weights {domain}", zero=True)
    return found


def _read_weights(url: str, option: str) -> dict[str, float]:
    try:
        found = json.loads(read_bytes(url))
    except FileNotFoundError as error:
        raise RecipeError(f"{option} {url}: no such file") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{option} {url}: not JSON ({error}); give a mixture, or domains and shares") from error
    if isinstance(found, dict) and "format" in found:
        return Mixture.load(url).weights
    numbers = isinstance(found, dict) and all(isinstance(w, int | float) and w is not True for w in found.values())
    if not found or not numbers:
        raise RecipeError(f'{option} {url}: not weights; give a JSON object such as {{"web": 0.6, "code": 0.4}}')
    return {domain: float(weight) for domain, weight in found.items()}


def mapping(said: Sequence[str]) -> tuple[dict[str, str] | None, tuple[str, ...] | None]:
    """A preset's mapping and the domains left unused, of `theirs=ours`, `theirs=` and `=ours`; None where not given.

    Raises RecipeError where a part is none of these, or a published domain comes twice.
    """
    goals: dict[str, str] = {}
    unused = []
    for part in (part for one in said for part in one.split(",")):
        theirs, sign, ours = (piece.strip() for piece in part.partition("="))
        if not sign or theirs in goals or not (theirs or ours):
            raise RecipeError(
                f"--map: {part!r} is not published=yours of its own. Give CommonCrawl=web; Books= where you have none; "
                f"=reviews for a domain of yours that gets nothing."
            )
        if theirs:
            goals[theirs] = ours
        else:
            unused.append(ours)
    return goals or None, tuple(sorted(set(unused))) or None


def mixed(
    name: str,
    at: str,
    budget: str | None,
    out: str | None,
    overwrite: bool,
    *,
    tau: float | None = None,
    most_epochs: float | None = None,
    said_weights: str | None = None,
    from_file: str | None = None,
    maps: Sequence[str] = (),
    runs: Sequence[str] = (),
    target: str | None = None,
    regressor: str | None = None,
    candidates: int | None = None,
    seed: int | None = None,
    kl: float | None = None,
    keep: str | None = None,
    by: str | None = None,
    edges: str | None = None,
    bytes_per_token: float | None = None,
) -> dict[str, Any]:
    """`winnow mix`: the mixture as it stands in its file, written to `out` where that is given."""
    place = None if out is None else mixture_place(out, overwrite)
    goals, unused = mapping(maps)
    settings = {"tau": tau, "most_epochs": most_epochs, "weights": weights(said_weights, from_file)}
    settings |= {"mapping": goals, "unused": unused, "runs": tuple(runs) or None, "targets": targets(target)}
    settings |= {"regressor": regressor, "candidates": candidates, "seed": seed, "kl": kl}
    chosen = method(name, settings | {"keep": None if keep is None else _read_weights(keep, "--keep")})
    mixture = chosen.mix(stocked(at, by, edges, bytes_per_token), whole_tokens(budget, "--budget"))
    for option, url in (("--from", from_file), ("--keep", keep)):
        if url is not None:
            _warned(option, url, Stock.of(at).manifest)
    if place is not None:
        mixture.save(place)
    return mixture.model_dump(mode="json")


def _warned(option: str, url: str, manifest: str | None) -> None:
    """Say on stderr where weights that come from a mixture were found with another tokenizer than these tokens."""
    if manifest is None or "format" not in json.loads(read_bytes(url)):
        return
    found = tokenizer_of(Mixture.load(url))
    for alarm in carried(found, read_manifest(manifest).tokenizer.hash, True):
        print(f"winnow: {option} {url}: {alarm.kind}: {plain(alarm.what, 400)}", file=sys.stderr, flush=True)


def allotted(
    at: str,
    mixture_url: str,
    budget: str | None,
    params: str | None,
    most_epochs: float | None,
    law: str | None,
    bytes_per_token: float | None = None,
) -> dict[str, Any]:
    """`winnow allot`: the facts of the allotment. Without a budget it is the compute-optimal one of `params`."""
    mixture = Mixture.load(mixture_url)
    held = Stock.of(at).inventory(mixture.by, bytes_per_token)
    size = None if params is None else quantity(params, "--params")
    try:
        chosen = named(law or DEFAULT)
        tokens = whole_tokens(budget, "--budget")
        if tokens is None and size is not None:
            tokens = round(chosen.tokens_for(size))
        most = MOST_EPOCHS if most_epochs is None else most_epochs
        found = allot(mixture, held, chosen, budget=tokens, most_epochs=most, params=size)
    except LawError as error:
        raise RecipeError(f"allot: {error}") from error
    return found.as_dict()


def presets(name: str | None = None) -> dict[str, Any]:
    """The published mixtures, or one: source, unit, and the domains with their parts."""
    if name is not None and name not in PRESETS:
        raise RecipeError(f"presets: {name!r} is not known. There are: {', '.join(PRESETS)}")
    return {known: one._asdict() for known, one in PRESETS.items() if name in (None, known)}


def whole_tokens(said: str | None, option: str) -> int | None:
    """Tokens as a whole number; RecipeError where they are no whole number, or none at all."""
    if said is None:
        return None
    value = quantity(said, option)
    if value != int(value) or value > 1 << 62:
        raise RecipeError(f"{option}: {said!r} is no whole number of tokens that a file can hold")
    return int(value)


def mixture_place(out: str, overwrite: bool) -> str:
    """The URL of the mixture to write. RecipeError where it cannot be, or exists and may not go."""
    if not out.endswith(".json"):
        raise RecipeError(f"--out {out}: a mixture ends in .json")
    path = local(out, "--out")
    if path is not None:
        make(path.parent, "the folder of --out,")
    if (path is not None and path.is_dir()) or (not overwrite and exists(out)):
        raise RecipeError(f"--out {out}: exists. Give another name, or --overwrite.")
    return out
