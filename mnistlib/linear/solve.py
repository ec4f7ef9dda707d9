"""Fits of models to rows in this process, with the precision, the columns and the order of steps that suit the rows."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic, Floats
from mnistlib.linear.curvature import small
from mnistlib.linear.layout import CHEAP_NUMBERS
from mnistlib.linear.local import local_objective
from mnistlib.linear.minimize import minimize
from mnistlib.linear.objective import Objective
from mnistlib.linear.preconditioner import blocks_pay
from mnistlib.linear.progress import Callback, Progress, Solution
from mnistlib.linear.quasi_newton import MEMORY
from mnistlib.linear.reduction import Reduction, centred, in_principal_axes, in_row_space, is_wide

__all__ = ["Problem", "solve", "unsolved", "usual_memory"]

# For at least so many numbers, the first steps are faster in single precision.
COARSE_PAYS = 1 << 15
# Shares of the working memory: for the residuals of all rows in one precision, and for past steps.
SHARE_OF_RESIDUALS = 1 / 3
SHARE_OF_STEPS = 1 / 3
# Bytes per parameter of a step and the change of its gradient, and of their copies while the newest is added.
BYTES_OF_STEP = 4 * 8
LEAST_STEPS = 3
# Double precision brings the objective no closer to its minimum than this.
LEAST_TOL = float(np.finfo(np.float64).eps)
# Numbers in single precision, or bytes, do not justify coefficients with more digits.
FINAL_STEP_OF_SINGLE = 0.3


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows in this process and the models to fit to them."""

    X: npt.NDArray[Any]  # floats or unsigned bytes of shape (n, d); may be a memory map
    labels: npt.NDArray[Any]  # the class of each row, (n,), as whole numbers from 0 to `classes` - 1
    classes: int  # at least 2
    C: list[float]  # inverse strength of the penalty of each model; infinite for none
    weights: npt.NDArray[Any] | None = None  # (n,); None for 1
    fit_intercept: bool = True  # intercepts are zero without it
    scale: float = 1.0  # factor of every number in X
    threads: int = 1  # blocks of rows in work at a time
    # Limit of working memory in bytes: as far as they fit, the residuals of all rows and past steps are kept. Copies of
    # X, which are made of up to 10 million numbers, and a few times the parameters are not counted.
    memory: float = math.inf

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of parameters: (models, outputs, d + 1)."""
        return len(self.C), 1 if self.classes == 2 else self.classes, self.X.shape[1] + 1

    def over(self, X: npt.NDArray[Any]) -> Problem:
        """Return the problem with these rows in place of its own."""
        return self if X is self.X else replace(self, X=X)

    def without_weightless_rows(self) -> Problem:
        """Return the problem without the rows whose weight is zero."""
        if self.weights is None or self.weights.all():
            return self
        kept = self.weights > 0
        return replace(self, X=self.X[kept], labels=self.labels[kept], weights=self.weights[kept])

    def objective(self, precision: npt.DTypeLike) -> Objective:
        """Return the objective, computed in this precision."""
        return local_objective(
            self.X,
            self.labels,
            classes=self.classes,
            C=self.C,
            arithmetic=Arithmetic(np.dtype(precision), self.threads),
            sample_weight=self.weights,
            fit_intercept=self.fit_intercept,
            scale=self.scale,
            keeps=self._outputs * np.dtype(precision).itemsize <= self.memory * SHARE_OF_RESIDUALS,
        )

    @property
    def steps_remembered(self) -> int:
        """Number of past steps of each model that L-BFGS keeps."""
        of_step = BYTES_OF_STEP * math.prod(self.shape)
        return int(min(max(self.memory * SHARE_OF_STEPS / of_step, LEAST_STEPS), MEMORY))

    @property
    def models_at_once(self) -> int:
        """Number of models to fit over shared passes, with working memory for all of them."""
        of_model = (
            self._outputs * np.dtype(np.float64).itemsize / SHARE_OF_RESIDUALS
            + MEMORY * BYTES_OF_STEP * math.prod(self.shape) / SHARE_OF_STEPS
        ) / len(self.C)
        return max(1, int(min(self.memory / of_model, len(self.C))))

    @property
    def _outputs(self) -> int:
        """Number of outputs, of all models for all rows."""
        models, outputs, _ = self.shape
        return models * outputs * len(self.X)


@cache
def usual_memory() -> int:
    """Return the default bytes of working memory of a fit: a quarter of the machine's memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return 2 << 30


@np.errstate(over="ignore", invalid="ignore")
def solve(
    problem: Problem,
    *,
    start: Floats | None,
    tol: float,
    max_iter: int,
    callback: Callback | None,
    random_state: int,
) -> list[Solution]:
    """Fit the models, and return a solution for each.

    `start` has the shape (models, outputs, d + 1); `tol`, `max_iter`, `callback` and `random_state` are those of
    `minimize`.
    """
    options: dict[str, Any] = {"tol": max(tol, LEAST_TOL), "max_iter": max_iter, "callback": callback}
    options |= {"random_state": random_state, "remembered": problem.steps_remembered}
    if problem.X.dtype != np.float64:
        options["final_step"] = FINAL_STEP_OF_SINGLE
    if problem.X.size <= 2 * CHEAP_NUMBERS:
        problem = problem.without_weightless_rows()
    if problem.X.size > CHEAP_NUMBERS:
        return _solve_large(problem, start, options)
    if problem.X.dtype == np.float16:
        problem = replace(problem, X=problem.X.astype(np.float32))  # once, instead of in each pass
    reduction = centred(problem.X) if problem.fit_intercept else Reduction(problem.X)
    if is_wide(problem.X):
        return _solve_wide(problem, reduction, start, options)
    return _solve_reduced(problem, reduction, start, options)


