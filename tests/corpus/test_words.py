"""The word pass against a slow reference, golden cases, and the law that batches do not matter."""

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.buffers import utf8
from corpus.classes import CLOSER, TERMINATOR, classes, folds
from corpus.words import HAS_DIGIT, HAS_LETTER, stop, word_hash, words

# Every class and property, ASCII often, so that words, sentences and blank lines do arise.
LIKELY = (
    "abcXYZ019__''..,,::;#-!? \"\")   \n\n\n\r\t"
    ".…’·é\u0301\u200d\u00ad\u200bß日本ひテ한ก。！？．»٣²😀❤\ufe0f\x00\x85\u2028"
)
TEXT = st.text(st.sampled_from(LIKELY), max_size=60)
ANY = st.one_of(TEXT, st.text(max_size=30), st.text(st.sampled_from("ab. \n'"), max_size=200))

CODES = dict.fromkeys(("Lu", "Ll", "Lt", "Lm", "Lo", "Nl"), "L") | {
    "Nd": "D",
    "No": "D",
    "Pc": "C",
    "Cf": "F",
}
BOTH, LETTERS, NUMBERS = ".'‘’․﹒＇．", ":··՟״‧︓﹕：", ",;;։،؍٬߸⁄︐︔﹐﹔，；"
HAN = re.compile(r"CJK (UNIFIED|COMPATIBILITY) IDEOGRAPH|HIRAGANA|HANGZHOU|TANGUT IDEO|NUSHU|KHITAN")
WORD = re.compile(r"K[MF]*|(?:L[MF]*(?:[mb](?=L))?|D[MF]*(?:[nb](?=D))?|C[MF]*)+")
BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def code(char):
    """One letter for what the reference needs to know of a character, straight from unicodedata."""
    if char in BOTH + LETTERS + NUMBERS:
        return "b" if char in BOTH else "m" if char in LETTERS else "n"
    category = unicodedata.category(char)
    if char == "\u200b" or category == "Zs" or char in "\t\v\f\x1c\x1d\x1e\x1f":
        return " "
    if category[0] in "LN" and (char in "々〆〇" or HAN.match(unicodedata.name(char, ""))):
        return "K"
    return "M" if category[0] == "M" else CODES.get(category, "|" if BREAK.match(char) else "x")


def word_spans(text):
    """(start, end) in characters of each word of the text."""
    coded = "".join(map(code, text))
    return [found.span() for found in WORD.finditer(coded) if re.search("[LDK]", found[0])]


def line_spans(text):
    """(start, end) of each line."""
    cuts = [(0, 0), *(found.span() for found in BREAK.finditer(text))]
    ends = [start for start, _ in cuts[1:]] + [len(text)]
    spans = [(after, end) for (_, after), end in zip(cuts, ends, strict=True)]
    return spans if spans[-1][0] < len(text) else spans[:-1]


def paragraph_spans(text):
    """(start, end) of each run of lines that show something."""
    runs, last_shown = [], False
    for start, end in line_spans(text):
        shown = any(code(char) not in " F" for char in text[start:end])
        if shown and last_shown:
            runs[-1] = (runs[-1][0], end)
        elif shown:
            runs.append((start, end))
        last_shown = shown
    return runs


def sentence_ends(text, terminators, closers):
    """The end of each sentence, by looking at every run of terminators outside words."""
    covered = {i for a, b in (m.span() for m in WORD.finditer("".join(map(code, text)))) for i in range(a, b)}
    outside = "".join("a" if i in covered else char for i, char in enumerate(text))
    ends = {end for _, end in paragraph_spans(text)}
    for run in re.finditer(f"([{re.escape(terminators)}]+)[{re.escape(closers)}]*", outside):
        rest = text[run.end() :]
        following = rest.lstrip("".join({char for char in rest if code(char) in " |"}))
        white = not rest or len(following) < len(rest)
        goes_on = run[1][-1] in ".…" and following and unicodedata.category(following[0]) == "Ll"
        if run[1][-1] >= "\u3000" or (white and not goes_on):
            ends.add(run.end())
    kept, last = [], 0
    for end in sorted(ends):
        if any(last <= start < end for start, _ in word_spans(text)):
            kept.append(end)
            last = end
    return kept


