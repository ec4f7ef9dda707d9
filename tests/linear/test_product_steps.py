"""Steps by conjugate gradients: they solve for the gradient, and count their products."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mnistlib.linear.arithmetic import Arithmetic, Floats
from mnistlib.linear.curvature import Blocks, Diagonal
from mnistlib.linear.newton import Newton, NewtonState
from mnistlib.linear.product_steps import ProductState, conjugate_gradients
from tests.linear.conftest import Problem
from tests.linear.steps import (
    PROBLEMS,
    TOL,
    each_large_problem,
    exact_hessian,
    newton_of,
    run,
)


def known_by(newton: Newton) -> ProductState:
    known = newton.state.directions
    assert isinstance(known, ProductState)
    return known


@pytest.mark.parametrize(("products", "made"), [(0, False), (15, False), (16, True)])
def test_blocks_are_made_after_a_step_of_many_products(double: Arithmetic, products: int, made: bool) -> None:
    objective = PROBLEMS["large, 3 classes"].objective(double)
    known = ProductState(blocks_at=None, products=products, in_double=False)
    state = NewtonState(np.zeros(objective.shape[1:]), iteration=9, gain=1e-6, directions=known)
    objective.evaluate(np.zeros(objective.shape))
    newton = Newton(objective, state, tol=TOL, coarse=objective, inverse=Diagonal.here(objective))
    newton.step()
    assert (known_by(newton).blocks_at is not None) == made


@dataclass(frozen=True)
class Shrunken:
    """An inverse Hessian that is too small by a factor."""

    inverse: Diagonal
    factor: float
    rescaled = False

    def solve(self, gradient: Floats) -> Floats:
        return self.inverse.solve(gradient) * self.factor


@pytest.mark.parametrize(("factor", "made"), [(1.0, False), (1e-3, True), (1e-9, True)])
def test_blocks_are_made_if_the_preconditioner_underestimates_the_gain(
    double: Arithmetic, factor: float, made: bool
) -> None:
    objective = PROBLEMS["large, 3 classes"].objective(double)
    start = np.zeros(objective.shape[1:])
    objective.evaluate(start[None])
    inverse = Shrunken(Diagonal.here(objective), factor)
    newton = Newton(objective, NewtonState(start), tol=TOL, coarse=objective, inverse=inverse)
    newton.step()
    assert (known_by(newton).blocks_at is not None) == made
    assert newton.value < objective.at_zero_weights[0]


def test_a_preconditioner_that_the_diagonal_replaced_is_not_used_again(
    double: Arithmetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistlib.linear.product_steps.LARGEST_BLOCKS", 0)
    objective = PROBLEMS["large, 3 classes"].objective(double)
    start = np.zeros(objective.shape[1:])
    objective.evaluate(start[None])
    inverse = Shrunken(Diagonal.here(objective), 1e-9)
    whole = Newton(objective, NewtonState(start), tol=TOL, coarse=objective, inverse=inverse)
    whole.step()
    assert known_by(whole).by_diagonal
    resumed = Newton(objective, whole.state, tol=TOL, coarse=objective, inverse=inverse)
    np.testing.assert_array_equal(resumed.decrement, whole.decrement)


def test_the_products_of_a_step_are_counted_in_its_state(double: Arithmetic) -> None:
    objective = PROBLEMS["large, 3 classes"].objective(double)
    newton = Newton(objective, NewtonState(np.zeros(objective.shape[1:])), tol=TOL, coarse=objective)
    solved = objective.passes - 1  # all but the evaluation
    newton.step()
    assert known_by(newton).products == solved > 0


@each_large_problem
def test_products_in_single_precision_lead_to_the_same_optimum(double: Arithmetic, problem: Problem) -> None:
    one, other = (run(newton_of(problem, double, coarse=coarse)) for coarse in (False, True))
    np.testing.assert_allclose(other.state.parameters, one.state.parameters, atol=1e-7)


def test_single_precision_is_given_up_where_it_does_not_bring_the_decrement_down(double: Arithmetic) -> None:
    problem = PROBLEMS["large, 3 classes"]
    newton = newton_of(problem, double, coarse=True)
    newton.step()
    assert not known_by(newton).in_double
    stuck = replace(newton.state, least_decrement=0.0)
    newton = newton_of(problem, double, stuck, coarse=True)
    newton.step()
    assert known_by(newton).in_double


@each_large_problem
def test_conjugate_gradients_solve_for_the_gradient(double: Arithmetic, problem: Problem) -> None:
    objective = problem.objective(double)
    parameters = objective.balanced(np.random.default_rng(0).normal(size=objective.shape[1:]) / 10)
    hessian = exact_hessian(objective, parameters)
    gradient = objective.evaluate(parameters[None])[1][0]
    found, _ = conjugate_gradients(objective, gradient, Diagonal.here(objective), residual_left=1e-12)
    expected = np.linalg.solve(hessian, gradient.ravel()).reshape(found.shape)
    np.testing.assert_allclose(objective.balanced(found), objective.balanced(expected), atol=1e-9)


@each_large_problem
def test_conjugate_gradients_end_earlier_with_a_larger_residual_left(double: Arithmetic, problem: Problem) -> None:
    objective = problem.objective(double)
    gradient = objective.evaluate(np.zeros(objective.shape))[1][0]
    inverse = Diagonal.here(objective)
    products = [conjugate_gradients(objective, gradient, inverse, residual_left=left)[1] for left in (0.2, 1e-2, 1e-4)]
    assert products == sorted(set(products))


def test_conjugate_gradients_count_their_products(double: Arithmetic) -> None:
    objective = PROBLEMS["large, 3 classes"].objective(double)
    gradient = objective.evaluate(np.zeros(objective.shape))[1][0]
    inverse = Diagonal.here(objective)
    before = objective.passes
    _, products = conjugate_gradients(objective, gradient, inverse, residual_left=1e-3)
    assert objective.passes - before == products


def test_with_the_exact_inverse_one_product_is_enough(double: Arithmetic) -> None:
    objective = PROBLEMS["large, 2 classes"].objective(double)
    gradient = objective.evaluate(np.zeros(objective.shape))[1][0]
    _, products = conjugate_gradients(objective, gradient, Blocks.here(objective), residual_left=1e-6)
    assert products == 1
