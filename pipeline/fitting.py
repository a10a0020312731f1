"""From a table of runs to a fit as plain data, with a back-test and a page of plots where those were asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus.storage import write_bytes
from scaling.approaches import fit_envelope, fit_isoflop
from scaling.backtest import backtest
from scaling.errors import FitError
from scaling.fit import fit_runs
from scaling.laws import Chinchilla
from scaling.powerlaw import fit_power_law
from scaling.runs_csv import Runs, read_runs
from scaling.table import law

ALLOCATIONS = {"isoflop": fit_isoflop, "envelope": fit_envelope}
QUANTITIES = ("params", "tokens", "flops")
METHODS = ("parametric", *ALLOCATIONS, *QUANTITIES)


def read(path: str, columns: Mapping[str, str | None], drop_highest: int) -> Runs:
    """The runs of a CSV file; columns by common names where none is given. Raises FitError."""
    return read_runs(path, **columns, drop_highest=drop_highest)


def fitted(
    runs: Runs,
    method: str,
    bootstraps: int,
    against: Sequence[str],
    below: float | None,
    page: str | None,
    *,
    floor: bool,
) -> dict[str, Any]:
    """The fit's `to_dict`; of the parametric one with `backtest`, which is None where `below` is.

    method: of METHODS. Those but the first give no law of parameters and tokens, so take no `against`, `below` and
    `page`; `floor` is for laws of one quantity. Raises FitError and LawError.
    """
    if method not in METHODS:
        raise FitError(f"--method: {method!r} is not known; one of: {', '.join(METHODS)}")
    if method != "parametric":
        if against or below is not None or page is not None:
            raise FitError(f"--against, --below and --html are for --method parametric, and {method} was asked for")
        return _other(runs, method, bootstraps, floor)
    if not floor:
        raise FitError(f"--no-floor is for a law of one quantity: --method {', '.join(QUANTITIES)}")
    found = fit_runs(runs, bootstraps=bootstraps, against={name: _chinchilla(name) for name in against})
    tested = None if below is None else backtest(runs.params, runs.tokens, runs.loss, below=below).to_dict()
    facts = found.to_dict() | {"backtest": tested}
    if page is not None:
        _write(page, runs, found.law(Path(runs.source).stem), facts)
    return facts


def _other(runs: Runs, method: str, bootstraps: int, floor: bool) -> dict[str, Any]:
    if method in QUANTITIES:
        return fit_power_law(getattr(runs, method), runs.loss, floor=floor, bootstraps=bootstraps).to_dict()
    return ALLOCATIONS[method](runs.params, runs.tokens, runs.loss, bootstraps=bootstraps).to_dict()


def _chinchilla(name: str) -> Chinchilla:
    other = law(name)
    if not isinstance(other, Chinchilla):
        raise FitError(f"--against {name}: only a law E + A / N^alpha + B / D^beta can be judged beside a fit")
    return other


def _write(page: str, runs: Runs, found: Chinchilla, facts: dict[str, Any]) -> None:
    from pipeline.report.fits import against
    from scaling.plots import fit_page

    notes = [*map(against, facts["against"]), *facts["warnings"]]
    write_bytes(page, fit_page(found, runs.params, runs.tokens, runs.loss, notes=notes).encode())
