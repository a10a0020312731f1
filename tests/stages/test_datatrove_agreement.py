"""The datatrove dialects against datatrove itself: the same decision for the same reason on every document.

With spaCy's words handed in, as datatrove splits them, nothing may differ. With our own splitting nothing differs
on the fast sample either; scripts/agreement.py prints the table by domain.
"""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import DROP, VALUE, Batch
from corpus.words import Tokens
from scripts.corpus_texts import sample
from stages import c4, c4_lines, fineweb, gopher_quality, gopher_repetition, splitting
from stages.c4_sentences import spacy_sentences
from stages.line_edits import lines

pytest.importorskip("datatrove", reason="datatrove is not installed: pip install winnow[interop]")
pytest.importorskip("spacy", reason="spaCy is not installed: pip install winnow[interop]")

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.c4_filters import CITATION_REGEX, END_PUNCTUATION
from datatrove.utils.text import TERMINAL_PUNCTUATION
from datatrove.utils.word_tokenizers import load_word_tokenizer

PAIRS = {
    "gopher_quality": (gopher_quality.GopherQuality, gopher_quality, GopherQualityFilter),
    "gopher_repetition": (gopher_repetition.GopherRepetition, gopher_repetition, GopherRepetitionFilter),
    "fineweb": (fineweb.FineWeb, fineweb, FineWebQualityFilter),
}
every_pair = pytest.mark.parametrize("name", PAIRS)

WORDS = """
the of and to have that with river stone window ... … # - • don't x. Water, (light) 12 3.5 日本 naïve “so”
"""
BREAKS = [" ", " ", " ", " ", " ", "\n", "\n\n", "\n\n\n", " \n", "\r\n", "\u3000", "\x0b", "\x85", "\t"]


def edge_cases(count: int, seed: int = 7) -> list[str]:
    """Texts near the limits: few words said again and again, in lines and paragraphs, with marks and odd breaks."""
    draw, words = random.Random(seed), WORDS.split()
    texts = ["", " ", "\n\n", "\x00", ".", "\n\na\n\n", "a\n\n\na", "…" * 60, "the and " * 40, "word\n" * 60]
    while len(texts) < count:
        known = draw.sample(words, draw.randint(2, len(words)))
        size, breaks = draw.choice([5, 49, 50, 51, 70, 200, 600]), draw.sample(BREAKS, draw.randint(2, len(BREAKS)))
        parts = [draw.choice(known) + draw.choice(breaks) for _ in range(size)]
        if draw.random() < 0.6:
            start, length = draw.randrange(size), draw.randint(1, 20)
            parts[draw.randrange(size) : 0] = parts[start : start + length] * draw.randint(1, 6)
        texts.append("".join(parts))
    return texts


def by_spacy(texts: list[str]) -> Tokens:
    """datatrove's words as places in the bytes of the texts laid end to end."""
    tokenizer = load_word_tokenizer("en").tokenizer
    first, places, base = [0], [], 0
    for text in texts:
        at = base + np.cumsum([0, *(len(char.encode()) for char in text)])
        words = [t for t in tokenizer.tokenizer(text) if t.text.strip()]
        places += [(at[t.idx], at[t.idx + len(t.text)]) for t in words]
        first.append(len(places))
        base = int(at[-1])
    return Tokens(np.array(first), *np.array(places, np.int64).reshape(-1, 2).T.copy())


def batch_of(texts: list[str]) -> Batch:
    return Batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["text"]))


def reasons(name: str, batch: Batch) -> list[str | None]:
    """Our drops as datatrove would call them; a measure with two limits has two names, below and above."""
    stage, module, _ = PAIRS[name]
    judge = stage(dialect="datatrove")
    least = {rule.measure: rule.low for rule in judge.rules}
    columns = judge.annotate(batch)
    told: list[str | None] = []
    for drop, value in zip(columns[DROP].to_pylist(), columns[VALUE].to_pylist(), strict=True):
        name_there = module.DATATROVE_REASONS.get(drop)
        if isinstance(name_there, tuple):
            below = least[drop] is not None and not value >= least[drop]
            name_there = name_there[0 if below else 1]
        told.append(name_there)
    return told


def theirs(name: str, texts: list[str]) -> list[str | None]:
    judge = PAIRS[name][2]()
    found = [judge.filter(Document(text=text, id="")) for text in texts]
    return [None if verdict is True else verdict[1] for verdict in found]


def differences(name: str, texts: list[str], *, with_words: bool) -> list[tuple[str, str | None, str | None]]:
    batch = batch_of(texts)
    if with_words:
        splitting.given(batch, by_spacy(texts))
    pairs = zip(texts, reasons(name, batch), theirs(name, texts), strict=True)
    return [(text[:80], ours, told) for text, ours, told in pairs if ours != told]


