"""The rules of repetition, and a small text for each difference between the readings."""

import pyarrow as pa
import pytest

from corpus.documents import DROP, VALUE, Batch
from corpus.errors import RecipeError
from stages.gopher_repetition import DATATROVE_REASONS, GopherRepetition

DIALECTS = ("paper", "datatrove", "dclm", "dolma", "nemo")
PLAIN = " ".join(f"word{n}" for n in range(60))


def judged(text, **settings):
    batch = Batch(pa.record_batch([pa.array([text], pa.large_string())], names=["text"]))
    return {name: column[0].as_py() for name, column in GopherRepetition(**settings).annotate(batch).items()}


def test_the_limits_are_those_of_table_a1():
    limits = {rule.measure: rule.high for rule in GopherRepetition().rules}
    segments = {"line_share": 0.3, "paragraph_share": 0.3, "line_char_share": 0.2, "paragraph_char_share": 0.2}
    tops = {2: 0.2, 3: 0.18, 4: 0.16}
    duplicates = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.1}
    assert list(limits.items()) == [
        *((f"duplicate_{unit}", limit) for unit, limit in segments.items()),
        *((f"top_{n}gram_char_share", limit) for n, limit in tops.items()),
        *((f"duplicate_{n}gram_char_share", limit) for n, limit in duplicates.items()),
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_repeats_nothing_is_kept(dialect):
    assert judged(PLAIN, dialect=dialect)[DROP] is None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_repeats_one_line_is_dropped_for_it(dialect):
    found = judged(f"{PLAIN}\n" + "share this page\n" * 40, dialect=dialect)
    assert found[DROP].endswith("duplicate_line_share")
    assert found[VALUE] > 0.3


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_repeats_a_phrase_is_dropped_for_it(dialect):
    found = judged(" ".join(f"word{n} click here to read" for n in range(30)), dialect=dialect)
    assert found[DROP].endswith("top_2gram_char_share")


def test_a_line_that_stands_twice_counts_once_or_twice():
    text = "first line here\nsecond line\nfirst line here\nsomething else"
    shares = {dialect: judged(text, dialect=dialect) for dialect in DIALECTS}
    assert shares["paper"]["duplicate_line_share"] == shares["nemo"]["nemo_duplicate_line_share"] == 0.25
    assert shares["datatrove"]["datatrove_duplicate_line_share"] == 0.25
    assert shares["dclm"]["dclm_duplicate_line_share"] == shares["dolma"]["dolma_duplicate_line_share"] == 0.5


def test_blank_lines_repeat_in_dolma_alone():
    text = "one\n\ntwo\n\nthree"
    found = [judged(text, dialect=dialect) for dialect in DIALECTS]
    shares = [next(value for name, value in row.items() if name.endswith("duplicate_line_share")) for row in found]
    assert shares == [0, 0, 0, 2 / 5, 0]


def test_white_space_at_the_ends_of_a_line_tells_lines_apart_in_datatrove_and_dolma():
    text = "same line\nsame line \nother"
    found = [judged(text, dialect=dialect) for dialect in DIALECTS]
    shares = [next(value for name, value in row.items() if name.endswith("duplicate_line_share")) for row in found]
    assert shares == [1 / 3, 0, 2 / 3, 0, 1 / 3]


def test_the_top_ngram_of_a_short_text_stands_once():
    """datatrove, Dolma and NeMo take it all the same: four words of four are 100 % repetition."""
    text = "each word stands once"
    found = [judged(text, dialect=dialect) for dialect in DIALECTS]
    shares = [next(value for name, value in row.items() if name.endswith("top_4gram_char_share")) for row in found]
    assert shares == [0, 1, 0, 1, 1]
    assert judged(text, dialect="paper")[DROP] is None


def test_spaces_count_below_the_line_and_above_it_by_dialect():
    """'aa bb' stands twice: 4 letters each, 5 with the space; 12 letters or 17 characters of the text."""
    text = "aa bb cc dd aa bb"  # 17 characters
    assert judged(text)["top_2gram_char_share"] == 8 / 12
    assert judged(text, dialect="dclm")["dclm_top_2gram_char_share"] == 8 / 12
    assert judged(text, dialect="dolma")["dolma_top_2gram_char_share"] == 8 / 12
    assert judged(text, dialect="datatrove")["datatrove_top_2gram_char_share"] == 10 / 17
    assert judged(text, dialect="nemo")["nemo_top_2gram_char_share"] == 10 / 17


def test_overlapping_copies_count_once_in_the_paper():
    text = "ha ha ha ha"  # three 2-grams of 4 letters cover 8 letters
    assert judged(text)["top_2gram_char_share"] == 1
    assert judged(text, dialect="dclm")["dclm_top_2gram_char_share"] == 12 / 8
    assert judged(text, dialect="datatrove")["datatrove_top_2gram_char_share"] == 15 / 11
    assert judged(text, dialect="nemo")["nemo_top_2gram_char_share"] == 10 / 11


def test_equally_frequent_ngrams_give_the_longest_or_the_first():
    text = "a b a b long words long words"
    assert judged(text)["top_2gram_char_share"] == 18 / 22
    assert judged(text, dialect="dclm")["dclm_top_2gram_char_share"] == 18 / 22
    assert judged(text, dialect="dolma")["dolma_top_2gram_char_share"] == 4 / 22


def test_long_ngrams_are_strings_in_datatrove():
    """'ab c d e f' and 'a bc d e f' are one string without spaces, and two 5-grams."""
    text = "ab c d e f . a bc d e f"
    assert judged(text, dialect="datatrove")["datatrove_duplicate_5gram_char_share"] == 6 / 23
    assert judged(text, dialect="dclm")["dclm_duplicate_5gram_char_share"] == 0


def test_later_copies_of_long_ngrams_by_dialect():
    """Six words, three others, and the six again: 12 letters of 27."""
    text = "a1 a2 a3 a4 a5 a6 b1 b2 b3 a1 a2 a3 a4 a5 a6"  # 30 letters, 44 characters
    assert judged(text)["duplicate_5gram_char_share"] == 12 / 30
    assert judged(text, dialect="dclm")["dclm_duplicate_5gram_char_share"] == 24 / 30
    assert judged(text, dialect="dolma")["dolma_duplicate_5gram_char_share"] == 4 / 11  # of eleven 5-grams
    assert judged(text, dialect="datatrove")["datatrove_duplicate_5gram_char_share"] == 10 / 44  # greedy: one of two
    assert judged(text, dialect="nemo")["nemo_duplicate_5gram_char_share"] == (12 + 4 + 1) / 44


def test_case_tells_words_apart_but_in_the_paper():
    text = "One two three four five six seven. one two three four five six seven."
    assert judged(text)["duplicate_7gram_char_share"] == 0.5
    assert judged(text, dialect="dclm")["dclm_duplicate_7gram_char_share"] == 0


def test_a_text_of_nothing_by_dialect():
    kept = {dialect: judged("", dialect=dialect)[DROP] for dialect in DIALECTS}
    assert kept == {
        "paper": None,
        "datatrove": "datatrove_characters",
        "dclm": "dclm_duplicate_line_share",
        "dolma": None,
        "nemo": "nemo_duplicate_line_share",
    }


def test_datatroves_order_and_reasons():
    assert [rule.measure for rule in GopherRepetition(dialect="datatrove").rules] == list(DATATROVE_REASONS)


def test_dolma_has_no_paragraphs():
    assert not any("paragraph" in name for name in GopherRepetition(dialect="dolma").adds)


def test_a_limit_that_is_no_number_is_refused():
    with pytest.raises(RecipeError, match="not a number"):
        GopherRepetition(max_top_2gram_char_share=float("nan"))
