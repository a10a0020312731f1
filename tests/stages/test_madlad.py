"""MADLAD-400's rules at their limits; cursed strings against the card's own regular expressions."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.documents import Batch
from corpus.errors import RecipeError
from corpus.words import words
from stages.madlad import CURSED, Madlad, _cursed, _is_cursed, _is_regular
from tests.laws.corpora import corpora

CARD = [
    *map(re.escape, CURSED), r"\|\s*$", r" nr\.$", r" г\.\s*$", r" кг\.\s*$",
    " ... ... ... ... ... ... ... ... ...", " .... .... .... .... .... .... .... .... ....",
    " [^ ] [^ ] [^ ] [^ ] [^ ] [^ ] [^ ] [^ ] [^ ]", ", ..,,? ..,,? ..,,? ..,,?",
]  # fmt: skip
"""The list of the dataset's card as regular expressions."""

GOOD = "This is a sentence of plain words."  # 34 characters, 7 words


def judged(texts, stage=None):
    stage = stage or Madlad()
    rows = pa.record_batch([pa.array(texts, pa.large_string())], names=["text"])
    return stage.checked(stage.annotate(Batch(rows)), len(texts)).to_pylist()


def marks(sentence):
    """What marks one sentence among nine good ones: the counts of the four rules."""
    (row,) = judged([" ".join([GOOD] * 4 + [sentence] + [GOOD] * 5)])
    assert row["sentences"] == 10
    return [row[name] for name in row if name.endswith("_sentences")]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (GOOD, [0, 0, 0, 0]),
        ("Six Big Words And Small ones are in this list of twelve.", [0, 0, 0, 0]),  # 5 of 12
        ("Six Big Words And Then Small ones are in this list now.", [0, 0, 0, 0]),  # 6 of 12 is not more than half
        ("Six Big Words And Then Small Ones are in this list now.", [1, 0, 0, 0]),
        ("Only Ten Words In Upper Case Are Not Yet Enough.", [0, 0, 0, 0]),
        ("Nineteen chars, so.", [0, 1, 0, 0]),
        ("It has 20 character.", [0, 0, 0, 0]),
        ("Words " + "plain words " * 41 + "so.", [0, 1, 0, 0]),  # 501
        ("Words " + "plain words " * 41 + "o.", [0, 0, 0, 0]),  # 500
        ("Tel 123 4567 is all there is to it.", [0, 0, 0, 0]),  # 7 of 35 is not more than a fifth
        ("Tel 123 45678 is all there is to i.", [0, 0, 1, 0]),
        ("Please download the file from here.", [0, 0, 0, 1]),
        ("We like this S p a m m y T e x t a lot.", [0, 0, 0, 1]),
    ],
)
def test_each_rule_just_inside_and_just_outside(sentence, expected):
    assert marks(sentence) == expected


@pytest.mark.parametrize(("bad", "good", "drop"), [(1, 4, "questionable_share"), (1, 5, None), (0, 5, None)])
def test_a_fifth_of_the_sentences_drops_a_document(bad, good, drop):
    (row,) = judged([" ".join(["So short."] * bad + [GOOD] * good)])
    assert (row["drop"], row["value"]) == (drop, bad / (bad + good) if drop else None)
    assert row["questionable_share"] == pytest.approx(bad / (bad + good))


def test_under_five_sentences_is_the_first_reason():
    rows = judged([" ".join([GOOD] * 4), " ".join(["So."] * 4), ""])
    assert [(row["drop"], row["value"]) for row in rows] == [("sentences", 4), ("sentences", 4), ("sentences", 0)]


def test_only_the_rules_asked_for_are_held_against_a_document():
    text = " ".join([GOOD] * 5 + ["So short."] * 5 + ["Please download the file from here."])
    assert judged([text])[0]["questionable_share"] == pytest.approx(6 / 11)
    (row,) = judged([text], Madlad(rules=(2, 5)))
    assert row["questionable_share"] == pytest.approx(1 / 11)
    assert row["odd_length_sentences"] == 5
    with pytest.raises(RecipeError, match="rules is empty"):
        Madlad(rules=())


bits = st.sampled_from(
    [*CURSED, "|", " nr.", " г.", " кг.", " ", " ", "a", "b ", ", ab", ",", ",,", "\n", "日", " abc", " abcd"]
)


@settings(max_examples=400)
@given(
    st.lists(bits | st.characters(), max_size=45).map("".join)
    | st.lists(st.sampled_from([" abc", " a c", " 日本語", "x", "  ab"]), min_size=8, max_size=12).map("".join)
    | st.lists(st.sampled_from([" abcd", " a cd", " a", "\n"]), min_size=8, max_size=12).map("".join)
    | st.lists(st.sampled_from([" a", " b", " 日", "c", " \n"]), min_size=8, max_size=12).map("".join)
    | st.lists(st.sampled_from([" ab,", " cd,,", " e ,", ","]), min_size=3, max_size=7).map(lambda p: "x," + "".join(p))
)
def test_cursed_is_what_the_card_s_expressions_find(text):
    text = text.strip()  # a sentence has no white space at its ends
    data = np.frombuffer(text.encode(), np.uint8)
    cursed = _is_cursed(data, 0, len(data), *_cursed()) or _is_regular(data, 0, len(data))
    assert cursed == any(re.search(curse, text) for curse in CARD)


@given(corpora)
def test_counts_add_up(texts):
    for text, row in zip(texts, judged(texts), strict=True):
        counts = [row[name] for name in row if name.endswith("_sentences")]
        found = words(pa.array([text], pa.large_string()))
        assert row["sentences"] == len(found.sentence_ends) >= max(counts)
        assert 0 <= row["questionable_share"] <= 1
        assert row["questionable_share"] * row["sentences"] <= sum(counts) + 1e-9


def test_hostile_texts_take_linear_time():
    texts = [" " * 1_000_000, ", ab" * 250_000, " a" * 500_000, "a. " * 300_000, "\u0301" * 300_000, "\x00" * 1_000_000]
    assert all(row["drop"] for row in judged(texts))
