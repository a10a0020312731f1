"""Components by alternating stars: the least node of every component is its centre, whatever the partitions."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stages.clusters import LINKS, both_ways, distinct, large_star, small_star

graphs = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60),
        st.lists(st.integers(0, 5), min_size=n, max_size=n),
    )
)


def components(links, ranks):
    """Union-find in plain Python: node -> least (rank, node) of its component."""
    parent = {n: n for link in links for n in link}

    def root(n):
        while parent[n] != n:
            n = parent[n]
        return n

    for a, b in links:
        first, second = sorted((root(a), root(b)), key=lambda n: (ranks[n], n))
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
def test_stars_are_the_connected_components_on_any_number_of_partitions(graph, parts):
    links, ranks = graph
    links = [(a, b) for a, b in links if a != b]
    ranks = np.array(ranks, np.uint64)
    a, b = (np.array([link[i] for link in links], np.int64) for i in (0, 1))
    stars, _ = settled(both_ways(a, ranks[a], b, ranks[b]), parts)
    found = dict(zip(stars["node"].to_pylist(), stars["other"].to_pylist(), strict=True))
    truth = components(links, ranks.tolist())
    assert found == {node: centre for node, centre in truth.items() if node != centre}


def test_a_chain_of_a_thousand_settles_in_few_turns():
    a = np.arange(999, dtype=np.int64)
    ranks = np.zeros(1000, np.uint64)
    stars, turns = settled(both_ways(a, ranks[a], a + 1, ranks[a + 1]), 3)
    assert set(stars["other"].to_pylist()) == {0}
    assert turns <= 10


def test_no_links_no_stars():
    assert large_star(LINKS.empty_table()).num_rows == small_star(LINKS.empty_table()).num_rows == 0
