"""Outputs of the models for blocks of rows, with their losses and residuals."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from mnistlib.linear.arithmetic import Arithmetic, DeviceArray, Floats
from mnistlib.linear.layout import Layout
from mnistlib.linear.losses import Loss

__all__ = ["Evaluation", "evaluation", "projection"]

Evaluation = Callable[[DeviceArray, DeviceArray], Iterable[tuple[DeviceArray, DeviceArray]]]
"""Function from a block and its labels to the loss and the residuals of each row, for each model."""


def evaluation(layout: Layout, loss: Loss, weights: Floats, intercepts: Floats) -> Evaluation:
    """Return a function from a block and its labels to the loss and the residuals of each model.

    `weights`, of shape (models * outputs, d), are already multiplied with the scale; `intercepts` have the shape
    (models * outputs,).
    """
    arithmetic = loss.arithmetic
    if weights.any():
        project = projection(layout, arithmetic, weights, intercepts)
        return lambda block, labels: (loss.evaluate(of_model, labels) for of_model in project(block))
    # With zero weights, as at the start of most fits, all rows have the same outputs, and all rows of a class the same
    # loss and residuals.
    classes = np.arange(layout.classes)
    of_models = intercepts.reshape(-1, layout.outputs, 1)
    outputs = [arithmetic.to_device(np.repeat(of_model, len(classes), axis=1)) for of_model in of_models]
    of_classes = [loss.evaluate(of_model, arithmetic.indices(classes)) for of_model in outputs]
    columns = arithmetic.columns
    return lambda block, labels: ((losses[labels], columns(residuals, labels)) for losses, residuals in of_classes)


def projection(
    layout: Layout, arithmetic: Arithmetic, weights: Floats, intercepts: Floats
) -> Callable[[DeviceArray], DeviceArray]:
    """Return a function from a block to its outputs, of shape (models, outputs, rows)."""
    on_device, constants = arithmetic.to_device(weights), arithmetic.to_device(intercepts)[:, None]
    rows_first = arithmetic.rows_first(layout.columns, len(on_device))
    transposed = arithmetic.wider_weights(arithmetic.transposed(on_device)) if rows_first else None
    count = len(on_device)

    def project(block: DeviceArray) -> DeviceArray:
        outputs = on_device @ block.T if transposed is None else arithmetic.transposed((block @ transposed)[:, :count])
        outputs += constants
        return outputs.reshape(-1, layout.outputs, len(block))

    return project
