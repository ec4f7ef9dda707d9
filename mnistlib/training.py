"""A data set in, a fitted classifier and its metrics out; pure but for what it tells its context."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.datasets import Dataset
from mnistlib.errors import DataError
from mnistlib.evaluation import evaluate
from mnistlib.preprocessing import WHITE, Normalization, fit_normalization
from mnistlib.runs import RunContext


@dataclass(frozen=True)
class SolverOptions:
    """What a solver is told.

    Attributes
    ----------
    regularization : float
        The rate; C, scikit-learn's inverse strength, is 1 / rate.
    max_iter : int
        Iterations after which it gives up.
    tol : float
        When it is content.
    seed : int
        For solvers that draw random numbers.
    """

    regularization: float
    max_iter: int
    tol: float
    seed: int


@dataclass(frozen=True, eq=False)
class Fit:
    """A classifier fitted to features, in the solver's own form.

    Attributes
    ----------
    classifier : scikit-learn estimator
        Fitted.
    iterations : int
        The most that any of its parts took.
    complaint : str
        Why the solver did not converge; empty when it did.
    remarks : tuple of str
        What else the solver had to say.
    """

    classifier: Any
    iterations: int
    complaint: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What training gives.

    Attributes
    ----------
    classifier : scikit-learn estimator
        Plain, and for pixels in [0, 1] whatever the normalization was.
    converged : bool
        Whether the solver reached its tolerance.
    """

    classifier: Any
    converged: bool


def train(
    dataset: Dataset, *, normalization: str, solver: str, options: SolverOptions, context: RunContext
) -> TrainedModel:
    """Fit a logistic regression to a data set's training images and score it on the test images.

    Parameters
    ----------
    dataset : Dataset
        What to learn from.
    normalization : str
        One of :data:`mnistlib.preprocessing.NORMALIZATIONS`.
    solver : str
        One of :data:`SOLVERS`.
    options : SolverOptions
        For the solver.
    context : RunContext
        Receives the metrics ``accuracy`` (on the test images), ``iterations``, ``converged`` (1 or 0) and
        ``fit_seconds``.

    Returns
    -------
    TrainedModel
        The classifier, and whether its solver converged.

    Raises
    ------
    DataError
        If all training images have the same label.
    """
    labels = np.unique(dataset.train.labels)
    if len(labels) < 2:
        raise DataError(
            f"{dataset.name}: all training images have the label {labels[0]}: there is nothing to tell apart"
        )
    context.log(f"fitting {len(dataset.train)} images, solver {solver}, regularization {options.regularization:g}")
    started = perf_counter()
    fitted_map = fit_normalization(normalization, dataset.train.images)
    fit = SOLVERS[solver](fitted_map, dataset, options)
    classifier = _fold(fit.classifier, fitted_map)
    context.log_metric("fit_seconds", round(perf_counter() - started, 3))
    context.log_metric("iterations", fit.iterations)
    context.log_metric("converged", not fit.complaint)
    for remark in fit.remarks:
        context.log(f"the solver remarks: {remark}")
    if fit.complaint:
        context.log(f"NOT CONVERGED: {fit.complaint}")
    answers = classifier.predict(np.divide(_rows(dataset.test.images), np.float32(WHITE), dtype=np.float32))
    accuracy = evaluate(dataset.test.labels, answers, classes=len(dataset.classes)).accuracy
    context.log_metric("accuracy", accuracy)
    context.log(f"accuracy {accuracy:.4f} on {len(dataset.test)} test images")
    return TrainedModel(classifier, not fit.complaint)


def _rows(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images.reshape(len(images), -1)


def _fold(classifier: Any, fitted_map: Normalization) -> Any:
    """Make a classifier of features one of pixels in [0, 1], in place."""
    parts = getattr(classifier, "estimators_", [classifier])  # one-vs-rest has one part for each class
    for part in parts:
        part.coef_, part.intercept_ = fitted_map.fold(part.coef_, part.intercept_)
    return classifier


def _fit_sklearn(name: str, fitted_map: Normalization, dataset: Dataset, options: SolverOptions) -> Fit:
    """Fit with one of scikit-learn's solvers.

    liblinear can't fit several classes at once, so it fits each against the rest, as the tutorial had it.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    estimator: Any = LogisticRegression(
        C=1 / options.regularization,
        solver=name,
        max_iter=options.max_iter,
        tol=options.tol,
        random_state=options.seed,
    )
    one_vs_rest = name == "liblinear" and len(np.unique(dataset.train.labels)) > 2
    if one_vs_rest:
        estimator = OneVsRestClassifier(estimator)
    # liblinear computes in float64 only: given that at once, it need not convert for every class.
    features = fitted_map.apply(dataset.train.images, dtype=np.float64 if name == "liblinear" else np.float32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(features, dataset.train.labels)
    remarks = tuple(str(warning.message) for warning in caught if warning.category is not ConvergenceWarning)
    parts = estimator.estimators_ if one_vs_rest else [estimator]
    iterations = max(int(np.max(part.n_iter_)) for part in parts)
    if len(remarks) == len(caught):
        return Fit(estimator, iterations, remarks=remarks)
    return Fit(
        estimator,
        iterations,
        f"the solver {name} stopped after {iterations} iterations short of its tolerance {options.tol:g}. "
        "The model works but is not the best one: raise --max-iter or --tol, or regularize more",
        remarks,
    )


def _sklearn_solver(name: str) -> Callable[[Normalization, Dataset, SolverOptions], Fit]:
    return lambda fitted_map, dataset, options: _fit_sklearn(name, fitted_map, dataset, options)


#: Solver name -> what fits with it.
SOLVERS: dict[str, Callable[[Normalization, Dataset, SolverOptions], Fit]] = {
    "auto": _sklearn_solver("lbfgs"),
    **{name: _sklearn_solver(name) for name in ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga", "liblinear")},
}
