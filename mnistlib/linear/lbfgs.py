"""Limited-memory BFGS for one model, as a state machine: the caller evaluates `trial` and passes the result to `tell`.

It reads no rows. So the points of several models can be evaluated in one pass, and a descent can be stored as a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.line_search import LineSearch, Verdict
from mnistlib.linear.quasi_newton import MEMORY, NO_PAIRS, InverseHessian, Pairs, QuasiNewton

__all__ = ["Descent", "DescentState", "gain_ahead"]

# Steps over which the fall of the objective is measured.
WINDOW = 3
# Nearly all steps leave less of the slope at the first length.
SLOPE_LEFT = 0.9
# Steps with neither a gain above rounding nor a smaller decrement, after which the model has stalled.
MOST_IDLE_STEPS = 5


@dataclass(frozen=True, eq=False)
class DescentState:
    """A descent between two steps."""

    parameters: Floats  # parameters and gradient: (outputs, d + 1)
    gradient: Floats
    value: float  # the objective
    iteration: int = 0  # steps so far
    pairs: Pairs = NO_PAIRS  # of the last steps
    least_decrement: float = np.inf  # the smallest decrement so far
    first_length: float = 1.0  # the first length to try for the next step
    idle: int = 0  # steps since the last one with a gain
    values: tuple[float, ...] = ()  # the objective after the last steps, this one included


def gain_ahead(values: tuple[float, ...], noise: float) -> float:
    """Return the fall of the objective that remains if it continues as in the last steps.

    The falls over the last steps, and over as many before them, are two terms of a geometric series; unless both are
    below `noise`.
    """
    window = min(WINDOW, (len(values) - 1) // 2)
    if window < 1:
        return np.inf
    before, last = values[-2 * window - 1] - values[-window - 1], values[-window - 1] - values[-1]
    if max(abs(before), abs(last)) <= noise:
        return noise
    return last * last / (before - last) if last < before else np.inf


class Descent:
    """The descent of one model; its last steps make it an approximate inverse Hessian.

    `inverse` is the first approximation, which `remembered` steps correct. `balanced` projects a direction onto those
    that change the probabilities. `precision` is the relative rounding error of the objective.

    `decrement` is the gradient times the approximate inverse Hessian times the gradient: twice the gain of a step by
    the quadratic model. `trial` is the next point to evaluate, of shape (outputs, d + 1).
    """

    def __init__(
        self,
        state: DescentState,
        inverse: InverseHessian,
        *,
        balanced: Callable[[Floats], Floats],
        precision: float,
        remembered: int = MEMORY,
    ) -> None:
        self.state = state
        self._balanced = balanced
        self._precision = precision
        self._remembered = remembered
        self.aim(inverse)

    @property
    def stalled(self) -> bool:
        """Whether rounding prevents any further gain."""
        return self.state.idle >= MOST_IDLE_STEPS

    def aim(self, inverse: InverseHessian) -> None:
        """Choose the direction of the next step, and use this approximation from now on."""
        self.inverse = inverse
        direction, slope = self._direct()
        if len(self.state.pairs) and not slope < 0:
            self.state = replace(self.state, pairs=NO_PAIRS)
            direction, slope = self._direct()
        self.decrement = max(0.0, -slope)
        self._direction = direction
        first = self.state.first_length
        self._search = LineSearch(
            self.state.value, slope, precision=self._precision, slope_left=SLOPE_LEFT, first=first
        )
        self.trial = self.state.parameters + first * direction

    def _direct(self) -> tuple[Floats, float]:
        """Return the direction from the current point, and the slope along it."""
        self._corrected = QuasiNewton(self.inverse, self.state.pairs)
        direction = -self.solve(self.state.gradient)
        return direction, float(np.vdot(direction, self.state.gradient))

    def tell(self, value: float, gradient: Floats) -> bool:
        """Take the objective and the gradient at `trial`; return whether the step ends there.

        If so, `aim` chooses the next step. Otherwise `trial` is another point.
        """
        slope = float(np.vdot(self._direction, gradient))
        verdict = self._search.tell(value, slope)
        if verdict is Verdict.ANOTHER_LENGTH:
            self.trial = self.state.parameters + self._search.length * self._direction
            return False
        start = self.state
        if verdict is Verdict.NO_STEP:
            idle, iteration = start.idle + 1, start.iteration + 1
            self.state = replace(start, pairs=NO_PAIRS, first_length=1.0, idle=idle, iteration=iteration)
            return True
        step, change = self._search.length * self._direction, gradient - start.gradient
        idle = start.value - value <= self._search.noise and self.decrement >= start.least_decrement / 2
        self.state = DescentState(
            parameters=self.trial,
            gradient=gradient,
            value=value,
            iteration=start.iteration + 1,
            pairs=start.pairs.after(step, change, precision=self._precision, most=self._remembered),
            least_decrement=min(self.decrement, start.least_decrement),
            first_length=self._search.next_first_length(slope),
            idle=start.idle + 1 if idle else 0,
            values=(*(start.values or (start.value,)), value)[-2 * WINDOW - 1 :],
        )
        return True

    rescaled = False

    def solve(self, gradient: Floats) -> Floats:
        """Return the approximate inverse Hessian times a gradient."""
        return self._balanced(self._corrected.solve(gradient))
