"""Progress, stored state and solution of a fit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.lbfgs import DescentState
from mnistlib.linear.newton import NewtonState

__all__ = ["Callback", "Clock", "FitState", "ModelPoint", "ModelState", "Progress", "Solution", "ends_fit"]

# Inside a pass, progress is reported no more often than this, in seconds.
REPORT_EVERY = 0.5


@dataclass(frozen=True, eq=False)
class ModelState:
    """State of one model in a `FitState`."""

    descent: DescentState | None = None  # by L-BFGS, if any
    # (outputs, d + 1), where the descent's preconditioner was made; None for the first one.
    inverse_at: Floats | None = None
    inverse_iteration: int = 0  # the iteration after which it was made
    newton: NewtonState | None = None  # of the last steps, by Newton's method, once begun


@dataclass(frozen=True, eq=False)
class FitState:
    """A fit between two steps: arrays and numbers that can be pickled, and do not depend on the device.

    `minimize` continues it over the same rows, and a single model takes the same steps to the bit.
    """

    models: tuple[ModelState, ...]
    passes: float
    # Whether the numbers in X are too large for single precision, or there is no coarse objective.
    in_double: bool = False


@dataclass(frozen=True)
class Progress:
    """State of a running fit, for its callback.

    Attributes
    ----------
    iteration : int
        Completed steps.
    passes : float
        Passes over all rows so far.
    objective : float
        The objective; of several models, that of the one with the largest `gradient_norm`.
    gradient_norm : float
        The estimate that is compared with the tolerance, as in ``Solution``; of several models, the largest. On data
        that is cheap to read, that of L-BFGS may be far too small: there only the ``Solution`` shows convergence.
    seconds : float
        Time since the start.
    seconds_left : float or None
        Estimated time to convergence, from the fall of `gradient_norm`; None if there is no estimate yet.
    parameters : callable
        Returns the parameters of the model of `objective` after its last step, as a float64 array of shape
        (outputs, d + 1): the weights, and the intercepts last.
    state : FitState or None
        The fit after the last step; None if it is a fit to other columns than the caller's.
    """

    iteration: int
    passes: float
    objective: float
    gradient_norm: float
    seconds: float
    seconds_left: float | None
    parameters: Callable[[], Floats] = field(repr=False)
    state: FitState | None = field(repr=False)


Callback = Callable[[Progress], object]
"""Called after each iteration, and twice a second inside long passes; the result True (or NumPy's) ends the fit."""


def ends_fit(answer: object) -> bool:
    """Return whether the result of a callback ends the fit."""
    return isinstance(answer, bool | np.bool_) and bool(answer)


@dataclass(frozen=True)
class Solution:
    """A fitted model."""

    weights: Floats  # float64 array of shape (outputs, d): one output for two classes, otherwise one for each class
    intercept: Floats  # float64 array of shape (outputs,); zeros without intercept
    objective: float
    # Estimated relative distance from the minimum; the name is historical. It is the predicted relative gain of a
    # Newton step: half the squared Newton decrement (the norm of the gradient under the inverse Hessian at the last
    # point) as a share of the objective (Boyd and Vandenberghe, Convex Optimization, 9.5.1). Over many rows the inverse
    # Hessian is approximate: the gain counts three times, or the fall that is extrapolated from the last steps four
    # times if that is more. If Newton's method ends before its last step, it is a hundred times the gain, and at most
    # 1. It does not depend on the number of rows.
    gradient_norm: float
    passes: float  # passes over the rows until this model was done
    iterations: int  # steps over all rows
    # Whether `gradient_norm` is at most the tolerance and, on data that is cheap to read, from the Hessian.
    converged: bool
    cancelled: bool  # whether the callback ended the fit

    @property
    def parameters(self) -> Floats:
        """Weights, and the intercepts last: (outputs, d + 1)."""
        return np.column_stack([self.weights, self.intercept])


@dataclass(frozen=True)
class ModelPoint:
    """A model after its last step, with the values of its `Solution`."""

    parameters: Floats
    value: float
    gradient_norm: float
    iteration: int
    passes: float  # of the fit until this step
    judged: bool  # whether `gradient_norm` is good enough to show convergence


class Clock:
    """Time of a fit, and an estimate of the time left."""

    def __init__(self, tol: float, max_iter: int) -> None:
        self.tol = tol
        self.max_iter = max_iter
        self.began = self.reported = time.perf_counter()
        self.first: tuple[float, float] | None = None

    def report_due(self) -> bool:
        """Return whether enough time has passed since the last report."""
        return time.perf_counter() - self.reported >= REPORT_EVERY

    def progress(self, worst: ModelPoint, *, passes: float, state: FitState) -> Progress:
        """Return the progress of a fit, given the worst of its models."""
        self.reported = time.perf_counter()
        seconds = self.reported - self.began
        return Progress(
            iteration=worst.iteration,
            passes=passes,
            objective=worst.value,
            gradient_norm=worst.gradient_norm,
            seconds=seconds,
            seconds_left=self._seconds_left(worst, passes, seconds),
            parameters=worst.parameters.copy,
            state=state,
        )

    def _seconds_left(self, worst: ModelPoint, passes: float, seconds: float) -> float | None:
        """Extrapolate the logarithm of `gradient_norm` since the first report as a straight line."""
        norm = worst.gradient_norm
        if self.first is None:
            self.first = passes, norm
        passes_before, norm_before = self.first
        if not self.tol < norm < norm_before or passes <= passes_before:
            return None
        rate = math.log(norm_before / norm) / (passes - passes_before)
        left = min(math.log(norm / self.tol) / rate, self.max_iter - worst.iteration)
        return left * seconds / passes
