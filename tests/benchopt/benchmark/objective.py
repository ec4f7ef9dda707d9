"""The objective of benchopt's benchmark of L2-penalized logistic regression, for labels of -1 and 1."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):  # type: ignore[misc]
    """The summed loss, and half the squared coefficients times ``lmbd``."""

    name = "L2-penalized logistic regression"
    parameters: ClassVar = {"lmbd": [1.0, 0.01]}

    def set_data(self, X: Any, y: Any) -> None:
        """Take the rows and their labels."""
        self.X, self.y = X, y

    def get_objective(self) -> dict[str, Any]:
        """Return what a solver gets."""
        return {"X": self.X, "y": self.y, "lmbd": self.lmbd}

    def evaluate_result(self, beta: Any) -> dict[str, float]:
        """Return the objective of coefficients."""
        losses = np.logaddexp(0, -self.y * (self.X @ beta))
        return {"value": float(losses.sum() + self.lmbd * (beta @ beta) / 2)}

    def get_one_result(self) -> dict[str, Any]:
        """Return coefficients of zero."""
        return {"beta": np.zeros(self.X.shape[1])}
