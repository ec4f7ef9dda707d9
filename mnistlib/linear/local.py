"""All rows in this process: a single shard."""

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

# Whole weights with a larger mean are aggregated data, not repetitions of rows that could be drawn.
MOST_COPIES = 10


@dataclass(frozen=True)
class LocalShards:
    """A single shard with all blocks."""

    shard: Shard

    @property
    def layout(self) -> Layout:
        """The grid of blocks."""
        return self.shard.layout

    def total(self, operation: str, *arguments: Any) -> Sums:
        """Return the sums of an operation's results over all blocks."""
        nodes = getattr(self.shard, operation)(*arguments)
        if self.layout.blocks == 1:
            return next(iter(nodes.values()))
        tree = TreeSum(self.layout.blocks)
        tree.merge(nodes)
        return tree.total()

    def collect(self, operation: str, *arguments: Any) -> list[Any]:
        """Return the operation's result of the only shard."""
        return [getattr(self.shard, operation)(*arguments)]

    def watch(self, on_block: Callable[[float], None] | None) -> None:
        """Call `on_block` after each block, with the finished share of the blocks."""
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

    `X`, of shape (n, d), holds floats or unsigned bytes, and may be a memory map. `labels`, of shape (n,), are whole
    numbers from 0 to `classes` - 1. `C` is the inverse strength of the penalty of each model, infinite for none.
    `sample_weight` has the shape (n,). Without `fit_intercept`, intercepts are zero. `scale` multiplies every number in
    `X`; `keeps` is that of `Shard`.
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
    """Return the number of rows that the weights represent, for `Layout.counted`."""
    total, rows = float(np.sum(weights)), float(np.count_nonzero(weights))
    whole = total <= MOST_COPIES * rows and bool(np.all(weights == np.rint(weights)))
    return total if whole else rows
