"""DoReMi's weights: exponentiated gradient ascent on the excess loss of a proxy over a reference (Xie et al. 2023).

At each step the excess of a domain is the mean over its tokens of max(proxy's nats - reference's nats, 0): clipped
*per token, before averaging*, so a domain with tokens (+1, -1) has an excess of .5 and not 0. Then

    alpha <- alpha * exp(step_size * excess), normalised;  alpha <- (1 - smoothing) * alpha + smoothing / k

(Xie et al. 2023, algorithm 1, with its step size of 1 and smoothing of 1e-3; their code's default is 1e-4), the proxy
is trained on sum of alpha_i * mean loss_i with the new alpha, and the answer is the mean of alpha over all steps, not
the last one, which is noisy. This file is what can be worked by hand.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corpus.errors import ShardError

STEP_SIZE = 1.0
SMOOTHING = 1e-3
CONVERGED = 1e-3
"""Rounds go on until no weight moves by more (Xie et al. 2023, section 3.3)."""


def clipped_sums(proxy_N: np.ndarray, reference_N: np.ndarray, domains_N: np.ndarray, k: int) -> np.ndarray:
    """Of each domain the sum of its tokens' clipped excess, and how many they are: float64 [2, k].

    proxy, reference: nats of the same tokens. domains: int, which domain each is of. Micro-batches and ranks add up.
    """
    clipped = np.maximum(proxy_N.astype(np.float64) - reference_N, 0.0)
    return np.stack([np.bincount(domains_N, weights=clipped, minlength=k), np.bincount(domains_N, minlength=k)])


def excess(sums: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
    """The mean over each domain's tokens, float64 [k], of such sums.

    A domain without tokens in this batch has the excess that it had `before`, as in the published code; 0 at first.
    """
    missing = np.zeros(sums.shape[1]) if before is None else before
    return np.where(sums[1] > 0, sums[0] / np.maximum(sums[1], 1), missing)


def updated(
    alpha: np.ndarray, excess_k: np.ndarray, step_size: float = STEP_SIZE, smoothing: float = SMOOTHING
) -> np.ndarray:
    """The next weights, float64 [k], summing to 1. The largest excess is taken off first: it cancels, and exp cannot
    overflow."""
    grown = alpha * np.exp(step_size * (excess_k - excess_k.max()))
    return (1 - smoothing) * grown / grown.sum() + smoothing / len(alpha)


def token_weights(alpha: np.ndarray, tokens_k: np.ndarray, shares: np.ndarray | None = None) -> np.ndarray:
    """What a token of each domain counts in the proxy's mean loss, float64 [k]. tokens: of each domain in the batch.

    Without shares the loss is sum of alpha_i * mean loss_i, the paper's: it samples domains uniformly. With the shares
    that domains are sampled by, a token counts alpha / share, divided by the mean over the batch's tokens: the
    published code's importance correction. Where the batch holds each domain by its share the two are the same.
    """
    if shares is None:
        return np.asarray(alpha * tokens_k.sum() / np.maximum(tokens_k, 1))
    corrected = alpha / shares
    return np.asarray(corrected * tokens_k.sum() / (corrected * tokens_k).sum())


class Trace:
    """Every step's weights and excess, in a file of JSON lines, and the running mean of the weights."""

    def __init__(self, domains: Sequence[str], path: Path | None = None) -> None:
        self.domains, self.path = tuple(domains), path
        self.steps, self._sum = 0, np.zeros(len(domains))

    def add(self, alpha: np.ndarray, excess_k: np.ndarray | None, written: bool = True) -> None:
        """A step. excess: None where it was not finite. written: into the file as well; of several processes one does.

        The first step begins the file anew: what a run wrote that was killed before any checkpoint is not of this one.
        """
        self.steps, self._sum = self.steps + 1, self._sum + alpha
        if self.path is not None and written:
            found = None if excess_k is None else excess_k.tolist()
            with self.path.open("w" if self.steps == 1 else "a", encoding="utf-8") as out:
                out.write(json.dumps({"step": self.steps, "alpha": alpha.tolist(), "excess": found}) + "\n")

    @property
    def mean(self) -> dict[str, float]:
        """The answer: each domain's weight, averaged over the steps so far."""
        return dict(zip(self.domains, (self._sum / max(1, self.steps)).tolist(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint, which must not outlive the lines before it: they are on the disk from now on."""
        if self.path is not None and self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
        return {"domains": list(self.domains), "steps": self.steps, "sum": self._sum.tolist()}

    def load_state_dict(self, state: Mapping[str, Any], written: bool = True) -> None:
        """Go on from there; lines of later steps, written before a kill, are cut off the file. written: as in `add`.

        ShardError where lines of earlier steps are missing.
        """
        self.steps, self._sum = state["steps"], np.array(state["sum"])
        if self.path is not None and written:
            _cut(self.path, self.steps)


def _cut(path: Path, steps: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    if len(lines) < steps:
        raise ShardError(
            f"{path}: {len(lines):,} steps, and the checkpoint that goes on from it has {steps:,}: lines were lost. "
            f"Move the folder of the round away, to train it anew."
        )
    if len(lines) > steps:
        os.truncate(path, sum(map(len, lines[:steps])))  # at once: a kill here must not lose the lines before


class Steps(NamedTuple):
    """A trace as it was read. excess: NaN in steps where it was not finite."""

    alpha: np.ndarray  # float64 [S, k], after the step's update
    excess: np.ndarray  # float64 [S, k], nats a token


def traced(path: Path) -> Steps:
    """Every step of a trace file; ShardError where it is missing, or a line is damaged or out of turn."""
    if not path.exists():
        raise ShardError(f"{path}: not there; move the folder of the round away, to train it anew")
    found: list[np.ndarray] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            found.append(_step(path, number, line))
            if found[-1].shape != found[0].shape:
                raise ShardError(
                    f"{path}, line {number:,}: of {found[-1].shape[1]:,} domains, not {found[0].shape[1]:,}"
                )
    if not found:
        raise ShardError(f"{path}: no steps; move the folder of the round away, to train it anew")
    both = np.stack(found, axis=1)
    return Steps(both[0], both[1])


def _step(path: Path, number: int, line: str) -> np.ndarray:
    """A line's weights and excess, float64 [2, k]."""
    try:
        said = json.loads(line)
        alpha, nats = np.array(said["alpha"], np.float64), said["excess"]
        found = np.stack([alpha, np.full(len(alpha), np.nan) if nats is None else np.array(nats, np.float64)])
        turn = said["step"]
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(f"{path}, line {number:,}: no step of a trace ({error!r:.80})") from error
    if turn != number or found.ndim != 2:
        raise ShardError(f"{path}, line {number:,}: not step {number:,} of a trace; lines were lost or mixed up")
    return found


def moved(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """The largest change of a weight between two rounds; rounds end below `CONVERGED`."""
    return max(abs(after[domain] - before[domain]) for domain in after)
