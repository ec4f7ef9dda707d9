"""Data sets of ``python -m benchmarks.solver --only everywhere``: those of scikit-learn, and one of each other kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import datasets
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

LARGEST_SCALE = 1e6


@dataclass(frozen=True)
class DataSet:
    """Rows, their classes and weights, and the inverse strength of the penalty.

    `X` has shape (n, d) and is float64, float32 or uint8; `weight` has shape (n,).
    """

    X: npt.NDArray[Any]
    y: Labels
    C: float = 1.0
    weight: Floats | None = None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(np.unique(self.y))

    def for_peers(self) -> npt.NDArray[Any]:
        """Return the rows as input for scikit-learn: bytes become float64."""
        return self.X.astype(np.float64) if self.X.dtype == np.uint8 else self.X


@dataclass(frozen=True)
class Source:
    """Name of a data set, and how to make it.

    `quick` marks the few small data sets of ``--quick``; `grid` is the number of values of `C` in a grid search with
    five folds, 0 for a single fit.
    """

    name: str
    make: Callable[[], DataSet]
    quick: bool = False
    grid: int = 0


def _quantiles(values: Floats, classes: int) -> Labels:
    """Return classes of about equal size, by value."""
    edges = np.quantile(values, np.arange(1, classes) / classes)
    return np.searchsorted(edges, values).astype(np.int64)


def _shipped(name: str, *, scaled: bool) -> DataSet:
    """Return a data set of scikit-learn; the classes of a regression set are quantiles of its target."""
    if name == "diabetes":
        X, target = datasets.load_diabetes(return_X_y=True, scaled=False)
        y = _quantiles(target, 4)
    elif name == "linnerud":
        X, targets = datasets.load_linnerud(return_X_y=True)
        y = _quantiles(targets[:, 0], 2)
    else:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = X.astype(np.float64)
    return DataSet(StandardScaler().fit_transform(X) if scaled else X, y.astype(np.int64))


def _balanced(random: np.random.Generator, rows: int, classes: int) -> Labels:
    return random.permutation(np.arange(rows) % classes)


def _clouds(
    rows: int, columns: int, classes: int, *, apart: float = 0.5, C: float = 1.0, dtype: type = np.float64
) -> DataSet:
    """Return one normal cloud for each class, its centre drawn with standard deviation `apart`."""
    random = np.random.default_rng(rows + columns + classes)
    y = _balanced(random, rows, classes)
    X = random.normal(scale=apart, size=(classes, columns))[y]
    X += random.normal(size=X.shape)
    return DataSet(X.astype(dtype), y, C)


def _products() -> DataSet:
    """Return breast_cancer with squares and products: 495 correlated columns."""
    X, y = datasets.load_breast_cancer(return_X_y=True)
    products = PolynomialFeatures(2, include_bias=False).fit_transform(StandardScaler().fit_transform(X))
    return DataSet(StandardScaler().fit_transform(products), y.astype(np.int64))


def _scales() -> DataSet:
    """Return columns with scales from 1 to a million."""
    cloud = _clouds(2000, 20, 2, apart=0.3)
    return DataSet(cloud.X * np.logspace(0, np.log10(LARGEST_SCALE), 20), cloud.y)


def _offset() -> DataSet:
    """Return columns with means of a million standard deviations."""
    cloud = _clouds(2000, 10, 2, apart=0.3)
    return DataSet(cloud.X + LARGEST_SCALE, cloud.y)


def _bytes() -> DataSet:
    X, y = datasets.load_digits(return_X_y=True)
    return DataSet(X.astype(np.uint8), y.astype(np.int64))


def _rare(rows: int, columns: int, positives: int, *, apart: float = 1.0) -> DataSet:
    """Return a few positives, `apart` standard deviations away in the first column."""
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, columns))
    y = np.zeros(rows, dtype=np.int64)
    y[:positives] = 1
    X[:positives, 0] += apart
    return DataSet(X, y)


def _separable(classes: int, C: float) -> DataSet:
    """Return linearly separable classes, with almost no penalty."""
    random = np.random.default_rng(classes)
    X = random.normal(size=(2000, 20))
    y = (X @ random.normal(size=(20, classes))).argmax(axis=1)
    return DataSet(X, y.astype(np.int64), C)


def _odds(rows: int, columns: int) -> DataSet:
    """Return two classes with logistic odds that separate most rows."""
    random = np.random.default_rng(rows)
    X = random.normal(size=(rows, columns))
    y = X @ random.normal(size=columns) + random.logistic(size=rows) > 0
    return DataSet(X, y.astype(np.int64))


def _weighted(spread: float) -> DataSet:
    """Return rows with log-normal weights; with a large `spread` a few rows have nearly all the weight."""
    cloud = _clouds(20_000, 20, 2, apart=0.2)
    weight = np.random.default_rng(1).lognormal(sigma=spread, size=len(cloud.y))
    return DataSet(cloud.X, cloud.y, weight=weight / weight.mean())


def _heavy_class() -> DataSet:
    """Return three classes, the first with 99% of the weight."""
    cloud = _clouds(3000, 10, 3, apart=0.5)
    return DataSet(cloud.X, cloud.y, weight=np.where(cloud.y == 0, 198.0, 1.0))


def _correlated() -> DataSet:
    """Return 100 columns that are nearly combinations of 10."""
    random = np.random.default_rng(5)
    hidden = random.normal(size=(10_000, 10))
    X = hidden @ random.normal(size=(10, 100)) + 0.01 * random.normal(size=(10_000, 100))
    y = (hidden[:, 0] + random.normal(size=len(hidden)) > 0).astype(np.int64)
    return DataSet(X, y)


SHIPPED = ("iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud")

SOURCES = [
    *(
        Source(f"{name}, {'scaled' if scaled else 'raw'}", partial(_shipped, name, scaled=scaled), name != "digits")
        for name in SHIPPED
        for scaled in (True, False)
    ),
    Source("breast_cancer, squares and products", _products),
    Source("digits as bytes", _bytes),
    Source("100 rows", partial(_clouds, 100, 5, 2), quick=True),
    Source("wide, 2 classes", partial(_clouds, 300, 2000, 2, apart=0.1)),
    Source("wide, 5 classes", partial(_clouds, 300, 2000, 5, apart=0.1)),
    Source("scales up to 1e6", _scales, quick=True),
    Source("offset 1e6", _offset, quick=True),
    Source("float32", partial(_clouds, 5000, 40, 4, apart=0.2, dtype=np.float32)),
    Source("5 positives in 100,000", partial(_rare, 100_000, 2, 5)),
    Source("1 positive in 10,000", partial(_rare, 10_000, 8, 1), quick=True),
    Source("40 positives in 200,000", partial(_rare, 200_000, 8, 40)),
    Source("separable, C=1e4", partial(_separable, 2, 1e4), quick=True),
    Source("separable, 3 classes, C=1e6", partial(_separable, 3, 1e6)),
    Source("high odds, 800 rows", partial(_odds, 800, 60)),
    Source("high odds, 5,000 rows", partial(_odds, 5_000, 50)),
    Source("high odds, 30,000 rows", partial(_odds, 30_000, 50)),
    Source("weights", partial(_weighted, 1.0)),
    Source("extreme weights", partial(_weighted, 4.0)),
    Source("one heavy class", _heavy_class, quick=True),
    Source("correlated columns", _correlated),
    Source("200 columns", partial(_clouds, 2000, 200, 2, apart=0.1)),
    Source("20 classes", partial(_clouds, 3000, 40, 20)),
    Source("100 classes", partial(_clouds, 5000, 20, 100)),
    Source("100,000 rows, 3 classes", partial(_clouds, 100_000, 50, 3, apart=0.1)),
    Source("1,000,000 rows", partial(_clouds, 1_000_000, 10, 2, apart=0.2)),
    Source("grid search, breast_cancer, scaled", partial(_shipped, "breast_cancer", scaled=True), grid=26),
    Source("300 classes", partial(_clouds, 4000, 30, 300)),
    Source("600 classes", partial(_clouds, 6000, 30, 600)),
    Source("1,000 classes", partial(_clouds, 20_000, 30, 1000)),
]
