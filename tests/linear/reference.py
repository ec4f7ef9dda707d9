"""Reference optimum in float64: damped Newton on the exact Hessian, certified by the Newton decrement.

Independent of the package. Columns are centred and scaled inside, with the penalty in their own units, so that offsets
and units cost no digits; losses, residuals and curvatures keep their digits where a probability is close to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

__all__ = ["Optimum", "find_optimum", "penalized_loss"]

Floats = npt.NDArray[np.float64]

# Certified: a further Newton step gains less than this share of the objective.
CERTIFIED = 1e-12
MAX_ITERATIONS = 200
BLOCK_NUMBERS = 1 << 21


@dataclass(frozen=True)
class Optimum:
    """A certified minimum of ``C * sum(weights * log_loss) + sum(coef ** 2) / 2``.

    Attributes
    ----------
    coef, intercept : arrays of shape (outputs, columns) and (outputs,)
        One output for two classes, otherwise one for each class.
    scores : array of shape (rows, outputs)
        The outputs for the rows of the problem.
    objective : float
        The minimum.
    decrement : float
        Half the squared Newton decrement, as a share of the objective: the gain of a further step.
    """

    coef: Floats
    intercept: Floats
    scores: Floats
    objective: float
    decrement: float
    iterations: int


def find_optimum(X: npt.ArrayLike, y: npt.NDArray[Any], *, C: float = 1.0, weights: Floats | None = None) -> Optimum:
    """Return the optimum for labels 0 to K - 1; raise ArithmeticError if it cannot be certified."""
    return _Newton(np.asarray(X, dtype=np.float64), y, C, weights).run()


def penalized_loss(
    X: npt.ArrayLike,
    y: npt.NDArray[Any],
    *,
    coef: npt.ArrayLike,
    intercept: npt.ArrayLike,
    C: float = 1.0,
    weights: Floats | None = None,
) -> float:
    """Return the objective of a model, in float64, also where it is a tiny difference of probabilities from 1."""
    coefficients = np.asarray(coef, dtype=np.float64)
    scores = np.asarray(X, dtype=np.float64) @ coefficients.T + np.asarray(intercept, dtype=np.float64)
    losses = _losses(scores, np.asarray(y))
    return float(C * np.sum(losses if weights is None else losses * weights) + np.sum(coefficients**2) / 2)


def _losses(scores: Floats, y: npt.NDArray[Any]) -> Floats:
    return (_BinaryTerms if scores.shape[1] == 1 else _SoftmaxTerms)(scores, y).losses


class _BinaryTerms:
    """Loss, residual and curvature of each row, one output."""

    def __init__(self, scores: Floats, y: npt.NDArray[Any]) -> None:
        self.signs = np.where(y == 1, 1.0, -1.0)
        margins = self.signs * scores[:, 0]
        small = np.exp(-np.abs(margins))
        self.losses = np.maximum(-margins, 0) + np.log1p(small)
        likely, unlikely = 1 / (1 + small), small / (1 + small)
        self._wrong = np.where(margins > 0, unlikely, likely)
        self._product = likely * unlikely

    @property
    def residuals(self) -> Floats:
        residuals: Floats = (-self.signs * self._wrong)[:, None]
        return residuals

    def curvature_along(self, change: Floats) -> Floats:
        """Return the second derivative of the loss of each row along `change`, of shape (rows, 1)."""
        curvature: Floats = self._product * change[:, 0] ** 2
        return curvature

    @property
    def curvatures(self) -> Floats:
        """Second derivatives by each output alone, of shape (rows, outputs)."""
        curvatures: Floats = self._product[:, None]
        return curvatures

    @property
    def probabilities(self) -> None:
        """None: there are no second derivatives by two outputs."""


class _SoftmaxTerms:
    """Loss, residual and curvature of each row, an output for each class."""

    def __init__(self, scores: Floats, y: npt.NDArray[Any]) -> None:
        rows = np.arange(len(y))
        relative = scores - scores[rows, y][:, None]
        highest = relative.max(axis=1)
        powers = np.exp(relative - highest[:, None])
        own = powers[rows, y].copy()
        powers[rows, y] = 0
        others = powers.sum(axis=1)
        total = own + others
        # log1p keeps the digits of a loss close to 0, where the label's own score is the highest.
        self.losses = highest + np.where(highest == 0, np.log1p(others), np.log(total))
        probabilities = powers / total[:, None]
        self.residuals = probabilities.copy()
        self.residuals[rows, y] = -others / total
        self.curvatures = probabilities * ((total[:, None] - powers) / total[:, None])
        probabilities[rows, y] = own / total
        self.curvatures[rows, y] = probabilities[rows, y] * (others / total)
        self.probabilities = probabilities

    def curvature_along(self, change: Floats) -> Floats:
        """Return the second derivative of the loss of each row along `change`, of shape (rows, classes)."""
        mean = np.einsum("nk,nk->n", self.probabilities, change)
        curvature: Floats = np.einsum("nk,nk->n", self.probabilities, (change - mean[:, None]) ** 2)
        return curvature


class _Newton:
    """One search for an optimum, over columns that are centred and scaled, with a last column of ones."""

    def __init__(self, X: Floats, y: npt.NDArray[Any], C: float, weights: Floats | None) -> None:
        classes = int(y.max()) + 1
        self.y = y.astype(np.intp)
        self.outputs = 1 if classes == 2 else classes
        self.factors = np.full(len(y), float(C)) if weights is None else C * weights
        self.terms_of = _BinaryTerms if classes == 2 else _SoftmaxTerms
        self.mean = np.average(X, axis=0, weights=self.factors)
        self.X = np.empty((len(X), X.shape[1] + 1))
        np.subtract(X, self.mean, out=self.X[:, :-1])
        spread = np.sqrt(np.einsum("n,nd,nd->d", self.factors, self.X[:, :-1], self.X[:, :-1]) / self.factors.sum())
        self.scale = np.where(spread > 0, spread, 1.0)
        self.X[:, :-1] /= self.scale
        self.X[:, -1] = 1
        self.penalty = np.append(self.scale**-2.0, 0.0)

    def run(self) -> Optimum:
        parameters = np.zeros((self.outputs, self.X.shape[1]))
        scores = np.zeros((len(self.y), self.outputs))
        last = np.inf
        for iteration in range(MAX_ITERATIONS):
            terms = self.terms_of(scores, self.y)
            objective = float(self.factors @ terms.losses + np.sum(self.penalty * parameters**2) / 2)
            gradient = self._gradient(terms, parameters)
            step = self._newton_step(terms, gradient)
            decrement = float(-np.sum(gradient * step)) / 2 / objective
            # Below this, rounding decides; a step that no longer halves the decrement is the last.
            if decrement <= CERTIFIED and (decrement <= CERTIFIED**2 or decrement > last / 2):
                return Optimum(
                    coef=parameters[:, :-1] / self.scale,
                    intercept=parameters[:, -1] - (parameters[:, :-1] / self.scale) @ self.mean,
                    scores=scores,
                    objective=objective,
                    decrement=abs(decrement),
                    iterations=iteration,
                )
            change = self.X @ step.T
            length = self._length(scores, change, parameters, step, slope=float(np.sum(gradient * step)))
            parameters += length * step
            scores = self.X @ parameters.T
            last = decrement
        raise ArithmeticError(f"the Newton decrement is {last:.1e} of the objective after {MAX_ITERATIONS} iterations")

    def _gradient(self, terms: _BinaryTerms | _SoftmaxTerms, parameters: Floats) -> Floats:
        gradient: Floats = (terms.residuals * self.factors[:, None]).T @ self.X + self.penalty * parameters
        return gradient

    def _newton_step(self, terms: _BinaryTerms | _SoftmaxTerms, gradient: Floats) -> Floats:
        hessian = self._hessian(terms)
        if self.outputs > 1:
            # The same added to all outputs changes no probability, and the optimum's parameters add up to zero over the
            # outputs, as those of all steps do: curvature in that direction changes no step, but makes them accurate.
            width = self.X.shape[1]
            blocks = hessian.reshape(self.outputs, width, self.outputs, width)
            columns = np.arange(width)
            mean = hessian.diagonal().reshape(self.outputs, width).mean(axis=0)
            blocks[:, columns, :, columns] += mean[:, None, None]
        diagonal = hessian.diagonal()
        # A class that is improbable in all rows may have no curvature.
        root = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        hessian *= root[:, None]
        hessian *= root
        solution = root * _solve(hessian, -root * gradient.ravel())
        step: Floats = solution.reshape(gradient.shape)
        return step - step.mean(axis=0) if self.outputs > 1 else step

    def _hessian(self, terms: _BinaryTerms | _SoftmaxTerms) -> Floats:
        width = self.X.shape[1]
        hessian = np.zeros((self.outputs * width, self.outputs * width))
        probabilities = terms.probabilities
        curvatures = terms.curvatures
        places = [slice(output * width, (output + 1) * width) for output in range(self.outputs)]
        on_diagonal = np.zeros((self.outputs, width, width))
        for rows in self._blocks():
            X = self.X[rows]
            if probabilities is not None:
                roots = probabilities[rows] * np.sqrt(self.factors[rows])[:, None]
                products = (roots[:, :, None] * X[:, None, :]).reshape(len(X), -1)
                hessian -= products.T @ products
            for output in range(self.outputs):
                weighted = X * np.sqrt(self.factors[rows] * curvatures[rows, output])[:, None]
                on_diagonal[output] += weighted.T @ weighted
        for place, block in zip(places, on_diagonal, strict=True):
            hessian[place, place] = block
        hessian[np.diag_indices_from(hessian)] += np.tile(self.penalty, self.outputs)
        return hessian

    def _blocks(self) -> Iterator[slice]:
        size = max(1, BLOCK_NUMBERS // (self.outputs * self.X.shape[1]))
        for first in range(0, len(self.X), size):
            yield slice(first, first + size)

    def _length(self, scores: Floats, change: Floats, parameters: Floats, step: Floats, *, slope: float) -> float:
        """Return the step length at which the slope along the step is a tenth of that at its start.

        Slopes, unlike objectives, keep their digits close to the optimum.
        """
        low, high, length = 0.0, np.inf, 1.0
        for _ in range(60):
            terms = self.terms_of(scores + length * change, self.y)
            here = float(
                self.factors @ np.einsum("nk,nk->n", terms.residuals, change)
                + np.sum(self.penalty * (parameters + length * step) * step)
            )
            if abs(here) <= 0.1 * abs(slope):
                break
            low, high = (length, high) if here < 0 else (low, length)
            curvature = float(self.factors @ terms.curvature_along(change) + np.sum(self.penalty * step**2))
            length -= here / curvature if curvature > 0 else 0
            if not low < length < min(high, 10 * (low or 1)):
                length = (low + high) / 2 if high < np.inf else 2 * low
        return length


def _solve(matrix: Floats, right: Floats) -> Floats:
    """Solve for a symmetric matrix with ones on its diagonal, damped as little as rounding allows."""
    for damping in (0.0, 1e-15, 1e-13, 1e-11, 1e-9, 1e-6):
        try:
            factor = scipy.linalg.cho_factor(matrix + damping * np.eye(len(matrix)), lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            continue
        solution: Floats = scipy.linalg.cho_solve(factor, right, check_finite=False)
        return solution
    raise ArithmeticError("the Hessian is not positive definite")
