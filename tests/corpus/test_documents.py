"""A batch splits words once; a selection of documents has the words it would have by itself."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import CORE, Batch
from corpus.errors import StageError
from corpus.words import words
from stages.splitting import tokens

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


edits = st.lists(st.tuples(st.text(max_size=40), st.none() | st.text(max_size=40)), max_size=12)


@given(edits, st.booleans())
def test_what_an_edit_left_is_not_split_again_and_reads_as_if_it_were(documents, split_before):
    whole, newer = batch([text for text, _ in documents]), pa.array([new for _, new in documents], pa.large_string())
    if split_before:
        _ = whole.words, tokens(whole, "whitespace"), tokens(whole, "spacy")
    after = whole.edited(pa.table({"text": newer}))
    now = [text if new is None else new for text, new in documents]
    assert after.text.to_pylist() == now
    again = batch(now)
    for ours, theirs in (
        (after.words, again.words),
        (tokens(after, "whitespace"), tokens(again, "whitespace")),
        (tokens(after, "spacy"), tokens(again, "spacy")),
    ):
        assert all(a.dtype == b.dtype and a.tolist() == b.tolist() for a, b in zip(ours, theirs, strict=True))


@given(texts)
def test_tokens_go_with_the_documents_that_are_kept(documents):
    whole, kept = batch([text for text, _ in documents]), np.array([keep for _, keep in documents], bool)
    _ = tokens(whole, "spacy")
    some, again = whole.where(kept), batch([text for text, keep in documents if keep])
    for ours, theirs in zip(tokens(some, "spacy"), tokens(again, "spacy"), strict=True):
        assert ours.tolist() == theirs.tolist()
