"""Weights of domains that change within a run: orders that keep their laws, runs that survive as all others do."""

import json
import signal
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from countable_tokens import DOMAINS, EOS, card, folder
from forked import killed, side_by_side
from hypothesis import given
from hypothesis import strategies as st
from poisoned_batches import SPIKES, poisoned
from test_resume import same_to_the_bit
from trained_tokens import CONTEXT, VOCAB, learnable, settings

from corpus.errors import RecipeError
from corpus.manifest import manifest_of, write_manifest
from corpus.tokens import Origin, write_shard
from mixtures.online.ado import Ado
from mixtures.online.odm import Odm
from pipeline.training import steerer
from trainer.checkpoints.errors import OtherSettings
from trainer.monitoring.lines import Told, told
from trainer.monitoring.page import run_page
from trainer.reading.loader import Loader
from trainer.reading.plan import planned
from trainer.reading.refusals import WrongPlan
from trainer.reading.steered import WHOLE, Steered, limited, rounded
from trainer.run.batches import Reader
from trainer.run.journal import METRICS
from trainer.run.loop import train
from trainer.run.resuming import STEERED

torch.set_num_threads(1)

MANY = 1 << 40
WEIGHTS = st.integers(1, 9).flatmap(
    lambda k: st.lists(
        st.tuples(
            st.integers(1, 60),
            st.lists(st.sampled_from([0, 0, 1, 2, 7, 100, 1e-3]), min_size=k, max_size=k).filter(any),
        ),
        min_size=1,
        max_size=12,
    )
)
"""Stretches: sequences and weights."""


def settled(stretches, most=None):
    """An order, and the domains and indices of all of it."""
    order = Steered(most or [MANY] * len(stretches[0][1]))
    for many, weights in stretches:
        order.settle(order.settled + many, np.array(weights, float))
    return order, *order.span(0, order.settled)


@given(WEIGHTS)
def test_after_every_sequence_each_domain_is_near_its_quota(stretches):
    """Less than one ahead, and behind by no more than 1/2 + ... + 1/K; every domain is read from its first on."""
    order, domains, indices = settled(stretches)
    k = len(order.most)
    parts = np.concatenate([np.tile(rounded(np.array(weights), k), (many, 1)) for many, weights in stretches])
    counts = np.cumsum(np.eye(k, dtype=np.int64)[domains], axis=0)
    behind = np.cumsum(parts, axis=0) - WHOLE * counts
    assert behind.min() > -WHOLE
    assert behind.max() <= WHOLE * sum(1 / j for j in range(2, k + 1)) + 1
    for d in range(k):
        assert indices[domains == d].tolist() == list(range((domains == d).sum()))
    assert (order.quotas(order.settled) == parts.sum(axis=0)).all()


def test_the_bound_is_reached_by_weights_that_always_go_to_who_has_waited():
    order, waiting = Steered([MANY] * 4), [0, 1, 2, 3]
    while len(waiting) > 1:
        order.settle(order.settled + 1, np.isin(range(4), waiting).astype(float))
        waiting.remove(int(order.span(order.settled - 1, order.settled)[0][0]))
    counts, quotas = order.counts(3), order.quotas(3)
    assert (quotas - WHOLE * counts).max() / WHOLE == pytest.approx(1 / 2 + 1 / 3 + 1 / 4, abs=1e-5)


def test_fixed_weights_are_kept_like_a_mixture_of_them():
    order, domains, _ = settled([(1000, [0.7, 0.2, 0.1])])
    assert order.counts(1000).tolist() == [700, 200, 100]
    assert domains[:10].tolist() == [0, 0, 1, 0, 0, 2, 0, 0, 1, 0]
    assert order.weights(1000).tolist() == [0.7, 0.2, 0.1]


