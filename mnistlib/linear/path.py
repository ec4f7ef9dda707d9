"""Models for many values of C, over shared passes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from sklearn.base import clone

from mnistlib.linear.estimator import LogisticRegression
from mnistlib.linear.progress import Progress, Solution
from mnistlib.linear.solve import Problem

__all__ = ["fit_path", "regularization_path"]


def regularization_path(
    X: Any,
    y: Any,
    *,
    C: Sequence[float],
    estimator: LogisticRegression | None = None,
    sample_weight: Any = None,
) -> list[LogisticRegression]:
    """Fit a model for each of many values of C, over shared passes.

    The classes of all models are columns of one matrix product, which costs far less than a product for each model; a
    model that has converged leaves it. On the digits of MNIST, eight models take about the time of three.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        As for `LogisticRegression.fit`.
    y : array of shape (n_samples,)
        The class of each sample.
    C : sequence of float
        The values of C, in any order: inverse strengths of the penalty.
    estimator : LogisticRegression, optional
        Supplies all other parameters; it is not changed. Its callback gets the progress of the model with the largest
        `gradient_norm_`, and ends the fits of all models; scikit-learn's callbacks are not called.
    sample_weight : array of shape (n_samples,), optional
        The weight of each sample.

    Returns
    -------
    list of LogisticRegression
        A fitted estimator for each value in `C`, in its order.

    Raises
    ------
    ValueError
        `C` is empty, or as for `LogisticRegression.fit`.

    Warns
    -----
    ConvergenceWarning
        For each model that has not converged.

    Examples
    --------
    >>> import numpy as np
    >>> from mnistlib.linear import regularization_path
    >>> X = np.array([[0, 9], [1, 8], [5, 5], [6, 4], [9, 1], [8, 0]], dtype=np.uint8)
    >>> weak, strong = regularization_path(X, [0, 0, 0, 1, 1, 1], C=[1, 0.01])
    >>> bool(abs(weak.coef_).sum() > abs(strong.coef_).sum())
    True
    """
    models = fit_path(X, y, C=C, estimator=estimator, sample_weight=sample_weight)
    for model in models:
        model._warn_unless_converged()
    return models


def fit_path(
    X: Any,
    y: Any,
    *,
    C: Sequence[float],
    estimator: LogisticRegression | None = None,
    sample_weight: Any = None,
) -> list[LogisticRegression]:
    """Fit as `regularization_path` does, but without a warning; `converged_` is False for unconverged models.

    For callers that handle warnings themselves, such as threads, which share one list of warning filters.
    """
    C_values = list(C)
    if not C_values:
        raise ValueError("C is empty: give at least one number above 0.")
    shared: LogisticRegression = clone(estimator if estimator is not None else LogisticRegression())
    problem, _ = shared._problem(X, y, sample_weight, C_values)
    models = []
    for value, solution in zip(C_values, _solutions(shared, problem), strict=True):
        model = copy(shared).set_params(C=value)
        model._adopt(solution)
        models.append(model)
    return models


def _solutions(estimator: LogisticRegression, problem: Problem) -> list[Solution]:
    """Return the solution for each value of C, fitting as many at once as fit into the working memory."""
    solutions: list[Solution] = []
    for first in range(0, len(problem.C), problem.models_at_once):
        group = replace(problem, C=problem.C[first : first + problem.models_at_once])
        cancelled = bool(solutions) and solutions[-1].cancelled
        callback = _end if cancelled else estimator.callback
        solutions.extend(estimator._solve(group, estimator._start(group), callback))
    return solutions


def _end(progress: Progress) -> bool:
    """End a fit at once, since the callback has ended an earlier part of its path."""
    return True
