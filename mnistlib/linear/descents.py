"""Descents of a fit by L-BFGS: their starts, preconditioners and steps over shared passes."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mnistlib.errors import DataError
from mnistlib.linear.approach import approach, axes_of, sample_of
from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.curvature import Diagonal, InAxes, caution
from mnistlib.linear.handover import Handover
from mnistlib.linear.lbfgs import Descent, DescentState
from mnistlib.linear.ledger import Ledger
from mnistlib.linear.objective import Objective, starting_point
from mnistlib.linear.preconditioner import Preconditioner, at_zero, blocks_pay, leaders, near
from mnistlib.linear.progress import FitState
from mnistlib.linear.quasi_newton import InverseHessian

__all__ = ["Descents"]

# Iterations after which blocks are drawn again: early, since the Hessian changes most at the start.
DRAW_AFTER = (1, 7, 20, 50)
# Not drawn near the end, below so many times the tolerance: they cost as much as several steps.
DRAW_ABOVE = 10.0
# Iterations after which the diagonal is formed again, with several outputs. With one output, the curvature of separated
# rows falls to nothing, and the diagonal becomes useless.
DIAGONAL_AFTER = (6, 12, 24)


class Descents:
    """Descents of the models of one fit.

    The steps evaluate `coarse`, which is the same as `objective` in single precision, or `objective` itself; also once
    the numbers prove too large for single precision. `remembered` past steps of each model are kept. `of_model` has the
    descent of each model that has one.
    """

    def __init__(
        self,
        objective: Objective,
        coarse: Objective,
        *,
        handover: Handover,
        ledger: Ledger,
        seed: int,
        remembered: int,
    ) -> None:
        self.coarse = coarse
        self.of_model: dict[int, Descent] = {}
        self._objective = objective
        self._handover = handover
        self._ledger = ledger
        self._seed = seed
        self._remembered = remembered
        self._cheap = objective.layout.cheap
        self._by_position = False
        self._axes: Floats | None = None
        self._by_diagonal = self._cheap or not blocks_pay(coarse)
        self._leads = [] if self._by_diagonal else leaders(objective.C_values)

    @property
    def in_double(self) -> bool:
        """Whether the steps evaluate the same objective as Newton's method."""
        return self.coarse is self._objective

    def begin(self, starts: list[Floats] | None) -> None:
        """Set the descents to their start, in double precision if the numbers are too large for single."""
        try:
            self._start(starts)
        except DataError:
            if self.in_double:
                raise
            self._give_up_coarse()
            self._start(starts)

    def resume(self, state: FitState) -> None:
        """Restore the descents of an earlier fit, and make their preconditioners again."""
        if state.in_double:
            self._give_up_coarse()
        self._ledger.resume(state)
        at_first: list[Preconditioner] = []
        if not self._cheap:
            zero = np.zeros(self._objective.shape)
            at_first, _ = self._approach(list(zero))
        inverses: dict[int, InverseHessian] = {}
        for model, of_model in enumerate(state.models):
            if of_model.inverse_at is not None:
                source = self.coarse.only([model if self._by_diagonal else self._leads[model]])
                source.evaluate(of_model.inverse_at[None])
                inverses[model] = self._made(source, 0, of_model.inverse_iteration)
            elif of_model.descent is not None:
                inverses[model] = at_first[model]
        # Set after the last of these passes: a callback sees neither a part of the models nor passes that it has seen
        # before.
        self._objective.work.passes = state.passes
        for model, inverse in inverses.items():
            descent = state.models[model].descent
            assert descent is not None
            self._add(model, descent, inverse)

    def run(self, *, without: Collection[int]) -> None:
        """Take steps until each model is done, or ready for Newton's method; all models share each pass.

        Models in `without` take no step: their steps by Newton's method have begun.
        """
        live = {model: descent for model, descent in self.of_model.items() if model not in without}
        live = {model: descent for model, descent in live.items() if not self._handover.done(descent)}
        while live and not self._ledger.cancelled:
            of_live = self.coarse.only(list(live))
            values, gradients = of_live.evaluate(np.array([descent.trial for descent in live.values()]))
            stepped = [
                (place, model)
                for place, (model, descent) in enumerate(live.items())
                if descent.tell(float(values[place]), gradients[place])
            ]
            for place, model in stepped:
                self._turn(of_live, place, model, live)
            live = {model: descent for model, descent in live.items() if not self._handover.done(descent)}
            if stepped:
                self._ledger.report()

    def _start(self, starts: list[Floats] | None) -> None:
        objective = self.coarse
        inverses: list[InverseHessian] = []
        if not self._cheap:
            at_first, starts = self._approach(starts)
            inverses.extend(at_first)
        default = [starting_point(objective)] * len(objective.C)
        given, starts = starts is not None, starts or default
        values, gradients = objective.evaluate(np.stack(starts))
        worse = ~(values <= objective.at_zero_weights)
        if given and worse.any():
            # There is hardly any curvature where all probabilities are 0 or 1.
            starts = [other if bad else mine for mine, other, bad in zip(starts, default, worse, strict=True)]
            values, gradients = objective.evaluate(np.stack(starts))
        objective.checked(gradients)
        if self._cheap:
            inverses.extend(self._made(objective, model, iteration=0) for model in range(len(starts)))
        for model, (parameters, inverse) in enumerate(zip(starts, inverses, strict=True)):
            state = DescentState(parameters, gradients[model], float(values[model]), self._handover.first_iteration)
            self._ledger.note_inverse(model, 0, parameters if self._cheap else None)
            self._add(model, state, inverse)

    def _give_up_coarse(self) -> None:
        self.coarse = self._objective
        self._ledger.in_double = True
        self._handover.precision = float(np.finfo(self._objective.arithmetic.precision).eps)

    def _approach(self, starts: list[Floats] | None) -> tuple[list[Preconditioner], list[Floats] | None]:
        """Return the first preconditioners and the starts, from a sample if the rows are many."""
        objective = self.coarse
        sample, self._by_position = sample_of(objective, self._seed)
        if self._by_diagonal:
            self._axes = axes_of(objective if sample is None else sample, objective)
            # The diagonal of all columns, made once, is no measure of the remaining gain.
            self._handover.followed = self._axes is None
        if sample is None:
            return at_zero(objective), starts
        starts, inverses = approach(sample, starts, by_diagonal=self._by_diagonal)
        objective.work.passes += sample.passes * sample.layout.rows / objective.layout.rows
        return inverses, starts

    def _add(self, model: int, state: DescentState, inverse: InverseHessian) -> None:
        descent = Descent(
            state,
            inverse,
            balanced=self._objective.balanced,
            precision=self._handover.precision,
            remembered=self._remembered,
        )
        self.of_model[model] = descent
        self._note(model, descent)

    def _note(self, model: int, descent: Descent) -> None:
        # If Newton's method follows, the Hessian decides: an approximation may be off by any factor.
        gain, judged = self._handover.gain(descent), not self._handover.followed
        self._ledger.note_descent(model, descent.state, gain, judged=judged)

    def _turn(self, of_live: Objective, place: int, model: int, live: dict[int, Descent]) -> None:
        """Choose the next direction of a model after a step, with another preconditioner when it is due."""
        descent = live[model]
        iteration = descent.state.iteration
        inverse = None
        if self._is_due(iteration - self._handover.first_iteration, model):
            inverse = self._made(of_live, place, iteration)
        if inverse is not None:
            for other, follower in live.items():
                if other == model or (not self._by_diagonal and self._leads[other] == model):
                    follower.inverse = inverse
                    self._ledger.note_inverse(other, iteration, descent.state.parameters)
        descent.aim(descent.inverse)
        self._note(model, descent)

    def _is_due(self, steps: int, model: int) -> bool:
        """Return whether a model makes a preconditioner after so many steps."""
        if self._by_diagonal:
            # Over many rows, only a diagonal along principal axes is better than the first preconditioner.
            pays = self._objective.outputs > 1 if self._cheap else self._axes is not None
            return pays and steps in DIAGONAL_AFTER
        if self._leads[model] != model or steps not in DRAW_AFTER:
            return False
        followers = [descent for other, descent in self.of_model.items() if self._leads[other] == model]
        return any(self._handover.gain(descent) > DRAW_ABOVE * self._handover.tol for descent in followers)

    def _made(self, objective: Objective, place: int, iteration: int) -> InverseHessian:
        """Return the preconditioner after an iteration, for the model evaluated in this place."""
        if self._by_diagonal:
            times = caution(objective) if iteration == 0 else 1
            diagonal = Diagonal.here(objective, place, times=times, axes=self._axes)
            return diagonal if self._axes is None else InAxes(diagonal, self._axes)
        return near(objective, place, (self._seed, iteration), by_position=self._by_position)