@given(WEIGHTS, st.data())
def test_any_place_is_found_by_itself_and_again_from_the_record(stretches, data):
    order, domains, indices = settled(stretches)
    k = len(order.most)
    start = data.draw(st.integers(0, order.settled))
    stop = data.draw(st.integers(start, order.settled))
    again = Steered([MANY] * k)
    again.load_state_dict(json.loads(json.dumps(order.state_dict())))
    for one in (order, again):
        found = one.span(start, stop)
        assert found[0].tolist() == domains[start:stop].tolist()
        assert found[1].tolist() == indices[start:stop].tolist()
        assert one.counts(stop).tolist() == np.bincount(domains[:stop], minlength=k).tolist()
    for one in (order, again):
        one.settle(one.settled + 50, np.arange(1, k + 1))
    assert again.state_dict() == order.state_dict()
    assert again.span(0, again.settled)[0].tolist() == order.span(0, order.settled)[0].tolist()
    again.load_state_dict({"settled": 1, "begins": [0], "parts": [[WHOLE] + [0] * (k - 1)]})
    assert again.state_dict() == order.state_dict()


@given(WEIGHTS, st.data())
def test_no_domain_gives_more_than_it_may(stretches, data):
    total, k = sum(many for many, _ in stretches), len(stretches[0][1])
    most = data.draw(st.lists(st.integers(0, total), min_size=k, max_size=k))
    most[0] += max(0, total - sum(most))
    _, domains, _ = settled(stretches, most)
    counts = np.bincount(domains, minlength=k)
    assert counts.sum() == total
    assert (counts <= most).all()


@pytest.mark.parametrize("much", [10**13, 10**30])
def test_a_cap_beyond_all_reading_leaves_the_others_theirs(much):
    """As of most_epochs=1e9 over 10,000 sequences: in parts it is more than an int64 holds."""
    order, *_ = settled([(1000, [0.7, 0.3])], [much, 5])
    assert order.counts(1000).tolist() == [995, 5]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 80)), min_size=1, max_size=8))
def test_what_one_may_not_have_the_others_share_as_they_asked(pairs):
    asked = rounded(np.array([one for one, _ in pairs], float) + (0 if any(one for one, _ in pairs) else 1), len(pairs))
    most = np.array([one * 20_000 for _, one in pairs], np.int64)
    parts = limited(asked, most)
    assert parts.sum() == WHOLE
    if most.sum() < WHOLE:
        assert parts.tolist() == asked.tolist()
        return
    assert (parts <= most).all()
    free = (parts < most) & (asked > 0)
    if free.sum() > 1:
        ratios = parts[free] / asked[free]
        assert ratios.max() - ratios.min() <= (2 / asked[free]).max()


def test_weights_that_are_none_are_refused():
    for wrong in ([np.nan, 1.0], [-0.1, 1.1], [0.0, 0.0], [1.0], [np.inf, 1.0]):
        with pytest.raises(ValueError, match="for 2 domains; finite, 0 or more, and not all 0"):
            Steered([9, 9]).settle(4, np.array(wrong))
    order = Steered([9, 9])
    order.settle(4, np.ones(2))
    with pytest.raises(ValueError, match="sequences 0 to 5 were asked for, 4 are settled"):
        order.span(0, 5)


@pytest.mark.parametrize("world", [1, 3])
def test_ranks_read_the_domains_own_streams_in_the_order_that_is_settled(tmp_path, world):
    """Each domain's sequences are those that a plan of fixed weights reads, in their order."""
    url = folder(tmp_path, DOMAINS)
    fixed = planned(url, sequence=16, mixture={"books": 1, "code": 1, "web": 1}, sequences=24)
    plan = planned(url, sequence=16, mixture={"books": 1, "code": 1, "web": 1}, sequences=24, steered=True)
    assert plan.hash != fixed.hash
    with pytest.raises(WrongPlan):
        Loader(plan, 1).load_state_dict(Loader(fixed, 1).state_dict())
    loaders = [Loader(plan, 2, rank, world) for rank in range(world)]
    streams = {d: [] for d in range(3)}
    for step, weights in enumerate([[1, 0, 1], [1, 1, 0], [0, 1, 2], [1, 1, 1]]):
        read = 2 * world * step
        if read < 24:
            plan.steered.settle(min(24, read + 2 * world), np.array(weights))
            batches = [loader.at(read) for loader in loaders]
            rows = sorted(
                (n, d, t.tolist()) for b in batches for n, d, t in zip(b.numbers, b.domains, b.tokens, strict=True)
            )
            for _, domain, tokens in rows:
                streams[domain].append(tokens)
    laid = fixed.laid(np.arange(24))
    due = fixed.held.laid(laid.pieces, 16)
    for d, stream in streams.items():
        assert stream[:8] == due[laid.domains == d][: len(stream)].tolist()[:8]


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return learnable(tmp_path_factory.mktemp("tokens"))


