"""Newton's method for one model, for rows that are cheap to read.

Each step reads all rows. The result depends on no draws, and hardly on rounding, since the last steps remove the errors
of earlier ones. So rows in another order, and weights in place of repeated rows, give the same coefficients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.curvature import Diagonal, caution, small
from mnistlib.linear.hessian_steps import Direction, HessianState, HessianSteps
from mnistlib.linear.line_search import LineSearch, Verdict
from mnistlib.linear.objective import Objective, Point, starting_point
from mnistlib.linear.product_steps import History, ProductState, ProductSteps
from mnistlib.linear.quasi_newton import InverseHessian

__all__ = ["FINAL_STEP", "Newton", "NewtonState"]

# Largest share of the slope that a step leaves. The loss of separable classes falls exponentially along a step, and a
# longer step saves Hessians. After the first step with a Hessian, its correction makes the next ones longer.
SLOPE_LEFT = 0.4
LATER_SLOPE_LEFT = 0.9
# A Hessian is used for further steps while each divides the decrement by at least this factor.
FAST = 5.0
# Steps with neither a gain above rounding nor a smaller decrement, after which the model has stalled.
MOST_IDLE_STEPS = 3
# The fit ends with a step that moves no coefficient, or leaves none to move, by more than this times the tolerance
# times the largest one,
FINAL_STEP = 0.01
# and the objective by no more than this times the tolerance, as a share.
FINAL_GAIN = 1e-5
# Safety factor of the decrement's share that the last step has left, if the next step is expected to leave no more.
CAUTION = 25.0
# Safety factor of the gain if the fit is cut off. The quadratic model predicts half of the remaining fall of an
# exponential, such as the loss of separable classes; and a tenth with weights from 1e-6 to 1e6.
CAUTION_IF_CUT_OFF = 100.0
# A last step that moves no intercept (a logarithm of odds) by more than this needs no evaluation.
SHORT = 0.1
# A start is replaced by zero weights if its objective is so many times theirs.
WORSE = 2.0
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class NewtonState:
    """A fit of one model between two steps, which another process can continue with the same bits."""

    parameters: Floats  # (outputs, d + 1)
    iteration: int = 0  # steps so far
    least_decrement: float = np.inf  # the smallest decrement so far
    gain: float = np.inf  # predicted relative gain of the last step
    first_length: float = 1.0  # the first length to try for the next step
    idle: int = 0  # steps since the last one with a gain
    finished: bool = False  # whether this was the last step
    directions: HessianState | ProductState | None = None  # state of the steps' directions; None before the first step


class Newton:
    """The descent of one model: with the whole Hessian if it is small, otherwise by conjugate gradients.

    The fit ends when no coefficient would move by more than `final_step` times the tolerance times the largest one.
    `coarse` is the objective in single precision, for products with the Hessian while they are accurate enough, or
    `objective`. `inverse` preconditions conjugate gradients until blocks are made; None is the diagonal.

    `decrement` is the squared Newton decrement: the gradient times the inverse Hessian times the gradient. Conjugate
    gradients approach it from below; the corrected Hessian of an earlier point may miss it on either side. DataError is
    raised, here or in a later step, if the numbers in the rows are so large that the gradient overflows.
    """

    def __init__(
        self,
        objective: Objective,
        state: NewtonState,
        *,
        tol: float,
        final_step: float = FINAL_STEP,
        coarse: Objective,
        inverse: InverseHessian | None = None,
    ) -> None:
        self.objective = objective
        self._tol, self._final_step = tol, final_step
        self._steps: HessianSteps | ProductSteps
        directions = self._directions = state.directions
        if small(objective):
            assert not isinstance(directions, ProductState)
            self._steps = HessianSteps(objective, tol=tol, state=directions)
        else:
            assert not isinstance(directions, HessianState)
            self._steps = ProductSteps(objective, coarse=coarse, inverse=inverse, state=directions)
        self.iteration = state.iteration
        self._least_decrement, self._last_gain = state.least_decrement, state.gain
        self._first_length, self._idle, self._finished = state.first_length, state.idle, state.finished
        self._estimated = False
        self._point = self._evaluated(state.parameters)
        if not self.value <= WORSE * objective.at_zero_weights[0] and state.least_decrement == np.inf:
            # There is hardly any curvature where all probabilities are 0 or 1.
            self._point = self._evaluated(starting_point(objective))
        self._aim()

    @property
    def state(self) -> NewtonState:
        """The fit after the last step."""
        return NewtonState(
            parameters=self.parameters,
            iteration=self.iteration,
            least_decrement=self._least_decrement,
            gain=self._last_gain,
            first_length=self._first_length,
            idle=self._idle,
            finished=self._finished,
            directions=self._directions,
        )

    @property
    def parameters(self) -> Floats:
        """Parameters after the last step."""
        return self._point.parameters

    @property
    def value(self) -> float:
        """Objective at `parameters`."""
        return self._point.value

    @property
    def gain(self) -> float:
        """Gain of the next step by the quadratic model, relative to the objective."""
        return self.decrement / 2 / self.objective.scale_of(self.value)

    @property
    def distance(self) -> float:
        """Estimated distance from the minimum, relative to the objective."""
        return min(1.0, self.gain if self.done else CAUTION_IF_CUT_OFF * self.gain)

    @property
    def last_step_ahead(self) -> bool:
        """Whether the next step is so short, or leaves so little, that the fit ends with it."""
        return self.decrement * self._left <= self._final_decrement and self.gain <= self._tol

    @property
    def _left(self) -> float:
        """Share of the decrement that the next step leaves: that of the last step, with a safety factor."""
        if isinstance(self._steps, ProductSteps) or not 0 < self._least_decrement < np.inf:
            return 1.0
        return min(1.0, CAUTION * self.decrement / self._least_decrement)

    def _final_decrement_at(self, point: Point) -> float:
        """Return the decrement at which the coefficients and the objective are final.

        The penalty's curvature is at least 1 in each direction of the weights. Hence the root of the decrement bounds
        the distance from the optimal weights. Without a penalty there is no bound.
        """
        of_objective = 2 * FINAL_GAIN * self._tol * self.objective.scale_of(point.value)
        if not self.objective.penalty[0]:
            return of_objective
        largest = float(np.abs(point.parameters).max())
        return float(min((self._final_step * self._tol * largest) ** 2, of_objective))

    @property
    def done(self) -> bool:
        """Whether the last step has been taken, or rounding prevents any further gain."""
        return self._finished or self._idle >= MOST_IDLE_STEPS

    @property
    def judged(self) -> bool:
        """Whether `distance` is from the Hessian of this point, or of the point before the last step."""
        exact = isinstance(self._steps, HessianSteps) and not self._steps.corrected
        return exact or self._finished or self._estimated

    @property
    def in_doubt(self) -> bool:
        """Whether the fit has ended at a point that counts as converged by a rough estimate only."""
        return not self.judged and self.distance <= self._tol

    def estimate_anew(self) -> None:
        """Estimate the gain by the Hessian at the point of the last evaluation."""
        if isinstance(self._steps, HessianSteps):
            self._take(self._steps.exact(self._point))
        else:
            self._take(self._steps.estimated(self._point))
        self._estimated = True

    @property
    def _is_short(self) -> bool:
        """Whether the next step is safe: the penalty bounds how far it moves the weights, but not the intercepts."""
        return bool(self.objective.penalty[0] and np.abs(self._step[:, -1]).max() <= SHORT)

    def finish(self) -> None:
        """Take the next step as the last one: without an evaluation, if it is short."""
        if self._is_short:
            point = self._point
            value = max(0.0, point.value - self.decrement / 2)
            moved = Point(point.parameters - self._step, value, point.gradient)
            self._move(moved, first_length=1.0, idle=0)
        else:
            self._search()
        self._finished = True

    def step(self) -> None:
        """Take one step, and choose the next one."""
        self._estimated = False
        self._search()
        self._aim()

    def _search(self) -> None:
        """Search the step length along the direction of the next step."""
        start, slope_left = self._point, SLOPE_LEFT
        if isinstance(self._steps, HessianSteps) and not self._careful:
            fast = self.decrement <= self._least_decrement / FAST
            self._take(self._steps.renewed(start, (self._step, self.decrement), fast=fast))
            slope_left = LATER_SLOPE_LEFT if self._steps.corrected else SLOPE_LEFT
        search = LineSearch(start.value, -self._slope, precision=EPS, slope_left=slope_left, first=self._first_length)
        while True:
            point = self._evaluated(start.parameters - search.length * self._step)
            slope = -float(np.vdot(self._step, point.gradient))
            verdict = search.tell(point.value, slope)
            if verdict is not Verdict.ANOTHER_LENGTH:
                break
        first_length = search.next_first_length(slope)
        if verdict is Verdict.NO_STEP:
            point, first_length = self._evaluated(start.parameters), 1.0
        if isinstance(self._steps, HessianSteps):
            self._steps.took(start, point, tries=search.tries)
        idle = start.value - point.value <= search.noise and self.decrement >= self._least_decrement / 2
        idle = idle or verdict is Verdict.NO_STEP
        self._move(point, first_length=first_length, idle=self._idle + 1 if idle else 0)

    def _move(self, point: Point, *, first_length: float, idle: int) -> None:
        """Record a step. A cancelled fit stays consistent, since no computation here can be interrupted."""
        self._last_gain = self.gain
        self._least_decrement = min(self.decrement, self._least_decrement)
        self._directions = self._steps.state  # before the next `aim`, which a resumed fit will repeat
        self._first_length, self._idle = first_length, idle
        self.iteration += 1
        self._point = point

    def _evaluated(self, parameters: Floats) -> Point:
        value, gradient = self.objective.evaluate(parameters[None])
        return Point(parameters, float(value[0]), gradient[0])

    def _aim(self) -> None:
        """Choose the next step."""
        self._final_decrement = self._final_decrement_at(self._point)
        if isinstance(self._steps, HessianSteps):
            self._take(self._steps.aim(self._point, stuck=self._idle > 0))
        else:
            history = History(self._last_gain, self._least_decrement, self._final_decrement)
            self._take(self._steps.aim(self._point, history))
        self._careful = self._idle > 0 and self.gain > self._tol
        if self._careful:
            self._step = self._careful_step()
            self._slope = float(np.vdot(self._step, self._point.gradient))

    def _careful_step(self) -> Floats:
        """Return a step that moves no intercept far, however small its curvature is."""
        if not self.objective.is_at(self.parameters[None]):
            self.objective.evaluate(self.parameters[None])
        diagonal = Diagonal.here(self.objective, times=caution(self.objective), gradient=self._point.gradient)
        return self.objective.balanced(diagonal.solve(self._point.gradient))

    def _take(self, direction: Direction) -> None:
        self._step, self.decrement = direction
        if not math.isfinite(self.decrement):
            self.objective.checked(self._point.gradient)
            self.objective.checked(self._step)
        if not self.decrement >= -max(self._final_decrement, EPS * self.value):
            # The curvature is lost to rounding: there is no direction, and no estimate of the remaining gain.
            self._step, self.decrement = np.zeros_like(self._step), np.inf
            self._idle = MOST_IDLE_STEPS
        self._slope = self.decrement = max(0.0, self.decrement)
