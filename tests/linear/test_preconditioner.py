"""Preconditioners from rows that are drawn: class blocks, and the columns left out of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mnistlib.linear.arithmetic import Arithmetic, Floats
from mnistlib.linear.local import local_objective
from mnistlib.linear.objective import Objective
from mnistlib.linear.preconditioner import ClassBlock, ClassBlocks, near

CLASSES = 3


def images(rows: int = 40_000) -> Any:
    """Return bytes in 12 columns, of which the last four are dark in nearly all rows."""
    random = np.random.default_rng(0)
    X = random.integers(0, 256, (rows, 12)).astype(np.uint8)
    X[:, 8:] *= random.random((rows, 4)) < 1e-5
    return X


def objective_of(arithmetic: Arithmetic, X: Any) -> Objective:
    labels = np.random.default_rng(1).integers(0, CLASSES, len(X))
    scale = 1 / 255 if X.dtype == np.uint8 else 1.0
    return local_objective(X, labels, classes=CLASSES, C=[2.0], arithmetic=arithmetic, scale=scale)


def blocks_of(objective: Objective) -> ClassBlocks:
    parameters = np.random.default_rng(2).normal(size=objective.shape) / 10
    objective.evaluate(parameters)
    return near(objective, 0, (0, 0), by_position=False)


def numbers(columns: Any) -> list[int]:
    assert columns is not None
    found: list[int] = np.asarray(columns).tolist()
    return found


def test_dark_pixels_are_left_out_of_the_block(double: Arithmetic) -> None:
    found = blocks_of(objective_of(double, images()))
    assert [numbers(block.columns) for block in found.blocks] == [[0, 1, 2, 3, 4, 5, 6, 7, 12]] * CLASSES


@pytest.mark.parametrize("factor", [1.0, 1e-3])
def test_columns_of_floats_in_any_unit_make_a_whole_block(double: Arithmetic, factor: float) -> None:
    X = images() / 255
    X[:, 8:] *= factor
    found = blocks_of(objective_of(double, X))
    assert [block.columns for block in found.blocks] == [None] * CLASSES


def test_bright_pixels_make_a_whole_block(double: Arithmetic) -> None:
    found = blocks_of(objective_of(double, images()[:, :8]))
    assert [block.columns for block in found.blocks] == [None] * CLASSES


def test_a_block_with_columns_alone_is_the_inverse_of_its_parts(double: Arithmetic) -> None:
    random = np.random.default_rng(0)
    lower = np.linalg.inv(np.linalg.cholesky(np.cov(random.normal(size=(3, 50)))))
    alone = random.random(5)
    columns = double.indices(np.array([0, 2, 4]))
    block = ClassBlock(double.to_device(lower), columns, double.to_device(alone))
    vector = random.normal(size=5)
    expected = alone**2 * vector
    expected[[0, 2, 4]] = lower.T @ (lower @ vector[[0, 2, 4]])
    found: Floats = np.asarray(block.solve(double.to_device(vector)))
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("dark", [True, False], ids=["dark pixels", "all bright"])
def test_blocks_are_close_to_the_inverse_of_each_class_hessian(double: Arithmetic, dark: bool) -> None:
    X = images() if dark else images()[:, :8]
    objective = objective_of(double, X)
    found = blocks_of(objective)
    hessians = objective.class_hessians()
    random = np.random.default_rng(3)
    for _ in range(20):
        gradient = random.normal(size=objective.shape[1:])
        gradient[:, 8:-1] = 0  # the bound on rows not drawn limits the weights of dark pixels
        for hessian, of_class, solved in zip(hessians, gradient, found.solve(gradient), strict=True):
            assert 0.5 < (of_class @ solved) / (of_class @ np.linalg.solve(hessian, of_class)) < 1.5


def test_blocks_are_positive_definite(double: Arithmetic) -> None:
    found = blocks_of(objective_of(double, images()))
    random = np.random.default_rng(4)
    for _ in range(20):
        gradient = random.normal(size=(CLASSES, 13))
        assert np.vdot(gradient, found.solve(gradient)) > 0
