"""The penalized log-loss of one or several models over the same rows, and its derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mnistlib.linear.arithmetic import Arithmetic, DeviceArray, Floats
from mnistlib.linear.losses import Logistic, Loss, Softmax
from mnistlib.linear.rows import Rows

__all__ = ["Along", "Logits", "Objective"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Logits = list[DeviceArray]
"""One array of shape (models, outputs, rows of the block) for each block: the long axis last, where sums are fast."""


@dataclass(frozen=True)
class Along:
    """The objective of each model at a step along its direction: arrays of shape (models,)."""

    value: Floats
    slope: Floats
    curvature: Floats


class Objective:
    r"""Half the squared weights plus `C` times the summed log-loss, for a model of each `C`.

    .. math:: L(W, b) = C \sum_i s_i \, \ell(W x_i + b, y_i) + \tfrac12 \lVert W \rVert^2

    With three classes or more the loss is that of the softmax of as many outputs; with two, that of the logistic
    function of one output, as in scikit-learn. Parameters are float64 arrays of shape (models, outputs, d + 1), the
    intercept last; it is not penalized.

    Parameters
    ----------
    rows : Rows
        Rows of shape (n, d).
    labels : array of shape (n,), whole numbers
        The class of each row, 0 to `classes` - 1.
    classes : int
        How many classes there are; at least 2.
    C : array of shape (models,)
        Inverse strength of the penalty of each model.
    arithmetic : Arithmetic
        What computes.
    sample_weight : array of shape (n,), optional
        The weight of each row; 1 unless given.
    fit_intercept : bool
        Whether the intercepts are free; zero otherwise.
    scale : float
        What every number in `rows` is multiplied with before a model sees it, such as 1/255 for bytes.
    on_block : callable, optional
        Is called with `passes` after each block; what it raises ends the pass.

    Attributes
    ----------
    passes : float
        Work so far: 1 for a product with all rows and one with all rows transposed, whatever the number of models.
    """

    def __init__(
        self,
        rows: Rows,
        labels: npt.NDArray[Any],
        *,
        classes: int,
        C: npt.ArrayLike,
        arithmetic: Arithmetic,
        sample_weight: npt.NDArray[Any] | None = None,
        fit_intercept: bool = True,
        scale: float = 1.0,
        on_block: Callable[[float], None] | None = None,
    ) -> None:
        self.rows = rows
        self.labels = labels
        self.classes = classes
        self.C = np.atleast_1d(np.asarray(C, dtype=np.float64))
        self.arithmetic = arithmetic
        self.sample_weight = sample_weight
        self.fit_intercept = fit_intercept
        self.scale = scale
        self.on_block = on_block
        self.passes = 0.0
        self.outputs = 1 if classes == 2 else classes
        self._loss: Loss = (Logistic if classes == 2 else Softmax)(arithmetic.namespace)
        self.total_weight = float(len(labels) if sample_weight is None else np.sum(sample_weight, dtype=float))

    def only(self, models: npt.NDArray[np.bool_]) -> Objective:
        """Return the objective of some of the models; its passes go on counting from here."""
        rest = Objective(
            self.rows,
            self.labels,
            classes=self.classes,
            C=self.C[models],
            arithmetic=self.arithmetic,
            sample_weight=self.sample_weight,
            fit_intercept=self.fit_intercept,
            scale=self.scale,
            on_block=self.on_block,
        )
        rest.passes = self.passes
        return rest

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of parameters: (models, outputs, d + 1)."""
        return len(self.C), self.outputs, self.rows.shape[1] + 1

    def balanced(self, parameters: Floats) -> Floats:
        """Return the equivalent parameters of least penalty, of one model or several.

        Adding the same to all classes changes no probability, so the outputs may as well sum to zero. Staying there
        spares the solver a direction in which the loss is flat, and makes the intercepts unique.
        """
        balanced = parameters - parameters.mean(axis=-2, keepdims=True) if self.outputs > 1 else parameters.copy()
        if not self.fit_intercept:
            balanced[..., -1] = 0
        return balanced

    def logits(self, parameters: Floats) -> Logits:
        """Return the outputs for all rows: half a pass."""
        models, outputs, columns = self.shape
        stacked = parameters.reshape(models * outputs, columns)
        weights = self.arithmetic.to_device(self.scale * stacked[:, :-1].T)
        intercepts = self.arithmetic.to_device(stacked[:, -1])

        def work(rows: slice) -> DeviceArray:
            long = self.arithmetic.transposed(self.rows.block(rows) @ weights)
            long += intercepts[:, None]
            return long.reshape(models, outputs, -1)

        return list(self._half_pass(work, self.rows.slices))

    def gradient(self, parameters: Floats, logits: Logits) -> Floats:
        """Return the gradient at `parameters`, whose outputs are `logits`: half a pass."""
        models, outputs, columns = self.shape

        def work(block: tuple[slice, DeviceArray]) -> tuple[Floats, Floats]:
            rows, outputs_of_block = block
            labels = self._labels(rows)
            each = [self._loss.residual(of_model, labels) for of_model in outputs_of_block]
            residual = each[0] if models == 1 else self.arithmetic.namespace.concatenate(each)
            if self.sample_weight is not None:
                residual *= self._weights(rows)
            product = residual @ self.rows.block(rows)
            return np.asarray(product, dtype=np.float64), self.arithmetic.total(residual)

        sums = np.zeros((models * outputs, columns))
        for product, total in self._half_pass(work, list(zip(self.rows.slices, logits, strict=True))):
            sums[:, :-1] += product
            sums[:, -1] += total
        sums[:, :-1] *= self.scale
        gradient = self.C[:, None, None] * sums.reshape(models, outputs, columns)
        gradient[:, :, :-1] += parameters[:, :, :-1]
        if not self.fit_intercept:
            gradient[:, :, -1] = 0
        return gradient

    def along(
        self,
        models: npt.NDArray[np.intp],
        *,
        start: Floats,
        direction: Floats,
        steps: Floats,
        state: Logits,
        change: Logits,
    ) -> Along:
        """Return objectives at ``start + steps * direction``, and their derivatives by the steps: no pass.

        Parameters
        ----------
        models : array of whole numbers
            Which models.
        start, direction : array of shape (models, outputs, d + 1)
            Parameters and their change, of all models.
        steps : array of shape (models,)
            How far to go.
        state, change : Logits
            The outputs of `start` and of `direction`.
        """
        sums = np.zeros((3, len(models)))
        for rows, outputs, outputs_change in zip(self.rows.slices, state, change, strict=True):
            labels = self._labels(rows)
            for place, model in enumerate(models):
                moved = outputs[model] + float(steps[model]) * outputs_change[model]
                per_row = self._loss.along(moved, outputs_change[model], labels)
                if self.sample_weight is not None:
                    per_row = tuple(values * self._weights(rows) for values in per_row)
                sums[:, place] += [float(self.arithmetic.total(values)) for values in per_row]
        value, slope, curvature = sums * self.C[models]
        start, direction, steps = start[models], direction[models], steps[models]
        moved = start + steps[:, None, None] * direction
        return Along(
            value + self._penalty_product(moved, moved) / 2,
            slope + self._penalty_product(moved, direction),
            curvature + self._penalty_product(direction, direction),
        )

    def advance(self, state: Logits, change: Logits, steps: Floats) -> None:
        """Move `state` along `change`, in place: no pass."""
        steps_of_outputs = self.arithmetic.to_device(steps[:, None, None])

        for block, outputs_change in zip(range(len(state)), change, strict=True):
            state[block] += steps_of_outputs * outputs_change

    def curvatures(self, model: int, state: Logits) -> Iterator[tuple[slice, DeviceArray]]:
        """Yield, block by block, the second derivative of a model's loss by each output: (outputs, rows)."""
        for rows, outputs in zip(self.rows.slices, state, strict=True):
            probabilities = self._loss.probabilities(outputs[model])
            probabilities *= 1 - probabilities
            if self.sample_weight is not None:
                probabilities *= self._weights(rows)
            yield rows, probabilities

    @staticmethod
    def _penalty_product(left: Floats, right: Floats) -> Floats:
        product: Floats = np.einsum("mkd,mkd->m", left[:, :, :-1], right[:, :, :-1])
        return product

    def _labels(self, rows: slice) -> DeviceArray:
        return self.arithmetic.indices(self.labels[rows])

    def _weights(self, rows: slice) -> DeviceArray:
        assert self.sample_weight is not None
        return self.arithmetic.to_device(self.sample_weight[rows])

    def _half_pass(self, work: Callable[[Item], Result], blocks: list[Item]) -> Iterator[Result]:
        before = self.passes
        for done, result in enumerate(self.arithmetic.map(work, blocks), 1):
            yield result
            self.passes = before + done / len(blocks) / 2
            if self.on_block is not None:
                self.on_block(self.passes)
