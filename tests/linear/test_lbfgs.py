"""L-BFGS as a state machine: its steps, its stored state and the gain ahead."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from mnistlib.linear.lbfgs import MOST_IDLE_STEPS, Descent, DescentState, gain_ahead
from mnistlib.linear.quasi_newton import MEMORY, NO_PAIRS, Pairs
from tests.linear.steps import Matrix

Floats = npt.NDArray[np.float64]
Function = Callable[[Floats], tuple[float, Floats]]

EPS = float(np.finfo(np.float64).eps)
SHAPE = (2, 6)


IDENTITY = Matrix(np.eye(12))


def same(direction: Floats) -> Floats:
    return direction


def exact_inverse(condition: float) -> Matrix:
    return Matrix(np.asarray(np.linalg.inv(hessian(condition)), dtype=np.float64))


def hessian(condition: float) -> Floats:
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))
    matrix: Floats = axes * np.geomspace(1, condition, 12) @ axes.T
    return matrix


def quadratic(condition: float) -> Function:
    """Return a parabola whose minimum, 1, is where all parameters are 1."""
    bend = hessian(condition)

    def function(parameters: Floats) -> tuple[float, Floats]:
        distance = parameters.ravel() - 1
        slope = bend @ distance
        return 1 + float(distance @ slope) / 2, slope.reshape(SHAPE)

    return function


def log_sum(parameters: Floats) -> tuple[float, Floats]:
    """Return a convex function that is not a parabola, with its minimum where all parameters are 1."""
    distance = parameters - 1
    weights = np.geomspace(1, 30, 12).reshape(SHAPE)
    return float((weights * np.logaddexp(distance, -distance)).sum()), weights * np.tanh(distance)


def descend(
    function: Function, inverse: Matrix, *, steps: int = 100, least: float = 1e-20, state: DescentState | None = None
) -> Descent:
    """Take steps until the decrement is at most `least`."""
    if state is None:
        start = np.zeros(SHAPE)
        value, gradient = function(start)
        state = DescentState(start, gradient, value)
    descent = Descent(state, inverse, balanced=same, precision=EPS)
    while descent.decrement > least and descent.state.iteration < steps and not descent.stalled:
        if descent.tell(*function(descent.trial)):
            descent.aim(descent.inverse)
    return descent


@pytest.mark.parametrize("rescaled", [True, False])
@pytest.mark.parametrize("condition", [1.0, 100.0, 1e4])
def test_the_minimum_of_a_parabola_is_found(condition: float, rescaled: bool) -> None:
    descent = descend(quadratic(condition), Matrix(np.eye(12), rescaled))
    np.testing.assert_allclose(descent.state.parameters, 1, atol=1e-8)


@pytest.mark.parametrize("rescaled", [True, False])
def test_the_minimum_of_a_convex_function_is_found(rescaled: bool) -> None:
    descent = descend(log_sum, Matrix(np.eye(12), rescaled))
    np.testing.assert_allclose(descent.state.parameters, 1, atol=1e-8)


def test_a_step_with_the_exact_inverse_ends_at_the_minimum_of_a_parabola() -> None:
    descent = descend(quadratic(1e4), exact_inverse(1e4), steps=1)
    np.testing.assert_allclose(descent.state.parameters, 1, atol=1e-10)


def test_half_the_decrement_with_the_exact_inverse_is_the_remaining_gain() -> None:
    descent = descend(quadratic(1e4), exact_inverse(1e4), steps=0)
    assert descent.decrement / 2 == pytest.approx(descent.state.value - 1)


def test_a_step_that_leaves_much_of_the_slope_is_followed_by_a_longer_one() -> None:
    def function(parameters: Floats) -> tuple[float, Floats]:
        value = float(np.exp(-parameters.sum()))
        return value, np.full(SHAPE, -value)

    short = Matrix(np.eye(12) / 100)
    descent = descend(function, short, steps=1, least=0)
    assert descent.state.first_length == 2
    direction = descent.trial - descent.state.parameters
    np.testing.assert_allclose(direction, 2 * -descent.solve(descent.state.gradient))


def test_the_steps_before_make_an_approximate_inverse_hessian() -> None:
    descent = descend(quadratic(50.0), IDENTITY)
    gradient = np.random.default_rng(1).normal(size=SHAPE)
    expected = np.linalg.solve(hessian(50.0), gradient.ravel()).reshape(SHAPE)
    np.testing.assert_allclose(descent.solve(gradient), expected, rtol=0.1, atol=0.01)


def test_the_approximate_inverse_hessian_satisfies_the_secant_equation() -> None:
    descent = descend(log_sum, IDENTITY, steps=5)
    pairs = descent.state.pairs
    np.testing.assert_allclose(descent.solve(pairs.changes[-1]), pairs.steps[-1], atol=1e-12)


@pytest.mark.parametrize("function", [quadratic(1e4), log_sum], ids=["parabola", "logarithm"])
def test_the_objective_never_rises(function: Function) -> None:
    values = [descend(function, IDENTITY, steps=steps).state.value for steps in range(20)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("iteration", [0, 1, 2, 5, 11])
def test_a_stored_state_goes_on_with_the_same_bits(iteration: int) -> None:
    whole = descend(quadratic(1e4), IDENTITY, steps=20)
    state = pickle.loads(pickle.dumps(descend(quadratic(1e4), IDENTITY, steps=iteration).state))
    assert state.iteration == iteration
    resumed = descend(quadratic(1e4), IDENTITY, steps=20, state=state)
    assert pickle.dumps(resumed.state.parameters) == pickle.dumps(whole.state.parameters)
    assert resumed.state.values == whole.state.values
    np.testing.assert_array_equal(resumed.trial, whole.trial)


def pairs_of(*steps_and_changes: tuple[Floats, Floats]) -> Pairs:
    pairs = NO_PAIRS
    for step, change in steps_and_changes:
        pairs = pairs.after(step, change, precision=EPS)
    return pairs


def test_only_the_last_steps_are_kept() -> None:
    value, gradient = quadratic(10.0)(np.zeros(SHAPE))
    step = np.ones(SHAPE)
    full = DescentState(
        np.zeros(SHAPE), gradient, value, pairs=pairs_of((step, 2 * step), *((step, step),) * (MEMORY - 1))
    )
    after = descend(quadratic(10.0), IDENTITY, steps=1, state=full).state
    assert len(after.pairs) == MEMORY
    np.testing.assert_array_equal(after.pairs.changes[0], step)
    np.testing.assert_array_equal(after.pairs.steps[-1], after.parameters)


def test_directions_are_balanced() -> None:
    def balanced(direction: Floats) -> Floats:
        centred: Floats = direction - direction.mean(axis=0)
        return centred

    value, gradient = quadratic(10.0)(np.zeros(SHAPE))
    descent = Descent(DescentState(np.zeros(SHAPE), gradient, value), IDENTITY, balanced=balanced, precision=EPS)
    np.testing.assert_allclose(descent.trial.sum(axis=0), 0, atol=1e-12)


def test_steps_along_which_the_gradient_does_not_grow_are_forgotten() -> None:
    descent = Descent(DescentState(np.zeros(SHAPE), np.ones(SHAPE), 100.0), IDENTITY, balanced=same, precision=EPS)
    while not descent.tell(100 + float(descent.trial.sum()), np.ones(SHAPE)):  # a plane
        pass
    assert descent.state.iteration == 1
    assert not len(descent.state.pairs)


def test_a_step_without_a_gain_stays_where_it_is() -> None:
    start = DescentState(np.zeros(SHAPE), np.ones(SHAPE), 1.0, first_length=2.0)
    descent = Descent(start, IDENTITY, balanced=same, precision=EPS)
    while not descent.tell(2.0, np.ones(SHAPE)):
        pass
    assert (descent.state.iteration, descent.state.idle, descent.state.first_length) == (1, 1, 1)
    np.testing.assert_array_equal(descent.state.parameters, np.zeros(SHAPE))


def test_a_descent_without_gains_is_given_up() -> None:
    descent = Descent(DescentState(np.zeros(SHAPE), np.ones(SHAPE), 1.0), IDENTITY, balanced=same, precision=EPS)
    while not descent.stalled:
        if descent.tell(2.0, np.ones(SHAPE)):
            descent.aim(descent.inverse)
    assert descent.state.iteration == MOST_IDLE_STEPS


def test_a_gain_ends_the_count_of_idle_steps() -> None:
    value, gradient = quadratic(10.0)(np.zeros(SHAPE))
    state = DescentState(np.zeros(SHAPE), gradient, value, idle=MOST_IDLE_STEPS - 1)
    assert descend(quadratic(10.0), IDENTITY, steps=1, state=state).state.idle == 0


def test_pairs_that_point_uphill_are_dropped() -> None:
    gradient, across = np.zeros((2, *SHAPE))
    gradient[0, 0] = across[1, 1] = 1
    state = DescentState(np.zeros(SHAPE), gradient, 1.0, pairs=pairs_of((across, across)))
    assert len(Descent(state, IDENTITY, balanced=same, precision=EPS).state.pairs)
    assert not len(Descent(state, Matrix(-np.eye(12)), balanced=same, precision=EPS).state.pairs)


@pytest.mark.parametrize("values", [(), (5.0,), (5.0, 4.0)])
def test_before_two_steps_the_gain_ahead_is_infinite(values: tuple[float, ...]) -> None:
    assert gain_ahead(values, 0.0) == np.inf


@pytest.mark.parametrize("steps", [2, 4, 6, 9])
def test_the_gain_ahead_is_the_rest_of_a_geometric_series(steps: int) -> None:
    values = tuple(7 + 0.5**step for step in range(steps + 1))
    assert gain_ahead(values, 0.0) == pytest.approx(values[-1] - 7)


def test_the_gain_ahead_is_infinite_if_falls_grow() -> None:
    assert gain_ahead((10.0, 9.0, 7.0), 0.0) == np.inf


def test_the_gain_ahead_is_zero_after_a_step_without_a_fall() -> None:
    assert gain_ahead((10.0, 9.0, 9.0), 0.0) == 0


def test_the_gain_ahead_after_falls_within_rounding_is_the_rounding() -> None:
    assert gain_ahead((10.0, 10.0 - 1e-6, 10.0 - 2e-6), 1e-5) == 1e-5


def test_a_fall_beyond_rounding_counts() -> None:
    assert gain_ahead((10.0, 10.0 - 1e-4, 10.0 - 1e-4), 1e-5) == 0
