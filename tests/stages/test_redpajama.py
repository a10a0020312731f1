"""RedPajama-V2's signals under their published names; what they count is in test_measures.py."""

import re

from slow_readings import batch_of

from stages.redpajama import SIGNALS, RedPajama

STAGE = RedPajama()


def signals(text):
    return STAGE.checked(STAGE.annotate(batch_of([text])), 1).to_pylist()[0]


def test_nothing_is_dropped_and_every_signal_is_laid():
    row = signals("")
    assert row["drop"] is None
    assert set(row) == {"drop", "value", *SIGNALS}
    assert all(row[name] == 0 for name in SIGNALS)


def test_names_are_those_of_the_data_set():
    assert all(re.fullmatch("rps_(doc|lines)_[a-z0-9_]+", name) for name in SIGNALS)
    assert len(SIGNALS) == 27


def test_a_text_worked_out_by_hand():
    row = signals("Don't STOP: the end!\n• well-known (or so)…\nthe end {the end}\n")
    # Normalised: dont stop the end / • wellknown or so… / the end the end. Raw: Don ' t STOP : the end ! ... by \w+.
    assert row["rps_doc_word_count"] == 12
    assert row["rps_doc_frac_unique_words"] == 8 / 12
    assert row["rps_doc_symbol_to_word_ratio"] == 1 / 22
    assert row["rps_doc_frac_all_caps_words"] == 1 / 22
    assert row["rps_doc_curly_bracket"] == 2 / 61
    assert row["rps_lines_start_with_bulletpoint"] == 1 / 3
    assert row["rps_lines_ending_with_terminal_punctution_mark"] == 1 / 3
    assert row["rps_doc_frac_lines_end_with_ellipsis"] == 1 / 3
    assert row["rps_lines_num_words"] == 4
    assert row["rps_doc_num_sentences"] == 2
    assert row["rps_doc_frac_chars_top_2gram"] > 0.3


def test_runs_of_words_that_stand_twice_count_with_all_copies():
    row = signals("one two three four five. " * 2)
    assert row["rps_doc_frac_chars_dupe_5grams"] == 1.0
    assert row["rps_doc_frac_chars_dupe_6grams"] == 0.0
