"""The two losses of a block of rows, against plain formulas and finite differences."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import log_softmax

from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.losses import Logistic, Loss, Softmax

Floats = npt.NDArray[np.float64]
STEP = 1e-6
ROWS = 7
each_outputs = pytest.mark.parametrize("outputs", [1, 3, 5])


def loss_of(namespace: ModuleType, outputs: int) -> Loss:
    arithmetic = Arithmetic(np.dtype(np.float64), namespace=namespace)
    return Logistic(arithmetic) if outputs == 1 else Softmax(arithmetic)


def scores_and_labels(outputs: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    random = np.random.default_rng(outputs)
    return 3 * random.normal(size=(outputs, ROWS)), random.integers(0, max(2, outputs), ROWS)


def evaluate(namespace: ModuleType, scores: Floats, labels: npt.NDArray[np.int64]) -> tuple[Floats, Any]:
    """Return the losses, and the probabilities in the library's own memory; arguments stay as they are."""
    loss = loss_of(namespace, len(scores))
    losses, probabilities = loss.evaluate(namespace.asarray(scores.copy()), namespace.asarray(labels))
    return np.asarray(losses), probabilities


def residual(namespace: ModuleType, scores: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    _, probabilities = evaluate(namespace, scores, labels)
    return np.asarray(loss_of(namespace, len(scores)).residual(probabilities, namespace.asarray(labels)))


@each_outputs
def test_the_loss_is_the_negative_logarithm_of_the_probability(namespace: ModuleType, outputs: int) -> None:
    scores, labels = scores_and_labels(outputs)
    of_classes = np.concatenate([np.zeros((1, ROWS)), scores]) if outputs == 1 else scores
    expected = -log_softmax(of_classes, axis=0)[labels, np.arange(ROWS)]
    np.testing.assert_allclose(evaluate(namespace, scores, labels)[0], expected)


@each_outputs
def test_the_residual_is_the_finite_difference_of_the_loss(namespace: ModuleType, outputs: int) -> None:
    scores, labels = scores_and_labels(outputs)
    found = residual(namespace, scores, labels)
    for output in range(outputs):
        change = np.zeros((outputs, 1))
        change[output] = STEP
        high, low = (evaluate(namespace, scores + sign * change, labels)[0] for sign in (1, -1))
        np.testing.assert_allclose(found[output], (high - low) / (2 * STEP), atol=1e-8)


@each_outputs
def test_the_curve_is_the_finite_difference_of_the_residual(namespace: ModuleType, outputs: int) -> None:
    scores, labels = scores_and_labels(outputs)
    change = np.random.default_rng(9).normal(size=scores.shape)
    high, low = (residual(namespace, scores + sign * STEP * change, labels) for sign in (1, -1))
    _, probabilities = evaluate(namespace, scores, labels)
    found = loss_of(namespace, outputs).curve(probabilities, namespace.asarray(change))
    np.testing.assert_allclose(np.asarray(found), (high - low) / (2 * STEP), atol=1e-8)


@each_outputs
def test_rows_with_the_same_outputs_have_the_losses_of_their_classes(namespace: ModuleType, outputs: int) -> None:
    scores, labels = scores_and_labels(outputs)
    same = np.repeat(scores[:, :1], ROWS, axis=1)
    expected, likely = evaluate(namespace, same, labels)
    of_classes, column = loss_of(namespace, outputs).alike(namespace.asarray(scores[:, 0]))
    np.testing.assert_allclose(np.asarray(of_classes)[labels], expected, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(column), np.asarray(likely)[:, :1], rtol=1e-12)


@each_outputs
def test_residuals_leave_the_probabilities_as_they_are(namespace: ModuleType, outputs: int) -> None:
    scores, labels = scores_and_labels(outputs)
    _, probabilities = evaluate(namespace, scores, labels)
    before = np.asarray(probabilities).copy()
    loss_of(namespace, outputs).residual(probabilities, namespace.asarray(labels))
    np.testing.assert_array_equal(np.asarray(probabilities), before)


def test_probabilities_of_classes_add_up_to_one(namespace: ModuleType) -> None:
    _, probabilities = evaluate(namespace, *scores_and_labels(5))
    np.testing.assert_allclose(np.asarray(probabilities).sum(axis=0), 1)


@pytest.mark.parametrize(("outputs", "far"), [(1, 1e3), (1, 1e300), (1, 1.7e308), (3, 1e3), (3, 1e300)])
def test_outputs_far_from_zero_have_the_loss_of_their_distance(namespace: ModuleType, outputs: int, far: float) -> None:
    scores = np.zeros((outputs, 2))
    scores[-1] = far, -far
    labels = np.array([0, outputs - 1 or 1])
    losses, probabilities = evaluate(namespace, scores, labels)
    np.testing.assert_allclose(losses, [far, far + np.log(max(1, outputs - 1))])
    assert np.isfinite(np.asarray(probabilities)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loss_of_two_classes_is_accurate_to_a_few_units_in_the_last_place(dtype: type) -> None:
    sizes: Any = np.geomspace(1e-8, 80, 2000).astype(dtype)
    scores = np.concatenate([-sizes, sizes])[None]
    labels = np.repeat([0, 1], len(sizes))
    losses, _ = Logistic(Arithmetic(np.dtype(dtype))).evaluate(scores, labels)
    expected = np.log1p(np.exp(-np.repeat(sizes[None], 2, axis=0).ravel().astype(np.longdouble)))
    np.testing.assert_allclose(losses, expected.astype(np.float64), rtol=5 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("label", [0, 1])
def test_the_loss_of_two_classes_keeps_its_digits_where_it_is_tiny(namespace: ModuleType, label: int) -> None:
    losses, _ = evaluate(namespace, np.array([[100.0 if label else -100.0]]), np.array([label]))
    np.testing.assert_allclose(losses, np.exp(-100.0))


@pytest.mark.parametrize("outputs", [1, 3])
def test_an_improbable_class_keeps_its_digits(namespace: ModuleType, outputs: int) -> None:
    scores = np.zeros((outputs, 1))
    scores[-1] = -500.0
    _, probabilities = evaluate(namespace, scores, np.array([0]))
    np.testing.assert_allclose(np.asarray(probabilities)[-1], np.exp(-500.0) / max(1, outputs - 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("outputs", [1, 3])
def test_products_with_probabilities_are_of_normal_numbers(dtype: type, outputs: int) -> None:
    arithmetic = Arithmetic(np.dtype(dtype))
    scores: Any = np.zeros((outputs, 1000), dtype)
    scores[-1] = -np.geomspace(1, 1e5, 1000)
    loss = Logistic(arithmetic) if outputs == 1 else Softmax(arithmetic)
    _, probabilities = loss.evaluate(scores, np.zeros(1000, int))
    assert probabilities[-1].min() * 1e-6 > np.finfo(dtype).tiny
    assert probabilities[-1].min() < np.finfo(dtype).eps ** 2
