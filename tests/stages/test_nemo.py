"""NeMo's heuristics for English: the published limits, each just inside and just outside, in the pipeline's order."""

from dataclasses import asdict

import pytest
from limits import drop_of, limits, moves_its_own_limit

from stages.nemo import Nemo

PUBLISHED = {  # NeMo Curator, heuristic_filter_english_pipeline.yaml; the last from the filter itself
    "max_symbol_char_share": 0.25, "max_symbol_word_ratio": 0.1, "max_digit_share": 0.15, "max_url_char_share": 0.2,
    "max_white_space_share": 0.25, "max_bracket_share": 0.1, "max_boilerplate_paragraph_share": 0.4,
    "min_words": 50, "max_words": 100_000, "max_unclosed_line_share": 0.85, "min_alphabetic_word_share": 0.8,
    "min_stop_words": 2, "min_mean_word_length": 3, "max_mean_word_length": 10, "max_longest_word": 1_000,
    "max_ellipsis_line_share": 0.3, "max_bullet_line_share": 0.9, "max_porn_urls": 0,
}  # fmt: skip
PAGE = """Terms of use

• The story [1] goes on with words. Read more
the 12 of them... # http://a.com/b https://porn.example
"""
SENTENCE = "the story goes on with words."


def prose(words):
    return "with the" + " words" * (words - 2) + "."


def lines(count, other):
    """Twenty lines, some of them other ones."""
    return "\n".join([other] * count + [SENTENCE] * (20 - count))


def test_limits_are_the_published_ones():
    assert asdict(Nemo()) == PUBLISHED


@pytest.mark.parametrize("setting", limits(Nemo))
@pytest.mark.parametrize("text", [PAGE, "", prose(9)], ids=["page", "nothing", "prose"])
def test_each_limit_just_inside_and_just_outside(setting, text):
    named, moved = moves_its_own_limit(Nemo, setting, text)
    assert named
    assert moved


@pytest.mark.parametrize(
    ("kept", "dropped", "reason"),
    [
        (prose(50), prose(49), "nemo_words"),
        (prose(100_000), prose(100_001), "nemo_words"),
        (
            "\n\n".join([prose(60)] * 3 + ["We use cookies."] * 2),
            "\n\n".join([prose(60)] * 4 + ["We use cookies."] * 3),
            "boilerplate_paragraph_share",
        ),
        (prose(60), prose(60) + "\n\nLorem ipsum", "boilerplate_paragraph_share"),
        (lines(17, SENTENCE[:-1]), lines(18, SENTENCE[:-1]), "nemo_unclosed_line_share"),
        (prose(80) + " 1." * 20, prose(79) + " 1." * 21, "nemo_alphabetic_word_share"),
        ("the the" + prose(60)[8:], "the The" + prose(60)[8:], "nemo_stop_words"),
        (lines(6, SENTENCE + " Read more"), lines(7, SENTENCE + " Read more"), "nemo_ellipsis_line_share"),
        (lines(18, "• " + SENTENCE), lines(19, "• " + SENTENCE), "nemo_bullet_line_share"),
        (lines(20, "- " + SENTENCE), lines(20, "• " + SENTENCE), "nemo_bullet_line_share"),
    ],
)
def test_texts_on_either_side_of_a_published_limit(kept, dropped, reason):
    assert (drop_of(kept, Nemo()), drop_of(dropped, Nemo())) == (None, reason)


def test_the_first_filter_of_the_pipeline_is_the_reason():
    texts = ["###", "aaaaaaa...aaaa aaa # aaa", "12", "aa"]
    reasons = ["nemo_symbol_char_share", "nemo_symbol_word_ratio", "digit_share", "nemo_words"]
    assert [drop_of(text, Nemo()) for text in texts] == reasons
