"""Exact truth against brute force over Python sets; intervals against published ones; planted copies as asked."""

from itertools import combinations, product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from corpus.documents import CORE, Batch
from pipeline.audit.clusters import diff
from pipeline.audit.intervals import effective, wilson
from pipeline.audit.planting import PERCENT, copies, drawn
from pipeline.audit.recall import Draws, by_similarity
from pipeline.audit.sample import Sample
from pipeline.audit.truth import Sets, families, pairs, shingle_sets, similarities
from stages.curve import chance
from stages.minhash import MinHash
from tests.laws.corpora import ODD, documents, prose

sets_of_few = st.lists(st.frozensets(st.integers(0, 30), max_size=20), max_size=14)
shares = st.sampled_from([0.05, 0.2, 1 / 3, 0.5, 0.6, 0.75, 0.8, 0.9, 1.0])


def sets(some):
    values = [np.array(sorted(one), np.uint64) for one in some]
    first = np.cumsum([0, *map(len, some)]).astype(np.int64)
    return Sets(first, np.concatenate([np.zeros(0, np.uint64), *values]))


def jaccard(a, b):
    return len(a & b) / len(a | b) if a | b else 0.0


@given(sets_of_few, shares)
@example([frozenset(range(10)), frozenset(range(5))], 0.5)
@example([frozenset(range(3)), frozenset(range(1, 4))], 0.5)
def test_pairs_are_all_that_brute_force_finds_and_no_others(some, least):
    found = pairs(sets(some), least)
    expected = [
        (a, b, jaccard(some[a], some[b]))
        for a, b in combinations(range(len(some)), 2)
        if some[a] and some[b] and jaccard(some[a], some[b]) >= least
    ]
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected


def test_pairs_of_texts_are_those_of_their_word_runs():
    """Real text: 300 documents of common words, near copies among them, as tuples of five words."""
    texts = [prose(n, 60) for n in range(150)]
    texts += [" ".join(word for m, word in enumerate(text.split()) if m % 20 != n % 20) for n, text in enumerate(texts)]
    runs = []
    for text in texts:
        listed = text.replace(".", " ").split()
        runs.append(frozenset(zip(*(listed[place:] for place in range(5)), strict=False)))
    found = pairs(shingle_sets(Batch(documents(texts)), MinHash()), 0.3)
    expected = {(a, b) for a, b in combinations(range(300), 2) if jaccard(runs[a], runs[b]) >= 0.3}
    assert set(zip(found.a.tolist(), found.b.tolist(), strict=True)) == expected
    assert len(expected) > 140


def test_too_much_truth_is_not_begun():
    alike = [frozenset(range(50))] * 40  # 780 pairs of 50 common elements
    assert len(pairs(sets(alike), 0.5).a) == 780
    assert pairs(sets(alike), 0.5, most=779) is None
    assert pairs(sets(alike), 0.5, steps=10_000) is None


@given(sets_of_few, st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=20))
def test_families_are_what_pairs_connect(some, links):
    links = [(a, b) for a, b in links if max(a, b) < len(some)]
    found = families(len(some), *np.array(links, np.int64).reshape(-1, 2).T)
    known = [{n} for n in range(len(some))]
    for a, b in links:
        one = known[a] | known[b]
        for n in one:
            known[n] = one
    assert found.tolist() == [min(one) for one in known]


# Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3 (Wilson's).
NEWCOMBE = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]


@pytest.mark.parametrize(("hits", "draws", "low", "high"), NEWCOMBE)
def test_intervals_are_those_published(hits, draws, low, high):
    assert wilson(hits / draws, draws, 0.95) == pytest.approx((low, high), abs=0.00005)


@given(st.integers(1, 10_000), st.data())
def test_an_interval_holds_its_share_and_narrows_with_more_draws(draws, data):
    share = data.draw(st.integers(0, draws)) / draws
    low, high = wilson(share, draws)
    assert 0 <= low <= share <= high <= 1
    closer = wilson(share, 4 * draws)
    assert high - low > closer[1] - closer[0]
    assert wilson(share, 0) == (0, 1)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_pairs_of_a_family_count_for_no_more_than_its_independent_draws(sizes):
    weight = effective(np.repeat(np.arange(len(sizes)), sizes))
    assert 1 <= weight <= len(sizes) + 1e-9
    assert effective(np.arange(len(sizes))) == len(sizes)
    assert effective(np.repeat(np.arange(len(sizes)), 7)) == pytest.approx(len(sizes))


