"""What `judged.json` holds beside the verdict: the mixtures, their proxies, what each cost, and what to doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixtures.inventory import Inventory
from mixtures.judge.verdict import Verdict, rounded
from mixtures.mixture import Mixture
from trainer.run.settings import TrainSettings

if TYPE_CHECKING:
    from mixtures.proxies.judging import Tried

FEW_DOCUMENTS = 10
"""Held-out documents of a domain below which a note says so."""


@dataclass(frozen=True)
class Named:
    """A mixture.json, by the name that the judge calls it."""

    name: str
    digest: str  # BLAKE2b-128 of its bytes
    mixture: Mixture


def facts_of(
    verdict: Verdict,
    tried: "Sequence[Tried]",
    found: Mapping[str, Named],
    held: Inventory,
    settings: TrainSettings,
    documents: Mapping[str, int],
) -> dict[str, Any]:
    """All that judged.json holds: the verdict and what it rests on, without times, so that it is the same again."""
    whole = sum(held.tokens.values())
    said = verdict.to_dict()
    return {
        "format": "winnow-judged/1",
        **said,
        "notes": [*said["notes"], *_notes(found, held, settings, documents)],
        "inputs": held.inputs,
        "tokens": held.tokens,
        "shares": rounded({name: count / whole for name, count in held.tokens.items()}),
        "held_out": dict(documents),
        "mixtures": {name: _mixture(one, verdict, tried, settings) for name, one in found.items()},
        "settings": settings.model_dump(mode="json", exclude={"tokens", "mixture", "seed"}),
    }


def _mixture(one: Named, verdict: Verdict, tried: "Sequence[Tried]", settings: TrainSettings) -> dict[str, Any]:
    mixture, own = one.mixture, [each for each in tried if each.run.mixture == one.name]
    epochs = {name: mixture.weights[name] * settings.budget / count for name, count in mixture.tokens.items()}
    cost = {"flops": sum(each.flops for each in own), "search": _search(mixture)}
    return {
        "method": mixture.method,
        "digest": one.digest,
        "weights": mixture.weights,
        "budget": mixture.budget,
        "epochs": mixture.epochs,
        "proxy_epochs": rounded(epochs),
        "capped": list(mixture.capped),
        **rounded(cost),
        "proxies": [_proxy(each, verdict) for each in own],
    }


def _proxy(each: "Tried", verdict: Verdict) -> dict[str, Any]:
    """A proxy's seed, tokens trained, losses by domain, and their mean by the target; nulls where it failed."""
    why = verdict.measured.failed.get((each.run.mixture, each.run.seed), "")
    losses = {} if why else {name: each.run.losses[name] for name in verdict.measured.domains}
    mean = sum(losses[name] * share for name, share in verdict.target.items()) if losses else None
    tokens = 0 if each.done is None else each.done.tokens
    return {"seed": each.run.seed, "tokens": tokens, "losses": rounded(losses), "mean": rounded(mean), "why": why}


def _search(mixture: Mixture) -> dict[str, float | None]:
    """What finding the mixture cost, where its evidence says: `evidence.cost`."""
    evidence = mixture.settings.get("evidence")
    cost = evidence.get("cost") if isinstance(evidence, dict) else None
    found = cost if isinstance(cost, dict) else {}
    return {name: _number(found.get(name)) for name in ("flops", "seconds")}


def _number(value: Any) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e300  # NaN is not
    return float(value) if fits else None


def _notes(
    found: Mapping[str, Named], held: Inventory, settings: TrainSettings, documents: Mapping[str, int]
) -> list[str]:
    notes = [
        f"{name} has no held-out documents: it is in no figure here" for name in held.tokens if name not in documents
    ]
    if few := [f"{name} {count}" for name, count in documents.items() if count < FEW_DOCUMENTS]:
        notes.append(f"few held-out documents: {', '.join(few)}; raise evaluation.held_out to measure with more")
    for name, one in found.items():
        domain = max(one.mixture.epochs, key=lambda each: one.mixture.epochs[each], default=None)
        if domain is not None and one.mixture.epochs[domain] > max(
            1.0, 2 * one.mixture.weights[domain] * settings.budget / held.tokens[domain]
        ):
            passes = one.mixture.epochs[domain]
            notes.append(
                f"{name}: its budget makes {passes:.3g} passes over {domain}, its proxies fewer than half as many; "
                f"what repetition costs does not show here"
            )
    return notes


def seconds_of(tried: "Sequence[Tried]") -> dict[str, float]:
    """Of one thread, by mixture, summed over its proxies."""
    found: dict[str, float] = {}
    for one in tried:
        found[one.run.mixture] = round(found.get(one.run.mixture, 0.0) + one.seconds, 3)
    return found