@np.errstate(over="ignore", invalid="ignore")
def unsolved(problem: Problem, *, start: Floats | None) -> list[Solution]:
    """Return the models before the first step: at `start`, or at zero."""
    objective = problem.objective(np.float64)
    parameters = np.zeros(objective.shape) if start is None else objective.balanced(start)
    values, _ = objective.evaluate(parameters)
    return [
        Solution(
            weights=of_model[:, :-1],
            intercept=of_model[:, -1],
            objective=float(value),
            gradient_norm=np.inf,
            passes=1.0,
            iterations=0,
            converged=False,
            cancelled=False,
        )
        for of_model, value in zip(parameters, values, strict=True)
    ]


def _with_original_columns(options: dict[str, Any], reduction: Reduction, scale: float) -> dict[str, Any]:
    """Return options whose callback gets parameters of the original columns, and no state: it has other columns."""
    callback: Callback | None = options["callback"]
    if callback is None:
        return options

    def on_progress(progress: Progress) -> object:
        def restored() -> Floats:
            return reduction.restored_parameters(progress.parameters(), scale)

        return callback(replace(progress, parameters=restored, state=None))

    return options | {"callback": on_progress}


def _solve_large(problem: Problem, start: Floats | None, options: dict[str, Any]) -> list[Solution]:
    """Fit the models to rows that are too large for a copy."""
    in_double = problem.objective(np.float64)
    if problem.X.dtype == np.float64:
        return minimize(in_double, start=start, **options)
    in_single = problem.objective(np.float32)
    if in_double.layout.cheap or not blocks_pay(in_double):
        return minimize(in_double, coarse=in_single, start=start, **options)
    return minimize(in_single, start=start, **options)


def _solve_reduced(
    problem: Problem, reduction: Reduction, start: Floats | None, options: dict[str, Any]
) -> list[Solution]:
    """Fit the models to other columns, and return the solutions for the original columns."""
    problem = problem.over(reduction.X)
    objective = problem.objective(np.float64)
    # Without a penalty, the weights of axes along which only rounding varies would be unbounded.
    if objective.outputs > 1 and reduction.rows is None and objective.penalty.all() and not small(objective):
        outputs = objective.outputs * len(problem.C)
        turned = in_principal_axes(reduction, outputs, fit_intercept=problem.fit_intercept)
        if turned is not reduction:
            reduction, problem = turned, problem.over(turned.X)
            objective = problem.objective(np.float64)
    if start is not None:
        start = reduction.carried(start, problem.scale)
    all_in_double = small(objective) and objective.layout.cheap  # then all steps are Newton's method
    pays = problem.X.size >= COARSE_PAYS and not all_in_double
    coarse = problem.objective(np.float32) if pays else None
    if reduction.changes_columns:
        options = _with_original_columns(options, reduction, problem.scale)
    solutions = minimize(objective, coarse=coarse, start=start, **options)
    return [reduction.restored(solution, problem.scale) for solution in solutions]


def _solve_wide(
    problem: Problem, reduction: Reduction, start: Floats | None, options: dict[str, Any]
) -> list[Solution]:
    """Fit the models to rows with many more columns than rows.

    A few steps reach a rough solution before the row space is even formed; all other steps are cheaper in it.
    """
    first: list[Solution] = []
    if problem.X.size >= COARSE_PAYS:
        first = _rough(problem, reduction, start, options)
    if first:
        if any(solution.cancelled for solution in first):
            return first
        # A model without steps left that is near its minimum must still be checked by the Hessian.
        if all(each.iterations >= options["max_iter"] and each.gradient_norm > options["tol"] for each in first):
            return first
        start = np.stack([solution.parameters for solution in first])
        options = options | {"steps": "last", "first_iteration": max(solution.iterations for solution in first)}
    last = _solve_reduced(problem, in_row_space(reduction), start, options)
    if not first:
        return last
    rows, columns = problem.X.shape
    return [
        replace(after, passes=before.passes + after.passes * rows / columns)
        for before, after in zip(first, last, strict=True)
    ]


def _rough(problem: Problem, reduction: Reduction, start: Floats | None, options: dict[str, Any]) -> list[Solution]:
    """Return the solutions after a few steps in single precision; none if the numbers are too large for it."""
    carried = None if start is None else reduction.carried(start, problem.scale)
    reduced = problem.over(reduction.X)
    options = _with_original_columns(options, reduction, problem.scale)
    try:
        rough = minimize(reduced.objective(np.float32), start=carried, steps="first", **options)
    except DataError:  # too large for single precision
        return []
    return [reduction.restored(solution, problem.scale) for solution in rough]
