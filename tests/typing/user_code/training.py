"""The estimator, as a user fits it."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from mnistlib import LogisticRegression, regularization_path
from mnistlib.linear import Progress


def stops(progress: Progress) -> bool:
    return progress.iteration > 3


def estimator(X: NDArray[np.uint8], y: list[str], weights: NDArray[np.float64]) -> None:
    model = LogisticRegression(C=0.5, tol=1e-3, pixel_scale=1 / 255, callback=stops)
    assert_type(model.fit(X, y, sample_weight=weights), LogisticRegression)
    assert_type(LogisticRegression().fit(X, y).predict(X), NDArray[Any])
    assert_type(model.predict_proba(X), NDArray[Any])
    assert_type(model.decision_function(X), NDArray[Any])
    assert_type(model.score(X, y), float)
    assert_type(model.classes_, NDArray[Any])
    assert_type(model.intercept_, NDArray[Any])
    assert_type(model.converged_, bool)
    assert_type(model.objective_, float)
    assert_type(model.gradient_norm_, float)
    assert_type(model.n_passes_, float)
    assert_type(model.n_iter_, NDArray[np.int32])
    assert_type(regularization_path(X, y, C=[1.0, 0.1]), list[LogisticRegression])


def mistakes() -> None:
    LogisticRegression("l2", 1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    LogisticRegression(c=1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
