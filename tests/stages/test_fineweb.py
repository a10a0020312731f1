"""FineWeb's rules by hand: what each measures, where the two dialects part, and slow readings of the same."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import DROP, Batch
from stages.fineweb import DATATROVE_REASONS, FineWeb
from stages.measures.fineweb import SHORT, terminal

LINE = "This line is long enough and ends as it should do."
PIECES = [
    "a",
    "word ",
    "A sentence.",
    "é" * SHORT,
    "日本。",
    "!",
    '"',
    " ",
    "\n",
    "\n",
    "\n\n",
    "\r\n",
    "\u3000",
    "\x1c",
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def batch_of(*texts):
    return Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))


def judged(text, **settings):
    return {name: column[0].as_py() for name, column in FineWeb(**settings).annotate(batch_of(text)).items()}


def slowly(text):
    lines = [line for line in text.split("\n") if line.strip()]
    ends = tuple(chr(c) for c in terminal().nonzero()[0])
    copied = sum(len(line) for n, line in enumerate(lines) if line in lines[:n])
    chars = len(text.replace("\n", ""))
    return {
        "shown_lines": len(lines),
        "terminal_line_share": sum(line.endswith(ends) for line in lines) / len(lines) if lines else 0,
        "short_line_share": sum(len(line) <= 30 for line in lines) / len(lines) if lines else 0,
        "copied_line_char_share": copied / chars if chars else 0,
    }


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_measures_are_the_slow_reading(texts):
    columns = FineWeb().annotate(batch_of(*texts))
    for n, text in enumerate(texts):
        for name, wanted in slowly(text).items():
            assert columns[name][n].as_py() == pytest.approx(wanted), name


def test_prose_is_kept():
    assert judged("\n".join(f"{n}. {LINE}" for n in range(9)))[DROP] is None


def test_lines_without_end_marks_are_dropped_first():
    found = judged("\n".join(["Home", "About us", "Contact", "Log in"] * 3))
    assert (found[DROP], found["terminal_line_share"], found["short_line_share"]) == ("terminal_line_share", 0, 1)


def test_an_end_mark_in_quotes_is_none():
    assert judged(f'"{LINE}"')["terminal_line_share"] == 0
    assert judged(f"{LINE} ")["terminal_line_share"] == 0  # white space behind it neither
    assert judged("これは文です。")["terminal_line_share"] == 1


def test_a_line_of_thirty_code_points_is_short():
    assert judged("é" * 29 + ".")["short_line_share"] == 1
    assert judged("é" * 30 + ".")["short_line_share"] == 0
    assert judged("Short one.\n" * 3)[DROP] == "short_line_share"


def test_copied_lines_may_be_a_tenth_or_a_hundredth():
    """Twenty lines of 50 characters and one of them again: 1 of 21 parts, 4.8 %."""
    lines = [f"{LINE[:-5]}{n:03d} ." for n in range(20)]
    text = "\n".join([*lines, lines[3]])
    assert judged(text)[DROP] is None
    found = judged(text, dialect="datatrove")
    assert (found[DROP], found["copied_line_char_share"]) == ("copied_line_char_share", pytest.approx(1 / 21))
    assert judged(text, dialect="datatrove", max_copied_line_char_share=0.1)[DROP] is None
    assert judged(text, max_copied_line_char_share=0.01)[DROP] == "copied_line_char_share"


def test_punctuation_is_a_word_in_datatrove_alone():
    """Ten words and ten full stops in ten lines: 0.9 line feeds a word, 0.45 a token."""
    text = "\n".join(f"{'wonderful' * 4}{n}." for n in range(10))
    assert judged(text)["newline_word_ratio"] == 0.9
    assert judged(text, dialect="datatrove")["datatrove_newline_word_ratio"] == 0.45
    assert judged(text)[DROP] == "newline_word_ratio"


@pytest.mark.parametrize("text", ["", " ", "\n \n", "\u3000\x85"])
def test_a_text_without_a_line_is_dropped(text):
    assert judged(text)[DROP] == "shown_lines"


def test_datatroves_order_and_reasons():
    assert [rule.measure for rule in FineWeb(dialect="datatrove").rules] == list(DATATROVE_REASONS)
