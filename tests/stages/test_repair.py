"""Each kind of repair against the same in `str`, `re`, `unicodedata` or ftfy; what needs none is not touched."""

import re
import unicodedata

import ftfy
import numpy as np
import orjson
import pyarrow as pa
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.buffers import utf8
from corpus.classes import KIND, OTHER, classes
from corpus.documents import Batch
from corpus.errors import RecipeError
from stages import normal_form
from stages.mojibake import mended
from stages.repair import Repair, _repaired
from stages.repair_characters import MOJIBAKE, suspicions, tables
from tests.conftest import DATA
from tests.laws.corpora import corpora

KINDS = ("mojibake", "line_ends", "controls", "zero_width", "white_space", "nfc")
KNOWN = classes() & KIND != OTHER

ALPHABET = "".join(map(chr, [*range(0x2000, 0x2070), *range(0x0A), *range(0x20), *b"\n\n  ", 0x7F, 0x85, 0xA0, 0xAD]))
ALPHABET += "\u3000\u061c\u180e\ufeff\ufffe\U0001fffeaéÃÂâ€œ™\x80\x93👩🚀\u200d\ufe0f\u0627ก"
ALPHABET += "\u0301\u0327\u0323\u0915\u094d\u093c\u0921\u1100\u1161\u11a8각Å\u212b"
texts = st.text(st.sampled_from(ALPHABET), max_size=14) | st.text(max_size=8)
mixed = st.lists(texts | texts.map(lambda text: text.encode().decode("latin-1")), max_size=4).map(" ".join)


def only(*kinds):
    return Repair(**{kind: kind in kinds for kind in KINDS})


def rows(texts, stage=None):
    stage = stage or Repair()
    batch = Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))
    return stage.checked(stage.annotate(batch), len(texts)).to_pylist()


def repaired(text, *kinds):
    """The text as later stages see it."""
    (row,) = rows([text], only(*kinds) if kinds else None)
    return text if row["text"] is None else row["text"]


@settings(max_examples=200)
@given(st.lists(mixed, max_size=5))
def test_repaired_once_is_repaired(texts):
    once = [text if row["text"] is None else row["text"] for text, row in zip(texts, rows(texts), strict=True)]
    for row in rows(once):
        assert row["text"] is None
        assert not any(row[name] for name in row if name.endswith("_repairs"))


@settings(max_examples=200)
@given(st.lists(mixed, max_size=5))
def test_outside_the_spans_nothing_changes(texts):
    for text, row in zip(texts, rows(texts), strict=True):
        counted = sum(row[name] for name in row if name.endswith("_repairs"))
        assert (row["text"] is None) == (row["repair_spans"] is None) == (counted == 0)
        if row["text"] is None:
            continue
        pattern, at, data = [], 0, text.encode()
        for span in row["repair_spans"]:
            pattern.append(re.escape(data[at : span["start"]]))
            at = span["end"]
        assert re.fullmatch(b".*".join([*pattern, re.escape(data[at:])]), row["text"].encode(), re.S)


@settings(max_examples=200)
@given(st.lists(mixed, max_size=5), st.integers(1, 63))
def test_the_walk_misses_no_repair(texts, kinds):
    """What becomes of texts is what would if all were thought to need every repair."""
    column = pa.array(texts, pa.large_string())
    every = _repaired(column, np.full(len(texts), 63, np.uint8) & kinds, kinds)
    named = _repaired(column, suspicions(*utf8(column), tables(kinds)), kinds)
    assert named[0].to_pylist() == every[0].to_pylist()


@given(mixed)
def test_line_ends_are_unicode_s(text):
    assert repaired(text, "line_ends") == re.sub("\r\n|[\r\v\f\x85\u2028\u2029]", "\n", text)


@given(mixed)
def test_controls_go(text):
    kept = [
        char
        for char in text
        if char in "\t\n\r\v\f\x85"
        or (
            not (unicodedata.category(char) == "Cc" or 0xFFF9 <= ord(char) <= 0xFFFB)
            and not (0xFDD0 <= ord(char) <= 0xFDEF or ord(char) & 0xFFFE == 0xFFFE)
        )
    ]
    assert repaired(text, "controls") == "".join(kept)


