"""The judge's arithmetic: published t and Holm, intervals that agree with tests, and no verdict where there is none."""

from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from mixtures.judge.measured import Measured, Run, target_of
from mixtures.judge.paired import LEVEL, compared, critical, difference, holm, levels, mean_interval, noncentrality
from mixtures.judge.ranking import ranking
from mixtures.judge.verdict import Verdict

SLEEP = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
"""Hours of sleep that ten people gained by two drugs: Student 1908, The probable error of a mean, section IX."""


def runs(losses, why=None):
    """Runs of losses by mixture, one a seed: by domain, or of the one domain "web"."""
    by_domain = {name: [one if isinstance(one, dict) else {"web": one} for one in own] for name, own in losses.items()}
    return [
        Run(name, seed, why=why[name, seed]) if (name, seed) in (why or {}) else Run(name, seed, one)
        for name, own in by_domain.items()
        for seed, one in enumerate(own)
    ]


def judged(losses, baseline=None, target=None, why=None):
    measured = Measured.of(runs(losses, why=why))
    return Verdict.of(measured, target_of(target, measured.domains, "--target"), baseline)


# Facts


def test_students_own_example():
    """As R's t.test(paired = TRUE) has it: t = -4.0621, p = 0.002833, 95 % from -2.4598858 to -0.7001142."""
    found = difference(*map(np.array, SLEEP))
    assert found.pairs == 10
    assert found.mean / found.error == pytest.approx(-4.0621, abs=5e-5)
    assert found.p == pytest.approx(0.002833, abs=5e-7)
    [one] = compared(np.array(SLEEP)).values()
    ends = one.difference.mean - one.half, one.difference.mean + one.half
    assert ends == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)


def test_three_pairs_by_hand():
    """Differences 1, 2, 3: mean 2, deviation 1; with two degrees of freedom p is 1 - t / sqrt(2 + t^2)."""
    found = difference(np.array([2.0, 4.0, 6.0]), np.array([1.0, 2.0, 3.0]))
    t = 2 * sqrt(3)
    assert (found.mean, found.spread, found.against) == (2, 1, 2)
    assert found.p == pytest.approx(1 - t / sqrt(2 + t * t), rel=1e-12)
    assert mean_interval(np.array([1.0, 2.0, 3.0])) == pytest.approx((2 - 4.302653 / sqrt(3), 2 + 4.302653 / sqrt(3)))


@pytest.mark.parametrize(
    ("pairs", "level", "t"), [(2, 0.05, 12.706), (3, 0.05, 4.303), (5, 0.05, 2.776), (3, 0.01, 9.925)]
)
def test_critical_values_are_those_of_tables(pairs, level, t):
    assert critical(pairs, level) == pytest.approx(t, abs=5e-4)


