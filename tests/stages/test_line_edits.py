"""Lines, words and white space are Python's own; what is not kept is cut; edits after one another are one edit."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import Batch
from corpus.edits import Spans, cut
from stages.line_edits import (
    BREAKS,
    DECIMAL,
    DIGIT,
    UPPER,
    WORD,
    Pieces,
    between,
    composed,
    lines,
    only,
    reasons,
    same,
    split_words,
    traits,
    trimmed,
    white,
)

breaks = st.sampled_from("\n\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029 \t\u00a0\u3000\u1680\u2003\u202f\u205f")
PIECES = ["word", "日本", "👩‍👩‍👧", "\r\n", "eight bytes  of plain words ", " !a "]
texts = st.lists(st.text(max_size=6) | breaks | st.sampled_from(PIECES), max_size=12).map("".join)


def batch(texts):
    return Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))


def as_bytes(text):
    return np.frombuffer(text.encode(), np.uint8)


def cuts(found, texts):
    """The strings that flat places cut out of a batch's texts."""
    data = batch(texts).utf8[1].tobytes()
    places = [data[a:b].decode() for a, b in zip(found.starts, found.ends, strict=True)]
    return [places[a:b] for a, b in zip(found.first[:-1], found.first[1:], strict=True)]


@given(st.lists(texts, max_size=6))
def test_lines_are_those_of_python(texts):
    assert cuts(lines(batch(texts), "splitlines"), texts) == [text.splitlines() for text in texts]
    assert cuts(lines(batch(texts), "newline"), texts) == [text.split("\n") for text in texts]


def test_white_space_is_that_of_python_at_every_code_point():
    assert [c for c in range(0x110000) if white.py_func(c)] == [c for c in range(0x110000) if chr(c).isspace()]


@given(texts)
def test_stripping_and_splitting_are_those_of_python(text):
    data = as_bytes(text)
    b, end = trimmed(data, 0, len(data))
    assert data[b:end].tobytes().decode() == text.strip()
    words = text.split()
    for most, longest in ((99, 3), (2, 3), (0, 5), (99, 1_000), (2, 1_000), (0, 1_000)):
        count, long = split_words(data, 0, len(data), most, longest)
        assert count == min(len(words), most + 1)
        assert long == any(len(word) > longest for word in words[:count])


def test_traits_are_those_of_python_for_letters_that_all_versions_know():
    table = traits()
    for char in "AÉßЖжΩ中あ٣²½_-é̀ⅧⓐⒶǅ \n𝐀😀":
        bits = UPPER * char.isupper() | DIGIT * char.isdigit() | DECIMAL * char.isdecimal()
        assert table[ord(char)] == bits | WORD * (char.isalnum() or char == "_"), char


@given(st.text(alphabet="COKcok\u212a\u0130iIſs", max_size=4), st.sampled_from(["cook", "k", "is"]))
def test_phrases_match_as_lower_does(text, phrase):
    data = as_bytes(text)
    assert (same(data, 0, len(data), as_bytes(phrase)) >= 0) == text.lower().startswith(phrase)


@given(st.lists(texts, max_size=5), st.randoms(use_true_random=False))
def test_kept_lines_stay_as_they_are_and_in_order(texts, draw):
    """Joined by line breaks and stripped, whatever stood between them; a text all of whose lines are kept may stay."""
    one = batch(texts)
    found = lines(one, "splitlines")
    held = np.array([draw.random() < 0.6 for _ in found.starts], np.bool_)
    first = np.r_[0, np.cumsum(held)][found.first]
    pieces = Pieces(first, found.starts[held], found.ends[held], np.ones(held.sum(), np.bool_))
    spans, which = between(one, pieces, np.ones(len(texts), np.bool_))
    left = pa.compute.coalesce(cut(one.text, spans, BREAKS, which), one.text).to_pylist()
    marks = iter(held)
    assert left == ["\n".join([line for line in text.splitlines() if next(marks)]).strip() for text in texts]


