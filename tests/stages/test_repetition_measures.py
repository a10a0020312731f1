"""Measures of repetition against slow readings of the published definitions, and on texts nobody would write."""

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.documents import Batch
from stages import splitting
from stages.measures import MEASURES, measured
from stages.measures.repetition import DIALECTS, ROWS

TEXT = st.lists(
    st.sampled_from(
        [
            "a",
            "a",
            "b",
            "ab",
            "ba",
            "é",
            "日",
            "A",
            "1",
            "-",
            " ",
            " ",
            " ",
            "  ",
            "\n",
            "\n",
            "\n\n",
            "\n\n\n",
            "\t",
            "\x85",
        ]
    ),
    max_size=60,
).map("".join)
LINES = st.lists(st.sampled_from(["one line", "two", " two ", "two ", "", " ", "\n"]), max_size=12).map("\n".join)
TEXTS = st.lists(TEXT | LINES, min_size=1, max_size=4)

HOSTILE = {
    "nothing": "",
    "one letter": "a " * 200_000,
    "one line of 5 MB": "lorem ipsum dolor " * 300_000,
    "one word of 5 MB": "a" * 5_000_000,
    "500,000 lines": "x\n" * 500_000,
    "empty lines": "\n" * 300_000,
    "no word twice": " ".join(map(str, range(200_000))),
    "letters in turn": "ab" * 2_000 + " " + "ba" * 2_000,
    "NUL": "\x00" * 10_000,
    "combining marks": "\u0301" * 100_000,
}


def batch_of(texts):
    return Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))


def table(texts):
    return {name: values.tolist() for name, values in measured(batch_of(texts), ROWS).items()}


def the_words(text):
    found = batch_of([text]).words
    return [text.encode()[a:b].decode() for a, b in zip(found.starts, found.ends, strict=True)]


def later(items):
    """Second and later copies."""
    return [item for n, item in enumerate(items) if item in items[:n]]


def every(items):
    """All copies of what stands twice or more."""
    counts = Counter(items)
    return [item for item in items if counts[item] > 1]


def size(items):
    return sum(map(len, items))


def per(part, whole):
    return part / whole if whole else 0.0


def grams(words, n):
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def covered(words, n, places):
    """Characters of the words that n-grams at those places cover, each once."""
    return size([words[i] for i in sorted({p + k for p in places for k in range(n)})])


def segments(dialect, text):
    """Lines and paragraphs as a dialect cuts them, and what the characters of each are a share of."""
    if dialect == "datatrove":
        return re.split("\n+", text), re.split(r"\n{2,}", text.strip()), len(text), len(text)
    if dialect == "dolma":
        return text.split("\n"), None, max(size(text.split()), 1), None
    if dialect == "paper":
        words, raw = batch_of([text]).words, text.encode()
        cuts = (words.line_starts, words.line_ends), (words.paragraph_starts, words.paragraph_ends)
        pieces = [[raw[a:b].decode().strip() for a, b in zip(*cut, strict=True)] for cut in cuts]
    else:
        pieces = [[piece.strip() for piece in text.split(end)] for end in ("\n", "\n\n")]
    lines, paragraphs = ([piece for piece in found if piece] for found in pieces)
    return lines, paragraphs, size(lines), size(paragraphs)


def slow_segments(dialect, text):
    copies = every if dialect in ("dclm", "dolma") else later
    lines, paragraphs, line_chars, paragraph_chars = segments(dialect, text)
    found = {}
    for unit, pieces, chars in (("line", lines, line_chars), ("paragraph", paragraphs, paragraph_chars)):
        if pieces is None:
            continue
        empty = not pieces and dialect in ("dclm", "nemo")
        found[f"duplicate_{unit}_share"] = 1.0 if empty else per(len(copies(pieces)), len(pieces))
        found[f"duplicate_{unit}_char_share"] = 1.0 if empty else per(size(copies(pieces)), chars)
    return found


def slow_top(dialect, text, words, n):
    found = grams(words, n)
    if not found:
        return 1.0 if dialect == "nemo" else 0.0
    counts = Counter(found)
    top = max(counts, key=counts.__getitem__)  # the first of equally frequent ones
    if dialect in ("paper", "dclm"):
        if counts[top] == 1:
            return 0.0
        top = max((gram for gram in counts if counts[gram] == counts[top]), key=lambda gram: size(gram))
    if dialect == "paper":
        length, most = size(top), counts[top]
        tied = [g for g in counts if counts[g] == most and size(g) == length]
        return covered(words, n, [i for i, gram in enumerate(found) if gram == tied[0]]) / size(words)
    if dialect == "datatrove":
        return counts[top] * len(" ".join(top)) / len(text)
    if dialect == "nemo":
        return len(re.findall(rf"(?<!\S){re.escape(' '.join(top))}(?!\S)", text)) * len(" ".join(top)) / len(text)
    return counts[top] * size(top) / size(words)


