"""The largest clusters, each with its keeper, its least similar member, and where the two texts differ."""

from difflib import SequenceMatcher
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import ID, TEXT
from corpus.words import words
from pipeline.audit.columns import Found
from pipeline.audit.subject import Subject

MOST_CHARACTERS = 200_000
MOST_WORDS = 200
"""What is compared of two texts: their beginnings, and behind the words that they begin with alike so many of each.
difflib's time grows with the cube where texts are hostile: 0.6 s for 200 words."""

MOST_LETTERS = 100  # bytes of a word that are shown: what is longer is no word of a language
CONTEXT = 4  # words shown on each side of a difference


def largest(subject: Subject, found: Found) -> list[dict[str, Any]]:
    """{cluster, documents, member, similarity, diff}, the largest first.

    member: the one least like its keeper, null where the keeper is in an index; diff: see `diff`.
    """
    members = _members(subject, list(found.largest))
    texts = _texts(subject, {one for name, (member, _) in members.items() for one in (name, member)})
    return [
        {"cluster": name, "documents": size, **_shown(name, members.get(name), texts)}
        for name, size in found.largest.items()
    ]


def _shown(name: str, member: tuple[str, float] | None, texts: dict[str, str]) -> dict[str, Any]:
    if member is None:
        return {"member": None, "similarity": None, "diff": []}
    there = name in texts and member[0] in texts
    lines = diff(texts[name], texts[member[0]]) if there else []
    return {"member": member[0], "similarity": member[1], "diff": lines}


def _members(subject: Subject, names: list[str]) -> dict[str, tuple[str, float]]:
    """Cluster -> id and similarity of its least similar duplicate, of equal ones the least id; none for those whose
    keeper is in an index."""
    least: dict[str, tuple[float, str]] = {}
    for _, shard in subject.shards():
        rows = pc.and_(
            pc.is_in(shard.laid["cluster"], value_set=pa.array(names, pa.string())),
            pa.chunked_array([pa.array(shard.named & ~shard.indexed)]),
        ).to_numpy()
        there = [shard.column(ID), shard.laid["cluster"], shard.laid["similarity"]]
        for one, cluster, similarity in zip(*(c.filter(pa.array(rows)).to_pylist() for c in there), strict=True):
            least[cluster] = min(least.get(cluster, (2.0, "")), (similarity, one))
    return {cluster: (one, similarity) for cluster, (similarity, one) in least.items()}


def _texts(subject: Subject, ids: set[str]) -> dict[str, str]:
    """The beginning of the first text of each id that came to the stage."""
    texts: dict[str, str] = {}
    for _, shard in subject.shards():
        there = np.asarray(pc.is_in(shard.column(ID), value_set=pa.array(sorted(ids), pa.string()))) & shard.came
        found = shard.texts(np.flatnonzero(there))
        begun = pc.utf8_slice_codeunits(found[TEXT], 0, MOST_CHARACTERS)
        for one, text in zip(found[ID].to_pylist(), begun.to_pylist(), strict=True):
            texts.setdefault(one, text)
    return texts


def diff(keeper: str, member: str) -> list[str]:
    """Where two texts differ, word by word: "-" what only the keeper has, "+" only the member, " " both, in short.

    Words are those that shingles are made of. Only the first MOST_WORDS from the first difference on are compared.
    """
    a, b = _words(keeper), _words(member)
    alike = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, alike - CONTEXT)
    a, b = a[start : start + MOST_WORDS], b[start : start + MOST_WORDS]
    lines = []
    for what, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if what == "equal":
            lines.append(f" {_short(a[i:j])}")
        else:
            lines += [f"{sign}{' '.join(some)}" for sign, some in (("-", a[i:j]), ("+", b[k:m])) if some]
    return lines if any(line[0] != " " for line in lines) else []


def _words(text: str) -> list[str]:
    """The words of a text, of long ones the first MOST_LETTERS bytes."""
    found, data = words(pa.array([text], pa.large_string())), text.encode()
    places = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    return [data[start : min(end, start + MOST_LETTERS)].decode(errors="ignore") for start, end in places]


def _short(some: list[str]) -> str:
    if len(some) <= 2 * CONTEXT:
        return " ".join(some)
    return " ".join([*some[:CONTEXT], "...", *some[-CONTEXT:]])
