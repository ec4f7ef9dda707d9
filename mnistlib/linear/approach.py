"""Starting points: the best intercepts, and over many rows a rough fit to a sample of them."""

from __future__ import annotations

import numpy as np

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.draws import mostly_copies
from mnistlib.linear.layout import Taken
from mnistlib.linear.lbfgs import Descent, DescentState
from mnistlib.linear.local import local_objective
from mnistlib.linear.objective import LEAST_SHARE, Objective
from mnistlib.linear.preconditioner import Preconditioner, at_zero

__all__ = ["approach", "sample_of", "starting_point"]

# The sample is a tenth of the rows, within these limits for each column, if the whole is much larger.
SAMPLE_ONE_IN = 10
SAMPLE_ROWS_PER_COLUMN = (12, 60)
SAMPLE_SHARE = 3
SAMPLE_NUMBERS = 1 << 26
SAMPLE_ITERATIONS = 8
# Rows of each class that the sample has at least, if there are as many.
LEAST_OF_CLASS = 100


def starting_point(objective: Objective) -> Floats:
    """Return weights of zero and the intercepts that are best with them, of shape (outputs, d + 1).

    At equal odds the curvature of a class of frequency p is overestimated by about 1 / (4 p), which costs Newton's
    method about log(1 / p) extra steps. Where the columns are more than the rows, the weights take the place of
    intercepts, and zero is better.
    """
    start = np.zeros(objective.shape[1:])
    if objective.fit_intercept and objective.layout.columns < objective.layout.rows:
        logits = np.log(np.maximum(objective.class_weight / objective.total_weight, LEAST_SHARE))
        start[:, -1] = logits[1] - logits[0] if objective.outputs == 1 else logits - logits.mean()
    return start


def sample_of(objective: Objective, seed: int) -> tuple[Objective | None, bool]:
    """Return the objective over a sample of the rows, and whether rows have to be drawn by their position.

    There is no sample where the rows are not many more than it needs. Every class has rows in it.
    """
    rows, columns = objective.layout.population, objective.layout.columns
    least, most = (each * (columns + 1) for each in SAMPLE_ROWS_PER_COLUMN)
    size = min(max(rows / SAMPLE_ONE_IN, least), most, SAMPLE_NUMBERS / columns)
    if rows < SAMPLE_SHARE * size:
        return None, False
    of_classes = np.maximum(objective.class_weight / objective.layout.mean_weight, 1)
    shares = np.clip(LEAST_OF_CLASS / of_classes, size / rows, 1)
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
        C=objective.strengths * (objective.total_weight / float(weights.sum())),
        arithmetic=objective.arithmetic,
        sample_weight=weights,
        fit_intercept=objective.fit_intercept,
        scale=objective.layout.scale,
    )
    return sample, by_position


def approach(sample: Objective, starts: list[Floats] | None) -> tuple[list[Floats], list[Preconditioner]]:
    """Return for each model where to start, and how: from a few steps over the sample unless starts are given."""
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
    for _ in range(SAMPLE_ITERATIONS):
        values, gradients = sample.evaluate(np.stack([descent.trial for descent in descents]))
        for descent, value, gradient in zip(descents, values, gradients, strict=True):
            if descent.tell(float(value), gradient):
                descent.aim(descent.inverse)
    return [descent.state.parameters for descent in descents], inverses


def _taken(objective: Objective, shares: Floats, seed: int, *, by_position: bool) -> Taken:
    return Taken.joined(objective.shards.collect("take", shares, (seed,), by_position))
