"""Numbers as people write them: 7B parameters, 1.4T tokens, 1e22 FLOPs, 15_000 GPU-hours; raw units come out."""

import math
import re
from decimal import Decimal

from corpus.errors import RecipeError

SUFFIXES = {"": 0, "K": 3, "M": 6, "B": 9, "T": 12, "P": 15}
"""Powers of ten, never of two. Lower case is read too: 7b parameters are not bytes here."""

_NUMBER = re.compile(r"([0-9][0-9_,]*\.?[0-9]*|\.[0-9]+)(?:e([+-]?[0-9]{1,4}))?\s?([KMBTP]?)", re.IGNORECASE)


def quantity(said: str, option: str, *, zero: bool = False) -> float:
    """The positive number that `said` means, in raw units: quantity("1.4T", "--tokens") is 1.4e12.

    option: what the error names; zero: whether 0 will do.
    Raises RecipeError for what is no positive, finite number with or without one of SUFFIXES.
    """
    found = _NUMBER.fullmatch(said.strip())
    value = _value(*found.groups()) if found else -1.0
    if not 0 <= value < math.inf or (value == 0 and not zero):
        raise RecipeError(
            f"{option}: {said!r} is no positive number. Give raw units, as 7e9, 7B, 1.4T or 1e22 "
            f"(K, M, B, T, P are 1e3 to 1e15)."
        )
    return value


def _value(digits: str, exponent: str | None, suffix: str) -> float:
    """Rounded once, so that 1.4T is the float 1.4e12 and not 1.4 times 1e12."""
    power = int(exponent or 0) + SUFFIXES[suffix.upper()]
    return float(Decimal(re.sub("[_,]", "", digits)).scaleb(power))


def quantities(said: str, option: str) -> dict[str, float]:
    """Named quantities, in the order said: quantities("web=1e12,code=200B", "--unique-tokens").

    Raises RecipeError where a part is not name=number, or a name comes twice.
    """
    values: dict[str, float] = {}
    for part in said.split(","):
        name, sign, number = (piece.strip() for piece in part.partition("="))
        if not sign or not name or name in values:
            raise RecipeError(f"{option}: {part!r} is not name=tokens of its own; give them as web=1e12,code=200B")
        values[name] = quantity(number, f"{option} {name}")
    return values


def pair(said: str, option: str) -> tuple[float, float]:
    """Parameters and tokens of a plan: pair("7B:2T", "PLAN") is (7e9, 2e12). Raises RecipeError for anything else."""
    params, sign, tokens = said.partition(":")
    if not sign:
        raise RecipeError(f"{option}: {said!r} is not params:tokens; give it as 7B:2T")
    return quantity(params, f"{option} {said}, params"), quantity(tokens, f"{option} {said}, tokens")
