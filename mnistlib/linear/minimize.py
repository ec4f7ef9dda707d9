"""Minimize the objectives of one or several models: preconditioned limited-memory BFGS."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.lbfgs import History, search
from mnistlib.linear.objective import Logits, Objective
from mnistlib.linear.preconditioner import Preconditioner, at_zero, near
from mnistlib.linear.rows import Rows

__all__ = ["Callback", "Progress", "Solution", "minimize"]

# With this many rows for each column, a first approach on as many rows costs little and saves several full passes.
SAMPLE_ROWS_PER_COLUMN = 12
SAMPLE_SHARE = 3
SAMPLE_ITERATIONS = 8
# Iterations after which the preconditioner is computed anew: early, because the Hessian changes most at the start.
REFRESH = (3, 18, 72)
# Steps without a gain that rounding would not explain, nor a smaller gradient, before a model is given up.
MOST_IDLE_STEPS = 5
# Inside a pass, progress is reported no more often than this, in seconds.
REPORT_EVERY = 0.5


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
        The objective; of several models, that of the one with the largest gradient.
    gradient_norm : float
        What is compared with the tolerance; of several models, the largest.
    seconds : float
        Time since the start.
    seconds_left : float or None
        An estimate of the time to convergence, from how fast the gradient has fallen; None where there is none yet.
    """

    iteration: int
    passes: float
    objective: float
    gradient_norm: float
    seconds: float
    seconds_left: float | None


Callback = Callable[[Progress], object]
"""Is called after each iteration, and twice a second inside long passes; returning True ends the fit."""


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
        The largest derivative of the objective, by size, divided by `C` times the sum of the sample weights.
    passes : float
        Passes over the rows until this model was done.
    iterations : int
        Steps taken over all rows.
    converged : bool
        Whether `gradient_norm` is at most the tolerance.
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


class _CancelledError(Exception):
    """The callback has asked for the end."""


class _Descent:
    """The models that are still on their way, all at the same iteration."""

    def __init__(self, objective: Objective, parameters: Floats) -> None:
        self.objective = objective
        self.parameters = objective.balanced(parameters)
        self.state: Logits = objective.logits(self.parameters)
        still = np.zeros_like(self.parameters)
        every = np.arange(len(still))
        self.value: Floats = objective.along(
            every, self.parameters, still, still[:, 0, 0], self.state, self.state
        ).value
        self.gradient: Floats = objective.gradient(self.parameters, self.state)
        self._check_finite()
        self.histories = [History() for _ in parameters]
        self.best_norm = self.gradient_norm
        self.idle: npt.NDArray[np.int_] = np.zeros(len(parameters), dtype=int)

    def _check_finite(self) -> None:
        if not np.isfinite(self.gradient).all():
            precision = self.objective.arithmetic.precision
            raise DataError(f"The numbers in X are too large to compute with in {precision}: scale them down.")

    @property
    def gradient_norm(self) -> Floats:
        largest: Floats = np.abs(self.gradient).max(axis=(1, 2))
        return largest / (self.objective.C * self.objective.total_weight)

    def step(self, preconditioner: Preconditioner) -> None:
        """Go one step: one pass."""
        direction, slope = self._directions(preconditioner)
        change = self.objective.logits(direction)
        steps, value = search(self.objective, self.parameters, direction, slope, self.state, change)
        noise = np.finfo(self.objective.arithmetic.precision).eps * np.abs(self.value)
        steps = np.where(value <= self.value + noise, steps, 0.0)
        moves = steps[:, None, None] * direction
        parameters = self.parameters + moves
        self.objective.advance(self.state, change, steps)
        gradient = self.objective.gradient(parameters, self.state)
        for model, history in enumerate(self.histories):
            history.add(moves[model], gradient[model] - self.gradient[model])
        gain = self.value - value
        self.parameters, self.gradient = parameters, gradient
        self._check_finite()
        self.value = np.where(steps > 0, value, self.value)
        norm = self.gradient_norm
        self.idle = np.where((gain <= noise) & (norm >= self.best_norm), self.idle + 1, 0)
        self.best_norm = np.minimum(norm, self.best_norm)

    @property
    def stalled(self) -> npt.NDArray[np.bool_]:
        """Whether rounding keeps a model from any further gain."""
        return self.idle >= MOST_IDLE_STEPS

    def _directions(self, preconditioner: Preconditioner) -> tuple[Floats, Floats]:
        directions = np.empty_like(self.gradient)
        for model, gradient in enumerate(self.gradient):

            def solve(vector: Floats, model: int = model) -> Floats:
                return self.objective.balanced(preconditioner.solve(model, vector))

            directions[model] = self.histories[model].direction(gradient, solve)
            if np.vdot(directions[model], gradient) >= 0:
                self.histories[model] = History()
                directions[model] = -solve(gradient)
        return directions, np.einsum("mkd,mkd->m", directions, self.gradient)

    def drop(self, gone: npt.NDArray[np.bool_]) -> None:
        """Go on without some of the models."""
        stay = ~gone
        self.objective = self.objective.only(stay)
        self.parameters, self.gradient = self.parameters[stay], self.gradient[stay]
        self.value, self.best_norm, self.idle = self.value[stay], self.best_norm[stay], self.idle[stay]
        self.state = [outputs[stay] for outputs in self.state]
        self.histories = [history for history, left in zip(self.histories, stay, strict=True) if left]


