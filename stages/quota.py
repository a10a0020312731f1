"""The best share of every group by a score, to within half a document: "the best 30 % of the bytes per language".

Documents stand by score, equal ones by the digest of their text, then by a hash of their id; so who is kept does not
hang on workers, shards or the order of the input. With `gumbel` noise is laid over the scores: kept are
then as many documents as before, drawn without replacement in proportion to exp(score) (Kool et al. 2019), which is
how DSIR resamples by importance weights (Xie et al. 2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from corpus.documents import DROP, ID, VALUE, Batch, Columns
from corpus.errors import RecipeError
from corpus.hashing import hash64
from stages.quantiles import Quantiles

BEYOND, NO_SCORE = "quota", "no_score"


@dataclass(frozen=True, kw_only=True)
class Quota(Quantiles):
    """Keep of each group the documents with the best scores, as many as make the share that is asked for."""

    column: str = ""
    keep_share: float = 0.1  # DCLM keeps the best tenth (Li et al. 2024)
    best: Literal["high", "low"] = "high"
    gumbel: int | None = None

    name = "quota"
    ties: ClassVar[bool] = True
    judging: ClassVar[tuple[str, ...]] = ("keep_share",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.keep_share <= 1:
            raise RecipeError(f"quota: keep_share {self.keep_share:g} must be above 0 and at most 1")
        if self.gumbel is not None and not 0 <= self.gumbel < 1 << 63:
            raise RecipeError(f"quota: gumbel is the seed of the noise, 0 to 2**63 - 1, and it is {self.gumbel:,}")

    @property
    def scores(self) -> tuple[str, ...]:
        return (self.column,) if self.column else ()

    @property
    def shares(self) -> tuple[Fraction, ...]:
        return (Fraction(str(self.keep_share)),)  # as it is written: 0.3 is three tenths

    @property
    def descending(self) -> bool:  # type: ignore[override]  # a setting says so
        return self.best == "high"

    def emit(self, batch: Batch) -> pa.Table:
        table = super().emit(batch)
        if self.gumbel is None:
            return table
        noise = gumbel(hash64(batch.column(ID), self.gumbel))
        place = table.schema.get_field_index("score_0")
        noisy = pc.add(table["score_0"], pa.array(noise if self.best == "high" else -noise))
        return table.set_column(place, "score_0", noisy)

    def laid(self, scores: Sequence[np.ndarray], behind: Sequence[np.ndarray]) -> Columns:
        none = np.isnan(scores[0])
        gone = none | (behind[0] > 0)
        reason = np.where(none, NO_SCORE, BEYOND)
        return {DROP: pa.array(reason, pa.string(), mask=~gone), VALUE: pa.array(scores[0], mask=~gone)}


def gumbel(hashes: np.ndarray) -> np.ndarray:
    """Standard Gumbel noise, float64 [N], of hashes uint64 [N]: -ln(-ln(u)) with u the middle of 1 in 2**52 parts."""
    return _gumbel(hashes)


@njit(nogil=True, cache=True)
def _gumbel(hashes):  # type: ignore[no-untyped-def]
    out = np.empty(len(hashes))
    for n in range(len(hashes)):
        out[n] = -_ln(-_ln((np.float64(hashes[n] >> np.uint64(12)) + 0.5) * 2.0**-52))
    return out


@njit(nogil=True, cache=True)
def _ln(x):  # type: ignore[no-untyped-def]
    """The natural logarithm by additions and divisions alone: libraries differ in the last bit, and who is kept would.

    x = m * 2**e with m of 0.7 to 1.4; ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172: 11 terms are exact
    to 1e-17.
    """
    e = 0.0
    while x < 0.7071067811865476:
        x, e = x * 2.0, e - 1.0
    while x > 1.4142135623730951:
        x, e = x * 0.5, e + 1.0
    s = (x - 1.0) / (x + 1.0)
    total = 0.0
    for k in range(10, -1, -1):
        total = total * (s * s) + 1.0 / (2.0 * k + 1.0)
    return 2.0 * s * total + e * 0.6931471805599453
