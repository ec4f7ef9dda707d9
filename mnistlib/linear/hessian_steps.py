"""The direction of a step by a factorized Hessian, which serves several steps.

A Hessian costs as much as several evaluations. So the one of an earlier point is corrected to fit the steps since, as
in L-BFGS (Byrd, Nocedal and Zhu, "Towards a discrete Newton method with memory for large-scale optimization", 1996),
and made smaller as the objective falls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.curvature import SEPARATED, WholeHessian
from mnistlib.linear.objective import Objective, Point
from mnistlib.linear.quasi_newton import NO_PAIRS, Pairs, QuasiNewton

__all__ = ["Direction", "HessianState", "HessianSteps"]

# Steps with one factorized Hessian, and how many more where it costs more products than this.
STEPS_PER_HESSIAN = 4
MORE_STEPS = 3
DEAR = 4.0
# After a step of which so many lengths were tried, a Hessian has served its steps.
MANY_TRIES = 3
# A Hessian of so few multiplications costs less than a step, and each step has its own. So it has, with one output, if
# the Hessian costs about as much as a step and classes are nearly separated: the curvature changes much with each step.
FEW_MULTIPLICATIONS = 100_000
FEW_IF_SEPARATED = 2_000_000
# As rows are told apart, their curvature falls about as their loss does: the Hessian by this power of the objective.
FALL_OF_CURVATURE = 0.75
EPS = float(np.finfo(np.float64).eps)

Direction = tuple[Floats, float]
"""The step ahead, to be subtracted from the parameters, and the decrement: its product with the gradient."""


@dataclass(frozen=True, eq=False)
class HessianState:
    """What `HessianSteps` know between two steps.

    Attributes
    ----------
    factorized_at : array of shape (outputs, d + 1) or None
        Where the Hessian was factorized; None if that is of no use for the next step.
    steps : int
        Steps since; or as many as a Hessian serves, where the last one was hard to take.
    pairs : Pairs
        Those of the steps that rounding has not hidden.
    proven : bool
        Whether the model had converged there.
    """

    factorized_at: Floats | None = None
    steps: int = 0
    pairs: Pairs = NO_PAIRS
    proven: bool = False


class HessianSteps:
    """Directions of one model.

    Parameters
    ----------
    objective : Objective
        The objective of a single model.
    tol : float
        The tolerance.
    state : HessianState or None
        What an earlier fit knew.
    """

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
        known = state or HessianState()
        self._factorized_at, self._steps = known.factorized_at, known.steps
        self._pairs, self._proven = known.pairs, known.proven
        self._hessian: WholeHessian | None = None
        self._factorized_value = np.inf
        if self._factorized_at is not None:
            self._factorized_value = float(objective.evaluate(self._factorized_at[None])[0][0])
            self._hessian = WholeHessian.here(objective)

    @property
    def state(self) -> HessianState:
        """What is known now."""
        return HessianState(self._factorized_at, self._steps, self._pairs, self._proven)

    @property
    def corrected(self) -> bool:
        """Whether the Hessian is that of an earlier point."""
        return self._steps > 0

    def aim(self, point: Point, *, stuck: bool) -> Direction:
        """Return the direction from the point of the last evaluation.

        A model has converged only where the curvature of a point with a gain below the tolerance says so: that of a
        point farther away may be thousands of times too large.

        Parameters
        ----------
        point : Point
            The point.
        stuck : bool
            Whether the last step has not gained anything.
        """
        if self._hessian is None or stuck:
            return self.exact(point)
        step, decrement = self._turned(point)
        in_doubt = not self._proven and decrement <= self._converged_below(point)
        return self.exact(point) if in_doubt or not decrement > 0 else (step, decrement)

    def renewed(self, point: Point, direction: Direction, *, fast: bool) -> Direction:
        """Return another direction from this point if the Hessian has served its steps, otherwise the one given.

        A Hessian whose steps are fast goes on to serve. This is asked before a step, and not in `aim`: a fit that ends
        at the point needs no Hessian there.
        """
        return self.exact(point) if self._steps >= self._most and not fast else direction

    def took(self, start: Point, end: Point, *, tries: int) -> None:
        """Learn from a step, and from how many lengths were tried."""
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
