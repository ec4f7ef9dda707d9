"""Models of the Hessian: the whole one is exact, its blocks and its diagonal are parts of it."""

from __future__ import annotations

import numpy as np
import pytest

from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.curvature import Blocks, Diagonal, InAxes, WholeHessian
from tests.linear.conftest import Problem, make_problem
from tests.linear.steps import exact_hessian


@pytest.mark.parametrize("classes", [2, 3])
def test_the_whole_hessian_is_solved_for_exactly(double: Arithmetic, classes: int) -> None:
    objective = make_problem(300, 5, classes).objective(double)
    parameters = objective.balanced(np.random.default_rng(0).normal(size=objective.shape[1:]) / 10)
    hessian = exact_hessian(objective, parameters)
    gradient = np.random.default_rng(1).normal(size=parameters.shape)
    found = WholeHessian.here(objective).solve(gradient)
    np.testing.assert_allclose(found.ravel(), np.linalg.solve(hessian, gradient.ravel()), rtol=1e-8)


def test_blocks_are_those_on_the_diagonal_of_the_whole(double: Arithmetic) -> None:
    objective = make_problem(300, 5, 3).objective(double)
    parameters = objective.balanced(np.random.default_rng(0).normal(size=objective.shape[1:]) / 10)
    objective.evaluate(parameters[None])
    blocks = objective.class_hessians()
    gradient = np.random.default_rng(1).normal(size=parameters.shape)
    expected = [np.linalg.solve(block, of_class) for block, of_class in zip(blocks, gradient, strict=True)]
    np.testing.assert_allclose(Blocks.here(objective).solve(gradient), expected, rtol=1e-8)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_singular_hessian_gets_a_ridge(double: Arithmetic, classes: int) -> None:
    problem = make_problem(300, 5, classes)
    twice = Problem(np.repeat(problem.X, 2, axis=1) * 1e9, problem.y, classes)
    objective = twice.objective(double)
    objective.evaluate(np.zeros(objective.shape))
    gradient = np.random.default_rng(1).normal(size=objective.shape[1:])
    assert np.isfinite(WholeHessian.here(objective).solve(gradient)).all()


def test_an_inverse_along_axes_is_the_matrix_turned_back() -> None:
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    second = np.arange(1.0, 5)
    diagonal = Diagonal(np.zeros((1, 4)), second[None], np.array([[2.0]]))
    gradient = np.random.default_rng(1).normal(size=(1, 5))
    solved = InAxes(diagonal, axes).solve(gradient)
    hessian = axes @ np.diag(second) @ axes.T
    np.testing.assert_allclose(solved[0, :-1], np.linalg.solve(hessian, gradient[0, :-1]))
    assert solved[0, -1] == gradient[0, -1] / 2
