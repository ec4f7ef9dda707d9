"""Scores, classes and probabilities of rows, by the coefficients of a fitted estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.inputs import SINGLE, validated_rows
from mnistlib.linear.rows import Rows, block_rows

__all__ = ["PredictionsMixin"]


class PredictionsMixin:
    """Predictions of a fitted estimator."""

    pixel_scale: float
    classes_: npt.NDArray[Any]
    coef_: Any  # sparse after `sparsify`
    intercept_: npt.NDArray[Any]

    if TYPE_CHECKING:

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
            """Declare the type of the method of scikit-learn's mixin."""
            raise NotImplementedError

    def decision_function(self, X: Any) -> npt.NDArray[Any]:
        """Return the score of each class, or of ``classes_[1]`` for two classes.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            As for `fit`.

        Returns
        -------
        array of shape (n_samples,) for two classes, otherwise (n_samples, n_classes)
            The logarithm of the odds; or of the probabilities, up to a constant that is the same for all classes.
        """
        check_is_fitted(self)
        X = validated_rows(self, X)
        single = X.dtype in SINGLE and self.coef_.dtype == np.float32
        arithmetic = Arithmetic(np.dtype(np.float32 if single else np.float64))
        rows = Rows(X, arithmetic, block_rows(X.shape[1], self.coef_.shape[0]))
        weights = (self.coef_ * self.pixel_scale).T.astype(rows.block(rows.slices[0]).dtype, copy=False)
        scores = np.concatenate([rows.block(block) @ weights for block in rows.slices])
        scores += self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable class of each row of `X`, of shape (n_samples, n_features)."""
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        predicted: npt.NDArray[Any] = self.classes_[chosen]
        return predicted

    def predict_log_proba(self, X: Any) -> npt.NDArray[Any]:
        """Return the logarithms of `predict_proba`, without underflow."""
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
