"""The n-gram Bloom filter: what a set would say, at the size and with the false positives it promises."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeats_in_memory import batch

from corpus.documents import DROP, TEXT, VALUE
from corpus.errors import RecipeError, StageError
from stages.bloom import Filter, NgramBloom, rate, size

TEXT_OF = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "\n", "a b c\n", "f g h i j\n"]), max_size=25).map(
    " ".join
)


def lines(text):
    return [line.split() for line in text.split("\n")]


def grams(line, n):
    return [tuple(line[i : i + n]) for i in range(len(line) - n + 1)]


def by_hand(texts, n, share):
    """For each text: the share seen before, and its lines to cut. A set in place of the filter."""
    seen, found = set(), []
    for text in texts:
        every = [grams(line, n) for line in lines(text)]
        total = sum(map(len, every))
        hits = [sum(gram in seen for gram in some) for some in every]
        known = sum(hits) / total if total else 0.0
        cut = [bool(some) and hit >= share * len(some) for some, hit in zip(every, hits, strict=True)]
        if known < share:
            seen.update(gram for some, gone in zip(every, cut, strict=True) if not gone for gram in some)
        found.append((known, [] if known >= share else cut))
    return found, len(seen)


def left(text, cut):
    """The text without its cut lines; a line goes with the break behind it."""
    return "".join(line for n, line in enumerate(text.splitlines(keepends=True)) if not (cut and cut[n]))


@given(st.lists(TEXT_OF, max_size=8), st.integers(1, 4), st.sampled_from([0.5, 0.8, 1.0]), st.integers(1, 8))
def test_documents_in_order_are_judged_as_by_a_set(texts, n, share, at_a_time):
    """At a false-positive rate of 1e-12 a filter is a set, whatever batches the documents come in."""
    stage, wanted = (
        NgramBloom(ngram=n, share=share, false_positives=1e-12, least_left_words=0),
        by_hand(texts, n, share),
    )
    seen = Filter.of(10_000, stage.false_positives)
    for start in range(0, len(texts), at_a_time):
        some = texts[start : start + at_a_time]
        table = stage.judged(batch(some), seen)
        for row, text, (known, cut) in zip(table.to_pylist(), some, wanted[0][start:], strict=False):
            assert row["seen_share"] == pytest.approx(known)
            assert row[DROP] == ("seen n-grams" if known >= share else None)
            assert row[VALUE] == (row["seen_share"] if known >= share else None)
            assert row["pieces_cut"] == sum(cut)
            assert (text if row[TEXT] is None else row[TEXT]) == left(text, cut)
    assert seen.held == wanted[1]


@given(st.lists(TEXT_OF, max_size=8), st.integers(1, 4))
def test_n_grams_are_counted_as_by_hand(texts, n):
    counts = {row: sum(len(grams(line, n)) for line in lines(text)) for row, text in enumerate(texts)}
    rows = NgramBloom(ngram=n).emit(batch(texts))
    assert dict(zip(rows["row"].to_pylist(), rows["ngrams"].to_pylist(), strict=True)) == {
        k: v for k, v in counts.items() if v
    }


def test_a_corpus_without_repeats_stays_whole():
    """mlfoundations/dclm issue 83: n-grams that enter before their own document is judged take 98 % of a corpus."""
    texts = ["\n".join(" ".join(f"w{n}x{line}x{word}" for word in range(30)) for line in range(20)) for n in range(40)]
    stage = NgramBloom()
    table = stage.judged(batch(texts), Filter.of(40 * 20 * 18, stage.false_positives))
    assert table[DROP].null_count == 40
    assert table[TEXT].null_count == 40
    assert max(table["seen_share"].to_pylist()) < 0.02  # false positives of a filter that is being filled


def test_short_lines_are_left_and_count_for_nothing():
    texts = ["one two three\nfour five six"] * 3
    stage = NgramBloom(ngram=4)
    table = stage.judged(batch(texts), Filter.of(100, 0.01))
    assert table["seen_share"].to_pylist() == [0.0, 0.0, 0.0]
    assert table[DROP].null_count == 3


@pytest.mark.parametrize("wanted", [0.1, 0.01, 0.001])
def test_a_full_filter_has_the_false_positives_it_was_made_for(wanted):
    """Within four standard errors of what was asked; and not many fewer, or it were too large."""
    stage, count, asked = NgramBloom(ngram=1, share=1.0), 100_000, 200_000
    seen = Filter.of(count, wanted)
    words = [f"a{n}" for n in range(count)]
    stage.judged(batch([" ".join(words)]), seen)
    other = batch([f"b{n}" for n in range(asked)])
    hits = asked - fresh(stage, other, seen)
    assert abs(hits / asked - wanted) < 4 * math.sqrt(wanted / asked) + 0.06 * wanted


def fresh(stage, some, seen):
    """Documents of one word that the filter does not have; asked of copies of it, so that they do not fill it."""
    shares = []
    for start in range(0, len(some), 500):
        copy = Filter(seen.bits.copy(), seen.probes, 10**9)
        shares.append(stage.judged(type(some)(some.rows.slice(start, 500)), copy)["seen_share"].to_numpy())
    return int((np.concatenate(shares) == 0).sum())


def test_the_size_is_that_of_the_formulae():
    """Bloom 1970: log2(1 / p) / ln 2 bits an item without blocks; Putze et al. 2007: little more with them, at 1 %."""
    for wanted in (0.1, 0.01, 0.001, 1e-6):
        bits, probes = size(wanted)
        assert rate(bits, probes) <= wanted < rate(bits * 0.999, probes)
        assert all(rate(bits * 0.99, other) > wanted for other in range(1, 29))
        assert bits > math.log2(1 / wanted) / math.log(2)
    assert size(0.01).bits == pytest.approx(9.9, abs=0.05)
    full = Filter.of(1_000_000, 0.01)
    assert len(full.bits) * 64 == pytest.approx(9.9e6, rel=0.01)


def test_a_filter_that_would_be_overfilled_is_refused_with_the_numbers():
    stage = NgramBloom(ngrams=50)
    text = " ".join(f"w{n}" for n in range(200))
    with pytest.raises(
        StageError, match=r"1[5-8]\d different n-grams so far, .* made for 50: .*Raise `ngrams`, or leave it out"
    ):
        stage.judged(batch([text]), Filter.of(50, stage.false_positives))


@pytest.mark.parametrize("settings", [{"ngram": 0}, {"share": 0.0}, {"false_positives": 0.9}, {"ngrams": 0}])
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(RecipeError, match=f"ngram_bloom: .*{next(iter(settings))}"):
        NgramBloom(**settings)
