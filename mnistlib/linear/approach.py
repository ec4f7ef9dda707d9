"""The start of a fit to many rows: a rough fit to a sample of them, and their principal axes."""

from __future__ import annotations

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.draws import Taken, mostly_copies
from mnistlib.linear.lbfgs import Descent, DescentState
from mnistlib.linear.local import local_objective
from mnistlib.linear.objective import Objective, starting_point
from mnistlib.linear.preconditioner import Preconditioner, at_zero
from mnistlib.linear.reduction import axes_pay, principal_axes

__all__ = ["approach", "axes_of", "sample_of"]

# The sample is a tenth of the rows, between these limits per column, if there are many more rows.
SAMPLE_ONE_IN = 10
SAMPLE_ROWS_PER_COLUMN = (12, 60)
SAMPLE_SHARE = 3
SAMPLE_NUMBERS = 1 << 26
# Steps on the sample: with class blocks, and without. More would lead to the sample's own minimum: eight cost 60,000
# digits three more passes. Without blocks each step gains less, and sixteen save passes.
SAMPLE_ITERATIONS = 4, 16
# Least rows of each class in the sample, if there are as many; with many classes, their share of the sample.
LEAST_OF_CLASS = 100


def sample_of(objective: Objective, seed: int) -> tuple[Objective | None, bool]:
    """Return the objective over a sample of the rows, and whether rows must be drawn by their position.

    There is no sample unless there are many more rows than it needs. Every class has rows in it.
    """
    rows, columns = objective.layout.population, objective.layout.columns
    least, most = (each * (columns + 1) for each in SAMPLE_ROWS_PER_COLUMN)
    size = min(max(rows / SAMPLE_ONE_IN, least), most, SAMPLE_NUMBERS / columns)
    if rows < SAMPLE_SHARE * size:
        return None, False
    of_classes = np.maximum(objective.class_weight / objective.layout.mean_weight, 1)
    least_of_class = min(LEAST_OF_CLASS, size / len(of_classes))
    shares = np.clip(least_of_class / of_classes, size / rows, 1)
    taken = _taken(objective, shares, seed, by_position=True)
    by_position = mostly_copies(taken.keys)
    if not by_position:
        taken = _taken(objective, shares, seed, by_position=False)
    weights = 1 / shares[taken.labels]
    if taken.weights is not None:
        weights *= taken.weights
    if not weights.any():
        return None, by_position
    sample = local_objective(
        taken.rows,
        taken.labels,
        classes=objective.layout.classes,
        C=objective.C_values * (objective.total_weight / float(weights.sum())),
        arithmetic=objective.arithmetic,
        sample_weight=weights,
        fit_intercept=objective.fit_intercept,
        scale=objective.layout.scale,
    )
    return sample, by_position


def approach(
    sample: Objective, starts: list[Floats] | None, *, by_diagonal: bool
) -> tuple[list[Floats], list[Preconditioner]]:
    """Return each model's start and preconditioner: by a few steps over the sample, unless starts are given."""
    inverses = at_zero(sample)
    if starts is not None:
        return starts, inverses
    descents = []
    start = np.stack([starting_point(sample)] * len(sample.C))
    values, gradients = sample.evaluate(start)
    precision = float(np.finfo(sample.arithmetic.precision).eps)
    for model, inverse in enumerate(inverses):
        state = DescentState(start[model], gradients[model], float(values[model]))
        descents.append(Descent(state, inverse, balanced=sample.balanced, precision=precision))
    for _ in range(SAMPLE_ITERATIONS[by_diagonal]):
        values, gradients = sample.evaluate(np.stack([descent.trial for descent in descents]))
        for descent, value, gradient in zip(descents, values, gradients, strict=True):
            if descent.tell(float(value), gradient):
                descent.aim(descent.inverse)
    return [descent.state.parameters for descent in descents], inverses


def axes_of(source: Objective, objective: Objective) -> Floats | None:
    """Return the principal axes of the rows of `source`, one per column, if they pay for a fit of `objective`."""
    columns = objective.layout.columns
    if objective.outputs == 1 or not axes_pay(objective.layout.rows, columns, objective.outputs * len(objective.C)):
        return None
    (gram,) = source.shards.total("gram", True)
    moments = gram / gram[-1, -1]
    covariance = moments[:-1, :-1]
    if objective.fit_intercept:
        covariance = covariance - np.outer(moments[-1, :-1], moments[-1, :-1])
    return principal_axes(covariance)


def _taken(objective: Objective, shares: Floats, seed: int, *, by_position: bool) -> Taken:
    return Taken.joined(objective.shards.collect("take", shares, (seed,), by_position))
