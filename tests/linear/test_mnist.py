"""The real digits: passes, and memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from mnistlib.linear import LogisticRegression

LBFGS_REACHES = 27_133
"""The objective of scikit-learn's lbfgs in float32 with tol=1e-4, C=2, pixels between 0 and 1."""

pytestmark = pytest.mark.mnist


def test_the_digits_take_thirty_passes_to_below_the_objective_of_lbfgs(digits: Any) -> None:
    X, y = digits
    model = LogisticRegression(C=2.0, pixel_scale=1 / 255).fit(X, y)
    assert model.converged_
    assert model.objective_ <= LBFGS_REACHES
    assert model.n_passes_ <= 30


def test_a_fit_to_bytes_allocates_far_less_than_their_floats(digits: Any) -> None:
    X, y = digits
    tracemalloc.start()
    try:
        LogisticRegression(C=2.0, pixel_scale=1 / 255, max_iter=25).fit(X, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.75 * X.size * np.dtype(np.float32).itemsize
