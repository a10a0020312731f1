"""Measures against slow readings of the same words, and on texts nobody would write."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.documents import Batch
from corpus.errors import RecipeError
from stages.measures import BULLETS, MEASURES, STOP_WORDS, measured, once

LIKELY = [
    "the",
    "To",
    "OF",
    "then",
    " ",
    " ",
    "\n",
    "\n\n",
    "#",
    ".",
    "...",
    "…",
    "•",
    "- ",
    "*",
    "12",
    "é",
    "日",
    "\u0301",
]
TEXT = st.lists(
    st.one_of(st.sampled_from([*LIKELY, "\u200d", "\u00a0", "\x00", "\r\n"]), st.text(max_size=3)),
    max_size=40,
)
TEXTS = st.lists(st.one_of(st.none(), TEXT.map("".join)), max_size=6)

HOSTILE = {
    "nothing": "",
    "NUL": "\x00" * 1000,
    "one line of 5 MB": "lorem ipsum #" * 400_000,
    "one word of 5 MB": "a" * 5_000_000,
    "spaces": " " * 1_000_000 + "...\n" + "\u3000" * 300_000,
    "100,000 lines": "• x ...\n" * 100_000,
    "empty lines": "\n" * 100_000,
    "combining marks only": "\u0301" * 100_000,
    "emoji": "👩‍👩‍👧" * 10_000,
    "full stops": "." * 1_000_000,
    "zero-width": "\u200b\ufeff\u200d" * 10_000,
}


def batch_of(texts):
    return Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))


def table(texts):
    """Every measure of every text, as plain values."""
    return {name: values.tolist() for name, values in measured(batch_of(texts), MEASURES).items()}


def slowly(text):
    """The same measures from strings; words and lines are those of the word pass, which has its own tests."""
    found = batch_of([text]).words
    raw = text.encode()
    words = [raw[a:b].decode() for a, b in zip(found.starts, found.ends, strict=True)]
    lines = [raw[a:b].decode() for a, b in zip(found.line_starts, found.line_ends, strict=True)]
    invisible = "[\\s\u200b\u200c\u200d\ufeff\u00ad]"
    shown = [s for s in (re.sub(f"^{invisible}+|{invisible}+$", "", line) for line in lines) if s]
    letters = sum(any(char.isalpha() for char in word) for word in words)

    def per(part, whole):
        return part / len(whole) if whole else 0.0

    return {
        "words": len(words),
        "mean_word_length": per(sum(map(len, words)), words),
        "hash_word_ratio": per(text.count("#"), words),
        "ellipsis_word_ratio": per(text.count("...") + text.count("…"), words),
        "bullet_line_share": per(sum(line.startswith(tuple(BULLETS)) for line in shown), shown),
        "ellipsis_line_share": per(sum(line.endswith(("...", "…")) for line in shown), shown),
        "alphabetic_word_share": per(letters, words),
        "stop_words": len({word.lower().replace("\u200d", "") for word in words} & set(STOP_WORDS)),
    }


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*LIKELY, "\u200d", "\u00a0", "\x00", "\r\n"]), max_size=40).map("".join))
@example("the the TO\n...\n  - … \n\n....... x")
def test_measures_are_what_a_slow_reading_finds(text):
    assert {name: values[0] for name, values in table([text]).items()} == slowly(text)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 6))
def test_where_a_batch_is_split_changes_nothing(texts, at):
    whole = pa.record_batch([pa.array(texts, pa.large_string())], names=["text"])
    parts = [measured(Batch(whole.slice(0, at)), MEASURES), measured(Batch(whole.slice(at)), MEASURES)]
    for name, values in measured(Batch(whole), MEASURES).items():
        assert np.concatenate([part[name] for part in parts]).tolist() == values.tolist()


@settings(deadline=None)
@given(TEXTS)
def test_measures_are_finite_and_shares_are_shares(texts):
    for name, values in measured(batch_of(texts), MEASURES).items():
        assert len(values) == len(texts)
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        if name.endswith("_share"):
            assert (values <= 1).all()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_have_finite_measures(text):
    for name, values in measured(batch_of([text, "neighbour"]), MEASURES).items():
        assert np.isfinite(values).all(), name
    assert table([text, "neighbour"])["words"][1] == 1


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("words", "Don't stop: 3.14, 日本!", 5),
        ("mean_word_length", "naïve nai\u0308ve", 5.5),
        ("hash_word_ratio", "#one ##two", 1.5),
        ("ellipsis_word_ratio", "so... well…", 1.0),
        ("ellipsis_word_ratio", "leader ........ 7", 1.0),  # eight full stops hold two ellipses
        ("bullet_line_share", "• a\n  ● b\n\n* c\n‣ d\nplain", 0.8),
        ("bullet_line_share", "a - b • c", 0.0),
        ("ellipsis_line_share", "more...\nmore… \u00a0\nmore..\n\nend.", 0.5),
        ("alphabetic_word_share", "abc 123 4th 日", 0.75),
        ("stop_words", "The the THE cat", 1),
        ("stop_words", "the be to of and that have with", 8),
        ("stop_words", "then bee too off", 0),
    ],
)
def test_golden_measures(name, text, expected):
    assert table([text])[name] == [expected]


def test_measures_have_meanings_sources_and_their_type():
    for name, values in measured(batch_of(["a text"]), MEASURES).items():
        assert MEASURES[name].meaning
        assert MEASURES[name].source
        assert pa.array(values).type == MEASURES[name].type


def test_an_unknown_measure_names_the_nearest():
    with pytest.raises(RecipeError, match="did you mean stop_words"):
        measured(batch_of(["x"]), ["stop_word"])


def test_once_runs_once_a_batch():
    runs = []

    @once
    def rows(batch):
        runs.append(batch)
        return len(batch)

    one, other = batch_of(["a"]), batch_of(["a", "b"])
    assert [rows(one), rows(one), rows(other), rows(one)] == [1, 1, 2, 1]
    assert runs == [one, other]
