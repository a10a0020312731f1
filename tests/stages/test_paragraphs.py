"""Repeated paragraphs and lines against a dict of all of them, and worked examples."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeats_in_memory import batch, by_hand, in_order, kept, laid, left

from corpus.documents import DROP, TEXT, VALUE
from stages.paragraphs import Lines, Paragraphs

BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
FEW = st.lists(
    st.sampled_from(["a", "b c", "c", "\n", "\n", "\n\n", " ", "é", "1", "2", "!", "日本"]), max_size=14
).map("".join)
IDS = [f"d{n}" for n in range(9)]


def lines(text):
    """(start, end, end of its break) of each line, in characters."""
    found, at = [], 0
    for match in BREAKS.finditer(text):
        found.append((at, match.start(), match.end()))
        at = match.end()
    return [*found, (at, len(text), len(text))] if at < len(text) else found


def paragraphs(text):
    found, run = [], []
    for line in [*lines(text), (len(text), len(text), len(text))]:
        if text[line[0] : line[1]].strip(" \t"):
            run.append(line)
        elif run:
            found.append((run[0][0], run[-1][1]))
            run = []
    return found


def pieces(text, some, key):
    """(key, start, end) in bytes: a piece reaches to where the next begins."""
    starts = [start for start, *_ in some]
    at = [len(text[:a].encode()) for a in [*starts[1:], len(text)][: len(starts)]]
    return [
        (key(text[start:end]), len(text[:start].encode()), behind)
        for (start, end, *_), behind in zip(some, at, strict=True)
    ]


def words(piece):
    return len(re.findall(r"[a-z0-9é]+|[日本]", piece))


def same(piece):
    return piece


def normalised(piece):
    without = "".join(c for c in piece.casefold() if not unicodedata.category(c).startswith("P"))
    return re.sub(r"[0-9]", "0", " ".join(without.split()))


@given(
    st.lists(FEW, max_size=9), st.integers(1, 3), st.integers(2, 3), st.sampled_from(["first", "none"]), st.booleans()
)
def test_repeated_paragraphs_are_cut_as_by_hand(texts, least_words, least_count, keep, loose):
    settings = {"least_words": least_words, "least_count": least_count, "keep": keep, "least_left_words": 0}
    some = [[p for p in paragraphs(text) if words(text[slice(*p)]) >= least_words] for text in texts]
    whole = [pieces(text, paragraphs(text), normalised if loose else same) for text in texts]
    long = [{len(text[: p[0]].encode()) for p in one} for text, one in zip(texts, some, strict=True)]
    rows = [[piece for piece in one if piece[1] in starts] for one, starts in zip(whole, long, strict=True)]
    stays = by_hand(rows, texts, IDS[: len(texts)], least_count, keep)
    assert left(Paragraphs(normalise=loose, **settings), texts, IDS[: len(texts)], 2) == kept(texts, stays)


@given(st.lists(FEW, max_size=9), st.booleans())
def test_repeated_lines_are_cut_as_by_hand(texts, loose):
    whole = [pieces(text, lines(text), normalised if loose else same) for text in texts]
    starts = [{len(text[:a].encode()) for a, b, _ in lines(text) if words(text[a:b])} for text in texts]
    rows = [[piece for piece in one if piece[1] in long] for one, long in zip(whole, starts, strict=True)]
    stays = by_hand(rows, texts, IDS[: len(texts)])
    assert left(Lines(normalise=loose, least_left_words=0), texts, IDS[: len(texts)], 3) == kept(texts, stays)


def test_a_worked_example():
    """A notice on three pages: the page whose id hashes least keeps it, the page that is nothing else goes."""
    notice = "Cookies make this site work. Read on to learn which ones."
    texts = [f"One.\n\n{notice}\n\nFirst page.", notice, f"{notice}\n\nThird page."]
    first, *others = in_order(texts, IDS[:3])
    assert left(Paragraphs(least_words=5), texts, IDS[:3]) == [
        text if n == first else ["One.\n\nFirst page.", None, "Third page."][n] for n, text in enumerate(texts)
    ]
    table = laid(Paragraphs(least_words=5), texts, IDS[:3])
    for n in others:
        start = texts[n].index(notice)
        end = min(len(texts[n]), start + len(notice) + 2)
        assert table["paragraphs_spans"][n].as_py() == [{"start": start, "end": end}]
        assert (table["pieces_cut"][n].as_py(), table["bytes_cut"][n].as_py()) == (1, end - start)
    assert table[DROP].to_pylist() == ["little left" if n == 1 and first != 1 else None for n in range(3)]
    assert table["paragraphs_spans"][first].as_py() is None
    assert table[TEXT][first].as_py() is None


def test_too_little_left_drops_a_document_and_says_how_much():
    texts = ["shared line\nof mine alone", "shared line\nof yours", "untouched"]
    table = laid(Lines(least_left_words=3), texts, IDS[:3])
    loser = in_order(texts[:2], IDS[:2])[1]
    words_left = [3, 2][loser]
    assert table[DROP][loser].as_py() == (None if words_left == 3 else "little left")
    assert table[VALUE][loser].as_py() == (None if words_left == 3 else 2.0)
    assert table[DROP][2].as_py() is None, "a document of which nothing was cut is not judged"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Call 555-1234 now!", "call 999 0000  now", False),
        ("Call 555 1234 now!", "CALL: 999 0000\tNow", True),
        ("© 2019 ACME, Inc.", "© 2024 Acme Inc", True),
        ("soft\u00adhyphen", "softhyphen", True),
        ("ГОД 1999", "год 2000", True),
        ("naïve", "naive", False),
        ("ⱥⱥ", "ȺȺ", True),  # folding makes three bytes of two
        ("a b", "ab", False),
    ],
)
def test_what_normalising_makes_equal(one, other, equal):
    keys = [Lines().emit(batch([text])).select(["key", "key2"]).to_pylist() for text in (one, other)]
    assert (keys[0] == keys[1]) is equal
    exact = [Lines(normalise=False).emit(batch([text])).select(["key", "key2"]).to_pylist() for text in (one, other)]
    assert exact[0] != exact[1]


def test_lines_without_words_are_left():
    texts = ["}\n}\n\nfoo\n}", "}\n\n}\nbar"]
    assert left(Lines(), texts) == texts
