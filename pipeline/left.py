"""What left a unit while it was read: counted in full, and a sample of it kept.

Of each stage and reason the sample has the documents whose id has the least hash, so that neither pieces,
batches, workers nor crashes choose. Counts of units add up (pipeline/tally.py).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.buffers import lengths
from corpus.documents import BYTES, DOMAIN, DROP, ID, TEXT, VALUE
from corpus.hashing import digest128

SEED = "13:"
"""Stands before an id where it is hashed, so that the order is no other one of the house."""

SAMPLED, REASONS = 20, 32
"""Documents kept of a reason, and reasons of a stage (the first met), in a unit: 640 rows a stage at most, 40 kB of
text for a reason, before zstd."""

CLIPPED = 2_000  # characters of a text, a field and an id in a sample
NAMED = 5  # of a sample, in the marker: reports name as many

Samples = tuple[np.ndarray, np.ndarray, pa.Table]  # halves of the hash uint64 [S], rows [S], least first


@dataclass
class Left:
    """What stages while reading did to the documents of a unit. Counts are [documents, bytes of text].

    Bytes are of the text as it came to the stage that dropped it: 0 for a page that had none yet.
    """

    fields: tuple[str, ...] = ()  # of the source
    read: int = 0  # documents that the reader handed on
    pages: int = 0
    dropped: dict[Any, list[int]] = field(default_factory=dict)  # (stage, reason, domain) ->
    cut: dict[Any, list[int]] = field(default_factory=dict)  # (stage, domain) -> [changed, bytes less]
    filled: Counter[str] = field(default_factory=Counter)  # field -> dropped documents that have it
    samples: dict[tuple[str, str], Samples] = field(default_factory=dict)  # (stage, reason) ->

    def drop(self, stage: str, gone: pa.Table) -> None:
        """Count and sample documents. gone: id, text, domain, the source's fields, `drop` and `value`."""
        gone = gone.append_column(BYTES, pa.array(lengths(gone[TEXT].combine_chunks())))
        _add(self.dropped, gone, [DROP, DOMAIN], stage)
        self.filled.update({name: gone.num_rows - gone[name].null_count for name in self.fields})
        ids = pc.binary_join_element_wise(SEED, gone[ID].combine_chunks(), "").cast(pa.large_string())
        hashes, reasons = digest128(ids), gone[DROP].combine_chunks().dictionary_encode()
        codes = reasons.indices.to_numpy()
        for code, reason in enumerate(reasons.dictionary.to_pylist()):
            if (stage, reason) in self.samples or sum(one == stage for one, _ in self.samples) < REASONS:
                self._sample(stage, reason, gone, hashes, codes == code)

    def _sample(self, stage: str, reason: str, gone: pa.Table, hashes: Sequence[np.ndarray], mine: np.ndarray) -> None:
        held = self.samples.get((stage, reason))
        if held is not None and len(held[0]) == SAMPLED:
            mine = mine & (hashes[0] <= held[0][-1])  # most of a large unit's documents end here
        rows = np.flatnonzero(mine)
        rows = rows[np.lexsort((hashes[1][rows], hashes[0][rows]))[:SAMPLED]]
        if len(rows) == 0:
            return
        new = hashes[0][rows], hashes[1][rows], _clipped(gone.take(pa.array(rows)), stage, self.fields)
        both = new if held is None else (*map(np.concatenate, zip(held[:2], new[:2], strict=True)), _joined(held, new))
        order = np.lexsort((both[1], both[0]))[:SAMPLED]  # stable: of equal ids those that were read first
        self.samples[stage, reason] = both[0][order], both[1][order], both[2].take(pa.array(order))

    def edit(self, stage: str, domain: pa.Array, less: np.ndarray) -> None:
        """Count documents that a stage kept and changed. less: int64 [N], bytes by which each became shorter."""
        _add(self.cut, pa.table({DOMAIN: domain, BYTES: pa.array(less)}), [DOMAIN], stage)

    def sampled(self) -> pa.Table | None:
        """The samples as they are kept: id, domain, fields, stage, drop, value, bytes, text; None without any."""
        tables = [table for _, (_, _, table) in sorted(self.samples.items(), key=lambda one: one[0])]
        return pa.concat_tables(tables).combine_chunks() if tables else None

    def marker(self) -> dict[str, Any]:
        """The same as plain values; of samples how many there are, and [hash, id, value] of the first few."""
        few = [[*key, len(high), _few(high, table)] for key, (high, _, table) in sorted(self.samples.items())]
        return {
            "read": self.read,
            "pages": self.pages,
            "dropped": [[*key, *count] for key, count in sorted(self.dropped.items())],
            "cut": [[*key, *count] for key, count in sorted(self.cut.items())],
            "filled": dict(sorted(self.filled.items())),
            "samples": few,
        }


def left(marker: Mapping[str, Any]) -> dict[str, Any]:
    """What `Left.marker` wrote of a unit; nothing dropped where no stages run while reading."""
    none = {"read": sum(part["rows"] for part in marker["parts"]), **{n: [] for n in ("dropped", "cut", "samples")}}
    return marker.get("while_reading") or {**none, "pages": 0, "filled": {}}


def sampled(markers: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Stage -> reason -> how many documents the samples of all units have."""
    counts: dict[str, Counter[str]] = {}
    for stage, reason, count, _ in (some for one in markers for some in left(one)["samples"]):
        counts.setdefault(stage, Counter())[reason] += count
    return counts


def _add(into: dict[Any, list[int]], rows: pa.Table, keys: list[str], stage: str) -> None:
    for one in rows.group_by(keys).aggregate([(BYTES, "count"), (BYTES, "sum")]).to_pylist():
        count = into.setdefault((stage, *(one[key] for key in keys)), [0, 0])
        count[0] += one[f"{BYTES}_count"]
        count[1] += one[f"{BYTES}_sum"]


def _joined(held: Samples, new: Samples) -> pa.Table:
    return pa.concat_tables([held[2], new[2]])


def _few(high: np.ndarray, table: pa.Table) -> list[list[Any]]:
    ids, values = table[ID].to_pylist(), table[VALUE].to_pylist()
    return [[*one] for one in zip(high[:NAMED].tolist(), ids[:NAMED], values[:NAMED], strict=True)]


def _clipped(rows: pa.Table, stage: str, fields: tuple[str, ...]) -> pa.Table:
    """Rows of a sample: who dropped them and why, and their texts cut short."""
    rows = rows.append_column("stage", pa.repeat(stage, rows.num_rows))
    rows = rows.select([ID, DOMAIN, *fields, "stage", DROP, VALUE, BYTES, TEXT])
    for name in (ID, DOMAIN, *fields, TEXT):
        short = pc.utf8_slice_codeunits(rows[name], 0, CLIPPED)
        rows = rows.set_column(rows.schema.get_field_index(name), name, short)
    return rows
