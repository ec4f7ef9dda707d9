"""Models of one Hessian from all rows: the whole matrix, or its diagonal or class blocks as preconditioners.

Unlike `preconditioner` they draw no rows, since the rows here are few enough to be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.objective import Objective
from mnistlib.linear.quasi_newton import InverseHessian

__all__ = ["SEPARATED", "Blocks", "Diagonal", "InAxes", "WholeHessian", "along", "caution", "factorized", "small"]

# A Hessian of one output is small if it costs fewer products than this; of several outputs, if it has no more rows.
SMALL_COST = 10
SMALL_HESSIAN = 64
# Below this share of the objective's value at zero weights, classes are nearly separated.
SEPARATED = 0.3
# Factor of the diagonal for correlated columns.
CAUTION = 1.5
# Least variation of centred columns, as a share of their squares: less is rounding.
LEAST_SPREAD = 1e-12
# Longest step of an intercept (a logarithm of odds) by a diagonal that limits it.
LONGEST = 10.0
TINY = float(np.finfo(float).tiny)
EPS = float(np.finfo(float).eps)
DAMPING = 1e-8
# A matrix with a unit diagonal that needs a larger ridge has overflowed.
LARGEST_RIDGE = 10.0


@dataclass(frozen=True)
class Diagonal:
    """The diagonal of each class's Hessian, after elimination of the intercept.

    The elimination centres the columns, so that columns far from zero do no harm.
    """

    means: Floats  # (outputs, d): of the columns, weighted with the curvature
    second: Floats  # (outputs, d): second derivatives by the weights, when the intercept follows
    of_intercept: Floats  # (outputs, 1): second derivatives by the intercepts; infinite if they are fixed
    rescaled = True

    @classmethod
    def here(
        cls,
        objective: Objective,
        model: int = 0,
        *,
        times: float = 1.0,
        axes: Floats | None = None,
        gradient: Floats | None = None,
    ) -> Diagonal:
        """Return the diagonal of a model at its last evaluation, times a factor except for the penalty: one pass.

        With `axes`, it is that along the axes, as in `InAxes`. With the `gradient`, no intercept moves far.
        """
        squares, sums = objective.moments(model, axes)
        if not objective.fit_intercept:
            second = _positive(objective.penalty[model] + times * squares)
            return cls(np.zeros_like(squares), second, np.full((len(sums), 1), np.inf))
        least = TINY if gradient is None else np.abs(gradient[:, -1:]) / LONGEST
        total = np.maximum(sums[:, -1:], least)
        means = sums[:, :-1] / total
        centred = np.maximum(squares - means * sums[:, :-1], LEAST_SPREAD * squares)
        return cls(means, _positive(objective.penalty[model] + times * centred), total)

    def solve(self, gradient: Floats) -> Floats:
        """Return the inverse times `gradient`."""
        solved, of_intercept = np.empty_like(gradient), gradient[:, -1:]
        weights = solved[:, :-1]
        np.multiply(self.means, of_intercept, out=weights)
        np.subtract(gradient[:, :-1], weights, out=weights)
        weights /= self.second
        moved = np.vecdot(self.means, weights)[:, None]
        np.subtract(of_intercept / self.of_intercept, moved, out=solved[:, -1:])
        return solved


@dataclass(frozen=True)
class InAxes:
    """An inverse Hessian along other axes of the rows."""

    inverse: InverseHessian
    axes: Floats  # (d, d): orthonormal, one per column

    @property
    def rescaled(self) -> bool:
        """Whether to rescale the matrix by the last step."""
        return self.inverse.rescaled

    def solve(self, gradient: Floats) -> Floats:
        """Return the inverse times `gradient`."""
        solved = self.inverse.solve(along(gradient, self.axes))
        return along(solved, self.axes.T)


def along(parameters: Floats, axes: Floats) -> Floats:
    """Return parameters, (outputs, d + 1), with the weights along axes: the columns of `axes`."""
    return np.concatenate([parameters[:, :-1] @ axes, parameters[:, -1:]], axis=1)


@dataclass(frozen=True)
class WholeHessian:
    """The inverse of the Hessian, by its Cholesky factor."""

    factor: Floats  # (size, size): lower factor of the Hessian scaled to a unit diagonal
    unit: Floats  # (size,): scale factors of the rows and columns
    rescaled = False

    @classmethod
    def here(cls, objective: Objective) -> WholeHessian:
        """Return the Hessian of a single model at its last evaluation."""
        hessian = objective.hessian()[None] if objective.outputs > 1 else objective.class_hessians()
        factor, units = _factorized(hessian, _cholesky, damping=_damping(objective))
        return cls(factor, units[0])

    def solve(self, gradient: Floats) -> Floats:
        """Return the inverse times `gradient`."""
        solved, _ = dpotrs(self.factor, self.unit * gradient.ravel(), lower=1)
        solved *= self.unit
        reshaped: Floats = solved.reshape(gradient.shape)
        return reshaped


@dataclass(frozen=True)
class Blocks:
    """The inverses of the Hessian's class blocks, for several outputs."""

    factors: Floats  # (outputs, d + 1, d + 1): for each output F with F.T @ F the inverse
    rescaled = False

    @classmethod
    def here(cls, objective: Objective) -> Blocks:
        """Return the blocks of a single model at its last evaluation."""
        factors, units = _factorized(objective.class_hessians(), _choleskies, damping=_damping(objective))
        return cls(np.linalg.inv(factors) * units[:, None, :])

    def solve(self, gradient: Floats) -> Floats:
        """Return the inverse times `gradient`."""
        halfway = np.matmul(self.factors, gradient[:, :, None])
        solved: Floats = np.matmul(self.factors.transpose(0, 2, 1), halfway)[:, :, 0]
        return solved


