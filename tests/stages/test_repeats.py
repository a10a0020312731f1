"""Repeats: keys are SipHash's, the best occurrence is by content, and spans are unions."""

from itertools import groupby

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import digests
from corpus.errors import RecipeError
from stages.paragraphs import Lines, Paragraphs
from stages.repeats import PIECES, best, combined, copies, merged, orders
from stages.siphash import siphash, siphash128
from stages.substring import Substring

# Aumasson and Bernstein's reference, vectors_sip128: key 00..0f, input 00, 01, ... of this length.
VECTORS = {
    0: "a3817f04ba25a8e66df67214c7550293",
    1: "da87c1d86b99af44347659119b22fc45",
    15: "5493e99933b0a8117e08ec0f97cfc3d9",
    63: "5150d1772f50834a503e069a973fbd7c",
}


@pytest.mark.parametrize(("size", "wanted"), VECTORS.items())
def test_siphash_gives_the_published_vectors(size, wanted):
    data = np.arange(64, dtype=np.uint8)
    halves = siphash128(data, 0, size, np.uint64(0x0706050403020100), np.uint64(0x0F0E0D0C0B0A0908))
    assert b"".join(int(half).to_bytes(8, "little") for half in halves).hex() == wanted


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=20))
def test_keys_are_equal_where_the_bytes_are(pieces):
    ends = np.cumsum([len(piece) for piece in pieces])
    keys = list(zip(*siphash(np.frombuffer(b"".join(pieces) + b" ", np.uint8), np.r_[0, ends[:-1]], ends), strict=True))
    assert len(set(keys)) == len(set(pieces))
    assert len(set(zip(keys, pieces, strict=True))) == len(set(pieces))


# Keys of few values, of which some share the first half: the second must tell them apart.
KEYS = st.tuples(st.integers(0, 3), st.integers(0, 1))
DOCUMENT = st.lists(KEYS, max_size=6)


@given(
    st.lists(st.lists(DOCUMENT, max_size=4), max_size=4),
    st.integers(2, 4),
    st.sampled_from(["first", "none"]),
    st.randoms(use_true_random=False),
)
def test_all_but_the_best_occurrence_are_cut(corpus, least_count, keep, draw):
    """Against a dict of all occurrences; some documents have the same id, so that the text must decide."""
    ids = [[f"id{draw.randrange(6)}" for _ in shard] for shard in corpus]
    texts = [[f"{n} {row}" for row, _ in enumerate(shard)] for n, shard in enumerate(corpus)]
    tables = [pieces(shard) for shard in corpus]
    ranks = [
        orders(pa.array(i, pa.string()), digests(pa.array(t, pa.large_string())))
        for i, t in zip(ids, texts, strict=True)
    ]
    sent = [combined(table, *rank, n << 40)[0] for n, (table, rank) in enumerate(zip(tables, ranks, strict=True))]
    for table, part in zip(tables, sent, strict=True):
        assert part.num_rows == len(set(map(tuple, zip(*table.select([0, 1]).to_pydict().values(), strict=True))))
    rows = pa.concat_tables([*sent, combined(pieces([]), np.zeros(0, np.uint64), np.zeros(0, np.uint64), 0)[0]])
    known, address = best(rows.combine_chunks(), least_count, keep)
    places = {}
    for n, shard in enumerate(corpus):
        for row, document in enumerate(shard):
            for place, key in enumerate(document):
                order, order2 = (int(o[row]) for o in ranks[n])
                places.setdefault(key, []).append((order, order2, place, n, row))
    for n, table in enumerate(tables):
        gone = copies(table, known.filter(pa.array(address >> 40 == n)), n << 40)
        at = [(row, place, key) for row, document in enumerate(corpus[n]) for place, key in enumerate(document)]
        for cut, (row, place, key) in zip(gone.tolist(), at, strict=True):
            often = len(places[key]) >= least_count
            stays = keep == "first" and min(places[key])[2:] == (place, n, row)
            assert cut == (often and not stays)


def pieces(shard):
    rows = [
        (key, key2, row, place, place + 1)
        for row, document in enumerate(shard)
        for place, (key, key2) in enumerate(document)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
    return pa.table([pa.array(c, t) for c, t in zip(columns, PIECES.types, strict=True)], schema=PIECES)


@given(st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6)), max_size=6), max_size=5))
def test_spans_are_the_union_of_the_pieces(documents):
    rows = [(n, a, a + size) for n, some in enumerate(documents) for a, size in sorted(some)]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 3
    zeros = [0] * len(rows)
    spans = merged(pa.table([zeros, zeros, *columns], schema=PIECES), len(documents))
    for n, some in enumerate(documents):
        covered = sorted({b for a, size in some for b in range(a, a + size)})
        runs = [[b for _, b in run] for _, run in groupby(enumerate(covered), lambda pair: pair[1] - pair[0])]
        here = slice(spans.first[n], spans.first[n + 1])
        assert list(zip(spans.starts[here], spans.ends[here], strict=True)) == [(r[0], r[-1] + 1) for r in runs]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Paragraphs, {"least_count": 1}),
        (Lines, {"least_words": 0}),
        (Lines, {"least_left_words": -1}),
        (Substring, {"least_words": 1}),
        (Substring, {"least_words": 1_001}),
    ],
)
def test_settings_that_mean_nothing_are_refused(kind, settings):
    ((name, value),) = settings.items()
    with pytest.raises(RecipeError, match=rf"{kind.name}: {name} is {value:,};"):
        kind(**settings)