@given(st.lists(st.tuples(st.integers(500, 1_000), st.booleans(), st.booleans(), st.integers(0, 3)), max_size=30))
def test_every_pair_falls_into_the_one_bin_that_holds_it(some):
    """Similarities in thousandths: a bin of 50 holds its lower end, the last one 1.000 too."""
    columns = [np.array(column) for column in zip(*some, strict=True)] or [np.zeros(0)] * 4
    rows = by_similarity(Draws(columns[0] / 1_000, columns[1] > 0, columns[2] > 0, columns[3]), 14, 8)
    assert [row["low"] for row in rows] == pytest.approx([0.5 + 0.05 * n for n in range(10)])
    for number, row in enumerate(rows):
        there = [one for one in some if min((one[0] - 500) // 50, 9) == number]
        assert row["pairs"] == len(there)
        assert row["families"] == len({family for *_, family in there})
        for place, name in enumerate(("measured", "caught"), 1):
            if there:
                assert row[name] == pytest.approx(np.mean([one[place] for one in there]))
                assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
            else:
                assert row[name] is row[f"{name}_low"] is row[f"{name}_high"] is row["theory"] is None


offered = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 9)), max_size=30)


@given(offered, st.integers(0, 12), st.integers(1, 40), st.integers(1, 5))
def test_a_sample_does_not_depend_on_how_it_is_offered(rows, most, most_bytes, shard_rows):
    samples = []
    for size in (shard_rows, len(rows) + 1):
        sample = Sample(most, most_bytes)
        for start in range(0, len(rows), size):
            key, length = zip(*rows[start : start + size], strict=True)
            places = np.arange(start, start + len(key))
            sample.offer(np.array(key, np.uint64), 0, places, np.array(length, np.int64))
        samples.append(sample)
    one, other = samples
    assert one.rows(0).tolist() == other.rows(0).tolist()
    assert len(one) <= most
    assert one.bytes < most_bytes + 10  # the last one may pass the limit
    assert one.whole == other.whole == (len(one) == len(rows))
    order = sorted(range(len(rows)), key=lambda n: (rows[n][0], n))
    assert sorted(order[: len(one)]) == one.rows(0).tolist()


@given(st.lists(st.integers(30, 200), min_size=1, max_size=5), st.integers(0, 40), st.integers(0, 9))
def test_copies_are_dealt_evenly_and_edited_no_more_than_asked(lengths, count, seed):
    """Every word of an original is its own, so what a copy lacks was replaced or deleted."""
    texts = [" ".join(f"w{n}x{m}" for m in range(length)) for n, length in enumerate(lengths)]
    made = copies(Batch(documents(texts)), count, seed)
    assert np.ptp(np.bincount(made.original, minlength=len(texts))) <= 1
    for copy, original, percent in zip(made.batch.text.to_pylist(), made.original, made.percent, strict=True):
        before, after = texts[original].split(), copy.split()
        asked = max(1, round(len(before) * percent / 100))
        assert len(set(before) - set(after)) <= asked
        assert abs(len(after) - len(before)) <= asked
    again = copies(Batch(documents(texts)), count, seed)
    assert again.batch.text.equals(made.batch.text)


def test_of_the_edits_six_in_ten_replace_two_delete_and_two_insert():
    """880 copies of texts of 500 words: 39,000 edits; a share of them is right to 0.003 (one standard error)."""
    texts = [" ".join(f"w{n}x{m}" for m in range(500)) for n in range(80)]
    made = copies(Batch(documents(texts)), 880, 1)
    assert [(made.percent == percent).sum() for percent in PERCENT] == pytest.approx([80] * len(PERCENT), abs=8)
    edits = sum(max(1, round(5 * percent)) for percent in made.percent.tolist())
    listed = [
        (texts[row].split(), copy.split()) for row, copy in zip(made.original, made.batch.text.to_pylist(), strict=True)
    ]
    replaced_or_deleted = sum(len(set(before) - set(after)) for before, after in listed)
    assert replaced_or_deleted / edits == pytest.approx(0.8, abs=0.015)
    inserted_less_deleted = sum(len(after) - len(before) for before, after in listed)
    assert inserted_less_deleted / edits == pytest.approx(0, abs=0.015)


