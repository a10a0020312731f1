"""DoReMi's rounds: train a reference, train a proxy against it, take the mean weights, begin anew with those.

    folder/search.json           what was asked; another search into the same folder is refused
    folder/round-1/mixture.json  shares that the reference is trained on; shares.json: that the proxy is
    folder/round-1/reference, proxy    runs as of `winnow train`
    folder/round-1/trace.jsonl   weights and excess of every step
    folder/round-1/round.json    what it came to, once it is done

A round that is done is not done again, one that was killed goes on from its checkpoints. Of several processes all train
and the first one writes. The main model is trained by resampling with the answer (Xie et al. 2023, step 3).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from corpus.errors import ShardError
from mixtures.baselines import Static
from mixtures.doremi import CONVERGED, moved, traced
from mixtures.doremi_alarms import alarms
from mixtures.doremi_mixture import UNIFORM, Round, Search
from mixtures.inventory import Inventory
from mixtures.proxies.group_dro import GroupDro
from mixtures.proxies.reference import Reference, gaps, reference
from mixtures.proxies.searched import asked_before, kept, refuse_unreadable, written
from trainer.parallel.launch import device_of, joined
from trainer.reading.held import opened
from trainer.run.alone import alone
from trainer.run.loop import train
from trainer.run.outcome import BUDGET
from trainer.run.ranks import first, shared, together
from trainer.run.settings import TrainSettings
from trainer.stability.clipping import Diverged
from trainer.sweep.shapes import size

Told = Callable[[str], None]
FORWARDS = 2
"""Of every token of the proxy, beside its training: by the proxy and by the reference. Each is a third of training."""


@dataclass(frozen=True)
class _Place:
    """Where a round is made, and of what."""

    settings: TrainSettings
    tokens: Inventory
    at: Path
    told: Told

    def say(self, what: str) -> None:
        """By the first process."""
        if first():
            self.told(f"{self.at.name}: {what}")


def rounds(
    settings: TrainSettings, tokens: Inventory, at: Path, search: Search, told: Told = lambda said: None
) -> list[Round]:
    """All rounds, fewer where weights move by less than 1e-3; the last one's weights are DoReMi's.

    settings: of reference and proxy alike; their mixture, weights that change online, and benchmarks are not looked
    at. tokens: of the manifest they name. told: gets a line as each training begins and ends, in the first process.
    Under torchrun all processes call this together, and `at` is on a disk that all see.

    RecipeError where the domains do not give what either plan reads, or `at` holds another search; Diverged, with the
    round, where gradients stay non-finite; KeyboardInterrupt where SIGTERM stopped a training, which then is saved.
    """
    evaluation = settings.evaluation.model_copy(update={"benchmarks": ()})
    plain = settings.model_copy(update={"mixture": None, "online": None, "evaluation": evaluation})
    refuse_unreadable(plain, search, search.first, 1)
    with joined(device_of(settings.device)), alone(at):
        asked_before(at, plain, tokens, search)
        found: list[Round] = []
        while len(found) < search.rounds and (not found or found[-1].moved >= CONVERGED):
            weights, number = found[-1].weights if found else search.first, len(found) + 1
            place = _Place(plain, tokens, at / f"round-{number}", told)
            found.append(kept(place.at) or _made(place, search, weights, number))
        return found


def _made(place: _Place, search: Search, weights: Mapping[str, float], number: int) -> Round:
    """Both trainings, or what is left of them, and the account of them on the disk."""
    refuse_unreadable(place.settings, search, weights, number)
    begun = time.perf_counter()
    _write(place, "mixture.json", weights)
    _write(place, "shares.json", search.shares(weights))
    together()
    known = _reference(place)
    dro = _proxy(place, search, known, weights)
    apart = gaps(known, place.settings, opened(place.settings.tokens, verify=False))
    made = shared(lambda: _round(place, dro, weights, apart, time.perf_counter() - begun))
    place.say(f"weights moved by {made.moved:.4f}, {len(made.alarms):,} alarms, {made.seconds:,.0f} s")
    return made


def _write(place: _Place, name: str, weights: Mapping[str, float]) -> None:
    if first():
        place.at.mkdir(parents=True, exist_ok=True)
        Static(weights=dict(weights)).mix(place.tokens).save(str(place.at / name))


def _reference(place: _Place) -> Reference:
    own = place.settings.model_copy(update={"mixture": str(place.at / "mixture.json")})
    _trained(place, "reference", own)
    return reference(place.at / "reference", own, device_of(own.device))


def _proxy(place: _Place, search: Search, known: Reference, weights: Mapping[str, float]) -> GroupDro:
    """The proxy's weigher after its last step."""
    dro = GroupDro(
        known,
        sorted(weights),
        shares=None if search.sampling == UNIFORM else search.shares(weights),
        trace=place.at / "trace.jsonl",
        step_size=search.step_size,
        smoothing=search.smoothing,
    )
    update = {"mixture": str(place.at / "shares.json"), "seed": place.settings.seed + 1}
    _trained(place, "proxy", place.settings.model_copy(update=update), dro)
    return dro


def _trained(place: _Place, name: str, settings: TrainSettings, weigher: GroupDro | None = None) -> None:
    """Train to the end of the budget; KeyboardInterrupt where SIGTERM stopped it, for half a model answers nothing."""
    place.say(f"{name} trains")
    try:
        outcome = train(settings, str(place.at / name), weigher=weigher)
    except Diverged as error:
        raise Diverged(f"doremi: {place.at.name}: the {name} diverged, so it has no answer. {error}") from error
    if outcome.stopped != BUDGET:
        raise KeyboardInterrupt


def _round(
    place: _Place, dro: GroupDro, weights: Mapping[str, float], apart: dict[str, float], seconds: float
) -> Round:
    """From the trace and the measured gaps, written down. ShardError where the trace is not the proxy's."""
    steps, domains = traced(place.at / "trace.jsonl"), dro.trace.domains
    if len(steps.alpha) != dro.trace.steps:
        raise ShardError(f"{place.at / 'trace.jsonl'}: {len(steps.alpha):,} steps, the proxy made {dro.trace.steps:,}")
    made = Round(
        reference=dict(weights),
        weights=dro.trace.mean,
        last=dict(zip(domains, steps.alpha[-1].tolist(), strict=True)),
        moved=moved(weights, dro.trace.mean),
        steps=len(steps.alpha),
        gaps=apart,
        alarms=tuple(alarms(steps, domains, apart)),
        flops=(2 + FORWARDS / 3) * 6 * size(place.settings.model) * place.settings.budget,
        seconds=round(seconds, 3),
    )
    written(place.at, made)
    return made
