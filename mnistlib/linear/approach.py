"""A sample of many rows: a rough fit to it, to start at, and its principal axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.curvature import InAxes, along
from mnistlib.linear.draws import mostly_copies
from mnistlib.linear.layout import Taken
from mnistlib.linear.lbfgs import Descent, DescentState
from mnistlib.linear.local import local_objective
from mnistlib.linear.objective import Objective, starting_point
from mnistlib.linear.preconditioner import at_zero, blocks_pay
from mnistlib.linear.quasi_newton import InverseHessian
from mnistlib.linear.reduction import Reduction, in_principal_axes

__all__ = ["Sample", "approach", "sample_of"]

# The sample is a tenth of the rows, within these limits for each column, if the whole is much larger.
SAMPLE_ONE_IN = 10
SAMPLE_ROWS_PER_COLUMN = (12, 60)
SAMPLE_SHARE = 3
SAMPLE_NUMBERS = 1 << 26
SAMPLE_ITERATIONS = 8
# Rows of each class that the sample has at least, if there are as many; or its share of the sample, with many classes.
LEAST_OF_CLASS = 100


@dataclass(frozen=True, eq=False)
class Sample:
    """The objective over a sample of the rows.

    Parameters
    ----------
    objective : Objective
        The objective; its weights are along the axes.
    axes : array of shape (d, d) or None
        The principal axes of the rows, a column each; None for those of X.
    """

    objective: Objective
    axes: Floats | None

    def along_axes(self, inverse: InverseHessian) -> InverseHessian:
        """Return an inverse Hessian over the sample as one for parameters of X."""
        return inverse if self.axes is None else InAxes(inverse, self.axes)


def sample_of(objective: Objective, seed: int) -> tuple[Sample | None, bool]:
    """Return a sample of the rows, and whether rows have to be drawn by their position.

    There is no sample where the rows are not many more than it needs. Every class has rows in it. Where class blocks do
    not pay, it is turned into its principal axes, along which a diagonal preconditions.
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
    reduction = Reduction(taken.rows)
    if not blocks_pay(objective):
        reduction = in_principal_axes(reduction, objective.outputs)
    sample = local_objective(
        reduction.X.astype(objective.arithmetic.precision, copy=False) if reduction.changes_columns else taken.rows,
        taken.labels,
        classes=objective.layout.classes,
        C=objective.strengths * (objective.total_weight / float(weights.sum())),
        arithmetic=objective.arithmetic,
        sample_weight=weights,
        fit_intercept=objective.fit_intercept,
        scale=objective.layout.scale,
    )
    return Sample(sample, None if reduction.basis is None else reduction.basis.T), by_position


def approach(sample: Sample, starts: list[Floats] | None) -> tuple[list[Floats], list[InverseHessian]]:
    """Return for each model where to start, and how: from a few steps over the sample unless starts are given."""
    objective = sample.objective
    at_first = at_zero(objective)
    inverses = [sample.along_axes(inverse) for inverse in at_first]
    if starts is not None:
        return starts, inverses
    descents = []
    start = np.stack([starting_point(objective)] * len(objective.C))
    values, gradients = objective.evaluate(start)
    precision = float(np.finfo(objective.arithmetic.precision).eps)
    for model, inverse in enumerate(at_first):
        state = DescentState(start[model], gradients[model], float(values[model]))
        descents.append(Descent(state, inverse, balanced=objective.balanced, precision=precision))
    for _ in range(SAMPLE_ITERATIONS):
        values, gradients = objective.evaluate(np.stack([descent.trial for descent in descents]))
        for descent, value, gradient in zip(descents, values, gradients, strict=True):
            if descent.tell(float(value), gradient):
                descent.aim(descent.inverse)
    ends = [descent.state.parameters for descent in descents]
    return ends if sample.axes is None else [along(end, sample.axes.T) for end in ends], inverses


def _taken(objective: Objective, shares: Floats, seed: int, *, by_position: bool) -> Taken:
    return Taken.joined(objective.shards.collect("take", shares, (seed,), by_position))