@given(st.text(st.sampled_from("ab \t\n\u00a0\u2003\u202f\u3000"), max_size=20))
def test_white_space_as_expressions_have_it(text):
    text = re.sub("[\u00a0\u2000-\u200a\u202f\u205f]", " ", now := text)
    text = re.sub(r"[ \t]+(?=\n|\Z)", "", text)
    text = re.sub(r"\n{3,}", "\n\n", text)
    text = re.sub(r"(?<=[^ \t\n]) {2,}(?=[^ \t\n])", " ", text)
    assert repaired(now, "white_space") == text


known = st.characters(exclude_categories=["Cs", "Cn", "Co"]).filter(lambda char: KNOWN[ord(char)] or char.isspace())
marks = st.sampled_from("\u0301\u0327\u0323\u0344\u093c\u1161\u11a8\u3099\u0f71\u0f72e\u0921\u1100가Å각カ\u212b\u0958")


@settings(max_examples=400)
@given(st.text(known | marks | st.sampled_from(ALPHABET), max_size=24))
def test_composed_form_is_nfc(text):
    text = "".join(char for char in text if KNOWN[ord(char)] or ord(char) < 0x300)
    assert repaired(text, "nfc") == unicodedata.normalize("NFC", text)


def test_every_character_alone_and_behind_a_letter_is_nfc():
    points = "".join(chr(c) for c in np.flatnonzero(KNOWN) if not 0xD800 <= c < 0xE000)
    for before in ("", "e\u0323"):
        text = "\n".join(before + char for char in points)
        assert repaired(text, "nfc") == unicodedata.normalize("NFC", text)


def test_a_run_of_marks_that_is_no_text_stays_as_it_is():
    run = "e" + "\u0323\u0301" * 100
    assert len(run.encode()) > normal_form.LONGEST
    assert repaired(run) == run
    assert repaired("e" + "\u0323\u0301" * 20) == unicodedata.normalize("NFC", "e" + "\u0323\u0301" * 20)


def settled(line):
    """What ftfy makes of a line, and of that, until it stays."""
    while (now := ftfy.fix_encoding(line)) != line:
        line = now
    return line


broken = st.text(st.characters(max_codepoint=0x3000), max_size=12).map(lambda text: text.encode().decode("latin-1"))


@settings(max_examples=200)
@given(st.lists(mixed | broken))
def test_lines_are_mended_as_ftfy_mends_them(texts):
    for text, row in zip(texts, rows(texts, only("mojibake")), strict=True):
        expected = "\n".join(map(settled, text.split("\n")))
        if not any("\ud800" <= char <= "\udfff" for char in expected):
            assert (text if row["text"] is None else row["text"]) == expected


def test_every_pair_that_ftfy_calls_bad_is_suspected():
    """All 300,000 pairs of its characters, alone and between a letter and a space: no bad one passes the walk."""
    listed = re.compile("[{}]".format("".join(MOJIBAKE_CATEGORIES.values())))
    chars = [chr(c) for c in range(0x80, 0xFFFF) if listed.match(chr(c))]
    chars += [*"ÂÃÎÐØÙà×√≈‚вЂВГРСΒΓΞΟβā°µ·»–—´±∂†≠®™´≤≥¥øìïòôúùûπâóä²³¹¼½¾ŒœŠšŸŽž¡¢£Ђ€Ä ", "a", ".", " "]
    pairs = [a + b for a in dict.fromkeys(chars) for b in dict.fromkeys(chars)]
    for before, after in (("", ""), ("a", "a"), (" ", " "), ("В", "В"), ("Γ", "Γ"), ("Ù", "®"), ("é", "é")):
        column = pa.array([before + pair + after for pair in pairs], pa.large_string())
        suspected = suspicions(*utf8(column), tables(MOJIBAKE)) != 0
        missed = [text for text, seen in zip(column.to_pylist(), suspected, strict=True) if not seen and is_bad(text)]
        assert missed == []


