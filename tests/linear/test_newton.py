"""Newton's method for one model: it reaches the optimum, and its state is one value."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.curvature import small
from mnistlib.linear.hessian_steps import Direction, HessianSteps
from mnistlib.linear.minimize import minimize
from mnistlib.linear.newton import Newton, NewtonState
from mnistlib.linear.objective import Point
from tests.linear.conftest import Problem
from tests.linear.reference import find_optimum
from tests.linear.steps import (
    PROBLEMS,
    each_problem,
    exact_decrement,
    newton_of,
    run,
)


@each_problem
def test_the_first_decrement_is_that_of_the_exact_hessian(double: Arithmetic, problem: Problem) -> None:
    newton = newton_of(problem, double)
    exact = exact_decrement(problem.objective(double), newton.state.parameters)
    rounding = 1e-6 if small(newton.objective) else 0.1  # conjugate gradients end before
    assert newton.decrement == pytest.approx(exact, rel=rounding)


@each_problem
def test_the_optimum_is_reached(double: Arithmetic, problem: Problem) -> None:
    newton = run(newton_of(problem, double))
    best = find_optimum(problem.X, problem.y)
    assert newton.state.finished
    assert newton.value == pytest.approx(best.objective, rel=1e-10)
    np.testing.assert_allclose(newton.state.parameters[:, :-1], best.coef, atol=1e-6)


@each_problem
def test_the_value_after_the_last_step_is_the_objective_there(double: Arithmetic, problem: Problem) -> None:
    newton = run(newton_of(problem, double))
    ((value,), _) = problem.objective(double).evaluate(newton.state.parameters[None])
    assert newton.value == pytest.approx(value, rel=1e-12)


@each_problem
def test_the_distance_is_a_hundred_times_the_gain_until_the_last_step(double: Arithmetic, problem: Problem) -> None:
    newton = newton_of(problem, double)
    while not newton.last_step_ahead:
        assert newton.distance == min(1.0, 100 * newton.gain)
        newton.step()
    newton.finish()
    assert newton.distance == newton.gain


def test_a_truncated_decrement_is_in_doubt_until_it_is_estimated_again(double: Arithmetic) -> None:
    objective = PROBLEMS["large, 3 classes"].objective(double)
    newton = Newton(objective, NewtonState(np.zeros(objective.shape[1:])), tol=1.0, coarse=objective)
    short, doubtful = newton.decrement, newton.in_doubt
    newton.estimate_anew()
    exact = exact_decrement(objective, newton.parameters)
    assert doubtful
    assert not newton.in_doubt
    assert short < newton.decrement < exact
    assert newton.decrement == pytest.approx(exact, rel=1e-6)


@each_problem
def test_near_the_optimum_the_gain_is_the_distance_from_it(double: Arithmetic, problem: Problem) -> None:
    newton = newton_of(problem, double)
    while newton.gain > 1e-3:
        newton.step()
    best = find_optimum(problem.X, problem.y)
    assert newton.gain * newton.value == pytest.approx(newton.value - best.objective, rel=0.2)


@each_problem
def test_the_objective_never_rises(double: Arithmetic, problem: Problem) -> None:
    newton = newton_of(problem, double)
    values = [newton.value]
    while not newton.last_step_ahead:
        newton.step()
        values.append(newton.value)
    assert values == sorted(values, reverse=True)


@each_problem
@pytest.mark.parametrize("coarse", [True, False])
def test_a_stored_state_goes_on_with_the_same_bits(double: Arithmetic, problem: Problem, coarse: bool) -> None:
    newton = newton_of(problem, double, coarse=coarse)
    states = [newton.state]
    while not newton.done:
        if newton.last_step_ahead:
            newton.finish()
        else:
            newton.step()
        states.append(newton.state)
    for state in states:
        resumed = run(newton_of(problem, double, pickle.loads(pickle.dumps(state)), coarse=coarse))
        np.testing.assert_array_equal(resumed.state.parameters, newton.state.parameters)
        assert resumed.state.iteration == newton.state.iteration


@each_problem
def test_the_last_step_takes_no_pass(double: Arithmetic, problem: Problem) -> None:
    newton = newton_of(problem, double)
    while not newton.last_step_ahead:
        newton.step()
    before = newton.objective.passes
    newton.finish()
    assert newton.objective.passes == before


@each_problem
def test_the_last_step_lowers_the_value_by_half_the_decrement(double: Arithmetic, problem: Problem) -> None:
    newton = newton_of(problem, double)
    while not newton.last_step_ahead:
        newton.step()
    before, decrement = newton.value, newton.decrement
    newton.finish()
    assert newton.value == before - decrement / 2


@pytest.mark.parametrize(("C", "rare"), [(np.inf, False), (1.0, True)], ids=["no penalty", "far intercept"])
def test_a_last_step_that_may_be_long_is_evaluated(double: Arithmetic, C: float, rare: bool) -> None:
    problem = PROBLEMS["small, 2 classes"]
    if rare:
        problem = replace(problem, y=(np.arange(300) < 3).astype(int))
    objective = problem.objective(double, C)
    newton = Newton(objective, NewtonState(np.zeros((1, 6))), tol=1e-6, coarse=objective)
    newton.finish()
    ((value,), _) = objective.evaluate(newton.state.parameters[None])
    assert newton.done
    assert newton.value == value


def test_steps_that_rounding_keeps_from_any_gain_are_the_last(double: Arithmetic) -> None:
    problem = PROBLEMS["small, 3 classes"]
    finished = run(newton_of(problem, double)).state
    stuck = replace(finished, finished=False, least_decrement=0.0, idle=0)
    newton = newton_of(problem, double, stuck)
    for _ in range(3):
        assert not newton.done
        newton.step()
    assert newton.done


@pytest.mark.parametrize("seed", [6, 16, 18, 39])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("max_iter", range(3, 10))
def test_a_fit_that_ends_early_is_judged_by_the_curvature_where_it_ends(
    double: Arithmetic, seed: int, classes: int, max_iter: int
) -> None:
    tol, rng = 0.3, np.random.default_rng(seed)
    X = rng.standard_t(1.2, size=(300, 8))  # tails so heavy that the curvature of a few steps ago is another one
    y = (X @ rng.normal(size=(8, classes)) + rng.gumbel(size=(300, classes))).argmax(axis=1)
    objective = Problem(X, y, classes).objective(double)
    (solution,) = minimize(objective, tol=tol, max_iter=max_iter)
    if solution.converged:
        parameters = solution.parameters
        assert exact_decrement(objective, parameters) / 2 <= 1.01 * tol * solution.objective


@pytest.mark.parametrize("exponent", [60, 64, 70])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.filterwarnings("ignore:overflow|invalid:RuntimeWarning")
def test_a_value_that_is_reported_is_that_of_the_parameters_however_large_the_numbers(
    double: Arithmetic, classes: int, exponent: int
) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        problem = Problem(rng.normal(size=(19, 13)) * 10.0**exponent, rng.integers(0, classes, 19), classes)
        objective = problem.objective(double)
        try:
            (solution,) = minimize(objective, max_iter=100)
        except DataError:
            continue
        parameters = solution.parameters
        ((value,), _) = objective.evaluate(parameters[None])
        assert solution.objective == pytest.approx(value, rel=1e-6) or not solution.converged


def test_the_value_after_the_last_step_is_not_negative(double: Arithmetic) -> None:
    newton = newton_of(PROBLEMS["small, 2 classes"], double)
    while not newton.last_step_ahead:
        newton.step()
    newton.decrement = 4 * newton.value
    newton.finish()
    assert newton.value == 0


def test_a_step_begins_at_the_length_in_the_state(double: Arithmetic) -> None:
    X = np.random.default_rng(0).normal(size=(1000, 5))
    problem = Problem(X, (X[:, 0] > 0).astype(int), 2)
    start = np.zeros((1, 6))
    ends = []
    for length in (1.0, 2.0):
        newton = newton_of(problem, double, NewtonState(start, first_length=length))
        newton.step()
        ends.append(newton.parameters)
    np.testing.assert_allclose(ends[1], 2 * ends[0], rtol=1e-12)


def test_the_hessian_receives_the_tries_and_the_speed_of_steps(
    double: Arithmetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_tries: list[int] = []
    all_fast: list[bool] = []
    took, renewed = HessianSteps.took, HessianSteps.renewed

    def watched_took(steps: HessianSteps, start: Point, end: Point, *, tries: int) -> None:
        all_tries.append(tries)
        took(steps, start, end, tries=tries)

    def watched_renewed(steps: HessianSteps, point: Point, direction: Direction, *, fast: bool) -> Direction:
        all_fast.append(fast)
        return renewed(steps, point, direction, fast=fast)

    monkeypatch.setattr(HessianSteps, "took", watched_took)
    monkeypatch.setattr(HessianSteps, "renewed", watched_renewed)
    random = np.random.default_rng(1)
    X = random.standard_t(1.2, size=(300, 5))  # a few rows are far out, and steps go too far
    newton = newton_of(Problem(X, (X[:, 0] + random.normal(size=300) > 0).astype(int), 2), double)
    while not newton.last_step_ahead:
        newton.step()
    assert newton.objective.passes == 1 + sum(all_tries)
    assert max(all_tries) > 1
    assert set(all_fast[1:]) == {True, False}
