"""Views of Arrow strings are what `to_pylist` says, for every type, slice and null."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.buffers import lengths, total_bytes, utf8

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=10)
TYPES = st.sampled_from([pa.string(), pa.large_string()])


def texts_of(array):
    starts, data = utf8(array)
    return [data[a:b].tobytes().decode() for a, b in pairwise(starts)]


@settings(deadline=None)
@given(TEXTS, TYPES, st.integers(0, 10), st.integers(0, 10))
def test_a_slice_reads_as_its_texts_and_nulls_as_empty(texts, kind, start, size):
    part = pa.array(texts, kind).slice(start, size)
    expected = [text or "" for text in part.to_pylist()]
    assert texts_of(part) == expected
    assert lengths(part).tolist() == [len(text.encode()) for text in expected]
    assert total_bytes(part) == sum(len(text.encode()) for text in expected)


@given(TEXTS, TYPES)
def test_a_chunked_column_counts_every_chunk(texts, kind):
    halves = pa.chunked_array([pa.array(texts, kind), pa.array(texts, kind).slice(1)], kind)
    assert total_bytes(halves) == sum(len((text or "").encode()) for text in texts + texts[1:])


def test_large_strings_are_not_copied():
    text = pa.array(["one", "two", "three"], pa.large_string())
    starts, data = utf8(text.slice(1))
    _, offsets, content = text.buffers()
    assert starts.ctypes.data == offsets.address + 8
    assert data.ctypes.data == content.address
    assert starts.dtype == np.int64


def test_a_null_over_bytes_reads_as_empty():
    """Arrow allows a null slot to cover bytes; builders do not make one, files from elsewhere may."""
    offsets, content = pa.py_buffer(np.array([0, 2, 5], np.int64).tobytes()), pa.py_buffer(b"abcde")
    array = pa.Array.from_buffers(pa.large_string(), 2, [pa.py_buffer(b"\x02"), offsets, content])
    assert array.to_pylist() == [None, "cde"]
    assert texts_of(array) == ["", "cde"]
