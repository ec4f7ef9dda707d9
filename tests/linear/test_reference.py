"""The reference, against scikit-learn's newton-cholesky where that is accurate, and by its gradient and neighbours."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression as Peer

from tests.linear.problems import Case, GeneratedCase, RareClassCase, ShippedCase
from tests.linear.reference import find_optimum, penalized_loss

BENIGN = [
    GeneratedCase(2_000, 5, 2, 600, 1.0, 1, "equal", "none", 1),
    GeneratedCase(2_000, 5, 2, 40, 100.0, 1, "equal", "moderate", 2),
    GeneratedCase(2_000, 10, 3, 500, 0.01, 0.5, "mixed", "counts", 3),
    GeneratedCase(1_000, 5, 10, 100, 1.0, 1, "equal", "balanced", 4),
    RareClassCase(2_000, 5, 2, 1),
    ShippedCase("iris", True, 1.0),
    ShippedCase("wine", True, 1.0),
    ShippedCase("breast_cancer", True, 1.0),
    ShippedCase("digits", False, 0.01),
]
HARD = [
    GeneratedCase(3_000, 10, 2, 3, 1e6, None, "extreme", "extreme", 11),
    GeneratedCase(3_000, 10, 3, 3, 1e6, 10, "mixed", "extreme", 12),
    GeneratedCase(1_000, 20, 10, 1, 1e4, 3, "extreme", "counts", 13),
    RareClassCase(100_000, 1, 2, 3),
    ShippedCase("breast_cancer", True, 1e6),
]


@pytest.mark.parametrize("case", BENIGN, ids=str)
def test_newton_cholesky_finds_the_same(case: Case) -> None:
    sample = case.make()
    best = find_optimum(sample.X, sample.y, C=case.C, weights=sample.weights)
    peer = Peer(C=case.C, solver="newton-cholesky", tol=1e-12, max_iter=200)
    with warnings.catch_warnings():
        # It warns of a singular Hessian with three classes or more, and still converges.
        warnings.simplefilter("ignore")
        peer.fit(sample.X, sample.y, sample.weights)
    np.testing.assert_allclose(best.coef, peer.coef_, rtol=0, atol=1e-9 * np.abs(peer.coef_).max())
    objective = penalized_loss(
        sample.X, sample.y, coef=peer.coef_, intercept=peer.intercept_, C=case.C, weights=sample.weights
    )
    assert best.objective == pytest.approx(objective, rel=1e-12)


@pytest.mark.parametrize("case", [*BENIGN, *HARD], ids=str)
def test_the_gradient_is_rounding(case: Case) -> None:
    sample = case.make()
    best = find_optimum(sample.X, sample.y, C=case.C, weights=sample.weights)
    factors = case.C * (np.ones(len(sample.y)) if sample.weights is None else sample.weights)
    scores = sample.X @ best.coef.T + best.intercept
    labels = np.eye(sample.classes)[sample.y]
    binary = sample.classes == 2
    residuals = expit(scores) - labels[:, 1:] if binary else softmax(scores, axis=1) - labels
    weighted = residuals * factors[:, None]
    gradient = np.column_stack([weighted.T @ sample.X + best.coef, weighted.sum(axis=0)])
    # The same sums without signs, and the rounding of scores.
    rounded = 1e-9 * np.abs(weighted) + 1e-15 * (factors * (1 + np.abs(scores).max(axis=1)))[:, None]
    size = np.column_stack([rounded.T @ np.abs(sample.X) + 1e-9 * np.abs(best.coef), rounded.sum(axis=0)])
    assert (np.abs(gradient) <= size).all()


@pytest.mark.parametrize("case", HARD, ids=str)
def test_no_neighbour_is_better(case: Case) -> None:
    sample = case.make()
    best = find_optimum(sample.X, sample.y, C=case.C, weights=sample.weights)
    generator = np.random.default_rng(0)
    for size in (1e-1, 1e-3, 1e-5):
        moved = best.coef * (1 + size * generator.normal(size=best.coef.shape))
        objective = penalized_loss(
            sample.X, sample.y, coef=moved, intercept=best.intercept, C=case.C, weights=sample.weights
        )
        assert objective >= best.objective * (1 - 1e-14)


def test_the_loss_of_a_certain_row_keeps_its_digits() -> None:
    X, y = np.array([[40.0], [-40.0]]), np.array([1, 0])
    loss = penalized_loss(X, y, coef=[[1.0]], intercept=[0.0]) - 0.5
    assert loss == pytest.approx(2 * np.exp(-40), abs=1e-16)
    three = penalized_loss(np.eye(3), np.arange(3), coef=40 * np.eye(3), intercept=np.zeros(3), C=1e20)
    assert three == pytest.approx(1e20 * 3 * np.log1p(2 * np.exp(-40)) + 2400, rel=1e-12)
