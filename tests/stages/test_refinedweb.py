"""RefinedWeb's line rules against DCLM's, written once more with `str` and `re`; and each limit by hand."""

import re
from dataclasses import replace

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import Batch
from stages.refinedweb import RefinedWeb
from stages.refinedweb_lines import COUNTED
from tests.conftest import DATA
from tests.laws.corpora import corpora, prose

STAGE = RefinedWeb()
FREE = replace(STAGE, max_removed_share=1.0)  # nothing is dropped, so that all edits show


def judged(texts, stage=FREE):
    rows = pa.record_batch([pa.array(texts, pa.large_string())], names=["text"])
    return stage.checked(stage.annotate(Batch(rows)), len(texts)).to_pylist()


def edited(text, stage=FREE):
    """The text as later stages see it."""
    row = judged([text], stage)[0]
    return text if row["text"] is None else row["text"]


COUNTER = re.compile(rf"^\W*\d[\d.,]*[kmb]?\s+(?:{'|'.join(word.decode() for word in COUNTED)})\W*$")
BUTTONS = [r"\s?items in cart", r"\s?read more...$", r"^sign-in\s?"]


def share(line, test):
    return sum(map(test, line)) / len(line)


def dclm(text):
    """DCLM's turns, each over all lines, with the text stripped behind each but that of single words."""
    turns = [
        lambda line: share(line, str.isupper) <= 0.5,
        lambda line: share(line, str.isdigit) <= 0.999999,
        lambda line: not COUNTER.search(line.lower()),
    ]
    for stays in turns:
        text = "\n".join(line for line in text.split("\n") if not line or stays(line)).strip()
    text = "\n".join(line for line in text.split("\n") if not line or len(line.split()) >= 2)
    for button in BUTTONS:
        left = []
        for line in text.split("\n"):
            now = re.sub(button, "", line, flags=re.I) if len(line.split()) <= 10 else line
            if not line or now.strip():
                left.append(now)
        text = "\n".join(left).strip()
    return text


BITS = """Sign-in|sign-IN now|Read more...|read more »|Read moreabc|3 items in cart|items items in cart in|12|MENU|Aa
²|a|1,234 likes|٣ views|• 3.5K  followers!|7k shares of|AB c
the words stand here|one two three four five six seven eight nine
é日本"""
pieces = st.sampled_from([*re.split(r"[|\n]", BITS), "\r", "\t", " ", "  ", "\n", "\n", "\n\n", "\u00a0"])
pages = st.lists(pieces | st.text(max_size=4), max_size=14).map("".join) | st.lists(pieces, max_size=12).map(" ".join)


@given(st.lists(pages, max_size=4))
def test_lines_are_edited_as_dclm_edits_them(texts):
    rows = judged(texts)
    assert [text if row["text"] is None else row["text"] for text, row in zip(texts, rows, strict=True)] == [
        dclm(text) for text in texts
    ]


@given(corpora)
def test_what_stays_stands_in_the_same_order_in_the_text_before(texts):
    for text, row in zip(texts, judged(texts), strict=True):
        new = text if row["text"] is None else row["text"]
        assert len(new) <= len(text)
        rest = iter(text)
        assert all(char in rest for char in new)
        spans = [(span["start"], span["end"]) for span in row["refinedweb_spans"] or []]
        data = text.encode()
        cuts = [0, *(place for span in spans for place in span), len(data)]
        assert b"".join(data[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True)).decode() == new


@given(pages)
def test_where_no_button_was_cut_a_second_time_changes_nothing(text):
    row = judged([text])[0]
    if row["text"] is not None and not row["edited_lines"]:
        again = judged([row["text"]])[0]
        if not again["numeric_lines"]:  # a last line "1 " is stripped behind the turn of digits, and is one then
            assert again["text"] is None


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("ABC de", None),  # 3 of 6 code points
        ("ABCD e", "upper_case_lines"),
        ("1984", "numeric_lines"),
        ("1984.", "one_word_lines"),
        ("19 84", None),
        ("3 likes", "counter_lines"),
        ("♥ 1,204.5K views ♥", "counter_lines"),
        ("3 likes each", None),
        ("3likes", "one_word_lines"),
        ("three likes", None),
        ("Home", "one_word_lines"),
        ("Read more...", "edited_lines"),
        ("Your items in cart: none", "edited_lines"),
        ("Sign-in to comment", "edited_lines"),
        ("Please sign-in", None),
        ("To read more... turn the page", None),
        ("Sign-in one two three four five six seven eight nine", "edited_lines"),
        ("Sign-in one two three four five six seven eight nine ten", None),
    ],
)
def test_each_rule_by_hand(line, column):
    row = judged([f"Some words before.\n{line}\nSome words after."])[0]
    counts = {name: row[name] for name in row if name.endswith("_lines")}
    assert counts == {name: int(name == column) for name in counts}


