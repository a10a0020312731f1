"""Several mixtures, each trained by proxies of the same seeds: what the judge (mixtures/judge) judges.

All that differs between proxies of one seed is the mixture. Where two mixtures have the same weights they share their
proxies, and what is trained stays trained when mixtures or seeds are added.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.errors import RecipeError
from mixtures.judge.measured import Run
from mixtures.proxies.proxy import BITS, Pool, Proxy, flops, losses, proxy, unit
from trainer.evaluation.held_out import documents
from trainer.jobs.workers import Done
from trainer.reading.held import opened
from trainer.reading.held_out import held_out
from trainer.reading.plan import planned
from trainer.run.settings import TrainSettings


@dataclass(frozen=True)
class Tried:
    """A mixture's proxy of one seed."""

    run: Run
    proxy: Proxy
    done: Done[Proxy] | None  # None where it did not end

    @property
    def flops(self) -> float:
        """Of its training; 0 of one that came to nothing."""
        return 0.0 if self.done is None else flops(self.done)

    @property
    def seconds(self) -> float:
        """Of a process of one thread, since it was last begun or resumed."""
        return 0.0 if self.done is None else self.done.seconds


def proxies(
    settings: TrainSettings, weights: Mapping[str, Mapping[str, float]], seeds: Sequence[int]
) -> dict[tuple[str, int], Proxy]:
    """By mixture and seed. weights: of each mixture by domain. Equal weights and seed: one and the same proxy."""
    return {
        (name, seed): proxy(f"seed-{seed}", own, settings, seed)
        for name, own in sorted(weights.items())
        for seed in sorted(seeds)
    }


def tried(
    asked: Mapping[tuple[str, int], Proxy], folder: Path, train: Pool, told: Callable[[Done[Proxy]], None]
) -> list[Tried]:
    """Train all that is not trained yet; one for each mixture and seed. told, errors: as of `train`."""
    once = {one.name: one for one in asked.values()}
    ended = {one.job.name: one for one in train(folder, list(once.values()), told)}
    return [Tried(_run(at, ended.get(one.name)), one, ended.get(one.name)) for at, one in asked.items()]


def unit_of(found: Sequence[Tried]) -> str:
    """What all losses are in: bits a byte, or nats a token where the tokenizer does not lie with the tokens."""
    return next((unit(one.done) for one in found if one.done is not None and one.done.domains), BITS)


def measurable(settings: TrainSettings) -> dict[str, int]:
    """By domain, how many held-out documents are measured; domains without are not in it.

    RecipeError where there are none at all.
    """
    evaluation, held = settings.evaluation, opened(settings.tokens, verify=False)
    chosen = held_out(held, evaluation.held_out)
    found = {name: len(own) for name, own in documents(held, chosen, evaluation.most_tokens).items() if own}
    if not found:
        raise RecipeError(
            f"judge: no domain has held-out documents, so nothing can be compared. evaluation.held_out is "
            f"{evaluation.held_out:g}: set a share of 0.005 or more; a domain needs two documents."
        )
    return found


def refuse_unplannable(settings: TrainSettings, weights: Mapping[str, Mapping[str, float]]) -> None:
    """RecipeError that names the mixture where a proxy cannot have it: a domain too small, or read too often."""
    context = settings.model.context
    for name, own in sorted(weights.items()):
        mixture = proxy("plan", own, settings, 0).settings.mixture
        try:
            planned(
                settings.tokens,
                sequence=context + 1,
                mixture=mixture,
                sequences=-(-settings.budget // context),
                packing=settings.packing,
                held_out=settings.evaluation.held_out,
                most_epochs=settings.most_epochs * (context + 1) / context,
                verify=False,
            )
        except RecipeError as error:
            raise RecipeError(f"{name}: its proxies cannot be trained: {error}") from error


def _run(at: tuple[str, int], done: Done[Proxy] | None) -> Run:
    if done is None or done.loss is None:
        return Run(*at, why="it did not end" if done is None else done.why)
    return Run(*at, losses=losses(done))
