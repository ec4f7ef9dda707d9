"""The two log-losses of a block of rows, and their derivatives by the outputs.

The outputs of one model have the shape (outputs, rows). Every result is per row, so that the caller weighs and sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from mnistlib.linear.arithmetic import DeviceArray

__all__ = ["Logistic", "Loss", "Softmax"]


class Loss(Protocol):
    """What the objective needs of a loss."""

    def along(
        self, outputs: DeviceArray, change: DeviceArray, labels: DeviceArray
    ) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
        """Return the loss and its first two derivatives along `change`, each of shape (rows,)."""

    def residual(self, outputs: DeviceArray, labels: DeviceArray) -> DeviceArray:
        """Return the derivative of the loss by each output."""

    def probabilities(self, outputs: DeviceArray) -> DeviceArray:
        """Return the probability that each output stands for."""


@dataclass(frozen=True)
class Softmax:
    """The negative log-likelihood of a class under the softmax of one output for each class."""

    namespace: ModuleType

    def along(
        self, outputs: DeviceArray, change: DeviceArray, labels: DeviceArray
    ) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
        """Return the loss and its first two derivatives along `change`, each of shape (rows,)."""
        xp = self.namespace
        each = xp.arange(len(labels))
        highest = xp.amax(outputs, 0)
        exponentials = xp.exp(outputs - highest)
        total = xp.sum(exponentials, 0)
        loss = xp.log(total) + highest - outputs[labels, each]
        weighted = exponentials * change
        mean = xp.sum(weighted, 0) / total
        weighted *= change
        return loss, mean - change[labels, each], xp.sum(weighted, 0) / total - mean * mean

    def residual(self, outputs: DeviceArray, labels: DeviceArray) -> DeviceArray:
        """Return the probabilities, less 1 for the true class."""
        probabilities = self.probabilities(outputs)
        probabilities[labels, self.namespace.arange(len(labels))] -= 1
        return probabilities

    def probabilities(self, outputs: DeviceArray) -> DeviceArray:
        """Return probabilities that sum to 1."""
        xp = self.namespace
        exponentials = xp.exp(outputs - xp.amax(outputs, 0))
        exponentials /= xp.sum(exponentials, 0)
        return exponentials


@dataclass(frozen=True)
class Logistic:
    """The negative log-likelihood of class 1 or 0 under the logistic function of the only output."""

    namespace: ModuleType

    def along(
        self, outputs: DeviceArray, change: DeviceArray, labels: DeviceArray
    ) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
        """Return the loss and its first two derivatives along `change`, each of shape (rows,)."""
        xp = self.namespace
        output, step = outputs[0], change[0]
        probability = self.probabilities(output)
        # log(1 + exp(z)) - y z without overflow: with the sign turned so that the true class is at the negative end.
        wrong = xp.where(labels > 0, -output, output)
        loss = xp.log1p(xp.exp(-xp.abs(wrong))) + xp.where(wrong > 0, wrong, xp.zeros_like(wrong))
        return loss, (probability - labels) * step, probability * (1 - probability) * step * step

    def residual(self, outputs: DeviceArray, labels: DeviceArray) -> DeviceArray:
        """Return the probability of class 1, less 1 where that is true."""
        return self.probabilities(outputs) - labels

    def probabilities(self, outputs: DeviceArray) -> DeviceArray:
        """Return the probability of class 1."""
        xp = self.namespace
        small = xp.exp(-xp.abs(outputs))
        return xp.where(outputs > 0, xp.ones_like(small), small) / (1 + small)
