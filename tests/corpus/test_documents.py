"""A batch splits words once; a selection of documents has the words it would have by itself."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import CORE, Batch
from corpus.errors import StageError
from corpus.words import words

texts = st.lists(st.tuples(st.text(max_size=60), st.booleans()), max_size=12)


def batch(contents, skip=0):
    ids = [str(n) for n in range(len(contents))]
    rows = pa.record_batch([ids, pa.array(contents, pa.large_string()), ids], schema=CORE)
    return Batch(rows.slice(skip))


@given(texts, st.integers(0, 3))
def test_selecting_documents_then_splitting_is_splitting_then_selecting(documents, skip):
    whole = batch([text for text, _ in documents], skip)
    kept = np.array([keep for _, keep in documents][skip:], bool)
    _ = whole.words
    some = whole.where(kept)
    if kept.all():
        assert some is whole
        return
    again = words(pa.array([t for (t, keep) in documents[skip:] if keep], pa.large_string()))
    for ours, theirs in zip(some.words, again, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.tolist() == theirs.tolist()


def test_a_column_that_is_not_there_names_those_that_are():
    with pytest.raises(StageError, match=r"no column 'url'.*id, text, domain"):
        batch(["a"]).column("url")
