"""Readings of Gopher's quality rules told apart: each difference on a text that shows it, datatrove's on itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_readings import TEXT, batch_of, fast

from stages.gopher_quality import DATATROVE_REASONS, GopherQuality
from stages.measures.tokens import WORDED, held
from stages.rules import Rule
from stages.splitting import Tokens, tokens
from stages.splitting import given as take

ALL = ("datatrove", "dclm", "dolma", "nemo")


def read(text, name, dialects=("paper", *ALL)):
    """A measure of one text in several dialects."""
    names = {dialect: name if dialect == "paper" else f"{dialect}_{name}" for dialect in dialects}
    found = fast(text, names.values())
    return {dialect: found[full] for dialect, full in names.items()}


def drop_of(text, dialect, **settings):
    stage = GopherQuality(dialect=dialect, **settings)
    row = stage.checked(stage.annotate(batch_of([text])), 1).to_pylist()[0]
    return row["drop"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        # spaCy splits don't in two and the hyphen off; white space does neither; a dash alone is a run, no word.
        ("words", "don't well-known —", {"paper": 3, "datatrove": 4, "dclm": 2, "dolma": 3, "nemo": 3}),
        # fastText does not split at a no-break space.
        ("words", "one\u00a0two", {"paper": 2, "datatrove": 2, "dclm": 1, "dolma": 2, "nemo": 2}),
        ("mean_word_length", "ab, cd!", {"paper": 2, "datatrove": 2, "dclm": 3, "nemo": 3}),
        ("alphabetic_word_share", "a , 1", {"paper": 0.5, "datatrove": 1 / 3, "dclm": 1 / 3, "dolma": 1 / 3}),
        ("stop_words", "The the, the", {"paper": 1, "datatrove": 1, "dclm": 2, "dolma": 1, "nemo": 1}),
        ("stop_words", "the the of", {"paper": 2, "datatrove": 2, "dclm": 3, "dolma": 3, "nemo": 3}),
        ("symbol_word_ratio", "##a b... c. . . d", {"dclm": 4 / 6, "dolma": 1 / 6, "nemo": 0.0}),
        ("symbol_word_ratio", "# ... … (...)", {"dclm": 1.0, "dolma": 0.5, "nemo": 1.0}),
        (
            "bullet_line_share", "• a\n● b\n* c\n- d\n  - e",
            {"paper": 1, "datatrove": 0.6, "dclm": 1, "dolma": 0.4, "nemo": 0.4},
        ),
        ("bullet_line_share", "- a\n\n", {"paper": 1, "datatrove": 0.5, "dclm": 1, "dolma": 1 / 3, "nemo": 0}),
        (
            "ellipsis_line_share", "a...\nb…\nc. . .\nread more",
            {"paper": 0.5, "datatrove": 0.5, "dclm": 0.75, "dolma": 0.25, "nemo": 0.75},
        ),
        ("ellipsis_line_share", "a… \nb", {"paper": 0.5, "datatrove": 0.5, "dclm": 0.5, "dolma": 0, "nemo": 0.5}),
        # A vertical tab ends a line of splitlines() alone.
        ("ellipsis_line_share", "a…\x0bb", {"datatrove": 0.5, "dclm": 0, "dolma": 0, "nemo": 0}),
    ],
)  # fmt: skip
def test_dialects_differ_where_they_are_known_to(name, text, expected):
    assert read(text, name, expected) == pytest.approx(expected)


def test_dolma_takes_the_median_where_others_take_the_mean():
    text = "with that have " + "ab " * 30 + "abcdefghijklm " * 20
    assert fast(text, ["dolma_median_word_length", "dclm_mean_word_length"]) == {
        "dolma_median_word_length": 2,
        "dclm_mean_word_length": pytest.approx(332 / 53),
    }
    assert drop_of(text, "dolma") == "dolma_median_word_length"
    assert drop_of(text, "dclm") is None


@pytest.mark.parametrize("dialect", ALL)
def test_every_dialect_has_its_own_columns_and_limits(dialect):
    stage = GopherQuality(dialect=dialect, max_words=60, max_ellipsis_line_share=0.5)
    assert all(name.startswith(f"{dialect}_") for name in stage.adds)
    assert Rule(f"{dialect}_words", 50, 60) in stage.rules
    assert Rule(f"{dialect}_ellipsis_line_share", high=0.5) in stage.rules
    assert drop_of("the with " * 30, dialect) is None
    assert drop_of("the with " * 31, dialect, max_words=60) == f"{dialect}_words"


def test_nemo_asks_for_symbols_before_words():
    assert drop_of("# # # ...", "nemo") == "nemo_symbol_word_ratio"
    assert drop_of("# # # ...", "dolma") == "dolma_words"


def as_tokens(batch, split):
    """Strings that lie in their texts in order, as places."""
    first, places = [0], []
    offsets, data = batch.utf8
    for n, words in enumerate(split):
        at, raw = int(offsets[n]), data.tobytes()
        for word in words:
            begin = raw.index(word.encode(), at)
            at = begin + len(word.encode())
            places.append((begin, at))
        first.append(len(places))
    return Tokens(*(np.array(at, np.int64) for at in (first, [a for a, _ in places], [b for _, b in places])))


@pytest.fixture(scope="module")
def datatrove():
    """datatrove's own filter and its splitting of English."""
    filters = pytest.importorskip("datatrove.pipeline.filters", reason="datatrove is an optional extra")
    text = pytest.importorskip("datatrove.utils.text")
    data = pytest.importorskip("datatrove.data")
    pytest.importorskip("spacy", reason="datatrove splits English with spaCy")
    filter_ = filters.GopherQualityFilter()

    def verdict(document):
        try:
            kept = filter_.filter(data.Document(text=document, id="x"))
        except ZeroDivisionError:  # of a text without lines or words, which no default limit lets get that far
            return "nothing to divide by"
        return None if kept is True else kept[1]

    return verdict, text.split_into_words


