"""Record of the models of a fit, for its callback, its continuation and its solutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.lbfgs import DescentState
from mnistlib.linear.newton import Newton, NewtonState
from mnistlib.linear.objective import Objective
from mnistlib.linear.progress import Callback, Clock, FitState, ModelPoint, ModelState, Solution, ends_fit

__all__ = ["CancelledError", "Ledger"]


class CancelledError(Exception):
    """Raised inside a pass when the callback cancels the fit."""


class Ledger:
    """Record of the models of one fit; `tol`, `max_iter` and `callback` are those of `minimize`."""

    def __init__(self, objective: Objective, *, tol: float, max_iter: int, callback: Callback | None) -> None:
        self.cancelled = False  # by the callback
        self.in_double = False  # whether all steps are in double precision
        self._objective = objective
        self._tol = tol
        self._callback = callback
        self._points: dict[int, ModelPoint] = {}
        self._states: dict[int, ModelState] = {}
        self._newtons: dict[int, Newton] = {}
        self._clock = Clock(tol, max_iter)

    def resume(self, state: FitState) -> None:
        """Record the models of an earlier fit."""
        self._states = dict(enumerate(state.models))

    def begin_newton(self, model: int, state: NewtonState) -> None:
        """Record that a model waits for its first step."""
        self._states[model] = ModelState(newton=state)

    def note_descent(self, model: int, state: DescentState, gain: float, *, judged: bool) -> None:
        """Record the state of a model, its estimated gain, and whether the gain can show convergence."""
        before = self._states.get(model, ModelState())
        self._states[model] = replace(before, descent=state)
        if before.newton is None:  # otherwise the descent only preconditions the last steps
            self._points[model] = ModelPoint(
                state.parameters, state.value, gain, state.iteration, self._objective.passes, judged
            )

    def note_inverse(self, model: int, iteration: int, parameters: Floats | None) -> None:
        """Record the parameters and the iteration at which the preconditioner of a model was made."""
        before = self._states.get(model, ModelState())
        self._states[model] = replace(before, inverse_at=parameters, inverse_iteration=iteration)

    def note_newton(self, model: int, newton: Newton) -> None:
        """Record the state of a model in its last steps."""
        self._newtons[model] = newton
        self._points[model] = ModelPoint(
            newton.parameters, newton.value, newton.distance, newton.iteration, self._objective.passes, newton.judged
        )

    def report(self, share: float = 0.0) -> None:
        """Call the callback, after a step or inside a pass of which this share is done."""
        if self._callback is None:
            return
        worst = max(self._points.values(), key=lambda point: point.gradient_norm)
        done = max(point.passes for point in self._points.values())
        progress = self._clock.progress(worst, passes=done + share, state=self._state())
        self.cancelled = ends_fit(self._callback(progress)) or self.cancelled

    def on_block(self, share: float) -> None:
        """Call the callback inside a long pass; raise CancelledError if it cancels the fit."""
        if self._points and self._clock.report_due():
            self.report(share)
            if self.cancelled:
                raise CancelledError

    def solutions(self) -> list[Solution]:
        """Return the solutions in the order of the models."""
        self._evaluate_waiting()
        return [self._solution(self._points[model]) for model in range(len(self._objective.C))]

    def _evaluate_waiting(self) -> None:
        """Evaluate models without a step in this fit: it ended before their turn, or they were finished earlier."""
        waiting = {
            model: state.newton
            for model, state in self._states.items()
            if state.newton is not None and model not in self._points
        }
        if not waiting:
            return
        parameters = np.stack([state.parameters for state in waiting.values()])
        values, _ = self._objective.only(list(waiting)).evaluate(parameters)
        for value, (model, state) in zip(values, waiting.items(), strict=True):
            self._points[model] = ModelPoint(
                state.parameters, float(value), state.gain, state.iteration, self._objective.passes, state.finished
            )

    def _state(self) -> FitState:
        """Return the fit after the last step of each model; a step in progress will be repeated."""
        return FitState(
            models=tuple(self._model_state(model) for model in range(len(self._objective.C))),
            passes=self._objective.passes,
            in_double=self.in_double,
        )

    def _model_state(self, model: int) -> ModelState:
        state, newton = self._states[model], self._newtons.get(model)
        if newton is None:
            return state
        return ModelState(state.descent, state.inverse_at, state.inverse_iteration, newton.state)

    def _solution(self, point: ModelPoint) -> Solution:
        return Solution(
            weights=point.parameters[:, :-1].copy(),
            intercept=point.parameters[:, -1].copy(),
            objective=point.value,
            gradient_norm=point.gradient_norm,
            passes=point.passes,
            iterations=point.iteration,
            converged=point.judged and point.gradient_norm <= self._tol,
            cancelled=self.cancelled,
        )
