"""Rows of a matrix as floating-point numbers, one block at a time, from arrays and memory maps of floats or bytes.

Large matrices of bytes are not copied to floats. On MNIST a copy would not pay: bytes are read from memory four times
as fast as floats, which makes up for the conversion of each block in every pass, and a fresh copy costs page faults
worth ten passes.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic, DeviceArray

__all__ = ["Rows", "block_rows"]

# A block of rows and its outputs fit into a core's share of the cache; half and twice the size are as fast.
BLOCK_NUMBERS = 1 << 19
BLOCK_ROWS = (64, 8192)
# With so many outputs, a block has at least so many rows, up to so many numbers. Otherwise the sum of the blocks'
# gradients, one number for each output and column, would take as long as the products.
MANY_OUTPUTS = 32
ROWS_OF_MANY = 1024
NUMBERS_OF_MANY = 1 << 23
# Largest matrix, in numbers, of which a converted copy is kept.
MOST_KEPT = 10_000_000
# Arrays of outputs for each row that are in memory at a time.
BLOCK_OUTPUTS = 4


def block_rows(columns: int, outputs: int) -> int:
    """Return the number of rows in a block: a power of two, so that blocks of any two data sets can be aligned."""
    numbers = columns + BLOCK_OUTPUTS * outputs
    rows = BLOCK_NUMBERS // numbers
    if outputs >= MANY_OUTPUTS:
        rows = max(rows, min(ROWS_OF_MANY, NUMBERS_OF_MANY // numbers))
    return int(np.clip(1 << max(0, rows.bit_length() - 1), *BLOCK_ROWS))


class Rows:
    """Rows of a matrix, in blocks of `step` rows (the last may be shorter) in the arithmetic's precision.

    `X`, of shape (n, d), holds floats or unsigned bytes; a memory map is read one block at a time. Raise DataError if
    `X` does not have two dimensions, or is empty.
    """

    def __init__(self, X: npt.NDArray[Any], arithmetic: Arithmetic, step: int) -> None:
        if X.ndim != 2 or not X.size:
            raise DataError(f"X needs the shape (n, d) with n and d at least 1, got {X.shape}.")
        self.shape: tuple[int, int] = X.shape
        #: The blocks, in order.
        self.slices = [slice(start, min(start + step, len(X))) for start in range(0, len(X), step)]
        self._arithmetic = arithmetic
        self._thread = threading.local()
        self._lock = threading.Lock()
        # BLAS takes rows or columns that are contiguous, in either order.
        self._ready = X.dtype == arithmetic.precision and X.dtype.itemsize in X.strides
        # Converted once: a single block, or numbers that become smaller. Bytes are read faster than the floats made of
        # them.
        smaller = arithmetic.precision.itemsize < X.dtype.itemsize and X.size <= MOST_KEPT
        self._kept = not self._ready and (smaller or len(self.slices) == 1)
        self._raw = X
        self._X = X

    def block(self, rows: slice) -> DeviceArray:
        """Return the rows of one of `slices`, valid until this thread requests another block."""
        if self._kept:
            with self._lock:
                if self._kept:
                    self._X = np.ascontiguousarray(self._X, dtype=self._arithmetic.precision)
                    self._ready, self._kept = True, False
        if self._ready:
            return self._arithmetic.to_device(self._X[rows])
        # Memory is reused: a fresh array costs more in page faults than the conversion.
        if not hasattr(self._thread, "converted"):
            self._thread.converted = np.empty((self.slices[0].stop, self.shape[1]), self._arithmetic.precision)
        converted = self._thread.converted[: rows.stop - rows.start]
        np.copyto(converted, self._X[rows])
        return self._arithmetic.to_device(converted)

    def raw(self, rows: slice) -> npt.NDArray[Any]:
        """Return rows in their original type."""
        return self._raw[rows]

    def take(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Return a copy of rows in their original type; `indices` ascend for the sake of memory maps."""
        taken: npt.NDArray[Any] = self._raw[indices]
        return taken
