from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.blas import thread_count


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()}


class Fit:
    """A fit on its own thread, which outlives the fit."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        self._stack = ExitStack()

    def begin(self) -> None:
        running = Arithmetic(np.dtype(np.float64)).running()
        self.thread.submit(self._stack.enter_context, running).result()

    def end(self) -> None:
        self.thread.submit(self._stack.close).result()


@pytest.fixture
def fits() -> Iterator[tuple[Fit, Fit]]:
    if min(blas_threads(), default=1) < 2:
        pytest.skip("BLAS has one thread anyway")
    first, second = Fit(), Fit()
    with first.thread, second.thread:
        yield first, second


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_fits_that_overlap_leave_blas_as_they_found_it(fits: tuple[Fit, Fit], order: tuple[int, int]) -> None:
    before = blas_threads()
    for fit in fits:
        fit.begin()
        assert blas_threads() == {1}
    fits[order[0]].end()
    assert blas_threads() == {1}
    fits[order[1]].end()
    assert blas_threads() == before


def test_a_fit_after_those_that_overlapped_is_limited_again(fits: tuple[Fit, Fit]) -> None:
    before = blas_threads()
    for fit in fits:
        fit.begin()
    for fit in fits:
        fit.end()
    with Arithmetic(np.dtype(np.float64)).running():
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_the_thread_count_is_the_same_while_a_fit_runs(fits: tuple[Fit, Fit]) -> None:
    before = thread_count(None)
    fits[0].begin()
    during = thread_count(None)
    fits[0].end()
    assert during == before
