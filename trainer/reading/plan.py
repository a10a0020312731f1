"""The plan of a run: which tokens sequence 0, 1, 2, ... of the whole training holds, whoever reads it.

A pure function of the tokens, the mixture, the packing, the length of a sequence and the seed. The mixture says
which domain a sequence comes from (corpus/interleave.py), the packing which tokens of it (corpus/packing.py).
Ranks only share the numbers out, so their count, a stop or a resume cannot change what is read.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import NamedTuple

import numpy as np

from corpus.errors import RecipeError
from corpus.hashing import stable_hash
from corpus.interleave import Interleave, parts_of
from corpus.packing import PACKINGS, Packing, Pieces
from trainer.reading.held import Held, opened
from trainer.reading.held_out import held_out as chosen
from trainer.reading.line import Line, line
from trainer.reading.shares import Shares, Weights, shares
from trainer.reading.steered import Steered

MOST_EPOCHS = 4.0
"""Passes over a domain that go unremarked: four are worth 93 % of as many fresh tokens (Muennighoff et al. 2023)."""


class Laid(NamedTuple):
    """Some sequences of the plan."""

    domains: np.ndarray  # int32 [S], into `Plan.domains`
    indices: np.ndarray  # int64 [S], how many of its domain came before it
    pieces: Pieces  # places on the line of all tokens


@dataclass(frozen=True, eq=False)
class Plan:
    """Sequences 0 to `sequences`, each of one domain. Make one with `planned`."""

    held: Held
    packings: dict[str, Packing]  # of the domains that give any, by name
    parts: dict[str, int]  # of the same: their shares, in whole parts
    sequences: int  # in all
    width: int  # tokens in each
    packing: str
    seed: int
    lines: dict[str, Line]  # by domain: the documents that are read
    held_out: float = 0.0  # share of documents that are not
    steered: Steered | None = None  # which domain when, where that is settled on the way, not by `parts`

    @property
    def domains(self) -> tuple[str, ...]:
        """Names, sorted: what numbers of domains stand for."""
        return tuple(self.parts)

    @cached_property
    def interleave(self) -> Interleave | Steered:
        """Which domain when."""
        return self.steered or Interleave(tuple(self.parts.values()))

    @cached_property
    def hash(self) -> str:
        """32 hex digits that change with whatever changes a sequence; more sequences of the same change nothing."""
        parts = [part for pair in self.parts.items() for part in pair]
        without = (self.held_out,) if self.held_out else ()
        steered = ("steered",) if self.steered is not None else ()
        said = ("winnow-plan/1", self.held.inputs, self.width, self.packing, self.seed, *parts, *without, *steered)
        return f"{stable_hash(*said, bits=128):032x}"

    def counts(self, n: int) -> dict[str, int]:
        """Sequences of each domain among the first n: its quota, rounded down or up."""
        return dict(zip(self.domains, self.interleave.counts(n).tolist(), strict=True))

    def epochs(self, n: int) -> dict[str, float]:
        """Passes over each domain's sequences that the first n make."""
        return {domain: count / self.packings[domain].sequences for domain, count in self.counts(n).items()}

    def laid(self, numbers: np.ndarray) -> Laid:
        """The sequences of these numbers: int64 [S], ascending, in [0, sequences)."""
        if not len(numbers):
            return Laid(np.zeros(0, np.int32), np.zeros(0, np.int64), Pieces.joined([]))
        start, stop = int(numbers[0]), int(numbers[-1]) + 1
        if not (0 <= start < stop <= self.sequences and (np.diff(numbers) > 0).all()):
            raise ValueError(
                f"sequences {start:,} to {stop:,} were asked for, of {self.sequences:,}, in ascending order"
            )
        domains, indices = (found[numbers - start] for found in self.interleave.span(start, stop))
        return Laid(domains, indices, self._pieces(domains, indices))

    def _pieces(self, domains: np.ndarray, indices: np.ndarray) -> Pieces:
        """Domain by domain, then put back in the order of the sequences."""
        order, found = np.argsort(domains, kind="stable"), []
        for d, own in enumerate(np.split(order, np.searchsorted(domains[order], np.arange(1, len(self.parts))))):
            domain = self.domains[d]
            found.append(self.lines[domain].placed(self.packings[domain].pieces(indices[own])))
        return Pieces.joined(found).take(np.argsort(order, kind="stable"))