def test_copies_of_odd_texts_are_text():
    """Words that touch each other, marks that join, no white space: what is cut out is always whole words."""
    texts = [text * 30 for text in ODD if any(c.isalpha() for c in text)] + ["日本語のテキスト。" * 9, "a'b'c d-e 3.14"]
    made = copies(Batch(documents(texts)), 120, 3)
    assert len(made.batch.text.to_pylist()) == 120


def test_planted_pairs_meet_as_often_as_theory_says():
    """For settings that catch much and little, and three draws of edits each: 90 bins, about 8,000 pairs.

    An interval of 99 % misses once in a hundred: of 90 bins six or more would with chance 0.0003. Over all pairs of
    one draw the share lies within 4 standard errors of the mean chance.
    """
    originals, missed = Batch(documents([prose(n, 150) for n in range(1_200)])), 0
    for (bands, rows), seed in product(((14, 8), (5, 5), (20, 13)), (1, 2, 3)):
        draws = drawn(originals, copies(originals, 1_200, seed), MinHash(bands=bands, rows=rows))
        alike = Draws(*(column[draws.similarity >= 0.5] for column in draws))
        expected = chance(alike.similarity, bands, rows)
        error = np.sqrt((expected * (1 - expected)).sum())
        assert len(expected) > 800
        assert abs(alike.proposed.sum() - expected.sum()) < 4 * error
        found = [row for row in by_similarity(alike, bands, rows) if row["pairs"]]
        missed += sum(not row["measured_low"] <= row["theory"] <= row["measured_high"] for row in found)
    assert missed <= 5


def test_planted_similarity_is_exact():
    originals = Batch(documents([prose(n, 80) for n in range(20)]))
    made = copies(originals, 60, 2)
    draws = drawn(originals, made, MinHash())
    both = pa.concat_tables([pa.table([b.text], ["text"]) for b in (originals, made.batch)])["text"].combine_chunks()
    whole = Batch(pa.record_batch([[str(n) for n in range(80)], both, [""] * 80], schema=CORE))
    expected = similarities(shingle_sets(whole, MinHash()), made.original, 20 + np.arange(60))
    assert draws.similarity.tolist() == expected.tolist()
    assert (draws.caught <= draws.proposed).all()


words = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12)


@given(words, words)
def test_a_difference_rebuilds_both_texts(a, b):
    lines = diff(" ".join(a), " ".join(b))
    assume(not any("..." in line for line in lines))
    alike = len(a) if a == b else next(n for n in range(len(a) + 1) if a[: n + 1] != b[: n + 1])
    for sign, text in (("-", a), ("+", b)):
        rebuilt = [word for line in lines if line[0] in f" {sign}" for word in line[1:].split()]
        assert rebuilt == (text[max(0, alike - 4) :] if a != b else [])


def test_a_difference_far_into_long_texts_is_shown():
    text = [f"w{n}" for n in range(20_000)]
    changed = [*text[:15_000], "new", *text[15_001:]]
    assert diff(" ".join(text), " ".join(changed))[:3] == [" w14996 w14997 w14998 w14999", "-w15000", "+new"]


@pytest.mark.timeout(30)
def test_hostile_texts_take_no_longer_than_others():
    """Every word alike, alternating, none alike: a second at most, as MOST_WORDS is chosen for."""
    hostile = [("x " * 90_000, "y " + "x " * 90_000), ("x y " * 50_000, "y x x " * 50_000), ("x" * 10**6, "y" * 10**6)]
    for a, b in hostile:
        assert sum(map(len, diff(a, b))) < 50_000
