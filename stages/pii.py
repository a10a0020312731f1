"""Personal data: e-mail and public IP addresses, telephones, accounts, cards, national numbers, keys.

One walk finds places, patterns and check digits decide (stages/pii_places.py, pii_patterns.py, national_ids.py).
What is replaced is recorded as spans of the text the stage was given. docs/reference/stages.md has precision and
recall of each kind, as tests/stages/test_pii.py measures them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from corpus.buffers import bounds
from corpus.documents import DROP, TEXT, VALUE, Batch, Columns
from corpus.edits import SPANS, Spans, cut, recorded
from corpus.errors import RecipeError
from stages.automaton import Automaton, automaton
from stages.base import Column, Local
from stages.pii_patterns import (
    AROUND,
    BEHIND,
    DETECTORS,
    IP,
    KINDS,
    MOST_SECRET,
    NAMES,
    RANK,
    SECRETS,
    Hit,
    secrets,
)
from stages.pii_places import KEY, places

Action = Literal["replace", "tag", "drop", "keep"]

TAGS = ("EMAIL_ADDRESS", "IP_ADDRESS", "PHONE_NUMBER", "IBAN_CODE", "CREDIT_CARD", "NATIONAL_ID", "SECRET")
"""Dolma's names (Soldaini et al. 2024) for the first three, written |||NAME|||; Presidio's or ours for the others."""

FAKES = (
    (b"email@example.com", b"firstname.lastname@example.org"),  # datatrove's, in turn; RFC 2606 reserves the names
    (b"192.0.2.1", b"198.51.100.1", b"203.0.113.1"),  # RFC 5737: never assigned, so no later run finds them public
    (b"202-555-0123",),  # NANPA: 555-0100 to 555-0199 are for fiction
    (b"XX00 0000 0000 0000 0000",),
    (b"0000 0000 0000 0000",),
    (b"000-00-0000",),
    (b"REDACTED",),
)
"""Fixed values that no rule of ours finds again, for each kind; the n-th of a document is the n-th in turn."""

FAKE_IPV6 = b"2001:db8::1"  # RFC 3849


class Pieces(NamedTuple):
    """What was found in N texts: those of document n are [first[n] : first[n + 1]], ascending, without overlap."""

    first: np.ndarray  # int64 [N + 1]
    starts: np.ndarray  # int64 [S], bytes from the document's own start
    ends: np.ndarray  # int64 [S]
    kinds: np.ndarray  # int64 [S], place in KINDS


@dataclass(frozen=True, kw_only=True)
class Pii(Local):
    """Replace or tag personal data, or drop the documents that hold it; every kind is counted."""

    email: Action = "replace"
    ip: Action = "replace"
    phone: Action = "keep"
    iban: Action = "replace"
    card: Action = "replace"
    national_id: Action = "replace"
    secret: Action = "replace"
    most: int | None = None  # pieces of all kinds in a document that is kept; Dolma's is 5

    name = "pii"
    rewrites = True

    def __post_init__(self) -> None:
        if self.most is not None and self.most < 0:
            raise RecipeError(f"pii: most {self.most:,} must be 0 or more; without it no number of pieces drops")

    @property
    def actions(self) -> tuple[Action, ...]:
        """What is done to each of KINDS."""
        return (self.email, self.ip, self.phone, self.iban, self.card, self.national_id, self.secret)

    @property
    def adds(self) -> Mapping[str, Column]:
        """The count of each kind, and what was replaced."""
        counts = {f"pii_{kind}": Column(pa.int64(), f"pieces of personal data: {kind}") for kind in KINDS}
        meaning = "kind of each span of `pii_spans`, null where nothing changed"
        return counts | {
            "pii_spans": Column(SPANS, "bytes of the given text that were replaced, null where nothing changed"),
            "pii_kinds": Column(pa.list_(pa.string()), meaning),
        }

    def annotate(self, batch: Batch) -> Columns:
        """Counts, spans and the new text; a document is dropped for the first kind that drops, then for `most`."""
        found = pieces(batch)
        counts = _counts(found, len(batch))
        drop, value = self._verdict(counts)
        changed = np.array([action in ("replace", "tag") for action in self.actions])[found.kinds]
        changed &= np.repeat(np.equal(drop, -1), np.diff(found.first))
        which = _chosen(found, changed)
        spans = Spans(which.first, which.starts, which.ends)
        reasons = pa.array([*KINDS, "pii"], pa.string())
        return {
            DROP: reasons.take(pa.array(drop, mask=drop < 0)),
            VALUE: pa.array(value, mask=drop < 0),
            **{f"pii_{kind}": pa.array(counts[k]) for k, kind in enumerate(KINDS)},
            "pii_spans": recorded(spans),
            "pii_kinds": _named(which),
            TEXT: self._rewritten(batch, spans, which),
        }

    def _verdict(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Place of the reason (-1 where kept, len(KINDS) for `most`) and the number behind it."""
        drop = np.full(counts.shape[1], -1, np.int64)
        total = counts.sum(axis=0)
        if self.most is not None:
            drop[total > self.most] = len(KINDS)
        for k in reversed(range(len(KINDS))):
            if self.actions[k] == "drop":
                drop[counts[k] > 0] = k
        numbers = np.concatenate([counts, total[None]])
        return drop, numbers[drop, np.arange(len(drop))].astype(np.float64)

    def _rewritten(self, batch: Batch, spans: Spans, which: Pieces) -> pa.Array:
        by = [*(fake for fakes in FAKES for fake in fakes), FAKE_IPV6, *(f"|||{tag}|||".encode() for tag in TAGS)]
        chosen = np.array([by.index(text) for text in self._texts(batch, which)], np.int64)
        return cut(batch.text, spans, by, chosen)

    def _texts(self, batch: Batch, which: Pieces) -> list[bytes]:
        """What stands in place of each piece; a Python loop over pieces, 1 us each."""
        offsets, data = batch.utf8
        texts, turn = [], np.zeros(len(KINDS), np.int64)
        for n in np.flatnonzero(np.diff(which.first)).tolist():
            turn[:] = 0
            for s in range(which.first[n], which.first[n + 1]):
                kind = int(which.kinds[s])
                piece = data[offsets[n] + which.starts[s] : offsets[n] + which.ends[s]]
                if self.actions[kind] == "tag":
                    texts.append(f"|||{TAGS[kind]}|||".encode())
                elif kind == IP and (piece == 0x3A).any():
                    texts.append(FAKE_IPV6)
                else:
                    texts.append(FAKES[kind][turn[kind] % len(FAKES[kind])])
                    turn[kind] += 1
        return texts


