"""The fixed tree of sums: neither the shards nor the order of blocks change a bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistlib.linear.sums import TreeSum

Floats = npt.NDArray[np.float64]


def of_blocks(blocks: int) -> list[Floats]:
    """Return numbers of many magnitudes, so that nearly each order of additions has different bits."""
    random = np.random.default_rng(blocks)
    return list(random.normal(size=(blocks, 3)) * 10.0 ** random.integers(-8, 9, (blocks, 3)))


def sum_of(values: list[Floats]) -> TreeSum:
    tree = TreeSum(len(values))
    for place, value in enumerate(values):
        tree.add((value.copy(),), place)
    return tree


@st.composite
def partitions(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    """Draw a number of blocks, and shards that have all of them, each in some order."""
    blocks = draw(st.integers(1, 70))
    order = draw(st.permutations(range(blocks)))
    cuts = sorted(draw(st.lists(st.integers(0, blocks), max_size=6)))
    edges = [0, *cuts, blocks]
    return blocks, [list(order[start:end]) for start, end in pairwise(edges)]


@given(partitions())
def test_any_shards_and_any_order_of_blocks_give_the_same_bits(partition: tuple[int, list[list[int]]]) -> None:
    blocks, shards = partition
    values = of_blocks(blocks)
    merged = TreeSum(blocks)
    for shard in shards:
        tree = TreeSum(blocks)
        for place in shard:
            tree.add((values[place].copy(),), place)
        merged.merge(tree.nodes)
    np.testing.assert_array_equal(merged.total()[0], sum_of(values).total()[0])


@given(st.integers(1, 200))
def test_the_total_is_the_sum_but_for_rounding(blocks: int) -> None:
    values = of_blocks(blocks)
    (total,) = sum_of(values).total()
    rounding = np.abs(values).sum(axis=0) * blocks * np.finfo(float).eps
    assert (np.abs(total - np.sum(values, axis=0)) <= rounding).all()


@given(st.integers(1, 500))
def test_blocks_in_order_leave_at_most_two_sums_for_each_level(blocks: int) -> None:
    tree = TreeSum(blocks)
    for place in range(blocks):
        tree.add((np.ones(1),), place)
        assert len(tree.nodes) <= blocks.bit_length()


@given(st.integers(2, 500), st.data())
def test_a_range_of_blocks_leaves_at_most_two_sums_for_each_level(blocks: int, data: st.DataObject) -> None:
    start, end = sorted(data.draw(st.lists(st.integers(0, blocks), min_size=2, max_size=2, unique=True)))
    tree = TreeSum(blocks)
    for place in range(start, end):
        tree.add((np.ones(1),), place)
    assert len(tree.nodes) <= 2 * blocks.bit_length()
    assert sum(int(value[0]) for (value,) in tree.nodes.values()) == end - start


def test_arrays_of_different_shapes_are_summed_side_by_side() -> None:
    tree = TreeSum(2)
    tree.add((np.array([1.0, 2.0]), np.array([[3.0]])), 1)
    tree.add((np.array([10.0, 20.0]), np.array([[30.0]])), 0)
    vector, matrix = tree.total()
    np.testing.assert_array_equal(vector, [11, 22])
    np.testing.assert_array_equal(matrix, [[33]])


def test_a_total_without_each_block_is_an_error() -> None:
    tree = TreeSum(3)
    tree.add((np.ones(1),), 0)
    tree.add((np.ones(1),), 1)
    with pytest.raises(AssertionError, match="a block is missing"):
        tree.total()
