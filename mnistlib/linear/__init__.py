"""Multinomial logistic regression for dense data at any size: a fast solver and its scikit-learn estimator.

Importing this package costs NumPy and joblib; scikit-learn is loaded with the first use of the estimator.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mnistlib.linear.minimize import Callback, Progress, Solution

if TYPE_CHECKING:
    from mnistlib.linear.estimator import LogisticRegression

__all__ = ["Callback", "LogisticRegression", "Progress", "Solution"]

_ESTIMATORS = {"LogisticRegression": "mnistlib.linear.estimator"}


def __getattr__(name: str) -> Any:
    if name in _ESTIMATORS:
        return getattr(import_module(_ESTIMATORS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
