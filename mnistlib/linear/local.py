"""All rows in this process: one shard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.layout import Layout
from mnistlib.linear.objective import Objective
from mnistlib.linear.rows import block_rows
from mnistlib.linear.shard import Shard
from mnistlib.linear.sums import Sums, TreeSum

__all__ = ["LocalShards", "local_objective"]

# Whole weights with a larger mean are aggregated data: they do not stand for rows that could be drawn.
MOST_COPIES = 10


@dataclass(frozen=True)
class LocalShards:
    """One shard with all blocks.

    Parameters
    ----------
    shard : Shard
        The rows.
    """

    shard: Shard

    @property
    def layout(self) -> Layout:
        """The grid of blocks."""
        return self.shard.layout

    def total(self, operation: str, *arguments: Any) -> Sums:
        """Return the sums over all blocks of the answers to a question."""
        nodes = getattr(self.shard, operation)(*arguments)
        if self.layout.blocks == 1:
            return next(iter(nodes.values()))
        tree = TreeSum(self.layout.blocks)
        tree.merge(nodes)
        return tree.total()

    def collect(self, operation: str, *arguments: Any) -> list[Any]:
        """Return the answer of the only shard."""
        return [getattr(self.shard, operation)(*arguments)]

    def watch(self, on_block: Callable[[float], None] | None) -> None:
        """Have `on_block` called after each block, with the share of the blocks that is done."""
        self.shard.on_block = on_block


def local_objective(
    X: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    *,
    classes: int,
    C: npt.ArrayLike,
    arithmetic: Arithmetic,
    sample_weight: npt.NDArray[Any] | None = None,
    fit_intercept: bool = True,
    scale: float = 1.0,
    keeps: bool = True,
) -> Objective:
    """Return the objective over rows in this process.

    Parameters
    ----------
    X : array of shape (n, d) of floats or unsigned bytes
        The rows; a memory map will do.
    labels : array of shape (n,), whole numbers
        The class of each row, 0 to `classes` - 1.
    classes : int
        The number of classes; at least 2.
    C : array of shape (models,)
        Inverse strength of the penalty of each model; infinite for none.
    arithmetic : Arithmetic
        The library, the precision and the threads to compute with.
    sample_weight : array of shape (n,), optional
        The weight of each row; 1 unless given.
    fit_intercept : bool
        Whether the intercepts are free; zero otherwise.
    scale : float
        The factor of every number in X.
    keeps : bool
        Whether to keep the residuals of all rows, as for `Shard`.
    """
    outputs = 1 if classes == 2 else classes
    of_classes = np.bincount(labels, weights=sample_weight, minlength=classes).astype(np.float64)
    counted = None if sample_weight is None else _counted(sample_weight)
    layout = Layout(
        rows=len(X),
        columns=X.shape[1] if X.ndim == 2 else 0,
        classes=classes,
        block_rows=block_rows(X.shape[-1], outputs),
        scale=scale,
        of_bytes=X.dtype == np.uint8,
        counted=counted,
        mean_weight=1.0 if counted is None else float(of_classes.sum()) / max(counted, 1.0),
    )
    shard = Shard(layout, X, labels, sample_weight, first_block=0, arithmetic=arithmetic, keeps=keeps)
    return Objective(
        LocalShards(shard), C=C, arithmetic=arithmetic, class_weight=of_classes, fit_intercept=fit_intercept
    )


def _counted(weights: npt.NDArray[Any]) -> float:
    """Return the number of rows that weights stand for, as `Layout.counted` has it."""
    total, rows = float(np.sum(weights)), float(np.count_nonzero(weights))
    whole = total <= MOST_COPIES * rows and bool(np.all(weights == np.rint(weights)))
    return total if whole else rows