def reasons(texts, split):
    """Our reasons in datatrove's words, its splitting given."""
    batch, stage = batch_of(texts), GopherQuality(dialect="datatrove")
    take(batch, as_tokens(batch, map(split, texts)))
    table = stage.checked(stage.annotate(batch), len(texts)).to_pylist()
    least = {rule.measure: rule.low for rule in stage.rules}
    return [
        DATATROVE_REASONS[row["drop"]][not (least[row["drop"]] is not None and row["value"] < least[row["drop"]])]
        if row["drop"]
        else None
        for row in table
    ]


PROSE = "it is what they have said of the river and that it would be with them to the end "
CASES = [
    "", " \n", "too short", PROSE * 4, PROSE * 8_000, "a b " * 60, "incomprehensibilities " * 60,
    (PROSE + "# # # # ") * 4, (PROSE + "... … ... ") * 4, ("- " + PROSE + "\n") * 5, ("• " + PROSE + "\n\n") * 5,
    ("* " + PROSE + "\n") * 5, (PROSE + "...\n") * 5, (PROSE + "…  \x0b") * 5, (PROSE + "\n") * 5 + "...\n" * 2,
    PROSE * 3 + "1984 " * 40, PROSE * 4 + "Ⅷ ² ٣ " * 4, "The OF word don't, " * 30, "the of word can't; " * 30,
    "the the the cannot be: well-known (or so) 3.5% U.S. http://a.b/c?d=e " * 12, PROSE * 4 + "日本語のテキスト" * 9,
    PROSE * 4 + "¡¿ § ° † ‡ " * 20, PROSE * 4 + "\x01 \x7f \x9f " * 30, PROSE * 4 + "— 、 。 ！ " * 40, "\u0301 " * 80,
]  # fmt: skip


def test_datatrove_itself_decides_the_same_and_says_the_same(datatrove):
    verdict, split = datatrove
    assert reasons(CASES, split) == [verdict(text) for text in CASES]


@settings(max_examples=100, deadline=None)
@given(text=TEXT, times=st.integers(1, 30), prose=st.integers(0, 5))
def test_datatrove_itself_agrees_on_what_nobody_would_write(datatrove, text, times, prose):
    verdict, split = datatrove
    whole = PROSE * prose + text * times
    if "\x00" not in whole:  # C strings end there in spaCy's tables
        assert reasons([whole], split) == [verdict(whole)]


def test_tokens_given_later_are_looked_at_again():
    batch = batch_of(["a b c"])
    stage = GopherQuality(dialect="datatrove")
    before = stage.annotate(batch)["datatrove_words"].to_pylist()
    take(batch, Tokens(np.array([0, 1]), np.array([0]), np.array([5])))
    assert before == [3]
    assert stage.annotate(batch)["datatrove_words"].to_pylist() == [1]
    assert len(tokens(batch, "whitespace").starts) == 3


def test_punctuation_is_datatroves():
    theirs = pytest.importorskip("datatrove.utils.text").PUNCTUATION_SET
    chars = [chr(point) for point in range(0x20000) if not 0xD800 <= point < 0xE000]
    assert {char for char in chars if not held()[ord(char)] & WORDED} == theirs