POLICIES = {"odm": lambda: Odm(warmup=2, every=2), "ado": lambda: Ado(refit=6, every=2)}
SAVING = {"checkpoints": {"every": 5, "keep": 3}, "monitoring": {"every": 1}}


def asked(tokens, steps=24, method="odm", **changes):
    return settings(tokens, steps, online={"method": method}, **{**SAVING, **changes})


@pytest.fixture(scope="module")
def whole(tokens, tmp_path_factory):
    """A run of a policy without a stop, made once: its folder and outcome."""

    @cache
    def run(method):
        at = tmp_path_factory.mktemp(method)
        return at, train(asked(tokens, method=method), str(at), steerer=POLICIES[method]())

    return run


@pytest.mark.parametrize("method", ["odm", pytest.param("ado", marks=pytest.mark.slow)])
def test_killed_with_9_or_stopped_and_resumed_is_uninterrupted_to_the_bit(tokens, whole, tmp_path, method):
    run = asked(tokens, method=method)
    killed(tmp_path, 8, lambda: train(run, str(tmp_path), steerer=POLICIES[method]()))
    train(run, str(tmp_path), steerer=POLICIES[method](), stop_after=13)
    outcome = train(run, str(tmp_path), steerer=POLICIES[method]())
    same_to_the_bit(tmp_path, outcome, whole(method))
    assert outcome.domains == whole(method)[1].domains
    weights = [told(at / METRICS).series("weights", "odd") for at in (tmp_path, whole(method)[0])]
    assert weights[0] == weights[1]
    assert len(set(weights[0][1])) > 3


def test_what_is_said_to_be_trained_is_what_was_fed(tokens, tmp_path, monkeypatch):
    take, fed = Reader.take, np.zeros(2, int)

    def taken(self, read, sequences):
        batch = take(self, read, sequences)
        np.add.at(fed, batch.domains, 1)
        return batch

    monkeypatch.setattr(Reader, "take", taken)
    mixture = {"even": 0.25, "odd": 0.75}
    outcome = train(asked(tokens, mixture=mixture), str(tmp_path), steerer=Odm(warmup=8, every=1))
    assert outcome.domains == {"even": fed[0] * CONTEXT, "odd": fed[1] * CONTEXT}
    assert sum(outcome.domains.values()) == outcome.tokens == 24 * 128
    lines = told(tmp_path / METRICS).measures
    assert lines[24]["domain_tokens"] == outcome.domains
    quotas = {name: sum(line["weights"][name] for line in lines.values()) * 128 for name in mixture}
    assert all(abs(quotas[name] - outcome.domains[name]) <= 2 * CONTEXT for name in mixture)


def test_weights_follow_the_losses_up_to_two_steps_before(tokens, tmp_path):
    """A steerer that answers with the step it has seen last: step t is read with what step t - 2 has shown."""

    class Echo:
        def begin(self, domains, weights):
            self.seen = 0
            assert domains == ("even", "odd")
            assert weights.tolist() == [0.5, 0.5]

        def observed(self, step, losses, tokens):
            self.seen = step
            assert tokens.sum() == 128
            assert ((losses > 0) == (tokens > 0)).all()

        def weights(self):
            return np.array([1 + self.seen, 99 - self.seen]) / 100

        def state_dict(self):
            return {"seen": self.seen}

        def load_state_dict(self, state):
            self.seen = state["seen"]

    taken = []
    take = Reader.take
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "take", lambda self, *given: taken.append(self.loader.plan.steered) or take(self, *given))
        train(asked(tokens, 8, mixture={"even": 1, "odd": 1}), str(tmp_path), steerer=Echo())
    state = taken[0].state_dict()
    assert state["begins"] == [0, 16, 24, 32, 40, 48, 56]
    assert [parts[0] for parts in state["parts"]] == [10_000 * (1 + seen) for seen in range(7)]


