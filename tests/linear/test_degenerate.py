"""Degenerate data: each solution is finite, and reports its accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from mnistlib.linear import LogisticRegression
from tests.linear.conftest import make_problem
from tests.linear.reference import find_optimum

PROBLEM = make_problem(200, 5, 3)


@pytest.mark.parametrize("C", [1e-8, 1e-4, 1.0, 1e4, 1e8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_penalties_over_sixteen_orders_of_magnitude_converge(C: float, dtype: type) -> None:
    model = LogisticRegression(C=C).fit(PROBLEM.X.astype(dtype), PROBLEM.y)
    assert model.converged_
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("C", [1.0, 1e4, 1e8])
@pytest.mark.parametrize("classes", [2, 3])
def test_separable_classes_have_a_finite_solution(C: float, classes: int) -> None:
    problem = make_problem(100, 5, classes, noise=0)
    model = LogisticRegression(C=C).fit(problem.X, problem.y)
    assert model.converged_
    assert np.isfinite(model.coef_).all()
    assert model.score(problem.X, problem.y) > 0.95


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_images_that_are_all_zero_give_the_shares_of_the_classes(dtype: type) -> None:
    y = np.array([0] * 10 + [1] * 20 + [2] * 70)
    model = LogisticRegression(tol=1e-6).fit(np.zeros((100, 9), dtype), y)
    assert not model.coef_.any()
    np.testing.assert_allclose(model.predict_proba(np.zeros((1, 9), dtype)), [[0.1, 0.2, 0.7]], atol=1e-4)


def test_a_constant_column_has_no_weight() -> None:
    X = PROBLEM.X.copy()
    X[:, 2] = 7
    model = LogisticRegression(tol=1e-8).fit(X, PROBLEM.y)
    np.testing.assert_allclose(model.coef_[:, 2], 0, atol=1e-5)


def test_a_class_without_weight_is_never_probable() -> None:
    weights = (PROBLEM.y != 1).astype(float)
    model = LogisticRegression().fit(PROBLEM.X, PROBLEM.y, sample_weight=weights)
    assert model.predict_proba(PROBLEM.X)[:, 1].max() < 0.05


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="zero"):
        LogisticRegression().fit(PROBLEM.X, PROBLEM.y, sample_weight=np.zeros(len(PROBLEM.y)))


def test_a_class_of_one_row_among_thousands_is_learned() -> None:
    problem = make_problem(5000, 4, 2)
    y = problem.y.copy()
    y[17] = 2
    model = LogisticRegression(tol=1e-6).fit(problem.X, y)
    assert model.converged_
    assert model.predict_proba(problem.X)[:, 2].sum() == pytest.approx(1, abs=0.1)


def test_labels_with_gaps_between_their_numbers_are_fitted() -> None:
    model = LogisticRegression().fit(PROBLEM.X, PROBLEM.y * 3 + 5)
    np.testing.assert_array_equal(model.classes_, [5, 8, 11])
    assert set(model.predict(PROBLEM.X)) <= {5, 8, 11}


def test_doubled_rows_give_the_model_of_twice_the_inverse_strength() -> None:
    doubled = LogisticRegression(C=1, tol=1e-8).fit(np.tile(PROBLEM.X, (2, 1)), np.tile(PROBLEM.y, 2))
    weighed = LogisticRegression(C=2, tol=1e-8).fit(PROBLEM.X, PROBLEM.y)
    np.testing.assert_allclose(doubled.coef_, weighed.coef_, atol=1e-5)


def test_duplicated_columns_share_their_weight() -> None:
    model = LogisticRegression(tol=1e-8).fit(np.repeat(PROBLEM.X, 2, axis=1), PROBLEM.y)
    np.testing.assert_allclose(model.coef_[:, ::2], model.coef_[:, 1::2], atol=1e-5)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_columns_in_any_unit_have_a_finite_solution(factor: float) -> None:
    model = LogisticRegression(max_iter=500).fit(PROBLEM.X * factor, PROBLEM.y)
    assert model.converged_
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("permuted", [False, True], ids=["as made", "permuted"])
@pytest.mark.parametrize("seed", [6456, 14778, 22164, 24870])
def test_a_class_of_probability_zero_does_not_end_a_fit(seed: int, permuted: bool) -> None:
    # Found by a random search: weights and units over twelve powers of ten, and steps of 1e15 without a gain.
    random = np.random.default_rng(seed)
    rows, columns, classes = (int(random.integers(*limits)) for limits in ((8, 80), (1, 6), (3, 6)))
    y = np.r_[np.arange(classes), random.integers(0, classes, rows - classes)]
    X = random.normal(size=(rows, columns))
    offset = random.choice([0, 10, 1e3])
    _ = random.integers(2), random.integers(2)
    X = (X + offset) * 10 ** random.uniform(-6, 6, columns)
    weights, C = 10 ** random.uniform(-6, 6, rows), 10 ** random.uniform(0, 8)
    order = np.random.default_rng(0).permutation(rows) if permuted else np.arange(rows)
    model = LogisticRegression(C=C).fit(X[order], y[order], weights[order])
    assert model.converged_
    assert model.objective_ == pytest.approx(find_optimum(X, y, C=C, weights=weights).objective, rel=1e-6)
