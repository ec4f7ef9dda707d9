"""Objective in float64, and its minimum by Newton's method, which shares no code with the compared solvers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from benchmarks._everywhere_data import DataSet

Floats = npt.NDArray[np.float64]

NEWTON_STEPS = 200
CG_STEPS = 1000
HALVINGS = 40
# Convergence tolerance: relative gain of a Newton step.
CONVERGED = 1e-16


@dataclass(frozen=True)
class Optimum:
    """Minimum of the objective, and the relative gain of a further Newton step."""

    objective: float
    uncertainty: float


class Objective:
    """Objective of all solvers, computed from centred rows.

    The intercept is not penalized, so centred columns have the same minimum, without the rounding errors of columns
    with large means. Coordinates are chosen for a well-conditioned Hessian: the space of the rows if there are fewer
    rows than columns, otherwise columns divided by their standard deviations.

    Parameters
    ----------
    data : DataSet
        The rows, n by d; k is the number of classes, or 1 for two classes.
    """

    def __init__(self, data: DataSet) -> None:
        X = data.X.astype(np.float64)
        classes, self.labels = np.unique(data.y, return_inverse=True)
        self.outputs = 1 if len(classes) == 2 else len(classes)
        self.weight: Floats = data.C * (np.ones(len(X)) if data.weight is None else data.weight)
        self.mean = X.mean(axis=0)
        self.centred = X - self.mean

    def at(self, coef: Any, intercept: Any) -> float:
        """Return the objective of a fitted model: `coef` of shape (k, d), `intercept` of shape (k,)."""
        W = np.asarray(coef, dtype=np.float64).T
        scores = self.centred @ W + (np.asarray(intercept, dtype=np.float64) + self.mean @ W)
        return self.loss(scores) + float((W**2).sum()) / 2

    def loss(self, scores: Floats) -> float:
        """Return the loss of scores of shape (n, k)."""
        chosen = scores[np.arange(len(scores)), self.labels] if self.outputs > 1 else scores[:, 0] * self.labels
        return float(self.weight @ (_log_partition(scores) - chosen))

    def minimum(self) -> Optimum:
        """Return the minimum of the objective."""
        return _Newton(self).run()


def _log_partition(scores: Floats) -> Floats:
    result: Floats = np.logaddexp(0, scores[:, 0]) if scores.shape[1] == 1 else logsumexp(scores, axis=1)
    return result


class _Newton:
    """Newton's method with conjugate gradients, preconditioned with the Hessian's class blocks."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        rows, columns = objective.centred.shape
        if rows < columns:
            basis, triangle = np.linalg.qr(objective.centred.T)
            design, penalty = triangle.T, np.ones(basis.shape[1])
        else:
            scale = objective.centred.std(axis=0)
            scale[scale == 0] = 1
            design, penalty = objective.centred / scale, scale**-2
        self.design: Floats = np.column_stack([design, np.ones(rows)])
        self.penalty: Floats = np.append(penalty, 0)[:, None]
        self.target = np.zeros((rows, objective.outputs))
        if objective.outputs == 1:
            self.target[:, 0] = objective.labels
        else:
            self.target[np.arange(rows), objective.labels] = 1

    def run(self) -> Optimum:
        V = np.zeros((self.design.shape[1], self.objective.outputs))
        value, uncertainty = self.value(V), math.inf
        for _ in range(NEWTON_STEPS):
            scores = self.design @ V
            P = np.exp(scores - _log_partition(scores)[:, None])
            gradient = self.design.T @ (self.objective.weight[:, None] * (P - self.target)) + self.penalty * V
            step = self.direction(gradient, P, tolerance=min(1e-2, uncertainty))
            decrement = -float((gradient * step).sum()) / 2
            uncertainty = decrement / value
            if uncertainty <= CONVERGED:
                break
            found = self.search(V, step, value, decrement)
            if found is None:
                break
            V, value = found
        return Optimum(value, uncertainty)

    def value(self, V: Floats) -> float:
        return self.objective.loss(self.design @ V) + float((self.penalty * V**2).sum()) / 2

    def search(self, V: Floats, step: Floats, value: float, decrement: float) -> tuple[Floats, float] | None:
        """Return the first halved step with a sufficient decrease; None if rounding leaves no decrease."""
        for halving in range(HALVINGS):
            share = 0.5**halving
            reached = self.value(V + share * step)
            if reached <= value - 1e-2 * share * decrement:
                return V + share * step, reached
        return None

    def direction(self, gradient: Floats, P: Floats, *, tolerance: float) -> Floats:
        """Return the Newton step, to a relative residual of `tolerance`."""
        blocks = self.inverse_blocks(P)
        step = np.zeros_like(gradient)
        residual = -gradient
        preconditioned = self.balanced(np.einsum("kij,jk->ik", blocks, residual))
        along = preconditioned
        size = first = float((residual * preconditioned).sum())
        for _ in range(CG_STEPS):
            if size <= max(tolerance, 1e-8) ** 2 * first or size <= 0:
                break
            curved = self.hessian(along, P)
            curvature = float((along * curved).sum())
            if curvature <= 0:
                break
            step = step + size / curvature * along
            residual = residual - size / curvature * curved
            preconditioned = self.balanced(np.einsum("kij,jk->ik", blocks, residual))
            size, last = float((residual * preconditioned).sum()), size
            along = preconditioned + size / last * along
        return step

    def hessian(self, V: Floats, P: Floats) -> Floats:
        change = self.design @ V
        change = P * (change - (P * change).sum(axis=1, keepdims=True))
        result: Floats = self.design.T @ (self.objective.weight[:, None] * change) + self.penalty * V
        return result

    def inverse_blocks(self, P: Floats) -> Floats:
        """Return the inverse of each class's block of the Hessian, shape (k, columns, columns)."""
        columns = self.design.shape[1]
        blocks = np.empty((P.shape[1], columns, columns))
        for index, curvature in enumerate((self.objective.weight[:, None] * P * (1 - P)).T):
            block = self.design.T @ (curvature[:, None] * self.design)
            block[np.diag_indices(columns)] += self.penalty[:, 0]
            block[np.diag_indices(columns)] *= 1 + 1e-14
            blocks[index] = np.linalg.inv(block)
        return blocks

    def balanced(self, V: Floats) -> Floats:
        """Return the part that changes probabilities: the classes sum to zero, as at the minimum."""
        return V if V.shape[1] == 1 else V - V.mean(axis=1, keepdims=True)
