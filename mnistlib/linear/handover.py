"""The end of a descent by L-BFGS: converged, stalled, or near enough for Newton's method to take over."""

from __future__ import annotations

from dataclasses import dataclass

from mnistlib.linear.lbfgs import Descent, gain_ahead
from mnistlib.linear.objective import Objective

__all__ = ["FIRST_STEPS", "Handover"]

# L-BFGS hands over to Newton's method when the relative gain is below this multiple of the tolerance:
NEWTON_BELOW = 1e-4
# the same with one output,
NEWTON_BELOW_IF_ONE = 0.2
# and if Newton's method follows in another space, with a factorized Hessian.
NEWTON_BELOW_ELSEWHERE = 2.0
# In single precision it is this multiple, unless the rounding error of the objective is smaller.
NEWTON_BELOW_IF_COARSE = 1e-3
# In any precision it is at least this share of the rounding error.
NEWTON_ABOVE_NOISE = 0.1
# L-BFGS also hands over after this share of the iterations, or after this multiple of the cost of the Hessian's blocks
# if that is less; but not before this number of steps.
NEWTON_AFTER = 0.6
NEWTON_PAYS = 3
MORE_STEPS = 12
# If other steps follow in another space, it hands over after this number of steps.
FIRST_STEPS = 20
# Safety factors if Newton's method does not follow: of the gain by the curvature of a few rows some steps ago, and of
# the fall that is extrapolated from the last steps.
CAUTION_OF_SAMPLE = 3.0
CAUTION_AHEAD = 4.0


@dataclass
class Handover:
    """Limits of the descents of one fit."""

    objective: Objective
    tol: float
    max_iter: int  # the most steps
    first_iteration: int  # the steps before the start, which count
    few: bool  # whether other steps follow in another space
    precision: float  # relative rounding error of the objective in these steps; gradients are summed more precisely
    followed: bool  # whether Newton's method follows

    def done(self, descent: Descent) -> bool:
        """Return whether a model takes no more steps of L-BFGS."""
        if descent.stalled or descent.state.iteration >= self.max_iter:
            return True
        if self.followed:
            return self.near(descent) or descent.state.iteration >= self._most_steps
        return self.gain(descent) <= self.tol

    def near(self, descent: Descent) -> bool:
        """Return whether a model is so near its minimum that its last steps can precondition Newton's method."""
        below = NEWTON_BELOW_IF_ONE if self.objective.outputs == 1 else NEWTON_BELOW
        if self.few:
            below = NEWTON_BELOW_ELSEWHERE
        if_coarse = min(NEWTON_BELOW_IF_COARSE * self.tol, self.precision)
        return self.gain(descent) <= max(below * self.tol, if_coarse, NEWTON_ABOVE_NOISE * self.precision)

    def exhausted(self, descent: Descent) -> bool:
        """Return whether a model has taken all its steps, at least one of them in this fit."""
        return descent.state.iteration >= self.max_iter > self.first_iteration

    def gain(self, descent: Descent) -> float:
        """Return the estimated distance of a model from its minimum, relative to its objective.

        Blocks from rows that were drawn some steps ago may underestimate it. So the last steps are extrapolated too,
        unless Newton's method follows. It is at most 1, since the objective does not fall below zero.
        """
        gain = descent.decrement / 2
        if not self.followed:
            noise = self.precision * descent.state.value
            gain = max(CAUTION_OF_SAMPLE * gain, CAUTION_AHEAD * gain_ahead(descent.state.values, noise))
        return min(1.0, gain / self.objective.scale_of(descent.state.value))

    @property
    def _most_steps(self) -> float:
        most = FIRST_STEPS if self.few else max(NEWTON_PAYS * self.objective.layout.hessian_cost, MORE_STEPS)
        left = self.max_iter - self.first_iteration
        return self.first_iteration + min(max(NEWTON_AFTER * left, MORE_STEPS), most)
