"""Precision: is what was removed as like its keeper as it should be? Computed anew from both texts."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import ID
from pipeline.audit.columns import Found
from pipeline.audit.intervals import wilson
from pipeline.audit.subject import Subject
from pipeline.audit.truth import Sets, joined, shingle_sets, similarities

WRONG_SHOWN = 5


@dataclass
class _Texts:
    """Sets of some documents, and who they are."""

    sets: list[Sets] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)


def precision(subject: Subject, found: Found) -> dict[str, Any]:
    """{precision, precision_low, precision_high, removed, verified, not_in_run, wrong}.

    precision: share of the verified whose similarity to their keeper is at least the stage's `least`, null where
    none was; its interval has no width where all were verified. verified: of the removed, those recomputed.
    not_in_run: those of the sample whose keeper is no document of this run. wrong: some that are less alike.
    """
    keepers = _keepers(subject, found)
    texts = _texts(subject, found, set(keepers.values()))
    names, similarity = _compared(texts, keepers, subject.stage.measure)
    good = int((similarity >= subject.stage.least).sum())
    share = good / len(similarity) if len(similarity) else None
    ends = (share, share) if share is None or found.gone.whole else wilson(share, len(similarity))
    wrong = np.flatnonzero(similarity < subject.stage.least)[:WRONG_SHOWN].tolist()
    return {
        "precision": share,
        "precision_low": ends[0],
        "precision_high": ends[1],
        "removed": found.removed,
        "verified": len(similarity),
        "not_in_run": len(found.gone) - len(similarity),
        "wrong": [{"id": names[n][0], "duplicate_of": names[n][1], "similarity": similarity[n].item()} for n in wrong],
    }


def _keepers(subject: Subject, found: Found) -> dict[tuple[int, int], str]:
    """(shard, row) of each removed document of the sample -> its keeper's id, of those whose keeper is in the run."""
    keepers: dict[tuple[int, int], str] = {}
    for number, shard in subject.shards():
        rows = found.gone.rows(number)
        rows = rows[~shard.indexed[rows]]
        of = shard.laid["duplicate_of"].take(pa.array(rows)).to_pylist()
        keepers |= {(number, row): name for row, name in zip(rows.tolist(), of, strict=True)}
    return keepers


def _texts(subject: Subject, found: Found, wanted: set[str]) -> _Texts:
    """Sets of the removed documents of the sample, and of all that came and bear the id of a keeper."""
    texts, named = _Texts(), pa.array(sorted(wanted), pa.string())
    for number, shard in subject.shards():
        there = np.asarray(pc.is_in(shard.column(ID), value_set=named)) & shard.came
        rows = np.union1d(found.gone.rows(number), np.flatnonzero(there))
        texts.places += [(number, row) for row in rows.tolist()]
        texts.kept += (~shard.removed[rows]).tolist()
        for batch in shard.batches(rows):
            texts.sets.append(shingle_sets(batch, subject.stage))
            texts.ids += batch.column(ID).to_pylist()
    return texts


def _compared(
    texts: _Texts, keepers: dict[tuple[int, int], str], measure: str
) -> tuple[list[tuple[str, str]], np.ndarray]:
    """(id, keeper's id) and similarity of each removed document whose keeper is here.

    Ids need not be unique: of several with the keeper's id that the stage kept the most similar counts; where
    it kept none (`keep: none`), of the others.
    """
    bearing: dict[str, list[int]] = {}
    for n, name in enumerate(texts.ids):
        bearing.setdefault(name, []).append(n)
    pairs = [
        (n, other)
        for n, place in enumerate(texts.places)
        if place in keepers
        for other in _candidates(texts, n, bearing.get(keepers[place], []))
    ]
    a, b = np.array(pairs, np.int64).reshape(-1, 2).T
    of, first = np.unique(a, return_index=True)  # pairs of one document are adjacent
    best = np.maximum.reduceat(similarities(joined(texts.sets), a, b, measure), first) if len(a) else np.zeros(0)
    return [(texts.ids[n], keepers[texts.places[n]]) for n in of.tolist()], best


def _candidates(texts: _Texts, n: int, bearing: list[int]) -> list[int]:
    others = [other for other in bearing if other != n]
    return [other for other in others if texts.kept[other]] or others
