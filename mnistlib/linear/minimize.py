"""Minimization of the objectives of one or several models: L-BFGS over shared passes, then Newton's method."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.curvature import small
from mnistlib.linear.descents import Descents
from mnistlib.linear.handover import Handover
from mnistlib.linear.ledger import CancelledError, Ledger
from mnistlib.linear.newton import FINAL_STEP, Newton, NewtonState
from mnistlib.linear.objective import Objective, starting_point
from mnistlib.linear.progress import Callback, FitState, Solution
from mnistlib.linear.quasi_newton import MEMORY

__all__ = ["minimize"]

Steps = Literal["all", "first", "last"]


def minimize(
    objective: Objective,
    *,
    coarse: Objective | None = None,
    start: Floats | FitState | None = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
    callback: Callback | None = None,
    random_state: int = 0,
    first_iteration: int = 0,
    steps: Steps = "all",
    final_step: float = FINAL_STEP,
    remembered: int = MEMORY,
) -> list[Solution]:
    """Minimize the objective of each model, and return a solution for each; raise DataError if numbers overflow.

    `coarse` is the objective in single precision, for all but the last steps. `start`, of shape (models, outputs, d +
    1), may also be the `FitState` of the same models over the same rows, to continue; None is zero weights, or a rough
    fit to a sample if the rows are many. A model has converged when its `Solution.gradient_norm` is at most `tol`, on
    data that is cheap to read by the Hessian. `max_iter` limits the steps over all rows, including the
    `first_iteration` steps that led to `start`. `random_state` is the seed of the draws of rows, if they are many.

    `steps` are "all" for L-BFGS and then Newton's method, or Newton's method alone if the Hessian is small; "first" for
    L-BFGS alone, and "last" for Newton's method alone. Over many rows there is only L-BFGS, which keeps `remembered`
    past steps of each model. Newton's method ends when no coefficient would move by more than `final_step` times `tol`
    times the largest one.

    Notes
    -----
    A small Hessian is formed and factorized, and each serves several steps of Newton's method. Otherwise the first
    steps are those of L-BFGS, which needs a preconditioner on most data. If the rows are cheap to read, it is the
    diagonal of the Hessian, and the last steps are those of Newton's method by conjugate gradients. If they are many,
    it is the class blocks of the Hessian, from rows drawn in proportion to their curvature; at first the Gram matrix of
    a sample, as in D. Boehning, "Multinomial logistic regression algorithm" (1992). If the blocks of many classes do
    not fit into memory, it is the diagonal along the principal axes of the sample. If there are about as many columns
    as rows, or more, none of these pays, and Newton's method follows here too.
    """
    coarse = (coarse or objective).beside(objective)
    handover = Handover(
        objective,
        tol=tol,
        max_iter=max_iter,
        first_iteration=first_iteration,
        few=steps == "first",
        precision=float(np.finfo(coarse.arithmetic.precision).eps),
        followed=objective.layout.cheap,
    )
    ledger = Ledger(objective, tol=tol, max_iter=max_iter, callback=callback)
    ledger.in_double = coarse is objective
    descents = Descents(objective, coarse, handover=handover, ledger=ledger, seed=random_state, remembered=remembered)
    fit = _Fit(objective, descents, handover, ledger, steps, final_step)
    on_block = None if callback is None else ledger.on_block
    with objective.arithmetic.running(), coarse.arithmetic.running():
        try:
            for each in (objective, coarse):
                each.shards.watch(on_block)
            with suppress(CancelledError):
                fit.run(start)
        finally:
            for each in (objective, coarse):
                each.shards.watch(None)
        return ledger.solutions()


@dataclass
class _Fit:
    """One call of `minimize`: the descents by L-BFGS, then Newton's method for one model after the other."""

    objective: Objective
    descents: Descents
    handover: Handover
    ledger: Ledger
    steps: Steps
    final_step: float

    def run(self, start: Floats | FitState | None) -> None:
        """Take all steps, and record them in the ledger."""
        begun = self._begin(start)
        self.descents.run(without=begun)
        if self.steps == "first" or not self.handover.followed:
            return
        for model in range(len(self.objective.C)):
            if self.ledger.cancelled:
                return
            self._finish_by_newton(model, begun.get(model))

    def _begin(self, start: Floats | FitState | None) -> dict[int, NewtonState]:
        """Set all models to their start; return the states of those that take only steps of Newton's method."""
        if isinstance(start, FitState):
            self.descents.resume(start)
            return {model: state.newton for model, state in enumerate(start.models) if state.newton is not None}
        objective = self.objective
        starts = None if start is None else list(objective.balanced(start.astype(np.float64)))
        by_newton = self.steps == "last" or (self.steps == "all" and small(objective))
        if not (objective.layout.cheap and by_newton):
            self.descents.begin(starts)
            return {}
        starts = starts or [starting_point(objective)] * len(objective.C)
        begun = {
            model: NewtonState(parameters, self.handover.first_iteration) for model, parameters in enumerate(starts)
        }
        for model, state in begun.items():
            self.ledger.begin_newton(model, state)
        return begun

    def _finish_by_newton(self, model: int, begun: NewtonState | None) -> None:
        """Take the last steps of a model, from a state or from the end of its descent."""
        if begun is not None and begun.finished:
            return
        handover, ledger = self.handover, self.ledger
        descent = self.descents.of_model.get(model)
        if begun is None:
            assert descent is not None
            if handover.exhausted(descent) and handover.gain(descent) > handover.tol:
                return  # Newton's method could only estimate the distance from the minimum
            begun = NewtonState(descent.state.parameters, descent.state.iteration)
        fine = self.objective.only([model])
        newton = Newton(
            fine,
            begun,
            tol=handover.tol,
            final_step=self.final_step,
            coarse=fine if self.descents.in_double else self.descents.coarse.only([model]),
            inverse=descent if descent is not None and handover.near(descent) else None,
        )
        ledger.note_newton(model, newton)
        while not (newton.done or ledger.cancelled or newton.iteration >= handover.max_iter):
            if newton.last_step_ahead:
                newton.finish()
            else:
                newton.step()
            ledger.note_newton(model, newton)
            ledger.report()
        if newton.in_doubt and not ledger.cancelled:
            newton.estimate_anew()
            ledger.note_newton(model, newton)
