"""Approximate inverses of the Hessian, from as few rows as possible.

The Hessian of the log-loss weights each row by the uncertainty of its prediction, and most predictions are certain. So
rows are drawn with a probability in proportion to their weight (importance sampling), and a few thousand rows represent
all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistlib.linear.arithmetic import Arithmetic, DeviceArray, Floats
from mnistlib.linear.draws import Drawn
from mnistlib.linear.objective import Objective

__all__ = ["ClassBlocks", "Preconditioner", "at_zero", "blocks_pay", "leaders", "near"]

# Rows to draw for a block: a share of all, within these limits per column. On 60,000 digits half as many cost a third
# more passes, and twice as many save none; the costlier a pass, the more it pays to save one.
DRAW_ONE_IN = 60
DRAW_ROWS_PER_COLUMN = (4, 32)
# A block is factorized if its columns, squared, are at most this many times the rows: otherwise passes are cheaper.
BLOCK_PAYS = 200
SHARED_BLOCK_PAYS = 1000
# Largest factorized block, and all blocks of one model together, in numbers: at most a quarter and half a gigabyte.
LARGEST_BLOCK = 1 << 25
LARGEST_BLOCKS = 1 << 26
# Up to so many models share blocks if their C are similar: eight then take about as many passes as each on its own.
MODELS_PER_LEADER = 3
SIMILAR_C = 30
# Rows not drawn are represented by so many rows more, in which every pixel has the mean brightness. With 30 to 100,
# from 60,000 to 6 million digits take 10 to 15 passes; with none, and with 200, up to half as many again.
PRIOR_ROWS = 50
# A pixel with less than this share of the mean square of all pixels is left out of the block, and its second derivative
# is used alone. On 60,000 digits that is a third of the pixels, a Gram matrix takes half the time, and no pass is
# added; with a share of 0.03, a third more passes.
DARK = 0.005
# Rows of which a Gram matrix is formed at a time.
CHUNK = 1024


@dataclass(frozen=True)
class Preconditioner:
    """A symmetric positive matrix in place of an inverse Hessian, the same for all outputs."""

    factor: DeviceArray  # (d + 1, d + 1) or (d + 1,): F with F.T @ F the matrix, or its diagonal
    arithmetic: Arithmetic  # the library and the precision of the factor

    @property
    def rescaled(self) -> bool:
        """Whether to rescale the matrix by the last step: a diagonal, which has no correlations."""
        return bool(self.factor.ndim == 1)

    def solve(self, gradient: Floats) -> Floats:
        """Return the matrix times `gradient`, both of shape (outputs, d + 1)."""
        factor, vectors = self.factor, self.arithmetic.to_device(gradient)
        solved = factor * factor * vectors if factor.ndim == 1 else (vectors @ factor.T) @ factor
        return np.asarray(solved, dtype=np.float64)


@dataclass(frozen=True)
class ClassBlock:
    """The inverse of one output's Hessian, in which some columns are treated separately."""

    factor: DeviceArray  # (m, m): F with F.T @ F the inverse for the columns of the block
    columns: DeviceArray | None = None  # (m,): the numbers of these columns; None for all
    # (d + 1,): roots of the inverse second derivatives by each parameter; None if all columns are in the block.
    alone: DeviceArray | None = None

    def solve(self, vector: DeviceArray) -> DeviceArray:
        """Return the inverse times a vector of shape (d + 1,)."""
        if self.columns is None or self.alone is None:
            return (self.factor @ vector) @ self.factor
        solved = self.alone * self.alone * vector
        solved[self.columns] = (self.factor @ vector[self.columns]) @ self.factor
        return solved


@dataclass(frozen=True)
class ClassBlocks:
    """The inverse of each output's Hessian."""

    blocks: list[ClassBlock]
    arithmetic: Arithmetic  # the library and the precision of the blocks
    rescaled = False

    def solve(self, gradient: Floats) -> Floats:
        """Return the matrix times `gradient`, both of shape (outputs, d + 1)."""
        vectors = self.arithmetic.to_device(gradient)
        # Block by block: each is used twice, the second time from the cache.
        solved = [block.solve(vector) for block, vector in zip(self.blocks, vectors, strict=True)]
        return np.asarray(self.arithmetic.namespace.stack(solved), dtype=np.float64)


def at_zero(objective: Objective) -> list[Preconditioner]:
    """Return each model's inverse of a class's Hessian at zero weights, which is the same for all classes.

    Up to a factor it is the inverse of the rows' Gram matrix, by which Boehning (1992) bounds the Hessian. If that does
    not pay, it is that of the diagonal.
    """
    arithmetic = objective.arithmetic
    columns = objective.shape[2]
    whole = columns**2 <= min(SHARED_BLOCK_PAYS * objective.layout.rows, LARGEST_BLOCK)
    (gram,) = objective.shards.total("gram", whole)
    gram = objective.checked(gram.astype(arithmetic.precision))
    likely = 1 / max(2, objective.outputs)
    at_even_odds = arithmetic.to_device(likely * (1 - likely) * gram)
    factors = [_factor(objective, model, at_even_odds) for model in range(len(objective.C))]
    return [Preconditioner(factor, arithmetic) for factor in factors]


