"""Solver for benchopt's benchmark of L2-penalized logistic regression.

Copy it to the folder ``solvers`` of a clone of https://github.com/benchopt/benchmark_logreg_l2; see
``docs/drop-in.md``. Two classes, no intercept.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from benchopt import BaseSolver
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning

from mnistlib import LogisticRegression


class Solver(BaseSolver):  # type: ignore[misc]
    """A fit of `n_iter` iterations, from zero each time."""

    name = "mnistlib"
    requirements: ClassVar = ["pip::mnistlib-ml"]
    sampling_strategy = "iteration"

    def skip(self, X: Any, y: Any, lmbd: float) -> tuple[bool, str | None]:
        """Skip sparse data, which mnistlib does not read."""
        return (True, "mnistlib reads dense rows only") if issparse(X) else (False, None)

    def set_objective(self, X: Any, y: Any, lmbd: float) -> None:
        """Set the rows, labels of -1 and 1, and the strength of the penalty."""
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        self.X, self.y = X, y
        self.model = LogisticRegression(C=1 / lmbd, fit_intercept=False, tol=0)

    def run(self, n_iter: int) -> None:
        """Fit for `n_iter` iterations; 0 gives coefficients of zero."""
        self.model.set_params(max_iter=n_iter).fit(self.X, self.y)

    def get_result(self) -> dict[str, Any]:
        """Return the coefficients."""
        return {"beta": self.model.coef_.ravel()}