def split(text):
    """What `words` finds in one text, as strings and flags."""
    found, raw = words(pa.array([text], pa.large_string())), text.encode()

    def cut(starts, ends):
        return [raw[a:b].decode() for a, b in zip(starts, ends, strict=True)]

    sentences = cut([0, *found.sentence_ends][:-1], found.sentence_ends)
    return (
        cut(found.starts, found.ends),
        cut(found.line_starts, found.line_ends),
        cut(found.paragraph_starts, found.paragraph_ends),
        [sentence.strip() for sentence in sentences],
        found,
    )


def known(text):
    """Whether unicodedata of this Python classes the text as our table (Unicode 14) does."""
    return unicodedata.unidata_version == "14.0.0" or set(text) <= set(LIKELY)


@settings(max_examples=400, deadline=None)
@given(ANY.filter(known))
@example("a.\n\nb. c.")
@example("日。本。")
@example(". \n\na")
@example("a'1.2'b")
@example("x_.'_")
@example("a\r\n\r\n")
def test_words_lines_paragraphs_and_sentences_agree_with_the_reference(text):
    tokens, lines, paragraphs, _, found = split(text)
    assert tokens == [text[a:b] for a, b in word_spans(text)]
    assert lines == [text[a:b] for a, b in line_spans(text)]
    assert paragraphs == [text[a:b] for a, b in paragraph_spans(text)]
    bytes_before = [len(text[:n].encode()) for n in sentence_ends(text, *marks(text))]
    assert found.sentence_ends.tolist() == bytes_before


def marks(text):
    """The terminators and closers among the characters of a text, from the table (its own test has facts)."""
    bits = {char: classes()[ord(char)] for char in text + ".»"}
    return tuple("".join(char for char in bits if bits[char] & bit) for bit in (TERMINATOR, CLOSER))


@settings(deadline=None)
@given(ANY)
def test_the_numbers_of_a_word_are_those_of_its_characters(text):
    tokens, *_, found = split(text)
    kinds = (classes() & 0x0F).tolist()
    for token, chars, flags in zip(tokens, found.chars, found.kinds, strict=True):
        held = {kinds[ord(char)] for char in token}
        assert chars == len(token)
        assert flags == HAS_LETTER * bool(held & {9, 10, 11}) + HAS_DIGIT * (8 in held)


@settings(deadline=None)
@given(ANY, ANY)
def test_words_hash_alike_exactly_where_they_fold_alike(left, right):
    """Also holds the eight-byte path of ASCII words to the one that takes characters one by one."""
    by_hash = {}
    for text in (left, right, left.upper(), " ".join(left), left + "é", left + " " * 9):
        tokens, *_, found = split(text)
        for token, h in zip(tokens, found.hashes.tolist(), strict=True):
            visible = [char for char in token if unicodedata.category(char) != "Cf"]
            assert by_hash.setdefault(h, folded := "".join(chr(folds()[ord(c)]) for c in visible)) == folded
    assert len(set(by_hash.values())) == len(by_hash)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), ANY), max_size=8), st.integers(0, 8))
def test_where_a_batch_is_split_changes_nothing(texts, at):
    array = pa.array(texts, pa.large_string())
    whole = by_document(array)
    assert by_document(array.slice(0, at)) + by_document(array.slice(at)) == whole
    assert by_document(pa.array(texts, pa.string())) == whole


def by_document(array):
    """Everything `words` says, a plain value a document, places counted from the document's start."""
    found, (starts, _) = words(array), utf8(array)
    groups = {
        "first": ("starts", "ends", "hashes", "chars", "kinds"),
        "line_first": ("line_starts", "line_ends"),
        "paragraph_first": ("paragraph_starts", "paragraph_ends"),
        "sentence_first": ("sentence_ends",),
    }
    documents = []
    for n in range(len(array)):
        told = {}
        for first, names in groups.items():
            a, b = getattr(found, first)[n : n + 2]
            for name in names:
                shift = starts[n] if name.endswith(("starts", "ends")) else 0
                told[name] = (getattr(found, name)[a:b] - shift).tolist()
        documents.append(told)
    return documents


