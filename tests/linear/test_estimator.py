"""The estimator: a scikit-learn citizen, and what it refuses."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import sklearn.linear_model
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from mnistlib.linear import LogisticRegression, Progress
from tests.linear.conftest import make_problem

PROBLEM = make_problem(300, 6, 3)


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::sklearn.exceptions.SkipTestWarning"
)
@parametrize_with_checks([LogisticRegression()])  # type: ignore[untyped-decorator]  # scikit-learn is untyped
def test_scikit_learns_own_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("classes", [2, 3])
def test_shapes_and_names_are_those_of_scikit_learn(classes: int) -> None:
    problem = make_problem(100, 4, classes)
    ours = LogisticRegression().fit(problem.X, problem.y)
    theirs = sklearn.linear_model.LogisticRegression().fit(problem.X, problem.y)
    for name in ("coef_", "intercept_", "classes_", "n_iter_"):
        assert getattr(ours, name).shape == getattr(theirs, name).shape
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype
    assert ours.n_features_in_ == 4
    assert ours.decision_function(problem.X).shape == theirs.decision_function(problem.X).shape


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, int])
def test_the_plain_estimator_predicts_the_same(classes: int, dtype: type) -> None:
    problem = make_problem(100, 4, classes)
    X = (np.abs(problem.X) * 20).astype(dtype)
    ours = LogisticRegression(tol=1e-3).fit(X, problem.y)
    plain = pickle.loads(pickle.dumps(ours.to_sklearn()))
    assert type(plain) is sklearn.linear_model.LogisticRegression
    np.testing.assert_array_equal(plain.predict(X), ours.predict(X))
    np.testing.assert_allclose(plain.predict_proba(X), ours.predict_proba(X), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(plain.predict_log_proba(X), ours.predict_log_proba(X), rtol=1e-4, atol=1e-4)


def test_bytes_are_the_numbers_they_hold() -> None:
    X = (np.abs(PROBLEM.X) * 20).astype(np.uint8)
    of_bytes = LogisticRegression(tol=1e-6).fit(X, PROBLEM.y)
    of_floats = LogisticRegression(tol=1e-6).fit(X.astype(np.float64), PROBLEM.y)
    np.testing.assert_allclose(of_bytes.coef_, of_floats.coef_, atol=1e-3)


def test_a_pixel_scale_is_a_multiplication_before_fit_and_predict() -> None:
    X = (np.abs(PROBLEM.X) * 20).astype(np.uint8)
    folded = LogisticRegression(pixel_scale=1 / 255, C=100, tol=1e-6).fit(X, PROBLEM.y)
    scaled = LogisticRegression(C=100, tol=1e-6).fit(X / 255, PROBLEM.y)
    np.testing.assert_allclose(folded.coef_, scaled.coef_, rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(folded.predict_proba(X), scaled.predict_proba(X / 255), atol=1e-3)
    np.testing.assert_allclose(folded.to_sklearn().predict_proba(X / 255), folded.predict_proba(X), atol=1e-7)


@pytest.mark.parametrize(
    "layout", ["read only", "memory map", "columns first", "every other row", "every other column"]
)
@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
def test_any_layout_in_memory_gives_the_same_model(tmp_path: Path, layout: str, dtype: type) -> None:
    X = (np.abs(PROBLEM.X) * 20).astype(dtype)
    if layout == "read only":
        other = X.copy()
        other.flags.writeable = False
    elif layout == "memory map":
        X.tofile(tmp_path / "rows")
        other = np.memmap(tmp_path / "rows", dtype, "r", shape=X.shape)
    elif layout == "columns first":
        other = np.asfortranarray(X)
    elif layout == "every other row":
        other = np.repeat(X, 2, axis=0)[::2]
    else:
        other = np.repeat(X, 2, axis=1)[:, ::2]
    expected = LogisticRegression(tol=1e-3).fit(X, PROBLEM.y)
    found = LogisticRegression(tol=1e-3).fit(other, PROBLEM.y)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.predict(other), expected.predict(X))


def test_pipelines_and_grid_search_take_it() -> None:
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.01, 1.0]}, cv=3
    )
    assert search.fit(PROBLEM.X, PROBLEM.y).score(PROBLEM.X, PROBLEM.y) > 0.5


def test_pickling_keeps_the_model() -> None:
    model = LogisticRegression().fit(PROBLEM.X, PROBLEM.y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(PROBLEM.X), model.predict_proba(PROBLEM.X))


def test_a_warm_start_goes_on_from_the_last_fit() -> None:
    model = LogisticRegression(warm_start=True, tol=1e-6).fit(PROBLEM.X, PROBLEM.y)
    first = model.n_passes_
    assert model.fit(PROBLEM.X, PROBLEM.y).n_passes_ == 1 < first


def test_weights_of_rows_are_repetitions() -> None:
    weights = np.random.default_rng(0).integers(0, 4, len(PROBLEM.y))
    weighted = LogisticRegression(tol=1e-8).fit(PROBLEM.X, PROBLEM.y, sample_weight=weights)
    repeated = LogisticRegression(tol=1e-8).fit(np.repeat(PROBLEM.X, weights, axis=0), np.repeat(PROBLEM.y, weights))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-5)


def test_too_few_iterations_warn_and_are_marked() -> None:
    with pytest.warns(ConvergenceWarning, match="Increase max_iter"):
        model = LogisticRegression(max_iter=2, tol=1e-9).fit(PROBLEM.X, PROBLEM.y)
    assert not model.converged_
    assert model.n_iter_ == [2]
    assert model.gradient_norm_ > 1e-9


def test_a_cancelled_fit_is_marked_and_does_not_warn() -> None:
    def stop(progress: Progress) -> bool:
        return True

    model = LogisticRegression(tol=1e-9, callback=stop).fit(PROBLEM.X, PROBLEM.y)
    assert not model.converged_
    assert model.n_iter_ == [1]
    assert model.score(PROBLEM.X, PROBLEM.y) > 0.4


def test_sparse_rows_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r'Sparse X is not supported.*solver="lbfgs"'):
        LogisticRegression().fit(scipy.sparse.csr_array(PROBLEM.X), PROBLEM.y)


@pytest.mark.parametrize("parameters", [{"penalty": "l1"}, {"l1_ratio": 0.5}, {"penalty": None}])
def test_other_penalties_are_refused_with_the_solver_to_use(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='solver="saga"'):
        LogisticRegression(**parameters).fit(PROBLEM.X, PROBLEM.y)


@pytest.mark.parametrize(
    ("name", "value"),
    [("C", 0), ("C", -1.0), ("C", np.inf), ("C", "1"), ("tol", 0.0), ("tol", np.nan), ("pixel_scale", -1),
     ("max_iter", 0), ("max_iter", 1.5)],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} needs to be"):
        LogisticRegression(**{name: value}).fit(PROBLEM.X, PROBLEM.y)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_and_infinite_numbers_are_refused(value: float) -> None:
    X = PROBLEM.X.copy()
    X[7, 3] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        LogisticRegression().fit(X, PROBLEM.y)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="only one class: 1"):
        LogisticRegression().fit(PROBLEM.X, np.ones(len(PROBLEM.y), dtype=int))


def test_an_unfitted_model_says_so() -> None:
    with pytest.raises(NotFittedError):
        LogisticRegression().predict(PROBLEM.X)


@pytest.mark.parametrize("C", [10.0, 1000.0])
def test_pixels_that_are_seldom_bright_do_not_hold_it_up(C: float) -> None:
    random = np.random.default_rng(0)
    common, seldom = random.integers(0, 256, (60_000, 10)), np.where(random.random((60_000, 60)) < 0.001, 255, 0)
    X = np.hstack([common, seldom]).astype(np.uint8)
    weights = random.normal(size=(70, 3)) * np.where(np.arange(70) < 10, 2, 6)[:, None]
    y = (X / 255 @ weights + random.gumbel(size=(60_000, 3))).argmax(1)
    model = LogisticRegression(C=C, pixel_scale=1 / 255).fit(X, y)
    assert model.converged_
    assert model.n_passes_ < 21  # 25 and more than 100 if the rows that aren't drawn are forgotten
