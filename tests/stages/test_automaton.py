"""The automaton finds what a naive search finds, and what pyahocorasick finds."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.buffers import utf8
from stages import automaton as module
from stages.automaton import automaton, find

LETTERS = st.text("abA日\x00", min_size=1, max_size=5)
PATTERNS = st.lists(LETTERS, min_size=1, max_size=12)
TEXTS = st.lists(st.none() | st.text("abAB日\x00", max_size=40), max_size=5)


def column(texts):
    return utf8(pa.array(texts, pa.large_string()))


def rows(found):
    return list(zip(*(part.tolist() for part in found), strict=True))


def naive(texts, patterns):
    """Every ending of every beginning, the longest first."""
    first = {pattern: place for place, pattern in reversed(list(enumerate(patterns)))}
    for n, text in enumerate(texts):
        raw = (text or "").encode()
        for end in range(1, len(raw) + 1):
            endings = [pattern for pattern in first if raw[:end].endswith(pattern)]
            yield from ((n, first[pattern], end) for pattern in sorted(endings, key=len, reverse=True))


@given(PATTERNS, TEXTS)
@example(["a", "aa", "aaa", "aa"], ["aaaa"])
@example(["b", "ab", "aab"], [None, "aab", ""])
def test_it_finds_what_a_naive_search_finds(patterns, texts):
    raw = [pattern.encode() for pattern in patterns]
    assert rows(find(*column(texts), automaton(raw))) == list(naive(texts, raw))


@given(PATTERNS, TEXTS)
def test_in_any_case_it_finds_what_it_finds_in_lower_case(patterns, texts):
    lower = [None if text is None else text.lower() for text in texts]
    raw = [pattern.encode() for pattern in patterns]
    insensitive = find(*column(texts), automaton(raw, any_case=True))
    assert rows(insensitive) == rows(find(*column(lower), automaton([pattern.lower() for pattern in raw])))


@given(PATTERNS, st.text("abA日", max_size=60))
def test_it_finds_what_pyahocorasick_finds(patterns, text):
    ahocorasick = pytest.importorskip("ahocorasick", reason="pyahocorasick is not installed")
    other = ahocorasick.Automaton()
    for pattern in patterns:
        other.add_word(pattern, pattern)
    other.make_automaton()
    theirs = sorted((len(text[: end + 1].encode()), pattern) for end, pattern in other.iter(text))
    found = find(*column([text]), automaton([pattern.encode() for pattern in patterns]))
    assert sorted((end, patterns[place]) for _, place, end in rows(found)) == theirs


def test_a_slice_of_a_column_is_searched_alone():
    texts = pa.array(["aab", "ab", "b"], pa.large_string()).slice(1, 1)
    assert rows(find(*utf8(texts), automaton([b"ab", b"b"]))) == [(0, 0, 2), (0, 1, 2)]


def test_all_256_bytes_can_be_patterns():
    data = np.arange(256, dtype=np.uint8)
    found = find(np.array([0, 256]), data, automaton([bytes([b]) for b in range(256)]))
    assert found.patterns.tolist() == list(range(256))


def test_tables_are_the_same_whatever_process_makes_them():
    one, other = (automaton([b"he", b"she", b"his", b"hers"]) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert rows(find(*column(["ushers"]), one)) == [(0, 1, 4), (0, 0, 4), (0, 3, 6)]  # Aho and Corasick's own example


def test_what_cannot_be_sought_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="pattern 1 of 2 is empty"):
        automaton([b"a", b""])
    monkeypatch.setattr(module, "MOST_CELLS", 10)
    with pytest.raises(ValueError, match="Split the list"):
        automaton([b"abcdef"])