def minimize(
    objective: Objective,
    *,
    start: Floats | None = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
    callback: Callback | None = None,
    random_state: int = 0,
) -> list[Solution]:
    """Minimize the objective of each model.

    Parameters
    ----------
    objective : Objective
        What to minimize.
    start : array of shape (models, outputs, d + 1), optional
        Where to start; at a rough fit to a sample of the rows unless given, or at zero where the rows are few.
    tol : float
        A model has converged when the largest derivative of its objective, divided by `C` times the sum of the sample
        weights, is at most this. That is scikit-learn's measure: the gradient of the mean loss, whose size does not
        depend on the number of rows.
    max_iter : int
        The most steps over all rows, each of which is one pass.
    callback : callable, optional
        Is told of the progress; see `Callback`.
    random_state : int
        The seed of the draws of rows for the sample and the preconditioner.

    Returns
    -------
    list of Solution
        One for each model, in order.

    Notes
    -----
    L-BFGS runs into the condition of image data: neighbouring pixels are nearly the same. Here it is preconditioned,
    at first with the Gram matrix of a sample of the rows, as in D. Boehning, "Multinomial logistic regression
    algorithm" (1992), and after a few iterations with the Hessian's class blocks. The objective, its gradient and so
    the test of convergence are always of all rows.
    """
    return _Fit(objective, tol, max_iter, callback, random_state).run(start)


