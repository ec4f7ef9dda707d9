"""Array arithmetic and threads: the one module that knows which array library computes, and on how many cores.

Everything above it hands over NumPy arrays and gets NumPy arrays back, except for outputs, blocks of rows and factors,
which stay in the library's own arrays from one call to the next. `namespace` may be any library that goes by NumPy's
names for elementwise functions, sums, `concatenate`, `where` and `linalg`; the tests run on PyTorch as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from threadpoolctl import ThreadpoolController

__all__ = ["Arithmetic", "DeviceArray", "Floats", "thread_count"]

Floats = npt.NDArray[np.float64]
DeviceArray = Any
"""An array of the library that computes; only this package's modules pass it on, unopened."""

Item = TypeVar("Item")
Result = TypeVar("Result")

# Below this size a triangle is inverted by LAPACK; above, by halves, so that nearly all the work is matrix products.
SMALL_TRIANGLE = 64
# A correlation matrix that needs a larger ridge than this is none: its numbers have overflowed.
LARGEST_RIDGE = 10.0
# How many results may wait to be summed, for each thread: enough to keep threads busy, few enough to bound memory.
QUEUE_PER_THREAD = 4
# Overflow is looked for in the results, where it can be explained; a warning from the middle of it could not be.
QUIET: dict[str, Any] = {"over": "ignore", "invalid": "ignore"}


def thread_count(n_jobs: int | None) -> int:
    """Return the number of threads that `n_jobs` asks for.

    Parameters
    ----------
    n_jobs : int or None
        As joblib understands it: -1 is every core, -2 all but one. ``None`` is as many threads as the BLAS behind
        NumPy may use, which is what scikit-learn's own solvers run on; joblib and ``OMP_NUM_THREADS`` limit it.
    """
    if n_jobs is not None:
        return max(1, int(effective_n_jobs(n_jobs)))
    blas = ThreadpoolController().select(user_api="blas").info()
    return max((int(library["num_threads"]) for library in blas), default=int(effective_n_jobs(-1)))


@dataclass
class Arithmetic:
    """An array library, a precision and threads.

    Parameters
    ----------
    precision : dtype
        float32 or float64: what blocks of rows, logits and preconditioners are made of. Sums over rows are always
        carried in float64.
    threads : int
        How many row blocks are worked on at a time. Results have the same bits for every number.
    namespace : module
        NumPy, or a library with its names, such as ``torch``.
    """

    precision: np.dtype[Any]
    threads: int = 1
    namespace: ModuleType = np
    _pool: ThreadPoolExecutor | None = field(default=None, init=False, repr=False)

    def to_device(self, array: npt.NDArray[Any]) -> DeviceArray:
        """Return `array` at this precision in the library's own memory, shared where that is possible."""
        if self.namespace is np:
            return np.asarray(array, dtype=self.precision)
        return self._foreign(array).to(getattr(self.namespace, self.precision.name))

    def indices(self, array: npt.NDArray[Any]) -> DeviceArray:
        """Return whole numbers in the library's own memory, as it wants them for indexing."""
        return array if self.namespace is np else self._foreign(array).to(self.namespace.int64)

    def _foreign(self, array: npt.NDArray[Any]) -> DeviceArray:
        # PyTorch warns of shared memory that must not be written to, such as that of a file opened for reading.
        return self.namespace.asarray(array if array.flags.writeable else array.copy())

    def transposed(self, matrix: DeviceArray) -> DeviceArray:
        """Return a transposed copy, rows after one another in memory."""
        return np.ascontiguousarray(matrix.T) if self.namespace is np else matrix.T.contiguous()

    def total(self, array: DeviceArray) -> Floats:
        """Return the sums over the last axis, in float64, as a NumPy array."""
        return np.asarray(self.namespace.sum(array, -1, dtype=self.namespace.float64))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the threads, and keep BLAS to one of them for each: two layers of threads slow each other down."""
        if self._pool is not None:
            yield
            return
        with (
            ThreadpoolController().limit(limits=1, user_api="blas"),
            np.errstate(**QUIET),
            ThreadPoolExecutor(self.threads, initializer=partial(np.seterr, **QUIET)) as pool,
        ):
            self._pool = pool
            try:
                yield
            finally:
                self._pool = None

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield ``work(item)`` in the order of `items`, which makes sums over them the same on every run."""
        if self._pool is None or self.threads == 1 or len(items) == 1:
            yield from map(work, items)
            return
        coming = iter(items)
        waiting = deque(self._pool.submit(work, item) for item in islice(coming, self.threads * QUEUE_PER_THREAD))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(self._pool.submit(work, item) for item in islice(coming, 1))
        finally:
            for future in waiting:
                future.cancel()

    def gram(self, block: DeviceArray, weights: DeviceArray, *, whole: bool) -> DeviceArray:
        """Return the Gram matrix of weighted rows with a column of ones after them, or its diagonal."""
        xp = self.namespace
        root = xp.sqrt(weights)[:, None]
        scaled = xp.concatenate([block * root, root], 1)
        return scaled.T @ scaled if whole else xp.sum(scaled * scaled, 0)

    def inverse_factor(self, gram: DeviceArray, scale: DeviceArray, penalty: DeviceArray) -> DeviceArray:
        """Return F with ``F.T @ F`` the inverse of ``diag(scale) @ gram @ diag(scale) + diag(penalty)``.

        A singular direction gets the smallest ridge that lets the factorization succeed: a preconditioner has to be
        positive definite more than it has to be exact. Of a diagonal only, F is the diagonal.
        """
        xp = self.namespace
        whole = gram.ndim == 2
        diagonal = (xp.diagonal(gram) if whole else gram) * scale * scale + penalty
        unit = 1 / xp.sqrt(xp.where((diagonal > 0) & xp.isfinite(diagonal), diagonal, xp.ones_like(diagonal)))
        if not whole:
            return unit
        correlation = gram * (scale * unit)[:, None] * (scale * unit)
        ridge = len(unit) * float(np.finfo(self.precision).eps)
        while ridge < LARGEST_RIDGE:
            correlation.ravel()[:: len(unit) + 1] = 1 + ridge
            try:
                return self._lower_inverse(xp.linalg.cholesky(correlation)) * unit
            except (np.linalg.LinAlgError, RuntimeError):
                ridge *= 10
        return xp.diag(unit)

    def _lower_inverse(self, lower: DeviceArray) -> DeviceArray:
        size = len(lower)
        if size <= SMALL_TRIANGLE:
            return self.namespace.linalg.inv(lower)
        half = size // 2
        inverse = self.namespace.zeros_like(lower)
        first = inverse[:half, :half] = self._lower_inverse(lower[:half, :half])
        last = inverse[half:, half:] = self._lower_inverse(lower[half:, half:])
        inverse[half:, :half] = -(last @ lower[half:, :half]) @ first
        return inverse