def test_holm_by_hand():
    """Of .005, .01, .03, .04: times 4, 3, 2, 1, and none below the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert levels([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])  # .04 failed with .03
    assert holm([]) == levels([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_34_pairs_find_half_a_deviation_four_times_in_five_and_33_do_not():
    """Cohen 1988, section 2.4, and G*Power: a paired t test at .05 with a power of .8 for d = .5 takes 34."""
    assert noncentrality(34, 0.05) / sqrt(34) < 0.5 < noncentrality(33, 0.05) / sqrt(33)


# Laws


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 6), st.floats(0, 30))
def test_an_interval_holds_0_exactly_where_nothing_is_told_apart(seed, mixtures, seeds, apart):
    rng = np.random.default_rng(seed)
    losses = rng.normal(size=(mixtures, seeds)) + apart * rng.random(mixtures)[:, None]
    found = compared(losses)
    assert len(found) == mixtures * (mixtures - 1) // 2
    for (i, j), one in found.items():
        if abs(one.adjusted - LEVEL) > 1e-9:
            assert (abs(one.difference.mean) <= one.half) == (not one.significant)
        assert one.adjusted >= one.difference.p
        assert one.detectable > one.half
        assert one.turned().difference == pytest.approx(difference(losses[j], losses[i]))


def test_equal_mixtures_are_told_apart_in_one_table_of_twenty_at_most():
    """Of the whole table, whoever came out best: 600 tables of 5 mixtures that differ by chance alone."""
    rng = np.random.default_rng(0)
    wrong = sum(
        any(one.significant for one in compared(rng.normal(size=(5, 3)) + 10 * rng.normal(size=3)).values())
        for _ in range(600)
    )
    assert 0 < wrong / 600 < LEVEL + 3 * sqrt(LEVEL * (1 - LEVEL) / 600)


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_runs_changes_nothing(seed, random):
    rng = np.random.default_rng(seed)
    losses = {name: [dict(zip("xyz", rng.normal(3, 1, 3), strict=True)) for _ in range(3)] for name in "abcd"}
    mixed = runs(losses, why={("b", 1): "it diverged"})
    target = {"x": 0.5, "z": 0.5}
    first = Verdict.of(Measured.of(mixed), target, "c").to_dict()
    random.shuffle(mixed)
    assert Verdict.of(Measured.of(mixed), target, "c").to_dict() == first


@given(st.integers(0, 10**6))
def test_other_names_and_other_numbers_of_seeds_make_the_same_ranking(seed):
    rng = np.random.default_rng(seed)
    losses = {name: list(rng.normal(n, 0.3, 4)) for n, name in enumerate("abc")}
    new = {"a": "z", "b": "m", "c": "k"}
    renamed = [Run(new[one.mixture], 7 - one.seed, one.losses) for one in runs(losses)]
    first, second = (judge.overall for judge in (judged(losses), Verdict.of(Measured.of(renamed), {"web": 1.0})))
    assert [(new[one.mixture], one.rank) for one in first.ranked] == [(one.mixture, one.rank) for one in second.ranked]
    for (a, b), one in first.pairs.items():
        other = second.pairs[new[a], new[b]]
        assert other.adjusted == pytest.approx(one.adjusted, rel=1e-9)
        assert other.difference.mean == pytest.approx(one.difference.mean, rel=1e-9)


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6), st.integers(2, 5))
def test_mixtures_that_do_the_same_are_never_told_apart(own, mixtures):
    found = judged({f"m{n}": own for n in range(mixtures)})
    assert {one.rank for one in found.overall.ranked} == {1}
    assert not any(one.significant for one in found.overall.pairs.values())
    assert found.sentences() == [f"No significant difference between {', '.join(f'm{n}' for n in range(mixtures))}."]
    assert found.to_dict()["best"] is None


def test_a_planted_difference_is_found_under_the_noise_that_seeds_share():
    """.02 bits a byte apart, noise .002 of each run's own and 1 of its seed: unpaired it would drown."""
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 1, 5)
    losses = {
        name: list(4 + shift + shared + rng.normal(0, 0.002, 5)) for name, shift in (("a", 0.02), ("b", 0), ("c", 0.02))
    }
    found = judged(losses, baseline="a").to_dict()
    assert found["best"] == "b"
    assert found["ranking"][0]["mixture"] == "b"
    assert [one["rank"] for one in found["ranking"]] == [1, 2, 2]
    assert found["verdict"][0].startswith("b is better than each of the others")
    assert found["verdict"][1] == "Beside the baseline a: better: b; no significant difference: c."
    [pair] = [one for one in found["pairs"] if (one["mixture"], one["against"]) == ("b", "a")]
    assert pair["difference"] == pytest.approx(-0.02, abs=0.004)
    assert pair["low"] < -0.02 < pair["high"] < 0
    assert pair["relative"] == pytest.approx(pair["difference"] / pair["reference"], rel=1e-6)


def test_some_are_not_told_apart_and_one_is_worse():
    found = judged({"a": [1.0, 2.0, 3.1], "b": [1.1, 2.0, 3.0], "c": [9.0, 10.0, 11.05]})
    assert found.sentences() == ["No significant difference between a, b. At least one is better than c."]
    assert found.overall.leaders == ("a", "b")


def test_each_domain_has_its_own_best():
    jitter = [0.0, 0.001, -0.001, 0.002]
    losses = {
        "a": [{"code": 1 + e, "web": 3 + e * e, "both": 2.0} for e in jitter],
        "b": [{"code": 2 - e, "web": 2 + e, "both": 2.0} for e in jitter],
    }
    domains = judged(losses).to_dict()["domains"]
    assert {name: one["winner"] for name, one in domains.items()} == {"both": None, "code": "a", "web": "b"}
    assert domains["both"]["leaders"] == ["a", "b"]


def test_the_target_weighs_domains():
    losses = {"a": [{"code": 1.0, "web": 3.0}] * 3, "b": [{"code": 2.0, "web": 2.5}] * 3}
    assert judged(losses).overall.ranked[0].mean == 2.0
    assert judged(losses).overall.ranked[0].mixture == "a"
    heavy = judged(losses, target={"web": 3, "code": 1}).overall.ranked
    assert [(one.mixture, one.mean) for one in heavy] == [("b", 2.375), ("a", 2.5)]


# What is missing


@pytest.mark.parametrize("gone", [{("b", 1): "it diverged"}, {("b", 1): "the process died"}])
def test_a_failed_proxy_drops_its_pairs_and_is_named_and_never_averaged(gone):
    losses = {"a": [1.0, 9.0, 3.0], "b": [1.5, 9.0, 3.6], "c": [1.1, 9.2, 3.2]}
    found = judged(losses, why=gone)
    whole = judged({name: [own[0], own[2]] for name, own in losses.items()})
    assert {one.mixture: one.mean for one in found.overall.ranked} == {
        one.mixture: one.mean for one in whole.overall.ranked
    }
    assert found.overall.seeds == (0, 2)
    assert found.overall.against("a", "b").difference.pairs == 2
    assert found.overall.against("a", "c").difference.pairs == 3
    assert found.to_dict()["failed"] == [{"mixture": "b", "seed": 1, "why": gone["b", 1]}]
    assert f"b, seed 1: left out, {gone['b', 1]}" in found.notes()


