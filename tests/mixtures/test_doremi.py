"""DoReMi's arithmetic, by hand: the unit vector, the order of clipping, the trace and its alarms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ShardError
from mixtures.doremi import SMOOTHING, Steps, Trace, clipped_sums, excess, moved, token_weights, traced, updated
from mixtures.doremi_alarms import alarms, carried, small_batch

DOMAINS = ("a", "b", "c", "d")


def test_the_unit_vector():
    """Four domains at 1/4, excess (.5, .1, -.2, 0) clipped per token: exp, normalised, smoothed by 1e-3."""
    clipped = np.maximum([0.5, 0.1, -0.2, 0.0], 0)
    assert updated(np.full(4, 0.25), clipped) == pytest.approx([0.34671822, 0.23249459, 0.2103936, 0.2103936], abs=5e-9)


def test_the_excess_is_clipped_before_the_mean():
    one = clipped_sums(np.array([3.0, 1.0]), np.array([2.0, 2.0]), np.array([0, 0]), 1)
    assert excess(one).tolist() == [0.5]
    found = clipped_sums(np.array([3.0, 1.0, 4.0]), np.array([2.0, 2.0, 1.0]), np.array([0, 0, 2]), 4)
    assert excess(found).tolist() == [0.5, 0.0, 3.0, 0.0]


def test_a_domain_that_the_batch_lacks_keeps_its_excess():
    sums = np.array([[1.0, 0.0], [2.0, 0.0]])
    assert excess(sums).tolist() == [0.5, 0.0]
    assert excess(sums, np.array([9.0, 0.3])).tolist() == [0.5, 0.3]


def test_the_mean_loss_of_each_domain_counts_its_weight():
    """Weights .6 and .4 of batches with 30 and 10 tokens: .6 * 40 / 30 and .4 * 40 / 10, so all tokens make .6 and .4
    of the 40 that a mean is over; a domain that the batch lacks takes its part away."""
    assert token_weights(np.array([0.6, 0.4]), np.array([30, 10])) == pytest.approx([0.8, 1.6])
    assert token_weights(np.array([0.6, 0.4]), np.array([40, 0]))[0] == pytest.approx(0.6)


def test_importance_correction_by_hand():
    """Weights .5, .3, .2 of domains sampled by .5, .25, .25: 1, 1.2 and .8, whatever the batch, divided by their mean
    over its tokens: 50, 20 and 30 tokens make (50 + 24 + 24) / 100 = .98."""
    shares, alpha = np.array([0.5, 0.25, 0.25]), np.array([0.5, 0.3, 0.2])
    found = token_weights(alpha, np.array([50, 20, 30]), shares)
    assert found == pytest.approx([1 / 0.98, 1.2 / 0.98, 0.8 / 0.98])
    assert (found * [50, 20, 30]).sum() == pytest.approx(100)
    without = token_weights(alpha, np.array([50, 25, 0]), shares)  # the last is not in the batch: the rest make 1
    assert without[:2] == pytest.approx([1 * 75 / 80, 1.2 * 75 / 80])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(0, 100))
def test_where_a_batch_has_each_domain_by_its_share_the_correction_is_the_mean_by_domain(tokens, seed):
    alpha = np.random.default_rng(seed).dirichlet(np.ones(len(tokens)))
    counts = np.array(tokens)
    plain, corrected = token_weights(alpha, counts), token_weights(alpha, counts, counts / counts.sum())
    assert corrected == pytest.approx(plain)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=9), st.floats(0.01, 2))
def test_weights_stay_shares_above_the_floor_however_large_the_excess(excesses, step_size):
    alpha = np.full(len(excesses), 1 / len(excesses))
    for _ in range(5):
        alpha = updated(alpha, np.array(excesses), step_size)
    assert alpha.sum() == pytest.approx(1, abs=1e-12)
    assert (alpha >= SMOOTHING / len(alpha) * (1 - 1e-12)).all()
    assert alpha[np.argmax(excesses)] == alpha.max()


def test_the_answer_is_the_mean_of_all_steps_and_a_trace_goes_on(tmp_path):
    path = tmp_path / "trace.jsonl"
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(4), 10)
    trace = Trace(DOMAINS, path)
    for row in rows[:6]:
        trace.add(row, np.zeros(4))
    state = trace.state_dict()
    trace.add(rows[9], np.ones(4))  # written, then killed before the next checkpoint
    resumed = Trace(DOMAINS, path)
    resumed.load_state_dict(state)
    for row in rows[6:]:
        resumed.add(row, np.zeros(4))
    assert resumed.steps == 10
    assert list(resumed.mean.values()) == pytest.approx(rows.mean(axis=0).tolist())
    assert traced(path).alpha == pytest.approx(rows)
    assert (traced(path).excess == 0).all()


def test_a_run_that_was_killed_before_a_checkpoint_begins_its_trace_anew(tmp_path):
    path = tmp_path / "trace.jsonl"
    for alpha in ([0.7, 0.3], [0.2, 0.8]):
        trace = Trace(("a", "b"), path)
        trace.add(np.array(alpha), np.array([0.1, 0.0]))
        trace.add(np.array(alpha), None)
    steps = traced(path)
    assert steps.alpha.tolist() == [[0.2, 0.8], [0.2, 0.8]]
    assert np.isnan(steps.excess[1]).all()


def test_a_trace_with_lost_or_damaged_lines_is_refused(tmp_path):
    path = tmp_path / "trace.jsonl"
    trace = Trace(("a", "b"), path)
    for _ in range(3):
        trace.add(np.array([0.5, 0.5]), np.zeros(2))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]))
    with pytest.raises(ShardError, match="2 steps, and the checkpoint that goes on from it has 3"):
        Trace(("a", "b"), path).load_state_dict(trace.state_dict())
    path.write_text(lines[0] + lines[2])
    with pytest.raises(ShardError, match="line 2: not step 2"):
        traced(path)
    for damaged in ('{"step": 1}\n', lines[0] + '{"step": 2, "alpha": [0.5], "excess": null}\n', "", lines[0][:20]):
        path.write_text(damaged)
        with pytest.raises(ShardError):
            traced(path)
    path.unlink()
    with pytest.raises(ShardError, match="not there"):
        traced(path)


def steps(rows, excesses=None) -> Steps:
    alpha = np.array(rows, np.float64)
    return Steps(alpha, np.zeros(alpha.shape) if excesses is None else np.array(excesses))


GAPS = dict.fromkeys(DOMAINS, 0.05)


def told(*asked) -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.domain) for alarm in alarms(*asked)]


def test_alarms_tell_one_hot_wavering_and_a_reference_that_knows_by_heart():
    steady = np.tile([0.4, 0.3, 0.2, 0.1], (100, 1))
    assert told(steps(steady), DOMAINS, GAPS) == []
    assert told(steps(np.tile([0.97, 0.01, 0.01, 0.01], (100, 1))), DOMAINS, GAPS) == [("one-hot", "a")]
    wavering = np.where(np.arange(100)[:, None] % 2, [0.9, 0.05, 0.03, 0.02], [0.05, 0.9, 0.03, 0.02])
    assert set(told(steps(wavering), DOMAINS, GAPS)) == {("oscillates", "a"), ("oscillates", "b")}
    early = np.concatenate((wavering[:50], steady[:50]))  # before the last half it may
    assert told(steps(early), DOMAINS, GAPS) == []
    assert told(steps(steady), DOMAINS, GAPS | {"c": 0.3}) == [("overfitted reference", "c")]
    assert told(steps([[1.0]] * 4), ("a",), {"a": 0.0}) == []  # one domain has all weight


def test_alarms_tell_what_was_not_measured_and_steps_that_were_left_out():
    steady = np.tile([0.4, 0.3, 0.2, 0.1], (4, 1))
    without = {domain: 0.0 for domain in DOMAINS if domain != "d"}
    assert told(steps(steady), DOMAINS, without) == [("not measured", "d")]
    (alarm,) = alarms(steps(steady, np.where(np.arange(4)[:, None] == 2, np.nan, 0.0) + np.zeros(4)), DOMAINS, GAPS)
    assert (alarm.kind, alarm.domain) == ("not finite", "")
    assert alarm.what.startswith("1 steps")


def test_a_batch_too_small_to_hold_every_domain_is_told():
    assert list(small_batch(dict.fromkeys(DOMAINS, 0.25), 4)) == []
    (alarm,) = small_batch(dict.fromkeys(DOMAINS, 0.25), 3)
    assert (alarm.kind, "3 sequences for 4 domains" in alarm.what) == ("small batch", True)
    (alarm,) = small_batch({"a": 0.9, "b": 0.1}, 8)
    assert "without b," in alarm.what


def test_weights_from_another_tokenizer_are_told():
    assert list(carried("one", "one", True)) == list(carried(None, "one", True)) == []
    assert [alarm.kind for alarm in carried("other", "one", False)] == ["tokenizer mismatch"]
    assert [alarm.kind for alarm in carried("one", "one", False)] == ["other tokens"]
    assert [alarm.kind for alarm in carried(None, "one", False)] == ["other tokens"]


def test_rounds_are_compared_by_the_weight_that_moved_most():
    assert moved({"a": 0.5, "b": 0.5}, {"a": 0.503, "b": 0.497}) == pytest.approx(0.003)