class _Fit:
    """One call of `minimize`."""

    def __init__(
        self, objective: Objective, tol: float, max_iter: int, callback: Callback | None, random_state: int
    ) -> None:
        self.objective = objective
        self.tol = tol
        self.max_iter = max_iter
        self.callback = callback
        self.random = np.random.default_rng(random_state)
        self.began = self.reported = time.perf_counter()
        self.cancelled = False
        self.iteration = 0
        self.descent: _Descent | None = None
        self.first: tuple[float, float] | None = None
        self.solutions: dict[int, Solution] = {}
        self.left = np.arange(len(objective.C))

    def run(self, start: Floats | None) -> list[Solution]:
        self.objective.on_block = self._on_block
        with self.objective.arithmetic.running():
            parameters, preconditioner = self._approach(start)
            self.descent = _Descent(self.objective, parameters)
            try:
                self._descend(self.descent, preconditioner)
            except _CancelledError:
                pass
            self._finish(self.descent, np.ones(len(self.left), dtype=bool))
        return [self.solutions[model] for model in range(len(self.objective.C))]

    def _approach(self, start: Floats | None) -> tuple[Floats, Preconditioner]:
        """Return where to start and how to begin there, from a sample of the rows where there are many."""
        parameters = np.zeros(self.objective.shape) if start is None else start.astype(np.float64)
        sample = self._sample()
        if sample is None:
            return parameters, at_zero(self.objective)
        preconditioner = at_zero(sample)
        if start is None:
            descent = _Descent(sample, parameters)
            for _ in range(SAMPLE_ITERATIONS):
                descent.step(preconditioner)
            parameters = descent.parameters
        self.objective.passes += sample.passes * sample.rows.shape[0] / self.objective.rows.shape[0]
        return parameters, preconditioner

    def _sample(self) -> Objective | None:
        whole = self.objective
        rows, columns = whole.rows.shape
        size = SAMPLE_ROWS_PER_COLUMN * (columns + 1)
        if rows < SAMPLE_SHARE * size:
            return None
        chosen = np.sort(self.random.choice(rows, size, replace=False))
        weights = None if whole.sample_weight is None else whole.sample_weight[chosen]
        share = size if weights is None else float(np.sum(weights))
        if not share:
            return None
        return Objective(
            Rows(whole.rows.take(chosen), whole.arithmetic),
            whole.labels[chosen],
            classes=whole.classes,
            C=whole.C * (whole.total_weight / share),
            arithmetic=whole.arithmetic,
            sample_weight=weights,
            fit_intercept=whole.fit_intercept,
            scale=whole.scale,
        )

    def _descend(self, descent: _Descent, preconditioner: Preconditioner) -> None:
        while True:
            done = (descent.gradient_norm <= self.tol) | descent.stalled
            if done.any():
                self._finish(descent, done)
                descent.drop(done)
                preconditioner = preconditioner.only(~done)
            if self.cancelled or not len(self.left) or self.iteration == self.max_iter:
                return
            if self.iteration in REFRESH:
                blocks = near(descent.objective, descent.state, self.random)
                preconditioner = preconditioner if blocks is None else blocks
            descent.step(preconditioner)
            self.iteration += 1
            self._report(descent, descent.objective.passes)

    def _finish(self, descent: _Descent, done: npt.NDArray[np.bool_]) -> None:
        norms = descent.gradient_norm
        for model in np.flatnonzero(done):
            self.solutions[int(self.left[model])] = Solution(
                weights=descent.parameters[model, :, :-1].copy(),
                intercept=descent.parameters[model, :, -1].copy(),
                objective=float(descent.value[model]),
                gradient_norm=float(norms[model]),
                passes=descent.objective.passes,
                iterations=self.iteration,
                converged=bool(norms[model] <= self.tol),
                cancelled=self.cancelled,
            )
        self.left = self.left[~done]

    def _on_block(self, passes: float) -> None:
        if self.descent is not None and time.perf_counter() - self.reported >= REPORT_EVERY:
            self._report(self.descent, passes)
            if self.cancelled:
                raise _CancelledError

    def _report(self, descent: _Descent, passes: float) -> None:
        if self.callback is None:
            return
        norms = descent.gradient_norm
        worst = int(np.argmax(norms))
        seconds = time.perf_counter() - self.began
        progress = Progress(
            iteration=self.iteration,
            passes=passes,
            objective=float(descent.value[worst]),
            gradient_norm=float(norms[worst]),
            seconds=seconds,
            seconds_left=self._seconds_left(passes, float(norms[worst]), seconds),
        )
        self.cancelled = self.callback(progress) is True
        self.reported = time.perf_counter()

    def _seconds_left(self, passes: float, norm: float, seconds: float) -> float | None:
        """Extend the fall of the logarithm of the gradient since the first report as a straight line."""
        if self.first is None:
            self.first = passes, norm
        passes_before, norm_before = self.first
        if not self.tol < norm < norm_before or passes <= passes_before:
            return None
        rate = math.log(norm_before / norm) / (passes - passes_before)
        left = min(math.log(norm / self.tol) / rate, self.max_iter - self.iteration)
        return left * seconds / passes
