"""Components of a graph of documents: rows that share a key are linked, links are drawn together to stars.

A node is a document's address, and the least address of a component is its centre: a name for the component and
nothing more, since which document is kept is decided later, on content. Within a shard by union-find; between
shards by alternating large-star and small-star (Kiveris et al. 2014, Connected Components in MapReduce and
Beyond), where every turn is a map over partitions of nodes. A turn takes about 100 B for each link it holds.
"""

import numpy as np
import pyarrow as pa
from numba import njit

from corpus.hashing import mix64

LINKS = pa.schema([("node", pa.int64()), ("other", pa.int64())])
"""A link from one node to another; the first column is the key by which links are partitioned."""

KEYED = pa.schema([("key", pa.uint64()), ("key2", pa.uint64()), ("row", pa.int64())])
"""What a stage emits: a 128-bit key and the document that has it, one row for each key of a document."""


def combined(rows: pa.Table, documents: int) -> tuple[np.ndarray, np.ndarray]:
    """What is known of components from one shard alone.

    rows: KEYED, rows in [0, documents), in any order.
    Returns the places in `rows` of the first row of each key, int64 [K], and the least row of each document's
    component, int64 [documents]. So K rows stand for all: a key that every document of a shard has is one.
    """
    key, key2, row = (rows[name].to_numpy() for name in KEYED.names)
    return _combined(key, key2, row, documents)


@njit(nogil=True, cache=True)
def _combined(key, key2, row, documents):  # type: ignore[no-untyped-def]
    of = _keyed(key, key2)
    parent, first, count = np.arange(documents), np.empty(len(key), np.int64), 0
    for i in range(len(key)):
        if of[i] == i:
            first[count] = i
            count += 1
        else:
            _unite(parent, row[of[i]], row[i])
    for n in range(documents):
        parent[n] = parent[parent[n]]  # a parent is smaller, so its own root is known by now
    return first[:count], parent


@njit(nogil=True, cache=True)
def _unite(parent, a, b):  # type: ignore[no-untyped-def]
    """Hang the greater root below the less; paths are halved on the way."""
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    while parent[b] != b:
        parent[b] = parent[parent[b]]
        b = parent[b]
    parent[max(a, b)] = min(a, b)


def matched(rows: pa.Table) -> pa.Table:
    """Links both ways between every row and the least node of its 128-bit key. rows: key, key2, node."""
    key, key2, node = (column.to_numpy() for column in rows.columns)
    least = _least(key, key2, node)
    member = node != least
    return both_ways(node[member], least[member])


@njit(nogil=True, cache=True)
def _least(key, key2, node):  # type: ignore[no-untyped-def]
    """The least node of each row's key: int64 [N]."""
    of = _keyed(key, key2)
    least = node.copy()
    for i in range(len(key)):
        least[of[i]] = min(least[of[i]], node[i])
    for i in range(len(key)):
        least[i] = least[of[i]]
    return least


@njit(nogil=True, cache=True)
def _keyed(key, key2):  # type: ignore[no-untyped-def]
    """The first row of each row's 128-bit key: int64 [N].

    A hash table with linear probing, at most half full; keys are hashes, so probes are short.
    """
    size = np.int64(4)
    while size < 2 * len(key):
        size *= 2
    slots, mask, of = np.full(size, -1, np.int64), np.uint64(size - 1), np.empty(len(key), np.int64)
    for i in range(len(key)):
        slot = mix64(key[i]) & mask
        while slots[slot] >= 0 and (key[slots[slot]] != key[i] or key2[slots[slot]] != key2[i]):
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] < 0:
            slots[slot] = i
        of[i] = slots[slot]
    return of


def _firsts(*sorted_columns: np.ndarray) -> np.ndarray:
    """bool [N]: True where a row differs from the row before it in any of the columns."""
    first = np.ones(len(sorted_columns[0]), bool)
    first[1:] = np.logical_or.reduce([c[1:] != c[:-1] for c in sorted_columns])
    return first


def both_ways(node: np.ndarray, other: np.ndarray) -> pa.Table:
    """Links in both directions, each once, sorted."""
    return _distinct(np.r_[node, other], np.r_[other, node])


def distinct(links: pa.Table) -> pa.Table:
    """The links sorted by node, then by the other end, each once."""
    return _distinct(links["node"].to_numpy(), links["other"].to_numpy())


def _distinct(node: np.ndarray, other: np.ndarray) -> pa.Table:
    order = np.lexsort((other, node))
    node, other = node[order], other[order]
    once = _firsts(node, other)
    return pa.table([node[once], other[once]], schema=LINKS)


def large_star(links: pa.Table) -> pa.Table:
    """Link every larger neighbour of a node to the least of its neighbourhood; keyed by the larger end.

    links: both ways, all of every node present, as `distinct` gives them.
    """
    node, other = links["node"].to_numpy(), links["other"].to_numpy()
    least = np.minimum(node, other[_group_first(node)])
    larger = node < other
    return _distinct(other[larger], least[larger])


def small_star(links: pa.Table) -> pa.Table:
    """Link a node and all its smaller neighbours to the least of them; both ways.

    links: from the larger end to the smaller, all of every node present, as `large_star` gives them.
    """
    node, other = links["node"].to_numpy(), links["other"].to_numpy()
    nearest = _group_first(node)
    first = nearest == np.arange(len(node))  # the row of a node's least neighbour stands for the node itself
    return both_ways(np.where(first, node, other), other[nearest])


def _group_first(node: np.ndarray) -> np.ndarray:
    """int64 [N]: the index of the first row of each row's node; rows are sorted by node."""
    return np.maximum.accumulate(np.where(_firsts(node), np.arange(len(node)), 0))


def members(pairs: pa.Table, stars: pa.Table) -> pa.Table:
    """Every clustered document of a shard with its centre, sorted by node.

    pairs: (node, other), document to the least of its component within the shard, where that is another.
    stars: (node, other), that least document to its centre, where it has one; a centre to itself.
    """
    stars = distinct(stars)
    star, centre = stars["node"].to_numpy(), stars["other"].to_numpy()
    node, root = pairs["node"].to_numpy(), pairs["other"].to_numpy()
    roots = np.union1d(star, root)
    nodes, of = np.r_[roots, node], np.r_[roots, root]
    place = np.searchsorted(star, of).clip(max=max(0, len(star) - 1))
    known = star[place] == of if len(star) else np.zeros(len(of), bool)
    to = np.where(known, centre[place], of) if len(star) else of
    order = np.argsort(nodes, kind="stable")
    return pa.table([nodes[order], to[order]], schema=LINKS)
