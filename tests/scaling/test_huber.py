"""The fitting problem: its gradient, its change of variables, its linear part, and its scale."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="fitting is in the extra `scaling`")

from scipy.optimize import check_grad, minimize, nnls

from scaling import huber as solver
from scaling.diagnosis import unsettled
from scaling.runs_csv import read_runs


def _problem(seed: int, points: int = 40, floor: bool = True) -> solver.PowerSum:
    rng = np.random.default_rng(seed)
    params, tokens = 10 ** rng.uniform(7, 10, points), 10 ** rng.uniform(8.5, 11.5, points)
    loss = (1.8 * floor + 480 * params**-0.35 + 2000 * tokens**-0.37) * np.exp(rng.normal(0, 0.01, points))
    return solver.PowerSum.of([params, tokens], loss, floor=floor, delta=1e-3)


def test_huber_is_a_parabola_within_delta_and_a_line_beyond():
    # Huber 1964: r^2 / 2, then delta (|r| - delta / 2).
    values = solver.huber(np.array([0.0, 5e-4, -5e-4, 1e-3, 3e-3, -3e-3]), 1e-3)
    np.testing.assert_allclose(values, [0, 1.25e-7, 1.25e-7, 5e-7, 2.5e-6, 2.5e-6], rtol=1e-12)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=25)
def test_the_gradient_is_the_objectives(seed, floor):
    problem = _problem(seed, floor=floor)
    theta = np.random.default_rng(seed).uniform(0.1, 0.9, problem.unknowns)
    weights = np.arange(40) % 4.0
    apart = check_grad(
        lambda at: solver._objective(at, problem, weights, 1e3)[0],
        lambda at: solver._objective(at, problem, weights, 1e3)[1],
        theta,
    )
    assert apart < 1e-3 * (1 + np.abs(solver._objective(theta, problem, weights, 1e3)[1]).max())


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_constants_and_theta_are_each_others_inverse(seed):
    problem = _problem(seed)
    theta = np.random.default_rng(seed).uniform(-1.5, 1.5, (3, 5))
    np.testing.assert_allclose(problem.theta(problem.coefficients(theta)), theta, atol=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_the_grids_linear_part_is_non_negative_least_squares(seed):
    rng = np.random.default_rng(seed)
    columns, log_loss = rng.uniform(0.01, 2, (4, 30, 3)), rng.normal(0, 0.3, 30)
    weights = rng.integers(0, 4, 30).astype(float)
    heights, squares = solver._nonnegative(columns, log_loss, weights)
    for g in range(4):
        root = np.sqrt(weights)
        theirs, error = nnls(columns[g] * (root * np.exp(-log_loss))[:, None], root)
        np.testing.assert_allclose(squares[g], error**2, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(heights[g], theirs, rtol=1e-4, atol=1e-6)


def test_a_run_counted_twice_is_a_run_of_weight_two():
    problem = _problem(3)
    twice = solver.PowerSum(
        np.repeat(problem.x, 2, axis=1), problem.centre, np.repeat(problem.log_loss, 2), True, problem.delta
    )
    start = solver.valleys(problem, most=1)[0]
    ours = solver.polish(problem, start, np.full(40, 2.0))
    theirs = solver.polish(twice, start)
    assert ours.huber_sum == pytest.approx(theirs.huber_sum, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_scale_of_the_objective_does_not_matter(scale):
    problem = _problem(5)
    best = solver.solve(problem)
    found = solver.polish(problem, solver.valleys(problem, most=1)[0], scale=scale)
    assert found.huber_sum == pytest.approx(best.huber_sum, rel=1e-6)


def test_averaging_the_objective_at_default_tolerances_is_noticed(data):
    # Besiroglu et al. 2024, section 5: the mean instead of the sum stopped L-BFGS early, near alpha .381, beta .312.
    runs = read_runs(data / "scaling" / "chinchilla_normalised.csv", drop_highest=5)
    problem = solver.PowerSum.of([runs.params, runs.tokens], runs.loss, floor=True, delta=1e-3)

    def mean(logs):
        A, B, E = np.exp(logs[:3])
        predicted = np.log(A * runs.params ** -logs[3] + B * runs.tokens ** -logs[4] + E)
        return solver.huber(predicted - np.log(runs.loss), 1e-3).mean()

    stopped = minimize(mean, [5.0, 5.0, 0.5, 0.5, 0.5], method="L-BFGS-B").x
    early = problem.theta(np.concatenate([np.exp(stopped[:3]), stopped[3:]]))
    assert solver.huber_sum(problem, early) > 1.05e-3
    assert "summ" not in "".join(unsettled(problem, solver.solve(problem).theta))
    assert any("sum Huber's loss instead of averaging" in warning for warning in unsettled(problem, early))
