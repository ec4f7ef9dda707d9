"""The optimum, against scikit-learn's newton-cg run to 1e-8."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn import __version__ as scikit_learn_version
from sklearn.linear_model import LogisticRegression as Peer

from mnistlib.linear import LogisticRegression, regularization_path
from tests.linear.conftest import Problem, make_problem

BALANCES_WEIGHTS = tuple(map(int, scikit_learn_version.split(".")[:2])) >= (1, 7)


def reference(problem: Problem, weights: Any = None, **parameters: Any) -> Peer:
    peer = Peer(solver="newton-cg", tol=1e-8, max_iter=5000, **parameters)
    return peer.fit(problem.X, problem.y, sample_weight=weights)


def penalized_loss(model: Any, problem: Problem, C: float, weights: Any) -> float:
    scores = model.decision_function(problem.X)  # scikit-learn's own logarithms of probabilities underflow
    of_classes = np.column_stack([np.zeros_like(scores), scores]) if scores.ndim == 1 else scores
    likely = log_softmax(of_classes, axis=1)[np.arange(len(problem.y)), problem.y]
    return float(-C * (likely * (1 if weights is None else weights)).sum() + (model.coef_**2).sum() / 2)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(20, 300),
    columns=st.integers(1, 25),
    classes=st.integers(2, 6),
    logarithm=st.floats(-3, 1.5),
    fit_intercept=st.booleans(),
    weighted=st.booleans(),
    class_weight=st.sampled_from([None, "balanced"]),
    seed=st.integers(0, 1000),
)
def test_coefficients_and_objective_agree(
    *,
    rows: int,
    columns: int,
    classes: int,
    logarithm: float,
    fit_intercept: bool,
    weighted: bool,
    class_weight: str | None,
    seed: int,
) -> None:
    # Before 1.7, scikit-learn balanced classes by their rows, not by the weights of these.
    assume(not (weighted and class_weight) or BALANCES_WEIGHTS)
    problem = make_problem(rows, columns, classes, seed=seed)
    weights = np.random.default_rng(seed).uniform(0.1, 3, rows) if weighted else None
    parameters: dict[str, Any] = {"C": 10**logarithm, "fit_intercept": fit_intercept, "class_weight": class_weight}
    peer = reference(problem, weights, **parameters)
    model = LogisticRegression(tol=1e-9, max_iter=1000, **parameters).fit(problem.X, problem.y, weights)
    size = max(1.0, np.abs(peer.coef_).max())
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-4 * size)
    np.testing.assert_allclose(model.predict_proba(problem.X), peer.predict_proba(problem.X), atol=1e-4)
    if class_weight is None:
        expected = penalized_loss(peer, problem, model.C, weights)
        assert model.objective_ == pytest.approx(expected, rel=1e-7)
        assert penalized_loss(model, problem, model.C, weights) == pytest.approx(model.objective_, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_single_precision_comes_within_a_millionth_of_the_optimum(dtype: type) -> None:
    problem = make_problem(2000, 20, 4)
    X = (np.abs(problem.X) * 30).astype(dtype)
    rounded = Problem(X.astype(np.float64) / 255, problem.y, 4)
    best = penalized_loss(reference(rounded, C=10), rounded, 10, None)
    model = LogisticRegression(C=10, tol=1e-7, pixel_scale=1 / 255, max_iter=300).fit(X, problem.y)
    assert best * (1 - 1e-9) <= penalized_loss_of_scaled(model, rounded) <= best * (1 + 1e-6)


def penalized_loss_of_scaled(model: LogisticRegression, problem: Problem) -> float:
    return penalized_loss(model.to_sklearn(), problem, model.C, None)


def test_a_path_is_the_fits_one_by_one() -> None:
    problem = make_problem(400, 8, 3)
    values = [10.0, 0.001, 1.0]
    shared = LogisticRegression(tol=1e-8, class_weight="balanced")
    models = regularization_path(problem.X, problem.y, C=values, estimator=shared)
    assert [model.C for model in models] == values
    for C, model in zip(values, models, strict=True):
        alone = LogisticRegression(C=C, tol=1e-8, class_weight="balanced").fit(problem.X, problem.y)
        np.testing.assert_allclose(model.coef_, alone.coef_, atol=1e-5)
        np.testing.assert_array_equal(model.predict(problem.X), alone.predict(problem.X))
    assert not hasattr(shared, "coef_")


def test_a_path_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="C is empty"):
        regularization_path(np.eye(2), [0, 1], C=[])


def test_a_path_over_more_models_than_fit_the_budget_gives_the_same_models() -> None:
    problem = make_problem(300, 4, 3)
    values = [0.1, 1.0, 10.0]
    together = regularization_path(problem.X, problem.y, C=values, estimator=LogisticRegression(tol=1e-8))
    one_by_one = LogisticRegression(tol=1e-8, memory_budget=1)
    apart = regularization_path(problem.X, problem.y, C=values, estimator=one_by_one)
    for first, second in zip(together, apart, strict=True):
        np.testing.assert_allclose(first.coef_, second.coef_, atol=1e-6)
    assert max(model.n_passes_ for model in apart) < max(model.n_passes_ for model in together)  # each counts its own
