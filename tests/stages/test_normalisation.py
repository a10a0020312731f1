"""Normalised text is what Python's own Unicode and datatrove make of it, on any Python version."""

import importlib.util
import unicodedata
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus import forms
from corpus.classes import OTHER, classes
from corpus.errors import RecipeError
from stages.normalisation import DATATROVE, PLAIN, Normalisation, normalised

ROOT = Path(__file__).parents[2]
LOWER, STRIP, NFKC = Normalisation(case="lower"), Normalisation(diacritics="strip"), Normalisation(diacritics="nfkc")


def known(char):
    """Whether a character was assigned in Unicode 14, or is not today: a later Python knows more."""
    return classes()[ord(char)] != OTHER or unicodedata.category(char)[0] == "C"


ODD = "aAeE iIsS019.,|!-_ \t\n\x85\u200b\u2028ΣσςİıßẞȺÀéﬁ①Ⅷ٣٫１。ʰ'’·\u00ad\u0301\u0300\u0323\u0345"
ODD += "\u0f71\u0f72\u1100\u1161\u11a8가각한글\u0958\u0344\u212b\u2126\ufdfa\u09c7\u09be\u0b47\u0b56\u0b3e\u302e"
ODD += "\U0001d15e\U00011099\U000110ba日々한😀\x00"
chars = st.sampled_from(ODD) | st.characters(exclude_categories=["Cs"]).filter(known)
texts = st.text(chars, max_size=40)


def made(text, how):
    (found,) = normalised(pa.array([text], pa.large_string()), how).to_pylist()
    return found


def stripped(text):
    return "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")


@given(texts)
@example("ΑΣ ΑΣΑ Σ ʰΣ Α'Σ' Α'Σ'α \u0301Σ ΣΣΣ")
@example("İSTANBUL")
def test_lower_case_is_that_of_python(text):
    assert made(text, LOWER) == text.lower()


@given(texts)
@example("\u0301\u0323a\u0301\u0323" + "\u0315\u0300\u05ae\u0301" * 20)
@example("a\u0305\u0301")  # blocked by a mark of the same class that composes with nothing
def test_nfkc_is_that_of_unicodedata(text):
    assert made(text, NFKC) == unicodedata.normalize("NFKC", text)


@given(texts)
def test_stripping_is_nfd_without_nonspacing_marks(text):
    assert made(text, STRIP) == stripped(text)


@given(texts)
def test_white_space_is_squeezed_as_split_and_join_do(text):
    assert made(text, Normalisation(white_space="squeeze")) == " ".join(text.split())


@given(texts)
def test_punctuation_and_symbols_become_spaces_one_for_one(text):
    expected = "".join(" " if unicodedata.category(char)[0] in "PS" else char for char in text)
    assert made(text, Normalisation(punctuation="space")) == expected


@given(texts)
def test_all_choices_are_the_single_ones_in_order(text):
    """Squeezing trims once more behind the marks; spaces inside that stripping bares stay."""
    once = made(made(text, LOWER), Normalisation(digits="zero"))
    twice = made(made(once, Normalisation(punctuation="space")), Normalisation(white_space="squeeze"))
    assert made(text, PLAIN) == stripped(twice).strip(" ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1|2|3", "0 0 0"),  # field experience with the order: "0" where punctuation goes first
        ("3.14 and 1,000,000", "0 and 0 0"),  # one separator a number, so the last three digits are a number again
        ("v1.2.3.", "v0 0"),
        ("٣٫١٤ १२", "0 0"),
        ("Ångström’s CAFÉ", "angstrom s cafe"),
        ("  ...  ", ""),
    ],
)
def test_worked_examples(text, expected):
    assert made(text, PLAIN) == made(text, DATATROVE) == expected


@given(texts)
@example("１ 1１.2 2.１x")
@example("a \u0301 b\u0301 \u0301")
def test_datatroves_text_byte_for_byte(text):
    simplify = pytest.importorskip("datatrove.utils.text", reason="datatrove is in the extra `interop`").simplify_text
    assert made(text, DATATROVE) == simplify(text)


def test_real_text_is_equal_too(data):
    simplify = pytest.importorskip("datatrove.utils.text", reason="datatrove is in the extra `interop`").simplify_text
    for name in ("web__common_crawl_samples", "multilingual__opensource_guide", "math__textbooks_tex"):
        (path,) = (data / "corpus").glob(f"{name}.jsonl.*")
        with pa.input_stream(str(path), compression="detect") as file:
            found = [orjson.loads(line)["text"] for line in file.read().splitlines()][:60]
        column = pa.array(found, pa.large_string())
        assert normalised(column, DATATROVE).to_pylist() == [simplify(text) for text in found]
        assert normalised(column, NFKC).to_pylist() == [unicodedata.normalize("NFKC", text) for text in found]


@given(st.lists(texts | st.none(), max_size=6), st.sampled_from([PLAIN, LOWER, NFKC, STRIP, Normalisation()]))
def test_neighbours_and_slices_change_nothing(column, how):
    whole = normalised(pa.array(column, pa.large_string()), how)
    assert whole.type == pa.large_string()
    assert whole.null_count == 0
    assert whole.to_pylist() == [made(text or "", how) for text in column]
    part = pa.array(["é 1", *column, "x"], pa.large_string())[1:-1]
    assert normalised(part, how).to_pylist() == whole.to_pylist()


def test_text_that_grows_finds_room():
    """The longest decomposition there is, 18 code points, and a letter whose lower case has a byte more."""
    assert made("\ufdfa" * 3_000, NFKC) == unicodedata.normalize("NFKC", "\ufdfa") * 3_000
    assert made("Ⱥ" * 3_000, LOWER) == "ⱥ" * 3_000


def test_a_million_marks_are_sorted_in_proportion_to_their_number():
    """Sorted by insertion they would take hours; the suite's time limit is the witness."""
    marks = "\u0301\u0323\u05b0\u0327" * 250_000
    assert made("q" + marks, NFKC) == "q" + "".join(sorted(marks, key=unicodedata.combining))


def test_a_choice_that_does_not_exist_is_refused():
    with pytest.raises(RecipeError, match="diacritics 'nfc' is none of: keep, strip, nfkc"):
        Normalisation(diacritics="nfc")


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="this Python has another Unicode version")
def test_the_table_is_what_the_script_writes():
    spec = importlib.util.spec_from_file_location("make_forms", ROOT / "scripts/make_forms.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert (ROOT / "corpus/forms.txt").read_text() == script.written()


def test_the_table_has_the_unicode_version_of_the_classes():
    first = [(ROOT / "corpus" / name).read_text().split(",")[0] for name in ("forms.txt", "classes.txt")]
    assert first == ["# Unicode 14.0.0"] * 2


def test_tables_cannot_be_written():
    for table in (
        forms.lowers(),
        forms.traits(),
        forms.combining(),
        *forms.decompositions(True),
        *forms.compositions(),
    ):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1
