"""The objective and its derivatives, against finite differences and plain formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import log_softmax

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic, Floats
from mnistlib.linear.local import local_objective
from mnistlib.linear.objective import Objective
from mnistlib.linear.rows import Rows
from tests.linear.conftest import make_problem

STEP = 1e-5

each_kind = pytest.mark.parametrize("fit_intercept", [True, False], ids=["intercept", "no intercept"])
each_weighting = pytest.mark.parametrize("weighted", [True, False], ids=["weights", "no weights"])
each_softmax = pytest.mark.parametrize("classes", [3, 5])
each_classes = pytest.mark.parametrize("classes", [2, 3, 5])


def objective_and_point(
    arithmetic: Arithmetic, classes: int, C: Any, *, fit_intercept: bool, weighted: bool
) -> tuple[Objective, Floats]:
    """Return an objective over 40 rows and 4 columns in other units, and random parameters."""
    random = np.random.default_rng(1)
    problem = make_problem(40, 4, classes)
    weights = random.random(40) if weighted else None
    objective = problem.objective(arithmetic, C, sample_weight=weights, fit_intercept=fit_intercept, scale=0.5)
    parameters = random.normal(size=objective.shape)
    parameters[:, :, -1] *= fit_intercept
    return objective, parameters


def value(objective: Objective, parameters: Floats) -> Floats:
    return objective.evaluate(parameters)[0]


def gradient(objective: Objective, parameters: Floats) -> Floats:
    return objective.evaluate(parameters)[1]


def finite_difference(objective: Objective, parameters: Floats, direction: Floats) -> Floats:
    """Return the change of the gradient along a direction of a single model, of shape (outputs, d + 1)."""
    step = STEP * direction
    change: Floats = gradient(objective, parameters + step)[0] - gradient(objective, parameters - step)[0]
    return change / (2 * STEP)


@each_classes
@each_kind
@each_weighting
def test_the_gradient_is_the_finite_difference_of_the_value(
    double: Arithmetic, classes: int, fit_intercept: bool, weighted: bool
) -> None:
    objective, parameters = objective_and_point(
        double, classes, [0.3, np.inf, 2.0], fit_intercept=fit_intercept, weighted=weighted
    )
    found = gradient(objective, parameters)
    for model, output, column in np.ndindex(*objective.shape):
        if column == 4 and not fit_intercept:
            assert found[model, output, column] == 0
            continue
        change = np.zeros_like(parameters)
        change[model, output, column] = STEP
        difference = (value(objective, parameters + change) - value(objective, parameters - change)) / (2 * STEP)
        assert found[model, output, column] == pytest.approx(difference[model], rel=1e-6, abs=1e-6)


@each_classes
@each_kind
@each_weighting
@pytest.mark.parametrize("C", [2.0, np.inf])
def test_a_product_with_the_hessian_is_the_finite_difference_of_the_gradient(
    double: Arithmetic, classes: int, C: float, fit_intercept: bool, weighted: bool
) -> None:
    objective, parameters = objective_and_point(double, classes, C, fit_intercept=fit_intercept, weighted=weighted)
    direction = np.random.default_rng(2).normal(size=objective.shape[1:])
    direction[:, -1] *= fit_intercept
    expected = finite_difference(objective, parameters, direction)
    objective.evaluate(parameters)
    np.testing.assert_allclose(objective.product(direction), expected, rtol=1e-6, atol=1e-6)


@each_classes
@each_kind
@each_weighting
@pytest.mark.parametrize("C", [2.0, np.inf])
def test_the_class_hessians_are_finite_differences_of_the_gradient(
    double: Arithmetic, classes: int, C: float, fit_intercept: bool, weighted: bool
) -> None:
    objective, parameters = objective_and_point(double, classes, C, fit_intercept=fit_intercept, weighted=weighted)
    expected = np.empty((objective.outputs, 5, 5))
    for output, column in np.ndindex(objective.outputs, 5):
        direction = np.zeros(objective.shape[1:])
        direction[output, column] = 1
        expected[output, :, column] = finite_difference(objective, parameters, direction)[output]
    if not fit_intercept:
        expected[:, -1] = expected[:, :, -1] = 0
        expected[:, -1, -1] = 1
    objective.evaluate(parameters)
    np.testing.assert_allclose(objective.class_hessians(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("avx512", [True, False])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 3, 20])
@pytest.mark.parametrize("columns", [4, 40])
def test_rows_times_weights_and_weights_times_rows_are_the_same(
    monkeypatch: pytest.MonkeyPatch, avx512: bool, precision: type, classes: int, columns: int
) -> None:
    problem = make_problem(100, columns, classes)
    parameters = np.random.default_rng(3).normal(size=(1, 1 if classes == 2 else classes, columns + 1))
    scores = problem.X @ parameters[0, :, :-1].T + parameters[0, :, -1]
    scores = np.column_stack([np.zeros(100), scores]) if classes == 2 else scores
    losses = -log_softmax(scores, axis=1)[np.arange(100), problem.y]
    monkeypatch.setattr("mnistlib.linear.arithmetic.has_avx512", lambda: avx512)
    objective = problem.objective(Arithmetic(np.dtype(precision)), 1.0)
    expected = losses.sum() + float(np.sum(parameters[:, :, :-1] ** 2)) / 2
    assert value(objective, parameters)[0] == pytest.approx(expected, rel=1e-5)


@each_classes
@each_weighting
@pytest.mark.parametrize("operation", ["evaluate", "product", "moments", "class_hessians"])
def test_zero_weights_give_the_results_of_tiny_weights(
    double: Arithmetic, classes: int, weighted: bool, operation: str
) -> None:
    objective, parameters = objective_and_point(double, classes, 2.0, fit_intercept=True, weighted=weighted)
    arguments = {"evaluate": [parameters], "product": [parameters[0]], "moments": [0]}.get(operation, [])

    def answers(weight: float) -> list[Floats]:
        at = parameters.copy()
        at[:, :, :-1] = weight
        objective.evaluate(at)
        answer = getattr(objective, operation)(*([at] if operation == "evaluate" else arguments))
        return list(answer) if isinstance(answer, tuple) else [answer]

    for at_zero, beside in zip(answers(0.0), answers(1e-200), strict=True):
        np.testing.assert_allclose(at_zero, beside, rtol=1e-12, atol=1e-12)


@each_softmax
@each_kind
@each_weighting
@pytest.mark.parametrize("C", [2.0, np.inf])
def test_solving_with_the_hessian_undoes_the_finite_difference_of_the_gradient(
    double: Arithmetic, classes: int, C: float, fit_intercept: bool, weighted: bool
) -> None:
    objective, parameters = objective_and_point(double, classes, C, fit_intercept=fit_intercept, weighted=weighted)
    direction = objective.balanced(np.random.default_rng(2).normal(size=objective.shape[1:]))
    change = finite_difference(objective, parameters, direction)
    objective.evaluate(parameters)
    hessian = objective.hessian()
    if np.isinf(C):  # the same added to the weights of all classes changes nothing
        hessian += np.diag(np.full(len(hessian), 1e-9))
    found: Any = np.linalg.solve(hessian, change.ravel())
    np.testing.assert_allclose(objective.balanced(found.reshape(direction.shape)), direction, rtol=1e-6, atol=1e-6)


@each_softmax
@each_kind
def test_the_hessian_is_positive_definite(double: Arithmetic, classes: int, fit_intercept: bool) -> None:
    objective, parameters = objective_and_point(double, classes, 2.0, fit_intercept=fit_intercept, weighted=False)
    objective.evaluate(parameters)
    hessian = objective.hessian()
    np.testing.assert_array_equal(hessian, hessian.T)
    assert np.linalg.eigvalsh(hessian).min() > 0.1


@each_softmax
def test_the_hessian_keeps_the_digits_of_classes_that_are_certain_in_all_rows(double: Arithmetic, classes: int) -> None:
    X = make_problem(50, 3, classes).X
    objective = local_objective(X, np.zeros(50, int), classes=classes, C=[1.0], arithmetic=double)
    parameters = np.zeros(objective.shape)
    parameters[0, :, -1] = -100.0 * np.arange(classes)
    objective.evaluate(parameters)
    curved = 50 * np.exp(-100.0 * np.maximum(1, np.arange(classes)))  # the first class is left by the second's odds
    whole = objective.hessian().reshape(classes, 4, classes, 4)
    found = whole[np.arange(classes), -1, np.arange(classes), -1]
    np.testing.assert_allclose(found, curved * (1 + curved / curved.sum()), rtol=1e-9)
    np.testing.assert_allclose(objective.class_hessians()[:, -1, -1], curved, rtol=1e-9)


def test_is_at_compares_with_the_last_evaluation(double: Arithmetic) -> None:
    objective = make_problem(50, 3, 3).objective(double, [0.1, 1.0])
    one = objective.only([1])
    parameters = np.random.default_rng(0).normal(size=one.shape)
    assert not one.is_at(parameters)
    one.evaluate(parameters)
    assert one.is_at(parameters.copy())
    objective.evaluate(np.zeros(objective.shape))
    assert not one.is_at(parameters)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_class_hessians_have_curvature_where_all_rows_are_certain(double: Arithmetic, classes: int) -> None:
    problem = make_problem(50, 3, classes)
    objective = problem.objective(double)
    parameters = np.zeros(objective.shape)
    parameters[0, 0, -1] = 2000  # where the probabilities round to 0 and 1
    objective.evaluate(parameters)
    hessians = objective.class_hessians()
    units = 1 / np.sqrt(np.einsum("kdd->kd", hessians))
    assert np.linalg.eigvalsh(hessians * units[:, :, None] * units[:, None, :]).min() > 0


@each_classes
@each_weighting
def test_moments_are_the_diagonal_and_the_last_row_of_the_class_hessians(
    double: Arithmetic, classes: int, weighted: bool
) -> None:
    objective, parameters = objective_and_point(double, classes, 2.0, fit_intercept=True, weighted=weighted)
    objective.evaluate(parameters)
    squares, sums = objective.moments(0)
    hessians = objective.class_hessians()
    np.testing.assert_allclose(1 + squares, np.diagonal(hessians, axis1=1, axis2=2)[:, :-1])
    np.testing.assert_allclose(sums, hessians[:, -1])


def test_moments_are_those_of_the_given_model(double: Arithmetic) -> None:
    objective, parameters = objective_and_point(double, 3, [0.3, 2.0], fit_intercept=True, weighted=True)
    objective.evaluate(parameters)
    together = objective.moments(1)
    alone = objective.only([1])
    alone.evaluate(parameters[1:])
    for found, expected in zip(together, alone.moments(0), strict=True):
        np.testing.assert_allclose(found, expected)


def test_moments_of_wide_rows_are_the_means_of_their_columns(double: Arithmetic) -> None:
    objective = make_problem(6, 20, 3).objective(double, scale=0.5)
    parameters = np.random.default_rng(3).normal(size=objective.shape) / 4
    objective.evaluate(parameters)
    squares, sums = objective.moments(0)
    hessians = objective.class_hessians()
    diagonals = np.diagonal(hessians, axis1=1, axis2=2)[:, :-1] - 1
    np.testing.assert_allclose(squares, np.repeat(diagonals.mean(axis=1)[:, None], 20, axis=1))
    np.testing.assert_allclose(sums, hessians[:, -1])


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


@each_classes
def test_models_side_by_side_have_the_values_and_gradients_of_each_alone(double: Arithmetic, classes: int) -> None:
    objective, parameters = objective_and_point(double, classes, [0.3, 2.0], fit_intercept=True, weighted=True)
    values, gradients = objective.evaluate(parameters)
    for model in range(2):
        of_model, at_model = objective.only([model]).evaluate(parameters[[model]])
        np.testing.assert_allclose(of_model, values[[model]])
        np.testing.assert_allclose(at_model, gradients[[model]])


@pytest.mark.parametrize("classes", [2, 3])
def test_outputs_of_a_thousand_do_not_overflow(single: Arithmetic, classes: int) -> None:
    objective = make_problem(30, 3, classes).objective(single)
    parameters = np.full(objective.shape, 1000.0) * np.arange(1.0, objective.outputs + 1)[:, None]
    values, gradients = objective.evaluate(parameters)
    assert np.isfinite(values).all()
    assert np.isfinite(gradients).all()


@each_classes
def test_balanced_parameters_change_no_derivative_but_that_of_the_penalty(double: Arithmetic, classes: int) -> None:
    objective, parameters = objective_and_point(double, classes, 2.0, fit_intercept=True, weighted=False)
    balanced = objective.balanced(parameters)
    if classes > 2:
        np.testing.assert_allclose(balanced.sum(axis=-2), 0, atol=1e-12)
    penalized = balanced - parameters
    penalized[..., -1] = 0
    np.testing.assert_allclose(gradient(objective, balanced) - gradient(objective, parameters), penalized, atol=1e-9)


def test_without_intercepts_balanced_parameters_have_none(double: Arithmetic) -> None:
    objective = make_problem(30, 3, 2).objective(double, fit_intercept=False)
    np.testing.assert_array_equal(objective.balanced(np.ones(objective.shape)), [[[1, 1, 1, 0]]])


def test_value_and_gradient_are_one_pass_together(double: Arithmetic) -> None:
    objective = make_problem(30, 3, 3).objective(double)
    objective.evaluate(np.zeros(objective.shape))
    assert objective.passes == 1


def test_a_product_with_the_hessian_is_one_pass(double: Arithmetic) -> None:
    objective = make_problem(30, 3, 3).objective(double)
    objective.evaluate(np.zeros(objective.shape))
    objective.product(np.ones(objective.shape[1:]))
    assert objective.passes == 2


def test_moments_are_one_pass(double: Arithmetic) -> None:
    objective = make_problem(30, 3, 3).objective(double)
    objective.evaluate(np.zeros(objective.shape))
    objective.moments(0)
    assert objective.passes == 2


def test_hessians_are_not_counted_as_passes(double: Arithmetic) -> None:
    objective = make_problem(30, 3, 3).objective(double)
    objective.evaluate(np.zeros(objective.shape))
    objective.class_hessians()
    objective.hessian()
    assert objective.passes == 1


def test_some_of_the_models_count_their_passes_together_with_all(double: Arithmetic) -> None:
    objective = make_problem(30, 3, 3).objective(double, [1.0, 2.0])
    objective.only([1]).evaluate(np.zeros((1, 3, 4)))
    assert objective.passes == 1


def test_an_objective_beside_another_counts_its_passes_there(double: Arithmetic, single: Arithmetic) -> None:
    problem = make_problem(30, 3, 3)
    fine, coarse = problem.objective(double), problem.objective(single)
    coarse.beside(fine).evaluate(np.zeros(coarse.shape))
    assert (fine.passes, coarse.passes) == (1, 0)


def test_bytes_count_as_the_same_numbers_in_floats(single: Arithmetic) -> None:
    random = np.random.default_rng(4)
    X = random.integers(0, 256, (5000, 400), dtype=np.uint8)
    y = random.integers(0, 3, 5000)
    parameters = random.normal(size=(1, 3, 401))
    gradients = []
    same: list[tuple[npt.NDArray[Any], float]]
    same = [(X, 1 / 255), (X.astype(np.float32), 1 / 255), (X / np.float32(255), 1.0)]
    for rows, scale in same:
        objective = local_objective(rows, y, classes=3, C=1.0, arithmetic=single, scale=scale)
        gradients.append(gradient(objective, parameters))
    np.testing.assert_array_equal(gradients[0], gradients[1])
    np.testing.assert_allclose(gradients[0], gradients[2], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("threads", [2, 3])
def test_sums_have_the_same_bits_for_every_number_of_threads(threads: int) -> None:
    problem = make_problem(20_000, 30, 3)
    parameters = np.random.default_rng(5).normal(size=(1, 3, 31))
    found = []
    for count in (1, threads):
        objective = problem.objective(Arithmetic(np.dtype(np.float32), count))
        with objective.arithmetic.running():
            found.append((*objective.evaluate(parameters), *objective.moments(0), objective.class_hessians()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0), (2, 2, 2)])
def test_rows_of_other_than_two_dimensions_are_refused(shape: tuple[int, ...]) -> None:
    X = np.zeros(int(np.prod(shape))).reshape(shape)
    with pytest.raises(DataError, match=r"shape \(n, d\)"):
        Rows(X, Arithmetic(np.dtype(np.float64)), 64)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0), (2, 2, 2)])
def test_an_objective_over_rows_of_other_than_two_dimensions_is_refused(
    double: Arithmetic, shape: tuple[int, ...]
) -> None:
    X = np.zeros(int(np.prod(shape))).reshape(shape)
    with pytest.raises(DataError, match=r"shape \(n, d\)"):
        local_objective(X, np.arange(len(X)) % 2, classes=2, C=1.0, arithmetic=double)
