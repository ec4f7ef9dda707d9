"""Step directions by a factorized Hessian, which is used for several steps.

A Hessian costs as much as several evaluations. So the Hessian of an earlier point is corrected to fit the steps since,
as in L-BFGS (Byrd, Nocedal and Zhu, "Towards a discrete Newton method with memory for large-scale optimization", 1996),
and reduced as the objective falls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.curvature import SEPARATED, WholeHessian
from mnistlib.linear.objective import Objective, Point
from mnistlib.linear.quasi_newton import NO_PAIRS, Pairs, QuasiNewton

__all__ = ["Direction", "HessianState", "HessianSteps"]

# Steps with one factorized Hessian, and further steps if it costs more products than this.
STEPS_PER_HESSIAN = 4
MORE_STEPS = 3
DEAR = 4.0
# A step that tried so many lengths is the last one with its Hessian.
MANY_TRIES = 3
# A Hessian of fewer multiplications costs less than a step, and each step gets its own. With one output and nearly
# separated classes the limit is higher: the Hessian costs about as much as a step, and the curvature changes with each.
FEW_MULTIPLICATIONS = 100_000
FEW_IF_SEPARATED = 2_000_000
# As rows are separated, their curvature falls about as their loss: the Hessian by this power of the objective.
FALL_OF_CURVATURE = 0.75
EPS = float(np.finfo(np.float64).eps)

Direction = tuple[Floats, float]
"""The next step, to be subtracted from the parameters, and the decrement: its product with the gradient."""


@dataclass(frozen=True, eq=False)
class HessianState:
    """State of `HessianSteps` between two steps."""

    # Where the Hessian was factorized, (outputs, d + 1); None if it is of no use for the next step.
    factorized_at: Floats | None = None
    steps: int = 0  # steps since; or the most with one Hessian, if the last step tried many lengths
    pairs: Pairs = NO_PAIRS  # those of the steps, except for steps hidden by rounding
    proven: bool = False  # whether the model had converged there


class HessianSteps:
    """Directions of one model; `state` is that of an earlier fit."""

    def __init__(self, objective: Objective, *, tol: float, state: HessianState | None) -> None:
        self._objective = objective
        self._tol = tol
        layout = objective.layout
        self._most = STEPS_PER_HESSIAN + MORE_STEPS * (layout.hessian_cost > DEAR)
        pairs = layout.outputs * (layout.outputs - 1) // 2 or 1
        multiplications = layout.rows * pairs * (layout.columns + 1) ** 2
        self._cheap = multiplications < FEW_MULTIPLICATIONS
        self._separated = 0.0
        if layout.outputs == 1 and multiplications < FEW_IF_SEPARATED:
            self._separated = SEPARATED * float(objective.at_zero_weights[0])
        state = state or HessianState()
        self._factorized_at, self._steps = state.factorized_at, state.steps
        self._pairs, self._proven = state.pairs, state.proven
        self._hessian: WholeHessian | None = None
        self._factorized_value = np.inf
        if self._factorized_at is not None:
            self._factorized_value = float(objective.evaluate(self._factorized_at[None])[0][0])
            self._hessian = WholeHessian.here(objective)

    @property
    def state(self) -> HessianState:
        """State after the last step."""
        return HessianState(self._factorized_at, self._steps, self._pairs, self._proven)

    @property
    def corrected(self) -> bool:
        """Whether the Hessian is that of an earlier point."""
        return self._steps > 0

    def aim(self, point: Point, *, stuck: bool) -> Direction:
        """Return the direction from the point of the last evaluation; the last step was `stuck` if it gained nothing.

        Convergence needs the curvature of a point whose gain is below the tolerance: that of a point farther away may
        be thousands of times too large.
        """
        if self._hessian is None or stuck:
            return self.exact(point)
        step, decrement = self._turned(point)
        in_doubt = not self._proven and decrement <= self._converged_below(point)
        return self.exact(point) if in_doubt or not decrement > 0 else (step, decrement)

    def renewed(self, point: Point, direction: Direction, *, fast: bool) -> Direction:
        """Return a direction by a new Hessian if the last one has been used for its steps, otherwise the given one.

        A Hessian whose steps are fast is used on. This check is before a step, and not in `aim`: a fit that ends at the
        point needs no Hessian there.
        """
        return self.exact(point) if self._steps >= self._most and not fast else direction

    def took(self, start: Point, end: Point, *, tries: int) -> None:
        """Correct the Hessian by a step, or drop it, also by the number of lengths that the step tried."""
        if self._cheap or end.value < self._separated:
            self._hessian, self._factorized_at, self._steps, self._pairs = None, None, 0, NO_PAIRS
            return
        self._steps = self._most if tries >= MANY_TRIES else self._steps + 1
        step, change = end.parameters - start.parameters, end.gradient - start.gradient
        self._pairs = self._pairs.after(step, change, precision=EPS)

    def exact(self, point: Point) -> Direction:
        """Return the direction from the point of the last evaluation by the Hessian there."""
        self._hessian = WholeHessian.here(self._objective)
        self._factorized_at, self._factorized_value = point.parameters, point.value
        self._steps, self._pairs = 0, NO_PAIRS
        step, decrement = self._turned(point)
        self._proven = decrement <= self._converged_below(point)
        return step, decrement

    def _turned(self, point: Point) -> Direction:
        assert self._hessian is not None
        fall = self._factorized_value / point.value if 0 < point.value < self._factorized_value else 1.0
        inverse = QuasiNewton(self._hessian, self._pairs, fall**FALL_OF_CURVATURE)
        step = self._objective.balanced(inverse.solve(point.gradient))
        return step, float(np.vdot(step, point.gradient))

    def _converged_below(self, point: Point) -> float:
        return 2 * self._tol * self._objective.scale_of(point.value)