def test_a_domain_that_gave_all_it_may_leaves_the_rest_to_the_others_and_it_is_told(tmp_path):
    """ "odd" has 12 documents, about 17 sequences; two passes are half of what its weight would take."""
    small = learnable(tmp_path / "tokens", documents=12)
    given = {"mixture": {"even": 0.1, "odd": 0.9}, "most_epochs": 2.0, "evaluation": {"every": 0, "held_out": 0}}
    with pytest.raises(RecipeError, match="at most 2"):
        train(settings(small, 6, **given), str(tmp_path / "fixed"))
    outcome = train(asked(small, 6, **given), str(tmp_path / "run"), steerer=Odm(warmup=99, every=1))
    plan = planned(small, sequence=CONTEXT + 1, sequences=1, steered=True, most_epochs=2 * (CONTEXT + 1) / CONTEXT)
    most = dict(zip(plan.domains, plan.steered.most.tolist(), strict=True))
    assert outcome.tokens == 6 * 128
    assert most["odd"] - 1 <= outcome.domains["odd"] / CONTEXT <= most["odd"]
    events = [event for event in told(tmp_path / "run" / METRICS).events if event["event"] == "domain exhausted"]
    assert [event["domain"] for event in events] == ["odd"]
    with pytest.raises(RecipeError, match="passes over all domains"):
        train(asked(small, 60, **given), str(tmp_path / "more"), steerer=Odm(warmup=99))


def test_what_does_not_fit_together_is_refused(tokens, tmp_path):
    with pytest.raises(RecipeError, match=r"train\.online: 'odm' was asked for .* and none was given"):
        train(asked(tokens), str(tmp_path / "none"))
    with pytest.raises(RecipeError, match=r"train\.online: none was asked for .* and one was given"):
        train(settings(tokens), str(tmp_path / "one"), steerer=Odm(warmup=2))
    train(asked(tokens), str(tmp_path / "run"), steerer=Odm(warmup=2), stop_after=2)
    with pytest.raises(OtherSettings, match=r"online\.method = 'odm', the settings say 'ado'"):
        train(asked(tokens, method="ado"), str(tmp_path / "run"), steerer=POLICIES["ado"]())
    with pytest.raises(OtherSettings, match="online"):
        train(settings(tokens, 24, **SAVING), str(tmp_path / "run"))


def test_what_train_online_asks_for_is_what_steers(tokens):
    """600 steps: a warm-up of 1 %, laws every 1/60; as told where it is told, and never below what a law needs."""
    odm, ado = (steerer(settings(tokens, 600, online={"method": method})) for method in ("odm", "ado"))
    assert (type(odm), odm.warmup, odm.every) == (Odm, 6, 10)
    assert (type(ado), ado.refit, ado.every) == (Ado, 10, 10)
    told = {"method": "odm", "warmup": 0.1, "every": 3}
    assert vars(steerer(settings(tokens, 600, online=told))).items() >= {"warmup": 60, "every": 3}.items()
    assert steerer(settings(tokens, 60, online={"method": "ado"})).refit == 6
    assert steerer(settings(tokens)) is None


def test_the_page_shows_the_weights(whole):
    at = whole("odm")[0]
    page = run_page("run", Told(measures=told(at / METRICS).measures), {})
    assert "Weights of domains, changed on the way" in page