def test_the_dots_of_read_more_are_three_characters_to_dclm_and_dots_to_the_paper():
    paper = replace(FREE, dialect="paper")
    assert edited("Words before.\nGo and read more now", FREE) == "Words before.\nGo and read more now"
    assert edited("Words before.\nGo and read moreish", FREE) == "Words before.\nGo and"
    assert edited("Words before.\nGo and read moreish", paper) == "Words before.\nGo and read moreish"
    assert edited("Words before.\nGo and read more...", paper) == "Words before.\nGo and"


def test_the_paper_counts_all_words_of_an_edited_line_and_dclm_those_that_went():
    text = prose(1, 96).replace("\n\n", " ") + "\nSign-in for a free account"
    (ours,), (papers,) = judged([text], STAGE), judged([text], replace(STAGE, dialect="paper"))
    assert ours["removed_word_share"] == pytest.approx(2 / 102)  # sign, in
    assert papers["removed_word_share"] == pytest.approx(6 / 102)
    assert (ours["drop"], papers["drop"]) == (None, "removed_word_share")
    assert papers["value"] == papers["removed_word_share"]
    assert papers["text"] is None


@pytest.mark.parametrize(("words", "drop"), [(94, "removed_word_share"), (95, None)])
def test_five_percent_of_the_words_may_go(words, drop):
    text = " ".join(["word"] * words) + "\nA\nB\nC\nD\nE"
    (row,) = judged([text], STAGE)
    assert row["drop"] == drop
    assert row["removed_word_share"] == pytest.approx(5 / (words + 5))


@pytest.mark.parametrize("text", ["", " \n ", "MENU", "...", "123\n456"])
def test_a_page_of_which_no_word_is_left_is_dropped(text):
    (row,) = judged([text], STAGE)
    assert (row["drop"], row["value"], row["text"]) == ("removed_word_share", 1.0, None)


@pytest.mark.parametrize(
    ("field", "value", "text", "left"),
    [
        ("max_upper_case_share", 1.0, "ALL LOUD\nsome words", "ALL LOUD\nsome words"),
        ("max_digit_share", 0.5, "1984 a b c\n1984 1984 a\nsome words", "1984 a b c\nsome words"),
        ("min_words_per_line", 1, "Home\nsome words", "Home\nsome words"),
        ("max_words_edited", 2, "some words\nSign-in here please", "some words\nSign-in here please"),
    ],
)
def test_every_setting_moves_its_own_limit(field, value, text, left):
    assert edited(text, replace(FREE, **{field: value})) == left
    assert edited(text) != left


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared corpus is not on this machine")
def test_real_pages_are_edited_as_dclm_edits_them():
    with pa.input_stream(str(DATA / "corpus/web__article_benchmark_pages.jsonl.zst"), compression="zstd") as raw:
        texts = [orjson.loads(line)["text"] for line in raw.read().splitlines()]
    rows = judged(texts)
    assert [text if row["text"] is None else row["text"] for text, row in zip(texts, rows, strict=True)] == [
        dclm(text) for text in texts
    ]


def test_hostile_lines_take_linear_time():
    texts = [
        "\n" * 1_000_000,
        "items in cart" * 20_000,
        "1" * 1_000_000,
        " " * 1_000_000 + "a",
        "1," * 300_000 + " likes",
    ]
    texts += ["\u0301" * 300_000, "👩‍👩‍👧" * 50_000, "\x00" * 1_000_000]
    assert len(judged(texts)) == len(texts)
