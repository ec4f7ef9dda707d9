"""Two log-losses of a block of rows, and their derivatives by the outputs.

The outputs of one model have the shape (outputs, rows): the long axis is last, so that sums over the few outputs are
fast. Results are per row; the caller weights and sums them. Arguments are overwritten where a docstring says so: with a
thousand outputs, fresh memory costs more time than arithmetic.

All derivatives are computed from the residuals, which are the first derivatives: the probabilities, minus 1 for the
true class. If the model is certain of a row, its residual is, say, -1e-20, while its probability is rounded to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mnistlib.linear.arithmetic import Arithmetic, DeviceArray

__all__ = ["Logistic", "Loss", "Softmax", "curvature"]

# Smaller probabilities than this power of the smallest normal number are raised to it: products with subnormal numbers
# take ten to fifty times as long, and do not change the sums.
SMALLEST = 3 / 4


def _least(arithmetic: Arithmetic) -> float:
    """Return the logarithm of the smallest probability."""
    return SMALLEST * math.log(np.finfo(arithmetic.precision).tiny)


def _largest(arithmetic: Arithmetic) -> float:
    """Return the largest residual.

    If a residual rounded to 1, a row whose true class has probability 0 would have a curvature of 0, and the step that
    corrects it would be infinitely long.
    """
    return 1 - 2 * float(np.finfo(arithmetic.precision).eps)


def curvature(residuals: DeviceArray) -> DeviceArray:
    """Return the second derivative of the loss by each output alone, p (1 - p), in new memory."""
    sizes = abs(residuals)  # a residual is either p or p - 1
    curved = 1 - sizes
    curved *= sizes
    return curved


class Loss(Protocol):
    """Log-loss of one model on a block of rows."""

    @property
    def arithmetic(self) -> Arithmetic:
        """The library and the precision of the outputs."""

    def evaluate(self, outputs: DeviceArray, labels: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """Return the loss of each row, and its derivative by each output: the residuals."""

    def curve(self, residuals: DeviceArray, labels: DeviceArray, change: DeviceArray) -> DeviceArray:
        """Return the second derivative of the loss by the outputs times `change`, in the memory of `change`."""


@dataclass(frozen=True)
class Softmax:
    """The negative log-likelihood of a class under the softmax of one output for each class."""

    arithmetic: Arithmetic
    _least_output: DeviceArray = field(init=False)
    _largest: DeviceArray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_least_output", self.arithmetic.to_device(np.array(_least(self.arithmetic))))
        object.__setattr__(self, "_largest", self.arithmetic.to_device(np.array(_largest(self.arithmetic))))

    def evaluate(self, outputs: DeviceArray, labels: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """Return the loss of each row, and the residuals in the memory of `outputs`."""
        xp, places = self.arithmetic.namespace, self._places(labels)
        in_a_row = outputs.reshape(-1)
        outputs -= xp.amax(outputs, 0)
        of_class = in_a_row[places]
        xp.maximum(outputs, self._least_output, out=outputs)
        xp.exp(outputs, out=outputs)
        odds = in_a_row[places]
        in_a_row[places] = 0
        of_others = xp.sum(outputs, 0)
        total = of_others + odds
        outputs /= xp.maximum(total, 1 / self._largest)
        in_a_row[places] = -xp.minimum(of_others / total, self._largest)
        # If the true class is the likeliest, its odds are 1, and the loss may be far smaller.
        return xp.log1p(xp.where(of_class < 0, total - 1, of_others)) - of_class, outputs

    def probabilities(self, residuals: DeviceArray, labels: DeviceArray) -> DeviceArray:
        """Return the probability of each output, in new memory."""
        probabilities = residuals + 0
        probabilities.reshape(-1)[self._places(labels)] += 1
        return probabilities

    def curve(self, residuals: DeviceArray, labels: DeviceArray, change: DeviceArray) -> DeviceArray:
        """Return the second derivative of the loss by the outputs times `change`, in the memory of `change`."""
        xp, places = self.arithmetic.namespace, self._places(labels)
        in_a_row = change.reshape(-1)
        # p (c - m) with the mean m = sum of p c. It does not change if all c are shifted so that the true class has 0;
        # then the residual of the true class, p - 1, is in no mean.
        change -= in_a_row[places]
        mean = xp.einsum("kr,kr->r", residuals, change)
        change -= mean
        change *= residuals
        in_a_row[places] -= mean  # for the true class, (p - 1) (0 - m) - m is p (0 - m)
        return change

    def _places(self, labels: DeviceArray) -> DeviceArray:
        """Return the flat index of each row's class in an array of shape (outputs, rows)."""
        # One flat index is twice as fast as two. The last number has 64 bits, and so has the product.
        numbers = self.arithmetic.namespace.arange(len(labels))
        return labels * (numbers[-1] + 1) + numbers


@dataclass(frozen=True)
class Logistic:
    """The negative log-likelihood of class 1 or 0 under the logistic function of the only output."""

    arithmetic: Arithmetic
    _least_odds: DeviceArray = field(init=False)
    _largest: DeviceArray = field(init=False)
    _signs: DeviceArray = field(init=False)

    def __post_init__(self) -> None:
        least = math.exp(_least(self.arithmetic))
        object.__setattr__(self, "_least_odds", self.arithmetic.to_device(np.array(least)))
        object.__setattr__(self, "_largest", self.arithmetic.to_device(np.array(_largest(self.arithmetic))))
        object.__setattr__(self, "_signs", self.arithmetic.to_device(np.array([1.0, -1.0])))

    def evaluate(self, outputs: DeviceArray, labels: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """Return the loss of each row, and the residuals."""
        xp = self.arithmetic.namespace
        signs = self._signs[labels]
        wrong = outputs[0] * signs  # in favour of the other class
        odds = xp.exp(-xp.abs(wrong))  # of the less likely class
        total = 1 + odds
        # log(1 + odds), by a logarithm that costs less than log1p: that of the sum, and a correction of the sum's
        # rounding.
        loss = xp.log(total)
        rest = total - 1
        rest -= odds
        rest /= total
        loss -= rest
        loss += xp.maximum(wrong, 0 * self._least_odds)
        odds = xp.maximum(odds, self._least_odds)
        residuals = xp.maximum(odds, wrong > 0)  # faster than `where`, which branches at each row
        residuals /= xp.maximum(total, 1 / self._largest)
        residuals *= signs
        return loss, residuals[None]

    def curve(self, residuals: DeviceArray, labels: DeviceArray, change: DeviceArray) -> DeviceArray:
        """Return the second derivative of the loss by the output times `change`, in the memory of `change`."""
        change *= curvature(residuals)
        return change