@pytest.mark.parametrize("loss", [nan, inf])
def test_a_loss_that_is_no_number_is_a_failed_proxy(loss):
    found = judged({"a": [1.0, 2.0, 3.0], "b": [1.5, loss, 3.6]})
    assert found.measured.failed == {("b", 1): f"its loss of 'web' is {loss}"}
    assert found.overall.against("a", "b").difference.pairs == 2


def test_one_pair_is_no_verdict():
    found = judged({"a": [1.0], "b": [2.0]})
    assert found.overall.pairs == {}
    assert found.sentences()[0].startswith("No verdict")
    assert (found.to_dict()["best"], found.to_dict()["leaders"]) == (None, [])
    assert [one.mean for one in found.overall.ranked] == [1.0, 2.0]
    assert found.overall.ranked[0].interval == (None, None)


def test_who_is_told_apart_over_other_seeds_only_is_not_best():
    """a is better than b over seeds 0 to 2, b than c over 0, 1 and 3; a and c share two seeds, which tell nothing."""
    losses = {"a": [1.0, 1.001, 1.002, 9.0], "b": [2.0, 2.002, 2.001, 2.003], "c": [3.0, 3.5, 9.0, 3.45]}
    found = judged(losses, why={("a", 3): "it diverged", ("c", 2): "it diverged"})
    assert found.overall.leaders == ("a",)
    assert not found.overall.against("a", "c").significant
    assert (found.overall.best, found.to_dict()["best"], found.to_dict()["domains"]["web"]["winner"]) == (None,) * 3
    assert found.sentences()[0].startswith("No clear order: proxies failed")


def test_a_mixture_without_seeds_enough_is_not_ranked_and_costs_the_others_nothing():
    gone = {("b", 0): "it diverged", ("b", 2): "it diverged"}
    found = judged({"a": [1.0, 2.0, 3.0], "b": [0.1, 0.1, 0.1], "c": [2.0, 3.01, 4.0]}, baseline="b", why=gone)
    assert [one.mixture for one in found.overall.ranked] == ["a", "c"]
    assert found.overall.seeds == (0, 1, 2)
    assert found.sentences() == [
        "a is better than each of the others: c.",
        "The baseline b failed; nothing is compared to it.",
    ]
    assert "b is not ranked: too few seeds" in found.notes()


@pytest.mark.parametrize("seeds", [1, 3])
def test_where_all_failed_there_is_no_verdict(seeds):
    measured = Measured.of([Run(name, seed, why="nan") for name in "ab" for seed in range(seeds)])
    found = Verdict.of(measured, {"web": 1.0})
    assert measured.domains == ()
    assert found.sentences() == [
        "No verdict: two mixtures with two seeds in common are the least; train more seeds. "
        "Left out for proxies that failed: a, b."
    ]
    assert (found.to_dict()["ranking"], found.to_dict()["pairs"]) == ([], [])


def test_a_target_that_was_not_measured_is_no_loss_of_0():
    measured = Measured.of(runs({"a": [1.0, 2.0], "b": [2.0, 3.0]}))
    assert np.isnan(measured.weighted({"web": 0.5, "code": 0.5})).all()


def test_seeds_that_no_two_share_rank_nobody():
    gone = {("a", 0): "x", ("b", 1): "x"}
    found = judged({"a": [1.0, 2.0], "b": [1.0, 2.0]}, why=gone)
    assert found.overall.pairs == {}
    assert not found.overall.told


# Refusals


def test_a_pair_that_comes_twice_is_refused():
    with pytest.raises(RecipeError, match="twice"):
        Measured.of([Run("a", 0, {"web": 1.0}), Run("a", 0, {"web": 2.0})])


def test_targets_are_shares_of_domains_that_are_measured():
    assert target_of(None, ["web", "code"], "t") == {"code": 0.5, "web": 0.5}
    assert target_of({"web": 3, "code": 1}, ["web", "code"], "t") == {"code": 0.25, "web": 0.75}
    assert target_of({"web": 1}, ["web", "code"], "t") == {"web": 1.0}
    with pytest.raises(RecipeError, match="'books' has no held-out documents"):
        target_of({"books": 1}, ["web"], "--target")
    for wrong in ({"web": 0.0}, {"web": -1.0}, {"web": nan}, {"web": inf}):
        with pytest.raises(RecipeError, match="0 or more"):
            target_of(wrong, ["web"], "--target")


def test_a_domain_that_some_runs_lack_is_in_no_figure():
    measured = Measured.of([Run("a", 0, {"web": 1.0, "code": 2.0}), Run("b", 0, {"web": 1.0})])
    assert measured.domains == ("web",)
    assert ranking(measured, measured.weighted({"web": 1.0})).ranked[0].tied == ("b",)
