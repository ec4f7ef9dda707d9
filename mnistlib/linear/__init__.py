"""Multinomial logistic regression for dense data at any size: a fast solver and its scikit-learn estimator.

Importing this package costs NumPy and joblib; scikit-learn is loaded with the first use of the estimator.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mnistlib.linear.progress import Callback, Progress, Solution

if TYPE_CHECKING:
    from mnistlib.linear.estimator import LogisticRegression
    from mnistlib.linear.path import fit_path, regularization_path

__all__ = ["Callback", "LogisticRegression", "Progress", "Solution", "fit_path", "regularization_path"]

_NEED_SCIKIT_LEARN = {
    "LogisticRegression": "mnistlib.linear.estimator",
    "fit_path": "mnistlib.linear.path",
    "regularization_path": "mnistlib.linear.path",
}


def __getattr__(name: str) -> Any:
    if name in _NEED_SCIKIT_LEARN:
        return getattr(import_module(_NEED_SCIKIT_LEARN[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
