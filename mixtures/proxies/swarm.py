"""A swarm: a proxy on each of many designed mixtures, and the table of runs that regmix.py and mixing_law.py read.

    at/proxies-<inputs>/<run>-<hash>    a run each; the same command goes on where it was, and trains nothing twice
    at/tokens-<inputs>-...              with a target budget: the tokens they read
    at/runs.jsonl                       the table, written whole after each proxy, sorted by run
    at/seconds.json                     what each took: the one thing in which two equal swarms differ
    at/swarm.json                       what was asked, and the table's digest

Mixtures are those of design.py, so a swarm of more runs begins with the same ones. With rounds, later mixtures are
chosen by what earlier ones came to: climb.py.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from corpus.errors import RecipeError
from mixtures.design import LEAST, designed
from mixtures.proxies.climb import Round, chosen, importance_of, sizes
from mixtures.proxies.ground import Ground, ground
from mixtures.proxies.proxy import Pool, Proxy, flops, losses, proxy, unit
from mixtures.proxies.thinned import thinned
from mixtures.runs_table import MOST_RUNS, Record, table
from trainer.jobs.workers import Done
from trainer.run.settings import TrainSettings

RUNS, SECONDS, SWARM = "runs.jsonl", "seconds.json", "swarm.json"

_COARSE = 2
"""Times what is due of a domain for a target budget that whole documents may come to."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """runs: different mixtures, in all rounds. seed: of the design. seeds: proxies on each mixture, 0 to seeds - 1.

    rounds: 1 for a design alone. targets: the losses that later rounds look for, and how much each counts; None: all
    alike. target_budget: tokens of the real run, whose passes over each domain proxies then make (thinned.py); None:
    proxies repeat what their own budget makes them. RecipeError where it makes no swarm.
    """

    runs: int
    seed: int = 0
    seeds: int = 1
    rounds: int = 1
    targets: dict[str, float] | None = None
    target_budget: int | None = None

    def __post_init__(self) -> None:
        for name in ("runs", "seeds", "rounds"):
            if getattr(self, name) < 1:
                raise RecipeError(f"swarm: {getattr(self, name)} {name}; 1 is the least")
        if not 0 <= self.seed < 1 << 62:
            raise RecipeError(f"swarm: a seed of {self.seed}; give 0 or more")
        if self.runs * self.seeds > MOST_RUNS:
            raise RecipeError(
                f"swarm: {self.runs:,} runs of {self.seeds:,} seeds are {self.runs * self.seeds:,} proxies; a table "
                f"that can be fitted has {MOST_RUNS:,} at most"
            )
        sizes(self.runs, self.rounds)


@dataclass(frozen=True)
class Swarm:
    """What came of it. done: sorted by run. rounds: what chose the mixtures of the later ones."""

    ground: Ground
    done: tuple[Done[Proxy], ...]
    rounds: tuple[Round, ...]

    @property
    def failed(self) -> dict[str, str]:
        """By run, why it has no losses."""
        return {one.job.run: one.why for one in self.done if one.loss is None}

    @property
    def flops(self) -> float:
        """Of all training, attention included."""
        return sum(flops(one) for one in self.done)

    @property
    def seconds(self) -> float:
        """Of one process, all proxies together, each since it was last begun or resumed."""
        return sum(one.seconds for one in self.done)


def swarm(
    settings: TrainSettings,
    asked: Asked,
    at: Path,
    pool: Pool,
    told: Callable[[Done[Proxy]], None] = lambda one: None,
) -> Swarm:
    """Train the swarm into the folder `at`, or go on there, and write its files.

    settings: of all proxies; their mixture and seed are the design's. pool: what trains (proxy.py). told: called with
    each proxy that ends, those of before included. RecipeError for domains that no proxy can read or be measured on,
    caps that leave no design, too few runs for rounds; errors as of `pool`.
    """
    on = ground(settings)
    _refuse_one(settings.tokens, on)
    _refuse_targets(asked.targets, on)
    _refuse_foreign(at)
    at.mkdir(parents=True, exist_ok=True)
    if asked.target_budget is not None:
        settings, on = _thinned(settings, asked.target_budget, on, at)
    most, least = on.most(settings), max(LEAST, settings.model.context / settings.budget)
    tell = _Table(at, told)
    done: list[Done[Proxy]] = []
    rounds: list[Round] = []
    for number, size in enumerate(sizes(asked.runs, asked.rounds), 1):
        if number == 1:
            weights = designed(on.prior, most, size, seed=asked.seed, least=least)
        else:
            known = table([record(one) for one in done], None if asked.targets is None else sorted(asked.targets))
            importance = importance_of(known, asked.targets)
            weights, round_ = chosen(known, importance, on.prior, most, size, (asked.seed, number), least)
            rounds.append(round_)
        jobs = _proxies(settings, list(on.tokens), weights, asked, number)
        done += pool(at / f"proxies-{on.inputs[:12]}", jobs, tell)
    found = Swarm(on, tuple(sorted(done, key=lambda one: one.job.run)), tuple(rounds))
    written(found.done, at)
    _write(at / SWARM, _dumped(_evidence(settings, asked, found, at)))
    return found


def _thinned(settings: TrainSettings, target: int, on: Ground, at: Path) -> tuple[TrainSettings, Ground]:
    """Settings and tokens that repeat as a run of `target` tokens would."""
    url = thinned(settings.tokens, settings.budget, target, settings.evaluation.held_out, at)
    settings = settings.model_copy(update={"tokens": url})
    share = (
        f"Of each domain {settings.budget / target:.3g} is left for the target budget: raise the proxies' budget, or"
    )
    found = replace(on, read=ground(settings, f"{share} shorten model.context.").read)
    for name, read in found.read.items():
        _refuse_coarse(name, read, on.read[name] * settings.budget / target)
    return settings, found


def _refuse_coarse(domain: str, read: int, due: float) -> None:
    if read > _COARSE * due:
        raise RecipeError(
            f"swarm: of domain {domain!r} {due:,.0f} tokens are due for the target budget, and its documents are so "
            f"long that {read:,} are the nearest: proxies would repeat it less than the real run. Raise the proxies' "
            f"budget, or leave out the target budget."
        )


def _refuse_foreign(at: Path) -> None:
    if (at / RUNS).exists() and not any(at.glob("proxies-*")):
        raise RecipeError(f"--at {at}: a {RUNS} lies there that no swarm made; give the swarm a folder of its own")


def _refuse_one(tokens: str, on: Ground) -> None:
    if len(on.tokens) < 2:
        raise RecipeError(
            f"swarm: {tokens} holds tokens of {', '.join(on.tokens)} alone, so there is nothing to mix. Domains may be "
            f"buckets of a column: winnow split RUN OUT --by COLUMN"
        )


def _refuse_targets(targets: Mapping[str, float] | None, on: Ground) -> None:
    for target in sorted(set(targets or ()) - on.tokens.keys()):
        raise RecipeError(f"swarm: no loss of {target!r}; there are: {', '.join(list(on.tokens)[:12])}")


def _proxies(
    settings: TrainSettings, domains: Sequence[str], weights: np.ndarray, asked: Asked, number: int
) -> list[Proxy]:
    begin = f"s{asked.seed}" if number == 1 else f"s{asked.seed}-r{number}"
    return [
        proxy(f"{begin}-{n:04d}" + (f"-{seed}" if seed else ""), dict(zip(domains, row, strict=True)), settings, seed)
        for n, row in enumerate(weights.tolist())
        for seed in range(asked.seeds)
    ]


def record(done: Done[Proxy]) -> Record:
    """A row of a table of runs; without losses where it has none."""
    return Record(done.job.run, done.job.weights, {} if done.loss is None else losses(done))


def written(done: Sequence[Done[Proxy]], at: Path) -> None:
    """The table and the seconds, sorted by run: the same bytes in whatever order the proxies ended."""
    ordered = sorted(done, key=lambda one: one.job.run)
    _write(at / RUNS, "".join(_line(one) for one in ordered))
    _write(at / SECONDS, _dumped({one.job.run: one.seconds for one in ordered}))


def _line(done: Done[Proxy]) -> str:
    """A number that is none (a domain's loss that is not finite) is null, which leaves the run out."""
    row = record(done)
    known = {name: loss if isfinite(loss) else None for name, loss in row.losses.items()}
    said: dict[str, Any] = {"run": row.run, "weights": row.weights, "losses": known, "seed": done.job.settings.seed}
    said |= {"tokens": done.tokens, "trained": done.trained, "flops": flops(done)}
    said |= {"unit": unit(done)} if done.loss is not None else {"why": done.why}
    return json.dumps(said, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


class _Table:
    """Written anew with each proxy that ends, from whatever thread; but not for those that stand in it from before."""

    def __init__(self, at: Path, told: Callable[[Done[Proxy]], None]) -> None:
        self.at, self.told = at, told
        self.known: dict[str, Done[Proxy]] = {}
        self.lock = threading.Lock()
        self.before = set((at / RUNS).read_bytes().split(b"\n")) if (at / RUNS).exists() else set()

    def __call__(self, done: Done[Proxy]) -> None:
        with self.lock:
            self.known[done.job.run] = done
            if _line(done).rstrip("\n").encode() not in self.before:
                written(list(self.known.values()), self.at)
            self.told(done)


def _evidence(settings: TrainSettings, asked: Asked, found: Swarm, at: Path) -> dict[str, Any]:
    """Where tokens lie says nothing of what they are; their hash does."""
    own = settings.model_dump(mode="json", exclude={"tokens", "mixture", "seed"})
    return {
        "format": "winnow-swarm/1",
        "inputs": found.ground.inputs,
        "asked": asdict(asked),
        "settings": own,
        "digest": blake2b((at / RUNS).read_bytes(), digest_size=16).hexdigest(),
        "runs": len(found.done),
        "failed": found.failed,
        "unit": next((unit(one) for one in found.done if one.loss is not None), None),
        "flops": found.flops,
        "rounds": [one._asdict() for one in found.rounds],
    }


def _dumped(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    """Whole, or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
