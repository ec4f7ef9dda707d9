"""The objective and its derivatives, against finite differences and plain formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.objective import Objective
from mnistlib.linear.rows import Rows
from tests.linear.conftest import make_problem

STEP = 1e-5


def value(objective: Objective, parameters: Any) -> Any:
    state = objective.logits(parameters)
    still = np.zeros_like(parameters)
    models = np.arange(len(parameters))
    return objective.along(
        models, start=parameters, direction=still, steps=still[:, 0, 0], state=state, change=state
    ).value


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_gradient_is_the_finite_difference(
    double: Arithmetic, classes: int, fit_intercept: bool, weighted: bool
) -> None:
    random = np.random.default_rng(1)
    problem = make_problem(40, 4, classes)
    weights = random.random(40) if weighted else None
    objective = problem.objective(double, [0.3, 2.0], sample_weight=weights, fit_intercept=fit_intercept, scale=0.5)
    parameters = random.normal(size=objective.shape)
    parameters[:, :, -1] *= fit_intercept
    gradient = objective.gradient(parameters, objective.logits(parameters))
    for model, output, column in np.ndindex(*objective.shape):
        if column == 4 and not fit_intercept:
            assert gradient[model, output, column] == 0
            continue
        change = np.zeros_like(parameters)
        change[model, output, column] = STEP
        difference = (value(objective, parameters + change) - value(objective, parameters - change)) / (2 * STEP)
        assert gradient[model, output, column] == pytest.approx(difference[model], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
def test_derivatives_along_a_direction_are_finite_differences(double: Arithmetic, classes: int) -> None:
    random = np.random.default_rng(2)
    objective = make_problem(50, 3, classes).objective(double, [0.1, 1.0, 10.0])
    start, direction = random.normal(size=(2, *objective.shape))
    state, change = objective.logits(start), objective.logits(direction)
    models, steps = np.arange(3), np.array([0.0, 0.5, 2.0])

    def at(step: Any) -> Any:
        return objective.along(models, start=start, direction=direction, steps=step, state=state, change=change)

    low, here, high = at(steps - STEP), at(steps), at(steps + STEP)
    np.testing.assert_allclose(here.slope, (high.value - low.value) / (2 * STEP), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(here.curvature, (high.slope - low.slope) / (2 * STEP), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_value_is_the_penalized_log_loss(double: Arithmetic, classes: int) -> None:
    problem = make_problem(30, 3, classes)
    objective = problem.objective(double, 0.7)
    parameters = np.random.default_rng(3).normal(size=objective.shape)
    scores = problem.X @ parameters[0, :, :-1].T + parameters[0, :, -1]
    if classes == 2:
        scores = np.column_stack([np.zeros(30), scores])
    loss = (np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(30), problem.y]).sum()
    expected = 0.7 * loss + (parameters[:, :, :-1] ** 2).sum() / 2
    assert value(objective, parameters)[0] == pytest.approx(expected)


def test_outputs_of_a_thousand_do_not_overflow(single: Arithmetic) -> None:
    objective = make_problem(30, 3, 3).objective(single)
    parameters = np.full(objective.shape, 1000.0) * np.arange(3.0)[:, None]
    assert np.isfinite(value(objective, parameters)).all()
    assert np.isfinite(objective.gradient(parameters, objective.logits(parameters))).all()


def test_logits_and_gradient_are_one_pass_together(double: Arithmetic) -> None:
    objective = make_problem(30, 3, 3).objective(double)
    parameters = np.zeros(objective.shape)
    objective.gradient(parameters, objective.logits(parameters))
    assert objective.passes == 1


def test_bytes_count_as_the_same_numbers_in_floats(single: Arithmetic) -> None:
    random = np.random.default_rng(4)
    X = random.integers(0, 256, (5000, 400), dtype=np.uint8)
    y = random.integers(0, 3, 5000)
    parameters = random.normal(size=(1, 3, 401))
    gradients = []
    same: list[tuple[npt.NDArray[Any], float]]
    same = [(X, 1 / 255), (X.astype(np.float32), 1 / 255), (X / np.float32(255), 1.0)]
    for rows, scale in same:
        objective = Objective(Rows(rows, single), y, classes=3, C=1.0, arithmetic=single, scale=scale)
        gradients.append(objective.gradient(parameters, objective.logits(parameters)))
    np.testing.assert_array_equal(gradients[0], gradients[1])
    np.testing.assert_allclose(gradients[0], gradients[2], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0), (2, 2, 2)])
def test_rows_that_are_no_matrix_are_refused(shape: tuple[int, ...]) -> None:
    X = np.zeros(int(np.prod(shape))).reshape(shape)
    with pytest.raises(DataError, match=r"shape \(n, d\)"):
        Rows(X, Arithmetic(np.dtype(np.float64)))
