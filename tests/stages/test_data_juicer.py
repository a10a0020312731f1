"""Data-Juicer's filters: the published limits, each just inside and just outside."""

from dataclasses import asdict

import pytest
from limits import drop_of, limits, moves_its_own_limit

from corpus.errors import RecipeError
from stages.data_juicer import DataJuicer

PUBLISHED = {  # the defaults of its filters for text
    "min_alphanumeric_char_share": 0.25, "min_chars_per_line": 10, "min_longest_line": 10,
    "max_special_char_share": 0.25, "min_stop_word_share": 0.3, "min_chars": 10, "min_words": 10,
    "max_repeated_10gram_share": 0.5,
}  # fmt: skip
PROSE = "it is what they have said of the river and that it would be with them to the end. "
GERMAN = "Die Kinder und der Hund sind in den Garten gegangen, wo sie das Haus von dem Baum sehen."


def test_limits_are_the_published_ones():
    assert {name: value for name, value in asdict(DataJuicer()).items() if name in limits(DataJuicer)} == PUBLISHED


@pytest.mark.parametrize("setting", limits(DataJuicer))
@pytest.mark.parametrize("text", [PROSE * 2 + "\n12, ab", "", GERMAN], ids=["prose", "nothing", "German"])
def test_each_limit_just_inside_and_just_outside(setting, text):
    named, moved = moves_its_own_limit(DataJuicer, setting, text)
    assert named
    assert moved


@pytest.mark.parametrize(
    ("kept", "dropped", "reason"),
    [
        ("the of and" + " water" * 7, "the of" + " water" * 8, "stop_word_share"),
        ("they would have said they would be there by then", "they would have said they would be there by", "words"),
        (PROSE, PROSE * 3, "repeated_10gram_share"),
    ],
)
def test_texts_on_either_side_of_a_published_limit(kept, dropped, reason):
    assert (drop_of(kept, DataJuicer()), drop_of(dropped, DataJuicer())) == (None, reason)


def test_an_empty_text_is_dropped_by_the_first_filter():
    assert drop_of("", DataJuicer()) == "alphanumeric_char_share"


def test_the_language_sets_the_words():
    assert drop_of(GERMAN, DataJuicer()) == "stop_word_share"
    assert drop_of(GERMAN, DataJuicer(language="de")) is None
    with pytest.raises(RecipeError, match="no stop words and limits for language 'th'"):
        DataJuicer(language="th")
