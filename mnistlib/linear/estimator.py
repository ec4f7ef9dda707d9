"""The solver as a scikit-learn estimator."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Mapping
from copy import copy
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse
import sklearn.linear_model
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from mnistlib.linear.arithmetic import Arithmetic, thread_count
from mnistlib.linear.minimize import minimize
from mnistlib.linear.objective import Objective
from mnistlib.linear.progress import Callback, Solution
from mnistlib.linear.rows import Rows

__all__ = ["LogisticRegression"]

DTYPES = [np.float64, np.float32, np.uint8]


class LogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Multinomial and binary logistic regression with an L2 penalty, for dense data.

    A drop-in for `sklearn.linear_model.LogisticRegression` with ``solver="lbfgs"``: the same objective, the same
    measure of convergence, and coefficients that agree as closely as both have converged.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty: a finite number above 0.
    tol : float, default=1e-4
        The fit has converged when no derivative of the objective, divided by `C` times the sum of the sample weights,
        is larger, as in scikit-learn, nor a tenth of what a Newton step would gain, as a share of the objective.
        Neither depends on the number of rows.
    max_iter : int, default=100
        The most iterations, each of which is one pass over the rows.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are not penalized.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply the sample weights.
    penalty, l1_ratio
        ``"l2"`` and 0; anything else is refused with the scikit-learn solver that does it.
    warm_start : bool, default=False
        Whether to start at the last fit's coefficients where they have the right shape.
    random_state : int, RandomState or None, default=None
        For the draws of rows that make the preconditioner, which change the way to the solution only. None is always
        the same seed.
    n_jobs : int or None, default=None
        Threads, as joblib understands it; None is as many as BLAS may use. Results have the same bits for every number.
    pixel_scale : float, default=1.0
        What every number in `X` is multiplied with, in `fit` and in every prediction, without a copy of `X`. `coef_`
        belongs to ``X * pixel_scale``: with 1/255, to pixels between 0 and 1.
    memory_budget : int or None, default=None
        The most bytes that the outputs of many models for all rows may take in `regularization_path`, which trains as
        many at once as fit; None is a quarter of the machine's memory. A float copy of unsigned bytes is not among
        them: none is ever made, since making one costs more time than it saves.
    callback : callable or None, default=None
        Is called with a `Progress` after each iteration and twice a second within long ones; returning True ends the
        fit within one pass, with the best coefficients so far.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The classes, sorted.
    coef_ : array of shape (1, n_features) for two classes, otherwise (n_classes, n_features)
        The weights; float32 where `X` is, otherwise float64.
    intercept_ : array of shape (1,) or (n_classes,)
        The intercepts.
    n_iter_ : int32 array of shape (1,)
        Iterations.
    converged_ : bool
        Whether `gradient_norm_` has come down to `tol`.
    n_passes_ : float
        Passes over the rows, those over a sample of them counted as their share.
    objective_ : float
        ``C * sum(sample_weight * log_loss) + sum(coef_ ** 2) / 2``.
    gradient_norm_ : float
        What `tol` limits: the larger of the two.

    Examples
    --------
    >>> import numpy as np
    >>> from mnistlib.linear import LogisticRegression
    >>> X = np.array([[0, 9], [1, 8], [5, 5], [6, 4], [9, 1], [8, 0]], dtype=np.uint8)
    >>> model = LogisticRegression(pixel_scale=1 / 10).fit(X, ["low", "low", "mid", "mid", "high", "high"])
    >>> model.predict(np.array([[9, 0]], dtype=np.uint8))
    array(['high'], dtype='<U4')
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        tol: float = 1e-4,
        max_iter: int = 100,
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | str | None = None,
        penalty: str = "l2",
        l1_ratio: float = 0.0,
        warm_start: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        pixel_scale: float = 1.0,
        memory_budget: int | None = None,
        callback: Callback | None = None,
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.pixel_scale = pixel_scale
        self.memory_budget = memory_budget
        self.callback = callback

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            float32 and float64 are computed with as they are, unsigned bytes in float32, also from a memory map;
            anything else is made float64. Sparse matrices are refused.
        y : array of shape (n_samples,)
            The class of each sample; at least two classes.
        sample_weight : array of shape (n_samples,), optional
            The weight of each sample, not negative.

        Returns
        -------
        LogisticRegression
            The estimator itself.

        Raises
        ------
        ValueError
            A parameter is out of range, `y` has one class, or `X` has NaN or infinity.
        TypeError
            `X` is sparse.

        Warns
        -----
        ConvergenceWarning
            `max_iter` was too small, or the data too badly conditioned for `tol` in their precision.
        """
        (solution,) = self._solve(X, y, sample_weight, [self.C])
        self._adopt(solution)
        self._warn_unless_converged()
        return self

    def _fit_all(self, X: Any, y: Any, sample_weight: Any, rates: list[float]) -> list[Self]:
        """Return a fitted copy for each of the rates, over shared passes."""
        solutions = self._solve(X, y, sample_weight, rates)
        models = []
        for rate, solution in zip(rates, solutions, strict=True):
            model = copy(self).set_params(C=rate)
            model._adopt(solution)
            models.append(model)
        return models

    def _solve(self, X: Any, y: Any, sample_weight: Any, rates: list[float]) -> list[Solution]:
        """Fit a model for each of the rates; set what they have in common."""
        self._check_parameters(rates)
        _refuse_sparse(X)
        X, y = validate_data(self, X, y, dtype=DTYPES)
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"Logistic regression needs at least 2 classes in y, but there is only one class: {classes[0]}. "
                "sklearn.dummy.DummyClassifier predicts a constant."
            )
        precision = np.dtype(np.float64 if X.dtype == np.float64 else np.float32)
        arithmetic = Arithmetic(precision, thread_count(self.n_jobs))
        objective = Objective(
            Rows(X, arithmetic),
            labels.astype(np.min_scalar_type(len(classes))),
            classes=len(classes),
            C=rates,
            arithmetic=arithmetic,
            sample_weight=self._weights(X, sample_weight, classes, labels),
            fit_intercept=self.fit_intercept,
            scale=self.pixel_scale,
        )
        start = self._start(objective.shape) if self.warm_start else None
        self.classes_ = classes
        self._dtype = np.dtype(np.float32 if X.dtype == np.float32 else np.float64)
        seed = 0 if self.random_state is None else int(check_random_state(self.random_state).randint(1 << 31))
        return minimize(
            objective,
            start=start,
            tol=self.tol,
            max_iter=self.max_iter,
            callback=self.callback,
            random_state=seed,
        )

    def _adopt(self, solution: Solution) -> None:
        self.coef_ = solution.weights.astype(self._dtype)
        self.intercept_ = solution.intercept.astype(self._dtype)
        self.n_iter_ = np.array([max(1, solution.iterations)], dtype=np.int32)
        self.converged_ = solution.converged
        self.n_passes_ = solution.passes
        self.objective_ = solution.objective
        self.gradient_norm_ = solution.gradient_norm
        self._cancelled = solution.cancelled

    def _warn_unless_converged(self) -> None:
        if self.converged_ or self._cancelled:
            return
        advice = "Rounding allows no further step: give X as float64, or a larger tol."
        if self.n_iter_[0] >= self.max_iter:
            advice = "Increase max_iter."
        warnings.warn(
            f"C={self.C:g}: the gradient is {self.gradient_norm_:.3g} after {self.n_iter_[0]} iterations, above "
            f"tol={self.tol:g}. {advice}",
            ConvergenceWarning,
            stacklevel=3,
        )

    def _check_parameters(self, rates: list[float]) -> None:
        for name, value in [("tol", self.tol), ("pixel_scale", self.pixel_scale), *(("C", rate) for rate in rates)]:
            _check_positive(name, value)
        if self.memory_budget is not None:
            _check_positive("memory_budget", self.memory_budget)
        max_iter: Any = self.max_iter
        if not isinstance(max_iter, numbers.Integral) or int(max_iter) < 1:
            raise ValueError(f"max_iter needs to be a whole number from 1, not {max_iter!r}.")
        if self.penalty != "l2" or self.l1_ratio != 0:
            raise ValueError(
                f"penalty={self.penalty!r} with l1_ratio={self.l1_ratio!r} is not supported, only the L2 penalty. Use "
                'sklearn.linear_model.LogisticRegression with solver="saga" for L1 and elastic net, and with '
                'solver="lbfgs" for no penalty.'
            )

    def _weights(
        self, X: npt.NDArray[Any], sample_weight: Any, classes: npt.NDArray[Any], labels: npt.NDArray[np.intp]
    ) -> npt.NDArray[Any] | None:
        if sample_weight is None and self.class_weight is None:
            return None
        weights: npt.NDArray[np.float64]
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("All sample weights are zero: there is nothing to fit. Give at least one above 0.")
        if self.class_weight is None:
            return weights
        factors: npt.NDArray[np.float64]
        if self.class_weight == "balanced":
            of_classes = np.bincount(labels, weights=weights, minlength=len(classes))
            factors = weights.sum() / (len(classes) * np.where(of_classes > 0, of_classes, np.inf))
        else:
            factors = compute_class_weight(self.class_weight, classes=classes, y=classes[labels])
        return weights * factors[labels]

    def _start(self, shape: tuple[int, int, int]) -> npt.NDArray[np.float64] | None:
        models, outputs, columns = shape
        if not hasattr(self, "coef_") or self.coef_.shape != (outputs, columns - 1):
            return None
        last = np.column_stack([self.coef_, self.intercept_]).astype(np.float64)
        return np.repeat(last[None], models, axis=0)

    def decision_function(self, X: Any) -> npt.NDArray[Any]:
        """Return the score of each class, or of ``classes_[1]`` where there are two.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        array of shape (n_samples,) for two classes, otherwise (n_samples, n_classes)
            The logarithm of the odds, or of the probabilities but for a number that is the same for all classes.
        """
        check_is_fitted(self)
        _refuse_sparse(X)
        X = validate_data(self, X, reset=False, dtype=DTYPES)
        rows = Rows(X, Arithmetic(np.dtype(np.float32 if X.dtype == np.float32 else np.float64)))
        weights = (self.coef_ * self.pixel_scale).T.astype(rows.block(rows.slices[0]).dtype, copy=False)
        scores = np.concatenate([rows.block(block) @ weights for block in rows.slices])
        scores += self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable class of each of `X`, of shape (n_samples, n_features)."""
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        predicted: npt.NDArray[Any] = self.classes_[chosen]
        return predicted

    def predict_log_proba(self, X: Any) -> npt.NDArray[Any]:
        """Return the logarithms of what `predict_proba` returns, without underflow."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.column_stack([np.zeros_like(scores), scores])
        scores -= scores.max(axis=1, keepdims=True)
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return scores

    def predict_proba(self, X: Any) -> npt.NDArray[Any]:
        """Return probabilities of shape (n_samples, n_classes) for `X` of shape (n_samples, n_features)."""
        probabilities: npt.NDArray[Any] = np.exp(self.predict_log_proba(X))
        return probabilities

    def to_sklearn(self) -> sklearn.linear_model.LogisticRegression:
        """Return a plain, fitted scikit-learn estimator with these coefficients.

        It needs nothing of mnistlib to be loaded and used. It knows no `pixel_scale`: for ``X * pixel_scale`` it
        predicts what this estimator predicts for `X`.
        """
        check_is_fitted(self)
        plain = sklearn.linear_model.LogisticRegression(
            C=self.C,
            tol=self.tol,
            max_iter=self.max_iter,
            fit_intercept=self.fit_intercept,
            class_weight=self.class_weight,
            warm_start=self.warm_start,
            random_state=self.random_state,
        )
        fitted = ("classes_", "coef_", "intercept_", "n_iter_", "n_features_in_", "feature_names_in_")
        for name in fitted:
            if hasattr(self, name):
                setattr(plain, name, getattr(self, name))
        return plain


def _check_positive(name: str, value: Any) -> None:
    if not isinstance(value, numbers.Real) or not 0 < float(value) < math.inf:
        raise ValueError(f"{name} needs to be a finite number above 0, not {value!r}.")


def _refuse_sparse(X: Any) -> None:
    if scipy.sparse.issparse(X):
        raise TypeError(
            "Sparse X is not supported. Use X.toarray() if it fits into memory, otherwise "
            'sklearn.linear_model.LogisticRegression with solver="lbfgs" or solver="saga".'
        )
