"""Exact duplicates by bytes, by words and by address."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import CORE, Batch
from corpus.words import words
from stages.exact import Exact


def batch(texts, urls=None):
    ids = [f"d{n}" for n in range(len(texts))]
    rows = pa.record_batch([ids, pa.array(texts, pa.large_string()), ["x"] * len(texts)], schema=CORE)
    return Batch(rows if urls is None else rows.append_column("url", pa.array(urls, pa.string())))


def keys(stage, one):
    rows = stage.emit(one).to_pylist()
    assert len({row["row"] for row in rows}) == len(rows)
    return {row["row"]: (row["key"], row["key2"]) for row in rows}


@given(st.lists(st.text(max_size=4), max_size=8))
def test_texts_have_one_key_where_they_are_one_text(texts):
    found = keys(Exact(), batch(texts))
    assert [[found[a] == found[b] for a in found] for b in found] == [[a == b for a in texts] for b in texts]


@given(st.lists(st.text("aAb-_., \n1é漢", max_size=6), max_size=8))
def test_normalised_texts_have_one_key_where_they_have_the_same_words(texts):
    split = words(pa.array(texts, pa.large_string()))
    said = [tuple(split.hashes[split.first[n] : split.first[n + 1]].tolist()) for n in range(len(texts))]
    found = keys(Exact(of="normalised"), batch(texts))
    assert set(found) == {n for n, one in enumerate(said) if one}
    assert all((found[a] == found[b]) == (said[a] == said[b]) for a in found for b in found)


def test_case_punctuation_and_white_space_do_not_matter_to_words():
    found = keys(Exact(of="normalised"), batch(["Hello,  world!", "hello world", "hello\n\nWORLD.", "hello worlds"]))
    assert found[0] == found[1] == found[2] != found[3]


def test_addresses_have_one_key_where_they_are_one_page():
    urls = ["http://a.org/x?b=1&a=2#top", "HTTP://A.ORG:80/x?a=2&b=1", "http://a.org/y", None, "no address", ""]
    found = keys(Exact(of="url"), batch(["t"] * len(urls), urls))
    assert set(found) == {0, 1, 2}
    assert found[0] == found[1] != found[2]


def test_documents_of_a_source_without_addresses_match_nothing():
    assert keys(Exact(of="url"), batch(["t", "t"])) == {}


@pytest.mark.parametrize(
    ("of", "reads"), [("text", ("text",)), ("normalised", ("text", "words")), ("url", ("text", "url"))]
)
def test_what_is_compared_is_what_is_read(of, reads):
    assert Exact(of=of).reads == reads
