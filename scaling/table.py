"""The named laws, with the place every constant was read; and laws that a user fitted, from a file.

law("besiroglu2024").optimal(1e23)      # 29 B parameters on 566 B tokens
law("fits/ours.json").loss(7e9, 2e12)   # what `winnow fit --json` printed
"""

import json
from math import exp
from pathlib import Path
from typing import Any

import numpy as np

from scaling.errors import LawError, unknown
from scaling.laws import PF_DAY, Chinchilla, Kaplan, Law, PowerLaw, overtraining
from scaling.repetition import REPEATS, DataConstrained

KAPLAN = "Kaplan et al. 2020, Scaling Laws for Neural Language Models, arXiv 2001.08361"
HOFFMANN = "Hoffmann et al. 2022, Training Compute-Optimal Large Language Models, arXiv 2203.15556"
BESIROGLU = "Besiroglu et al. 2024, Chinchilla Scaling: A Replication Attempt, arXiv 2404.10102"
SARDANA = "Sardana et al. 2024, Beyond Chinchilla-Optimal, arXiv 2401.00448"
MUENNIGHOFF = "Muennighoff et al. 2023, Scaling Data-Constrained Language Models, arXiv 2305.16264"
GADRE = "Gadre et al. 2024, Language models scale reliably with over-training and on downstream tasks, arXiv 2403.08540"

_CHINCHILLA_RUNS: dict[str, Any] = {
    # Of the 240 runs of figure 4 as read by Besiroglu et al. (the five of highest loss left out).
    "fitted": (1.4e18, 1.3e22),
    "ratios": (0.46, 341.0),
}

_CHINCHILLA_SPREAD = (
    # Covariance of (ln A, ln B, ln E, alpha, beta) over 1,000 bootstraps of those 240 runs, seed 0; nine digits, since
    # what is left of a loss's variance after cancellation is a thousandth of its parts. Standard errors of A, B, E,
    # alpha, beta: 120, 1345, 0.025, 0.015, 0.020, where Besiroglu et al. print 124, 1293, 0.026, 0.015, 0.021.
    # winnow fit chinchilla_normalised.csv --drop-highest 5 --bootstrap 1000 --json, 2026-11.
    (0.0634124004, -0.0243229557, 0.00209502656, 0.00377895511, -0.00122036655),
    (-0.0243229557, 0.168391968, 0.00347323311, -0.00152667794, 0.00823767427),
    (0.00209502656, 0.00347323311, 0.000192620152, 0.000123338945, 0.000169401851),
    (0.00377895511, -0.00152667794, 0.000123338945, 0.000225503823, -7.6632114e-05),
    (-0.00122036655, 0.00823767427, 0.000169401851, -7.6632114e-05, 0.000403260491),
)

DEFAULT = "besiroglu2024"
"""The published fit whose optimum, 19 tokens per parameter at 1e23 FLOPs, agrees with Hoffmann's approaches 1 and 2."""

REPEATED = DataConstrained(
    E=exp(0.6254804),
    A=exp(6.255414),
    B=exp(7.3049974),
    alpha=0.3526596,
    beta=0.3526596,
    R_D=REPEATS,
    R_N=5.309743,
    name="muennighoff2023",
    source=f"{MUENNIGHOFF}, appendix A; unrounded: utils/parametric_fit.ipynb of huggingface/datablations; C4",
    # The 182 runs of the fit lie within the released runs: up to 8.67 B parameters, 900 B tokens, 9.3e21 FLOPs.
    fitted=(4.3e15, 9.3e21),
)
"""The law of repeated data, `muennighoff2023`."""

_ALL = (
    Kaplan(
        # Table 6 (joint law; allocation: N_e at one PF-day of C_min) and table 2 (N_c, D_c of the joint law).
        N_c=6.4e13,
        D_c=1.8e13,
        alpha_N=0.076,
        alpha_D=0.103,
        N_e=1.3e9,
        p_N=0.73,
        name="kaplan2020",
        source=f"{KAPLAN}, equation 1.5, tables 2 and 6; parameters without embeddings, WebText2",
        # Section 3: 768 to 1.5 B parameters without embeddings, 22 M to 23 B tokens.
        fitted=(1.0e11, 2.1e20),
    ),
    Chinchilla(
        E=exp(0.5267228),
        A=exp(6.0073404),
        B=exp(6.0179186),
        alpha=0.33917084,
        beta=0.2849083,
        name="hoffmann2022",
        source=f"{HOFFMANN}, approach 3, unrounded: comments of the TeX source, as quoted by Besiroglu et al. 2024",
        **_CHINCHILLA_RUNS,
    ),
    Chinchilla(
        E=1.69,
        A=406.4,
        B=410.7,
        alpha=0.34,
        beta=0.28,
        name="hoffmann2022_rounded",
        source=f"{HOFFMANN}, equation 10; beta rounded from 0.2849, which moves the data term 13 % at 1e11 tokens",
        **_CHINCHILLA_RUNS,
    ),
    Chinchilla(
        E=1.8172,
        A=482.01,
        B=2085.43,
        alpha=0.3478,
        beta=0.3658,
        covariance=_CHINCHILLA_SPREAD,
        name="besiroglu2024",
        source=f"{BESIROGLU}, table 1; covariance: 1,000 bootstraps of the same 240 runs",
        **_CHINCHILLA_RUNS,
    ),
    Chinchilla(
        E=1.69,
        A=406.4,
        B=410.7,
        alpha=0.336,
        beta=0.283,
        name="sardana2024",
        source=f"{SARDANA}: Hoffmann's coefficients with exponents of three digits, which its examples need",
        **_CHINCHILLA_RUNS,
    ),
    REPEATED,
    overtraining(
        E=1.83664842,
        a=212.236125,
        b=366.687204,
        eta=0.1364253535,
        name="gadre2024",
        source=f"{GADRE}, RedPajama (1.84, 212, 367, 0.136); unrounded: least squares on their five runs, loss on C4",
        fitted=(1.3e16, 2.1e19),
        ratios=(20.0, 320.0),
    ),
)

