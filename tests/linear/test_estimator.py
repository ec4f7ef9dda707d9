"""The estimator: its compatibility with scikit-learn, and its errors."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
import sklearn.linear_model
import sklearn.metrics
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from mnistlib.linear import LogisticRegression, Progress, regularization_path
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
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, int])
def test_the_plain_estimator_predicts_the_same(classes: int, dtype: type) -> None:
    problem = make_problem(100, 4, classes)
    X = (np.abs(problem.X) * 20).astype(dtype)
    ours = LogisticRegression(tol=1e-3).fit(X, problem.y)
    plain = pickle.loads(pickle.dumps(ours.to_sklearn()))
    assert type(plain) is sklearn.linear_model.LogisticRegression
    np.testing.assert_array_equal(plain.predict(X), ours.predict(X))
    np.testing.assert_allclose(plain.predict_proba(X), ours.predict_proba(X), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(plain.predict_log_proba(X), ours.predict_log_proba(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("many", [False, True])
def test_half_precision_gives_the_model_of_its_numbers(many: bool, request: pytest.FixtureRequest) -> None:
    if many:
        request.getfixturevalue("many_rows")
    problem = make_problem(20_000, 8, 3)
    X = problem.X.astype(np.float16)
    of_halves = LogisticRegression(tol=1e-6).fit(X, problem.y)
    of_floats = LogisticRegression(tol=1e-6).fit(X.astype(np.float64), problem.y)
    assert of_halves.coef_.dtype == of_halves.decision_function(X).dtype == np.float32
    np.testing.assert_allclose(of_halves.coef_, of_floats.coef_, atol=5e-3)
    np.testing.assert_allclose(of_halves.predict_proba(X), of_floats.predict_proba(X), atol=5e-3)


def test_a_fit_to_many_numbers_in_half_precision_makes_no_copy_of_them() -> None:
    X = np.random.default_rng(0).normal(size=(170_000, 64)).astype(np.float16)
    y = (X[:, :4] + np.random.default_rng(1).gumbel(size=(len(X), 4))).argmax(axis=1)
    tracemalloc.start()
    try:
        LogisticRegression(n_jobs=1).fit(X, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < X.nbytes


def test_scores_have_the_precision_of_the_coefficients() -> None:
    model = LogisticRegression().fit(PROBLEM.X, PROBLEM.y)
    plain = model.to_sklearn()
    X = PROBLEM.X.astype(np.float32)
    assert model.predict_proba(X).dtype == plain.predict_proba(X).dtype == np.float64


@pytest.mark.parametrize("number", [np.inf, np.nan])
def test_half_precision_that_is_not_finite_is_refused(number: float) -> None:
    X = np.ones((10, 2), np.float16)
    X[3, 1] = number
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        LogisticRegression().fit(X, np.arange(10) % 2)


def test_bytes_give_the_model_of_their_numbers() -> None:
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
    with pytest.warns(ConvergenceWarning, match="^lbfgs failed to converge.*Increase the number of iterations"):
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


@pytest.mark.parametrize("parameters", [{"penalty": "l1"}, {"l1_ratio": 0.5}, {"penalty": "elasticnet"}])
def test_other_penalties_are_refused_with_the_solver_to_use(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='solver="saga"'):
        LogisticRegression(**parameters).fit(PROBLEM.X, PROBLEM.y)


@pytest.mark.parametrize(
    ("name", "value"),
    [("C", 0), ("C", -1.0), ("C", np.nan), ("C", "1"), ("tol", -1.0), ("tol", np.nan), ("pixel_scale", -1),
     ("max_iter", -1), ("max_iter", 1.5), ("memory_budget", 0), ("fit_intercept", "yes"), ("warm_start", "x"),
     ("n_jobs", 3.5), ("solver", "adam"), ("multi_class", "crammer_singer"), ("penalty", "L2"), ("l1_ratio", 2),
     ("intercept_scaling", 0), ("verbose", -1), ("dual", 1.0), ("callback", 1), ("class_weight", "even"),
     ("random_state", "zero"), ("C", [1.0])],
)  # fmt: skip
def test_parameters_out_of_range_are_refused_as_by_scikit_learn(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"The '{name}' parameter of LogisticRegression must be") as ours:
        LogisticRegression(**{name: value}).fit(PROBLEM.X, PROBLEM.y)
    assert isinstance(ours.value, TypeError)


@pytest.mark.parametrize("name", ["fit_intercept", "n_jobs", "tol"])
def test_a_value_that_equals_one_of_another_type_is_refused_all_the_same(name: str) -> None:
    accepted: dict[str, Any] = {"fit_intercept": True, "n_jobs": 1, "tol": 1.0}
    refused: dict[str, Any] = {"fit_intercept": 1.0, "n_jobs": 1.0, "tol": "1.0"}
    LogisticRegression(**{name: accepted[name]}).fit(PROBLEM.X, PROBLEM.y)
    with pytest.raises(ValueError, match=name):
        LogisticRegression(**{name: refused[name]}).fit(PROBLEM.X, PROBLEM.y)


@pytest.mark.parametrize(
    "parameters",
    [{"solver": solver} for solver in ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga", "auto")]
    + [{"penalty": "deprecated"}, {"l1_ratio": None}, {"l1_ratio": 0}, {"dual": False}, {"intercept_scaling": 1}]
    + [{"verbose": 2}, {"n_jobs": -1}, {"random_state": 0}]
    + [{"multi_class": "auto"}, {"multi_class": "deprecated"}, {"multi_class": "multinomial"}],
    ids=str,
)
def test_every_argument_of_scikit_learns_is_taken_where_it_means_the_same_objective(
    parameters: dict[str, Any],
) -> None:
    expected = LogisticRegression().fit(PROBLEM.X, PROBLEM.y).coef_
    np.testing.assert_array_equal(LogisticRegression(**parameters).fit(PROBLEM.X, PROBLEM.y).coef_, expected)


@pytest.mark.parametrize(("rows", "columns", "classes"), [(300, 5, 2), (300, 5, 3), (3000, 130, 2), (3000, 30, 4)])
def test_without_a_penalty_the_coefficients_are_scikit_learns(rows: int, columns: int, classes: int) -> None:
    problem = make_problem(rows, columns, classes, noise=8.0)
    plain = sklearn.linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(problem.X, problem.y)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(problem.X, problem.y)
    assert model.converged_
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-5 * np.abs(plain.coef_).max())
    np.testing.assert_allclose(model.to_sklearn().predict_proba(problem.X), plain.predict_proba(problem.X), atol=1e-5)


@pytest.mark.usefixtures("many_rows")
def test_without_a_penalty_many_rows_are_fitted_as_well() -> None:
    problem = make_problem(20_000, 8, 3)
    plain = sklearn.linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(problem.X, problem.y)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(problem.X, problem.y)
    assert model.converged_
    np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-3 * np.abs(plain.coef_).max())


def test_a_random_state_may_be_a_generator() -> None:
    expected = LogisticRegression().fit(PROBLEM.X, PROBLEM.y).coef_
    model = LogisticRegression(random_state=np.random.RandomState(0)).fit(PROBLEM.X, PROBLEM.y)
    np.testing.assert_array_equal(model.coef_, expected)


def test_penalty_none_and_infinite_c_give_the_same_model() -> None:
    expected = LogisticRegression(C=np.inf).fit(PROBLEM.X, PROBLEM.y).coef_
    np.testing.assert_array_equal(LogisticRegression(penalty=None).fit(PROBLEM.X, PROBLEM.y).coef_, expected)
    with pytest.warns(UserWarning, match="penalty=None will ignore the C"):
        model = LogisticRegression(penalty=None, C=0.01).fit(PROBLEM.X, PROBLEM.y)
    np.testing.assert_array_equal(model.coef_, expected)


@pytest.mark.parametrize("shape", [(300, 5), (100, 400), (600, 130)])
@pytest.mark.parametrize("classes", [2, 3])
def test_without_a_penalty_a_fit_to_separable_classes_ends(shape: tuple[int, int], classes: int) -> None:
    X = np.random.default_rng(0).normal(size=shape)
    y = X[:, :3].argmax(axis=1) if classes == 3 else X[:, 0] > 0
    model = LogisticRegression(C=np.inf).fit(X, y)
    assert model.converged_
    assert model.objective_ < 1e-6 * len(X)
    assert sklearn.metrics.log_loss(y, model.predict_proba(X), normalize=False) < 1e-6 * len(X)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, y) == 1


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("columns", [6, 130])
def test_without_a_penalty_columns_may_be_constant_or_repeated(columns: int, fit_intercept: bool) -> None:
    problem = make_problem(3000, columns, 2, noise=8.0)
    X = np.column_stack([problem.X, np.zeros(3000), np.full(3000, 3.0), problem.X[:, 0]])
    model = LogisticRegression(C=np.inf, fit_intercept=fit_intercept).fit(X, problem.y)
    enough = np.column_stack([problem.X, np.full(3000, 3.0)])
    expected = LogisticRegression(C=np.inf, fit_intercept=fit_intercept).fit(enough, problem.y)
    assert model.converged_
    assert model.objective_ == pytest.approx(expected.objective_, rel=1e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("classes", [2, 3, 5, 8])
def test_without_a_penalty_repeated_columns_share_their_weight(classes: int, dtype: type) -> None:
    problem = make_problem(300, 6, classes, noise=8.0)
    X: Any = problem.X.astype(dtype)
    model = LogisticRegression(penalty=None).fit(np.hstack([X, X]), problem.y)
    expected = LogisticRegression(penalty=None).fit(X, problem.y)
    assert model.converged_
    assert model.objective_ == pytest.approx(expected.objective_, rel=1e-6)
    np.testing.assert_allclose(model.coef_[:, :6] + model.coef_[:, 6:], expected.coef_, atol=1e-3)
    assert np.abs(model.coef_).max() <= 2 * np.abs(expected.coef_).max()


def test_without_a_penalty_the_order_of_rows_does_not_choose_among_equal_models() -> None:
    X = np.column_stack([PROBLEM.X, np.ones(len(PROBLEM.X)), PROBLEM.X[:, 0]])
    order = np.random.default_rng(0).permutation(len(X))
    one, other = (LogisticRegression(penalty=None).fit(X[rows], PROBLEM.y[rows]) for rows in (slice(None), order))
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-6 * np.abs(one.coef_).max())


@pytest.mark.parametrize("seed", range(6))
def test_without_a_penalty_few_dependent_rows_are_separated(seed: int) -> None:
    X = (np.random.default_rng(seed).normal(size=(6, 30)) + 100).astype(np.float32)
    y = np.array([0, 1] * 3)
    model = LogisticRegression(penalty=None).fit(X, y)
    assert model.score(X, y) == 1
    assert np.abs(model.coef_).max() < 100


@pytest.mark.parametrize("X", [np.ones((3, 5)), np.ones((6, 5)), np.zeros((3, 5))], ids=["3 ones", "6 ones", "zeros"])
def test_identical_rows_are_fitted_at_the_start(X: npt.NDArray[Any]) -> None:
    model = LogisticRegression().fit(X, np.arange(len(X)) % 3)
    assert model.converged_
    assert model.objective_ == pytest.approx(len(X) * np.log(3))


def test_a_path_may_end_without_a_penalty() -> None:
    one, none = regularization_path(PROBLEM.X, PROBLEM.y, C=[1.0, np.inf])
    np.testing.assert_allclose(one.coef_, LogisticRegression().fit(PROBLEM.X, PROBLEM.y).coef_, rtol=1e-6)
    np.testing.assert_allclose(none.coef_, LogisticRegression(C=np.inf).fit(PROBLEM.X, PROBLEM.y).coef_, rtol=1e-6)


def test_a_path_of_an_estimator_without_a_penalty_has_none() -> None:
    expected = LogisticRegression(penalty=None).fit(PROBLEM.X, PROBLEM.y)
    (model,) = regularization_path(PROBLEM.X, PROBLEM.y, C=[0.01], estimator=LogisticRegression(penalty=None))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)


def test_the_penalty_may_be_given_by_position() -> None:
    assert LogisticRegression("l2").penalty == "l2"


def test_the_parameters_are_scikit_learns_and_a_few_more() -> None:
    theirs = set(sklearn.linear_model.LogisticRegression().get_params())
    ours = set(LogisticRegression().get_params())
    assert ours - theirs == {"multi_class", "pixel_scale", "memory_budget", "callback"} - theirs
    assert not theirs - ours


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"solver": "liblinear"}, 'solver="liblinear"'), ({"dual": True}, "supports only dual=False"),
     ({"multi_class": "ovr"}, "OneVsRestClassifier")],
)  # fmt: skip
def test_other_objectives_are_refused_with_the_class_to_use(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogisticRegression(**parameters).fit(PROBLEM.X, PROBLEM.y)


def test_a_tolerance_of_zero_is_the_limit_of_double_precision() -> None:
    model = LogisticRegression(tol=0).fit(PROBLEM.X, PROBLEM.y)
    assert model.converged_
    assert model.gradient_norm_ <= np.finfo(float).eps


@pytest.mark.parametrize("classes", [2, 3])
def test_without_iterations_the_coefficients_are_zero(classes: int) -> None:
    problem = make_problem(300, 4, classes)
    with pytest.warns(ConvergenceWarning, match="failed to converge"):
        model = LogisticRegression(max_iter=0).fit(problem.X, problem.y)
    assert model.coef_.shape == (1 if classes == 2 else classes, 4)
    assert not model.coef_.any()
    assert not model.intercept_.any()
    assert model.n_iter_ == [0]
    assert model.objective_ == pytest.approx(300 * np.log(classes))


@pytest.mark.parametrize(("parameters", "words"), [({"penalty": None, "C": 2}, "ignore"), ({"max_iter": 1}, "fail")])
def test_a_warning_is_about_the_line_that_fits(parameters: dict[str, Any], words: str) -> None:
    with pytest.warns(UserWarning, match=words) as warned:
        LogisticRegression(**parameters).fit(PROBLEM.X, PROBLEM.y)
    assert warned[0].filename == __file__


def test_without_iterations_a_warm_start_keeps_its_coefficients() -> None:
    model = LogisticRegression(warm_start=True).fit(PROBLEM.X, PROBLEM.y)
    expected = model.coef_.copy()
    with pytest.warns(ConvergenceWarning):
        model.set_params(max_iter=0).fit(PROBLEM.X, PROBLEM.y)
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-12)


def test_sparse_coefficients_predict_the_same_and_start_the_next_fit() -> None:
    model = LogisticRegression(warm_start=True).fit(PROBLEM.X, PROBLEM.y)
    expected = model.decision_function(PROBLEM.X)
    model.sparsify()
    np.testing.assert_allclose(model.decision_function(PROBLEM.X), expected)
    model.fit(PROBLEM.X, PROBLEM.y)
    np.testing.assert_allclose(model.densify().decision_function(PROBLEM.X), expected)


@pytest.mark.parametrize(
    ("dtype", "scale", "named"), [(np.uint8, 1, True), (np.uint8, 1 / 255, False), (float, 1, False)]
)
def test_an_unconverged_fit_to_bytes_warns_with_the_pixel_scale(dtype: type, scale: float, named: bool) -> None:
    X: Any = np.random.default_rng(0).integers(0, 256, (200, 20)).astype(dtype)
    with pytest.warns(ConvergenceWarning, match="failed to converge") as warned:
        LogisticRegression(max_iter=1, tol=1e-12, pixel_scale=scale).fit(X, PROBLEM.y[:200])
    assert ("pixel_scale" in str(warned[0].message)) == named


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_and_infinite_numbers_are_refused(value: float) -> None:
    X = PROBLEM.X.copy()
    X[7, 3] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        LogisticRegression().fit(X, PROBLEM.y)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="only one class: 1"):
        LogisticRegression().fit(PROBLEM.X, np.ones(len(PROBLEM.y), dtype=int))


def test_an_unfitted_model_raises_not_fitted_error() -> None:
    with pytest.raises(NotFittedError):
        LogisticRegression().predict(PROBLEM.X)


@pytest.mark.usefixtures("many_rows")
@pytest.mark.parametrize(("C", "passes"), [(10.0, 21), (1000.0, 28)])
def test_rarely_bright_pixels_do_not_slow_the_fit_down(C: float, passes: int) -> None:
    random = np.random.default_rng(0)
    rows = 200_000
    common, seldom = random.integers(0, 256, (rows, 10)), np.where(random.random((rows, 60)) < 0.001, 255, 0)
    X = np.hstack([common, seldom]).astype(np.uint8)
    weights = random.normal(size=(70, 3)) * np.where(np.arange(70) < 10, 2, 6)[:, None]
    y = (X / 255 @ weights + random.gumbel(size=(rows, 3))).argmax(1)
    # At this tol the fit ends where one at 1e-4 did before the estimate had its margins.
    model = LogisticRegression(C=C, tol=2e-4, pixel_scale=1 / 255).fit(X, y)
    assert model.converged_
    assert model.n_passes_ < passes  # 169 and more than 500 if the rows that are not drawn are forgotten


@pytest.mark.parametrize("rows", [50, 20_000])
@pytest.mark.parametrize("factor", [1e3, 1e100, 1e200, np.nan])
def test_a_warm_start_worse_than_zero_weights_is_not_used(factor: float, rows: int) -> None:
    problem = make_problem(rows, 4, 3)
    model = LogisticRegression(warm_start=True).fit(problem.X, problem.y)
    expected = model.coef_.copy()
    model.coef_ = -factor * model.coef_
    model.fit(problem.X, problem.y)
    assert model.converged_
    np.testing.assert_allclose(model.coef_, expected, atol=1e-6 * np.abs(expected).max())


def test_a_memory_budget_limits_the_memory_beside_the_rows() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(85_000, 120)).astype(np.float32)
    y = (X[:, :100] + random.gumbel(size=(len(X), 100))).argmax(axis=1)
    peaks = []
    for budget in (None, 10_000_000):
        tracemalloc.start()
        try:
            LogisticRegression(max_iter=20, memory_budget=budget, n_jobs=1).fit(X, y)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    residuals = len(X) * 100 * 4
    assert peaks[1] < peaks[0] - 0.6 * residuals


def test_a_callback_ends_a_path_that_is_fitted_one_by_one() -> None:
    calls: list[int] = []

    def end(progress: Progress) -> bool:
        calls.append(progress.iteration)
        return True

    shared = LogisticRegression(callback=end, memory_budget=1)
    models = regularization_path(PROBLEM.X, PROBLEM.y, C=[1.0, 2.0, 3.0], estimator=shared)
    assert calls == [1]
    assert [int(model.n_iter_[0]) for model in models] == [1, 1, 1]
