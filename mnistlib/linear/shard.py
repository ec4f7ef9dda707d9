"""The part of the objective that reads rows: whole blocks of rows with their labels, weights and outputs.

A shard returns sums over its blocks (`Nodes`) or a few of its rows. Its only state is the parameters of the last
`evaluate`, and the residuals there if they are kept. Residuals depend only on the rows and these parameters, so they
can be computed again, here or elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mnistlib.linear.arithmetic import Arithmetic, DeviceArray, Floats
from mnistlib.linear.draws import Drawn, Draws, Taken
from mnistlib.linear.layout import Layout
from mnistlib.linear.losses import Logistic, Loss, Softmax, curvature
from mnistlib.linear.outputs import Evaluation, evaluation, projection
from mnistlib.linear.rows import Rows
from mnistlib.linear.sums import Nodes, Sums, TreeSum

__all__ = ["Shard"]

Item = TypeVar("Item")
Result = TypeVar("Result")
BlockState = tuple[slice, list[DeviceArray]]
"""A block, with the residuals of each model there if they are kept."""


class Shard:
    """A range of whole blocks of rows, with the state of the models on them.

    `X`, of shape (n, d), holds floats or unsigned bytes. `labels`, of shape (n,), are whole numbers from 0, and
    `weights` of the same shape are None for 1. `first_block` is the number of the first block. With `keeps`, the
    residuals of the last evaluation are stored; otherwise each operation on them computes them again, which is half a
    pass and is not counted.
    """

    def __init__(
        self,
        layout: Layout,
        X: npt.NDArray[Any],
        labels: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None,
        *,
        first_block: int,
        arithmetic: Arithmetic,
        keeps: bool = True,
    ) -> None:
        self.layout = layout
        self.rows = Rows(X, arithmetic, layout.block_rows)
        self.labels = labels
        self.weights = weights
        self.first_block = first_block
        self.arithmetic = arithmetic
        self.on_block: Callable[[float], None] | None = None
        self._loss: Loss = (Logistic if layout.classes == 2 else Softmax)(arithmetic)
        self._draws = Draws(layout, self.rows, labels, weights, first_row=first_block * layout.block_rows)
        self._keeps = keeps
        self._residuals: list[list[DeviceArray]] = []
        self._evaluated: Evaluation | None = None
        self._products: DeviceArray | None = None

    def evaluate(self, weights: Floats, intercepts: Floats) -> Nodes:
        """Return the sums of the loss (models,) and of its derivatives (models, outputs, d + 1): one pass.

        Later operations are at the parameters of the last evaluation. `weights`, of shape (models * outputs, d), are
        already multiplied with the scale; `intercepts` have the shape (models * outputs,).
        """
        evaluated = self._evaluated = evaluation(self.layout, self._loss, weights, intercepts)

        def work(rows: slice) -> tuple[list[DeviceArray], Sums]:
            block, labels = self.rows.block(rows), self._labels(rows)
            residuals, sums = self._differentiate(rows, block, evaluated(block, labels))
            return residuals if self._keeps else [], sums

        self._residuals = []
        tree = TreeSum(self.layout.blocks)
        for number, (residuals, sums) in enumerate(self._each(work, self.rows.slices), self.first_block):
            self._residuals.append(residuals)
            tree.add(sums, number)
        return tree.nodes

    def product(self, weights: Floats, intercepts: Floats) -> Nodes:
        """Return the Hessian of the first model's loss times a direction, (outputs, d + 1): one pass."""
        project = projection(self.layout, self.arithmetic, weights, intercepts)

        def work(rows: slice, block: DeviceArray, residuals: list[DeviceArray]) -> Sums:
            curved = self._loss.curve(residuals[0], self._labels(rows), project(block)[0])
            return (self._transposed(block, self._weighted(rows, curved)),)

        return self._summed_over_blocks(work)

    def moments(self, model: int, axes: Floats | None) -> Nodes:
        """Return sums weighted with the curvature p (1 - p) of a model's outputs: one pass.

        These are the sums of squared columns (outputs, d), and of the columns and of ones (outputs, d + 1). If there
        are more columns than rows, the square of a single column carries little information, and the mean replaces
        each. With `axes`, of shape (d, d), the columns are the coordinates along these axes.
        """
        device_axes = None if axes is None else self.arithmetic.to_device(axes)

        def work(rows: slice, block: DeviceArray, residuals: list[DeviceArray]) -> Sums:
            if device_axes is not None:
                block = block @ device_axes
            curved = self._curvature(rows, residuals[model])
            if self.layout.columns < self.layout.rows:
                squares = np.asarray(curved @ (block * block), dtype=np.float64)
            else:  # the mean of all columns, from their norms
                norms = self.arithmetic.namespace.einsum("rd,rd->r", block, block)
                mean = np.asarray(curved @ norms, dtype=np.float64) / self.layout.columns
                squares = np.repeat(mean[:, None], self.layout.columns, axis=1)
            return squares, self._transposed(block, curved)

        return self._summed_over_blocks(work)

    def grams(self, model: int) -> Nodes:
        """Return the Gram matrices of rows and ones, weighted with the curvature of each output of a model."""

        def work(rows: slice, block: DeviceArray, residuals: list[DeviceArray]) -> Sums:
            return (self._grams(block, self._curvature(rows, residuals[model])),)

        return self._summed_over_blocks(work)

    def cross_grams(self) -> Nodes:
        """Return the Hessian of the first model's loss, (outputs, d + 1, outputs, d + 1), for few columns.

        The probabilities of a row sum to 1, so p (1 - p) of an output is the sum of its products with the others, and
        only the Gram matrices of pairs are formed.
        """

        def work(rows: slice, block: DeviceArray, residuals: list[DeviceArray]) -> Sums:
            assert isinstance(self._loss, Softmax)
            probabilities = self._loss.probabilities(residuals[0], self._labels(rows))
            outputs, columns = len(probabilities), block.shape[1] + 1
            left, right = _pairs(outputs)
            mixed = self._weighted(rows, probabilities[left] * probabilities[right])
            grams = self._grams(block, mixed)
            whole = np.zeros((outputs, columns, outputs, columns))
            for k, j, gram in zip(left, right, grams, strict=True):
                whole[k, :, k] += gram
                whole[j, :, j] += gram
                whole[k, :, j] = whole[j, :, k] = -gram
            return (whole,)

        return self._summed_over_blocks(work)

    def curvature(self, model: int) -> Nodes:
        """Return the sum of the curvature of each output of a model, (outputs,), without a pass."""

        def work(item: BlockState) -> Sums:
            residuals = self._residuals_of(item)
            return (self.arithmetic.total(self._curvature(item[0], residuals[model])),)

        return self._summed(work, self._block_states())

    def gram(self, whole: bool) -> Nodes:
        """Return the Gram matrix of rows and ones with their sample weights, or its diagonal, without an evaluation."""

        def work(rows: slice) -> Sums:
            block = self.rows.block(rows)
            ones = self._weighted(rows, self.arithmetic.namespace.ones_like(block[:, 0]))
            return (np.asarray(self.arithmetic.gram(block, ones, whole=whole), dtype=np.float64),)

        return self._summed(work, self.rows.slices)

    def draw(self, model: int, rate: Floats, stream: tuple[int, ...], by_position: bool) -> list[Drawn]:
        """Draw rows for each output of a model, with chances in proportion to their curvature: reads all rows once.

        With the returned weights, the Gram matrix of the drawn rows is right on average. Only an extreme sample weight
        changes the chance of a row, so a row of weight 2 is drawn where two rows of weight 1 are. `rate`, of shape
        (outputs,), is the chance of a row of mean weight divided by its curvature. `stream` selects the random numbers.
        With `by_position`, copies of a row are drawn separately.
        """

        def work(item: BlockState) -> Drawn:
            curved = curvature(np.asarray(self._residuals_of(item)[model]))
            return self._draws.by_curvature(item[0], curved, rate, stream, by_position=by_position)

        return list(self.arithmetic.map(work, self._block_states()))

    def take(self, shares: Floats, stream: tuple[int, ...], by_position: bool) -> Taken:
        """Return about the given share of the rows of each class, with their labels, weights and content keys."""

        def work(rows: slice) -> Taken:
            return self._draws.by_class(rows, shares, stream, by_position=by_position)

        return Taken.joined(list(self.arithmetic.map(work, self.rows.slices)))

    def _block_states(self) -> list[BlockState]:
        """Return the blocks, with the residuals of each model there if they are kept."""
        return list(zip(self.rows.slices, self._residuals, strict=True))

    def _residuals_of(self, state: BlockState, block: DeviceArray | None = None) -> list[DeviceArray]:
        """Return the residuals of each model in a block, whose rows may be given if they are already read."""
        rows, residuals = state
        if self._keeps:
            return residuals
        assert self._evaluated is not None
        block = self.rows.block(rows) if block is None else block
        return [of_model for _, of_model in self._evaluated(block, self._labels(rows))]

    def _differentiate(
        self, rows: slice, block: DeviceArray, evaluated: Iterable[tuple[DeviceArray, DeviceArray]]
    ) -> tuple[list[DeviceArray], Sums]:
        losses, residuals = [], []
        for loss, of_model in evaluated:
            losses.append(float(self.arithmetic.total(self._weighted(rows, loss))))
            residuals.append(of_model)
        # With several models, or with weights, these are new numbers: the kept residuals must not change.
        factors = residuals[0] if len(residuals) == 1 else self.arithmetic.namespace.concatenate(residuals)
        if self.weights is not None:
            factors = factors * self.arithmetic.to_device(self.weights[rows])
        slopes = self._transposed(block, factors).reshape(len(losses), self.layout.outputs, -1)
        return residuals, (np.array(losses), slopes)

    def _transposed(self, block: DeviceArray, factors: DeviceArray) -> Floats:
        """Return ``factors @ block`` with the sums of the factors as a last column, in float64."""
        product = np.empty((len(factors), block.shape[1] + 1))
        product[:, :-1] = self.arithmetic.sums(factors, block)
        product[:, -1] = self.arithmetic.total(factors)
        return product

    def _grams(self, block: DeviceArray, weights: DeviceArray) -> Floats:
        """Return the Gram matrix of rows and ones for each of several weights per row."""
        few = self.layout.blocks == 1 and self.arithmetic.by_products(block.shape[1], len(weights))
        if few and self._products is None:
            self._products = self.arithmetic.products(block)  # costs as much as the rest of a small Hessian
        return np.asarray(self.arithmetic.grams(block, weights, self._products), dtype=np.float64)

    def _curvature(self, rows: slice, residuals: DeviceArray) -> DeviceArray:
        return self._weighted(rows, curvature(residuals))

    def _weighted(self, rows: slice, values: DeviceArray) -> DeviceArray:
        if self.weights is not None:
            values *= self.arithmetic.to_device(self.weights[rows])
        return values

    def _labels(self, rows: slice) -> DeviceArray:
        return self.arithmetic.indices(self.labels[rows])

    def _summed(self, work: Callable[[Item], Sums], items: Sequence[Item]) -> Nodes:
        tree = TreeSum(self.layout.blocks)
        for number, sums in enumerate(self._each(work, items), self.first_block):
            tree.add(sums, number)
        return tree.nodes

    def _summed_over_blocks(self, work: Callable[[slice, DeviceArray, list[DeviceArray]], Sums]) -> Nodes:
        """Sum the results of `work` for each slice, its block of rows and the residuals of each model there."""

        def over_block(state: BlockState) -> Sums:
            block = self.rows.block(state[0])
            return work(state[0], block, self._residuals_of(state, block))

        return self._summed(over_block, self._block_states())

    def _each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        for done, result in enumerate(self.arithmetic.map(work, items), 1):
            yield result
            if self.on_block is not None:
                self.on_block(done / self.layout.blocks)


@cache
def _pairs(outputs: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the first and the second output of each pair."""
    left, right = np.triu_indices(outputs, 1)
    return left, right