def factorized(objective: Objective) -> WholeHessian | Blocks:
    """Return the class blocks of a single model's Hessian; with one output they are the whole Hessian."""
    return WholeHessian.here(objective) if objective.outputs == 1 else Blocks.here(objective)


def caution(objective: Objective) -> float:
    """Return the factor of the diagonal that keeps the first steps of L-BFGS from going too far.

    The largest eigenvalue of the Hessian is larger than its diagonal: for independent columns of variance 1 by the
    factor of Marchenko and Pastur (1967), for other columns by more.
    """
    columns_per_row = objective.layout.columns / objective.layout.rows
    of_correlation = CAUTION if columns_per_row < 1 else 1.0
    return of_correlation * (1 + math.sqrt(columns_per_row)) ** 2


def small(objective: Objective) -> bool:
    """Return whether the whole Hessian of a single model is cheap to form and to invert."""
    return objective.outputs * objective.shape[2] <= SMALL_HESSIAN or (
        objective.outputs == 1 and objective.layout.hessian_cost < SMALL_COST
    )


def _positive(second: Floats) -> Floats:
    """Return second derivatives with 1 in place of 0: without a penalty, an empty column has no curvature."""
    return np.where(second > 0, second, 1.0)


def _damping(objective: Objective) -> float:
    """Return the ridge of a Hessian with a unit diagonal, as in the method of Levenberg and Marquardt.

    Without a penalty there is no curvature along combinations of linearly dependent columns, and rounding alone would
    choose the length of a step there.
    """
    return 0.0 if objective.penalty[0] else DAMPING


def _factorized(hessians: Floats, cholesky: Callable[[Floats], Floats], *, damping: float) -> tuple[Floats, Floats]:
    """Return the Cholesky factors of matrices scaled to a unit diagonal, and the scale factors.

    A singular matrix gets the smallest ridge with which the factorization succeeds. The matrices are overwritten.
    """
    units = 1 / np.sqrt(np.maximum(np.einsum("kdd->kd", hessians), TINY))
    hessians *= units[:, :, None]
    hessians *= units[:, None, :]
    ridge = damping
    while ridge < LARGEST_RIDGE:
        np.einsum("kdd->kd", hessians)[...] = 1 + ridge
        try:
            return cholesky(hessians), units
        except np.linalg.LinAlgError:
            ridge = max(10 * ridge, hessians.shape[-1] * EPS)
    return cholesky(np.broadcast_to(np.eye(hessians.shape[-1]), hessians.shape)), units


def _choleskies(matrices: Floats) -> Floats:
    return np.asarray(np.linalg.cholesky(matrices), dtype=np.float64)


def _cholesky(matrices: Floats) -> Floats:
    """Return the factor of the only matrix, in the memory order that LAPACK uses without a copy."""
    factor: Floats
    factor, failed = dpotrf(matrices[0].T, lower=1)
    if failed:
        raise np.linalg.LinAlgError
    return factor
