"""The corrected inverse Hessian, against the update of BFGS as a formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mnistlib.linear.quasi_newton import MEMORY, NO_PAIRS, Pairs, QuasiNewton
from tests.linear.steps import Matrix

Floats = npt.NDArray[np.float64]

SHAPE = (2, 3)
EPS = float(np.finfo(np.float64).eps)


def random_matrix() -> Floats:
    """Return a positive definite matrix."""
    root = np.random.default_rng(3).normal(size=(6, 6))
    matrix: Floats = root @ root.T + np.eye(6)
    return matrix


def random_pairs(count: int) -> tuple[Pairs, list[tuple[Floats, Floats]]]:
    """Return steps and the changes of a gradient along them."""
    random, bend = np.random.default_rng(4), random_matrix()
    steps = random.normal(size=(count, 6))
    kept = [(step, bend @ step + 0.1 * random.normal(size=6)) for step in steps]
    pairs = NO_PAIRS
    for step, change in kept:
        assert step @ change > 0
        pairs = pairs.after(step.reshape(SHAPE), change.reshape(SHAPE), precision=EPS)
    return pairs, kept[-MEMORY:]


def updated(inverse: Floats, kept: list[tuple[Floats, Floats]]) -> Floats:
    """Return an inverse Hessian after the updates of BFGS."""
    for step, change in kept:
        project = np.eye(6) - np.outer(step, change) / (step @ change)
        inverse = project @ inverse @ project.T + np.outer(step, step) / (step @ change)
    return inverse


@pytest.mark.parametrize("rescaled", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 7, MEMORY, MEMORY + 3])
def test_the_corrections_are_the_updates_of_bfgs(count: int, rescaled: bool) -> None:
    pairs, kept = random_pairs(count)
    inverse = np.diag(np.geomspace(1, 100, 6))
    factor: Any = 1.0
    if rescaled and kept:
        step, change = kept[-1]
        factor = (step @ change) / (change @ inverse @ change)
    gradient = np.random.default_rng(5).normal(size=6)
    found = QuasiNewton(Matrix(inverse, rescaled), pairs).solve(gradient.reshape(SHAPE))
    np.testing.assert_allclose(found.ravel(), updated(factor * inverse, kept) @ gradient, rtol=1e-8, atol=1e-8)


def test_a_gradient_is_left_as_it_is() -> None:
    pairs, _ = random_pairs(3)
    gradient = np.ones(SHAPE)
    QuasiNewton(Matrix(np.eye(6)), pairs).solve(gradient)
    np.testing.assert_array_equal(gradient, 1)


@pytest.mark.parametrize("change", [-1.0, 0.0, 1e-17, np.nan])
def test_a_step_along_which_the_gradient_does_not_grow_is_no_pair(change: float) -> None:
    along, across = np.zeros((2, *SHAPE))
    along[0, 0] = across[1, 1] = 1
    assert not len(NO_PAIRS.after(along, change * along + across, precision=EPS))


def test_pairs_before_another_are_as_they_were() -> None:
    before, _ = random_pairs(2)
    steps = before.steps.copy()
    after = before.after(np.ones(SHAPE), np.ones(SHAPE), precision=EPS)
    assert (len(before), len(after)) == (2, 3)
    np.testing.assert_array_equal(before.steps, steps)
