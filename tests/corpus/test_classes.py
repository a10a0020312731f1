"""The tables of corpus/classes.py: what they hold, where they come from; and decoding stays in bounds."""

import importlib.util
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import classes as c

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "corpus"


def generator():
    """scripts/make_classes.py as a module; scripts/ is no package."""
    spec = importlib.util.spec_from_file_location("make_classes", ROOT / "scripts/make_classes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unicode_version(name):
    return (FOLDER / name).read_text().split(",")[0].removeprefix("# Unicode ")


def kind(char):
    return c.KINDS[c.classes()[ord(char)] & c.KIND]


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="this Python has another Unicode version")
def test_the_tables_are_what_the_script_writes():
    made = generator()
    assert (FOLDER / "classes.txt").read_text() == made.written(made.class_lines())
    assert (FOLDER / "folds.txt").read_text() == made.written(made.fold_lines())


def test_both_tables_are_of_one_unicode_version():
    assert unicode_version("classes.txt") == unicode_version("folds.txt") == "14.0.0"


@pytest.mark.parametrize(
    ("chars", "expected"),
    [
        ("azßéжηﬁ", "lower"),
        ("AZÉЖªʰ한กאア" + "Ⅷ", "letter"),
        ("09٣९²½①", "digit"),
        ("日々〇ひゟ𠀀豈", "cjk"),
        ("\u0301\ufe0f\u20e3ा", "mark"),
        ("_‿", "connector"),
        ("\u200d\u200c\u00ad\ufeff", "format"),
        (" \t\v\f\u00a0\u3000\u200b", "space"),
        ("\n\r\x85\u2028\u2029", "break"),
        ("#.,;!?'\"«»…。、・•", "punctuation"),
        ("$+<=>^`|~€☺😀", "symbol"),
        ("\x00\x07\ud800\ue000\uffff", "other"),
    ],
)
def test_kinds_of_well_known_characters(chars, expected):
    assert {char: kind(char) for char in chars} == dict.fromkeys(chars, expected)


@pytest.mark.parametrize(
    ("bit", "chars", "others"),
    [
        (c.MID_LETTER, "'’.·:", ",;-_"),
        (c.MID_NUMBER, "'.,;", ":-·"),
        (c.TERMINATOR, ".!?…。！？؟।", ",;:-"),
        (c.CLOSER, "\"'”’)]}»」`", "(a.,"),
    ],
)
def test_properties_of_well_known_characters(bit, chars, others):
    assert all(c.classes()[ord(char)] & bit for char in chars)
    assert not any(c.classes()[ord(char)] & bit for char in others)


def test_folding_is_simple_and_settled():
    folds = c.folds()
    assert [chr(folds[ord(char)]) for char in "AaÉΣςẞßKſİ"] == list("aaéσσßßksİ")
    assert np.array_equal(folds[folds], folds)
    # Folding does not change what is a letter, but for the combining iota (U+0345), which folds to a letter.
    letters = np.isin(c.classes() & c.KIND, (c.LETTER, c.LOWER))
    assert np.flatnonzero(letters != letters[folds]).tolist() == [0x345]


def test_tables_cannot_be_written():
    for table in (c.classes(), c.folds()):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1


@settings(deadline=None)  # the first example compiles
@given(st.characters(exclude_categories=["Cs"]))
def test_a_code_point_decodes_and_encodes_to_itself(char):
    data = np.frombuffer(char.encode() + b"xxx", np.uint8)
    assert c.decode(data, 0, len(data)) == (ord(char), len(char.encode()))
    code, size = c.encode(ord(char))
    assert int(code).to_bytes(size, "little") == char.encode()


@settings(deadline=None)  # the first example compiles
@given(st.binary(min_size=1, max_size=6), st.data())
def test_broken_bytes_decode_forward_and_in_bounds(raw, pick):
    start = pick.draw(st.integers(0, len(raw) - 1))
    stop = pick.draw(st.integers(start + 1, len(raw)))
    point, after = c.decode(np.frombuffer(raw, np.uint8), start, stop)
    assert start < after <= stop
    assert 0 <= point < c.CODE_POINTS
