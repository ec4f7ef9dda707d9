"""An inverse Hessian with corrections that fit it to the last steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg.blas import dtrsv

from mnistlib.linear.arithmetic import Floats

__all__ = ["MEMORY", "NO_PAIRS", "InverseHessian", "Pairs", "QuasiNewton"]

# Default number of steps kept.
MEMORY = 20


class InverseHessian(Protocol):
    """A symmetric positive matrix in place of an inverse Hessian."""

    @property
    def rescaled(self) -> bool:
        """Whether to rescale the matrix by the last step."""

    def solve(self, gradient: Floats) -> Floats:
        """Return the matrix times `gradient`, both of shape (outputs, d + 1)."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The last steps, each with the change of the gradient along it; the oldest first."""

    steps: Floats  # steps and changes: (pairs, outputs, d + 1)
    changes: Floats
    products: Floats  # (pairs, pairs): of each step with its own change and the later ones; zero below the diagonal

    def __len__(self) -> int:
        return len(self.steps)

    def after(self, step: Floats, change: Floats, *, precision: float, most: int = MEMORY) -> Pairs:
        """Return the last `most` pairs after another step, or the same if its change is rounding or not convex."""
        bend = float(np.vdot(step, change))
        squares = float(np.vdot(step, step)) * float(np.vdot(change, change))
        if not bend > precision * math.sqrt(squares):
            return self
        if not len(self):
            return Pairs(step[None], change[None], np.array([[bend]]))
        kept = slice(max(0, len(self) + 1 - most), None)
        steps = np.concatenate([self.steps[kept], step[None]])
        products = np.zeros((len(steps), len(steps)))
        products[:-1, :-1] = self.products[kept, kept]
        products[:, -1] = steps.reshape(len(steps), -1) @ change.ravel()
        return Pairs(steps, np.concatenate([self.changes[kept], change[None]]), products)


NO_PAIRS = Pairs(np.empty((0, 0, 0)), np.empty((0, 0, 0)), np.empty((0, 0)))


@dataclass(frozen=True, eq=False)
class QuasiNewton:
    """An inverse Hessian with the corrections of the last steps.

    `factor` is that of `inverse` between the corrections, unless it is rescaled by the last step.

    This is the two-loop recursion (Nocedal and Wright, *Numerical Optimization*, algorithm 7.4). Each of its two loops
    solves a triangular system. Written with matrices, it takes a fifth of the time for 20 pairs of 2,000 numbers.
    """

    inverse: InverseHessian
    pairs: Pairs
    factor: float = 1.0

    def __post_init__(self) -> None:
        if len(self.pairs) and self.inverse.rescaled:
            change = self.pairs.changes[-1]
            factor = float(self.pairs.products[-1, -1]) / float(np.vdot(change, self.inverse.solve(change)))
            object.__setattr__(self, "factor", factor)

    def solve(self, gradient: Floats) -> Floats:
        """Return the corrected matrix times `gradient`."""
        pairs = self.pairs
        if not len(pairs):
            return self.inverse.solve(gradient)
        steps, changes = pairs.steps.reshape(len(pairs), -1), pairs.changes.reshape(len(pairs), -1)
        triangle = pairs.products.T  # in the order of LAPACK
        shares = dtrsv(triangle, steps @ gradient.ravel(), lower=1, trans=1)
        result = self.inverse.solve(gradient - (shares @ changes).reshape(gradient.shape))
        result *= self.factor
        left = pairs.products.diagonal() * shares - changes @ result.ravel()
        result += (dtrsv(triangle, left, lower=1) @ steps).reshape(gradient.shape)
        return result
