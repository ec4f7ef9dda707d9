"""The two log-losses of a block of rows, and their derivatives by the outputs.

The outputs of one model have the shape (outputs, rows): the long axis is last, where sums over the few outputs are
fast. Results are per row; the caller weighs and sums them. Arguments are overwritten where a docstring says so: for a
thousand outputs, fresh memory costs more time than arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mnistlib.linear.arithmetic import Arithmetic, DeviceArray

__all__ = ["Logistic", "Loss", "Softmax"]

# Smaller probabilities than this power of the smallest normal number are raised to it: products with numbers below the
# normal ones take ten to fifty times as long, and the sums do not notice.
SMALLEST = 3 / 4


def _least(arithmetic: Arithmetic) -> float:
    """Return the logarithm of the smallest probability."""
    return SMALLEST * math.log(np.finfo(arithmetic.precision).tiny)


class Loss(Protocol):
    """Log-loss of one model on a block of rows."""

    def evaluate(self, outputs: DeviceArray, labels: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """Return the loss of each row, and the probability of each output."""

    def alike(self, outputs: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """Return what `evaluate` does where all rows have the same outputs, of shape (outputs,).

        The loss of a row of each class, and the probabilities as a column.
        """

    def residual(self, probabilities: DeviceArray, labels: DeviceArray) -> DeviceArray:
        """Return the derivative of the loss by each output, in new memory."""

    def curve(self, probabilities: DeviceArray, change: DeviceArray) -> DeviceArray:
        """Return the second derivative of the loss by the outputs times `change`, in the memory of `change`."""


@dataclass(frozen=True)
class Softmax:
    """The negative log-likelihood of a class under the softmax of one output for each class."""

    arithmetic: Arithmetic
    _least_output: DeviceArray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_least_output", self.arithmetic.to_device(np.array(_least(self.arithmetic))))

    def evaluate(self, outputs: DeviceArray, labels: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """Return the loss of each row, and the probability of each output in the memory of `outputs`."""
        xp = self.arithmetic.namespace
        outputs -= xp.amax(outputs, 0)
        of_class = outputs.reshape(-1)[self._places(labels)]
        xp.maximum(outputs, self._least_output, out=outputs)
        xp.exp(outputs, out=outputs)
        total = xp.sum(outputs, 0)
        outputs /= total
        return xp.log(total) - of_class, outputs

    def alike(self, outputs: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """Return the loss of a row of each class, and the probability of each output as a column."""
        xp = self.arithmetic.namespace
        outputs = outputs - xp.amax(outputs, 0)
        odds = xp.exp(outputs)
        total = xp.sum(odds, 0)
        return xp.log(total) - outputs, (odds / total)[:, None]

    def residual(self, probabilities: DeviceArray, labels: DeviceArray) -> DeviceArray:
        """Return the probabilities, less 1 for the true class, in new memory. They lie row after row."""
        residual = probabilities + 0
        residual.reshape(-1)[self._places(labels)] -= 1
        return residual

    def _places(self, labels: DeviceArray) -> DeviceArray:
        """Return where the number of each row's class is in an array of shape (outputs, rows), read in one piece.

        Two indices of an element take twice the time of one. The last number is 64 bits wide, and so is the product.
        """
        numbers = self.arithmetic.namespace.arange(len(labels))
        return labels * (numbers[-1] + 1) + numbers

    def curve(self, probabilities: DeviceArray, change: DeviceArray) -> DeviceArray:
        """Return the second derivative of the loss by the outputs times `change`, in the memory of `change`."""
        change -= self.arithmetic.namespace.einsum("kr,kr->r", probabilities, change)
        change *= probabilities
        return change


@dataclass(frozen=True)
class Logistic:
    """The negative log-likelihood of class 1 or 0 under the logistic function of the only output."""

    arithmetic: Arithmetic
    _least_odds: DeviceArray = field(init=False)

    def __post_init__(self) -> None:
        least = math.exp(_least(self.arithmetic))
        object.__setattr__(self, "_least_odds", self.arithmetic.to_device(np.array(least)))

    def evaluate(self, outputs: DeviceArray, labels: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """Return the loss of each row, and the probability of class 1."""
        xp = self.arithmetic.namespace
        output = outputs[0]
        size = xp.abs(output)
        odds = xp.exp(-size)  # of the less likely class
        total = 1 + odds
        # log(1 + odds), from a logarithm that costs less than log1p: the sum, and what it lost by rounding.
        loss = xp.log(total)
        rest = total - 1
        rest -= odds
        rest /= total
        loss -= rest
        # Half of |z|, plus half of z, is exactly 0 or z, and so is what a label of 1 leaves of it: 0 or |z|.
        size *= 0.5
        size += 0.5 * output
        size -= labels * output
        loss += size
        odds = xp.maximum(odds, self._least_odds)
        likely = xp.maximum(odds, output > 0)  # faster than `where`, which branches at each row
        likely /= total
        return loss, likely[None]

    def alike(self, outputs: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """Return the loss of a row of each class, and the probability of class 1 as a column."""
        xp = self.arithmetic.namespace
        losses, likely = self.evaluate(xp.concatenate([outputs, outputs])[None], xp.arange(2))
        return losses, likely[:, :1]

    def residual(self, probabilities: DeviceArray, labels: DeviceArray) -> DeviceArray:
        """Return the probability of class 1, less 1 where that is true, in new memory."""
        return probabilities - labels

    def curve(self, probabilities: DeviceArray, change: DeviceArray) -> DeviceArray:
        """Return the second derivative of the loss by the output times `change`, in the memory of `change`."""
        change *= probabilities
        change *= 1 - probabilities
        return change
