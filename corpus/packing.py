"""Which tokens make up each training sequence: windows, documents laid end to end, or documents that fit.

A domain's tokens are one line, its shards end to end; a packing cuts pieces of it and lays them into sequences of
at most `length` tokens. Every epoch has the same number of sequences in an order of its own, and any sequence of
any epoch is found by itself. Three packings, by what they cost:

- `Windows`: the line cut every `length` tokens, the windows shuffled. No memory; neighbours in the corpus stay so.
- `Concatenated`: documents shuffled anew each epoch, laid end to end, cut every `length`. A quarter of a byte a
  document, and one pass over the lengths at an epoch's first sequence.
- `BestFit`: documents are cut only where longer than a sequence, and pieces laid where they fit best (Ding et al.
  2024, "Fewer Truncations Improve Language Modeling"). 16 bytes a piece, packed once; a sequence may end early.

What one epoch cannot fill (less than a sequence, of `Windows` and `Concatenated`) is left out; `Concatenated`
leaves out other tokens each epoch. Pieces but a document's last one fill whole sequences in `BestFit`, so in all
three a document within a sequence ends with its end token, and masks need nothing but the tokens.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from corpus.best_fit import best_fit
from corpus.order import epoch_order, place

STRIDE = 32
"""Documents between the stored places of `Concatenated`: 8 bytes for 32 documents, and 1 us to walk from one."""

BUFFER = 1 << 16
"""Documents that `BestFit` packs at a time. Larger buffers waste less: web text of 500 tokens a document in
sequences of 2,048 fills 99.9 % of each already."""


class Pieces(NamedTuple):
    """What sequences are made of. Those of sequence s: [first[s]:first[s + 1]], in order."""

    first: np.ndarray  # int64 [S + 1]
    at: np.ndarray  # int64 [P], tokens from the begin of the domain's line
    tokens: np.ndarray  # int64 [P], at least 1

    @property
    def used(self) -> np.ndarray:
        """Tokens in each sequence: int64 [S]."""
        return np.diff(np.concatenate(([0], np.cumsum(self.tokens)))[self.first])

    def take(self, sequences: np.ndarray) -> "Pieces":
        """Those of some of the sequences, int64 [S], in that order."""
        return Pieces(*_taken(*self, sequences))

    @classmethod
    def joined(cls, parts: "Sequence[Pieces]") -> "Pieces":
        """The sequences of all, end to end."""
        none = np.zeros(0, np.int64)
        counts = np.concatenate([none, *(np.diff(one.first) for one in parts)])
        at, tokens = (np.concatenate([none, *(one[k] for one in parts)]) for k in (1, 2))
        return cls(np.concatenate(([0], np.cumsum(counts))), at, tokens)


@dataclass(frozen=True, eq=False)
class Packing(ABC):
    """A domain cut into sequences. starts: int64 [N + 1], where its documents begin on its line, and its end."""

    starts: np.ndarray
    length: int  # tokens a sequence holds at most
    seed: int
    domain: str

    name: ClassVar[str]

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"sequences of {self.length:,} tokens were asked for; 1 is the least")

    @property
    @abstractmethod
    def sequences(self) -> int:
        """In each epoch."""

    @abstractmethod
    def epoch(self, epoch: int, indices: np.ndarray) -> Pieces:
        """Of some sequences of one epoch: indices int64 [S] in [0, sequences)."""

    def pieces(self, indices: np.ndarray) -> Pieces:
        """Of the domain's sequences `indices`: int64 [S], from 0 on, ascending; `sequences` of them make an epoch."""
        epochs, within = np.divmod(np.asarray(indices, np.int64), max(1, self.sequences))
        if not len(epochs):
            return Pieces.joined([])
        if self.sequences == 0 or epochs[0] < 0 or (np.diff(epochs) < 0).any():
            raise ValueError(f"domain {self.domain!r} has {self.sequences:,} sequences an epoch; ask in order, from 0")
        cuts = np.flatnonzero(np.diff(epochs)) + 1
        found = [self.epoch(int(e[0]), w) for e, w in zip(np.split(epochs, cuts), np.split(within, cuts), strict=True)]
        return found[0] if len(found) == 1 else Pieces.joined(found)


class Windows(Packing):
    """The line cut every `length` tokens, the windows in another order each epoch."""

    name = "windows"

    @property
    def sequences(self) -> int:
        return int(self.starts[-1] - self.starts[0]) // self.length

    def epoch(self, epoch: int, indices: np.ndarray) -> Pieces:
        order = epoch_order(self.sequences, self.seed, epoch, f"windows of {self.domain}")
        at = order.element(indices) * self.length
        return Pieces(np.arange(len(at) + 1), at, np.full(len(at), self.length))


