"""Random numbers of rows, which depend on their content only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistlib.linear.draws import mostly_copies, row_keys, uniform, with_positions

each_dtype = pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64], ids=lambda dtype: dtype.__name__)
each_width = pytest.mark.parametrize("columns", [1, 3, 7, 8, 9, 784])


def rows_of(count: int, columns: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return rows that differ; of one column of bytes there are 256."""
    random = np.random.default_rng(columns)
    if np.dtype(dtype) == np.uint8:
        return random.integers(0, 256, (count, columns), dtype=np.uint8)
    return random.normal(size=(count, columns)).astype(dtype)


@each_dtype
@each_width
def test_keys_follow_their_rows_into_another_order(dtype: npt.DTypeLike, columns: int) -> None:
    X = rows_of(300, columns, dtype)
    order = np.random.default_rng(1).permutation(300)
    np.testing.assert_array_equal(row_keys(X[order]), row_keys(X)[order])


@each_dtype
@each_width
def test_the_rows_around_do_not_change_a_key(dtype: npt.DTypeLike, columns: int) -> None:
    X = rows_of(300, columns, dtype)
    np.testing.assert_array_equal(row_keys(X[100:110]), row_keys(X)[100:110])


@each_dtype
@each_width
def test_copies_of_a_row_share_a_key(dtype: npt.DTypeLike, columns: int) -> None:
    X = rows_of(100, columns, dtype)
    np.testing.assert_array_equal(row_keys(np.repeat(X, 2, axis=0))[1::2], row_keys(X))


@each_dtype
@pytest.mark.parametrize("columns", [4, 7, 8, 9, 100])
def test_different_rows_have_different_keys(dtype: npt.DTypeLike, columns: int) -> None:
    X = rows_of(5_000, columns, dtype)
    assert len(np.unique(row_keys(X))) == len(np.unique(X, axis=0))


@each_dtype
@each_width
def test_each_number_of_a_row_matters(dtype: npt.DTypeLike, columns: int) -> None:
    X = np.repeat(rows_of(1, columns, dtype), columns + 1, axis=0)
    for column in range(columns):
        X[column, column] = 200 - X[column, column] // 2
    assert len(np.unique(row_keys(X))) == columns + 1


def test_the_places_of_numbers_in_a_row_matter() -> None:
    X = np.array([[1, 2, 3], [3, 2, 1], [2, 1, 3]], dtype=np.uint8)
    assert len(np.unique(row_keys(X))) == 3


@pytest.mark.parametrize("layout", ["columns first", "every other column", "read only"])
def test_the_layout_in_memory_does_not_matter(layout: str) -> None:
    X = rows_of(50, 9, np.float64)
    other = X.copy()
    if layout == "columns first":
        other = np.asfortranarray(X)
    elif layout == "every other column":
        other = np.repeat(X, 2, axis=1)[:, ::2]
    else:
        other.flags.writeable = False
    np.testing.assert_array_equal(row_keys(other), row_keys(X))


def test_making_keys_leaves_the_rows_as_they_are() -> None:
    X = rows_of(50, 8, np.float64)
    before = X.copy()
    row_keys(X)
    np.testing.assert_array_equal(X, before)


@each_dtype
@pytest.mark.parametrize("columns", [4, 9, 100])
def test_draws_are_uniform(dtype: npt.DTypeLike, columns: int) -> None:
    draws = uniform(row_keys(rows_of(20_000, columns, dtype)), 0)
    assert draws.min() >= 0
    assert draws.max() < 1
    counts, _ = np.histogram(draws, bins=20, range=(0, 1))
    # Chi squared with 19 degrees of freedom is above 55 once in 40,000 times.
    assert ((counts - 1000.0) ** 2 / 1000).sum() < 55


def test_draws_of_rows_of_few_digits_are_uniform() -> None:
    grid = np.stack(np.meshgrid(np.arange(100.0), np.arange(200.0)), axis=-1).reshape(-1, 2)
    counts, _ = np.histogram(uniform(row_keys(grid), 0), bins=20, range=(0, 1))
    assert ((counts - 1000.0) ** 2 / 1000).sum() < 55


@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=3), st.lists(st.integers(0, 2**31), min_size=1, max_size=3))
def test_streams_are_independent(one: list[int], other: list[int]) -> None:
    keys = row_keys(rows_of(5000, 9, np.float64))
    first, second = uniform(keys, *one), uniform(keys, *other)
    padded = [stream + [0] * (3 - len(stream)) for stream in (one, other)]
    if padded[0] == padded[1]:  # trailing zeros do not count
        return
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.08  # more than five standard deviations


def test_a_stream_gives_the_same_draws_again() -> None:
    keys = row_keys(rows_of(100, 9, np.float64))
    np.testing.assert_array_equal(uniform(keys, 3, 1), uniform(keys, 3, 1))


def test_keys_with_positions_differ_for_copies() -> None:
    keys = row_keys(np.ones((1000, 9)))
    assert len(np.unique(keys)) == 1
    assert len(np.unique(with_positions(keys, 0))) == 1000


def test_keys_with_positions_of_blocks_are_those_of_the_whole() -> None:
    keys = row_keys(rows_of(100, 9, np.float64))
    whole = with_positions(keys, 0)
    parts = [with_positions(keys[:64], 0), with_positions(keys[64:], 64)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_draws_of_copies_by_their_position_are_uniform() -> None:
    draws = uniform(with_positions(row_keys(np.ones((20_000, 9))), 0), 0)
    counts, _ = np.histogram(draws, bins=20, range=(0, 1))
    assert ((counts - 1000.0) ** 2 / 1000).sum() < 55


@pytest.mark.parametrize(("distinct", "mostly"), [(9, True), (10, False), (100, False), (1, True)])
def test_rows_are_mostly_copies_where_fewer_than_a_tenth_are_distinct(distinct: int, mostly: bool) -> None:
    X = rows_of(distinct, 9, np.float64)[np.arange(100) % distinct]
    assert mostly_copies(row_keys(X)) == mostly
