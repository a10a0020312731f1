"""Batches of a plan for one rank: rank r of W reads sequences r, r + W, r + 2 W, ... of it.

The state is one number, how many sequences all ranks together have read, so a run stops and goes on with as many
ranks and as large batches as it likes and reads on at the very sequence.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from corpus.errors import RecipeError
from trainer.reading.plan import Laid, Plan
from trainer.reading.refusals import WrongPlan, refuse_tokenizer, refuse_vocabulary

_AHEAD = 1024
"""Sequences that are planned at a time: finding them takes 50 us for each domain whatever their number, reading
them from the page cache 1 us each."""


class Batch(NamedTuple):
    """Sequences of one rank and step: B of them, of L tokens each."""

    tokens: np.ndarray  # uint16 or int32 [B, L], as in the shards
    used: np.ndarray  # int64 [B], tokens before padding with the end token; L but for `best_fit`
    domains: np.ndarray  # int32 [B], into `Loader.plan.domains`
    numbers: np.ndarray  # int64 [B], which sequences of the plan
    end: int  # sequences that all ranks have read after this step


class Loader:
    """Batches from where the state says to the end of the plan; every rank makes as many steps.

    The last step is shorter where the plan does not divide by `batch * world`, for some ranks perhaps empty.
    """

    def __init__(
        self,
        plan: Plan,
        batch: int,
        rank: int = 0,
        world: int = 1,
        *,
        tokenizer: str | None = None,
        vocabulary: int | None = None,
    ) -> None:
        """batch: sequences a step of this rank. tokenizer: the hash of the model's. vocabulary: rows it embeds.

        RecipeError where batch, rank and world do not fit; WrongTokenizer, WrongVocabulary where the tokens do not.
        """
        if batch < 1 or not 0 <= rank < world:
            raise RecipeError(f"a batch of {batch:,} for rank {rank:,} of {world:,}; 1 or more, for a rank below that")
        refuse_tokenizer(plan.held.url, plan.held.manifest, tokenizer)
        refuse_vocabulary(plan.held.url, plan.held.manifest, vocabulary)
        self.plan, self.batch, self.rank, self.world = plan, batch, rank, world
        self.read = 0  # sequences, by all ranks
        self._planned: tuple[int, int, Laid] = (0, 0, plan.laid(np.zeros(0, np.int64)))

    def __len__(self) -> int:
        """Steps that are left."""
        return -(-(self.plan.sequences - self.read) // (self.batch * self.world))

    def __iter__(self) -> Iterator[Batch]:
        while self.read < self.plan.sequences:
            batch = self.at(self.read)
            self.read = batch.end  # before it is handed out: a state saved after a batch goes on with the next
            yield batch

    def at(self, read: int) -> Batch:
        """The batch after `read` sequences of all ranks, wherever the loader is; ValueError past the plan."""
        if not 0 <= read < self.plan.sequences:
            raise ValueError(f"a batch after {read:,} sequences was asked for, the plan has {self.plan.sequences:,}")
        end = min(read + self.batch * self.world, self.plan.sequences)
        numbers = np.arange(read + self.rank, end, self.world)
        start, ahead = self._planned_from(read, end)
        own = np.arange(len(numbers)) + (read - start) // self.world
        pieces = ahead.pieces.take(own)
        return Batch(self.plan.held.laid(pieces, self.plan.width), pieces.used, ahead.domains[own], numbers, end)

    def _planned_from(self, read: int, end: int) -> tuple[int, Laid]:
        """Sequences of this rank that hold those of [read, end), and where they begin: the last ones, or the next."""
        start, stop, ahead = self._planned
        if not (start <= read and end <= stop and (read - start) % self.world == 0):
            known = self.plan.sequences if self.plan.steered is None else end  # what comes after may not be settled yet
            start, stop = read, min(read + max(_AHEAD, self.batch) * self.world, known)
            ahead = self.plan.laid(np.arange(start + self.rank, stop, self.world))
            self._planned = start, stop, ahead
        return start, ahead

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is, for a checkpoint; small, and of JSON's types."""
        return {"format": "winnow-loader/1", "plan": self.plan.hash, "read": self.read}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there. WrongPlan where the state is no loader's, or that of another plan."""
        asked, known = (state.get("format"), state.get("plan")), ("winnow-loader/1", self.plan.hash)
        read = state.get("read")
        if asked != known or not isinstance(read, int) or read < 0:
            raise WrongPlan(
                f"{self.plan.held.url}: the state is of plan {asked[1]!s:.40} ({asked[0]!s:.40}), this is {known[1]} "
                f"({known[0]}). Other tokens, mixture, packing, seed or length of sequence make another plan: give "
                f"those of the checkpoint, or begin anew."
            )
        self.read = min(read, self.plan.sequences)