@settings(deadline=None)
@given(st.binary(max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_bytes_that_are_no_utf8_stay_in_bounds(raw, cuts):
    offsets = np.array(sorted({0, len(raw), *(cut for cut in cuts if cut <= len(raw))}), np.int64)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(raw)]
    found = words(pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers))
    for first, starts, ends in (
        (found.first, found.starts, found.ends),
        (found.line_first, found.line_starts, found.line_ends),
        (found.paragraph_first, found.paragraph_starts, found.paragraph_ends),
    ):
        document = np.repeat(np.arange(len(offsets) - 1), np.diff(first))
        assert (starts <= ends).all()
        assert (offsets[document] <= starts).all()
        assert (ends <= offsets[document + 1]).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't don’t O'Neill's 'quoted'", ["don't", "don’t", "O'Neill's", "quoted"]),
        ("3.14 1,000 1'000 10:30 v2.0 2.x", ["3.14", "1,000", "1'000", "10", "30", "v2.0", "2", "x"]),
        ("e.g. U.S. example.com end.", ["e.g", "U.S", "example.com", "end"]),
        ("日本語です", ["日", "本", "語", "で", "す"]),
        ("Tシャツ 한국어 ภาษาไทย", ["Tシャツ", "한국어", "ภาษาไทย"]),
        ("naïve nai\u0308ve", ["naïve", "nai\u0308ve"]),
        ("👩‍👩‍👧 ❤️ 1️⃣ x", ["1️⃣", "x"]),
        ("#tag @name a_b __init__ ___", ["tag", "name", "a_b", "__init__"]),
        ("well-known either/or", ["well", "known", "either", "or"]),
        ("\u0301\u0301 \u200d", []),
        ("soft\u00adly zero\u200bwidth", ["soft\u00adly", "zero", "width"]),
    ],
)
def test_golden_words(text, expected):
    assert split(text)[0] == expected


@pytest.mark.parametrize(
    ("text", "lines", "paragraphs"),
    [
        ("", [], []),
        ("\n", [""], []),
        ("a\nb\n", ["a", "b"], ["a\nb"]),
        ("a\r\nb\r\n\r\n \t\r\n c", ["a", "b", "", " \t", " c"], ["a\r\nb", " c"]),
        ("a\n\n\nb", ["a", "", "", "b"], ["a", "b"]),
        ("a\u2028b\u2029c\x85d\re", ["a", "b", "c", "d", "e"], ["a\u2028b\u2029c\x85d\re"]),
        ("  \n\u3000\n\ufeff", ["  ", "\u3000", "\ufeff"], []),
    ],
)
def test_golden_lines_and_paragraphs(text, lines, paragraphs):
    assert split(text)[1:3] == (lines, paragraphs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It cost 3.14, e.g. at example.com. So.", ["It cost 3.14, e.g. at example.com.", "So."]),
        ('He said "No." And left... slowly. (Yes.)', ['He said "No."', "And left... slowly.", "(Yes.)"]),
        ("What?! no", ["What?!", "no"]),
        ("Title\n\nBody runs\non. End", ["Title", "Body runs\non.", "End"]),
        ("日本。「はい。」人", ["日本。", "「はい。」", "人"]),
        ("... !!! ...", []),
        ("No end", ["No end"]),
        ("हाँ। नहीं।", ["हाँ।", "नहीं।"]),
    ],
)
def test_golden_sentences(text, expected):
    assert split(text)[3] == expected


def test_a_word_hashes_alike_wherever_it_stands():
    assert word_hash("The") == word_hash("tHE") == int(words(pa.array(["(the)"])).hashes[0])
    assert word_hash("soft\u00adly") == word_hash("Softly")
    assert word_hash("the") == 0x774D100A4562EA67
    assert word_hash("Überraschungsei") == 0x2CAAC7E83B3B7905
    assert stop(["to", "TO", "be"]).tolist() == sorted([word_hash("be"), word_hash("to")])


@pytest.mark.parametrize("text", ["", "...", "two words", "日本"])
def test_word_hash_refuses_what_is_not_one_word(text):
    with pytest.raises(ValueError, match="one was asked for"):
        word_hash(text)


@pytest.mark.parametrize(
    "text", ["a" * 3_000_000, "\n" * 1_000_000, "a b " * 500_000, "\u0301" * 500_000, "._'" * 700_000]
)
def test_long_monotony_is_no_trouble(text):
    found = words(pa.array([text], pa.large_string()))
    assert len(found.starts) == text.count("a ") * 2 or len(found.starts) == (1 if text[1] == "a" else 0)
    assert len(found.line_starts) == max(1, text.count("\n"))
