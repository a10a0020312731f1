"""Plans side by side: the 20:1 rule exactly, penalties that grow with distance, comparisons that add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import LawError
from scaling.plans import Plan, compare, penalties, rule20
from scaling.runs import RUNS
from scaling.table import LAWS

FLOPS = st.floats(18, 26).map(lambda power: 10**power)
MINIMAL = st.sampled_from([law for name, law in LAWS.items() if name != "kaplan2020"])


@given(FLOPS)
def test_the_rule_spends_the_compute_at_20_to_1(flops):
    plan = rule20(flops)
    assert plan.flops == pytest.approx(flops, rel=1e-12)
    assert plan.tokens == 20 * plan.params


@pytest.mark.parametrize(("params", "tokens"), [(7e9, 140e9), (70e9, 1.4e12), (175e9, 3.5e12)])
def test_the_rule_at_known_sizes(params, tokens):
    plan = rule20(6 * params * tokens)
    assert (plan.params, plan.tokens) == (pytest.approx(params), pytest.approx(tokens))


def test_the_rule_at_1e23_flops():
    assert rule20(1e23).params == pytest.approx(28.87e9, rel=1e-4)
    assert rule20(1e23).tokens == pytest.approx(577.4e9, rel=1e-4)


@given(MINIMAL, FLOPS)
def test_penalties_grow_away_from_the_best_size_and_vanish_at_it(law, flops):
    found = penalties(law, flops)
    middle = next(i for i, penalty in enumerate(found) if penalty.size == 1)
    losses = [penalty.loss for penalty in found]
    assert losses[: middle + 1] == sorted(losses[: middle + 1], reverse=True)
    assert losses[middle:] == sorted(losses[middle:])
    assert (found[middle].extra_loss, found[middle].wasted) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-9))
    for penalty in found:
        assert 6 * penalty.params * penalty.tokens == pytest.approx(flops)
        assert 0 <= penalty.wasted < 1
        assert law.optimal(flops * (1 - penalty.wasted)).loss == pytest.approx(penalty.loss, rel=1e-9)


def test_one_plan_and_the_interview_question_of_1e23():
    """7 B on 2 T and 70 B on 200 B are the same 8.4e22 FLOPs; which is better depends on whose constants."""
    small, large = compare([Plan("small", 7e9, 2e12), Plan("large", 7e10, 2e11)])
    assert small.flops == large.flops == pytest.approx(8.4e22)
    assert (small.tokens_per_param, small.times_rule20) == (pytest.approx(285.7, 1e-3), pytest.approx(14.29, 1e-3))
    assert small.losses["hoffmann2022"] < large.losses["hoffmann2022"]
    for name in ("besiroglu2024", "kaplan2020"):
        assert large.losses[name] < small.losses[name]


@given(st.floats(8, 12), st.floats(9, 14))
def test_no_plan_beats_the_best_of_its_own_compute(params, tokens):
    (found,) = compare([Plan("any", 10**params, 10**tokens)])
    assert set(found.losses) == set(LAWS)
    for name, extra in found.extra_losses.items():
        assert found.losses[name] - extra == pytest.approx(LAWS[name].optimal(found.flops).loss)
        assert extra >= -1e-12 or name == "kaplan2020"


def test_known_runs_compare_in_the_order_given():
    found = compare([Plan.of(RUNS[name]) for name in ("Llama-3-8B", "Chinchilla")], [LAWS["besiroglu2024"]])
    assert [row.name for row in found] == ["Llama-3-8B", "Chinchilla"]
    assert found[0].times_rule20 == pytest.approx(93.75)
    assert list(found[0].as_dict()["losses"]) == ["besiroglu2024"]


@pytest.mark.parametrize(
    ("plans", "said"),
    [
        ([], "no plans"),
        ([Plan("a", 1e9, 2e10), Plan("b", 1e9, 2e10), Plan("a", 2e9, 4e10)], "two plans are called 'a'"),
    ],
)
def test_plans_that_cannot_be_told_apart_are_refused(plans, said):
    with pytest.raises(LawError, match=said):
        compare(plans)


@pytest.mark.parametrize(("params", "tokens"), [(7, 2e12), (7e9, 2), (-7e9, 2e12), (float("nan"), 2e12)])
def test_a_plan_in_billions_is_refused(params, tokens):
    with pytest.raises(LawError, match=r"billions|finite"):
        Plan("bad", params, tokens)
