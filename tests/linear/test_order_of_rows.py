"""Models of the same rows: in another order, with weights instead of repetitions, with and without weightless rows.

All settings of the fits are defaults. The bound is a millionth of the largest coefficient, or the change of
scikit-learn's lbfgs between the same two samples where that is larger.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.preprocessing import PolynomialFeatures

from mnistlib import LogisticRegression
from tests.linear.problems import GeneratedCase, RareClassCase, Sample, ShippedCase, shipped, standardized

# As shares of the largest coefficient.
DOUBLE, SINGLE = 1e-6, 1e-4
# The bounds hold for up to so many numbers in X, before and after the change.
MOST_NUMBERS = 10_000_000


def generated(
    rows: int,
    columns: int,
    classes: int,
    *,
    rare: int | None = None,
    separation: float | None = 1.0,
    units: str = "equal",
    weighting: str = "none",
) -> Sample:
    rare = rows // classes if rare is None else rare
    return GeneratedCase(rows, columns, classes, rare, 1.0, separation, units, weighting, seed=rows + columns).make()


def products_of_columns() -> Sample:
    """Breast cancer with squares and products of its columns: 495 columns."""
    sample = shipped("breast_cancer")
    products = PolynomialFeatures(include_bias=False).fit_transform(standardized(sample.X))
    return replace(sample, X=standardized(products))


def far_from_zero(offset: float) -> Sample:
    sample = generated(2_500, 10, 3)
    return replace(sample, X=sample.X + offset)


def as_bytes(rows: int, columns: int, classes: int) -> Sample:
    sample = generated(rows, columns, classes)
    return replace(sample, X=np.clip(np.rint(64 * sample.X + 100), 0, 255))


Data = dict[str, Callable[[], Sample]]

SHIPPED: Data = {
    f"{name}-{'scaled' if scaled else 'raw'}": ShippedCase(name, scaled, 1.0).make
    for name in ("iris", "wine", "breast_cancer", "digits")
    for scaled in (False, True)
}
GENERATED: Data = {
    "120-rows-1-column": partial(generated, 120, 1, 2),
    "1000x5-separable": partial(generated, 1_000, 5, 2, separation=None),
    "2000x50": partial(generated, 2_000, 50, 2),
    "4100x20-3classes": partial(generated, 4_100, 20, 3),
    "9000x20-10classes": partial(generated, 9_000, 20, 10, separation=2.0),
    "5000x16-26classes": partial(generated, 5_000, 16, 26, separation=2.0),
    "3000x20-100classes": partial(generated, 3_000, 20, 100, separation=3.0),
    "33000x8": partial(generated, 33_000, 8, 2),
    "150000x2": partial(generated, 150_000, 2, 2),
    "300x2000-2classes": partial(generated, 300, 2_000, 2),
    "300x2000-3classes": partial(generated, 300, 2_000, 3),
    "breast_cancer-495-columns": products_of_columns,
    "mixed-units": partial(generated, 3_000, 10, 3, units="mixed"),
    "offset-1e3": partial(far_from_zero, 1e3),
    "5-in-20000": RareClassCase(20_000, 5, 2, 1).make,
    "1-in-4000-8-columns": RareClassCase(4_000, 1, 8, 1).make,
    "2-of-a-third-class": partial(generated, 6_000, 5, 3, rare=2),
    "moderate-weights": partial(generated, 2_200, 10, 3, weighting="moderate"),
    "extreme-weights": partial(generated, 2_300, 10, 2, weighting="extreme"),
    "balanced-weights": partial(generated, 8_200, 6, 2, rare=80, weighting="balanced"),
}
LARGE: Data = {
    "1000000x9": partial(generated, 1_000_000, 9, 2),
    "95000x100-10classes": partial(generated, 95_000, 100, 10),
    "200000x16-26classes": partial(generated, 200_000, 16, 26, separation=2.0),
    "20000x20-100classes": partial(generated, 20_000, 20, 100, separation=3.0),
    "4700x2000-3classes": partial(generated, 4_700, 2_000, 3),
    "5-in-500000": RareClassCase(500_000, 5, 8, 1).make,
}
BYTES: Data = {
    "digits": ShippedCase("digits", False, 1.0).make,
    "600x10": partial(as_bytes, 600, 10, 2),
    "3000x30-4classes": partial(as_bytes, 3_000, 30, 4),
    "40000x8-3classes": partial(as_bytes, 40_000, 8, 3),
}
LARGE_BYTES: Data = {
    "12000x784-10classes": partial(as_bytes, 12_000, 784, 10),
    "600000x8": partial(as_bytes, 600_000, 8, 2),
}
# Single precision rounds these columns to a sixteenth of their spread.
ONLY_IN_DOUBLE: Data = {"offset 1e6": partial(far_from_zero, 1e6)}


def each_of(small: Data, large: Data) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "make",
        [
            *(pytest.param(make, id=name) for name, make in small.items()),
            *(pytest.param(make, id=name, marks=pytest.mark.slow) for name, make in large.items()),
        ],
    )


@dataclass(frozen=True)
class Change:
    """Two samples whose models should be the same."""

    before: Sample
    after: Sample

    def in_dtype(self, dtype: npt.DTypeLike) -> Change:
        before, after = (replace(each, X=each.X.astype(dtype)) for each in (self.before, self.after))
        return Change(before, after)


def permute(sample: Sample) -> Change:
    return Change(sample, _rows_of(sample, np.random.default_rng(1).permutation(len(sample.y))))


def repeat(sample: Sample) -> Change:
    counts = _counts(sample, highest=2)
    repeated = _rows_of(sample, np.repeat(np.arange(len(counts)), counts))
    return Change(replace(sample, weights=_weights(sample) * counts), repeated)


def remove_weightless(sample: Sample) -> Change:
    counts = _counts(sample, highest=1)
    return Change(replace(sample, weights=_weights(sample) * counts), _rows_of(sample, np.flatnonzero(counts)))


def append_weightless(sample: Sample) -> Change:
    """Append rows that are unlike the others, up to twice as many."""
    rows, columns = sample.X.shape
    count = min(2 * rows, MOST_NUMBERS // columns - rows)
    chosen = np.random.default_rng(2).integers(0, rows, count)
    longer = Sample(
        np.concatenate([sample.X, sample.X.max() - sample.X[chosen]]),
        np.concatenate([sample.y, sample.y[chosen]]),
        np.concatenate([_weights(sample), np.zeros(count)]),
    )
    return Change(sample, longer)


each_change = pytest.mark.parametrize(
    "change", [permute, repeat, remove_weightless, append_weightless], ids=lambda change: change.__name__
)


def _weights(sample: Sample) -> npt.NDArray[np.float64]:
    return np.ones(len(sample.y)) if sample.weights is None else sample.weights


def _counts(sample: Sample, *, highest: int) -> npt.NDArray[np.intp]:
    """Return a random number from 0 for each row, at least one for the first row of each class."""
    counts = np.random.default_rng(3).integers(0, highest + 1, len(sample.y))
    counts[np.unique(sample.y, return_index=True)[1]] = 1
    return counts


def _rows_of(sample: Sample, rows: npt.NDArray[np.intp]) -> Sample:
    return Sample(sample.X[rows], sample.y[rows], None if sample.weights is None else sample.weights[rows])


@dataclass(frozen=True)
class Moved:
    """The largest change of a coefficient and of an intercept, and the largest of both before it."""

    coef: float
    intercept: float
    largest_coef: float
    largest: float

    def __str__(self) -> str:
        return (
            f"coef_ moves by {self.coef:.1e}, the largest is {self.largest_coef:.1e}; intercept_ by "
            f"{self.intercept:.1e}, the largest of both is {self.largest:.1e}"
        )


def moved_by(change: Change, estimator: Any) -> Moved:
    fits = []
    for sample in (change.before, change.after):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(sample.X, sample.y, sample.weights)
        fits.append((estimator.coef_.astype(np.float64), estimator.intercept_.astype(np.float64)))
    (coef, intercept), (coef_after, intercept_after) = fits
    largest_coef = float(np.abs(coef).max())
    return Moved(
        coef=float(np.abs(coef_after - coef).max()),
        intercept=float(np.abs(intercept_after - intercept).max()),
        largest_coef=largest_coef,
        largest=max(largest_coef, float(np.abs(intercept).max())),
    )


def is_within(moved: Moved, share: float) -> bool:
    return moved.coef <= share * moved.largest_coef and moved.intercept <= share * moved.largest


@each_change
@each_of({**SHIPPED, **GENERATED, **ONLY_IN_DOUBLE}, LARGE)
def test_equal_rows_make_equal_models_in_double_precision(
    make: Callable[[], Sample], change: Callable[[Sample], Change]
) -> None:
    same = change(make())
    moved = moved_by(same, LogisticRegression())
    if not is_within(moved, DOUBLE):
        peer = moved_by(same, Peer())
        assert moved.coef <= max(DOUBLE * moved.largest_coef, peer.coef), f"{moved}; lbfgs: {peer}"
        assert moved.intercept <= max(DOUBLE * moved.largest, peer.intercept), f"{moved}; lbfgs: {peer}"


@each_change
@each_of({**SHIPPED, **GENERATED}, LARGE)
def test_equal_rows_make_equal_models_in_single_precision(
    make: Callable[[], Sample], change: Callable[[Sample], Change]
) -> None:
    moved = moved_by(change(make()).in_dtype(np.float32), LogisticRegression())
    assert is_within(moved, SINGLE), str(moved)


@each_change
@each_of(BYTES, LARGE_BYTES)
def test_equal_rows_make_equal_models_of_bytes(make: Callable[[], Sample], change: Callable[[Sample], Change]) -> None:
    moved = moved_by(change(make()).in_dtype(np.uint8), LogisticRegression())
    assert is_within(moved, SINGLE), str(moved)
