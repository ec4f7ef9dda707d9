"""Products of the arithmetic, whose matrices get rows of zeros if that makes them faster."""

from collections.abc import Callable

import numpy as np
import pytest

from mnistlib.linear import blas
from mnistlib.linear.arithmetic import Arithmetic

OUTPUTS = range(1, 34)


@pytest.fixture(params=["AVX-512", "others"], autouse=True)
def _processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "has_avx512", lambda: request.param == "AVX-512")


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_sums_are_the_product(outputs: int, precision: type) -> None:
    rng = np.random.default_rng(outputs)
    factors, block = rng.integers(-9, 9, (outputs, 7)), rng.integers(0, 9, (7, 50))
    sums = Arithmetic(np.dtype(precision)).sums(factors.astype(precision), block.astype(precision))
    np.testing.assert_array_equal(sums, factors @ block)


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_wider_weights_begin_with_the_weights_and_end_with_zeros(outputs: int) -> None:
    weights = np.random.default_rng(outputs).random((50, outputs), np.float32)
    wider = Arithmetic(np.dtype(np.float32)).wider_weights(weights)
    np.testing.assert_array_equal(wider[:, :outputs], weights)
    assert not wider[:, outputs:].any()


@pytest.mark.parametrize("width", [blas.weights_width, blas.sums_width])
def test_outputs_are_padded_to_16_at_most(width: Callable[[int, int], int]) -> None:
    assert all(outputs <= width(outputs, 784) <= 16 for outputs in range(1, 17))
    assert all(width(outputs, 784) == outputs for outputs in (1, 2, 4, 8, 16, *range(17, 2000)))


@pytest.mark.parametrize("width", [blas.weights_width, blas.sums_width])
def test_a_product_of_few_columns_is_not_padded(width: Callable[[int, int], int]) -> None:
    assert all(width(outputs, 30) == outputs for outputs in OUTPUTS)


def test_numbers_in_double_precision_are_not_padded() -> None:
    weights = np.ones((50, 10))
    assert Arithmetic(np.dtype(np.float64)).wider_weights(weights) is weights
