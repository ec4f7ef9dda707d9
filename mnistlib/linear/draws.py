"""Random draws of rows by their content, so that neither the order of rows nor their place in a shard matters.

A generator that runs from row to row gives each permutation of the rows other draws, and a fit of them another path.
Here the random number of a row is a hash of its bytes. The price: copies of a row are drawn together. Where nearly all
rows are copies, the position of a row is hashed as well.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Keys", "mostly_copies", "row_keys", "uniform", "with_positions"]

Keys = npt.NDArray[np.uint64]

# Rows count as copies where fewer than the first share are distinct, or more than the second are equal.
DISTINCT = 0.1
EQUAL = 0.01
FEW = 10
_ODD = 0x9E3779B97F4A7C15
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def row_keys(X: npt.NDArray[Any]) -> Keys:
    """Return a hash of the bytes of each row of an array of shape (n, d).

    Words of the row are multiplied with fixed random odd numbers and summed (multilinear hashing), which reads each
    byte once and does not depend on the rows around.
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
    """Return keys that also depend on the number of each row, `first` and on."""
    return _mixed(keys + np.arange(first, first + len(keys), dtype=np.uint64) * np.uint64(_ODD))


def mostly_copies(keys: Keys) -> bool:
    """Return whether so many of some keys, drawn by position, are equal that rows of one key must be drawn apart."""
    _, counts = np.unique(keys, return_counts=True)
    return bool(len(counts) < DISTINCT * len(keys) or counts.max(initial=0) > max(FEW, EQUAL * len(keys)))


def uniform(keys: Keys, *stream: int) -> npt.NDArray[np.float32]:
    """Return a random number from 0 to 1 for each key.

    Parameters
    ----------
    keys : uint64 array of shape (n,)
        Of `row_keys`.
    *stream : int
        Numbers of which each combination gives other draws, such as a seed and an iteration.
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
