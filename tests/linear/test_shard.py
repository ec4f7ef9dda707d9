"""Shards: two of them merged give the bits of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mnistlib.linear.arithmetic import Arithmetic, Floats
from mnistlib.linear.draws import Drawn, Taken
from mnistlib.linear.layout import Layout
from mnistlib.linear.minimize import minimize
from mnistlib.linear.objective import Objective
from mnistlib.linear.shard import Shard
from mnistlib.linear.sums import Sums, TreeSum
from tests.linear.conftest import Regime, make_problem

BLOCK = 64
ROWS, COLUMNS = 7 * BLOCK - 10, 6
# The first block of the second shard.
CUTS = (1, 3, 6)

each_cut = pytest.mark.parametrize("cut", CUTS)
each_classes = pytest.mark.parametrize("classes", [2, 3])
each_weighting = pytest.mark.parametrize("weighted", [True, False], ids=["weights", "no weights"])

RATE = 0.2
SUMS: dict[str, tuple[Any, ...]] = {
    "product": (),
    "moments": (1, None),
    "grams": (1,),
    "cross_grams": (),
    "curvature": (1,),
}


@dataclass(frozen=True)
class SeveralShards:
    """Shards in this process, merged as those of several workers."""

    shards: list[Shard]

    @property
    def layout(self) -> Layout:
        return self.shards[0].layout

    def total(self, operation: str, *arguments: Any) -> Sums:
        tree = TreeSum(self.layout.blocks)
        for shard in reversed(self.shards):
            tree.merge(getattr(shard, operation)(*arguments))
        return tree.total()

    def collect(self, operation: str, *arguments: Any) -> list[Any]:
        return [getattr(shard, operation)(*arguments) for shard in self.shards]

    def watch(self, on_block: Callable[[float], None] | None) -> None:
        for shard in self.shards:
            shard.on_block = on_block


def rows_of(classes: int, *, rows: int = ROWS, columns: int = COLUMNS) -> tuple[Floats, npt.NDArray[np.intp], Floats]:
    problem = make_problem(rows, columns, classes)
    return problem.X, problem.y, np.random.default_rng(1).uniform(0.1, 3, rows)


def cut_into(
    cuts: tuple[int, ...],
    classes: int,
    arithmetic: Arithmetic,
    *,
    weighted: bool = True,
    rows: int = ROWS,
    columns: int = COLUMNS,
    keeps: bool = True,
) -> SeveralShards:
    """Return shards that begin with the first block, and with each of `cuts`."""
    X, y, weights = rows_of(classes, rows=rows, columns=columns)
    layout = Layout(len(X), X.shape[1], classes, BLOCK)
    starts = [0, *cuts]
    shards = []
    for start, end in zip(starts, [*cuts, layout.blocks], strict=True):
        part = slice(start * BLOCK, end * BLOCK)
        of_part = weights[part] if weighted else None
        shard = Shard(layout, X[part], y[part], of_part, first_block=start, arithmetic=arithmetic, keeps=keeps)
        shards.append(shard)
    return SeveralShards(shards)


def parameters_of(shards: SeveralShards, models: int = 2) -> tuple[Floats, Floats]:
    random = np.random.default_rng(2)
    outputs = shards.layout.outputs
    return random.normal(size=(models * outputs, COLUMNS)), random.normal(size=models * outputs)


def assert_same_bits(one: Sums, other: Sums) -> None:
    for mine, yours in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, yours)


@each_cut
@each_classes
@each_weighting
def test_two_shards_evaluate_to_the_bits_of_one(double: Arithmetic, cut: int, classes: int, weighted: bool) -> None:
    one, two = (cut_into(cuts, classes, double, weighted=weighted) for cuts in ((), (cut,)))
    parameters = parameters_of(one)
    assert_same_bits(two.total("evaluate", *parameters), one.total("evaluate", *parameters))


@each_cut
@each_classes
@pytest.mark.parametrize("operation", SUMS)
def test_two_shards_have_the_sums_of_one_to_the_bit(double: Arithmetic, cut: int, classes: int, operation: str) -> None:
    if (operation, classes) == ("cross_grams", 2):
        pytest.skip("one output has none")
    one, two = (cut_into(cuts, classes, double) for cuts in ((), (cut,)))
    arguments = parameters_of(one, models=1) if operation == "product" else SUMS[operation]
    for shards in (one, two):
        shards.total("evaluate", *parameters_of(one))
    assert_same_bits(two.total(operation, *arguments), one.total(operation, *arguments))


@each_classes
@pytest.mark.parametrize("operation", SUMS)
def test_residuals_that_are_not_kept_have_the_same_bits(double: Arithmetic, classes: int, operation: str) -> None:
    if (operation, classes) == ("cross_grams", 2):
        pytest.skip("one output has none")
    kept, anew = (cut_into((), classes, double, keeps=keeps) for keeps in (True, False))
    arguments = parameters_of(kept, models=1) if operation == "product" else SUMS[operation]
    for shards in (kept, anew):
        shards.total("evaluate", *parameters_of(kept))
    assert_same_bits(anew.total(operation, *arguments), kept.total(operation, *arguments))


@each_classes
def test_rows_are_drawn_alike_by_residuals_that_are_not_kept(double: Arithmetic, classes: int) -> None:
    found: list[list[Drawn]] = []
    for keeps in (True, False):
        shards = cut_into((), classes, double, keeps=keeps)
        shards.total("evaluate", *parameters_of(shards))
        (drawn,) = shards.collect("draw", 1, np.full(shards.layout.outputs, RATE / 0.1), (0, 1), False)
        found.append(drawn)
    for kept, anew in zip(*found, strict=True):
        np.testing.assert_array_equal(anew.rows, kept.rows)


@each_cut
@pytest.mark.parametrize("whole", [True, False], ids=["matrix", "diagonal"])
def test_two_shards_have_the_gram_matrix_of_one_to_the_bit(double: Arithmetic, cut: int, whole: bool) -> None:
    one, two = (cut_into(cuts, 3, double) for cuts in ((), (cut,)))
    assert_same_bits(two.total("gram", whole), one.total("gram", whole))


@each_cut
@each_classes
@pytest.mark.parametrize("by_position", [True, False], ids=["by position", "by content"])
def test_two_shards_draw_the_rows_of_one(double: Arithmetic, cut: int, classes: int, by_position: bool) -> None:
    found: list[list[Drawn]] = []
    for cuts in ((), (cut,)):
        shards = cut_into(cuts, classes, double)
        shards.total("evaluate", *parameters_of(shards))
        rate = np.full(shards.layout.outputs, RATE / 0.1)
        found.append([drawn for part in shards.collect("draw", 1, rate, (0, 1), by_position) for drawn in part])
    assert sum(len(drawn.rows) for drawn in found[0]) > 20
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(two.rows, one.rows)
        for mine, yours in zip(two.places + two.weights, one.places + one.weights, strict=True):
            np.testing.assert_array_equal(mine, yours)


@each_cut
@each_weighting
@pytest.mark.parametrize("by_position", [True, False], ids=["by position", "by content"])
def test_two_shards_take_the_sample_of_one(double: Arithmetic, cut: int, weighted: bool, by_position: bool) -> None:
    one, two = (
        Taken.joined(cut_into(cuts, 3, double, weighted=weighted).collect("take", np.full(3, RATE), (0,), by_position))
        for cuts in ((), (cut,))
    )
    assert len(one.rows) > 20
    np.testing.assert_array_equal(two.rows, one.rows)
    np.testing.assert_array_equal(two.labels, one.labels)
    np.testing.assert_array_equal(two.keys, one.keys)
    if weighted:
        assert one.weights is not None
        assert two.weights is not None
        np.testing.assert_array_equal(two.weights, one.weights)
    else:
        assert one.weights is None
        assert two.weights is None


@pytest.mark.parametrize("coarse", [True, False])
def test_a_fit_over_shards_has_the_bits_of_a_fit_over_one(double: Arithmetic, regime: Regime, coarse: bool) -> None:
    if coarse and regime.many:
        pytest.skip("over many rows, all steps are in one precision")
    fits = []
    for cuts in ((), (1, 3, 4)):
        objectives = []
        for precision in (np.float64, np.float32):
            arithmetic = replace(double, precision=np.dtype(precision))
            shards = cut_into(cuts, 3, arithmetic, rows=regime.rows, columns=regime.columns)
            _, y, weights = rows_of(3, rows=regime.rows, columns=regime.columns)
            of_classes = np.bincount(y, weights=weights).astype(np.float64)
            objectives.append(Objective(shards, C=1.0, arithmetic=arithmetic, class_weight=of_classes))
        fits.extend(minimize(objectives[0], coarse=objectives[1] if coarse else None, tol=1e-6))
    np.testing.assert_array_equal(fits[1].weights, fits[0].weights)
    np.testing.assert_array_equal(fits[1].intercept, fits[0].intercept)
    assert fits[1].passes == fits[0].passes


def test_blocks_are_reported_as_their_share_of_all_shards(double: Arithmetic) -> None:
    first, second = cut_into((3,), 3, double).shards
    told: list[float] = []
    first.on_block = second.on_block = told.append
    parameters = parameters_of(cut_into((), 3, double))
    first.evaluate(*parameters)
    second.evaluate(*parameters)
    np.testing.assert_allclose(told, [1 / 7, 2 / 7, 3 / 7, 1 / 7, 2 / 7, 3 / 7, 4 / 7])


@each_classes
def test_rows_are_drawn_in_proportion_to_their_curvature(double: Arithmetic, classes: int) -> None:
    shards = cut_into((), classes, double, weighted=False)
    shards.total("evaluate", *parameters_of(shards))
    (total,) = shards.total("curvature", 0)
    wanted = 60.0
    sizes = []
    for stream in range(200):
        ((*drawn,),) = shards.collect("draw", 0, wanted / total, (stream,), False)
        sizes.append([sum(len(of_block.places[output]) for of_block in drawn) for output in range(len(total))])
    np.testing.assert_allclose(np.mean(sizes, axis=0), wanted, rtol=0.1)


@each_classes
@each_weighting
def test_the_gram_matrix_of_the_rows_drawn_is_right_on_average(
    double: Arithmetic, classes: int, weighted: bool
) -> None:
    shards = cut_into((), classes, double, weighted=weighted)
    shards.total("evaluate", *parameters_of(shards))
    (total,), (grams,) = shards.total("curvature", 0), shards.total("grams", 0)
    expected = grams[0, :-1, :-1]
    found = np.zeros_like(expected)
    streams = 400
    for stream in range(streams):
        ((*drawn,),) = shards.collect("draw", 0, 100 / total, (stream,), False)
        for of_block in drawn:
            rows = of_block.rows[of_block.places[0]]
            found += (rows * of_block.weights[0][:, None]).T @ rows / streams
    assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)


def test_a_row_of_weight_two_is_drawn_where_two_rows_are(double: Arithmetic) -> None:
    X, y, _ = rows_of(3)
    twice = np.arange(ROWS) % 3 == 0
    weighted = Shard(Layout(ROWS, COLUMNS, 3, BLOCK), X, y, 1.0 + twice, first_block=0, arithmetic=double)
    counts = 1 + twice
    repeated_rows, repeated_labels = np.repeat(X, counts, axis=0), np.repeat(y, counts)
    layout = Layout(len(repeated_rows), COLUMNS, 3, BLOCK)
    repeated = Shard(layout, repeated_rows, repeated_labels, None, first_block=0, arithmetic=double)
    drawn = []
    for shard in (weighted, repeated):
        shard.evaluate(np.zeros((3, COLUMNS)), np.zeros(3))
        parts = shard.draw(0, np.full(3, 1.0), (0,), False)
        drawn.append(np.unique(np.concatenate([part.rows for part in parts]), axis=0))
    assert len(drawn[0]) > 20
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_a_sample_has_its_share_of_each_class(double: Arithmetic) -> None:
    shards = cut_into((), 3, double)
    (taken,) = shards.collect("take", np.array([1.0, 0.5, 0.0]), (0,), False)
    counts, of_all = np.bincount(taken.labels, minlength=3), np.bincount(rows_of(3)[1])
    assert counts[0] == of_all[0]
    assert 0.3 * of_all[1] < counts[1] < 0.7 * of_all[1]
    assert counts[2] == 0