@cache
def _keys() -> Automaton:
    return automaton([*(start for start, _ in SECRETS), *NAMES], any_case=True)


def pieces(batch: Batch) -> Pieces:
    """All personal data of a batch. A Python loop over places, of which English prose has one in 3 kB, 9 us each."""
    offsets, data = batch.utf8
    view = data.data  # a memoryview, whose slices copy nothing
    found = places(offsets, data, _keys(), len(SECRETS))
    rows: dict[int, list[Hit]] = {}
    for n, start, end, kind, key in zip(*(column.tolist() for column in found), strict=True):
        first, stop = int(offsets[n]), int(offsets[n + 1])
        low = max(first, start - AROUND)
        text = bytes(view[low : min(stop, end + (MOST_SECRET if kind == KEY else BEHIND))])
        slice_ = (text, start - low, end - low)
        hits = secrets(*slice_, key) if kind == KEY else (hit for ask in DETECTORS[kind] for hit in ask(*slice_))
        moved = low - first
        rows.setdefault(n, []).extend(Hit(hit.start + moved, hit.end + moved, hit.kind) for hit in hits)
    kept = {n: apart(hits) for n, hits in rows.items()}
    sizes = np.zeros(len(batch) + 1, np.int64)
    sizes[[n + 1 for n in kept]] = [len(hits) for hits in kept.values()]
    flat = np.array([hit for n in sorted(kept) for hit in kept[n]], np.int64).reshape(-1, 3)
    return Pieces(np.cumsum(sizes), *np.ascontiguousarray(flat.T))


def apart(hits: list[Hit]) -> list[Hit]:
    """Hits without overlap, ascending: of two that overlap the one of lower RANK, then the longer."""
    left: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end, RANK[hit.kind])):
        if not left or hit.start >= left[-1].end:
            left.append(hit)
        elif RANK[hit.kind] < RANK[left[-1].kind]:
            left[-1] = hit
    return left


def _counts(found: Pieces, documents: int) -> np.ndarray:
    """Pieces of each kind: int64 [kinds, N]."""
    of = np.repeat(np.arange(documents), np.diff(found.first))
    return np.bincount(found.kinds * documents + of, minlength=len(KINDS) * documents).reshape(len(KINDS), documents)


def _chosen(found: Pieces, kept: np.ndarray) -> Pieces:
    first = bounds(kept)[found.first]
    return Pieces(first, *(column[kept] for column in found[1:]))


def _named(found: Pieces) -> pa.Array:
    """The kind of each piece, a list a document, null where it has none."""
    offsets = pa.array(found.first.astype(np.int32), mask=np.r_[np.diff(found.first) == 0, False])
    return pa.ListArray.from_arrays(offsets, pa.array(KINDS, pa.string()).take(pa.array(found.kinds)))
