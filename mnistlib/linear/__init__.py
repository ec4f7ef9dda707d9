"""Multinomial logistic regression for dense data of any size: a fast solver and its scikit-learn estimator.

Importing this package loads NumPy and joblib; the first use of the estimator loads scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistlib.lazy import lazy_names
from mnistlib.linear.progress import Callback, Progress, Solution

if TYPE_CHECKING:
    from mnistlib.linear.estimator import LogisticRegression
    from mnistlib.linear.path import fit_path, regularization_path

__all__ = ["Callback", "LogisticRegression", "Progress", "Solution", "fit_path", "regularization_path"]

if not TYPE_CHECKING:  # a type checker would accept any name
    __getattr__ = lazy_names(
        __name__,
        {
            "LogisticRegression": "mnistlib.linear.estimator",
            "fit_path": "mnistlib.linear.path",
            "regularization_path": "mnistlib.linear.path",
        },
    )
