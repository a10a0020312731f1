"""Clusters of duplicates: links are drawn to the best document, joined to stars, then judged on text.

A node is a document: its address and its rank, a number that is smaller for a better document. Nodes are
ordered by (rank, address), a total order on content, so the least node of a cluster is its keeper and
nothing depends on arrival. Connected components by alternating large-star and small-star (Kiveris et al.
2014, Connected Components in MapReduce and Beyond): every turn is a map over partitions of nodes.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DROP, ID, VALUE, Batch
from corpus.hashing import hash64
from stages.base import Column, Global

LINKS = pa.schema([("node", pa.int64()), ("rank", pa.uint64()), ("other", pa.int64()), ("other_rank", pa.uint64())])
"""A link from one node to another; the first column is the key by which links are partitioned."""

DUPLICATE = {
    "duplicate_of": Column(pa.string(), "id of the document kept in place of this one"),
    "similarity": Column(pa.float64(), "exact similarity of the two texts, 0 to 1"),
    "cluster": Column(pa.string(), "id of the keeper of this document's cluster, on keeper and members"),
    "cluster_size": Column(pa.int64(), "documents in the cluster, the keeper included"),
}

_LONGEST = np.uint64(2**32 - 1)


def ranks(batch: Batch) -> np.ndarray:
    """uint64 [N], smaller is better: the longest text first (bytes), then by a hash of the id."""
    starts, _ = batch.utf8
    size = np.minimum(np.diff(starts).astype(np.uint64), _LONGEST)
    return ((_LONGEST - size) << np.uint64(32)) | (hash64(batch.column(ID), 1) >> np.uint64(32))


@dataclass(frozen=True, kw_only=True)
class Deduplication(Global):
    """What Exact and MinHash share: rows with one key are linked to the best of them."""

    @property
    def adds(self) -> dict[str, Column]:
        return DUPLICATE

    def emitted(self) -> pa.Schema:
        return pa.schema([("key", pa.uint64()), ("key2", pa.uint64()), ("row", pa.int64()), ("rank", pa.uint64())])

    def match(self, rows: pa.Table) -> pa.Table:
        """Links both ways between every row and the best row of its 128-bit key."""
        key, key2, node, rank = (rows[name].to_numpy() for name in ("key", "key2", "address", "rank"))
        order = np.lexsort((node, rank, key2, key))
        key, key2, node, rank = key[order], key2[order], node[order], rank[order]
        first = _firsts(key, key2)
        best = np.maximum.accumulate(np.where(first, np.arange(len(key)), 0))
        member = ~first & (node != node[best])
        return both_ways(node[member], rank[member], node[best][member], rank[best][member])

    def settle(self, links: pa.Table, turn: int) -> pa.Table:
        """One turn over the links of some nodes: large-star on even turns, small-star on odd ones."""
        return small_star(links) if turn % 2 else large_star(links)


def _firsts(*sorted_columns: np.ndarray) -> np.ndarray:
    """bool [N]: True where a row differs from the row before it in any of the columns."""
    first = np.ones(len(sorted_columns[0]), bool)
    first[1:] = np.logical_or.reduce([c[1:] != c[:-1] for c in sorted_columns])
    return first


def _table(node: np.ndarray, rank: np.ndarray, other: np.ndarray, other_rank: np.ndarray) -> pa.Table:
    return pa.table([node, rank, other, other_rank], schema=LINKS)


def both_ways(node: np.ndarray, rank: np.ndarray, other: np.ndarray, other_rank: np.ndarray) -> pa.Table:
    """Links in both directions, each once, sorted."""
    return distinct(pa.concat_tables([_table(node, rank, other, other_rank), _table(other, other_rank, node, rank)]))


def distinct(links: pa.Table) -> pa.Table:
    """The links sorted by node, then by the other end's place in the order, each once."""
    node, rank, other, other_rank = (c.to_numpy() for c in links.columns)
    order = np.lexsort((other, other_rank, node))
    node, rank, other, other_rank = node[order], rank[order], other[order], other_rank[order]
    once = _firsts(node, other)
    return _table(node[once], rank[once], other[once], other_rank[once])


def large_star(links: pa.Table) -> pa.Table:
    """Link every larger neighbour of a node to the least of its neighbourhood; keyed by the larger end.

    links: both ways, all of every node present, as `distinct` gives them.
    """
    node, rank, other, other_rank = (c.to_numpy() for c in links.columns)
    if len(node) == 0:
        return links
    nearest = _group_first(node)
    own = _before(rank, node, other_rank[nearest], other[nearest])
    least = np.where(own, node, other[nearest])
    least_rank = np.where(own, rank, other_rank[nearest])
    larger = _before(rank, node, other_rank, other)
    return distinct(_table(other[larger], other_rank[larger], least[larger], least_rank[larger]))


def small_star(links: pa.Table) -> pa.Table:
    """Link a node and all its smaller neighbours to the least of them; both ways.

    links: from the larger end to the smaller, all of every node present, as `large_star` gives them.
    """
    node, rank, other, other_rank = (c.to_numpy() for c in links.columns)
    if len(node) == 0:
        return links
    nearest = _group_first(node)
    least, least_rank = other[nearest], other_rank[nearest]
    first = nearest == np.arange(len(node))  # the row of a node's least neighbour stands for the node itself
    from_node, from_rank = np.where(first, node, other), np.where(first, rank, other_rank)
    return both_ways(from_node, from_rank, least, least_rank)


def _group_first(node: np.ndarray) -> np.ndarray:
    """int64 [N]: the index of the first row of each row's node; rows are sorted by node."""
    return np.maximum.accumulate(np.where(_firsts(node), np.arange(len(node)), 0))


def _before(rank: np.ndarray, node: np.ndarray, other_rank: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (rank < other_rank) | ((rank == other_rank) & (node < other))


VERDICT = pa.schema(
    [
        pa.field("node", pa.int64()),
        pa.field(DROP, pa.string()),
        pa.field(VALUE, pa.float64()),
        *[pa.field(name, column.type) for name, column in DUPLICATE.items()],
    ]
)
"""What is decided of a clustered document; the first column is its address."""


def verdicts(rows: pa.Table, keeper: np.ndarray, similarity: np.ndarray, reason: str) -> pa.Table:
    """Verdicts on clustered documents, given the row of each one's keeper.

    rows: `node` and `id`; keeper: int64 [N], the row index of the keeper (its own for a keeper);
    similarity: float64 [N] to that keeper. Documents alone in their cluster get no verdict.
    """
    size = np.bincount(keeper, minlength=len(keeper))[keeper]
    ids = rows[ID].combine_chunks()
    keeper_ids = ids.take(pa.array(keeper))
    dropped = keeper != np.arange(len(keeper))
    none = pa.nulls(len(keeper), pa.string())
    gone = pa.array(dropped)
    columns = [
        rows["node"].combine_chunks(),
        pc.if_else(gone, reason, none),
        pc.if_else(gone, similarity, None),
        pc.if_else(gone, keeper_ids, none),
        pc.if_else(gone, similarity, None),
        keeper_ids,
        pa.array(size),
    ]
    return pa.table(columns, schema=VERDICT).filter(pa.array(size > 1))
