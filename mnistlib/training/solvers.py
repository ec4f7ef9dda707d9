"""Solvers of logistic regression by name: the package's own solver, and scikit-learn's."""

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.datasets import Split
from mnistlib.linear import Callback
from mnistlib.training.options import OWN_SOLVER, SCIKIT_LEARN_SOLVERS, SolverOptions
from mnistlib.training.preprocessing import Normalization

if TYPE_CHECKING:
    from mnistlib.linear import LogisticRegression


@dataclass(frozen=True, eq=False)
class Fit:
    """Plain scikit-learn classifier, fitted to features."""

    classifier: Any
    iterations: int  # for one-vs-rest, the maximum over the classes
    convergence_message: str = ""  # reason and advice if the solver did not converge, else empty
    warnings: tuple[str, ...] = ()  # other warnings of the solver


#: Fits normalized training images. Some solvers call the callback after each iteration, and stop if it returns True.
Solver = Callable[[Split, Normalization, SolverOptions, Callback], Fit]

_RECORDING = threading.Lock()

_ADVICE = "The model is usable but not optimal: raise --max-iter, --tol or --regularization"
_ROUNDING = "Floating-point precision allows no further progress: raise --tol or --regularization"


def _own_input(train: Split, normalization: Normalization) -> tuple[NDArray[Any], float]:
    """Return the features for the package's own solver, and the scale that the solver applies to them.

    If the normalization only scales, the features are the pixels, without a copy.
    """
    if normalization.offset.ndim == 0 and normalization.offset == 0:
        return train.images.reshape(len(train), -1), float(1 / normalization.divisor)
    return normalization.apply(train.images), 1.0


def _own_fit(estimator: Any, options: SolverOptions) -> Fit:
    """Convert a fitted :class:`mnistlib.linear.LogisticRegression` to a :class:`Fit`."""
    iterations = int(estimator.n_iter_[0])
    convergence_message = ""
    if not estimator.converged_:
        convergence_message = (
            f"the fit stopped after {iterations} iterations; the objective is above its minimum by "
            f"{estimator.gradient_norm_:.3g} of its value, and the tolerance is {options.tol:g}. "
            f"{_ADVICE if iterations >= options.max_iter else _ROUNDING}"
        )
    return Fit(estimator.to_sklearn(), iterations, convergence_message)


def _own_estimator(options: SolverOptions, scale: float, callback: Callback) -> "LogisticRegression":
    from mnistlib.linear import LogisticRegression

    return LogisticRegression(
        max_iter=options.max_iter,
        tol=options.tol,
        random_state=options.seed,
        pixel_scale=scale,
        callback=callback,
    )


def fit_path(
    train: Split, normalization: Normalization, options: Sequence[SolverOptions], callback: Callback
) -> list[Fit]:
    """Fit with the package's own solver for several values of the regularization, over shared passes.

    The options may differ in the regularization only. The callback is called for all fits together. Return the fits in
    the order of the options.
    """
    from mnistlib import linear

    features, scale = _own_input(train, normalization)
    inverses = [1 / option.regularization for option in options]
    estimator = _own_estimator(options[0], scale, callback)
    estimators = linear.fit_path(features, train.labels, C=inverses, estimator=estimator)
    return [_own_fit(fitted, option) for fitted, option in zip(estimators, options, strict=True)]


def _fit_own(train: Split, normalization: Normalization, options: SolverOptions, callback: Callback) -> Fit:
    return fit_path(train, normalization, [options], callback)[0]


def _scikit_learn(name: str) -> Solver:
    def fit(train: Split, normalization: Normalization, options: SolverOptions, _callback: Callback) -> Fit:
        return _fit_scikit_learn(name, train, normalization, options)

    return fit


def _fit_scikit_learn(name: str, train: Split, normalization: Normalization, options: SolverOptions) -> Fit:
    """Fit with a solver of scikit-learn.

    liblinear does not support several classes, so it fits each class against the rest, as in the tutorial.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    estimator: Any = LogisticRegression(
        C=1 / options.regularization,
        solver=name,
        max_iter=options.max_iter,
        tol=options.tol,
        random_state=options.seed,
    )
    one_vs_rest = name == "liblinear" and len(np.unique(train.labels)) > 2
    if one_vs_rest:
        estimator = OneVsRestClassifier(estimator)
    # liblinear computes in float64 only; passing float64 avoids a conversion for every class.
    features = normalization.apply(train.images, dtype=np.float64 if name == "liblinear" else np.float32)
    unconverged, warnings = _fit_recording(estimator, features, train.labels)
    parts = estimator.estimators_ if one_vs_rest else [estimator]
    iterations = max(int(np.max(part.n_iter_)) for part in parts)
    convergence_message = ""
    if unconverged:
        convergence_message = (
            f"the solver {name} stopped after {iterations} iterations without reaching its tolerance {options.tol:g}. "
            f"{_ADVICE}"
        )
    return Fit(estimator, iterations, convergence_message, warnings)


def _fit_recording(estimator: Any, features: NDArray[Any], labels: NDArray[np.uint8]) -> tuple[bool, tuple[str, ...]]:
    """Fit, and return whether the solver warned of no convergence, and its other warnings."""
    from sklearn.exceptions import ConvergenceWarning

    here = threading.get_ident()
    caught: list[tuple[type[Warning], str]] = []
    # Warning filters and showwarning are global to the process: only one fit at a time may set them, and warnings of
    # other threads are passed on.
    with _RECORDING, warnings.catch_warnings():
        show = warnings.showwarning

        def record(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
            if threading.get_ident() == here:
                caught.append((category, str(message)))
            else:
                show(message, category, *place, **options)

        warnings.showwarning = record
        warnings.simplefilter("always")
        estimator.fit(features, labels)
    others = tuple(message for category, message in caught if category is not ConvergenceWarning)
    return len(others) < len(caught), others


#: Solver by name.
SOLVERS: dict[str, Solver] = {OWN_SOLVER: _fit_own, **{name: _scikit_learn(name) for name in SCIKIT_LEARN_SOLVERS}}
