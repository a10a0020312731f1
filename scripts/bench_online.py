"""What it costs to change the weights of domains within a run: settling and reading the order, laws, and checkpoints.

    python scripts/bench_online.py [--domains 20] [--batch 1440] [--steps 600]

CPU seconds of one thread; the steps are not trained, their losses are planted power laws with 1 % noise.
"""

import argparse
import json
import time
from functools import partial
from typing import Any

import numpy as np

from mixtures.online.ado import BINS, STARTS, Ado, fitted
from mixtures.online.odm import EVERY, Odm
from scaling.huber import PowerSum, solve
from trainer.reading.steered import Steered

MANY = 1 << 40


def timed(work: Any, *given: Any) -> float:
    """CPU milliseconds of a call."""
    begun = time.process_time()
    work(*given)
    return 1e3 * (time.process_time() - begun)


def orders(k: int, batch: int, steps: int) -> None:
    """Weights of every `EVERY` steps at random: as much as a record can hold."""
    order, chance = Steered([MANY] * k), np.random.default_rng(0)
    order.settle(batch, np.ones(k))
    order.span(0, batch)  # compiles
    weights, settling, reading = np.ones(k), 0.0, 0.0
    for step in range(1, steps):
        weights = chance.random(k) if step % EVERY == 0 else weights
        settling += timed(order.settle, batch * (step + 1), weights)
        reading += timed(order.span, batch * step, batch * (step + 1))
    size = len(json.dumps(order.state_dict())) / steps / 10
    print(f"{k} domains, batches of {batch:,}: a step settles in {settling / steps:.2f} ms, is read in ", end="")
    print(f"{reading / steps:.2f} ms; the record has {size:.1f} MB at 100,000 steps")
    spent = timed(Steered([MANY] * k).load_state_dict, order.state_dict())
    print(f"a record of {steps:,} steps is taken over in {spent:.0f} ms")


def places(k: int) -> None:
    """A stretch as long as it may be, played from its begin."""
    order = Steered([MANY] * k)
    order.load_state_dict({"settled": 1 << 16, "begins": [0], "parts": [[1_000_000 // k] * k]})
    print(f"a place 65,535 sequences into a stretch is found in {timed(order.counts, 65_535):.1f} ms")


def laws() -> None:
    """A law of as many points as there are bins, and what fewer valleys than 16 cost in fit."""
    chance, read = np.random.default_rng(0), 2048.0 * np.arange(1, BINS + 1)
    for floor, height, exponent in ((1, 10, 0.3), (0.5, 30, 0.5), (4, 0, 0.1)):
        losses = (floor + height * read**-exponent) * np.exp(chance.normal(0, 0.01, BINS))
        problem = PowerSum.of([read], losses, floor=True, delta=1e-3)
        spent, most = timed(fitted, read, losses), timed(partial(solve, problem, starts=16))
        worse = solve(problem, starts=STARTS).huber_sum / solve(problem, starts=16).huber_sum - 1
        print(f"{floor} + {height} n^-{exponent}: {spent:.0f} ms; from 16 starts {most:.0f} ms, better by {worse:.0e}")


def policies(k: int, steps: int) -> None:
    """All that a policy does in a step, fits included, and its part of a checkpoint."""
    exponents, chance, tokens = np.linspace(0.1, 0.5, k), np.random.default_rng(0), np.full(k, 1e4)
    for name, policy in (("odm", Odm(warmup=steps // 100)), ("ado", Ado(refit=steps // 60))):
        policy.begin([str(n) for n in range(k)], np.full(k, 1 / k))
        losses = (1 + 10 * np.arange(1.0, steps + 1)[:, None] ** -exponents) * np.exp(
            chance.normal(0, 0.01, (steps, k))
        )
        spent = sum(timed(policy.observed, step, losses[step - 1], tokens) for step in range(1, steps + 1))
        print(f"{name}, {k} domains: {spent / 1e3:.1f} s in all, {len(json.dumps(policy.state_dict())) / 1e3:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=20)
    parser.add_argument("--batch", type=int, default=1440)
    parser.add_argument("--steps", type=int, default=600)
    given = parser.parse_args()
    orders(given.domains, given.batch, given.steps)
    places(given.domains)
    laws()
    policies(given.domains, given.steps)
