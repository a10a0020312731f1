"""The unit guard: parameters, tokens and FLOPs are raw counts, and a number that looks like billions is refused.

A law with exponents takes any number and answers; with 7 for 7e9 the answer is 114 nats instead of 2. The floors
are numbers that no fitted law reaches from below and that no plan written in billions reaches from above.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import LawError

LEAST_PARAMS = 1e4  # in billions, 10^4 would be a model of 10 T parameters
LEAST_TOKENS = 1e5  # in billions, 10^5 would be 100 T tokens, more than the public web holds
LEAST_FLOPS = 6 * LEAST_PARAMS * LEAST_TOKENS  # in PF-days, 6e9 would be 5e29 FLOPs
MOST = 1e40  # beyond any of the three; powers stay finite below it


def as_params(params: ArrayLike) -> Any:
    """Parameters as float64, scalar or array; LawError where a value is not finite or below 10,000."""
    return _raw("params", params, LEAST_PARAMS, 1e9)


def as_tokens(tokens: ArrayLike) -> Any:
    """Tokens as float64, scalar or array; LawError where a value is not finite or below 100,000."""
    return _raw("tokens", tokens, LEAST_TOKENS, 1e9)


def as_flops(flops: ArrayLike) -> Any:
    """FLOPs as float64, scalar or array; LawError where a value is not finite or below 6e9."""
    return _raw("flops", flops, LEAST_FLOPS, 8.64e19)


def as_positive(what: str, value: float) -> float:
    """A finite number above zero (prices, hours, shares); LawError names it otherwise."""
    if not (np.isfinite(value) and value > 0):
        raise LawError(f"{what} is {value:,g}: it must be a finite number above 0")
    return float(value)


def _raw(what: str, value: ArrayLike, least: float, unit: float) -> Any:
    try:
        raw = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise LawError(f"{what} is {value!r}: it must be a number, or an array of numbers") from error
    wrong = ~((raw >= least) & (raw <= MOST))
    if wrong.any():
        _refuse(what, float(raw[wrong].flat[0]), least, unit)
    return float(raw) if raw.ndim == 0 else raw


def _refuse(what: str, found: float, least: float, unit: float) -> None:
    if not np.isfinite(found) or found <= 0 or found > MOST:
        raise LawError(f"{what} is {found:,g}: it must be a finite number above 0, a raw count")
    scale = "PF-days" if what == "flops" else "billions"
    raise LawError(
        f"{what} is {found:,g}, less than {least:,g}: {what} are raw counts here. "
        f"If it was meant in {scale}, write {found * unit:g}."
    )
