"""`winnow mix judge`: seeded proxies on each of several mixtures, and which of these is better, if any is."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from corpus.errors import RecipeError
from corpus.manifest import digest
from corpus.storage import is_local, join, located, read_bytes, write_bytes
from mixtures.inventory import Inventory, inventory
from mixtures.judge.measured import Measured, target_of
from mixtures.judge.paired import LEAST, LEVEL, critical
from mixtures.judge.verdict import Verdict
from mixtures.mixture import Mixture
from pipeline.judged_facts import Named, facts_of, seconds_of
from pipeline.mixing import targets
from pipeline.places import make, page_place
from pipeline.pools import pool
from pipeline.report.plain import plain
from pipeline.training import needed
from pipeline.training_settings import asked
from trainer.run.settings import TrainSettings

JUDGED = "judged.json"
PROXIES = "proxies"
LOOKS = 10
"""At held-out documents on the way, where the settings do not say: trajectories of ten points."""

MOST = 64
"""Mixtures at once: 2,016 pairs. Over more the correction leaves nothing that a few seeds could tell apart."""


def judge(
    at: str,
    files: Sequence[str],
    out: str,
    *,
    seeds: int = 3,
    target: str | None = None,
    baseline: str | None = None,
    overrides: Sequence[str] = (),
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
    html: str | None = None,
) -> dict[str, Any]:
    """Train what is not trained yet into the folder `out`, and judge; the facts of docs/reference/json.md.

    at: as of `winnow train`. All that can be refused is refused before anything is trained. RecipeError, ShardError.
    """
    critical(LEAST, LEVEL)  # needs scipy; better said before hours of training
    with needed():
        from mixtures.proxies import judging

        if html is not None:
            from pipeline.report import judged_page  # noqa: F401 - needs plotly, likewise
    page = None if html is None else page_place(html, overwrite=True)
    folder, found = _folder(out), loaded(files)
    if baseline is not None and baseline not in found:
        raise RecipeError(f"--baseline {baseline}: no mixture of that name; there are: {', '.join(found)}")
    settings = looking(at, out, overrides)
    held = inventory(settings.tokens)
    refuse_others(found, held)
    weights = {name: one.mixture.weights for name, one in found.items()}
    documents = judging.measurable(settings)
    aim = target_of(targets(target), list(documents), "--target")
    judging.refuse_unplannable(settings, weights)
    proxies = judging.proxies(settings, weights, range(seeds))
    names: dict[str, list[str]] = {}
    for (name, _), one in proxies.items():
        names.setdefault(one.name, []).append(name)
    with pool(engine, workers, address) as train:
        tried = judging.tried(proxies, proxies_in(folder, held), train, lambda one: _told(one, names[one.job.name]))
    verdict = Verdict.of(Measured.of([one.run for one in tried]), aim, baseline)
    facts = facts_of(verdict, tried, found, held, settings, documents) | {"unit": judging.unit_of(tried)}
    write_bytes(str(folder / JUDGED), _bytes(facts))
    facts |= {"judged": join(out, JUDGED), "html": html, "seconds": seconds_of(tried)}
    if page is not None:
        written(page, facts, tried, proxies_in(folder, held))
    return facts


def proxies_in(folder: Path, held: Inventory) -> Path:
    """Where proxies on these tokens train: other tokens that came to lie in the same place are others."""
    return folder / f"{PROXIES}-{held.inputs[:12]}"


def loaded(files: Sequence[str]) -> dict[str, Named]:
    """The mixtures by name, sorted: the file's, or where two files have one name, the method's.

    RecipeError where there are fewer than two or more than MOST, or both clash. ShardError where one is no mixture.
    """
    if not 2 <= len(files) <= MOST:
        raise RecipeError(f"judge: {len(files)} mixture{'s' * (len(files) != 1)} to compare; give 2 to {MOST}")
    read = [Mixture.load(file) for file in files]
    stems = [Path(file).name.removesuffix(".json") for file in files]
    methods = [one.method for one in read]
    names = next((names for names in (stems, methods) if len(set(names)) == len(names)), None)
    if names is None:
        twice = ", ".join(name for name, count in sorted(Counter(stems).items()) if count > 1)
        raise RecipeError(
            f"judge: several files are called {twice}, and methods are not unique either ({', '.join(methods)}). "
            f"A mixture is called by its file: give the files names of their own."
        )
    named = [Named(name, digest(read_bytes(file)), one) for name, file, one in zip(names, files, read, strict=True)]
    return {one.name: one for one in sorted(named, key=lambda one: one.name)}


def refuse_others(found: Mapping[str, Named], held: Inventory) -> None:
    """RecipeError where a mixture was not made for these very tokens and their domains."""
    for name, one in found.items():
        if one.mixture.inputs != held.inputs:
            raise RecipeError(
                f"{name}: made for the tokens of a manifest with the hash {one.mixture.inputs}; these have "
                f"{held.inputs}. Mixtures are compared on the tokens they were made for: make it anew from these "
                f"(winnow mix {one.mixture.method} ...)."
            )
        if one.mixture.tokens.keys() != held.tokens.keys():
            by = "" if one.mixture.by is None else f" (buckets of {one.mixture.by.column})"
            raise RecipeError(
                f"{name}: its domains{by} are {_some(one.mixture.tokens)}; those of the tokens are "
                f"{_some(held.tokens)}. Proxies draw by the domains that the tokens have: tokenise with such domains."
            )


def looking(at: str, out: str, overrides: Sequence[str]) -> TrainSettings:
    """What all proxies share, as every verb that trains proxies settles it; LOOKS where nobody said how many.

    RecipeError as of `winnow train`.
    """
    from pipeline.swarming import proxy_settings

    found, said = proxy_settings(at, out, overrides), asked(at, overrides).part
    every = max(1, ceil(found.budget / found.batch.tokens) // LOOKS)
    changes = {
        name: getattr(found, name).model_copy(update={"every": every})
        for name in ("evaluation", "monitoring")
        if "every" not in (said.get(name) or {})
    }
    return found.model_copy(update=changes)


def written(page: str, facts: dict[str, Any], tried: Sequence[Any], proxies: Path) -> None:
    """The HTML page, with what proxies wrote into metrics.jsonl."""
    from pipeline.report.judged_page import page_of
    from trainer.monitoring.lines import told
    from trainer.run.journal import METRICS

    lines = {
        (one.run.mixture, one.run.seed): told(proxies / one.proxy.name / METRICS) for one in tried if one.run.losses
    }
    write_bytes(page, page_of(facts, lines).encode())


def _folder(out: str) -> Path:
    if not is_local(out):
        raise RecipeError(f"--at {out}: proxies train into a folder on a mounted disk")
    folder = Path(located(out))
    make(folder, "--at")
    return folder


def _bytes(facts: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(facts, sort_keys=True, indent=1, allow_nan=False)}\n".encode()


def _told(one: Any, names: Sequence[str]) -> None:
    came = one.why if one.loss is None else f"loss {one.loss:.4f}"
    who = f"{', '.join(map(plain, names))}, seed {one.job.settings.seed}"
    print(f"winnow: {who}: {plain(came, 400)}, {one.seconds:.0f} s", file=sys.stderr, flush=True)


def _some(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)[:8])