@pytest.mark.parametrize(
    ("broken", "meant"),
    [
        ("schÃ¶n", "schön"),
        ("donâ€™t", "don’t"),
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет"),
        ("Ã¢â‚¬â„¢", "’"),  # twice
        ("plain ASCII", "plain ASCII"),
        ("Ça va, œuvre — “naïve” «été»", "Ça va, œuvre — “naïve” «été»"),
        ("Zażółć gęślą jaźń, příšerně žluťoučký kůň", "Zażółć gęślą jaźń, příšerně žluťoučký kůň"),
        ("a\x93quoted\x94 word", "a“quoted” word"),
    ],
)
def test_mojibake_by_hand(broken, meant):
    assert repaired(broken, "mojibake") == meant


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("soft\u00adhyphen, \ufeffmark, a\u200bb, x\u2060y", "softhyphen, mark, ab, xy"),
        ("left\u200e right\u200f \u202aem\u202c \u2066is\u2069 \u061cal", "left right em is al"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian: the parts of the verb do not join
        ("क्\u200dष क्\u200cष", "क्\u200dष क्\u200cष"),  # Hindi: half form, and a visible virama
        ("ශ්\u200dරී ලංකා", "ශ්\u200dරී ලංකා"),
        ("👩\u200d🚀 👨\u200d👩\u200d👧 🏳️\u200d🌈 🏃🏽\u200d♂️", "👩\u200d🚀 👨\u200d👩\u200d👧 🏳️\u200d🌈 🏃🏽\u200d♂️"),
        ("👩\u200d x", "👩 x"),
        ("Auf\u200clage, un\u200djoined", "Auflage, unjoined"),
        ("ภาษา\u200bไทย", "ภาษา\u200bไทย"),  # parts words
        ("ไทย\u200b\u200bไทย", "ไทย\u200bไทย"),
    ],
)
def test_zero_width_characters_stay_where_they_do_something(text, left):
    assert repaired(text, "zero_width") == left
    assert repaired(text) == left


def test_indentation_tables_and_verses_stay():
    code = "def f(x):\n\tif x:\n\t\treturn  1\n\n    # a\tb\t\tc\n"
    assert repaired(code) == code.replace("return  1", "return 1")
    assert repaired("\u3000日本語\u3000です") == "\u3000日本語\u3000です"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_switched_off(kind):
    text = "schÃ¶n\r\na\x01b\u200bc  d e\u0301"
    counts = rows([text], Repair(**{kind: False}))[0]
    column = {"line_ends": "line_end_repairs", "controls": "control_repairs"}.get(kind, f"{kind}_repairs")
    assert counts[column] == 0
    assert rows([text])[0][column] == 1
    assert sum(counts[name] for name in counts if name.endswith("_repairs")) >= 4


def test_no_kind_at_all_is_refused():
    with pytest.raises(RecipeError, match="every kind is switched off"):
        only()


@given(corpora)
def test_only_mending_and_composing_may_lengthen_a_text(texts):
    stage = only("line_ends", "controls", "zero_width", "white_space")
    for text, row in zip(texts, rows(texts, stage), strict=True):
        assert row["text"] is None or len(row["text"].encode()) <= len(text.encode())


def test_hostile_texts_take_linear_time():
    texts = ["\u0323\u0301" * 300_000, "Ã©" * 400_000, "\x00" * 1_000_000, " " * 1_000_000 + "a", "\n" * 1_000_000]
    texts += ["\u200d" * 300_000, "👩\u200d" * 100_000, "a \u00a0" * 300_000, "\r\n \r" * 200_000, "é" * 1_000_000]
    for text, row in zip(texts, rows(texts), strict=True):
        assert row["text"] is None or len(row["text"]) <= len(text)


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared corpus is not on this machine")
@pytest.mark.parametrize("name", ["books__genesis.jsonl.gz", "web__trafilatura_pages.jsonl.zst"])
def test_no_real_line_that_ftfy_would_mend_is_passed_over(name):
    with pa.input_stream(str(DATA / "corpus" / name), compression="zstd" if name.endswith("zst") else "gzip") as raw:
        texts = [orjson.loads(line)["text"][:20_000] for line in raw.read().splitlines()[:250]]
    column = pa.array(texts, pa.large_string())
    flags = suspicions(*utf8(column), tables(MOJIBAKE))
    spans, _ = mended(column, flags != 0)
    lines = [line for text in texts for line in text.split("\n") if not line.isascii()]
    assert len(spans.starts) == sum(ftfy.fix_encoding(line) != line for line in lines) > 0