def planned(
    manifest_url: str,
    *,
    sequence: int,
    mixture: str | Weights | None = None,
    sequences: int | None = None,
    packing: str = "concatenate",
    seed: int = 0,
    most_epochs: float = MOST_EPOCHS,
    held_out: float = 0.0,
    steered: bool = False,
    verify: bool = True,
) -> Plan:
    """The plan of a run over the shards of a manifest.

    sequence: tokens in each; one more than the model's context where inputs and targets are cut from it.
    mixture: weights by domain, or the URL of a mixture.json or an allotment; None: every sequence once.
    sequences: in all; None: what the mixture's budget pays for, or without one, what `most_epochs` allows; without a
    mixture one pass.
    packing: "windows", "concatenate" or "best_fit", see corpus/packing.py. verify: see `opened`.
    held_out: the share of each domain's documents that is not read, see held_out.py.
    steered: weights may change on the way, from the mixture's on; each domain gives `most_epochs` passes at most.
    RecipeError where that cannot be had; the refusals of `opened` where the shards are not as the manifest says.
    """
    held = opened(manifest_url, verify)
    lines = {domain: line(held.starts[domain], ~out) for domain, out in chosen(held, held_out).items()}
    packings = _packings(lines, sequence, packing, seed)
    given = _given(held, packings, mixture)
    parts = parts_of(given.weights)
    for domain in parts:
        if packings[domain].sequences == 0:
            raise RecipeError(
                f"domain {domain!r} holds {lines[domain].tokens:,} tokens, less than one sequence of {sequence:,}; "
                f"give it no weight, or shorten the sequences"
            )
    own = {domain: packings[domain] for domain in parts}
    plan = Plan(held, own, parts, 0, sequence, packing, seed, lines, held_out)
    if sequences is None and mixture is None:
        sequences = sum(one.sequences for one in plan.packings.values())
    elif sequences is None and given.budget is not None:
        sequences = given.budget // sequence
    total = _total(plan, sequences, most_epochs, steered)
    most = [_most(plan, domain, most_epochs) for domain in parts]
    return replace(plan, sequences=total, steered=Steered(most) if steered else None)


def _packings(lines: dict[str, Line], sequence: int, packing: str, seed: int) -> dict[str, Packing]:
    if packing not in PACKINGS:
        raise RecipeError(f"packing {packing!r} was asked for; there are {', '.join(PACKINGS)}")
    if sequence < 1:
        raise RecipeError(f"sequences of {sequence:,} tokens were asked for; 1 is the least")
    return {domain: PACKINGS[packing](one.starts, sequence, seed, domain) for domain, one in lines.items()}


def _given(held: Held, packings: dict[str, Packing], mixture: str | Weights | None) -> Shares:
    if mixture is not None:
        return shares(held, mixture)
    every = {domain: packing.sequences for domain, packing in packings.items()}
    if not any(every.values()):
        raise RecipeError(f"{held.url}: no domain holds as many tokens as one sequence; shorten the sequences")
    return Shares({domain: count for domain, count in every.items() if count}, None)


def _total(plan: Plan, asked: int | None, most_epochs: float, steered: bool) -> int:
    """Sequences in all (None: the most); RecipeError where a domain would be read more than `most_epochs` times.

    steered: where all domains would, since then one gives what another cannot.
    """
    if not 0 < most_epochs < float("inf"):
        raise RecipeError(f"most_epochs is {most_epochs!r}, not a number above 0")
    whole, most = sum(plan.parts.values()), {domain: _most(plan, domain, most_epochs) for domain in plan.parts}
    largest = min(most[domain] * whole // part for domain, part in plan.parts.items())
    total = largest if asked is None else asked
    if total < 1:
        raise RecipeError(f"a plan of {total:,} sequences of {plan.width:,} tokens; 1 is the least")
    if steered:
        return _of_all(plan, total, most, most_epochs)
    for domain, part in plan.parts.items():
        if total * part // whole > most[domain]:
            held = plan.packings[domain].sequences
            raise RecipeError(
                f"domain {domain!r} holds {held:,} sequences and the plan of {total:,} asks for "
                f"{total * part // whole:,}: {total * part / whole / held:.3g} passes, at most {most_epochs:g} are "
                f"allowed. Plan {largest:,} sequences, lower its share, or raise most_epochs."
            )
    return total


def _of_all(plan: Plan, total: int, most: dict[str, int], most_epochs: float) -> int:
    """The total, where all domains together may give as much."""
    if total > sum(most.values()):
        raise RecipeError(
            f"the plan of {total:,} sequences asks for more than {most_epochs:g} passes over all domains, which give "
            f"{sum(most.values()):,}: train on fewer tokens, or raise most_epochs"
        )
    return total


def _most(plan: Plan, domain: str, epochs: float) -> int:
    """Sequences that so many passes make. Tokens count where windows leave some out: a budget counted them too."""
    of_tokens = Fraction(plan.lines[domain].tokens, plan.width)
    return ceil(Fraction(epochs) * max(Fraction(plan.packings[domain].sequences), of_tokens))
