"""Splitting against str.split, against spaCy itself where it is installed, and by hand where it is not."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st

from corpus.documents import Batch
from scripts.corpus_texts import sample
from stages import english
from stages.splitting import Tokens, given, tokens

PIECES = [
    *"abXYZ019.,:;()[]'\"-–—~+*^/<>=@#$%&_!?…’“”°C\\|{}²éß中日сС¿€½😀",
    "\u200d", "\u0301", "US$", "C$", "..", "--", "km",
    "'s", "n't", "http://", "mailto:", "www.", ".com", "a.b.", "U.S.", "don't", "cannot", "Mr.", ":-)", "°F.", "10a.m.",
    " ", " ", "\n", "\u3000", "\x1c", "\x85",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=12).map("".join)

# By hand from the rules that english.py and splitting.py tell; spaCy is not needed to check them.
WORKED = {
    "I don't know.": "I|do|n't|know|.",
    "(see below): well-known and/or so-so": "(|see|below|):|well|-|known|and/or|so|-|so",
    "He'll've cannot we're o'clock": "He|'ll|'ve|can|not|we|'re|o'clock",
    "5km 10am US$5 $3.50 50% 20°C.": "5|km|10|am|US$|5|$|3.50|50|%|20|°|C|.",
    "Mr. Smith (Ph.D.) of the U.S. said OK.": "Mr.|Smith|(|Ph.D.|)|of|the|U.S.|said|OK|.",
    "end.Start lower.case a,b 1,000 x=y": "end|.|Start|lower.case|a|,|b|1,000|x|=|y",
    "https://example.com/a,b?c=d, me@example.org.": "https://example.com/a,b?c=d|,|me@example.org|.",
    "Wait... what?! “Yes”—no :-) <3": "Wait|...|what|?|!|“|Yes”—no|:-)|<3",
    "2-3 a-1 -- --x ++ 1+1": "2|-|3|a-1|--|--x|+|+|1|+|1",
    "日本語。 C++ #tag snake_case": "日本語|。|C++|#|tag|snake_case",
}

HOSTILE = {
    "nothing": "",
    "marks": "!" * 200_000,
    "full stops": "." * 200_000,
    "one word": "a" * 2_000_000,
    "hosts": "a.a@" * 100_000,
    "emoticons": ":-)" * 50_000,
    "apostrophes": "'s" * 100_000,
    "combining marks": "\u0301" * 100_000,
    "NUL": "\x00" * 100_000,
    "hyphens": "a-" * 100_000,
    "family": "👩‍👩‍👧" * 10_000,
}


def batch_of(texts):
    return Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))


def split(texts, kind):
    batch = batch_of(texts)
    found, data = tokens(batch, kind), batch.utf8[1].tobytes()
    strings = [data[a:b].decode() for a, b in zip(found.starts, found.ends, strict=True)]
    return [strings[a:b] for a, b in zip(found.first, found.first[1:], strict=False)]


def by_spacy(tokenizer, text):
    return [word for token in tokenizer(text) if (word := token.text.strip())]


@pytest.fixture(scope="module")
def tokenizer():
    return (
        pytest.importorskip("spacy", reason="spaCy is not installed: pip install winnow[interop]").blank("en").tokenizer
    )


@property_of(st.lists(TEXT, max_size=5))
def test_whitespace_is_str_split(texts):
    assert split(texts, "whitespace") == [text.split() for text in texts]


@property_of(st.lists(TEXT, max_size=5))
def test_tokens_are_all_that_is_not_white_space_in_order_and_none_is_empty(texts):
    for text, words in zip(texts, split(texts, "spacy"), strict=True):
        assert "".join(words) == "".join(text.split())
        assert all(words)


@property_of(st.lists(TEXT, max_size=6), st.integers(0, 6))
def test_neighbours_and_slices_change_nothing(texts, cut):
    rows = pa.record_batch([pa.array(texts, pa.large_string())], names=["text"])
    whole = split(texts, "spacy")
    assert split(texts[:cut], "spacy") == whole[:cut]
    tail = Batch(rows.slice(min(cut, len(texts))))
    found, data = tokens(tail, "spacy"), tail.utf8[1].tobytes()
    words = [data[a:b].decode() for a, b in zip(found.starts, found.ends, strict=True)]
    assert words == [word for part in whole[cut:] for word in part]


@pytest.mark.parametrize("text", WORKED)
def test_worked_examples(text):
    assert split([text], "spacy") == [WORKED[text].split("|")]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_no_more_than_its_length(name):
    words = split([HOSTILE[name], "after it"], "spacy")
    assert "".join(words[0]) == HOSTILE[name]
    assert words[1] == ["after", "it"]


def test_a_splitting_that_was_given_is_used():
    batch = batch_of(["one two", "three"])
    handed = Tokens(np.array([0, 1, 2]), np.array([0, 7]), np.array([7, 12]))
    given(batch, handed)
    assert tokens(batch, "spacy") is handed
    assert tokens(batch, "whitespace").first.tolist() == [0, 2, 3]


def test_a_batch_is_split_once():
    batch = batch_of(["one two"])
    assert tokens(batch, "spacy") is tokens(batch, "spacy")


def test_worked_examples_are_what_spacy_makes(tokenizer):
    assert {text: "|".join(by_spacy(tokenizer, text)) for text in WORKED} == WORKED


@settings(max_examples=400)
@property_of(text=TEXT)
def test_any_chunk_is_split_as_spacy_splits_it(tokenizer, text):
    """One chunk a text: across a single space spaCy knows matches that block others, which we do not."""
    chunks = text.split()
    assert split(chunks, "spacy") == [by_spacy(tokenizer, chunk) for chunk in chunks]


def test_exceptions_glued_to_marks_are_split_as_spacy_splits_them(tokenizer):
    draw, known = random.Random(3), sorted(english.exceptions())
    chunks = [
        "".join(draw.choice(known if draw.random() < 0.4 else PIECES[:50]) for _ in range(4)) for _ in range(3_000)
    ]
    chunks = [chunk for chunk in chunks if len(chunk.split()) == 1]
    ours = split(chunks, "spacy")
    assert [c for c, words in zip(chunks, ours, strict=True) if words != by_spacy(tokenizer, c)] == []


def test_every_mark_splits_where_spacy_splits_it(tokenizer):
    marks = [chr(c) for c in range(0x2FFF) if not (chr(c).isalnum() or chr(c).isspace())]
    chunks = [f"{a}{mark}{b}" for mark in marks for a, b in (("x", ""), ("", "x"), ("x", "x"), ("5", ""), ("x", "."))]
    wrong = [c for c, words in zip(chunks, split(chunks, "spacy"), strict=True) if words != by_spacy(tokenizer, c)]
    assert wrong == []


def test_exceptions_are_those_of_spacy(tokenizer):
    from spacy.symbols import ORTH

    theirs = {text: tuple(piece[ORTH] for piece in pieces) for text, pieces in tokenizer.rules.items()}
    assert english.exceptions() == {text: pieces for text, pieces in theirs.items() if text.strip()}


def test_classes_are_those_of_spacy(tokenizer):
    import re

    from spacy.lang import char_classes as theirs

    bits = english.characters()
    every = [chr(c) for c in range(english.unicode.CODE_POINTS) if not 0xD800 <= c < 0xE000]
    listed = {
        english.ALPHA: theirs.ALPHA,
        english.LOWER: theirs.ALPHA_LOWER,
        english.UPPER: theirs.ALPHA_UPPER,
        english.QUOTE: theirs.CONCAT_QUOTES,
        english.INFIX: theirs.CONCAT_ICONS + "…",
    }
    for bit, pattern in listed.items():
        found = re.compile(f"[{pattern}]").match
        assert [c for c in every if bool(found(c)) != bool(bits[ord(c)] & bit)] == []
    assert [c for c in every if c.isspace() != bool(bits[ord(c)] & english.SPACE)] == []


def test_real_text_is_split_as_spacy_splits_it(tokenizer, data):
    texts = [text[:20_000] for texts in sample(data / "corpus", 4).values() for text in texts]
    ours = split(texts, "spacy")
    different = sum(words != by_spacy(tokenizer, text) for text, words in zip(texts, ours, strict=True))
    assert len(texts) > 90
    assert different <= len(texts) // 100


CHUNK = st.text(st.sampled_from("abS1.,'’-($\x00é日"), min_size=1, max_size=20).filter(str.strip)


@property_of(st.lists(CHUNK, max_size=12))
def test_a_chunk_is_split_alike_whatever_was_remembered(chunks):
    """A batch remembers how chunks of up to 16 bytes are split, by their bytes and their length."""
    (found,) = split([" ".join(chunks * 2)], "spacy")
    assert found == [token for chunk in chunks * 2 for token in split([chunk], "spacy")[0]]