def slow_again(dialect, text, words, n):
    if dialect == "datatrove":
        seen, repeated, at = set(), 0, 0
        while at < len(words) - n + 1:
            gram = "".join(words[at : at + n])
            hit = gram in seen
            repeated, at = repeated + len(gram) * hit, at + (n if hit else 1)
            seen.add(gram)
        return per(repeated, len(text))
    found = grams(words, n)
    if not found:
        return 1.0 if dialect == "nemo" else 0.0
    counts = Counter(found)
    if dialect == "dolma":
        return size(["".join(gram) for gram in every(found)]) / size(["".join(gram) for gram in found])
    if dialect == "dclm":
        return covered(words, n, [i for i, gram in enumerate(found) if counts[gram] > 1]) / size(words)
    places = [i for i, gram in enumerate(found) if gram in found[:i]]
    chars = covered(words, n, places)
    if dialect == "paper":
        return chars / size(words)
    reach = 0
    for place in places:
        fresh = place + n - max(reach, place)
        chars, reach = chars + min(fresh, n - 1), place + n
    return chars / len(text)


def slowly(dialect, text):
    words = the_words(text) if dialect in ("paper", "dclm") else text.split()
    if dialect == "paper":
        words = [word.casefold() for word in words]
    found = slow_segments(dialect, text)
    found |= {f"top_{n}gram_char_share": slow_top(dialect, text, words, n) for n in (2, 3, 4)}
    found |= {f"duplicate_{n}gram_char_share": slow_again(dialect, text, words, n) for n in range(5, 11)}
    return {name if dialect == "paper" else f"{dialect}_{name}": value for name, value in found.items()}


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=150)
@given(texts=TEXTS)
@example(texts=["a a a a a a a a a a a a"])
@example(texts=["ab c ab c x a bc a bc ab c a b c a b c a"])
@example(texts=["one line\n\none line\n\n\ntwo"])
def test_kernels_are_the_slow_reading(dialect, texts):
    batch = batch_of(texts)
    splitting.given(batch, splitting.tokens(batch, "whitespace"))  # spaCy's words have tests of their own
    wanted = [slowly(dialect, text) for text in texts]
    for name, values in measured(batch, wanted[0]).items():
        assert values.tolist() == pytest.approx([want[name] for want in wanted], abs=1e-12), name


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["abcdefgh", "abcdefg", "h", "h" * 9, "abcdefgh" * 2, "é日", "x"]), max_size=90))
@example(["abcdefgh", "abcdefgh", "x", "x", "h"] * 3)
@example(["ab", "cd", "ef", "gh", "ij", "klmnopqrst", "x", "abcd", "efghijklm", "n", "o", "p", "qrst"])
def test_strings_that_begin_alike_are_told_apart_as_in_the_slow_reading(words):
    """By their first 8, 16 and 32 bytes the kernel guesses which may be copies."""
    batch = batch_of([" ".join(words)])
    splitting.given(batch, splitting.tokens(batch, "whitespace"))
    wanted = slowly("datatrove", " ".join(words))
    for name, values in measured(batch, wanted).items():
        assert values.tolist() == pytest.approx([wanted[name]], abs=1e-12), name


@given(TEXTS, st.integers(0, 4))
def test_a_text_is_measured_alone(texts, cut):
    whole = table(texts)
    for part in (slice(cut), slice(cut, None)):
        if texts[part]:
            assert table(texts[part]) == {name: values[part] for name, values in whole.items()}


@given(TEXTS)
def test_shares_of_the_paper_are_shares(texts):
    for name, values in table(texts).items():
        assert np.isfinite(values).all()
        assert min(values) >= 0
        if not name.startswith(("datatrove_", "dclm_", "dolma_", "nemo_")):  # theirs count overlaps twice
            assert max(values) <= 1


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_measured(name):
    for measure, values in table([HOSTILE[name], "a text behind it"]).items():
        assert np.isfinite(values).all(), measure
    alone = table(["a text behind it"])
    assert {m: v[1:] for m, v in table(["x", "a text behind it"]).items()} == alone


def test_text_that_stands_twice_is_half_repeated_in_the_paper_and_wholly_in_dclm():
    words = " ".join(f"w{n}" for n in range(40))
    found = table([f"{words}.\n{words}."])
    for n in range(5, 11):
        assert found[f"duplicate_{n}gram_char_share"] == [0.5]
        assert found[f"dclm_duplicate_{n}gram_char_share"] == [1.0]
    assert found["duplicate_line_share"] == found["duplicate_line_char_share"] == [0.5]
    assert found["dclm_duplicate_line_share"] == [1.0]


def test_every_measure_is_in_the_table_of_measures():
    assert set(ROWS) <= set(MEASURES)
    assert len(ROWS) == 5 * 13 - 2 + 1  # Dolma has no paragraphs; datatrove asks for a character