def blocks_pay(objective: Objective) -> bool:
    """Return whether class blocks pay for their factors, and fit into memory."""
    limit = min(BLOCK_PAYS * objective.layout.rows, LARGEST_BLOCKS // objective.outputs)
    return objective.shape[2] ** 2 <= limit


def near(objective: Objective, model: int, stream: tuple[int, ...], *, by_position: bool) -> ClassBlocks:
    """Return the inverses of the class blocks of a model at its last evaluation.

    `stream` selects the random numbers. With `by_position`, copies of a row are drawn separately.
    """
    least, most = (each * objective.shape[2] for each in DRAW_ROWS_PER_COLUMN)
    wanted = min(max(objective.layout.population / DRAW_ONE_IN, least), most)
    drawn = _draw(objective, model, wanted, stream, by_position=by_position)

    def work(output: int) -> ClassBlock:
        if not objective.layout.of_bytes:
            return ClassBlock(_factor(objective, model, _gram(objective, drawn, output)))
        squares = _squares(objective, drawn, output)
        unseen = _unseen(objective, squares, wanted)
        columns = _bright(squares)
        gram = _gram(objective, drawn, output, columns)
        factor = _factor(objective, model, gram, unseen=unseen)
        if columns is None:
            return ClassBlock(factor)
        alone = _factor(objective, model, objective.arithmetic.to_device(squares), unseen=unseen)
        return ClassBlock(factor, objective.arithmetic.indices(columns), alone)

    return ClassBlocks(list(objective.arithmetic.map(work, range(objective.outputs))), objective.arithmetic)


def leaders(C: Floats) -> list[int]:
    """Return for each model the one whose blocks it uses: of a few with similar C, that with the largest C."""
    found = [0] * len(C)
    group: list[int] = []
    for model in np.argsort(-C, kind="stable").tolist():
        if len(group) == MODELS_PER_LEADER or (group and C[group[0]] > SIMILAR_C * C[model]):
            group = []
        group.append(model)
        found[model] = group[0]
    return found


def _draw(
    objective: Objective, model: int, wanted: float, stream: tuple[int, ...], *, by_position: bool
) -> list[Drawn]:
    """Draw about `wanted` rows for each output of a model, block by block."""
    (total,) = objective.shards.total("curvature", model)
    rate = wanted / np.maximum(total, np.finfo(float).tiny)
    of_shards = objective.shards.collect("draw", model, rate, stream, by_position)
    return [of_block for drawn in of_shards for of_block in drawn]


def _gram(
    objective: Objective, drawn: list[Drawn], output: int, columns: npt.NDArray[np.intp] | None = None
) -> DeviceArray:
    """Return the weighted Gram matrix of the rows that an output has drawn, with a last column of ones.

    With `columns`, it is that of some columns, the last of which is that of ones.
    """
    arithmetic = objective.arithmetic
    size = objective.shape[2] if columns is None else len(columns)
    total = arithmetic.to_device(np.zeros((size, size)))
    for rows, weights in _chunks(drawn, output):
        part = rows if columns is None else np.take(rows, columns[:-1], axis=1)
        total += arithmetic.gram(arithmetic.to_device(part), arithmetic.to_device(weights), whole=True)
    return total


def _squares(objective: Objective, drawn: list[Drawn], output: int) -> Floats:
    """Return the diagonal of the Gram matrix."""
    arithmetic = objective.arithmetic
    total = np.zeros(objective.shape[2])
    for rows, weights in _chunks(drawn, output):
        total += np.asarray(
            arithmetic.gram(arithmetic.to_device(rows), arithmetic.to_device(weights), whole=False), dtype=np.float64
        )
    return total


def _bright(squares: Floats) -> npt.NDArray[np.intp] | None:
    """Return the columns that form a block, the intercept among them; None for all."""
    bright = squares >= DARK * squares[:-1].mean()
    bright[-1] = True
    return None if bright.all() else np.flatnonzero(bright)


def _chunks(drawn: list[Drawn], output: int) -> Iterator[tuple[npt.NDArray[Any], Floats]]:
    """Yield about `CHUNK` of the rows that an output has drawn at a time, with their weights."""
    group: list[Drawn] = []
    size = 0
    for number, of_block in enumerate(drawn, 1):
        group.append(of_block)
        size += len(of_block.places[output])
        if size >= CHUNK or (size and number == len(drawn)):
            rows = np.concatenate([each.rows[each.places[output]] for each in group])
            yield rows, np.concatenate([each.weights[output] for each in group])
            group, size = [], 0


def _unseen(objective: Objective, squares: Floats, drawn: float) -> float:
    """Return a bound on the contribution of rows not drawn to any diagonal element of a Gram matrix.

    A pixel may be dark in all drawn rows but bright in a few others; then only the penalty seems to limit its weight.
    On six million digits steps became a thousand times too long, and took twice as many passes. Only bytes have a
    common unit: columns of floats have none.
    """
    undrawn = max(0.0, 1 - drawn / objective.layout.population)
    return PRIOR_ROWS * undrawn * float(squares[:-1].mean()) / drawn


def _factor(objective: Objective, model: int, gram: DeviceArray, *, unseen: float = 0.0) -> DeviceArray:
    """Factorize the penalized Hessian of a model, or its diagonal, from the Gram matrix of raw rows."""
    arithmetic = objective.arithmetic
    scale = np.full(len(gram), objective.layout.scale)
    scale[-1] = 1
    penalty = objective.penalty[model] + objective.C[model] * unseen * scale**2
    penalty[-1] = 0
    root = arithmetic.to_device(np.sqrt(objective.C[model]) * scale)
    return arithmetic.inverse_factor(gram, root, arithmetic.to_device(penalty))
