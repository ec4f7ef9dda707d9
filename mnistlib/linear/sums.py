"""Sums over numbered blocks in one fixed order, so that the division of blocks into shards changes no bit."""

from __future__ import annotations

import numpy as np

from mnistlib.linear.arithmetic import Floats

__all__ = ["Nodes", "Sums", "TreeSum"]

Sums = tuple[Floats, ...]
"""Arrays that are summed in parallel, each with arrays of its own shape."""

Nodes = dict[tuple[int, int], Sums]
"""Sums of whole subtrees: ``(level, place)`` covers the blocks from ``place << level`` to ``(place + 1) << level``."""


class TreeSum:
    """Pairwise sum over the blocks of all shards: a node is its left half plus its right half.

    The order of additions depends only on the block numbers: neither on the shard that sums a block, nor on the order
    in which blocks arrive. Floating-point sums therefore have the same bits for every number of threads and workers.

    Examples
    --------
    >>> import numpy as np
    >>> tree = TreeSum(3)
    >>> for block in (2, 0, 1):
    ...     tree.add((np.array([10.0**block]),), block)
    >>> tree.total()
    (array([111.]),)
    """

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks
        self.nodes: Nodes = {}  # the largest complete subtrees, at most two for each level

    def add(self, value: Sums, place: int, level: int = 0) -> None:
        """Add the sums of one block or of one subtree; its arrays may be overwritten afterwards."""
        while (1 << level) < self._blocks:
            sibling = self.nodes.pop((level, place ^ 1), None)
            if sibling is not None:
                left, right = (sibling, value) if place & 1 else (value, sibling)
                value = tuple(np.add(mine, other, out=mine) for mine, other in zip(left, right, strict=True))
            elif place & 1 or (place + 1) << level < self._blocks:
                break  # the other half is missing
            level, place = level + 1, place >> 1
        self.nodes[level, place] = value

    def merge(self, nodes: Nodes) -> None:
        """Add the subtrees of another shard."""
        for (level, place), value in nodes.items():
            self.add(value, place, level)

    def total(self) -> Sums:
        """Return the sums over all blocks, each of which has been added once."""
        (((level, place), value),) = self.nodes.items()
        assert place == 0 and (1 << level) >= self._blocks, "a block is missing"  # noqa: PT018
        return value
