"""Minimize the objectives of one or several models: preconditioned limited-memory BFGS."""

from __future__ import annotations

import math
import time
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.descent import Descent
from mnistlib.linear.objective import Objective
from mnistlib.linear.preconditioner import Preconditioner, at_zero, near
from mnistlib.linear.progress import Callback, Progress, Solution
from mnistlib.linear.rows import Rows

__all__ = ["minimize"]

# With this many rows for each column, a first approach on as many rows costs little and saves several full passes.
SAMPLE_ROWS_PER_COLUMN = 12
SAMPLE_SHARE = 3
SAMPLE_ITERATIONS = 8
# Iterations after which the preconditioner is computed anew: early, because the Hessian changes most at the start.
REFRESH = (3, 18, 72)
# Inside a pass, progress is reported no more often than this, in seconds.
REPORT_EVERY = 0.5


class _CancelledError(Exception):
    """The callback has asked for the end."""


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
        A model has converged when its `Solution.gradient_norm` is at most this.
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
        self.descent: Descent | None = None
        self.first: tuple[float, float] | None = None
        self.solutions: dict[int, Solution] = {}
        self.left = np.arange(len(objective.C))

    def run(self, start: Floats | None) -> list[Solution]:
        self.objective.on_block = self._on_block
        with self.objective.arithmetic.running():
            self.descent = Descent(self.objective, *self._approach(start))
            with suppress(_CancelledError):
                self._descend(self.descent)
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
            descent = Descent(sample, parameters, preconditioner)
            for _ in range(SAMPLE_ITERATIONS):
                descent.step()
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

    def _descend(self, descent: Descent) -> None:
        while True:
            done = (descent.gradient_norm <= self.tol) | descent.stalled
            if done.any():
                self._finish(descent, done)
                descent.drop(done)
            if self.cancelled or not len(self.left) or self.iteration == self.max_iter:
                return
            if self.iteration in REFRESH:
                blocks = near(descent.objective, descent.state, self.random)
                if blocks is not None:
                    descent.use(blocks)
            descent.step()
            self.iteration += 1
            self._report(descent, descent.objective.passes)

    def _finish(self, descent: Descent, done: npt.NDArray[np.bool_]) -> None:
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

    def _report(self, descent: Descent, passes: float) -> None:
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
