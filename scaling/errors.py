"""What scaling raises on purpose. The command line turns both into exit code 2."""

import difflib
from collections.abc import Iterable


class LawError(ValueError):
    """Asked wrongly: an unknown law or GPU, numbers in other units than raw counts, impossible numbers."""


class FitError(ValueError):
    """The runs cannot be fitted: too few, not finite, or without the spread that would identify an exponent."""


def unknown(kind: str, asked: str, known: Iterable[str]) -> LawError:
    """The error for a name that is not in a table: it names the nearest one and then all there are."""
    names = sorted(known)
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(asked.lower(), folded, n=1, cutoff=0.5)
    hint = f"did you mean {folded[near[0]]!r}? " if near else ""
    return LawError(f"no {kind} {asked!r}: {hint}there are: {', '.join(names)}")
