"""Measures against slow readings of the same text, and on texts nobody would write."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slow_readings import (
    TEXT,
    batch_of,
    fast,
    of_characters,
    of_code,
    of_dclm,
    of_dolma,
    of_nemo,
    of_redpajama,
    of_redpajama_in_ascii,
    of_words,
)

from corpus.documents import Batch
from corpus.errors import RecipeError
from stages.measures import MEASURES, measured, once
from stages.measures.fineweb import ROWS as FINEWEB
from stages.measures.repetition import ROWS as REPETITION
from stages.measures.segments import blank_line_paragraphs, newline_lines, python_lines
from stages.measures.tokens import listed

TEXTS = st.lists(st.one_of(st.none(), TEXT), max_size=6)

PIECES = [
    *("0x12,", "\\x41", "de ", "ad\t", "ff,", "\\u00e9", "abcdefgh" * 8, "+/=", "// c\n", "#include <x>\n", "  * y\n"),
    *("3 4\n", "12.5,7\n", "auto-generated", "This File Is Generated", "<?xml version=", "-- ", "http://x%4", "\n\n"),
    *("https://a.b/c", "http://porn.example", "%41", "lorem ipsum", "LOREM, Ipsum", "Terms of Use", "use cookies"),
    *("uses cookies", "JavaScript", "the end of the line is here and that is it for now "),
]
MARKUP = st.lists(st.sampled_from(PIECES) | TEXT, max_size=40).map("".join)
ASCII = MARKUP.map(lambda text: "".join(char for char in text if char < "\x7f"))

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
    "hexadecimal with wide gaps": ("de " + " " * 50_000) * 20,
    "schemes": "http://" * 100_000,
    "hash signs": "# " * 500_000 + "#" * 500_000,
}


def near(found, expected):
    """Equal but for the order in which floats were added."""
    return {name: value for name, value in expected.items() if abs(found[name] - value) > 1e-9} == {}


@settings(max_examples=150, deadline=None)
@given(TEXT)
@example("the the TO\n...\n  - … \n\n....... x")
@pytest.mark.parametrize("reading", [of_words, of_characters, of_dclm, of_dolma], ids=lambda reading: reading.__name__)
def test_measures_are_what_a_slow_reading_finds(reading, text):
    expected = reading(text)
    assert near(fast(text, expected), expected)


@settings(max_examples=150, deadline=None)
@given(MARKUP)
@example("x%41\n\n\n\nhttp://[the] https://a%41%4")
@pytest.mark.parametrize("reading", [of_nemo, of_redpajama], ids=lambda reading: reading.__name__)
def test_measures_of_pages_are_what_a_slow_reading_finds(reading, text):
    expected = reading(text)
    assert near(fast(text, expected), expected)


@settings(max_examples=150, deadline=None)
@given(ASCII)
@example(
    "de ad be ef 00 11 22 33 44 and " + "\\u0041" * 9 + "0x01,0x02,0x03,0x04,0x05,0x06,0x07,0x08,0x09 " + "Zm9v\n" * 20
)
@pytest.mark.parametrize("reading", [of_code, of_redpajama_in_ascii], ids=lambda reading: reading.__name__)
def test_measures_of_code_are_what_a_slow_reading_finds(reading, text):
    expected = reading(text)
    assert near(fast(text, expected), expected)


def test_every_measure_of_these_files_has_a_slow_reading():
    """Those of datatrove's dialect are compared with datatrove itself; repetition and FineWeb have their own tests."""
    read = {name for reading in (of_words, of_characters, of_dclm, of_dolma, of_nemo) for name in reading("x")}
    read |= {name for reading in (of_redpajama, of_redpajama_in_ascii, of_code) for name in reading("x")}
    elsewhere = {name for name in MEASURES if name.startswith("datatrove_")} | REPETITION.keys() | FINEWEB.keys()
    assert MEASURES.keys() - read - elsewhere == set()


def segments_of(text, of):
    batch = batch_of(["before\n\n", text])
    found, raw = of(batch), batch.utf8[1].tobytes()
    places = zip(found.starts[found.first[1] :], found.ends[found.first[1] :], strict=True)
    return [raw[a:b].decode() for a, b in places]


@given(TEXT)
def test_segments_are_what_pythons_strings_cut(text):
    assert segments_of(text, python_lines) == text.splitlines()
    assert segments_of(text, newline_lines) == text.split("\n")
    assert segments_of(text, blank_line_paragraphs) == text.split("\n\n")


@given(TEXTS, st.integers(0, 6))
def test_where_a_batch_is_split_changes_nothing(texts, at):
    whole = pa.record_batch([pa.array(texts, pa.large_string())], names=["text"])
    parts = [measured(Batch(whole.slice(0, at)), MEASURES), measured(Batch(whole.slice(at)), MEASURES)]
    for name, values in measured(Batch(whole), MEASURES).items():
        assert np.concatenate([part[name] for part in parts]).tolist() == values.tolist(), name


@given(TEXTS)
def test_measures_are_finite_and_shares_are_shares(texts):
    for name, values in measured(batch_of(texts), MEASURES).items():
        assert len(values) == len(texts)
        assert np.isfinite(values).all(), name
        assert (values >= 0).all(), name
        if name.endswith("_share") and "gram_" not in name and "duplicate" not in name:  # those have their own tests
            assert (values <= 1).all(), name


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_have_finite_measures(text):
    names = [name for name in MEASURES if "gram_" not in name]  # runs of words have a test of their own
    batch = batch_of([text, "neighbour"])
    for name, values in measured(batch, names).items():
        assert np.isfinite(values).all(), name
    assert measured(batch, ["words", "rps_doc_word_count"])["words"][1] == 1


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("words", "Don't stop: 3.14, 日本!", 5),
        ("mean_word_length", "naïve nai\u0308ve", 5.5),
        ("median_word_length", "a bb ccc " + "d" * 300, 2.5),
        ("median_word_length", "a " + "d" * 300 + " " + "e" * 400, 300),
        ("longest_word", "a bb " + "d" * 300, 300),
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
        ("unique_word_share", "a A b c", 0.75),
        ("unigram_entropy", "a b c d", np.log(4)),
        ("repeated_10gram_share", "a b c d e f g h i j " * 2, 2 / 11),
        ("digit_share", "a1²٣", 0.5),  # a superscript is a number and no decimal digit
        ("upper_case_share", "AÉb日", 0.5),
        ("cjk_char_share", "日本go", 0.5),
        ("bracket_share", "(a){b}", 4 / 6),
        ("url_char_share", "http://a.b/cd", 10 / 13),  # the pattern ends before the path
        ("boilerplate_paragraph_share", "We use cookies.\n\nNews\n\nTerms of use\n\nMore", 0.5),
        ("boilerplate_paragraph_share", "News\n\nLorem ipsum dolor", 1.0),
        ("sentences", "One. Two! Three", 3),
        ("paragraphs", "a\nb\n\n\nc", 2),
        ("blank_lines", "a\n \n\nb", 2),
    ],
)
def test_golden_measures(name, text, expected):
    assert fast(text, [name])[name] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("fold", [False, True])
@given(TEXT, st.sets(st.sampled_from(["the", "with", "then", "é", "日", "don't", "and", "the,"]), min_size=1))
def test_listed_tokens_are_those_of_the_list(fold, text, words):
    runs = [run.casefold() if fold else run for run in text.split()]
    found = listed(batch_of([text]), "whitespace", sorted(words), fold=fold)
    assert found.occurrences.tolist() == [sum(run in words for run in runs)]
    assert found.different.tolist() == [len(words.intersection(runs))]


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
