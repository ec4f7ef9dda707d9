"""The two losses of a block of rows, against plain formulas and finite differences."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import log_softmax, softmax

from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.losses import Logistic, Loss, Softmax, curvature

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
    """Return the losses, and the residuals in the library's own memory; arguments stay as they are."""
    loss = loss_of(namespace, len(scores))
    losses, residuals = loss.evaluate(namespace.asarray(scores.copy()), namespace.asarray(labels))
    return np.asarray(losses), residuals


def residuals(namespace: ModuleType, scores: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(evaluate(namespace, scores, labels)[1])


def exact(scores: Any, labels: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    """Return the losses and residuals from untruncated sums, in the widest available floats."""
    wide = scores.astype(np.longdouble)
    of_classes = np.concatenate([np.zeros_like(wide), wide]) if len(scores) == 1 else wide
    rows = np.arange(len(labels))
    odds = np.exp(of_classes - of_classes[labels, rows])
    odds[labels, rows] = 0
    of_others = odds.sum(axis=0)
    expected = odds / (1 + of_others)
    expected[labels, rows] = -of_others / (1 + of_others)
    return np.log1p(of_others), expected[-len(scores) :]


@each_outputs
def test_the_loss_is_the_negative_logarithm_of_the_probability(namespace: ModuleType, outputs: int) -> None:
    scores, labels = scores_and_labels(outputs)
    of_classes = np.concatenate([np.zeros((1, ROWS)), scores]) if outputs == 1 else scores
    expected = -log_softmax(of_classes, axis=0)[labels, np.arange(ROWS)]
    np.testing.assert_allclose(evaluate(namespace, scores, labels)[0], expected)


@each_outputs
def test_the_residuals_are_the_finite_difference_of_the_loss(namespace: ModuleType, outputs: int) -> None:
    scores, labels = scores_and_labels(outputs)
    found = residuals(namespace, scores, labels)
    for output in range(outputs):
        change = np.zeros((outputs, 1))
        change[output] = STEP
        high, low = (evaluate(namespace, scores + sign * change, labels)[0] for sign in (1, -1))
        np.testing.assert_allclose(found[output], (high - low) / (2 * STEP), atol=1e-8)


@each_outputs
def test_the_curve_is_the_finite_difference_of_the_residuals(namespace: ModuleType, outputs: int) -> None:
    scores, labels = scores_and_labels(outputs)
    change = np.random.default_rng(9).normal(size=scores.shape)
    high, low = (residuals(namespace, scores + sign * STEP * change, labels) for sign in (1, -1))
    _, at_scores = evaluate(namespace, scores, labels)
    found = loss_of(namespace, outputs).curve(at_scores, namespace.asarray(labels), namespace.asarray(change))
    np.testing.assert_allclose(np.asarray(found), (high - low) / (2 * STEP), atol=1e-8)


@each_outputs
def test_the_curvature_of_an_output_is_the_curve_along_it(namespace: ModuleType, outputs: int) -> None:
    scores, labels = scores_and_labels(outputs)
    _, at_scores = evaluate(namespace, scores, labels)
    for output in range(outputs):
        change = np.zeros_like(scores)
        change[output] = 1
        along = loss_of(namespace, outputs).curve(at_scores, namespace.asarray(labels), namespace.asarray(change))
        np.testing.assert_allclose(np.asarray(curvature(at_scores))[output], np.asarray(along)[output])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("outputs", [1, 3, 4])
def test_rows_of_a_class_of_probability_zero_have_a_curvature(dtype: type, outputs: int) -> None:
    arithmetic = Arithmetic(np.dtype(dtype))
    scores: Any = np.zeros((outputs, 1), dtype)
    scores[: outputs - 1 or 1] = 1e4
    loss = Logistic(arithmetic) if outputs == 1 else Softmax(arithmetic)
    _, found = loss.evaluate(scores, np.array([outputs - 1]))
    assert (curvature(found) > 0).all()


def test_residuals_of_classes_add_up_to_zero(namespace: ModuleType) -> None:
    np.testing.assert_allclose(residuals(namespace, *scores_and_labels(5)).sum(axis=0), 0, atol=1e-15)


def test_probabilities_are_the_residuals_and_one_for_the_class(namespace: ModuleType) -> None:
    scores, labels = scores_and_labels(5)
    loss = Softmax(Arithmetic(np.dtype(np.float64), namespace=namespace))
    found = loss.probabilities(evaluate(namespace, scores, labels)[1], namespace.asarray(labels))
    np.testing.assert_allclose(np.asarray(found), softmax(scores, axis=0))


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("outputs", [1, 2, 4])
def test_certain_rows_keep_the_digits_of_all_derivatives(namespace: ModuleType, outputs: int, label: int) -> None:
    sure = np.linspace(20, 200, 50)
    scores = np.random.default_rng(0).normal(size=(outputs, len(sure)))
    scores[label if outputs > 1 else 0] += sure if outputs > 1 or label else -sure
    labels = np.full(len(sure), label)
    change = np.random.default_rng(1).normal(size=scores.shape)

    losses, found = evaluate(namespace, scores, labels)
    curved = loss_of(namespace, outputs).curve(found, namespace.asarray(labels), namespace.asarray(change.copy()))

    expected_losses, expected = exact(scores, labels)
    high, low = (exact(scores.astype(np.longdouble) + sign * STEP * change, labels)[1] for sign in (1, -1))
    np.testing.assert_allclose(losses, expected_losses.astype(np.float64), rtol=1e-13)
    np.testing.assert_allclose(np.asarray(found), expected.astype(np.float64), rtol=1e-13)
    np.testing.assert_allclose(np.asarray(curved), ((high - low) / (2 * STEP)).astype(np.float64), rtol=1e-6)


@pytest.mark.parametrize(("outputs", "far"), [(1, 1e3), (1, 1e300), (1, 1.7e308), (3, 1e3), (3, 1e300)])
def test_outputs_far_from_zero_have_the_loss_of_their_distance(namespace: ModuleType, outputs: int, far: float) -> None:
    scores = np.zeros((outputs, 2))
    scores[-1] = far, -far
    labels = np.array([0, outputs - 1 or 1])
    losses, at_scores = evaluate(namespace, scores, labels)
    np.testing.assert_allclose(losses, [far, far + np.log(max(1, outputs - 1))])
    assert np.isfinite(np.asarray(at_scores)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loss_of_two_classes_is_accurate_to_a_few_units_in_the_last_place(dtype: type) -> None:
    sizes: Any = np.geomspace(1e-8, 80, 2000).astype(dtype)
    scores = np.concatenate([-sizes, sizes])[None]
    labels = np.repeat([0, 1], len(sizes))
    losses, _ = Logistic(Arithmetic(np.dtype(dtype))).evaluate(scores, labels)
    expected = np.log1p(np.exp(-np.repeat(sizes[None], 2, axis=0).ravel().astype(np.longdouble)))
    np.testing.assert_allclose(losses, expected.astype(np.float64), rtol=5 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loss_of_many_classes_is_accurate_to_a_few_units_in_the_last_place(dtype: type) -> None:
    labels = np.random.default_rng(0).integers(0, 5, 2000)
    scores: Any = np.random.default_rng(1).normal(scale=3, size=(5, 2000)).astype(dtype)
    expected, _ = exact(scores, labels)
    losses, _ = Softmax(Arithmetic(np.dtype(dtype))).evaluate(scores, labels)
    off = (losses - expected) / expected / float(np.finfo(dtype).eps)
    assert np.abs(off).max() < 20
    assert abs(off.mean()) < 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("outputs", [1, 3])
def test_products_with_residuals_are_of_normal_numbers(dtype: type, outputs: int) -> None:
    arithmetic = Arithmetic(np.dtype(dtype))
    scores: Any = np.zeros((outputs, 1000), dtype)
    scores[-1] = -np.geomspace(1, 1e5, 1000)
    loss = Logistic(arithmetic) if outputs == 1 else Softmax(arithmetic)
    _, found = loss.evaluate(scores, np.zeros(1000, int))
    assert found[-1].min() * 1e-6 > np.finfo(dtype).tiny
    assert found[-1].min() < np.finfo(dtype).eps ** 2
