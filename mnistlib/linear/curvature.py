"""Models of one Hessian from all rows: whole, or its diagonal or class blocks, which precondition.

They draw no rows, unlike `preconditioner`: the rows here are few enough to be read.
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

# A Hessian of one output is small if it costs fewer products than this; of several outputs, by its number of rows.
SMALL_COST = 10
SMALL_HESSIAN = 64
# Where the objective has fallen to this share of its value at zero weights, classes are nearly separated.
SEPARATED = 0.3
# The factor of the diagonal for columns that are correlated.
CAUTION = 1.5
# Centred columns are not taken to vary less than this share of their squares: below it is rounding.
LEAST_SPREAD = 1e-12
# The longest step of an intercept, a logarithm of odds, by a diagonal that limits it.
LONGEST = 10.0
TINY = float(np.finfo(float).tiny)
EPS = float(np.finfo(float).eps)
DAMPING = 1e-8
# A matrix with a diagonal of ones that needs a larger ridge than this is none: its numbers have overflowed.
LARGEST_RIDGE = 10.0


@dataclass(frozen=True)
class Diagonal:
    """The diagonal of each class's Hessian, after the intercept has been eliminated.

    Eliminating the intercept centres the columns, so that columns far from zero do no harm.

    Parameters
    ----------
    means : array of shape (outputs, d)
        The means of the columns, weighed with the curvature.
    second : array of shape (outputs, d)
        The second derivatives by the weights, once the intercept follows.
    of_intercept : array of shape (outputs, 1)
        The second derivatives by the intercepts; infinite where they are fixed.
    """

    means: Floats
    second: Floats
    of_intercept: Floats
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
        """Return the diagonal of a model where it was last evaluated, times a factor but for the penalty: one pass.

        With `axes`, it is that along them, as in `InAxes`. With the `gradient`, no intercept moves far.
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
    """An inverse Hessian in other axes of the rows.

    Parameters
    ----------
    inverse : InverseHessian
        The inverse along the axes.
    axes : array of shape (d, d)
        The axes, orthonormal, a column each.
    """

    inverse: InverseHessian
    axes: Floats

    @property
    def rescaled(self) -> bool:
        """Whether to rescale the matrix by the last step."""
        return self.inverse.rescaled

    def solve(self, gradient: Floats) -> Floats:
        """Return the inverse times `gradient`."""
        solved = self.inverse.solve(along(gradient, self.axes))
        return along(solved, self.axes.T)


def along(parameters: Floats, axes: Floats) -> Floats:
    """Return parameters of shape (outputs, d + 1) whose weights are along axes, a column of `axes` each."""
    return np.concatenate([parameters[:, :-1] @ axes, parameters[:, -1:]], axis=1)


@dataclass(frozen=True)
class WholeHessian:
    """The inverse of the Hessian, by its Cholesky factor.

    Parameters
    ----------
    factor : array of shape (size, size)
        The lower factor of the Hessian with a diagonal of ones.
    unit : array of shape (size,)
        The scale factors of its rows and columns.
    """

    factor: Floats
    unit: Floats
    rescaled = False

    @classmethod
    def here(cls, objective: Objective) -> WholeHessian:
        """Return the Hessian of a single model where it was last evaluated."""
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
    """The inverses of the Hessian's class blocks, of several outputs.

    Parameters
    ----------
    factors : array of shape (outputs, d + 1, d + 1)
        For each output F with ``F.T @ F`` the inverse.
    """

    factors: Floats
    rescaled = False

    @classmethod
    def here(cls, objective: Objective) -> Blocks:
        """Return the blocks of a single model where it was last evaluated."""
        factors, units = _factorized(objective.class_hessians(), _choleskies, damping=_damping(objective))
        return cls(np.linalg.inv(factors) * units[:, None, :])

    def solve(self, gradient: Floats) -> Floats:
        """Return the inverse times `gradient`."""
        halfway = np.matmul(self.factors, gradient[:, :, None])
        solved: Floats = np.matmul(self.factors.transpose(0, 2, 1), halfway)[:, :, 0]
        return solved


def factorized(objective: Objective) -> WholeHessian | Blocks:
    """Return the class blocks of a single model's Hessian: with one output, they are the whole."""
    return WholeHessian.here(objective) if objective.outputs == 1 else Blocks.here(objective)


def caution(objective: Objective) -> float:
    """Return the factor of the diagonal with which the first steps of L-BFGS do not go too far.

    The largest eigenvalue of the Hessian is larger than its diagonal: for independent columns of variance 1 by the
    factor of Marchenko and Pastur (1967), for others by more.
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
    """Return second derivatives with 1 in place of 0: without a penalty, nothing bends along an empty column."""
    return np.where(second > 0, second, 1.0)


def _damping(objective: Objective) -> float:
    """Return what is added to a Hessian whose diagonal is one, as in Levenberg's and Marquardt's method.

    Without a penalty nothing bends along combinations of columns that depend on each other, and rounding alone would
    choose how far a step goes there.
    """
    return 0.0 if objective.penalty[0] else DAMPING


def _factorized(hessians: Floats, cholesky: Callable[[Floats], Floats], *, damping: float) -> tuple[Floats, Floats]:
    """Return the Cholesky factors of matrices with a diagonal of ones, and the scale factors for it.

    A singular matrix gets the smallest ridge that lets the factorization succeed. The matrices are overwritten.
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
    """Return the factor of the only matrix, in the order in which LAPACK uses it without a copy."""
    factor: Floats
    factor, failed = dpotrf(matrices[0].T, lower=1)
    if failed:
        raise np.linalg.LinAlgError
    return factor
