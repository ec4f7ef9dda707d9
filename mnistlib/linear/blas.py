"""The BLAS library behind NumPy and SciPy: its number of threads, also while fits run, and its instructions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from joblib import effective_n_jobs
from threadpoolctl import OpenBLASController, ThreadpoolController

__all__ = ["BLAS_LIMIT", "has_avx512", "sums_width", "thread_count", "weights_width"]

AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")
# Number of outputs -> a larger number with which OpenBLAS's product in single precision is faster, by up to 40%, from
# so many columns on: its kernels are made for 4, 8 or 16 numbers.
WIDER_FROM = 48
WIDER_WEIGHTS_WITH_AVX512 = {7: 8} | dict.fromkeys(range(9, 16), 16)
WIDER_WEIGHTS_WITHOUT = {3: 4, 5: 8, 6: 8, 7: 8, 11: 12}
WIDER_SUMS = {7: 8, 9: 12, 10: 12, 11: 12}


class BlasLimit:
    """One thread for BLAS while any fit runs.

    The limit is that of the whole process. If each fit set and restored its own, the second of two overlapping fits
    would save the limit of the first, and restore it at its end.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._fits = 0
        self._unlimited = 0
        self._limiter: Any = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Limit BLAS to one thread: the first fit sets the limit, the last one removes it."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def threads(self) -> int:
        """Return the number of threads that BLAS may use when no fit runs."""
        with self._lock:
            return self._unlimited if self._fits else _blas_threads(_controller())

    def _enter(self) -> None:
        with self._lock:
            if not self._fits:
                controller = _controller()
                self._unlimited = _blas_threads(controller)
                if self._unlimited > 1:
                    self._limiter = controller.limit(limits=1)
                    _let_any_thread_set_limits()
            self._fits += 1

    def _leave(self) -> None:
        with self._lock:
            self._fits -= 1
            if not self._fits and self._limiter is not None:
                self._limiter.restore_original_limits()
                self._limiter = None
                _let_any_thread_set_limits()


@cache
def _controller() -> Any:
    # Finding the libraries takes longer than a small fit. NumPy's and SciPy's are loaded by now.
    return ThreadpoolController().select(user_api="blas")


@cache
def has_avx512() -> bool:
    """Return whether OpenBLAS uses AVX-512; another BLAS is treated as if it did."""
    controllers = [blas for blas in _controller().lib_controllers if blas.internal_api == "openblas"]
    return not controllers or any(blas.architecture in AVX512 for blas in controllers)


def weights_width(outputs: int, columns: int) -> int:
    """Return the number of outputs to which weights are padded, so that rows times weights is fast."""
    wider = WIDER_WEIGHTS_WITH_AVX512 if has_avx512() else WIDER_WEIGHTS_WITHOUT
    return wider.get(outputs, outputs) if columns >= WIDER_FROM else outputs


def sums_width(outputs: int, columns: int) -> int:
    """Return the number of outputs to which factors are padded, so that factors times rows is fast."""
    return WIDER_SUMS.get(outputs, outputs) if columns >= WIDER_FROM else outputs


def _let_any_thread_set_limits() -> None:
    # Since 3.8, threadpoolctl accepts only the thread that set OpenBLAS's limit; the last fit may run in another.
    release = getattr(OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release()


def _blas_threads(controller: Any) -> int:
    threads = [int(blas.num_threads) for blas in controller.lib_controllers]
    return max(threads) if threads else int(effective_n_jobs(-1))


BLAS_LIMIT = BlasLimit()


def thread_count(n_jobs: int | None) -> int:
    """Return the number of threads for `n_jobs`, as joblib defines it: -1 is every core, -2 all but one.

    None is the number of threads of NumPy's BLAS, which scikit-learn's own solvers use; joblib and ``OMP_NUM_THREADS``
    limit it. A fit in another thread, which limits BLAS to one thread meanwhile, does not change the number.
    """
    return BLAS_LIMIT.threads() if n_jobs is None else max(1, int(effective_n_jobs(n_jobs)))
