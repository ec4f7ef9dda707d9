"""What can fit a logistic regression, by name: the package's own solver, and scikit-learn's."""

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
    """A plain scikit-learn classifier, fitted to features.

    Attributes
    ----------
    classifier : scikit-learn estimator
        Fitted.
    iterations : int
        The most that any of its parts took.
    convergence_message : str
        Why the solver did not converge; empty when it did.
    warnings : tuple of str
        What else the solver had to say.
    """

    classifier: Any
    iterations: int
    convergence_message: str = ""
    warnings: tuple[str, ...] = ()


#: Fits training images under a normalization; a solver that can calls back after each iteration, and stops on True.
Solver = Callable[[Split, Normalization, SolverOptions, Callback], Fit]

_RECORDING = threading.Lock()

_ADVICE = "The model works but is not the best one: raise --max-iter or --tol, or regularize more"
_ROUNDING = "Rounding allows no further step: raise --tol, or regularize more"


def _own_input(train: Split, normalization: Normalization) -> tuple[NDArray[Any], float]:
    """Return what the package's own solver trains on, and the factor that it folds in.

    Where the normalization only scales, that is the pixels themselves, with no copy of them.
    """
    if normalization.offset.ndim == 0 and normalization.offset == 0:
        return train.images.reshape(len(train), -1), float(1 / normalization.divisor)
    return normalization.apply(train.images), 1.0


def _own_fit(estimator: Any, options: SolverOptions) -> Fit:
    """Make a :class:`Fit` of a fitted :class:`mnistlib.linear.LogisticRegression`."""
    iterations = int(estimator.n_iter_[0])
    convergence_message = ""
    if not estimator.converged_:
        convergence_message = (
            f"the fit stopped after {iterations} iterations with an objective {estimator.gradient_norm_:.3g} above its "
            f"minimum, relative to itself; tolerance {options.tol:g}. "
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

    Parameters
    ----------
    train : Split
        What to fit.
    normalization : Normalization
        Of its images.
    options : sequence of SolverOptions
        They may differ in the regularization only.
    callback : Callback
        For all fits together.

    Returns
    -------
    list of Fit
        In the order of `options`.
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
    """Fit with one of scikit-learn's solvers.

    liblinear can't fit several classes at once, so it fits each against the rest, as the tutorial had it.
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
    # liblinear computes in float64 only: given that at once, it need not convert for every class.
    features = normalization.apply(train.images, dtype=np.float64 if name == "liblinear" else np.float32)
    unconverged, warnings = _fit_recording(estimator, features, train.labels)
    parts = estimator.estimators_ if one_vs_rest else [estimator]
    iterations = max(int(np.max(part.n_iter_)) for part in parts)
    convergence_message = ""
    if unconverged:
        convergence_message = (
            f"the solver {name} stopped after {iterations} iterations short of its tolerance {options.tol:g}. {_ADVICE}"
        )
    return Fit(estimator, iterations, convergence_message, warnings)


def _fit_recording(estimator: Any, features: NDArray[Any], labels: NDArray[np.uint8]) -> tuple[bool, tuple[str, ...]]:
    """Fit, and return whether it warned that it did not converge, and what else it warned of."""
    from sklearn.exceptions import ConvergenceWarning

    here = threading.get_ident()
    caught: list[tuple[type[Warning], str]] = []
    # Filters and the function that shows warnings belong to the whole process: one fit at a time may set them, and
    # what other threads warn of meanwhile is theirs.
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


#: Solver name -> what fits with it.
SOLVERS: dict[str, Solver] = {OWN_SOLVER: _fit_own, **{name: _scikit_learn(name) for name in SCIKIT_LEARN_SOLVERS}}
