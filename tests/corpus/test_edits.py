"""Editing by spans is what editing bytes by hand is."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.edits import SPANS, Spans, cut, recorded


def spans(*of_each):
    first = np.cumsum([0, *map(len, of_each)])
    flat = np.array([pair for some in of_each for pair in some], np.int64).reshape(-1, 2)
    return Spans(first, np.ascontiguousarray(flat[:, 0]), np.ascontiguousarray(flat[:, 1]))


def by_hand(text, some, by, which):
    out, before = b"", 0
    for (start, end), one in zip(some, which, strict=True):
        out += text[before:start] + by[one]
        before = end
    return out + text[before:]


@st.composite
def edits(draw):
    text = draw(st.text(max_size=40))
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    chars = [(a, b) for a, b in zip(places[::2], places[1::2], strict=False)]
    return text, [(len(text[:a].encode()), len(text[:b].encode())) for a, b in chars]


@given(st.lists(edits(), max_size=6), st.randoms(use_true_random=False), st.integers(0, 2))
def test_cutting_is_what_it_is_by_hand(documents, draw, skip):
    by = (b"", b"x", "é日".encode())
    texts = [text for text, _ in documents]
    which = [[draw.randrange(3) for _ in some] for _, some in documents]
    flat = np.array([w for one in which for w in one], np.int64)
    wanted = [
        by_hand(text.encode(), some, by, one).decode() if some else None
        for (text, some), one in zip(documents, which, strict=True)
    ]
    column = pa.array(["skipped"] * skip + texts, pa.large_string())[skip:]  # a slice: offsets do not begin at 0
    assert cut(column, spans(*(some for _, some in documents)), by, flat).to_pylist() == wanted


def test_spans_are_recorded_and_null_where_there_are_none():
    column = recorded(spans([(0, 1), (2, 3)], [], [(5, 5)]))
    assert column.type == SPANS
    assert column.to_pylist() == [[{"start": 0, "end": 1}, {"start": 2, "end": 3}], None, [{"start": 5, "end": 5}]]


@pytest.mark.parametrize("some", [[(0, 3), (2, 4)], [(3, 2)], [(0, 99)], [(1, 2)], [(-1, 2)]])
def test_spans_that_are_none_are_refused(some):
    with pytest.raises(
        ValueError, match=r"span \d+ .* overlaps the one before it, leaves the text or cuts a character"
    ):
        cut(pa.array(["é abc"], pa.large_string()), spans(some))
