"""The BLAS behind NumPy and SciPy: how many threads it uses, also while fits run, and with which instructions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from joblib import effective_n_jobs
from threadpoolctl import OpenBLASController, ThreadpoolController

__all__ = ["BLAS_LIMIT", "has_avx512", "thread_count"]

AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")


class BlasLimit:
    """One thread for BLAS while any fit runs.

    The limit is the whole process's: were each fit to set and restore its own, then of two that overlap the second
    would find the first one's limit, and leave it behind.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._fits = 0
        self._unlimited = 0
        self._limiter: Any = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold BLAS to one thread: the first one in sets the limit, the last one out lifts it."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def threads(self) -> int:
        """Return how many threads BLAS may use when no fit runs."""
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
    # Finding the libraries takes longer than a small fit does. NumPy's and SciPy's are loaded by now.
    return ThreadpoolController().select(user_api="blas")


@cache
def has_avx512() -> bool:
    """Return whether OpenBLAS uses AVX-512; another BLAS is treated as if it did."""
    controllers = [blas for blas in _controller().lib_controllers if blas.internal_api == "openblas"]
    return not controllers or any(blas.architecture in AVX512 for blas in controllers)


def _let_any_thread_set_limits() -> None:
    # Since 3.8, threadpoolctl heeds only the thread that has set OpenBLAS's limit; the last one out may be another.
    release = getattr(OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release()


def _blas_threads(controller: Any) -> int:
    threads = [int(blas.num_threads) for blas in controller.lib_controllers]
    return max(threads) if threads else int(effective_n_jobs(-1))


BLAS_LIMIT = BlasLimit()


def thread_count(n_jobs: int | None) -> int:
    """Return the number of threads that `n_jobs` asks for.

    Parameters
    ----------
    n_jobs : int or None
        As joblib understands it: -1 is every core, -2 all but one. ``None`` is as many threads as the BLAS behind
        NumPy may use, which is what scikit-learn's own solvers run on; joblib and ``OMP_NUM_THREADS`` limit it. A fit
        that runs on another thread at the moment, and keeps BLAS to one thread, changes nothing in it.
    """
    return BLAS_LIMIT.threads() if n_jobs is None else max(1, int(effective_n_jobs(n_jobs)))
