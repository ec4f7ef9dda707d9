"""Minimize the objectives of one or several models: L-BFGS over shared passes, and Newton's method to its end."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import numpy as np

from mnistlib.errors import DataError
from mnistlib.linear.approach import approach, axes_of, sample_of
from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.curvature import Diagonal, InAxes, caution, small
from mnistlib.linear.handover import Handover
from mnistlib.linear.lbfgs import Descent, DescentState
from mnistlib.linear.ledger import CancelledError, Ledger
from mnistlib.linear.newton import FINAL_STEP, Newton, NewtonState
from mnistlib.linear.objective import Objective, starting_point
from mnistlib.linear.preconditioner import Preconditioner, at_zero, blocks_pay, leaders, near
from mnistlib.linear.progress import Callback, FitState, Solution
from mnistlib.linear.quasi_newton import MEMORY, InverseHessian

__all__ = ["minimize"]

# Iterations after which blocks are drawn anew: early, because the Hessian changes most at the start.
DRAW_AFTER = (1, 7, 20, 50)
# Not so near the end: they cost as much as several steps where the gain is below so many times the tolerance.
DRAW_ABOVE = 10.0
# Iterations after which the diagonal is formed anew, with several outputs. With one, the curvature of rows that are
# told apart falls to nothing, and with it a diagonal that is of use.
DIAGONAL_AFTER = (6, 12, 24)

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
    """Minimize the objective of each model.

    Parameters
    ----------
    objective : Objective
        The objective.
    coarse : Objective, optional
        The same in single precision, for the steps before the last ones.
    start : array of shape (models, outputs, d + 1) or FitState, optional
        Where to start, or a fit of the same models to the same rows to go on with. Without it, at weights of zero, or
        where the rows are many, at a rough fit to a sample.
    tol : float
        A model has converged when its `Solution.gradient_norm` is at most this, and where rows are cheap to read, by
        the Hessian.
    max_iter : int
        The most steps over all rows.
    callback : callable, optional
        Called with a `Progress`; see `Callback`.
    random_state : int
        The seed of the draws of rows, where the rows are many.
    first_iteration : int
        Steps that have led to `start`; they count.
    steps : "all", "first" or "last"
        "first": L-BFGS only. "last": Newton's method only. "all": L-BFGS, then Newton's method; where the Hessian is
        small, Newton's method only. Over many rows there is only L-BFGS.
    final_step : float
        Newton's method ends where no coefficient would move by more than this times `tol` times the largest one.
    remembered : int
        How many of the last steps of each model L-BFGS remembers.

    Returns
    -------
    list of Solution
        One for each model, in order.

    Raises
    ------
    DataError
        The numbers in X are too large to compute with.

    Notes
    -----
    A small Hessian is formed and factorized: Newton's method, with several steps for each Hessian. Otherwise the first
    steps are those of L-BFGS, which runs into the condition of most data, and is preconditioned. Where the rows are
    cheap to read, by the diagonal of the Hessian, and the last steps are those of Newton's method by conjugate
    gradients. Where they are many, by the Hessian's class blocks from rows that are drawn in proportion to their
    curvature; at first by the Gram matrix of a sample, as in D. Boehning, "Multinomial logistic regression algorithm"
    (1992). Blocks of many classes find no room; then by the diagonal along the principal axes of the sample. Where the
    columns are about as many as the rows, or more, nothing of this pays, and Newton's method follows here too.
    """
    fit = _Fit(
        objective,
        coarse or objective,
        tol=tol,
        max_iter=max_iter,
        callback=callback,
        random_state=random_state,
        first_iteration=first_iteration,
        steps=steps,
        final_step=final_step,
        remembered=remembered,
    )
    return fit.run(start)


class _Fit:
    """One call of `minimize`."""

    def __init__(
        self,
        objective: Objective,
        coarse: Objective,
        *,
        tol: float,
        max_iter: int,
        callback: Callback | None,
        random_state: int,
        first_iteration: int,
        steps: Steps,
        final_step: float,
        remembered: int,
    ) -> None:
        self.objective = objective
        self.coarse = coarse.beside(objective)
        self.tol = tol
        self.max_iter = max_iter
        self.seed = random_state
        self.first_iteration = first_iteration
        self.steps = steps
        self.final_step = final_step
        self.remembered = remembered
        self.cheap = objective.layout.cheap
        self.by_position = False
        self.axes: Floats | None = None
        self.by_diagonal = self.cheap or not blocks_pay(self.coarse)
        self.leads = leaders(objective.C_values)
        self.descents: dict[int, Descent] = {}
        self.handover = Handover(
            objective,
            tol=tol,
            max_iter=max_iter,
            first_iteration=first_iteration,
            few=steps == "first",
            precision=float(np.finfo(coarse.arithmetic.precision).eps),
            followed=self.cheap,
        )
        self.ledger = Ledger(objective, tol=tol, max_iter=max_iter, callback=callback)
        self.ledger.in_double = self.coarse is objective
        self.on_block = None if callback is None else self.ledger.on_block

    def run(self, start: Floats | FitState | None) -> list[Solution]:
        """Minimize, and return the solutions in the order of the models."""
        with self.objective.arithmetic.running(), self.coarse.arithmetic.running():
            try:
                for objective in (self.objective, self.coarse):
                    objective.shards.watch(self.on_block)
                with suppress(CancelledError):
                    self._minimize(start)
            finally:
                for objective in (self.objective, self.coarse):
                    objective.shards.watch(None)
            return self.ledger.solutions()

    def _minimize(self, start: Floats | FitState | None) -> None:
        begun: dict[int, NewtonState] = {}
        if isinstance(start, FitState):
            begun = {model: state.newton for model, state in enumerate(start.models) if state.newton is not None}
            self._resume(start)
        else:
            starts = None if start is None else list(self.objective.balanced(start.astype(np.float64)))
            if self.cheap and (self.steps == "last" or (self.steps == "all" and small(self.objective))):
                default = [starting_point(self.objective)] * len(self.objective.C)
                begun = {
                    model: NewtonState(parameters, self.first_iteration)
                    for model, parameters in enumerate(starts or default)
                }
                for model, state in begun.items():
                    self.ledger.begin_newton(model, state)
            else:
                self._begin(starts)
        self._descend({model: of_model for model, of_model in self.descents.items() if model not in begun})
        if self.steps == "first" or not self.handover.followed:
            return
        for model in range(len(self.objective.C)):
            if self.ledger.cancelled:
                return
            self._finish_by_newton(model, begun.get(model))

    def _begin(self, starts: list[Floats] | None) -> None:
        """Set the descents at their start; in double precision where the numbers are too large for single."""
        try:
            self._set_out(starts)
        except DataError:
            if self.coarse is self.objective:
                raise
            self._give_up_coarse()
            self._set_out(starts)

    def _set_out(self, starts: list[Floats] | None) -> None:
        objective = self.coarse
        inverses: list[InverseHessian] = []
        if not self.cheap:
            at_first, starts = self._approach(starts)
            inverses.extend(at_first)
        default = [starting_point(objective)] * len(objective.C)
        given, starts = starts is not None, starts or default
        values, gradients = objective.evaluate(np.stack(starts))
        worse = ~(values <= objective.at_zero_weights)
        if given and worse.any():
            # Hardly any curvature is left where all probabilities are 0 or 1.
            starts = [other if bad else mine for mine, other, bad in zip(starts, default, worse, strict=True)]
            values, gradients = objective.evaluate(np.stack(starts))
        objective.checked(gradients)
        if self.cheap:
            inverses.extend(self._made(objective, model, iteration=0) for model in range(len(starts)))
        for model, (parameters, inverse) in enumerate(zip(starts, inverses, strict=True)):
            state = DescentState(parameters, gradients[model], float(values[model]), self.first_iteration)
            self.ledger.note_inverse(model, 0, parameters if self.cheap else None)
            self._add(model, state, inverse)

    def _give_up_coarse(self) -> None:
        self.coarse = self.objective
        self.ledger.in_double = True
        self.handover.precision = float(np.finfo(self.objective.arithmetic.precision).eps)

    def _approach(self, starts: list[Floats] | None) -> tuple[list[Preconditioner], list[Floats] | None]:
        """Return the first preconditioners and where to start, from a sample of the rows where there are many."""
        objective = self.coarse
        sample, self.by_position = sample_of(objective, self.seed)
        if self.by_diagonal:
            self.axes = axes_of(objective if sample is None else sample, objective)
            # The diagonal of all columns, once made, is no measure of what is left.
            self.handover.followed = self.axes is None
        if sample is None:
            return at_zero(objective), starts
        starts, inverses = approach(sample, starts, by_diagonal=self.by_diagonal)
        objective.passes += sample.passes * sample.layout.rows / objective.layout.rows
        return inverses, starts

    def _resume(self, state: FitState) -> None:
        """Set the descents as they were; their preconditioners are made again."""
        if state.in_double:
            self._give_up_coarse()
        self.ledger.resume(state)
        at_first: list[Preconditioner] = []
        if not self.cheap:
            zero = np.zeros(self.objective.shape)
            at_first, _ = self._approach(list(zero))
        inverses: dict[int, InverseHessian] = {}
        for model, of_model in enumerate(state.models):
            if of_model.inverse_at is not None:
                source = self.coarse.only([model if self.by_diagonal else self.leads[model]])
                source.evaluate(of_model.inverse_at[None])
                inverses[model] = self._made(source, 0, of_model.inverse_iteration)
            elif of_model.descent is not None:
                inverses[model] = at_first[model]
        # After the last pass of these, so that no callback sees some of the models only, or passes that it has seen.
        self.objective.passes = state.passes
        for model, inverse in inverses.items():
            descent = state.models[model].descent
            assert descent is not None
            self._add(model, descent, inverse)

    def _add(self, model: int, state: DescentState, inverse: InverseHessian) -> None:
        descent = Descent(
            state,
            inverse,
            balanced=self.objective.balanced,
            precision=self.handover.precision,
            remembered=self.remembered,
        )
        self.descents[model] = descent
        self._note(model, descent)

    def _note(self, model: int, descent: Descent) -> None:
        # Where Newton's method follows, the Hessian has the last word: an approximation may be off by any factor.
        gain, judged = self.handover.gain(descent), not self.handover.followed
        self.ledger.note_descent(model, descent.state, gain, judged=judged)

    def _descend(self, live: dict[int, Descent]) -> None:
        """Take steps until each model is done, or ready for Newton's method; all models share each pass."""
        live = {model: descent for model, descent in live.items() if not self.handover.done(descent)}
        while live and not self.ledger.cancelled:
            of_live = self.coarse.only(list(live))
            values, gradients = of_live.evaluate(np.array([descent.trial for descent in live.values()]))
            stepped = [
                (place, model)
                for place, (model, descent) in enumerate(live.items())
                if descent.tell(float(values[place]), gradients[place])
            ]
            for place, model in stepped:
                self._turn(of_live, place, model, live)
            live = {model: descent for model, descent in live.items() if not self.handover.done(descent)}
            if stepped:
                self.ledger.report()

    def _turn(self, of_live: Objective, place: int, model: int, live: dict[int, Descent]) -> None:
        """Choose the next direction of a model that has just stepped, with another preconditioner where it is time."""
        descent = live[model]
        iteration = descent.state.iteration
        inverse = None
        if self._is_due(iteration - self.first_iteration, model):
            inverse = self._made(of_live, place, iteration)
        if inverse is not None:
            for other, follower in live.items():
                if other == model or (not self.by_diagonal and self.leads[other] == model):
                    follower.inverse = inverse
                    self.ledger.note_inverse(other, iteration, descent.state.parameters)
        descent.aim(descent.inverse)
        self._note(model, descent)

    def _is_due(self, steps: int, model: int) -> bool:
        """Return whether a model makes a preconditioner after so many steps."""
        if self.by_diagonal:
            # Over many rows, a diagonal is no match for the first preconditioner unless it is along principal axes.
            pays = self.objective.outputs > 1 if self.cheap else self.axes is not None
            return pays and steps in DIAGONAL_AFTER
        if self.leads[model] != model or steps not in DRAW_AFTER:
            return False
        followers = [descent for other, descent in self.descents.items() if self.leads[other] == model]
        return any(self.handover.gain(descent) > DRAW_ABOVE * self.tol for descent in followers)

    def _made(self, objective: Objective, place: int, iteration: int) -> InverseHessian:
        """Return the preconditioner after an iteration, for the model that was evaluated in this place."""
        if self.by_diagonal:
            times = caution(objective) if iteration == 0 else 1
            diagonal = Diagonal.here(objective, place, times=times, axes=self.axes)
            return diagonal if self.axes is None else InAxes(diagonal, self.axes)
        return near(objective, place, (self.seed, iteration), by_position=self.by_position)

    def _finish_by_newton(self, model: int, begun: NewtonState | None) -> None:
        """Take the last steps of a model, from a state or from the end of its descent."""
        coarse, fine = self.coarse.only([model]), self.objective.only([model])
        descent = self.descents.get(model)
        is_near = descent is not None and self.handover.near(descent)
        if begun is not None and begun.finished:
            return
        if begun is None:
            assert descent is not None
            if self.handover.exhausted(descent) and self.handover.gain(descent) > self.tol:
                return  # without Newton's method, which would only tell how far the minimum is
            begun = NewtonState(descent.state.parameters, descent.state.iteration)
        newton = Newton(
            fine,
            begun,
            tol=self.tol,
            final_step=self.final_step,
            coarse=fine if self.coarse is self.objective else coarse,
            inverse=descent if is_near else None,
        )
        self.ledger.note_newton(model, newton)
        while not (newton.done or self.ledger.cancelled or newton.iteration >= self.max_iter):
            if newton.last_step_ahead:
                newton.finish()
            else:
                newton.step()
            self.ledger.note_newton(model, newton)
            self.ledger.report()
        if newton.in_doubt and not self.ledger.cancelled:
            newton.estimate_anew()
            self.ledger.note_newton(model, newton)
