"""Newton's method for one model, for rows that are cheap to read.

Each step reads all rows. The result does not depend on draws, and hardly on rounding, since the last steps forget the
errors before them. So rows in another order, and weights in place of repeated rows, give the same coefficients.
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

# The share of the slope that a step leaves at most. The loss of separable classes falls exponentially along a step, and
# a longer step saves Hessians. After the first step with a Hessian, its correction makes the next ones longer.
SLOPE_LEFT = 0.4
LATER_SLOPE_LEFT = 0.9
# The Hessian serves further steps while each brings the decrement down by this factor.
FAST = 5.0
# Steps without a gain that rounding would not explain, nor a smaller decrement, before the model is given up.
MOST_IDLE_STEPS = 3
# The fit ends with a step that moves, or leaves to move, no coefficient by more than this times the tolerance times the
# largest.
FINAL_STEP = 0.01
# And the objective by no more than this times the tolerance, as a share.
FINAL_GAIN = 1e-5
# Safety factor of what the last step has left of the decrement, if the next one is to leave no more.
CAUTION = 25.0
# Safety factor of the gain if the fit is cut off. The quadratic model sees half of what an exponential has left to
# fall, such as the loss of classes that are told apart; and a tenth with weights from 1e-6 to 1e6.
CAUTION_IF_CUT_OFF = 100.0
# A last step that moves no intercept, which is a logarithm of odds, by more than this needs no evaluation.
SHORT = 0.1
# A start is given up for weights of zero if its objective is so many times theirs.
WORSE = 2.0
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class NewtonState:
    """A fit of one model between two steps: enough to go on with the same bits in another process.

    Attributes
    ----------
    parameters : array of shape (outputs, d + 1)
        The parameters.
    iteration : int
        Steps so far.
    least_decrement : float
        The smallest decrement so far.
    gain : float
        Predicted relative gain of the last step.
    first_length : float
        The first length to try for the next step.
    idle : int
        Steps without a gain since the last one with a gain.
    finished : bool
        Whether this was the last step.
    directions : HessianState, ProductState or None
        What the directions of the next steps depend on; None before the first step.
    """

    parameters: Floats
    iteration: int = 0
    least_decrement: float = np.inf
    gain: float = np.inf
    first_length: float = 1.0
    idle: int = 0
    finished: bool = False
    directions: HessianState | ProductState | None = None


class Newton:
    """The descent of one model: with the whole Hessian where that is small, otherwise by conjugate gradients.

    Parameters
    ----------
    objective : Objective
        The objective of a single model.
    state : NewtonState
        Where to start.
    tol : float
        The tolerance.
    final_step : float
        The fit ends where no coefficient would move by more than this times the tolerance times the largest one.
    coarse : Objective
        The same in single precision, for products with the Hessian while they are accurate enough; or `objective`.
    inverse : InverseHessian, optional
        Preconditioner of conjugate gradients until blocks are made; the diagonal unless given.

    Attributes
    ----------
    iteration : int
        Steps so far.
    decrement : float
        The squared Newton decrement: the gradient times the inverse Hessian times the gradient. Conjugate gradients
        approach it from below; the Hessian of an earlier point, corrected, may miss it on either side.

    Raises
    ------
    DataError
        The numbers in the rows are so large that the gradient overflows, here or in a later step.
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
        self._tol = tol
        self._final_step = final_step
        self._steps: HessianSteps | ProductSteps
        known = state.directions
        if small(objective):
            assert not isinstance(known, ProductState)
            self._steps = HessianSteps(objective, tol=tol, state=known)
        else:
            assert not isinstance(known, HessianState)
            self._steps = ProductSteps(objective, coarse=coarse, inverse=inverse, state=known)
        self.iteration, self._directions = state.iteration, known
        self._least_decrement, self._last_gain = state.least_decrement, state.gain
        self._first_length, self._idle, self._finished = state.first_length, state.idle, state.finished
        self._estimated = False
        self._point = self._evaluated(state.parameters)
        if not self.value <= WORSE * objective.at_zero_weights[0] and state.least_decrement == np.inf:
            # Hardly any curvature is left where all probabilities are 0 or 1.
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
        """Where the fit is."""
        return self._point.parameters

    @property
    def value(self) -> float:
        """The objective there."""
        return self._point.value

    @property
    def gain(self) -> float:
        """The gain of the step ahead by the quadratic model, relative to the objective."""
        return self.decrement / 2 / self.objective.scale_of(self.value)

    @property
    def distance(self) -> float:
        """The estimated distance from the minimum, relative to the objective."""
        return min(1.0, self.gain if self.done else CAUTION_IF_CUT_OFF * self.gain)

    @property
    def last_step_ahead(self) -> bool:
        """Whether the step ahead is so short, or leaves so little, that the fit ends with it."""
        return self.decrement * self._left <= self._final_decrement and self.gain <= self._tol

    @property
    def _left(self) -> float:
        """The share of the decrement that the step ahead leaves, by that of the last step and some caution."""
        if isinstance(self._steps, ProductSteps) or not 0 < self._least_decrement < np.inf:
            return 1.0
        return min(1.0, CAUTION * self.decrement / self._least_decrement)

    def _final_decrement_at(self, point: Point) -> float:
        """Return the decrement at which the coefficients are final, and the objective.

        The penalty bends the objective by at least 1 in each direction of the weights. Hence the root of the decrement
        bounds the distance from the optimal weights. Without a penalty, nothing does.
        """
        of_objective = 2 * FINAL_GAIN * self._tol * self.objective.scale_of(point.value)
        if not self.objective.penalty[0]:
            return of_objective
        largest = float(np.abs(point.parameters).max())
        return float(min((self._final_step * self._tol * largest) ** 2, of_objective))

    @property
    def done(self) -> bool:
        """Whether the last step has been taken, or rounding keeps the model from any further gain."""
        return self._finished or self._idle >= MOST_IDLE_STEPS

    @property
    def judged(self) -> bool:
        """Whether `distance` is from the Hessian of this point, or of the one before the last step."""
        exact = isinstance(self._steps, HessianSteps) and not self._steps.corrected
        return exact or self._finished or self._estimated

    @property
    def in_doubt(self) -> bool:
        """Whether the fit has ended at a point that is taken for converged by a rough estimate."""
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
        """Whether the step ahead can't do harm: the penalty bounds what it moves of the weights, not of intercepts."""
        return bool(self.objective.penalty[0] and np.abs(self._step[:, -1]).max() <= SHORT)

    def finish(self) -> None:
        """Take the step ahead as the last one: without an evaluation, where it is short."""
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
        """Go as far in the direction of the step ahead as pays."""
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
        """Note a step. Nothing is computed here that could be interrupted: a cancelled fit is of one piece."""
        self._last_gain = self.gain
        self._least_decrement = min(self.decrement, self._least_decrement)
        self._directions = self._steps.state  # before the next `aim`, which a fit that goes on from here will repeat
        self._first_length, self._idle = first_length, idle
        self.iteration += 1
        self._point = point

    def _evaluated(self, parameters: Floats) -> Point:
        value, gradient = self.objective.evaluate(parameters[None])
        return Point(parameters, float(value[0]), gradient[0])

    def _aim(self) -> None:
        """Choose the step ahead."""
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
        """Return a step that moves no intercept far, however little the objective bends there."""
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
            # Rounding has left no curvature: there is no direction, and no estimate of what is left to gain.
            self._step, self.decrement = np.zeros_like(self._step), np.inf
            self._idle = MOST_IDLE_STEPS
        self._slope = self.decrement = max(0.0, self.decrement)
