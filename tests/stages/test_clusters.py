"""Components: combined in a shard by union-find, between shards by alternating stars; the least node is the centre."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stages.clusters import (
    KEYED,
    LINKS,
    both_ways,
    combined,
    distinct,
    large_star,
    matched,
    members,
    small_star,
)

graphs = st.integers(2, 40).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60)
)
keyed = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1), st.integers(0, 29)), max_size=80)


def components(links):
    """Union-find in plain Python: node -> least node of its component."""
    parent = {n: n for link in links for n in link}

    def root(n):
        while parent[n] != n:
            n = parent[n]
        return n

    for a, b in links:
        first, second = sorted((root(a), root(b)))
        parent[second] = first
    return {n: root(n) for n in parent}


def settled(table, parts):
    """Alternate until the links stand still, each turn over `parts` partitions of nodes."""
    before, turn = None, 0
    while True:
        pieces = [distinct(table.filter(pa.array(table["node"].to_numpy() % parts == p))) for p in range(parts)]
        stars = pa.concat_tables([large_star(p) for p in pieces])
        pieces = [distinct(stars.filter(pa.array(stars["node"].to_numpy() % parts == p))) for p in range(parts)]
        table = distinct(pa.concat_tables([small_star(p) for p in pieces]))
        if before is not None and table.equals(before):
            return distinct(stars), turn
        before, turn = table, turn + 1


@given(graphs, st.integers(1, 5))
def test_stars_are_the_connected_components_on_any_number_of_partitions(links, parts):
    links = [(a, b) for a, b in links if a != b]
    a, b = (np.array([link[i] for link in links], np.int64) for i in (0, 1))
    stars, _ = settled(both_ways(a, b), parts)
    found = dict(zip(stars["node"].to_pylist(), stars["other"].to_pylist(), strict=True))
    assert found == {node: centre for node, centre in components(links).items() if node != centre}


def test_a_chain_of_a_thousand_settles_in_few_turns():
    a = np.arange(999, dtype=np.int64)
    stars, turns = settled(both_ways(a, a + 1), 3)
    assert set(stars["other"].to_pylist()) == {0}
    assert turns <= 10


def test_no_links_no_stars():
    assert large_star(LINKS.empty_table()).num_rows == small_star(LINKS.empty_table()).num_rows == 0


def by_key(rows):
    """Links between documents that share a key, in plain Python."""
    groups = {}
    for key, key2, row in rows:
        groups.setdefault((key, key2), []).append(row)
    return [(group[0], row) for group in groups.values() for row in group]


def table_of(rows):
    columns = [pa.array([row[i] for row in rows], KEYED.field(i).type) for i in range(3)]
    return pa.table(columns, schema=KEYED)


@given(keyed)
def test_a_shard_knows_its_own_components_and_sends_every_key_once(rows):
    first, root = combined(table_of(rows), 30)
    keys = [row[:2] for row in rows]
    assert sorted(keys[place] for place in first) == sorted(set(keys))
    truth = components(by_key(rows))
    assert root.tolist() == [truth.get(n, n) for n in range(30)]


@given(st.lists(keyed, min_size=1, max_size=4))
def test_combining_in_shards_finds_the_components_of_all_rows(shards):
    """Documents 30 a shard: combined, matched by key, settled, and told to every shard."""
    sent, roots = [], []
    for number, rows in enumerate(shards):
        first, root = combined(table_of(rows), 30)
        roots.append(root + 30 * number)
        sent += [(rows[place][0], rows[place][1], int(root[rows[place][2]]) + 30 * number) for place in first]
    columns = [pa.array([row[i] for row in sent], KEYED.field(i).type) for i in range(3)]
    links = matched(pa.table(columns, names=["key", "key2", "node"]))
    stars = settled(links, 2)[0]
    everything = [(key, key2, row + 30 * number) for number, rows in enumerate(shards) for key, key2, row in rows]
    truth = components(by_key(everything))
    for number, root in enumerate(roots):
        node = np.arange(30) + 30 * number
        pairs = pa.table([node[root != node], root[root != node]], schema=LINKS)
        both = pa.concat_tables([stars, stars.select(["other", "other"]).rename_columns(LINKS.names)])
        own = both.filter(pa.array(both["node"].to_numpy() // 30 == number))
        found = dict(zip(*(column.to_pylist() for column in members(pairs, own).columns), strict=True))
        together = [n for n in truth.values() if list(truth.values()).count(n) > 1]
        expected = {n: truth[n] for n in node.tolist() if n in truth and truth[n] in together}
        assert found == expected


def test_a_hot_key_is_one_row_and_its_documents_one_component():
    rows = pa.table([np.full(10_000, 7, np.uint64), np.zeros(10_000, np.uint64), np.arange(10_000)], schema=KEYED)
    first, root = combined(rows, 10_000)
    assert first.tolist() == [0]
    assert not root.any()