class Concatenated(Packing):
    """Documents in another order each epoch, end to end, cut every `length` tokens."""

    name = "concatenate"

    @property
    def sequences(self) -> int:
        return int(self.starts[-1] - self.starts[0]) // self.length

    def epoch(self, epoch: int, indices: np.ndarray) -> Pieces:
        order = epoch_order(len(self.starts) - 1, self.seed, epoch, f"documents of {self.domain}")
        arguments = self.starts, order.bits, np.uint64(order.key)
        marks = self._marks(epoch, *arguments[1:])
        return Pieces(*_walked(*arguments, marks, np.asarray(indices, np.int64), self.length))

    @cached_property
    def _marks(self):  # type: ignore[no-untyped-def]
        """Epoch -> tokens before every STRIDE-th document of its order; two are kept, for epochs overlap in a batch."""

        @lru_cache(maxsize=2)
        def marks(epoch: int, bits: int, key: np.uint64) -> np.ndarray:
            return np.asarray(_marked(self.starts, bits, key))

        return marks


class BestFit(Packing):
    """Documents whole where they fit a sequence, laid into the fullest that still has room; packed once."""

    name = "best_fit"

    @property
    def sequences(self) -> int:
        return len(self._packed.first) - 1

    def epoch(self, epoch: int, indices: np.ndarray) -> Pieces:
        order = epoch_order(self.sequences, self.seed, epoch, f"sequences of {self.domain}")
        return self._packed.take(order.element(indices))

    @cached_property
    def _packed(self) -> Pieces:
        """Of every sequence, in the order of the buffers; documents are shuffled, so that a buffer is a sample."""
        order = epoch_order(len(self.starts) - 1, self.seed, 0, f"documents of {self.domain}")
        size, found = len(self.starts) - 1, []
        for begin in range(0, size, BUFFER):
            documents = order.element(np.arange(begin, min(begin + BUFFER, size)))
            begins = self.starts[documents]
            counts, at, tokens = best_fit(begins - self.starts[0], self.starts[documents + 1] - begins, self.length)
            found.append(Pieces(np.concatenate(([0], np.cumsum(counts))), at, tokens))
        return Pieces.joined(found)


PACKINGS: dict[str, type[Packing]] = {packing.name: packing for packing in (Windows, Concatenated, BestFit)}


@njit(nogil=True, cache=True)
def _marked(starts, bits, key):  # type: ignore[no-untyped-def]
    size = len(starts) - 1
    marks, before = np.empty(size // STRIDE + 1, np.int64), 0
    for n in range(size):
        if n % STRIDE == 0:
            marks[n // STRIDE] = before
        document = place(n, size, bits, key)
        before += starts[document + 1] - starts[document]
    if size % STRIDE == 0:
        marks[size // STRIDE] = before
    return marks


@njit(nogil=True, cache=True)
def _walked(starts, bits, key, marks, indices, length):  # type: ignore[no-untyped-def]
    """The pieces of windows of the shuffled line, each found from the mark before it."""
    size = len(starts) - 1
    first = np.zeros(len(indices) + 1, np.int64)
    at, tokens, used = np.empty(4 * len(indices) + 4, np.int64), np.empty(4 * len(indices) + 4, np.int64), 0
    for s in range(len(indices)):
        begin, end = indices[s] * length, (indices[s] + 1) * length
        mark = np.searchsorted(marks, begin, side="right") - 1
        n, before = mark * STRIDE, marks[mark]
        while before < end:
            document = place(n, size, bits, key)
            after = before + starts[document + 1] - starts[document]
            low, high = max(begin, before), min(end, after)
            if low < high:
                if used == len(at):
                    at, tokens = _doubled(at), _doubled(tokens)
                at[used], tokens[used] = starts[document] - starts[0] + low - before, high - low
                used += 1
            n, before = n + 1, after
        first[s + 1] = used
    return first, at[:used], tokens[:used]


@njit(nogil=True, cache=True)
def _doubled(array):  # type: ignore[no-untyped-def]
    larger = np.empty(2 * len(array), array.dtype)
    larger[: len(array)] = array
    return larger


@njit(nogil=True, cache=True)
def _taken(first, at, tokens, sequences):  # type: ignore[no-untyped-def]
    """The pieces of some sequences of all."""
    begins = np.zeros(len(sequences) + 1, np.int64)
    for s in range(len(sequences)):
        begins[s + 1] = begins[s] + first[sequences[s] + 1] - first[sequences[s]]
    places, counts = np.empty(begins[-1], np.int64), np.empty(begins[-1], np.int64)
    for s in range(len(sequences)):
        low, high = first[sequences[s]], first[sequences[s] + 1]
        places[begins[s] : begins[s + 1]] = at[low:high]
        counts[begins[s] : begins[s + 1]] = tokens[low:high]
    return begins, places, counts
