"""Models on their way down: one step of preconditioned L-BFGS for each of them in each pass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.lbfgs import History, search
from mnistlib.linear.objective import Logits, Objective
from mnistlib.linear.preconditioner import Preconditioner

__all__ = ["Descent"]

# Steps without a gain that rounding would not explain, nor a smaller gradient, before a model is given up.
MOST_IDLE_STEPS = 5
# With this, a tolerance of 1e-4 leaves about a thousandth of the objective, a fourth of what lbfgs leaves on MNIST.
GAIN_WEIGHT = 0.1


class Descent:
    """The models that are still on their way, all at the same iteration.

    Parameters
    ----------
    objective : Objective
        What to minimize.
    parameters : array of shape (models, outputs, d + 1)
        Where to start; evaluating there takes a pass.
    preconditioner : Preconditioner
        What to begin with.

    Raises
    ------
    DataError
        The numbers in the rows are so large that the gradient overflows, here or in a later step.
    """

    def __init__(self, objective: Objective, parameters: Floats, preconditioner: Preconditioner) -> None:
        self.objective = objective
        self.parameters = objective.balanced(parameters)
        self.state: Logits = objective.logits(self.parameters)
        still = np.zeros_like(self.parameters)
        self.value: Floats = objective.along(
            np.arange(len(still)),
            start=self.parameters,
            direction=still,
            steps=still[:, 0, 0],
            state=self.state,
            change=self.state,
        ).value
        self.gradient: Floats
        self._largest_derivative: Floats
        self._turn(objective.gradient(self.parameters, self.state))
        self._direction: Floats
        self._slope: Floats
        self._histories = [History() for _ in parameters]
        self._smallest = self._largest_derivative
        self._idle: npt.NDArray[np.int_] = np.zeros(len(parameters), dtype=int)
        self.use(preconditioner)

    def use(self, preconditioner: Preconditioner) -> None:
        """Go on with another preconditioner."""
        self._preconditioner = preconditioner
        self._aim()

    @property
    def gradient_norm(self) -> Floats:
        """The measure of convergence of each model, described at `Solution.gradient_norm`."""
        gain = -self._slope / 2 / self.value
        return np.maximum(self._largest_derivative, GAIN_WEIGHT * gain)

    @property
    def stalled(self) -> npt.NDArray[np.bool_]:
        """Whether rounding keeps a model from any further gain."""
        return self._idle >= MOST_IDLE_STEPS

    def step(self) -> None:
        """Go one step: one pass."""
        change = self.objective.logits(self._direction)
        steps, value = search(
            self.objective,
            start=self.parameters,
            direction=self._direction,
            slope=self._slope,
            state=self.state,
            change=change,
        )
        noise = np.finfo(self.objective.arithmetic.precision).eps * np.abs(self.value)
        steps = np.where(value <= self.value + noise, steps, 0.0)
        moves = steps[:, None, None] * self._direction
        parameters = self.parameters + moves
        self.objective.advance(self.state, change, steps)
        gradient = self.objective.gradient(parameters, self.state)
        for model, history in enumerate(self._histories):
            history.add(moves[model], gradient[model] - self.gradient[model])
        idle = self.value - value <= noise
        # From here on nothing is computed that could be interrupted: a cancelled fit is of one piece.
        self.parameters, self.value = parameters, np.where(steps > 0, value, self.value)
        self._turn(gradient)
        self._idle = np.where(idle & (self._largest_derivative >= self._smallest), self._idle + 1, 0)
        self._smallest = np.minimum(self._largest_derivative, self._smallest)
        self._aim()

    def drop(self, gone: npt.NDArray[np.bool_]) -> None:
        """Go on without some of the models."""
        stay = ~gone
        self.objective = self.objective.only(stay)
        self.parameters, self.gradient, self._direction = (
            array[stay] for array in (self.parameters, self.gradient, self._direction)
        )
        self.value, self._slope, self._smallest, self._largest_derivative = (
            array[stay] for array in (self.value, self._slope, self._smallest, self._largest_derivative)
        )
        self._idle = self._idle[stay]
        self.state = [outputs[stay] for outputs in self.state]
        self._histories = [self._histories[model] for model in np.flatnonzero(stay)]
        self._preconditioner = self._preconditioner.only(stay)

    def _turn(self, gradient: Floats) -> None:
        if not np.isfinite(gradient).all():
            precision = self.objective.arithmetic.precision
            raise DataError(f"The numbers in X are too large to compute with in {precision}: scale them down.")
        self.gradient = gradient
        largest = np.abs(gradient).max(axis=(1, 2))
        self._largest_derivative = largest / (self.objective.C * self.objective.total_weight)

    def _aim(self) -> None:
        self._direction = np.empty_like(self.gradient)
        for model, gradient in enumerate(self.gradient):

            def solve(vector: Floats, model: int = model) -> Floats:
                return self.objective.balanced(self._preconditioner.solve(model, vector))

            direction = self._histories[model].direction(gradient, solve)
            if np.vdot(direction, gradient) >= 0:
                self._histories[model] = History()
                direction = -solve(gradient)
            self._direction[model] = direction
        self._slope = np.einsum("mkd,mkd->m", self._direction, self.gradient)
