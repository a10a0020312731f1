"""A mixture: the share of training tokens each domain gets, and how many passes over its tokens that makes.

Every method ends in this one artefact, so what trains on it need not know how the shares were found. Shares
belong to the tokens they were made for, and these to a tokenizer: `inputs` is the hash of the manifest.
"""

import json
from collections.abc import Mapping
from math import fsum, isclose
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from corpus.errors import RecipeError, ShardError
from corpus.storage import read_bytes, write_bytes
from mixtures.buckets import Buckets
from mixtures.inventory import Inventory, inventory

__all__ = ["TOLERANCE", "Inventory", "Mixture", "inventory"]

TOLERANCE = 1e-12
"""How far from 1 weights may sum. Each is the nearest double, so ours stay within 2.3e-16, however many there are."""

Count = Annotated[int, Field(ge=1, le=1 << 62)]
Share = Annotated[float, Field(ge=0, le=1)]


class Mixture(BaseModel):
    """Shares of a budget by domain. RecipeError where its figures contradict each other."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["winnow-mixture/1"] = "winnow-mixture/1"
    method: str
    settings: dict[str, Any]
    weights: dict[str, Share]  # domain -> share of the training tokens; they sum to 1
    tokens: dict[str, Count]  # domain -> different tokens there are
    budget: Count | None  # tokens to train on; None: shares only
    epochs: dict[str, float]  # domain -> passes over its tokens; empty without a budget
    capped: tuple[str, ...]  # domains at the most passes their method allows, sorted
    inputs: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]  # see Inventory
    estimated: bool = False  # tokens were estimated from bytes
    by: Buckets | None = None  # domains are buckets of this column; None: the documents' own domains
    seed: Annotated[int, Field(ge=0, le=1 << 62)] | None = None  # of a method that draws; None: it draws nothing

    @classmethod
    def of(
        cls,
        method: str,
        settings: Mapping[str, Any],
        weights: Mapping[str, float],
        held: Inventory,
        budget: int | None,
        capped: tuple[str, ...] = (),
        seed: int | None = None,
    ) -> "Mixture":
        """The mixture with its epochs worked out."""
        return cls(
            method=method,
            settings=dict(settings),
            weights=dict(weights),
            tokens=held.tokens,
            budget=budget,
            epochs=_epochs(weights, held.tokens, budget),
            capped=capped,
            inputs=held.inputs,
            estimated=held.estimated,
            by=held.by,
            seed=seed,
        )

    @model_validator(mode="after")
    def _fits(self) -> "Mixture":
        if strange := set(self.weights) ^ set(self.tokens) or set(self.capped) - set(self.tokens):
            raise RecipeError(
                f"{self.method}: not of one and the same domains: {', '.join(sorted(strange)[:8])}. "
                f"Every domain needs tokens and a weight; 0 leaves it out."
            )
        if not abs(fsum(self.weights.values()) - 1) <= TOLERANCE:
            raise RecipeError(
                f"{self.method}: weights sum to {fsum(self.weights.values())!r}, not 1. Divide them by it."
            )
        due = _epochs(self.weights, self.tokens, self.budget)
        if set(due) != set(self.epochs):
            raise RecipeError(f"{self.method}: epochs are due for {len(due):,} domains, not {len(self.epochs):,}")
        for domain, passes in due.items():
            if not isclose(self.epochs[domain], passes, rel_tol=1e-9):
                raise RecipeError(
                    f"{self.method}: {self.epochs[domain]!r} epochs of {domain!r}; its weight, the budget and "
                    f"its tokens make {passes!r}. Was one of them changed by hand?"
                )
        return self

    def save(self, url: str) -> None:
        """Put it at `url` as JSON with sorted keys: the same mixture, the same bytes."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=1, allow_nan=False)
        write_bytes(url, f"{content}\n".encode())

    @classmethod
    def load(cls, url: str) -> "Mixture":
        """The mixture at `url`; ShardError where it is missing, not one, or contradicts itself."""
        try:
            return cls.model_validate_json(read_bytes(url))
        except FileNotFoundError as error:
            raise ShardError(f"{url}: no mixture there") from error
        except RecipeError as error:
            raise ShardError(f"{url}: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            said = f"{where}: {first['msg']}, found {first['input']!r:.80}"
            raise ShardError(f"{url}: not a mixture that this version reads: {said}") from error


def _epochs(weights: Mapping[str, float], tokens: Mapping[str, int], budget: int | None) -> dict[str, float]:
    if budget is None:
        return {}
    return {domain: weights[domain] * budget / tokens[domain] for domain in tokens}
