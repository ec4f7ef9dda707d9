"""Step directions by conjugate gradients, preconditioned by the Hessian's blocks or diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.curvature import Blocks, Diagonal, WholeHessian, factorized
from mnistlib.linear.hessian_steps import Direction
from mnistlib.linear.objective import Objective, Point
from mnistlib.linear.quasi_newton import InverseHessian

__all__ = ["History", "ProductState", "ProductSteps", "conjugate_gradients"]

# Conjugate gradients end when the residual, in the norm of the preconditioner, has fallen to a share between these: the
# root of the expected relative gain, so that the last steps converge superlinearly.
RESIDUAL_LEFT = 1e-3, 0.2
MOST_PRODUCTS = 500
# Single precision is too coarse if a step has not divided the decrement by this factor.
FALL = 4.0
# Largest blocks, in numbers; and the relative gain above which they are formed again in each step.
LARGEST_BLOCKS = 1 << 24
FAR = 1e-3
# Blocks are not formed after fewer products than this: they take double precision, and products do not.
FEW_PRODUCTS = 15
# A preconditioner is replaced if the Hessian finds the decrement larger by this factor: with such a preconditioner,
# products with the Hessian too show little of the remaining gain.
MISJUDGED = 100.0
# Conjugate gradients are ended in favour of blocks after so many times the cost of these.
PATIENCE = 2


@dataclass(frozen=True, eq=False)
class ProductState:
    """State of `ProductSteps` between two steps."""

    blocks_at: Floats | None  # where the Hessian's blocks were last factorized, (outputs, d + 1); None if never
    products: int  # products with the Hessian in the last step
    in_double: bool  # whether single precision has become too coarse for products with the Hessian
    by_diagonal: bool = False  # whether the diagonal has replaced the first preconditioner


@dataclass(frozen=True)
class History:
    """The steps so far."""

    gain: float  # predicted relative gain of the last step
    least_decrement: float
    final_decrement: float  # the decrement that ends the fit


class ProductSteps:
    """Directions of one model.

    `coarse` is the objective in single precision, for products with the Hessian while they are accurate enough, or
    `objective`. `inverse` is the preconditioner until blocks are made; None is the diagonal. `state` is that of an
    earlier fit.
    """

    def __init__(
        self, objective: Objective, *, coarse: Objective, inverse: InverseHessian | None, state: ProductState | None
    ) -> None:
        self._objective = objective
        self._coarse = objective if state is not None and state.in_double else coarse
        self._inverse = None if state is not None and state.by_diagonal else inverse
        self._misjudged = inverse is not None and self._inverse is None
        self._blocks: WholeHessian | Blocks | None = None
        self._blocks_at = None if state is None else state.blocks_at
        self._products = 0 if state is None else state.products
        if self._blocks_at is not None:
            objective.evaluate(self._blocks_at[None])
            self._blocks = factorized(objective)

    @property
    def state(self) -> ProductState:
        """State after the last step."""
        in_double = self._coarse is self._objective
        return ProductState(self._blocks_at, self._products, in_double, self._misjudged)

    def aim(self, point: Point, history: History) -> Direction:
        """Return the direction from the point of the last evaluation."""
        judged = self._products > 0  # the preconditioner was checked by the Hessian in the last step
        if self._want_blocks(history.gain):
            self._factorize(point)
        self._products = 0
        step, decrement = self._solved(point, history, judged=judged)
        if not decrement > 0 and self._coarse is not self._objective and point.gradient.any():
            # Single precision has lost the curvature.
            self._coarse = self._objective
            step, decrement = self._solved(point, history, judged=judged)
        if max(0.0, decrement) > history.least_decrement / FALL:
            self._coarse = self._objective
        return step, decrement

    def estimated(self, point: Point) -> Direction:
        """Return the direction from the point of the last evaluation to three digits, for its decrement.

        A truncated solution underestimates the decrement, sometimes by far.
        """
        inverse = self._preconditioner
        step, _ = conjugate_gradients(self._objective, point.gradient, inverse, residual_left=RESIDUAL_LEFT[0])
        return step, float(np.vdot(step, point.gradient))

    @property
    def _preconditioner(self) -> InverseHessian:
        return self._blocks or self._inverse or Diagonal.here(self._objective)

    @property
    def _affords_blocks(self) -> bool:
        return self._objective.outputs * self._objective.shape[2] ** 2 <= LARGEST_BLOCKS

    def _want_blocks(self, last_gain: float) -> bool:
        """Return whether to factorize the Hessian's blocks at this point.

        If the curvature changes a lot, an approximation from earlier points underestimates the remaining gain.
        """
        if not self._affords_blocks:
            return False
        far = last_gain > FAR if self._blocks is not None else self._inverse is None
        return far or self._products > max(self._objective.layout.hessian_cost, FEW_PRODUCTS)

    def _factorize(self, point: Point) -> None:
        self._blocks, self._blocks_at = factorized(self._objective), point.parameters

    def _solved(self, point: Point, history: History, *, judged: bool) -> Direction:
        """Return the direction and its decrement, from the Hessian and the gradient."""
        inverse = self._preconditioner
        step = self._objective.balanced(inverse.solve(point.gradient))
        decrement = float(np.vdot(step, point.gradient))
        fresh = self._blocks_at is point.parameters
        if fresh and isinstance(self._blocks, WholeHessian):
            return step, decrement
        if judged and 0 <= decrement <= min(history.final_decrement, history.least_decrement) / FALL:
            return step, decrement
        if not (self._coarse is self._objective or self._coarse.is_at(point.parameters[None])):
            self._coarse.evaluate(point.parameters[None])
        gain = max(0.0, decrement) / 2 / self._objective.scale_of(point.value)
        residual_left = float(np.clip(np.sqrt(gain), *RESIDUAL_LEFT))
        # Blocks that cost no more than the products are better.
        patient = fresh or not self._affords_blocks
        most = MOST_PRODUCTS if patient else int(max(PATIENCE * self._objective.layout.hessian_cost, FEW_PRODUCTS))
        step, self._products = conjugate_gradients(
            self._coarse, point.gradient, inverse, residual_left=residual_left, most=most
        )
        found = float(np.vdot(step, point.gradient))
        if fresh or (found <= MISJUDGED * decrement and (self._products < most or patient)):
            return step, found
        if self._affords_blocks:
            self._factorize(point)
        elif self._inverse is not None:
            self._inverse, self._misjudged = None, True  # the diagonal replaces it
        else:
            return step, found
        return self._solved(point, history, judged=judged)


def conjugate_gradients(
    objective: Objective, gradient: Floats, inverse: InverseHessian, *, residual_left: float, most: int = MOST_PRODUCTS
) -> tuple[Floats, int]:
    """Solve the Hessian at the state for a gradient; return the solution and the number of products.

    Preconditioned conjugate gradients (Nocedal and Wright, *Numerical Optimization*, algorithm 5.3), truncated.
    """
    solution = np.zeros_like(gradient)
    residual = gradient
    solved = objective.balanced(inverse.solve(residual))
    if not solved.any():
        return solution, 0
    size = first = float(np.vdot(residual, solved))
    direction = solved
    products = 0
    while products < most:
        products += 1
        product = objective.product(direction)
        bend = float(np.vdot(direction, product))
        if not bend > 0:  # the residual or the probabilities are only rounding
            return (solution if products > 1 else solved), products
        length = size / bend
        solution += length * direction
        residual = residual - length * product
        solved = objective.balanced(inverse.solve(residual))
        before, size = size, float(np.vdot(residual, solved))
        if size <= residual_left**2 * first:
            break
        direction = solved + (size / before) * direction
    return solution, products
