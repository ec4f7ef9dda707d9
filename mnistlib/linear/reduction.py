"""Equivalent problems that are better conditioned or smaller: centred columns, principal axes, the row space.

All have the same optimum up to a change of variables. Those that change X need a copy of it in float64, so they are for
rows that are cheap to read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.progress import Solution

__all__ = ["Reduction", "axes_pay", "centred", "in_principal_axes", "in_row_space", "is_wide", "principal_axes"]

# Columns are centred if one is farther from zero than so many times its range.
FAR_FROM_ZERO = 100.0
ROWS_TO_LOOK_AT = 100
# The row space pays from so many columns per row on.
COLUMNS_PER_ROW = 2
# Principal axes pay if they cost at most so many passes. Those of a matrix take so many times the cube of its columns,
# in multiplications.
PASSES_FOR_AXES = 6
EIGENVECTORS = 25
# Columns are correlated if the squared correlations of one with the others sum to this, on average.
CORRELATED = 0.2
# If the spreads of columns differ by more, a rotation would lose the small ones in the rounding of the large ones.
LARGEST_SPREAD = 1e3
# Coordinates below this share of the largest are rounding.
ROUNDING = 1e-13
# Least pivot, relative to the largest one, of a Cholesky factor of the rows' inner products that is accurate enough.
LEAST_PIVOT = 1e-4


@dataclass(frozen=True)
class Reduction:
    """A problem with other columns, and the transformation of its solution to the original columns."""

    X: npt.NDArray[Any]  # rows of the problem to solve, (n, d)
    means: Floats | None = None  # subtracted column means, (original columns,)
    # The centred rows, (n, original columns), of which the weights are combinations; None if X has all columns.
    rows: Floats | None = None
    # Orthonormal rows, (d, original columns), which are the axes of X's coordinates; None if X has the original
    # columns, or a triangular matrix replaces the basis of the row space.
    basis: Floats | None = None

    @property
    def changes_columns(self) -> bool:
        """Whether the columns differ from the original ones."""
        return self.means is not None or self.rows is not None or self.basis is not None

    def restored(self, solution: Solution, scale: float) -> Solution:
        """Return the solution of the original problem, whose numbers are multiplied with `scale`."""
        if not self.changes_columns:
            return solution
        weights, intercept = self._original(solution.weights, solution.intercept, scale)
        return replace(solution, weights=weights, intercept=intercept)

    def restored_parameters(self, parameters: Floats, scale: float) -> Floats:
        """Return parameters of this problem, (outputs, d + 1), as parameters of the original one."""
        return np.column_stack(self._original(parameters[:, :-1], parameters[:, -1], scale))

    def _original(self, weights: Floats, intercept: Floats, scale: float) -> tuple[Floats, Floats]:
        if self.basis is not None:
            weights = weights @ self.basis
        elif self.rows is not None:
            weights = self._combination(weights.T, transposed=True).T @ self.rows
        if self.means is not None:
            intercept = intercept - scale * (weights @ self.means)
        return weights, intercept

    def carried(self, parameters: Floats, scale: float) -> Floats:
        """Return parameters of the original problem, (models, outputs, d + 1), as parameters of this one.

        The part of the weights outside the row space is dropped: it changes no output.
        """
        weights, intercept = parameters[..., :-1], parameters[..., -1:]
        if self.means is not None:
            intercept = intercept + scale * (weights @ self.means)[..., None]
        if self.basis is not None:
            weights = weights @ self.basis.T
        elif self.rows is not None:
            weights = self._combination(self.rows @ weights.reshape(-1, weights.shape[-1]).T, transposed=False).T
            weights = weights.reshape(*parameters.shape[:2], -1)
        return np.concatenate([weights, intercept], axis=-1)

    def _combination(self, values: Floats, *, transposed: bool) -> Floats:
        """Return the inverse of `X`, or of its transpose, times `values`; without a basis, `X` is triangular."""
        solved: Floats = solve_triangular(self.X, values, lower=True, trans=int(transposed), check_finite=False)
        return solved


def is_wide(X: npt.NDArray[Any]) -> bool:
    """Return whether there are so many columns that the row space pays."""
    return bool(X.shape[1] >= COLUMNS_PER_ROW * len(X))


@np.errstate(over="ignore", invalid="ignore")
def centred(X: npt.NDArray[Any]) -> Reduction:
    """Return the problem with centred columns, if some are so far from zero that this matters."""
    means = _means_to_subtract(X)
    return Reduction(X) if means is None else Reduction(X.astype(np.float64) - means, means)


@np.errstate(over="ignore", invalid="ignore")
def in_row_space(reduction: Reduction) -> Reduction:
    """Return the problem in coordinates of the space that its rows span: as many columns as rows."""
    rows = reduction.X.astype(np.float64, copy=False)
    triangle = _triangle(rows)
    if triangle is not None:
        return Reduction(triangle, reduction.means, rows=rows)
    basis, upper = np.linalg.qr(rows.T)
    # Linearly dependent rows leave rounding errors, which would be fitted without a penalty.
    upper[np.abs(upper) < ROUNDING * np.abs(upper).max()] = 0
    coordinates: Floats = np.ascontiguousarray(upper.T, dtype=np.float64)
    return Reduction(coordinates, reduction.means, rows=rows, basis=basis.T)


@np.errstate(over="ignore", invalid="ignore")
def in_principal_axes(reduction: Reduction, outputs: int, *, fit_intercept: bool = True) -> Reduction:
    """Return the problem in the principal axes of its rows, or as it is if they do not pay for so many outputs.

    The penalty is the same in all axes. In these the columns are uncorrelated, and the diagonal of the Hessian is close
    to the Hessian.
    """
    rows, columns = reduction.X.shape
    if not axes_pay(rows, columns, outputs):
        return reduction
    X = reduction.X.astype(np.float64, copy=False)
    means = X.mean(axis=0)
    covariance = X.T @ X / rows - means[:, None] * means
    if not fit_intercept:
        if (np.abs(means) > FAR_FROM_ZERO * np.sqrt(covariance.diagonal())).any():
            return reduction  # all rows are far out in one direction, whose rounding would hide the others
        covariance += means[:, None] * means
    if not _correlated(covariance):
        return reduction
    axes = principal_axes(covariance)
    return reduction if axes is None else replace(reduction, X=X @ axes, basis=axes.T)


def axes_pay(rows: int, columns: int, outputs: int) -> bool:
    """Return whether principal axes, and the rotation of all rows into them, cost few passes."""
    cost = EIGENVECTORS * columns**3 + 4 * rows * columns**2
    return cost <= PASSES_FOR_AXES * 4 * rows * columns * outputs


def principal_axes(covariance: Floats) -> Floats | None:
    """Return the eigenvectors of a covariance, one per column; None where they would do harm.

    They do if the spreads of columns differ too much, or if numbers have overflowed.
    """
    variances = covariance.diagonal()
    spread = np.sqrt(variances[variances > 0])
    if not np.isfinite(covariance).all() or not len(spread) or spread.max() > LARGEST_SPREAD * spread.min():
        return None
    axes: Floats = np.linalg.eigh(covariance)[1]
    return axes


def _correlated(covariance: Floats) -> bool:
    varying = covariance.diagonal() > 0
    spread = np.sqrt(covariance.diagonal()[varying])
    correlations = covariance[np.ix_(varying, varying)] / spread / spread[:, None]
    return bool(np.vdot(correlations, correlations) >= (1 + CORRELATED) * len(spread))


def _means_to_subtract(X: npt.NDArray[Any]) -> Floats | None:
    if X.dtype.kind != "f":
        return None
    # A column that is not far from zero in some rows is not in all. The check of all rows does not depend on their
    # order.
    far, _ = _far_from_zero(X[:: max(1, len(X) // ROWS_TO_LOOK_AT)])
    if not far.any():
        return None
    far, varies = _far_from_zero(X)
    if not np.any(far & varies):
        return None
    exact: Floats = X.mean(axis=0, dtype=np.float64)
    return exact


def _far_from_zero(X: npt.NDArray[Any]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which columns are far from zero, relative to their range, and which are not constant."""
    least, largest = X.min(axis=0), X.max(axis=0)
    nearest = np.minimum(np.abs(least), np.abs(largest))
    return nearest > FAR_FROM_ZERO * (largest - least), largest > least


def _triangle(rows: Floats) -> Floats | None:
    """Return the Cholesky factor of the rows' inner products; None if the rows are nearly dependent."""
    try:
        factor: Floats = np.asarray(np.linalg.cholesky(rows @ rows.T), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    pivots = factor.diagonal()
    return factor if pivots.min() > LEAST_PIVOT * pivots.max() else None
