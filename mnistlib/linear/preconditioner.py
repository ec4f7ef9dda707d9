"""Approximate inverses of the Hessian, from as few rows as will do.

The Hessian of the log-loss weighs each row by how undecided the model is about it, and most rows are decided. So rows
are drawn with a probability in proportion to their weight (importance sampling), which makes a few thousand rows
stand for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from mnistlib.linear.arithmetic import Arithmetic, DeviceArray, Floats
from mnistlib.linear.objective import Logits, Objective

__all__ = ["Preconditioner", "at_zero", "near"]

# Rows to draw for a block: a share of all, within these limits for each column. On 60,000 digits half as many cost a
# third more passes, and twice as many save none; the dearer a pass is, the more it pays to save one.
DRAW_ONE_IN = 60
DRAW_ROWS_PER_COLUMN = (4, 32)
# A block is factorized where its columns, squared, are at most this many times the rows: otherwise passes are cheaper.
BLOCK_PAYS = 200
SHARED_BLOCK_PAYS = 1000
# The most numbers in one factorized block, and in those of one model together: a quarter and half a gigabyte at most.
LARGEST_BLOCK = 1 << 25
LARGEST_BLOCKS = 1 << 26
# So many models share blocks if their C are similar: eight then take about as many passes as each on its own.
MODELS_PER_LEADER = 3
SIMILAR_RATES = 30
# What the rows drawn don't show is made up for by so many rows more, in which every pixel has the mean brightness. With
# 30 to 100, from 60,000 to 6 million digits take 10 to 15 passes; with none, and with 200, up to half as many again.
PRIOR_ROWS = 50
# Rows that are made into a Gram matrix at a time.
CHUNK = 1024


@dataclass(frozen=True)
class Preconditioner:
    """Symmetric positive matrices in the place of the inverse Hessians, one for each model.

    Parameters
    ----------
    factors : list of arrays of shape (outputs, d + 1, d + 1), (1, d + 1, d + 1) or (d + 1,)
        For each model F with ``F.T @ F`` the matrix: a block for each output, one for all of them, or its diagonal.
    arithmetic : Arithmetic
        What the factors belong to.
    """

    factors: list[DeviceArray]
    arithmetic: Arithmetic

    def solve(self, model: int, gradient: Floats) -> Floats:
        """Return the matrix of `model` times `gradient`, both of the shape (outputs, d + 1)."""
        factor = self.factors[model]
        vectors = self.arithmetic.to_device(gradient)
        if factor.ndim == 1:
            solved = factor * factor * vectors
        elif len(factor) == 1:
            solved = (vectors @ factor[0].T) @ factor[0]
        else:
            # Block by block: each is used twice, and the second time comes out of the cache.
            solved = self.arithmetic.namespace.stack(
                [(block @ vector) @ block for block, vector in zip(factor, vectors, strict=True)]
            )
        return np.asarray(solved, dtype=np.float64)

    def only(self, models: npt.NDArray[np.bool_]) -> Preconditioner:
        """Return the preconditioner of some of the models."""
        return Preconditioner([self.factors[model] for model in np.flatnonzero(models)], self.arithmetic)


def at_zero(objective: Objective) -> Preconditioner:
    """Return the inverse of each class's Hessian where all weights are zero, which all classes share.

    There it is the Gram matrix of the rows, up to a factor; Boehning (1992) bounds the Hessian by the same matrix.
    Where that does not pay, its diagonal.
    """
    arithmetic = objective.arithmetic
    rows, columns = objective.rows.shape[0], objective.shape[2]
    whole = columns**2 <= min(SHARED_BLOCK_PAYS * rows, LARGEST_BLOCK)
    weights = np.ones(rows) if objective.sample_weight is None else objective.sample_weight

    def work(start: int) -> DeviceArray:
        end = min(start + CHUNK, rows)
        return _gram(objective, np.arange(start, end), weights[start:end], whole=whole)

    gram = sum(arithmetic.map(work, range(0, rows, CHUNK)))
    likely = 1 / max(2, objective.outputs)
    factors = [_factor(objective, model, likely * (1 - likely) * gram) for model in range(len(objective.C))]
    return Preconditioner([factor[None] if whole else factor for factor in factors], arithmetic)


def near(objective: Objective, state: Logits, random: np.random.Generator) -> Preconditioner | None:
    """Return the inverses of the Hessian's class blocks where the outputs are `state`; None where that does not pay."""
    arithmetic = objective.arithmetic
    rows, columns = objective.rows.shape[0], objective.shape[2]
    if columns**2 > min(BLOCK_PAYS * rows, LARGEST_BLOCKS // objective.outputs):
        return None
    leaders = _leaders(objective.C)
    drawn = {model: _draw(objective, model, state, random) for model in sorted(set(leaders))}

    def work(place: tuple[int, int]) -> DeviceArray:
        model, output = place
        gram = _gram(objective, *drawn[model][output], whole=True)
        return _factor(objective, model, gram, unseen=_unseen(objective, gram, len(drawn[model][output][0])))

    blocks = arithmetic.map(work, [(model, output) for model in drawn for output in range(objective.outputs)])
    factors = {model: arithmetic.namespace.stack(list(islice(blocks, objective.outputs))) for model in drawn}
    return Preconditioner([factors[model] for model in leaders], arithmetic)


def _leaders(C: Floats) -> list[int]:
    """Return for each model the one whose blocks it uses: of a few with similar rates, the one with the largest."""
    leaders = [0] * len(C)
    group: list[int] = []
    for model in np.argsort(-C, kind="stable").tolist():
        if len(group) == MODELS_PER_LEADER or (group and C[group[0]] > SIMILAR_RATES * C[model]):
            group = []
        group.append(model)
        leaders[model] = group[0]
    return leaders


def _draw(
    objective: Objective, model: int, state: Logits, random: np.random.Generator
) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.floating]]]:
    """Draw rows for each output of a model, with weights that make the weighted Gram matrix right on average."""
    total = np.zeros(objective.outputs)
    for _, curvature in objective.curvatures(model, state):
        total += objective.arithmetic.total(curvature)
    rows, columns = objective.rows.shape[0], objective.shape[2]
    least, most = (each * columns for each in DRAW_ROWS_PER_COLUMN)
    rate = min(max(rows // DRAW_ONE_IN, least), most) / np.maximum(total, np.finfo(float).tiny)
    picked: list[list[npt.NDArray[np.intp]]] = [[] for _ in total]
    weights: list[list[npt.NDArray[np.floating]]] = [[] for _ in total]
    for block, curvature in objective.curvatures(model, state):
        host = np.asarray(curvature)
        chance = host * rate[:, None]
        hit = random.random(host.shape, dtype=np.float32) < chance
        for output in range(len(total)):
            at = np.flatnonzero(hit[output])
            picked[output].append(at + block.start)
            weights[output].append(host[output, at] / np.minimum(1, chance[output, at]))
    return [(np.concatenate(at), np.concatenate(w)) for at, w in zip(picked, weights, strict=True)]


def _gram(
    objective: Objective, indices: npt.NDArray[np.intp], weights: npt.NDArray[np.floating], *, whole: bool
) -> DeviceArray:
    """Return the weighted Gram matrix of some raw rows with a column of ones after them, or its diagonal."""
    arithmetic = objective.arithmetic
    columns = objective.shape[2]
    total = arithmetic.to_device(np.zeros((columns, columns) if whole else columns))
    for start in range(0, len(indices), CHUNK):
        chunk = slice(start, start + CHUNK)
        block = arithmetic.to_device(objective.rows.take(indices[chunk]))
        total += arithmetic.gram(block, arithmetic.to_device(weights[chunk]), whole=whole)
    return total


def _unseen(objective: Objective, gram: DeviceArray, drawn: int) -> float:
    """Return what the rows that were not drawn may add to any diagonal number of a Gram matrix.

    A pixel that is dark in all the rows drawn but bright in a few of the others looks as if nothing but the penalty
    held its weight. On six million digits steps came out a thousand times too long, and took twice as many passes.
    Only bytes share a unit: columns of floats tell nothing of one another.
    """
    if not objective.rows.of_bytes:
        return 0.0
    undrawn = max(0.0, 1 - drawn / objective.rows.shape[0])
    typical = float(objective.arithmetic.namespace.diagonal(gram)[:-1].mean()) / max(1, drawn)
    return PRIOR_ROWS * undrawn * typical


def _factor(objective: Objective, model: int, gram: DeviceArray, *, unseen: float = 0.0) -> DeviceArray:
    """Factorize the penalized Hessian of a model, or its diagonal, from the Gram matrix of raw rows."""
    arithmetic = objective.arithmetic
    scale = np.full(objective.shape[2], objective.scale)
    scale[-1] = 1
    penalty = 1 + objective.C[model] * unseen * scale**2
    penalty[-1] = 0
    rate = arithmetic.to_device(np.sqrt(objective.C[model]) * scale)
    return arithmetic.inverse_factor(gram, rate, arithmetic.to_device(penalty))
