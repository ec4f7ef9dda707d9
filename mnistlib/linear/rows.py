"""Rows of a matrix, a block at a time, as floating-point numbers: from arrays and memory maps of floats or bytes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic, DeviceArray

__all__ = ["Rows", "default_memory_budget"]

# A block of rows and what is computed from it stay in a core's share of the cache; timings are flat from half to twice.
BLOCK_ELEMENTS = 3 << 19
BLOCK_ROWS = (256, 8192)


def default_memory_budget() -> int:
    """Return a quarter of the machine's physical memory, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


class Rows:
    """The rows of a matrix in blocks, in the arithmetic's precision.

    Parameters
    ----------
    X : array of shape (n, d), float32, float64 or uint8
        A memory map will do: it is read a block at a time.
    arithmetic : Arithmetic
        What the blocks are for.
    memory_budget : int, optional
        The size in bytes that a floating-point copy of `X` may have; a quarter of physical memory unless given. A
        copy that is larger is not made, and each block is converted each time that it is read.

    Raises
    ------
    DataError
        `X` has not two dimensions, or is empty.
    """

    def __init__(
        self, X: npt.NDArray[Any], arithmetic: Arithmetic, *, memory_budget: int | None = None
    ) -> None:
        if X.ndim != 2 or not X.size:
            raise DataError(f"The rows need the shape (n, d) with n and d at least 1, not {X.shape}.")
        self.shape: tuple[int, int] = X.shape
        self._arithmetic = arithmetic
        step = int(np.clip(BLOCK_ELEMENTS // self.shape[1], *BLOCK_ROWS))
        self.slices = [slice(start, min(start + step, len(X))) for start in range(0, len(X), step)]
        budget = default_memory_budget() if memory_budget is None else memory_budget
        ready = X.dtype == arithmetic.precision and X.flags.c_contiguous
        self.copied = not ready and X.size * arithmetic.precision.itemsize <= budget
        self._X = self._converted(X) if self.copied else X

    def _converted(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        copy = np.empty(self.shape, self._arithmetic.precision)

        def convert(rows: slice) -> None:
            copy[rows] = X[rows]

        for _ in self._arithmetic.map(convert, self.slices):
            pass
        return copy

    def block(self, rows: slice) -> DeviceArray:
        """Return the rows of one of `slices`."""
        return self._arithmetic.to_device(np.ascontiguousarray(self._X[rows]))

    def take(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Return a copy of the rows with these numbers."""
        return np.ascontiguousarray(self._X[indices], dtype=self._arithmetic.precision)
