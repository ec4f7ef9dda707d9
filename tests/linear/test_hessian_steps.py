"""Steps by a factorized Hessian: each is used for several steps, but not far from its point."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mnistlib.linear.arithmetic import Arithmetic, Floats
from mnistlib.linear.hessian_steps import MANY_TRIES, STEPS_PER_HESSIAN, HessianState, HessianSteps
from mnistlib.linear.local import local_objective
from mnistlib.linear.newton import Newton, NewtonState
from mnistlib.linear.objective import Objective, Point
from tests.linear.conftest import Problem, make_problem
from tests.linear.steps import (
    PROBLEMS,
    TOL,
    each_problem,
    exact_decrement,
    newton_of,
    run,
)

# Steps taken, lengths tried for each, whether they were fast, and whether the Hessian is renewed.
RENEWALS = [
    (1, 1, False, False),
    (STEPS_PER_HESSIAN, 1, False, True),
    (STEPS_PER_HESSIAN, 1, True, False),
    (1, MANY_TRIES - 1, False, False),
    (1, MANY_TRIES, False, True),
    (1, MANY_TRIES, True, False),
]


@each_problem
def test_near_the_optimum_decrements_stay_close_to_that_of_the_exact_hessian(
    double: Arithmetic, problem: Problem
) -> None:
    newton = newton_of(problem, double)
    while newton.gain > TOL:
        newton.step()
    while not newton.last_step_ahead:
        exact = exact_decrement(problem.objective(double), newton.state.parameters)
        assert exact / 2 <= newton.decrement <= 2 * exact
        newton.step()


@pytest.mark.parametrize("positives", [1, 5, 40])
@pytest.mark.parametrize("columns", [2, 8])
@pytest.mark.parametrize("C", [1.0, 1e4])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8])
def test_a_gain_below_the_tolerance_is_by_the_curvature_at_the_point(
    double: Arithmetic, positives: int, columns: int, C: float, tol: float
) -> None:
    rng = np.random.default_rng(positives)
    X, y = rng.normal(size=(5_000, columns)), np.arange(5_000) < positives
    X[y] += 1
    objective = local_objective(X, y.astype(np.uint8), classes=2, C=C, arithmetic=double)
    newton = Newton(objective, NewtonState(np.zeros(objective.shape[1:])), tol=tol, coarse=objective)
    while newton.gain > tol:
        newton.step()
    exact = exact_decrement(objective.only([0]), newton.state.parameters)
    assert exact / 2 <= 2 * tol * newton.value


def test_one_hessian_is_used_for_several_steps(double: Arithmetic, monkeypatch: pytest.MonkeyPatch) -> None:
    formed: list[int] = []

    def counted(objective: Objective) -> Floats:
        formed.append(1)
        return original(objective)

    original = Objective.class_hessians
    monkeypatch.setattr(Objective, "class_hessians", counted)
    newton = run(newton_of(make_problem(3000, 20, 2), double))
    assert newton.state.iteration > 2 * len(formed)


@pytest.mark.parametrize("rows", [100, 1000], ids=["cheap", "separated"])
def test_a_hessian_that_is_cheap_or_changes_much_is_used_for_one_step(double: Arithmetic, rows: int) -> None:
    X = np.random.default_rng(0).normal(size=(rows, 10))
    newton = newton_of(Problem(X, (X[:, 0] > 0).astype(int), 2), double)
    while newton.value > 0.3 * newton.objective.at_zero_weights[0] and rows == 1000:
        newton.step()
    for _ in range(4):
        newton.step()
        directions = newton.state.directions
        assert isinstance(directions, HessianState)
        assert directions.factorized_at is None
        exact = exact_decrement(newton.objective, newton.parameters)
        assert newton.decrement == pytest.approx(exact, rel=1e-9)


def hessian_steps(objective: Objective) -> tuple[HessianSteps, Point]:
    """Return steps whose Hessian was formed at weights of zero, and another point, where it was evaluated last."""
    zero, other = np.zeros(objective.shape[1:]), np.full(objective.shape[1:], 0.1)
    steps = HessianSteps(objective, tol=TOL, state=None)
    steps.aim(point_at(objective, zero), stuck=False)
    return steps, point_at(objective, other)


def point_at(objective: Objective, parameters: Floats) -> Point:
    values, gradients = objective.evaluate(parameters[None])
    return Point(parameters, float(values[0]), gradients[0])


@pytest.mark.parametrize(("steps_taken", "tries", "fast", "renewed"), RENEWALS)
def test_a_hessian_is_used_for_its_steps_or_until_one_with_many_tries(
    double: Arithmetic, steps_taken: int, tries: int, fast: bool, renewed: bool
) -> None:
    steps, point = hessian_steps(make_problem(300, 20, 2).objective(double))
    start = Point(np.zeros((1, 21)), point.value, np.zeros((1, 21)))
    for _ in range(steps_taken):
        steps.took(start, point, tries=tries)
    steps.renewed(point, (np.ones((1, 21)), 1.0), fast=fast)
    assert (steps.state.factorized_at is point.parameters) == renewed


@pytest.mark.parametrize("problem", [PROBLEMS["small, 2 classes"], PROBLEMS["small, 3 classes"]], ids=["2", "3"])
def test_small_problems_converge_fast(double: Arithmetic, problem: Problem) -> None:
    newton = newton_of(problem, double)
    gains = [newton.gain]
    while newton.gain > 1e-12:
        newton.step()
        gains.append(newton.gain)
    assert len(gains) <= 9
    assert all(after < before / 2 for before, after in pairwise(gains) if before < 1e-2)


@pytest.mark.parametrize("classes", [2, 3])
def test_tiny_problems_converge_quadratically(double: Arithmetic, classes: int) -> None:
    newton = newton_of(make_problem(100, 4, classes), double)
    gains = [newton.gain]
    while newton.gain > 1e-12:
        newton.step()
        gains.append(newton.gain)
    assert len(gains) <= 7
    assert all(after < 20 * before**2 for before, after in pairwise(gains) if before < 1e-2)


def test_each_step_of_a_small_problem_is_one_pass(double: Arithmetic) -> None:
    newton = newton_of(PROBLEMS["small, 3 classes"], double)
    for iteration in range(4):
        assert newton.objective.passes == iteration + 1
        newton.step()
