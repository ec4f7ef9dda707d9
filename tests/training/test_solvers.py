"""Fits by each solver: features, convergence messages, recorded warnings, paths."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from mnistlib import Dataset
from mnistlib.datasets import Split
from mnistlib.training.options import OWN_SOLVER, SCIKIT_LEARN_SOLVERS, SolverOptions
from mnistlib.training.preprocessing import fit_normalization
from mnistlib.training.solvers import SOLVERS, Fit, fit_path

OPTIONS = SolverOptions(regularization=0.5, max_iter=1000, tol=1e-4, seed=42)
HASTY = replace(OPTIONS, regularization=1e-3, max_iter=2, tol=1e-9)


def unused(_: Any) -> None:
    """Callback that does not stop the fit."""


def fit(train: Split, solver: str, options: SolverOptions = OPTIONS, callback: Any = unused) -> Fit:
    return SOLVERS[solver](train, fit_normalization("unit", train.images), options, callback)


def test_there_is_a_solver_for_every_name_of_the_options() -> None:
    assert list(SOLVERS) == [OWN_SOLVER, *SCIKIT_LEARN_SOLVERS]


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_a_converged_fit_has_no_message(digits: Dataset, solver: str) -> None:
    found = fit(digits.train, solver, replace(OPTIONS, tol=1e-2))
    assert found.convergence_message == ""
    assert found.iterations >= 1


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_the_message_of_an_unconverged_fit_has_iterations_tolerance_and_advice(digits: Dataset, solver: str) -> None:
    message = fit(digits.train, solver, HASTY).convergence_message
    assert "after 2 iterations" in message
    assert "tolerance" in message
    assert "1e-09" in message
    assert "raise --max-iter, --tol or --regularization" in message


def test_an_own_fit_that_rounding_stops_is_not_advised_more_iterations(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = SimpleNamespace(n_iter_=[5], converged_=False, gradient_norm_=1e-9, to_sklearn=LogisticRegression)
    monkeypatch.setattr("mnistlib.linear.fit_path", lambda *_, **__: [stopped])
    message = fit(digits.train, OWN_SOLVER).convergence_message
    assert "after 5 iterations" in message
    assert "1e-09 of its value" in message
    assert "raise --tol or --regularization" in message
    assert "--max-iter" not in message


def test_the_own_solver_stops_if_the_callback_returns_true(digits: Dataset) -> None:
    seen: list[Any] = []

    def stop(progress: Any) -> bool:
        seen.append(progress)
        return True

    assert fit(digits.train, OWN_SOLVER, callback=stop).iterations < fit(digits.train, OWN_SOLVER).iterations
    assert seen


def test_a_path_has_the_fits_in_the_order_of_the_options(digits: Dataset) -> None:
    options = [replace(OPTIONS, regularization=value, tol=1e-6) for value in (10.0, 0.1, 1.0)]
    fits = fit_path(digits.train, fit_normalization("unit", digits.train.images), options, unused)
    for found, option in zip(fits, options, strict=True):
        alone = fit(digits.train, OWN_SOLVER, option).classifier
        assert 1 / option.regularization == found.classifier.C
        assert np.allclose(found.classifier.coef_, alone.coef_, atol=1e-3)


class Recorder:
    """Classifier that keeps the features that it is fitted to, and warns."""

    def __init__(self, **_: Any) -> None:
        self.n_iter_ = np.array([3])

    def fit(self, features: Any, _labels: Any) -> None:
        self.features = features
        warnings.warn("a remark", UserWarning, stacklevel=1)
        warnings.warn("not converged", ConvergenceWarning, stacklevel=1)


@pytest.mark.parametrize(("solver", "dtype"), [("lbfgs", np.float32), ("liblinear", np.float64)])
def test_scikit_learn_gets_normalized_rows_in_the_type_of_the_solver(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, solver: str, dtype: Any
) -> None:
    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", Recorder)
    two = Split(digits.train.images[digits.train.labels < 2], digits.train.labels[digits.train.labels < 2])
    features = fit(two, solver).classifier.features
    assert (features.shape, features.dtype, features.max()) == ((len(two), 64), dtype, 1)


def test_warnings_other_than_that_of_convergence_are_returned(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", Recorder)
    found = fit(digits.train, "lbfgs")
    assert found.warnings == ("a remark",)
    assert "the solver lbfgs stopped after 3 iterations" in found.convergence_message


def test_warnings_of_other_threads_are_passed_on(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    class WithAnother(Recorder):
        def fit(self, features: Any, labels: Any) -> None:
            other = threading.Thread(target=lambda: warnings.warn("of another thread", UserWarning, stacklevel=1))
            other.start()
            other.join()
            super().fit(features, labels)

    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", WithAnother)
    with pytest.warns(UserWarning, match="of another thread"):
        assert fit(digits.train, "lbfgs").warnings == ("a remark",)


def test_simultaneous_fits_keep_their_own_warnings_and_restore_the_filters(digits: Dataset) -> None:
    before = warnings.showwarning, list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        fits = list(pool.map(lambda hasty: fit(digits.train, "lbfgs", HASTY if hasty else OPTIONS), [True, False] * 4))
    assert [bool(found.convergence_message) for found in fits] == [True, False] * 4
    assert (warnings.showwarning, warnings.filters) == before


def test_the_own_solver_gives_a_plain_classifier_with_its_settings(digits: Dataset) -> None:
    classifier = fit(digits.train, OWN_SOLVER).classifier
    assert type(classifier) is LogisticRegression
    assert (classifier.C, classifier.tol, classifier.max_iter) == (2.0, 1e-4, 1000)
