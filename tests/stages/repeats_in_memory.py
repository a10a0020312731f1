"""Repeats without a runner: shards are lists of texts, and rows between them tables. And what is right, by hand."""

import numpy as np
import pyarrow as pa

from corpus.documents import CORE, DROP, TEXT, Batch, digests
from stages.repeats import PIECES, Copies, best, combined, copies, elsewhere, looked_up, merged, orders
from stages.substring import Substring, settled

ROW_BITS = 40


def batch(texts, ids=None):
    """The texts as a batch, ids by position where none are given."""
    ids = ids or [f"d{n:05d}" for n in range(len(texts))]
    return Batch(pa.record_batch([ids, pa.array(texts, pa.large_string()), ["x"] * len(texts)], schema=CORE))


def laid(stage, texts, ids=None, per_shard=1_000_000):
    """What the stage lays beside the texts, dealt to shards in order."""
    ids = ids or [f"d{n:05d}" for n in range(len(texts))]
    places = range(0, max(1, len(texts)), per_shard)
    parts = [batch(texts[at : at + per_shard], ids[at : at + per_shard]) for at in places]
    pieces = [stage.emit(part) for part in parts]
    rank = [orders(part.column("id"), digests(part.text)) for part in parts]
    whole = [[]] * len(parts)
    if isinstance(stage, Substring):
        pieces, whole = substrings(stage, parts, rank, pieces)
    terms = (stage.least_count, stage.keep) if isinstance(stage, Copies) else (2, "first")
    sent = [combined(some, *rank[n], n << ROW_BITS)[0] for n, some in enumerate(pieces)]
    known = back(*best(pa.concat_tables(sent).combine_chunks(), *terms), len(parts))
    tables = []
    for n, (some, part) in enumerate(zip(pieces, parts, strict=True)):
        gone = pa.concat_tables([some.filter(pa.array(copies(some, known[n], n << ROW_BITS))), *whole[n]])
        gone = gone.sort_by([("row", "ascending"), ("start", "ascending")])
        count = np.bincount(gone["row"].to_numpy(), minlength=len(part))
        tables.append(stage.edited(part.text, merged(gone, len(part)), count))
    return pa.concat_tables(tables)


def back(rows, address, count):
    """What each shard is told."""
    return [rows.filter(pa.array(address >> ROW_BITS == n)) for n in range(count)]


def substrings(stage, parts, rank, emitted):
    """The windows of each shard that are in doubt, and the stretches that are cut whole."""
    key, count = np.unique(np.concatenate([rows["key"].to_numpy() for rows in emitted]), return_counts=True)
    stretches = [stage.stretches(part, key[count >= 2]) for part in parts]
    sent = []
    for n, some in enumerate(stretches):
        rows, which = combined(some, *rank[n], n << ROW_BITS)
        sent.append(rows.append_column("fingerprint", some["fingerprint"].take(pa.array(which))))
    known = back(*settled(pa.concat_tables(sent).combine_chunks()), len(parts))
    windows, whole = [], []
    for n, some in enumerate(stretches):
        at = looked_up(some, known[n])
        gone = elsewhere(some, known[n], n << ROW_BITS, at)
        alone = np.r_[known[n]["alone"].to_numpy(), True][at]
        doubtful = some.filter(pa.array(~gone & ~alone))
        windows.append(stage.windows(parts[n], doubtful["row"].to_numpy(), doubtful["start"].to_numpy()))
        whole.append([some.filter(pa.array(gone)).select(PIECES.names)])
    return windows, whole


def left(stage, texts, ids=None, per_shard=1_000_000):
    """The texts afterwards, None for a document that was dropped."""
    table = laid(stage, texts, ids, per_shard)
    rows = zip(table[TEXT].to_pylist(), table[DROP].to_pylist(), texts, strict=True)
    return [None if drop else old if new is None else new for new, drop, old in rows]


def in_order(texts, ids):
    """Places of the documents, the best first."""
    order, order2 = orders(pa.array(ids), digests(pa.array(texts, pa.large_string())))
    return np.lexsort((order2, order)).tolist()


def by_hand(pieces, texts, ids, least_count=2, keep="first"):
    """The bytes of each text that stay, as lists of bool: `pieces` are (key, start, end) of each document, in order."""
    stays = [np.ones(len(text.encode()), bool) for text in texts]
    count, seen = {}, set()
    for key, _, _ in (piece for some in pieces for piece in some):
        count[key] = count.get(key, 0) + 1
    for n in in_order(texts, ids):
        for key, start, end in pieces[n]:
            if count[key] >= least_count and (key in seen or keep == "none"):
                stays[n][start:end] = False
            seen.add(key)
    return stays


def kept(texts, stays):
    """The texts of those bytes."""
    return [
        bytes(np.frombuffer(text.encode(), np.uint8)[mask]).decode() for text, mask in zip(texts, stays, strict=True)
    ]