def test_a_line_break_of_the_text_is_kept_rather_than_replaced():
    one = batch(["a\r\nb", "a\u2028b", "a \n\n b"])
    found = lines(one, "splitlines")
    held = np.diff(np.c_[found.starts, found.ends])[:, 0] > 0
    pieces = Pieces(np.r_[0, np.cumsum(held)][found.first], found.starts[held], found.ends[held], held[held])
    spans, which = between(one, pieces, np.ones(3, np.bool_))
    assert cut(one.text, spans, BREAKS, which).to_pylist() == ["a\nb", "a\nb", "a \n b"]
    assert which.tolist() == [0, 1, 0]


places = st.lists(st.integers(0, 60), max_size=10)


@given(st.lists(st.tuples(st.integers(0, 60), places, places), max_size=4))
def test_two_edits_are_one(rows):
    """Of a text whose characters all differ, just those that both edits leave lie outside the composed spans."""
    texts = ["".join(map(chr, range(0x21, 0x40 + size))).replace("@", "")[:size] for size, _, _ in rows]
    one = pa.array(texts, pa.large_string())
    early, by = some_spans(texts, [places for _, places, _ in rows])
    middle = pa.compute.coalesce(cut(one, early, [b"", b"@@@"], by), one)
    late, late_by = some_spans(middle.to_pylist(), [places for _, _, places in rows])
    end = pa.compute.coalesce(cut(middle, late, [b"", b"@@"], late_by), middle).to_pylist()
    both, sizes = composed(early, 3 * by, late, 2 * late_by)
    for n, text in enumerate(texts):
        mine = [(both.starts[s], both.ends[s]) for s in range(both.first[n], both.first[n + 1])]
        assert all(b <= c for (_, b), (c, _) in pairwise(mine))
        gone = {place for a, b in mine for place in range(a, b)}
        assert "".join(c for i, c in enumerate(text) if i not in gone) == end[n].replace("@", "")
        assert len(end[n].encode()) - len(text) == sum(sizes[both.first[n] : both.first[n + 1]]) - len(gone)


def some_spans(texts, places):
    """Disjoint spans at drawn places, and which of two pieces replaces each."""
    first, starts, ends = [0], [], []
    for text, drawn in zip(texts, places, strict=True):
        cuts = sorted({min(p, len(text)) for p in drawn})
        pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
        starts += [a for a, _ in pairs]
        ends += [b for _, b in pairs]
        first.append(len(starts))
    spans = Spans(np.array(first, np.int64), np.array(starts, np.int64), np.array(ends, np.int64))
    return spans, np.arange(len(starts), dtype=np.int64) % 2


def test_an_edit_composed_with_a_later_one_by_hand():
    """0123456789: 2-4 becomes @@@, 6-7 goes; then of 01@@@45789 the pieces 3-5 and 7-8 go: 2-4 and 6-8."""
    early = Spans(np.array([0, 2]), np.array([2, 6]), np.array([4, 7]))
    late = Spans(np.array([0, 2]), np.array([3, 7]), np.array([5, 8]))
    both, sizes = composed(early, np.array([3, 0]), late, np.array([0, 5]))
    assert (both.starts.tolist(), both.ends.tolist()) == ([2, 6, 7], [4, 7, 8])
    assert sizes.tolist() == [1, 0, 5]
    wide = Spans(np.array([0, 1]), np.array([1]), np.array([8]))  # over both
    both, sizes = composed(early, np.array([3, 0]), wide, np.array([1]))
    assert (both.starts.tolist(), both.ends.tolist(), sizes.tolist()) == ([1], [8], [1])


def test_spans_of_dropped_documents_go_and_reasons_have_names():
    spans = Spans(np.array([0, 1, 3]), np.array([0, 1, 5]), np.array([1, 2, 6]))
    first, starts, ends = only(spans, np.array([False, True]))
    assert (first.tolist(), starts.tolist(), ends.tolist()) == ([0, 0, 2], [1, 5], [2, 6])
    assert reasons(("a", "b"), np.array([1, -1, 0])).to_pylist() == ["b", None, "a"]
