"""Rows of a matrix, a block at a time, as floating-point numbers: from arrays and memory maps of floats or bytes.

A floating-point copy of many bytes is never made. On MNIST it would not pay: bytes are read four times as fast from
memory as floats, which makes up for converting each block anew in every pass, and a fresh copy costs ten passes' worth
of page faults.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic, DeviceArray

__all__ = ["Rows", "block_rows"]

# A block of rows and its outputs stay in a core's share of the cache; half and twice are as fast.
BLOCK_NUMBERS = 1 << 19
BLOCK_ROWS = (64, 8192)
# With so many outputs, a block has at least so many rows, up to so many numbers: adding up the gradients of the blocks,
# one number for each output and column, would take as long as the products.
MANY_OUTPUTS = 32
ROWS_OF_MANY = 1024
NUMBERS_OF_MANY = 1 << 23
# The most numbers of which a converted copy is kept.
MOST_KEPT = 10_000_000
# Arrays of outputs for each row that are alive at a time.
BLOCK_OUTPUTS = 4


def block_rows(columns: int, outputs: int) -> int:
    """Return the number of rows in a block: a power of two, so that blocks of any two data sets can be aligned."""
    numbers = columns + BLOCK_OUTPUTS * outputs
    rows = BLOCK_NUMBERS // numbers
    if outputs >= MANY_OUTPUTS:
        rows = max(rows, min(ROWS_OF_MANY, NUMBERS_OF_MANY // numbers))
    return int(np.clip(1 << max(0, rows.bit_length() - 1), *BLOCK_ROWS))


class Rows:
    """The rows of a matrix in blocks, in the arithmetic's precision.

    Parameters
    ----------
    X : array of shape (n, d) of floats or unsigned bytes
        A memory map will do: it is read a block at a time.
    arithmetic : Arithmetic
        The precision and the library of the blocks.
    step : int
        Rows in each block but the last.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    slices : list of slice
        The blocks, in order.

    Raises
    ------
    DataError
        `X` does not have two dimensions, or is empty.
    """

    def __init__(self, X: npt.NDArray[Any], arithmetic: Arithmetic, step: int) -> None:
        if X.ndim != 2 or not X.size:
            raise DataError(f"The rows need the shape (n, d) with n and d at least 1, not {X.shape}.")
        self.shape: tuple[int, int] = X.shape
        self.slices = [slice(start, min(start + step, len(X))) for start in range(0, len(X), step)]
        self._arithmetic = arithmetic
        self._thread = threading.local()
        self._lock = threading.Lock()
        # BLAS takes rows or columns that are contiguous, in either order.
        self._ready = X.dtype == arithmetic.precision and X.dtype.itemsize in X.strides
        # Converted once for all: a single block, or larger numbers. Bytes are read faster than what they become.
        smaller = arithmetic.precision.itemsize < X.dtype.itemsize and X.size <= MOST_KEPT
        self._kept = not self._ready and (smaller or len(self.slices) == 1)
        self._raw = X
        self._X = X

    def block(self, rows: slice) -> DeviceArray:
        """Return the rows of one of `slices`, good until this thread asks for the next block."""
        if self._kept:
            with self._lock:
                if self._kept:
                    self._X = np.ascontiguousarray(self._X, dtype=self._arithmetic.precision)
                    self._ready, self._kept = True, False
        if self._ready:
            return self._arithmetic.to_device(self._X[rows])
        # Into the same memory each time: a fresh array costs more in page faults than the conversion does.
        if not hasattr(self._thread, "converted"):
            self._thread.converted = np.empty((self.slices[0].stop, self.shape[1]), self._arithmetic.precision)
        converted = self._thread.converted[: rows.stop - rows.start]
        np.copyto(converted, self._X[rows])
        return self._arithmetic.to_device(converted)

    def raw(self, rows: slice) -> npt.NDArray[Any]:
        """Return rows as they are."""
        return self._raw[rows]

    def take(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Return a copy of the rows with these numbers, as they are; in ascending order for the sake of memory maps."""
        taken: npt.NDArray[Any] = self._raw[indices]
        return taken
