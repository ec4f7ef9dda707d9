"""Approximate inverses of the Hessian, from as few rows as will do.

The Hessian of the log-loss weighs each row by how undecided the model is about it, and most rows are decided. So rows
are drawn with a probability in proportion to their weight (importance sampling), which makes a few thousand rows
stand for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnistlib.linear.arithmetic import Arithmetic, DeviceArray, Floats
from mnistlib.linear.objective import Logits, Objective

__all__ = ["Preconditioner", "at_zero", "near"]

# Rows to draw for each column of a block: timed on MNIST, from 2 (a third more passes) to 8 (no fewer, twice the time).
ROWS_PER_COLUMN = 4
# Up to this many parameters the whole Hessian is cheaper than the passes that its class blocks would need instead.
WHOLE_HESSIAN = 600
ROWS_PER_PARAMETER = 40
# The largest matrix to factorize, and the most numbers in the blocks of one model together.
LARGEST_BLOCK = 4096
MOST_NUMBERS = 1 << 26
CHUNK = 1024


@dataclass(frozen=True)
class Preconditioner:
    """Symmetric positive matrices in the place of the inverse Hessians, one for each model.

    Parameters
    ----------
    factors : list of arrays of shape (blocks, size, size)
        For each model F with ``F.T @ F`` the matrix. The blocks share out the parameters in order; one block of the
        size of one output serves all outputs.
    arithmetic : Arithmetic
        What the factors belong to.
    """

    factors: list[DeviceArray]
    arithmetic: Arithmetic

    def solve(self, model: int, gradient: Floats) -> Floats:
        """Return the matrix of `model` times `gradient`, both of the shape (outputs, d + 1)."""
        factor = self.factors[model]
        columns = self.arithmetic.to_device(gradient.reshape(-1, factor.shape[-1], 1))
        solved = factor.swapaxes(-1, -2) @ (factor @ columns)
        return np.asarray(solved, dtype=np.float64).reshape(gradient.shape)

    def only(self, models: npt.NDArray[np.bool_]) -> Preconditioner:
        """Return the preconditioner of some of the models."""
        return Preconditioner([self.factors[model] for model in np.flatnonzero(models)], self.arithmetic)


def at_zero(objective: Objective) -> Preconditioner:
    """Return the inverse of each class's Hessian where all weights are zero, which all classes share.

    There it is the Gram matrix of the rows, up to a factor; Boehning (1992) bounds the Hessian by the same matrix.
    """
    weights = objective.sample_weight
    rows = objective.rows.shape[0]
    every = np.ones(rows) if weights is None else weights
    starts = range(0, rows, CHUNK)

    def work(start: int) -> DeviceArray:
        return _gram(objective, np.arange(start, min(start + CHUNK, rows)), every[start : start + CHUNK])

    gram = sum(objective.arithmetic.map(work, starts))
    likely = 0.5 if objective.outputs == 1 else 1 / objective.outputs
    factors = [_factor(objective, model, likely * (1 - likely) * gram)[None] for model in range(len(objective.C))]
    return Preconditioner(factors, objective.arithmetic)


def near(objective: Objective, state: Logits, random: np.random.Generator) -> Preconditioner:
    """Return the inverse of the Hessian where the outputs are `state`: whole, or its class blocks."""
    columns = objective.shape[2]
    drawn = _draw(objective, state, ROWS_PER_COLUMN * columns, random)
    arithmetic = objective.arithmetic

    def work(place: tuple[int, int]) -> DeviceArray:
        model, output = place
        return _factor(objective, model, _gram(objective, *drawn[model][output]))

    blocks = list(arithmetic.map(work, list(np.ndindex(*objective.shape[:2]))))
    factors = [
        arithmetic.namespace.stack(blocks[first : first + objective.outputs])
        for first in range(0, len(blocks), objective.outputs)
    ]
    return Preconditioner(factors, objective.arithmetic)


Draw = tuple[npt.NDArray[np.intp], npt.NDArray[np.floating]]


def _draw(objective: Objective, state: Logits, rows: int, random: np.random.Generator) -> list[list[Draw]]:
    """Draw about so many rows for each output of each model, and weigh them so that their expectation is right."""
    totals = np.zeros(objective.shape[:2])
    for _, curvature in objective.curvatures(state):
        totals += objective.arithmetic.total(curvature)
    rate = rows / np.maximum(totals, np.finfo(float).tiny)
    seed = int(random.integers(1 << 32))
    picked: list[list[list[Draw]]] = [[[] for _ in range(objective.outputs)] for _ in objective.C]
    for block, (where, curvature) in enumerate(objective.curvatures(state)):
        host = np.asarray(curvature)
        chance = host * rate[:, :, None]
        hit = np.random.default_rng((seed, block)).random(host.shape, dtype=np.float32) < chance
        for model, output in np.ndindex(*totals.shape):
            at = np.flatnonzero(hit[model, output])
            weight = host[model, output, at] / np.minimum(1, chance[model, output, at])
            picked[model][output].append((at + where.start, weight))
    return [
        [(np.concatenate([at for at, _ in one]), np.concatenate([w for _, w in one])) for one in model]
        for model in picked
    ]


def _gram(objective: Objective, indices: npt.NDArray[np.intp], weights: npt.NDArray[np.floating]) -> DeviceArray:
    """Return the weighted Gram matrix of some raw rows, and of a column of ones after them."""
    arithmetic = objective.arithmetic
    total = arithmetic.to_device(np.zeros((objective.shape[2], objective.shape[2])))
    for start in range(0, len(indices), CHUNK):
        chunk = slice(start, start + CHUNK)
        block = arithmetic.to_device(objective.rows.take(indices[chunk]))
        total += arithmetic.gram(block, arithmetic.to_device(weights[chunk]))
    return total


def _factor(objective: Objective, model: int, gram: DeviceArray) -> DeviceArray:
    """Factorize the penalized Hessian of a model, from the Gram matrices of raw rows."""
    arithmetic = objective.arithmetic
    scales = np.full(objective.shape[2], objective.scale)
    scales[-1] = 1
    penalty = np.ones(objective.shape[2])
    penalty[-1] = 0
    hessian = gram * arithmetic.to_device(objective.C[model] * np.outer(scales, scales))
    return arithmetic.inverse_factor(hessian + arithmetic.to_device(np.diag(penalty)))
