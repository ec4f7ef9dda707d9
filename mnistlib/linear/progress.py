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
    """One model of a `FitState`.

    Attributes
    ----------
    descent : DescentState or None
        Its descent by L-BFGS, if there was one.
    inverse_at : array of shape (outputs, d + 1) or None
        The parameters for which the descent's preconditioner was made; None for the one that it began with.
    inverse_iteration : int
        The iteration after which it was made.
    newton : NewtonState or None
        Its last steps by Newton's method, once they have begun.
    """

    descent: DescentState | None = None
    inverse_at: Floats | None = None
    inverse_iteration: int = 0
    newton: NewtonState | None = None


@dataclass(frozen=True, eq=False)
class FitState:
    """A fit between two steps, as a value: arrays and numbers that can be pickled, and do not depend on the device.

    `minimize` goes on from it over the same rows, and a single model takes the same steps to the bit.

    Attributes
    ----------
    models : tuple of ModelState
        One for each model.
    passes : float
        Passes so far.
    in_double : bool
        Whether the numbers in X are too large for single precision, or there is no coarse objective.
    """

    models: tuple[ModelState, ...]
    passes: float
    in_double: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a fit has come.

    Attributes
    ----------
    iteration : int
        Steps completed.
    passes : float
        Passes over all rows so far.
    objective : float
        The objective; of several models, that of the one with the largest `gradient_norm`.
    gradient_norm : float
        The estimate that is compared with the tolerance, as in `Solution`; of several models, the largest. Where rows
        are cheap to read, that of L-BFGS may be far too small: there only the `Solution` says that a fit has converged.
    seconds : float
        Time since the start.
    seconds_left : float or None
        An estimate of the time to convergence, from how fast `gradient_norm` has fallen; None where there is none yet.
    parameters : callable
        Returns the parameters of the model that `objective` is about, after its last step, as a float64 array of shape
        (outputs, d + 1): the weights, and the intercepts last.
    state : FitState or None
        The fit after the last step; None where it was made to other columns than the caller's.
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
"""Is called after each iteration, and twice a second inside long passes; returning True (or NumPy's) ends the fit."""


def ends_fit(answer: object) -> bool:
    """Return whether what a callback has returned ends the fit."""
    return isinstance(answer, bool | np.bool_) and bool(answer)


@dataclass(frozen=True)
class Solution:
    """A fitted model.

    Attributes
    ----------
    weights : float64 array of shape (outputs, d)
        One output for two classes, otherwise one for each class.
    intercept : float64 array of shape (outputs,)
        Zeros without intercept.
    objective : float
        The objective there.
    gradient_norm : float
        Estimated relative distance from the minimum; the name is historical. It is the predicted relative gain of a
        Newton step: half the squared Newton decrement, the norm of the gradient under the inverse Hessian at the last
        point, as a share of the objective (Boyd and Vandenberghe, *Convex Optimization*, 9.5.1). Over many rows the
        inverse Hessian is approximate: the gain counts three times, or the fall that is extrapolated from the last
        steps four times if that is more. Where Newton's method ends before its last step, it is a hundred times the
        gain, and at most 1. It does not depend on the number of rows.
    passes : float
        Passes over the rows until this model was done.
    iterations : int
        Steps taken over all rows.
    converged : bool
        Whether `gradient_norm` is at most the tolerance and, where rows are cheap to read, from the Hessian.
    cancelled : bool
        Whether the callback ended the fit.
    """

    weights: Floats
    intercept: Floats
    objective: float
    gradient_norm: float
    passes: float
    iterations: int
    converged: bool
    cancelled: bool

    @property
    def parameters(self) -> Floats:
        """The weights, and the intercepts last: (outputs, d + 1)."""
        return np.column_stack([self.weights, self.intercept])


@dataclass(frozen=True)
class ModelPoint:
    """A model after its last step, as `Solution` describes it.

    `passes` are those of the fit until then; `judged` says whether `gradient_norm` can show that it has converged.
    """

    parameters: Floats
    value: float
    gradient_norm: float
    iteration: int
    passes: float
    judged: bool


class Clock:
    """The time of a fit, and an estimate of the time left.

    Parameters
    ----------
    tol : float
        The tolerance.
    max_iter : int
        The most steps.
    """

    def __init__(self, tol: float, max_iter: int) -> None:
        self.tol = tol
        self.max_iter = max_iter
        self.began = self.reported = time.perf_counter()
        self.first: tuple[float, float] | None = None

    def report_due(self) -> bool:
        """Return whether the last report is long ago."""
        return time.perf_counter() - self.reported >= REPORT_EVERY

    def progress(self, worst: ModelPoint, *, passes: float, state: FitState) -> Progress:
        """Return the progress of a fit whose worst model is this one."""
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
        """Extend the fall of the logarithm of the measure since the first report as a straight line."""
        norm = worst.gradient_norm
        if self.first is None:
            self.first = passes, norm
        passes_before, norm_before = self.first
        if not self.tol < norm < norm_before or passes <= passes_before:
            return None
        rate = math.log(norm_before / norm) / (passes - passes_before)
        left = min(math.log(norm / self.tol) / rate, self.max_iter - worst.iteration)
        return left * seconds / passes
