"""Validation of the estimator's rows, labels and weights, and their conversion for the solver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.utils import check_consistent_length, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

__all__ = ["SINGLE", "classes_of", "row_weights", "validated", "validated_rows"]

DTYPES = [np.float64, np.float32, np.float16, np.uint8]
#: Types with few digits: single precision is enough for their coefficients and scores.
SINGLE = (np.float16, np.float32)
# Labels up to this number are counted rather than sorted.
MOST_COUNTED = 1 << 62


def validated(estimator: Any, X: Any, y: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the rows and labels to fit, validated by scikit-learn.

    Raise TypeError if `X` is sparse, and ValueError if `X` has NaN or infinity or the shapes of `X` and `y` do not
    match.
    """
    _refuse_sparse(X)
    if type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biu":
        # Whole numbers have no NaN and need no conversion; scikit-learn's check of them takes a tenth of a small fit.
        X = validate_data(estimator, X, dtype=DTYPES)
        check_consistent_length(X, y)
        return X, y
    X, y = validate_data(estimator, X, y, dtype=DTYPES)
    return X, y


def validated_rows(estimator: Any, X: Any) -> npt.NDArray[Any]:
    """Return the rows to predict, validated by scikit-learn; the errors are those of `validated`."""
    _refuse_sparse(X)
    rows: npt.NDArray[Any] = validate_data(estimator, X, reset=False, dtype=DTYPES)
    return rows


def classes_of(y: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """Return the sorted classes, and the index of each sample's class; raise ValueError if there is only one class."""
    classes, labels = _numbered(y)
    if len(classes) < 2:
        raise ValueError(
            f"Logistic regression needs at least 2 classes in y, but there is only one class: {classes[0]}. "
            "Use sklearn.dummy.DummyClassifier to predict a constant."
        )
    return classes, labels


def row_weights(
    X: npt.NDArray[Any],
    sample_weight: Any,
    class_weight: Mapping[Any, float] | str | None,
    classes: npt.NDArray[Any],
    labels: npt.NDArray[np.intp],
) -> npt.NDArray[Any] | None:
    """Return the weight of each row: its sample weight times its class weight; None if all are 1.

    Raise ValueError if a weight is negative or not finite, or all weights are zero.
    """
    if sample_weight is None and class_weight is None:
        return None
    weights: npt.NDArray[np.float64]
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("All sample weights are zero: there is nothing to fit. Give at least one above 0.")
    if class_weight is None:
        return weights
    factors: npt.NDArray[np.float64]
    if class_weight == "balanced":
        of_classes = np.bincount(labels, weights=weights, minlength=len(classes))
        factors = weights.sum() / (len(classes) * np.where(of_classes > 0, of_classes, np.inf))
    else:
        factors = compute_class_weight(class_weight, classes=classes, y=classes[labels])
    if not np.all(np.isfinite(factors) & (factors >= 0)):
        raise ValueError(f"class_weight needs finite numbers of at least 0, got {class_weight!r}.")
    weights = weights * factors[labels]
    if not weights.any():
        raise ValueError("class_weight leaves all sample weights at zero. Give at least one class a weight above 0.")
    return weights


def _numbered(y: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    if y.dtype.kind not in "biu":
        check_classification_targets(y)  # reads all labels, and whole numbers need no check
        return np.unique(y, return_inverse=True)
    least, largest = int(y.min()), int(y.max())
    if y.dtype.kind == "b" or largest > MOST_COUNTED or largest - least >= max(len(y), 1 << 10):
        return np.unique(y, return_inverse=True)
    # Counting takes a tenth of the time of sorting.
    offsets = y.astype(np.int64) - least if y.dtype.kind == "i" else (y - y.dtype.type(least)).astype(np.intp)
    present = np.bincount(offsets) > 0
    if least == 0 and present.all():
        return np.arange(len(present), dtype=y.dtype), offsets
    classes = (np.flatnonzero(present) + least).astype(y.dtype)
    return classes, (np.cumsum(present) - 1)[offsets]


def _refuse_sparse(X: Any) -> None:
    if scipy.sparse.issparse(X):
        raise TypeError(
            "Sparse X is not supported. Use X.toarray() if it fits into memory, otherwise "
            'sklearn.linear_model.LogisticRegression with solver="lbfgs" or solver="saga".'
        )
