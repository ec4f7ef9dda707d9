"""The minimizer: its measure of convergence, its passes, its progress and its end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.minimize import minimize
from mnistlib.linear.progress import Progress, Solution
from tests.linear.conftest import make_problem


def parameters_of(solution: Solution) -> npt.NDArray[np.float64]:
    return np.column_stack([solution.weights, solution.intercept])[None]


def test_each_iteration_is_one_pass(double: Arithmetic) -> None:
    (solution,) = minimize(make_problem(200, 5, 3).objective(double), tol=1e-8)
    assert solution.converged
    assert solution.passes == solution.iterations + 1


def test_a_sample_counts_as_its_share_of_a_pass(double: Arithmetic) -> None:
    (solution,) = minimize(make_problem(6000, 5, 3).objective(double), tol=1e-8)
    sample = 60 * 6 / 6000
    assert solution.passes == pytest.approx(solution.iterations + 1 + 9 * sample)


def test_the_gradient_norm_does_not_depend_on_the_number_of_rows(double: Arithmetic) -> None:
    few = make_problem(100, 4, 3)
    start = np.random.default_rng(0).normal(size=(1, 3, 5))
    norms = []
    for copies in (1, 7):
        many = type(few)(np.tile(few.X, (copies, 1)), np.tile(few.y, copies), 3)
        objective = many.objective(double, 1e6 / copies)
        norms.append(minimize(objective, start=start, max_iter=0)[0].gradient_norm)
    assert norms[0] == pytest.approx(norms[1])


def test_a_start_at_the_solution_takes_no_iteration(double: Arithmetic) -> None:
    objective = make_problem(200, 5, 3).objective(double)
    (solution,) = minimize(objective, tol=1e-8)
    (again,) = minimize(objective, start=parameters_of(solution), tol=1e-7)
    assert again.iterations == 0
    np.testing.assert_allclose(again.weights, solution.weights)


def test_progress_falls_to_the_solution(double: Arithmetic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnistlib.linear.minimize.REPORT_EVERY", np.inf)
    seen: list[Progress] = []
    (solution,) = minimize(make_problem(300, 5, 3).objective(double), tol=1e-6, callback=seen.append)
    assert [progress.iteration for progress in seen] == list(range(1, solution.iterations + 1))
    values = [progress.objective for progress in seen]
    assert values == sorted(values, reverse=True)
    assert values[-1] == solution.objective
    assert seen[-1].gradient_norm == solution.gradient_norm
    assert any(progress.seconds_left is not None for progress in seen)


@pytest.mark.parametrize("iterations", [1, 4])
def test_a_callback_that_returns_true_ends_the_fit_with_what_there_is(double: Arithmetic, iterations: int) -> None:
    def stop(progress: Progress) -> bool:
        return progress.iteration == iterations

    objective = make_problem(300, 5, 3).objective(double)
    (solution,) = minimize(objective, tol=1e-9, callback=stop)
    assert (solution.iterations, solution.cancelled, solution.converged) == (iterations, True, False)
    assert solution.objective < 300 * np.log(3)


def test_a_fit_cancelled_in_the_middle_of_a_pass_keeps_the_step_before(
    double: Arithmetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistlib.linear.minimize.REPORT_EVERY", 0.0)
    after_two: list[Progress] = []

    def stop(progress: Progress) -> bool:
        if progress.iteration == 2:
            after_two.append(progress)
        return len(after_two) == 2

    objective = make_problem(40_000, 3, 3).objective(double)
    (solution,) = minimize(objective, tol=1e-12, callback=stop)
    assert solution.cancelled
    assert solution.iterations == 2
    assert 0 < after_two[1].passes - after_two[0].passes < 0.5
    assert solution.objective == after_two[0].objective
    (there,) = minimize(objective, start=parameters_of(solution), max_iter=0)
    assert there.objective == pytest.approx(solution.objective, rel=1e-12)


@pytest.mark.parametrize("classes", [2, 4])
def test_many_models_are_solved_as_each_alone(double: Arithmetic, classes: int) -> None:
    problem = make_problem(500, 6, classes)
    rates = [1e-3, 0.1, 1.0, 100.0]
    together = minimize(problem.objective(double, rates), tol=1e-9)
    for rate, solution in zip(rates, together, strict=True):
        (alone,) = minimize(problem.objective(double, rate), tol=1e-9)
        assert solution.converged
        np.testing.assert_allclose(solution.weights, alone.weights, atol=1e-6)
        assert solution.objective == pytest.approx(alone.objective, rel=1e-10)


def test_a_model_that_has_converged_takes_no_more_passes(double: Arithmetic) -> None:
    easy, hard = minimize(make_problem(500, 6, 3).objective(double, [1e-6, 100.0]), tol=1e-8)
    assert easy.passes < hard.passes


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_have_the_same_bits_for_every_number_of_threads(threads: int) -> None:
    problem = make_problem(20_000, 30, 3)
    problem = type(problem)(problem.X.astype(np.float32), problem.y, 3)
    (one,) = minimize(problem.objective(Arithmetic(np.dtype(np.float32), 1)))
    (other,) = minimize(problem.objective(Arithmetic(np.dtype(np.float32), threads)))
    np.testing.assert_array_equal(one.weights, other.weights)


def test_the_size_of_blocks_changes_nothing_but_rounding(double: Arithmetic, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make_problem(5000, 6, 3)
    (large,) = minimize(problem.objective(double), tol=1e-9)
    monkeypatch.setattr("mnistlib.linear.rows.BLOCK_ROWS", (64, 64))
    (small,) = minimize(problem.objective(double), tol=1e-9)
    np.testing.assert_allclose(small.weights, large.weights, atol=1e-7)


def test_numbers_that_overflow_are_refused(single: Arithmetic) -> None:
    problem = make_problem(50, 3, 3)
    huge = type(problem)(problem.X.astype(np.float32) * np.float32(1e37), problem.y, 3)
    with pytest.raises(DataError, match="too large to compute with in float32"):
        minimize(huge.objective(single))


@pytest.mark.parametrize("columns", [1500, 300])
def test_more_columns_than_rows_are_solved_without_large_matrices(double: Arithmetic, columns: int) -> None:
    (solution,) = minimize(make_problem(60, columns, 3).objective(double), tol=1e-6)
    assert solution.converged
