"""Rows of a matrix, a block at a time, as floating-point numbers: from arrays and memory maps of floats or bytes.

A floating-point copy of the whole matrix is never made. On MNIST it would not pay: bytes are read four times as fast
from memory as floats, which makes up for converting each block anew in every pass, and a fresh copy costs ten passes'
worth of page faults.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistlib.errors import DataError
from mnistlib.linear.arithmetic import Arithmetic, DeviceArray

__all__ = ["Rows"]

# A block of rows, and what is computed from it, stay in a core's share of the cache; half and twice are as fast.
BLOCK_NUMBERS = 3 << 19
BLOCK_ROWS = (256, 8192)


class Rows:
    """The rows of a matrix in blocks, in the arithmetic's precision.

    Parameters
    ----------
    X : array of shape (n, d) of floats or unsigned bytes
        A memory map will do: it is read a block at a time.
    arithmetic : Arithmetic
        What the blocks are for.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    of_bytes : bool
        Whether the numbers are unsigned bytes.
    slices : list of slice
        The blocks, in order. They depend on the number of columns alone, never on the number of threads.

    Raises
    ------
    DataError
        `X` does not have two dimensions, or is empty.
    """

    def __init__(self, X: npt.NDArray[Any], arithmetic: Arithmetic) -> None:
        if X.ndim != 2 or not X.size:
            raise DataError(f"The rows need the shape (n, d) with n and d at least 1, not {X.shape}.")
        self.shape: tuple[int, int] = X.shape
        self.of_bytes = X.dtype == np.uint8
        step = int(np.clip(BLOCK_NUMBERS // self.shape[1], *BLOCK_ROWS))
        self.slices = [slice(start, min(start + step, len(X))) for start in range(0, len(X), step)]
        self._X = X
        self._arithmetic = arithmetic
        self._thread = threading.local()
        # BLAS takes rows or columns that are contiguous, in either order.
        self._ready = X.dtype == arithmetic.precision and X.dtype.itemsize in X.strides

    def block(self, rows: slice) -> DeviceArray:
        """Return the rows of one of `slices`, good until this thread asks for the next block."""
        if self._ready:
            return self._arithmetic.to_device(self._X[rows])
        # Into the same memory each time: a fresh array costs more in page faults than the conversion does.
        if not hasattr(self._thread, "converted"):
            self._thread.converted = np.empty((self.slices[0].stop, self.shape[1]), self._arithmetic.precision)
        converted = self._thread.converted[: rows.stop - rows.start]
        np.copyto(converted, self._X[rows])
        return self._arithmetic.to_device(converted)

    def take(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Return a copy of the rows with these numbers, in ascending order for the sake of memory maps."""
        return self._X[indices].astype(self._arithmetic.precision, copy=False)
