"""Equivalent problems: centred columns, principal axes and the space of the rows lead to the same optimum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mnistlib.linear import LogisticRegression
from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.minimize import minimize
from mnistlib.linear.progress import Solution
from mnistlib.linear.reduction import Reduction, centred, in_principal_axes, in_row_space, is_wide
from tests.linear.conftest import Problem, make_problem
from tests.linear.reference import find_optimum

Floats = npt.NDArray[np.float64]
SCALE = 0.5


def offset() -> Problem:
    problem = make_problem(200, 5, 3)
    return replace(problem, X=problem.X + 1e5 * np.arange(1.0, 6))


def wide(classes: int = 3) -> Problem:
    return make_problem(30, 100, classes)


def wide_with_copies() -> Problem:
    problem = wide()
    return replace(problem, X=np.concatenate([problem.X, problem.X[:5]]), y=np.concatenate([problem.y, problem.y[:5]]))


def wide_and_offset() -> Problem:
    problem = wide()
    return replace(problem, X=problem.X + 1e5)


def correlated() -> Problem:
    problem = make_problem(200, 6, 3)
    return replace(problem, X=problem.X @ np.random.default_rng(1).normal(size=(6, 6)))


def correlated_and_offset() -> Problem:
    problem = correlated()
    return replace(problem, X=problem.X + 1e5)


each_problem = pytest.mark.parametrize(
    "problem",
    [offset(), wide(), wide(2), wide_with_copies(), wide_and_offset(), correlated(), correlated_and_offset()],
    ids=[
        "offset",
        "wide",
        "wide, two classes",
        "wide with copies",
        "wide and offset",
        "correlated",
        "correlated and offset",
    ],
)


def reduced(X: npt.NDArray[Any], *, fit_intercept: bool = True) -> Reduction:
    reduction = centred(X) if fit_intercept else Reduction(X)
    return in_row_space(reduction) if is_wide(X) else in_principal_axes(reduction, 3)


def solve(arithmetic: Arithmetic, problem: Problem, reduction: Reduction, *, scale: float = 1.0) -> Solution:
    """Return the solution of the reduced problem."""
    of_reduced = replace(problem, X=reduction.X)
    (solution,) = minimize(of_reduced.objective(arithmetic, scale=scale), tol=1e-10)
    return solution


def balanced(scores: Floats) -> Floats:
    """Return scores whose sums over several classes are zero: only their differences matter."""
    return scores - scores.mean(axis=1, keepdims=True) if scores.shape[1] > 1 else scores


@each_problem
@pytest.mark.parametrize("scale", [1.0, SCALE])
def test_the_restored_solution_is_the_optimum_of_the_original_problem(
    double: Arithmetic, problem: Problem, scale: float
) -> None:
    reduction = reduced(problem.X)
    solution = reduction.restored(solve(double, problem, reduction, scale=scale), scale)
    best = find_optimum(problem.X * scale, problem.y)
    np.testing.assert_allclose(solution.weights, best.coef, atol=1e-6)
    scores = problem.X * scale @ solution.weights.T + solution.intercept
    np.testing.assert_allclose(balanced(scores), balanced(best.scores), atol=1e-5)
    assert solution.objective == pytest.approx(best.objective, rel=1e-9)


@each_problem
def test_the_outputs_of_the_reduced_problem_are_those_of_the_original(double: Arithmetic, problem: Problem) -> None:
    reduction = reduced(problem.X)
    of_reduced = solve(double, problem, reduction)
    solution = reduction.restored(of_reduced, 1.0)
    np.testing.assert_allclose(
        problem.X @ solution.weights.T + solution.intercept,
        reduction.X @ of_reduced.weights.T + of_reduced.intercept,
        atol=1e-7,
    )


@each_problem
@pytest.mark.parametrize("scale", [1.0, SCALE])
def test_a_solution_that_is_restored_and_carried_is_the_same(
    double: Arithmetic, problem: Problem, scale: float
) -> None:
    reduction = reduced(problem.X)
    solution = solve(double, problem, reduction, scale=scale)
    again = reduction.carried(reduction.restored(solution, scale).parameters[None], scale)
    np.testing.assert_allclose(again, solution.parameters[None], atol=1e-8)


@each_problem
def test_parameters_that_are_carried_keep_their_outputs(problem: Problem) -> None:
    reduction = reduced(problem.X)
    parameters = np.random.default_rng(0).normal(size=(2, 3, problem.X.shape[1] + 1))
    carried = reduction.carried(parameters, SCALE)
    for before, after in zip(parameters, carried, strict=True):
        expected = SCALE * problem.X @ before[:, :-1].T + before[:, -1]
        found = SCALE * reduction.X @ after[:, :-1].T + after[:, -1]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


def test_the_part_of_weights_that_changes_no_output_is_dropped() -> None:
    problem = wide()
    reduction = reduced(problem.X)
    weights = np.random.default_rng(0).normal(size=(1, 3, 100))
    across = weights - weights @ np.linalg.pinv(problem.X) @ problem.X
    carried = reduction.carried(np.concatenate([across, np.zeros((1, 3, 1))], axis=-1), 1.0)
    np.testing.assert_allclose(carried, 0, atol=1e-9)


def test_wide_rows_become_a_square() -> None:
    assert reduced(wide().X).X.shape == (30, 30)


def test_the_square_has_the_inner_products_of_the_rows() -> None:
    X = wide().X
    square = reduced(X).X
    np.testing.assert_allclose(square @ square.T, X @ X.T, rtol=1e-9, atol=1e-9)


def test_independent_rows_need_no_orthonormal_basis() -> None:
    assert reduced(wide().X).basis is None


def test_dependent_rows_have_an_orthonormal_basis() -> None:
    problem = wide_with_copies()
    reduction = reduced(problem.X)
    assert reduction.basis is not None
    np.testing.assert_allclose(reduction.basis @ reduction.basis.T, np.eye(35), atol=1e-12)
    np.testing.assert_allclose(reduction.X @ reduction.basis, problem.X, atol=1e-12)


def test_rows_that_are_nearly_dependent_have_an_orthonormal_basis() -> None:
    problem = wide_with_copies()
    almost = problem.X + 1e-6 * np.random.default_rng(0).normal(size=problem.X.shape)
    assert reduced(almost).basis is not None


def test_centred_columns_have_a_mean_of_zero() -> None:
    X = offset().X
    reduction = reduced(X)
    assert reduction.means is not None
    np.testing.assert_allclose(reduction.X.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(reduction.X + reduction.means, X, rtol=1e-15)


@pytest.mark.parametrize(("columns", "wide"), [(19, False), (20, True), (40, True)])
def test_rows_are_wide_from_two_columns_for_each_row(columns: int, wide: bool) -> None:
    assert is_wide(np.zeros((10, columns))) == wide


@pytest.mark.parametrize(("ranges", "far"), [(90, False), (110, True)])
def test_a_column_is_far_from_zero_from_a_hundred_times_its_range(ranges: float, far: bool) -> None:
    X = np.random.default_rng(0).uniform(size=(200, 3))
    X[:2, 1] = 0, 1
    X[:, 1] += ranges
    assert (centred(X).means is not None) == far
    assert (centred(-X).means is not None) == far


def test_without_intercept_wide_rows_keep_their_optimum(double: Arithmetic) -> None:
    problem = wide_and_offset()
    reduction = reduced(problem.X / 1e5, fit_intercept=False)
    assert reduction.means is None
    objectives = [
        minimize(replace(problem, X=rows).objective(double, fit_intercept=False), tol=1e-10)[0].objective
        for rows in [reduction.X, problem.X / 1e5]
    ]
    assert objectives[0] == pytest.approx(objectives[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_near_zero_stay_as_they_are(dtype: type) -> None:
    X: npt.NDArray[np.floating[Any]] = make_problem(200, 5, 3).X.astype(dtype)
    assert centred(X).X is X


def test_bytes_stay_as_they_are() -> None:
    X: npt.NDArray[np.uint8] = np.full((200, 5), 255, dtype=np.uint8)
    X[0] = 254
    assert centred(X).X is X


def test_a_constant_column_is_not_far_from_zero() -> None:
    X = make_problem(200, 5, 3).X
    X[:, 2] = 1e9
    assert centred(X).X is X


def test_reducing_leaves_the_rows_as_they_are() -> None:
    X = wide_and_offset().X
    before = X.copy()
    reduced(X)
    np.testing.assert_array_equal(X, before)


def test_ranges_that_overflow_raise_no_warning() -> None:
    X = np.array([[1.5e308, 0.0], [-1.5e308, 1.0], [0.0, 2.0]])
    assert centred(X).X is X


def test_inner_products_that_overflow_raise_no_warning() -> None:
    X = wide().X * 1e200
    assert in_row_space(Reduction(X)).X.shape == (30, 30)


def test_columns_along_principal_axes_are_not_correlated() -> None:
    X = correlated().X
    covariance = np.cov(in_principal_axes(Reduction(X), 3).X.T)
    np.testing.assert_allclose(covariance, np.diag(covariance.diagonal()), atol=1e-9 * covariance.max())


LEFT_ALONE = {
    "uncorrelated": (make_problem(500, 6, 3).X, 3),
    "too few outputs": (correlated().X, 1),
    "constant": (np.ones((200, 6)), 3),
    "far apart in scale": (correlated().X * 10.0 ** np.arange(6), 3),
    "too large": (correlated().X * 1e300, 3),
}


@pytest.mark.parametrize(("X", "outputs"), LEFT_ALONE.values(), ids=LEFT_ALONE.keys())
def test_columns_are_left_alone_where_axes_do_not_pay_or_do_harm(X: Floats, outputs: int) -> None:
    reduction = Reduction(X)
    assert in_principal_axes(reduction, outputs) is reduction


def test_columns_far_from_zero_are_left_alone_without_an_intercept() -> None:
    reduction = Reduction(correlated().X + 1e6)
    assert in_principal_axes(reduction, 3, fit_intercept=False) is reduction


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_correlated_columns_take_as_many_passes_as_others(dtype: type) -> None:
    problem = make_problem(2000, 30, 20)
    X = problem.X / np.arange(1, 31)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(30, 30)))[0]
    plain = LogisticRegression().fit(X.astype(dtype), problem.y)
    mixed = LogisticRegression().fit((X @ rotation).astype(dtype), problem.y)
    assert mixed.n_passes_ <= plain.n_passes_ + 5
    assert mixed.objective_ == pytest.approx(plain.objective_, rel=1e-6)
