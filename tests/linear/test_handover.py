"""When descents end: converged, near enough for Newton's method, or out of steps."""

from __future__ import annotations

import numpy as np
import pytest

from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.curvature import Diagonal
from mnistlib.linear.handover import FIRST_STEPS, Handover
from mnistlib.linear.lbfgs import Descent, DescentState
from mnistlib.linear.objective import Objective
from tests.linear.conftest import make_problem

EPS = float(np.finfo(float).eps)


@pytest.fixture
def objective(double: Arithmetic) -> Objective:
    return make_problem(300, 30, 3).objective(double)


def limits(
    objective: Objective, *, tol: float = 1e-4, max_iter: int = 100, first_iteration: int = 0, few: bool = False
) -> Handover:
    return Handover(
        objective,
        tol=tol,
        max_iter=max_iter,
        first_iteration=first_iteration,
        few=few,
        precision=EPS,
        followed=objective.layout.cheap,
    )


def descent_at(objective: Objective, iteration: int, *, times: float = 1.0) -> Descent:
    """Return a descent at weights of zero, its value multiplied with a factor."""
    parameters = np.zeros(objective.shape)
    values, gradients = objective.evaluate(parameters)
    state = DescentState(parameters[0], gradients[0], times * float(values[0]), iteration)
    return Descent(state, Diagonal.here(objective), balanced=objective.balanced, precision=EPS)


def test_a_descent_goes_on_while_it_is_far_and_has_steps(objective: Objective) -> None:
    assert not limits(objective).done(descent_at(objective, 1))


@pytest.mark.parametrize("few", [True, False])
def test_few_steps_are_taken_where_others_follow_in_another_space(objective: Objective, few: bool) -> None:
    many_steps = limits(objective, max_iter=1000, few=few)
    assert not many_steps.done(descent_at(objective, 17))
    assert many_steps.done(descent_at(objective, FIRST_STEPS if few else 500))


def test_a_descent_ends_after_the_most_iterations(objective: Objective) -> None:
    at_the_end = limits(objective, max_iter=5)
    assert not at_the_end.exhausted(descent_at(objective, 4))
    assert at_the_end.exhausted(descent_at(objective, 5))
    assert at_the_end.done(descent_at(objective, 5))


def test_steps_that_led_to_the_start_do_not_exhaust_a_descent(objective: Objective) -> None:
    assert not limits(objective, max_iter=5, first_iteration=5).exhausted(descent_at(objective, 5))


def test_the_gain_is_at_most_all_of_the_objective(objective: Objective) -> None:
    assert limits(objective).gain(descent_at(objective, 1, times=1e-9)) == 1


@pytest.mark.parametrize(("classes", "few", "below"), [(3, False, 1e-4), (2, False, 0.2), (3, True, 2.0)])
def test_newtons_method_takes_over_earlier_with_one_output_and_in_another_space(
    double: Arithmetic, classes: int, few: bool, below: float
) -> None:
    objective = make_problem(300, 30, classes).objective(double)
    descent = descent_at(objective, 1)
    gain = limits(objective).gain(descent)
    assert limits(objective, tol=1.01 * gain / below, few=few).near(descent)
    assert not limits(objective, tol=0.99 * gain / below, few=few).near(descent)