@pytest.mark.slow
@pytest.mark.parametrize("method", POLICIES)
def test_a_run_that_went_back_and_was_killed_after_it_reads_what_it_would_have_read(
    tokens, tmp_path, monkeypatch, method
):
    """Sequences of the batches left out are not read later, though the restored weights are others."""
    fed = poisoned(monkeypatch)
    spikes = {key: {**SPIKES[key]} for key in SPIKES}
    run = settings(tokens, 110, online={"method": method}, **spikes)
    due = train(run, str(tmp_path / "due"), steerer=POLICIES[method]())
    assert due.skipped > 0
    assert len(fed) > 110
    steps = told(tmp_path / "due" / METRICS)
    spike = next(event for event in steps.events if event["event"] == "spike" and event["rewound"])
    assert (tmp_path / "due" / "checkpoints" / STEERED).exists()
    at = tmp_path / "killed"
    killed_after_rewind(at, spike["skip"]["step"], lambda: train(run, str(at), steerer=POLICIES[method]()))
    same = train(run, str(at), steerer=POLICIES[method]())
    assert same.weights == due.weights
    assert same.domains == due.domains
    assert told(at / METRICS).series("weights", "even") == steps.series("weights", "even")


def killed_after_rewind(at, step, work):
    """Begin the work and kill it with -9 two steps after it has gone back to `step`."""
    import os
    import time

    from forked import begun, ended

    child, until = begun(work), time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.005)
        if not (at / METRICS).exists():
            continue
        found = told(at / METRICS)
        if any(one["event"] == "spike" and one["rewound"] for one in found.events) and max(found.measures) >= step + 2:
            break
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL


@pytest.mark.slow
def test_two_ranks_settle_the_order_of_one(tokens, tmp_path):
    """In float64 losses of ranks differ by rounding alone, which parts of a million do not show here."""
    run = {"precision": "fp64", "mixture": {"even": 0.3, "odd": 0.7}}
    one = train(asked(tokens, 20, **run), str(tmp_path / "one"), steerer=POLICIES["odm"]())
    two = asked(tokens, 20, **run, parallel={"data": 2})
    side_by_side(2, lambda _: train(two, str(tmp_path / "two"), steerer=POLICIES["odm"]()) and None)
    found = [told(tmp_path / name / METRICS) for name in ("one", "two")]
    assert found[0].series("weights", "odd") == found[1].series("weights", "odd")
    assert found[1].measures[20]["domain_tokens"] == one.domains


def three_kinds(at: Path) -> str:
    """Tokens that are known after a few steps, that can be learned, and that are noise."""
    chance, entries = np.random.default_rng(0), []
    for domain in ("known", "learnable", "noise"):
        lengths = np.full(150, 33)
        ids = chance.integers(1, VOCAB, lengths.sum())
        if domain == "known":
            ids[:] = 7
        if domain == "learnable":
            for n in range(1, len(ids)):
                ids[n] = (ids[n - 1] * 2 + 1) % (VOCAB - 1) + 1 if chance.random() < 0.9 else ids[n]
        ids[np.cumsum(lengths) - 1] = EOS
        origin = Origin("c", np.arange(150), pa.array([f"{domain}-{n}" for n in range(150)]))
        name = f"{domain}/00000"
        entries.append(
            write_shard(str(at), name, lengths, ids, np.uint16, domain=domain, text_bytes=len(ids), origin=origin)
        )
    write_manifest(f"{at}/manifest.json", manifest_of(card(VOCAB), entries))
    return f"{at}/manifest.json"


@pytest.mark.slow
def test_in_a_real_run_ado_prefers_what_is_learned_and_odm_what_costs_most(tmp_path):
    tokens = three_kinds(tmp_path / "tokens")
    policies = {"ado": Ado(refit=15, every=1), "odm": Odm(warmup=5, every=1)}
    found = {}
    for method, policy in policies.items():
        run = settings(
            tokens,
            150,
            sequences=12,
            online={"method": method},
            mixture=dict.fromkeys(("known", "learnable", "noise"), 1),
        )
        found[method] = train(run, str(tmp_path / method), steerer=policy).domains
    assert found["ado"]["learnable"] > 1.3 * max(found["ado"]["known"], found["ado"]["noise"])
    assert found["odm"]["noise"] > found["odm"]["learnable"] > found["odm"]["known"]
