"""Random draws of rows by their content, so that neither the order of rows nor their shard matters.

A generator that runs over the rows gives each permutation of them other draws, and their fit another path. Here the
random number of a row is a hash of its bytes. The price: copies of a row are drawn together. If nearly all rows are
copies, the position of a row is hashed as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.layout import Layout
from mnistlib.linear.rows import Rows

__all__ = ["Drawn", "Draws", "Keys", "Taken", "mostly_copies", "row_keys", "uniform", "with_positions"]

Keys = npt.NDArray[np.uint64]

# Rows count as copies if fewer than this share are distinct, or if more than this share, and more than a few, are
# equal.
DISTINCT = 0.1
EQUAL = 0.01
FEW = 10
# A weight of more than so many times the mean raises its row's chance to be drawn.
HEAVY = 10.0
_ODD = 0x9E3779B97F4A7C15
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


@dataclass(frozen=True)
class Drawn:
    """Rows drawn from one block, in their order."""

    rows: npt.NDArray[Any]  # (m, d), those drawn for any output
    places: list[npt.NDArray[np.intp]]  # for each output, the indices of its rows in `rows`
    weights: list[Floats]  # for each output, the weights of its rows in its Gram matrix


@dataclass(frozen=True)
class Taken:
    """Some rows, (m, d), with their labels, weights and content keys, (m,); `weights` is None for 1."""

    rows: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None
    keys: Keys

    @classmethod
    def joined(cls, parts: Sequence[Taken]) -> Taken:
        """Return the rows of all parts."""
        weights = [part.weights for part in parts if part.weights is not None]
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate(weights) if weights else None,
            np.concatenate([part.keys for part in parts]),
        )


class Draws:
    """Draws from the rows of one shard, which begins at `first_row` among the rows of all shards."""

    def __init__(
        self,
        layout: Layout,
        rows: Rows,
        labels: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None,
        *,
        first_row: int,
    ) -> None:
        self._layout = layout
        self._rows = rows
        self._labels = labels
        self._weights = weights
        self._first_row = first_row
        self._known: dict[int, Keys] = {}

    def by_curvature(
        self, block: slice, curved: Floats, rate: Floats, stream: tuple[int, ...], *, by_position: bool
    ) -> Drawn:
        """Draw rows of a block for each output by their curvature, (outputs, rows), as in `Shard.draw`."""
        curved, chance = self._chances(block, curved, rate)
        keys = self._keys(block)
        if by_position:
            keys = self._with_positions(keys, block)
        at = [np.flatnonzero(uniform(keys, *stream, k) < of_output) for k, of_output in enumerate(chance)]
        weights = [curved[k, a] / np.minimum(1, chance[k, a]) for k, a in enumerate(at)]
        needed = np.unique(np.concatenate(at))
        places = [np.searchsorted(needed, a) for a in at]
        return Drawn(self._rows.take(needed + block.start), places, weights)

    def by_class(self, block: slice, shares: Floats, stream: tuple[int, ...], *, by_position: bool) -> Taken:
        """Draw about the given share of the rows of each class in a block."""
        keys, labels = self._keys(block), self._labels[block]
        drawn_by = self._with_positions(keys, block) if by_position else keys
        at = np.flatnonzero(uniform(drawn_by, *stream) < shares[labels])
        weights = None if self._weights is None else self._weights[block][at]
        return Taken(self._rows.take(at + block.start), labels[at], weights, keys[at])

    def _keys(self, block: slice) -> Keys:
        """Return the cached keys of a block's rows."""
        if block.start not in self._known:
            self._known[block.start] = row_keys(self._rows.raw(block))
        return self._known[block.start]

    def _with_positions(self, keys: Keys, block: slice) -> Keys:
        return with_positions(keys, self._first_row + block.start)

    def _chances(self, block: slice, curved: Floats, rate: Floats) -> tuple[Floats, Floats]:
        """Return the rows' curvature times their sample weights, and the chance of each row to be drawn."""
        chance = curved * (rate[:, None] * self._layout.mean_weight)
        if self._weights is None:
            return curved, chance
        weights = self._weights[block]
        return curved * weights, chance * np.maximum(weights / (HEAVY * self._layout.mean_weight), 1)


def row_keys(X: npt.NDArray[Any]) -> Keys:
    """Return a hash of the bytes of each row of an array of shape (n, d).

    The words of a row are multiplied with fixed random odd numbers and summed (multilinear hashing), which reads each
    byte once and does not depend on other rows.
    """
    width = X.shape[1] * X.dtype.itemsize
    whole = np.zeros((len(X), -(-width // 8) * 8), np.uint8)
    whole[:, :width] = np.ascontiguousarray(X).view(np.uint8).reshape(len(X), width)
    words = whole.view(np.uint64)
    words ^= words >> np.uint64(32)  # floats of few digits have zeros at the lower end
    factors = np.random.default_rng(0).integers(1 << 63, size=words.shape[1], dtype=np.uint64) * np.uint64(2)
    words *= factors + np.uint64(1)
    return _mixed(words.sum(axis=1, dtype=np.uint64))


def with_positions(keys: Keys, first: int) -> Keys:
    """Return keys that also depend on the number of each row, counted from `first`."""
    return _mixed(keys + np.arange(first, first + len(keys), dtype=np.uint64) * np.uint64(_ODD))


def mostly_copies(keys: Keys) -> bool:
    """Return whether so many keys of rows drawn by position are equal that copies must be drawn separately."""
    _, counts = np.unique(keys, return_counts=True)
    return bool(len(counts) < DISTINCT * len(keys) or counts.max(initial=0) > max(FEW, EQUAL * len(keys)))


def uniform(keys: Keys, *stream: int) -> npt.NDArray[np.float32]:
    """Return a random number from 0 to 1 for each of the `row_keys`, of shape (n,).

    Each combination of numbers in `stream`, such as a seed and an iteration, gives other draws.
    """
    return (_mixed(keys + _offset(*stream)) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


@lru_cache(maxsize=4096)  # each block of rows draws from the same streams
def _offset(*stream: int) -> np.uint64:
    return np.uint64(np.random.SeedSequence(stream).generate_state(1, np.uint64)[0])


def _mixed(keys: Keys) -> Keys:
    """Return keys whose bits all depend on all bits of `keys`: the finalizer of SplitMix64 (Steele et al., 2014)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(_MIX[0])
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(_MIX[1])
    return keys ^ (keys >> np.uint64(31))