@every_pair
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy, of datatrove's mean of no words
def test_edge_cases_are_decided_as_datatrove_decides_them(name):
    texts = edge_cases(150)
    assert differences(name, texts, with_words=True) == []
    assert differences(name, texts, with_words=False) == []
    assert len(set(theirs(name, texts))) > 2  # the cases reach some of the rules


@every_pair
def test_real_texts_are_decided_as_datatrove_decides_them(name, data):
    texts = [text[:20_000] for found in sample(data / "corpus", 2).values() for text in found]
    assert differences(name, texts, with_words=True) == []
    assert differences(name, texts, with_words=False) == []


@pytest.mark.slow
@every_pair
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_two_thousand_documents_are_decided_as_datatrove_decides_them(name, data):
    texts = [text[:50_000] for found in sample(data / "corpus", 70, seed=11).values() for text in found]
    texts += edge_cases(800, seed=12)
    assert len(texts) >= 2_000
    assert differences(name, texts, with_words=True) == []


def sentences(batch: Batch, texts: list[str]) -> np.ndarray:
    """spaCy's sentences of each line that C4 may keep, as datatrove counts them."""
    split = load_word_tokenizer("en").tokenizer
    split.max_length = 10**9  # datatrove leaves there what the text before needed
    counts = []
    for text in texts:
        for line in text.splitlines():
            said = CITATION_REGEX.sub("", line.strip())
            sound = said.endswith(END_PUNCTUATION) and len(line.split()) >= 3
            counts.append(sum(bool(s.text.strip()) for s in split(said).sents) if sound else 0)
    assert len(counts) == len(lines(batch, "splitlines").starts)
    return np.array(counts, np.int64)


MARKS = '. ! ? ... " ) [1] [edit] 。 no « - U.S.'
SAID = [*MARKS.split(), "It is so", " ", "  ", "\t", "\u00a0"]


@given(st.lists(st.sampled_from(SAID), max_size=14).map("".join))
def test_sentences_of_a_line_are_spacys(line):
    batch = batch_of(["before. It", line.strip(), "a.[2] b"])
    found = lines(batch, "splitlines")
    citations = c4_lines.judged(batch, found, b"", 0, 10**9, False)[1]
    counts = spacy_sentences(batch, found, np.ones(len(citations), bool), citations)
    split = load_word_tokenizer("en").tokenizer
    split.max_length = 10**9  # datatrove leaves there what the text before needed
    bare = [CITATION_REGEX.sub("", one) for one in ("before. It", line.strip(), "a.[2] b") if one]
    assert counts.tolist() == [sum(bool(s.text.strip()) for s in split(one).sents) for one in bare]


def c4_ours(batch: Batch) -> list[tuple[str | None, str | None]]:
    """Our reason as datatrove calls it, and the text of what is kept."""
    columns = c4.C4(dialect="datatrove").annotate(batch)
    rows = zip(batch.text.to_pylist(), columns[DROP].to_pylist(), columns["text"].to_pylist(), strict=True)
    return [
        (None, text if new is None else new) if drop is None else (c4.DATATROVE_REASONS[drop], None)
        for text, drop, new in rows
    ]


def c4_theirs(texts: list[str]) -> list[tuple[str | None, str | None]]:
    judge, found = C4QualityFilter(), []
    for text in texts:
        verdict = judge.filter(document := Document(text=text, id=""))
        found.append((None, document.text) if verdict is True else (verdict[1], None))
    return found


def c4_with_their_sentences(texts: list[str]) -> Batch:
    batch = batch_of(texts)
    c4.given_sentences(batch, sentences(batch, texts))
    return batch


def test_c4_decides_and_edits_as_datatrove_does(data):
    texts = [text[:8_000] for found in sample(data / "corpus", 3, seed=2).values() for text in found]
    texts += edge_cases(60)
    assert c4_ours(c4_with_their_sentences(texts)) == c4_theirs(texts) == c4_ours(batch_of(texts))


@pytest.mark.slow
def test_two_thousand_documents_are_decided_and_edited_by_c4_as_by_datatrove(data):
    """With its sentences and with ours, reason and text."""
    texts = [text[:20_000] for found in sample(data / "corpus", 70, seed=11).values() for text in found]
    texts += edge_cases(800, seed=12)
    assert len(texts) >= 2_000
    told = c4_theirs(texts)
    assert {reason for reason, _ in told} >= {None, "lorem_ipsum", "curly_bracket", "too_few_sentences"}
    assert c4_ours(c4_with_their_sentences(texts)) == told
    assert c4_ours(batch_of(texts)) == told


def test_fineweb_ends_sentences_as_datatrove_does():
    from stages.measures.fineweb import terminal

    assert sorted(map(ord, TERMINAL_PUNCTUATION)) == np.flatnonzero(terminal()).tolist()
