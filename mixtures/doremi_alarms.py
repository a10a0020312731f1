"""Why weights of DoReMi should not be believed as they stand: each reason is told, and none changes the weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixtures.doremi import Steps

ONE_HOT = 0.9
"""A mean weight above it: near-one-hot weights came of small batches and of domains missing in a batch, in users'
reports on the published code; its authors advise a step size of 0.1 and every domain in each batch."""

WAVERS = 0.25
"""Of a weight over the last half of the steps: its standard deviation."""

OVERFITTED = 0.1
"""Nats by which the reference does better on tokens of a domain that it was trained on than on held-out ones: such a
domain's excess is too large, since the proxy is measured against what the reference knows by heart."""


@dataclass(frozen=True)
class Alarm:
    """One reason."""

    kind: str  # "one-hot", "oscillates", "overfitted reference", "not measured", "not finite", "small batch",
    # "tokenizer mismatch", "other tokens"
    domain: str  # "" where it is of all
    what: str


def window(steps: int) -> int:
    """How many of the last steps wavering is judged by."""
    return steps - steps // 2


def alarms(steps: Steps, domains: Sequence[str], gaps: Mapping[str, float]) -> Iterator[Alarm]:
    """What is wrong with a round. gaps: domain -> the reference's loss on held-out tokens minus that on trained ones,
    nats; a domain that is missing there could not be measured."""
    mean, late = steps.alpha.mean(axis=0), steps.alpha[-window(len(steps.alpha)) :]
    for n, domain in enumerate(domains):
        if len(domains) > 1 and mean[n] > ONE_HOT:
            yield Alarm("one-hot", domain, f"has {mean[n]:.3f} of all weight; try step_size 0.1 and larger batches")
        if late[:, n].std() > WAVERS:
            low, high = late[:, n].min(), late[:, n].max()
            yield Alarm("oscillates", domain, f"moves between {low:.3f} and {high:.3f} in the last half of the steps")
        yield from _overfitted(domain, gaps.get(domain))
    if out := int(np.isnan(steps.excess).any(axis=1).sum()):
        yield Alarm("not finite", "", f"{out:,} steps had no finite loss, and left the weights as they were")


def _overfitted(domain: str, gap: float | None) -> Iterator[Alarm]:
    if gap is None:
        said = "none of its documents is held out, or all are, so whether the reference knows it by heart is not known"
        yield Alarm("not measured", domain, f"{said}; raise evaluation.held_out, or give it more documents")
    elif gap > OVERFITTED:
        said = f"the reference loses {gap:.2f} nats on tokens it has not seen; train it shorter or smaller"
        yield Alarm("overfitted reference", domain, said)


def small_batch(shares: Mapping[str, float], sequences: int) -> Iterator[Alarm]:
    """Domains of which some steps see nothing. shares: domains are sampled by. sequences: of the smallest batch."""
    rare = [domain for domain, share in sorted(shares.items()) if share * sequences < 1 - 1e-9]
    if rare:
        some = ", ".join(rare[:8]) + (f" and {len(rare) - 8:,} more" if len(rare) > 8 else "")
        yield Alarm(
            "small batch",
            "",
            f"a batch of {sequences:,} sequences for {len(shares):,} domains has steps without {some}, whose excess "
            f"is then that of an earlier step; raise batch.tokens",
        )


def carried(found_with: str | None, tokenizer: str, same_tokens: bool) -> Iterator[Alarm]:
    """What to distrust of weights brought from elsewhere.

    found_with: hash of the tokenizer that they were found with, where it is known. tokenizer: of these tokens.
    """
    if found_with is not None and found_with != tokenizer:
        yield Alarm(
            "tokenizer mismatch",
            "",
            f"weights found with tokens of the tokenizer {found_with} are used for tokens of {tokenizer}; weights do "
            f"not transfer across tokenizers (the Pile's web text got .606 with 256,000 ids and .138 with 50,000)",
        )
    elif not same_tokens:
        yield Alarm("other tokens", "", "weights found for the tokens of another manifest are used for these")
