"""Gopher's quality rules at each published limit: just inside is kept, just outside is not."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.documents import Batch
from corpus.errors import RecipeError
from stages.gopher_quality import GopherQuality
from stages.rules import Rule, verdict

DATA = Path(__file__).parents[2] / "../shared/data"
GOPHER = GopherQuality()


def judged(texts, stage=GOPHER):
    """The checked columns of some texts."""
    rows = pa.record_batch([pa.array(texts, pa.large_string())], names=["text"])
    return stage.checked(stage.annotate(Batch(rows)), len(texts))


def verdict_of(text, stage=GOPHER):
    row = judged([text], stage).to_pylist()[0]
    return row["drop"], row["value"]


def prose(words):
    """A text of so many words, two of them stop words, that meets every rule from 50 words on."""
    return " ".join(["the", "with"] + ["word"] * (words - 2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (prose(50), (None, None)),
        (prose(49), ("words", 49)),
        (prose(100_000), (None, None)),
        (prose(100_001), ("words", 100_001)),
        ("", ("words", 0)),
        # 25 words of four letters and 25 of two, stop words among them: a mean of 3.
        ("with that have " + "abcd " * 22 + "to be " + "ab " * 23, (None, None)),
        ("with that have " + "abcd " * 21 + "to be " + "ab " * 24, ("mean_word_length", 2.96)),
        ("with that aaaaaaaaaaaaaaaaaaaaaa" + " aaaaaaaaaa" * 47, (None, None)),
        ("with that aaaaaaaaaaaaaaaaaaaaaaa" + " aaaaaaaaaa" * 47, ("mean_word_length", 10.02)),
        ("the with " + "#" * 5 + " word" * 48, (None, None)),
        ("the with " + "#" * 6 + " word" * 48, ("hash_word_ratio", 0.12)),
        ("the with " + "... " * 3 + "… " * 2 + "word " * 48, (None, None)),
        ("the with " + "... " * 3 + "… " * 3 + "word " * 48, ("ellipsis_word_ratio", 0.12)),
        ("- the with word word word word\n" * 9 + "the with word word word word\n", (None, None)),
        ("- the with word word word word\n" * 10, ("bullet_line_share", 1.0)),
        (
            "the with word word word word word word word word word...\n" * 3 + "the word word\n" * 7,
            (None, None),
        ),
        (
            "the with word word word word word word word word word...\n" * 4 + "the word word\n" * 6,
            ("ellipsis_line_share", 0.4),
        ),
        (prose(40) + " 1234" * 10, (None, None)),
        (prose(39) + " 1234" * 11, ("alphabetic_word_share", 0.78)),
        ("The WITH" + " word" * 48, (None, None)),
        ("the the" + " word" * 48, ("stop_words", 1)),
    ],
)
def test_each_limit_just_inside_and_just_outside(text, expected):
    assert verdict_of(text) == expected


def test_the_first_rule_of_the_paper_that_fails_is_the_reason():
    assert verdict_of("# # # ...") == ("words", 0)
    assert verdict_of("#" * 30 + " 1234567890123" * 50)[0] == "mean_word_length"


@pytest.mark.parametrize(
    ("field", "limit", "text"),
    [
        ("min_words", 51, prose(50)),
        ("max_words", 59, prose(60)),
        ("min_mean_word_length", 3.9, "the and" + " abc" * 60),
        ("max_mean_word_length", 3.5, prose(60)),
        ("max_hash_word_ratio", 0.0, prose(60) + " #"),
        ("max_ellipsis_word_ratio", 0.0, prose(60) + " ..."),
        ("max_bullet_line_share", 0.5, "* " + prose(60)),
        ("max_ellipsis_line_share", 0.5, prose(40) + "...\n" + prose(40) + "…"),
        ("min_alphabetic_word_share", 1.0, prose(60) + " 1984"),
        ("min_stop_words", 3, prose(60)),
    ],
)
def test_every_setting_moves_its_own_limit(field, limit, text):
    loose = replace(GOPHER, max_ellipsis_line_share=1.0, max_bullet_line_share=1.0)
    stage = replace(GOPHER if "line" not in field else loose, **{field: limit})
    assert verdict_of(text, loose) == (None, None)
    assert verdict_of(text, stage)[0] == field.partition("_")[2]


def test_limits_that_nothing_meets_are_refused():
    with pytest.raises(RecipeError, match="words: at least 10 and at most 5"):
        GopherQuality(min_words=10, max_words=5)
    with pytest.raises(RecipeError, match="not a number"):
        GopherQuality(max_hash_word_ratio=float("nan"))
    with pytest.raises(RecipeError, match="no measure"):
        Rule("wrods", low=1)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
def test_only_finite_numbers_within_the_limits_are_kept(values):
    values = np.array(values)
    for rule in (Rule("words"), Rule("words", low=0), Rule("words", high=0), Rule("words", -1, 1)):
        low, high = (-np.inf if rule.low is None else rule.low), (np.inf if rule.high is None else rule.high)
        kept = [np.isfinite(value) and low <= value <= high for value in values]
        drop, value = verdict({"words": values}, [rule])
        assert drop.to_pylist() == [None if keep else "words" for keep in kept]
        told = [None if keep else number for keep, number in zip(kept, values, strict=True)]
        np.testing.assert_array_equal(np.array(value.to_pylist(), float), np.array(told, float))


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text(max_size=30), st.integers(45, 55).map(prose)), max_size=8),
    st.integers(0, 8),
)
def test_where_a_batch_is_split_changes_nothing(texts, at):
    whole = judged(texts)
    assert judged(texts[:at]).to_pylist() + judged(texts[at:]).to_pylist() == whole.to_pylist()


def test_columns_say_what_they_mean():
    assert list(GOPHER.adds) == [rule.measure for rule in GOPHER.rules]
    assert judged([]).schema == GOPHER.schema()
    assert all(column.meaning for column in GOPHER.adds.values())


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared corpus is not on this machine")
def test_real_texts():
    """Edited English passes; of 843 pages in many languages the English stop words drop most."""
    assert reasons("speeches__us_presidents.jsonl.gz") == {None: 104}
    assert reasons("mixed__masc.jsonl.zst") == {None: 338, "alphabetic_word_share": 1, "words": 1}
    assert reasons("web__trafilatura_pages.jsonl.zst")["stop_words"] == 512


def reasons(name):
    """How many documents of a file of the corpus each rule dropped."""
    with pa.input_stream(str(DATA / "corpus" / name), compression="zstd" if name.endswith("zst") else "gzip") as raw:
        texts = [orjson.loads(line)["text"] for line in raw.read().splitlines()]
    return Counter(judged(texts)["drop"].to_pylist())