LAWS: dict[str, Law] = {law.name: law for law in _ALL}

POWER_LAWS = {
    "params": PowerLaw(8.8e13, 0.076, f"{KAPLAN}, equation 1.1: parameters without embeddings, to convergence"),
    "tokens": PowerLaw(5.4e13, 0.095, f"{KAPLAN}, equation 1.2: tokens, a large model stopped early"),
    "flops": PowerLaw(3.1e8 * PF_DAY, 0.050, f"{KAPLAN}, equation 1.3: FLOPs, best size, batch well below critical"),
    "flops_fixed_batch": PowerLaw(1.6e7 * PF_DAY, 0.057, f"{KAPLAN}, table 5: FLOPs at a fixed batch of 2^19 tokens"),
}
"""Kaplan's laws of one quantity. The PF-days of the paper are FLOPs here."""


def law(name: str) -> Law:
    """The law of that name, or of the fit in the JSON file of that name (ending in .json).

    Raises LawError with the nearest name where there is none.
    """
    if name.lower().endswith(".json"):
        return fitted_law(Path(name))
    if name not in LAWS:
        raise unknown("law", name, LAWS)
    return LAWS[name]


def fitted_law(path: Path) -> Chinchilla:
    """The law in a file as `winnow fit --json` writes it: {E, A, B, alpha, beta, points, ...}.

    `covariance` of (ln A, ln B, ln E, alpha, beta), `fitted` (FLOPs) and `ratios` (tokens per parameter) are read where
    they are there; without a covariance the law has no interval. Raises LawError where the file is no such JSON.
    """
    found = _json_object(path)
    missing = [name for name in _FORM if not _is_number(found.get(name))]
    if missing:
        raise LawError(f"{path}: no number for {', '.join(missing)}; a fitted law holds {', '.join(_FORM)}")
    E, A, B, alpha, beta = (float(found[name]) for name in _FORM)
    return Chinchilla(
        E,
        A,
        B,
        alpha,
        beta,
        covariance=_covariance(path, found.get("covariance")),
        name=path.stem,
        source=f"{path.name}, fitted on {found.get('points', 'an unknown number of')} runs",
        fitted=_range(path, "fitted", found),
        ratios=_range(path, "ratios", found),
    )


_FORM = ("E", "A", "B", "alpha", "beta")


def _json_object(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(1 << 20))  # a fit is 1 kB; a wrong path to a large file ends here
    except OSError as error:
        raise LawError(f"{path}: cannot be read ({error.strerror}); give a law's name or a fit's JSON file") from error
    except ValueError as error:
        raise LawError(f"{path}: not JSON ({error}); write it with `winnow fit RUNS.csv --json`") from error
    if not isinstance(found, dict):
        raise LawError(f"{path}: holds a JSON {type(found).__name__}, and a fitted law is an object")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)  # JSON's true would pass for a 1


def _range(path: Path, name: str, found: dict[str, Any]) -> tuple[float, float] | None:
    ends = found.get(name)
    if ends is None:
        return None
    if not (isinstance(ends, list) and len(ends) == 2 and all(map(_is_number, ends)) and 0 < ends[0] <= ends[1]):
        raise LawError(f"{path}: {name} must be two numbers above 0, the least and the most")
    return float(ends[0]), float(ends[1])


def _covariance(path: Path, rows: Any) -> tuple[tuple[float, ...], ...] | None:
    if rows is None:
        return None
    try:
        matrix = np.asarray(rows, np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.shape != (5, 5) or not np.isfinite(matrix).all() or np.linalg.eigvalsh(matrix).min() < -1e-9:
        raise LawError(f"{path}: covariance must be 5 x 5, positive, of (ln A, ln B, ln E, alpha, beta)")
    return tuple(tuple(float(value) for value in row) for row in matrix)
