"""The inventory: the different tokens that each domain holds after curation, and what repeating them is worth.

It comes from the manifest of token shards, where tokens were counted. Before there are tokens it can only be estimated
from bytes, and says so: another tokenizer, language or kind of text makes half or twice as many.
"""

from collections.abc import Mapping
from math import inf
from typing import NamedTuple

from corpus.errors import RecipeError
from corpus.manifest import digest, read_manifest
from corpus.storage import read_bytes
from mixtures.buckets import Buckets
from scaling.repetition import REPEATS, decayed

BYTES_PER_TOKEN = 1 / 0.29335
"""3.41 bytes of text a token: 0.29335 GPT-2 tokens a byte over the Pile (Gao et al. 2020, section 3.1)."""


class Inventory(NamedTuple):
    """What there is to mix."""

    tokens: dict[str, int]  # by domain
    inputs: str  # BLAKE2b-128 of the manifest's bytes, 32 hex digits: what `b2sum -l 128` prints; or the run's digest
    estimated: bool = False  # from bytes, for there are no tokens yet
    by: Buckets | None = None  # None: domains as the documents have them


def inventory(manifest_url: str) -> Inventory:
    """The tokens that the shards of a manifest hold; ShardError where it is missing or breaks its schema."""
    domains = read_manifest(manifest_url).domains
    return Inventory({name: domains[name].tokens for name in sorted(domains)}, digest(read_bytes(manifest_url)))


def estimated(
    sizes: Mapping[str, int], inputs: str, bytes_per_token: float = BYTES_PER_TOKEN, by: Buckets | None = None
) -> Inventory:
    """The tokens that text of these sizes may make. sizes: UTF-8 bytes by domain; inputs: the digest of the run.

    Domains of less than a token are left out. Raises RecipeError where bytes_per_token is no positive number.
    """
    if not 0 < bytes_per_token < inf:
        raise RecipeError(f"--bytes-per-token is {bytes_per_token!r}, not a number above 0; English has 3 to 5")
    tokens = {name: int(sizes[name] / bytes_per_token) for name in sorted(sizes)}
    return Inventory({name: count for name, count in tokens.items() if count}, inputs, True, by)


def worth(unique: int, epochs: float) -> float:
    """Fresh tokens that so many passes over `unique` different ones are worth: Muennighoff et al. 2023, equation 5."""
    return effective(epochs * unique, unique)


def effective(tokens: float, unique: int) -> float:
    """Fresh tokens that `tokens` drawn from `unique` different ones are worth; 0 of 0."""
    return float(decayed(tokens, unique, REPEATS)) if tokens else 0.0
