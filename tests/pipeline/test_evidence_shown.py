"""What is printed below a mixture that was fitted to runs: what it promises, and when not to believe it."""

import io

import pytest
from rich.console import Console

from pipeline.report.evidence import show_evidence


def shown(promised, error=0.1):
    scores = {"ridge": {"spearman": 0.9, "rmse": error}, "lightgbm": {"spearman": -0.2, "rmse": 0.5}}
    evidence = {"runs": 32, "digest": "0" * 32, "targets": {"web": 1.0}, "regressor": "ridge"}
    evidence |= {"cross_validation": scores, "predicted": promised, "predicted_prior": 3.0, "spread": {}}
    out = io.StringIO()
    left_out = {"s0-0007": "diverged [red]"}
    show_evidence({"settings": {"evidence": evidence | {"left_out": left_out}}}, Console(file=out, width=200))
    return out.getvalue()


@pytest.mark.parametrize(
    ("promised", "said"),
    [(3.1, "No better than in proportion"), (2.95, "errs by 0.1000 on runs it has not seen, more than the 0.0500 it")],
)
def test_a_promise_that_the_fit_cannot_keep_is_said(promised, said):
    assert said in shown(promised)


def test_a_promise_above_the_error_stands_alone():
    text = shown(2.8)
    assert "errs by" not in text
    assert "Predicted a loss of 2.8000; in proportion to the tokens 3.0000." in text
    assert "Left out, 1 of 33 runs: s0-0007: diverged [red]." in text
