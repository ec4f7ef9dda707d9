"""Descriptions of the problems that the solver is swept over, each made from its own seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn.datasets

__all__ = [
    "LARGE",
    "SMALL",
    "SURE_ROWS",
    "Case",
    "GeneratedCase",
    "RareClassCase",
    "Sample",
    "ShippedCase",
    "shipped",
    "standardized",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Rows, labels 0 to K - 1, and weights of the rows or None."""

    X: npt.NDArray[Any]
    y: npt.NDArray[np.intp]
    weights: Floats | None = None

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1

    @property
    def rarest(self) -> int:
        """Rows of the rarest class, those without weight left out."""
        counted = None if self.weights is None else self.weights > 0
        return int(np.bincount(self.y, weights=counted, minlength=self.classes).min())


@dataclass(frozen=True)
class GeneratedCase:
    """A generated problem.

    Attributes
    ----------
    rare : int
        Rows of the last class; the others share the rest evenly.
    separation : float or None
        The distance of the classes' centres from the origin, in standard deviations; None: separable by the largest
        of as many linear functions as there are classes, without a gap.
    units : str
        "equal"; "mixed": columns times 1e-2 to 1e2 and moved by a few of their deviations; "extreme": 1e-6 to 1e6.
    weighting : str
        "none"; "moderate": 0.1 to 3; "counts": 0 to 3; "extreme": 1e-3 to 1e3; "vast": 1e-6 to 1e6; "balanced":
        the same sum in each class; "heavy": 1e4 for the last class, otherwise 1.
    """

    rows: int
    columns: int
    classes: int
    rare: int
    C: float
    separation: float | None
    units: str
    weighting: str
    seed: int

    def __str__(self) -> str:
        apart = "separable" if self.separation is None else f"apart{self.separation:g}"
        return (
            f"{self.seed}-{self.rows}x{self.columns}-{self.classes}classes-rare{self.rare}-C{self.C:g}-{apart}-"
            f"{self.units}-{self.weighting}"
        )

    def make(self) -> Sample:
        generator = np.random.default_rng(self.seed)
        y = self._labels()
        X = generator.normal(size=(self.rows, self.columns))
        directions = generator.normal(size=(self.classes, self.columns))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        if self.separation is None:
            X = X[self._order_by_class(X @ directions.T)]
        else:
            X += self.separation * directions[y]
        weights = self._weights(generator, y)
        shuffled = generator.permutation(self.rows)
        X, y = self._in_units(generator, X)[shuffled], y[shuffled]
        return Sample(X, y, None if weights is None else weights[shuffled])

    def _labels(self) -> npt.NDArray[np.intp]:
        y = np.arange(self.rows - self.rare) % (self.classes - 1)
        return np.append(np.sort(y), np.full(self.rare, self.classes - 1)).astype(np.intp)

    def _order_by_class(self, scores: Floats) -> npt.NDArray[np.intp]:
        """Return an order of rows in which each class is separable from those before it.

        The last class gets the rows whose last score is the highest; then the one before it, from the rest, and so on.
        """
        left = np.arange(self.rows)
        order: list[npt.NDArray[np.intp]] = []
        counts = np.bincount(self._labels(), minlength=self.classes)
        for label in reversed(range(self.classes)):
            ranked = left[np.argsort(scores[left, label], kind="stable")]
            split = len(ranked) - counts[label]
            left, chosen = ranked[:split], ranked[split:]
            order.insert(0, chosen)
        return np.concatenate(order)

    def _in_units(self, generator: np.random.Generator, X: Floats) -> Floats:
        if self.units == "equal":
            return X
        exponent = 2 if self.units == "mixed" else 6
        factors = 10 ** generator.uniform(-exponent, exponent, self.columns)
        if self.units == "mixed":
            X = X + generator.uniform(-5, 5, self.columns)
        return X * factors

    def _weights(self, generator: np.random.Generator, y: npt.NDArray[np.intp]) -> Floats | None:
        if self.weighting == "none":
            return None
        if self.weighting == "balanced":
            return np.asarray(self.rows / (self.classes * np.bincount(y)))[y]
        if self.weighting == "heavy":
            return np.where(y == self.classes - 1, 1e4, 1.0)
        if self.weighting == "moderate":
            return generator.uniform(0.1, 3, self.rows)
        if self.weighting in ("extreme", "vast"):
            exponent = 3 if self.weighting == "extreme" else 6
            return np.asarray(10 ** generator.uniform(-exponent, exponent, self.rows))
        counts = generator.integers(0, 4, self.rows).astype(np.float64)
        # So that no class loses all its rows: two of each keep a weight, the rare class all.
        first = np.searchsorted(y, np.arange(self.classes))
        counts[first] = 1
        counts[np.minimum(first + 1, self.rows - 1)] = 2
        counts[y == self.classes - 1] = np.maximum(1, counts[y == self.classes - 1])
        return counts


@dataclass(frozen=True)
class RareClassCase:
    """A few positives, moved along the first column, among many rows: `default_rng(0)`, all other settings default."""

    rows: int
    positives: int
    columns: int
    separation: float
    C: float = 1.0

    def __str__(self) -> str:
        return f"rare-class-{self.rows}x{self.columns}-{self.positives}positives-apart{self.separation:g}"

    def make(self) -> Sample:
        X = np.random.default_rng(0).normal(size=(self.rows, self.columns))
        y = np.zeros(self.rows, dtype=np.intp)
        y[: self.positives] = 1
        X[: self.positives, 0] += self.separation
        return Sample(X, y)


@dataclass(frozen=True)
class ShippedCase:
    """A data set that scikit-learn ships, as it is or standardized."""

    name: str
    scaled: bool
    C: float

    def __str__(self) -> str:
        return f"{self.name}-{'scaled' if self.scaled else 'raw'}-C{self.C:g}"

    def make(self) -> Sample:
        sample = shipped(self.name)
        return replace(sample, X=standardized(sample.X)) if self.scaled else sample


Case = GeneratedCase | RareClassCase | ShippedCase
"""A problem's description: equal descriptions make equal problems; its text identifies its tests."""


def shipped(name: str) -> Sample:
    X, y = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    return Sample(X, y.astype(np.intp))


def standardized(X: Floats) -> Floats:
    spread = X.std(axis=0)
    scaled: Floats = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return scaled


def _generated(
    count: int, *, seed: int, rows: list[int], shares: list[float], most_numbers: float, most_work: float
) -> Iterator[GeneratedCase]:
    """Yield `count` descriptions with independently drawn settings, within limits of size.

    `most_work` limits the cost of the reference's exact Hessian: rows x (classes x columns) squared.
    """
    draw = random.Random(seed)
    made = 0
    while made < count:
        case = GeneratedCase(
            rows=draw.choice(rows),
            columns=draw.choice([1, 2, 5, 10, 20, 50]),
            classes=draw.choice([2, 2, 2, 3, 3, 10]),
            rare=0,
            C=draw.choice([1e-2, 1.0, 1.0, 1e2, 1e4, 1e6]),
            separation=draw.choice([0, 0.5, 1, 3, 10, None]),
            units=draw.choice(["equal", "equal", "mixed", "extreme"]),
            weighting=draw.choice(["none", "none", "none", "moderate", "counts", "extreme", "balanced", "heavy"]),
            seed=seed + made,
        )
        rare = max(1, round(draw.choice(shares) * case.rows / (case.classes - 1)))
        outputs = 1 if case.classes == 2 else case.classes
        work = case.rows * (outputs * (case.columns + 1)) ** 2
        if case.rows * case.columns <= most_numbers and work <= most_work:
            yield replace(case, rare=rare)
            made += 1


_RARE_CLASSES = [
    RareClassCase(rows, positives, columns, separation)
    for rows in (2_000, 20_000, 200_000)
    for positives in (1, 5, 40)
    for columns in (2, 8)
    for separation in (0, 1, 3)
]

# Found by a random search: most rows are certain, and earlier versions rounded their residuals to zero.
SURE_ROWS = [
    GeneratedCase(62, 8, 30, 2, 1.54e7, 0, "extreme", "vast", 11000142),
    GeneratedCase(24, 42, 3, 2, 3.34e4, 0.5, "extreme", "extreme", 11000194),
    GeneratedCase(4698, 46, 2, 2, 9.26e7, 3, "extreme", "none", 11000205),
    GeneratedCase(14, 43, 3, 2, 1.62e4, 0, "extreme", "heavy", 11000451),
    GeneratedCase(75, 39, 2, 2, 212.0, 0, "extreme", "vast", 11000749),
    GeneratedCase(28, 31, 2, 3, 2.51e4, 0, "extreme", "heavy", 11001308),
    GeneratedCase(23, 43, 3, 2, 1.84e7, 0, "extreme", "heavy", 11001461),
    GeneratedCase(12, 38, 5, 2, 1.12e5, 3, "extreme", "heavy", 11001841),
    GeneratedCase(26, 9, 10, 2, 2.34e6, 3, "extreme", "extreme", 11002318),
    GeneratedCase(257, 9, 30, 2, 2.82e5, 0, "equal", "vast", 11002326),
    GeneratedCase(66, 32, 2, 2, 5.76e6, None, "extreme", "extreme", 11002350),
    GeneratedCase(524, 10, 10, 52, 1.19e5, 3, "equal", "vast", 11002575),
    GeneratedCase(17, 36, 3, 2, 8.22e5, 0.5, "extreme", "heavy", 12000132),
    GeneratedCase(27, 45, 2, 2, 592.0, None, "extreme", "vast", 12000235),
    GeneratedCase(82, 23, 2, 2, 6.49e5, 3, "extreme", "vast", 12000250),
    GeneratedCase(140, 21, 2, 2, 4.36e4, 3, "extreme", "vast", 12000715),
    GeneratedCase(13, 32, 2, 2, 3.16e6, None, "extreme", "vast", 12000736),
    GeneratedCase(143, 30, 2, 2, 2.22e5, 3, "extreme", "vast", 12001335),
    GeneratedCase(22, 9, 3, 7, 1.71e6, None, "extreme", "extreme", 12001587),
    GeneratedCase(18, 36, 2, 2, 3.13e6, None, "extreme", "vast", 12001718),
    GeneratedCase(12, 19, 5, 2, 3.14e4, 0, "extreme", "vast", 12001854),
    GeneratedCase(58, 36, 3, 2, 1.36e5, 3, "extreme", "extreme", 12002480),
    GeneratedCase(151, 19, 2, 2, 4.05e5, 3, "extreme", "vast", 12002726),
    GeneratedCase(797, 6, 10, 2, 2.03e6, None, "equal", "extreme", 12002778),
    GeneratedCase(25, 34, 5, 2, 3.15e4, 3, "extreme", "none", 21002252),
    GeneratedCase(28, 29, 5, 5, 1.19, 3, "extreme", "heavy", 22001331),
    GeneratedCase(43, 44, 3, 2, 1.17e6, 0.5, "extreme", "vast", 22002765),
    GeneratedCase(7032, 34, 5, 2, 2.53e4, 1, "equal", "vast", 21000739),
]

SMALL: list[Case] = [
    RareClassCase(rows=100_000, positives=5, columns=2, separation=1),
    *(case for case in _RARE_CLASSES if case.rows <= 20_000),
    *(
        ShippedCase(name, scaled, C)
        for name in ("iris", "wine", "breast_cancer", "digits")
        for scaled in (False, True)
        for C in (1e-2, 1.0, 1e2, 1e6)
    ),
    *_generated(
        370,
        seed=1_000,
        rows=[1_000, 1_000, 1_500, 2_000, 3_000, 5_000],
        shares=[0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4],
        most_numbers=1e5,
        most_work=3e8,
    ),
    *SURE_ROWS,
]

LARGE: list[Case] = [
    *(case for case in _RARE_CLASSES if case.rows > 20_000),
    *_generated(
        60,
        seed=2_000,
        rows=[10_000, 30_000, 100_000, 300_000, 1_000_000],
        shares=[0.3, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
        most_numbers=1e7,
        most_work=3e9,
    ),
    GeneratedCase(1_000_000, 50, 2, 1, 1.0, 1, "equal", "none", 3_000),
    GeneratedCase(1_000_000, 50, 2, 2, 1e6, 1, "mixed", "extreme", 3_001),
    GeneratedCase(1_000_000, 50, 3, 10, 1.0, 0.5, "mixed", "none", 3_002),
    GeneratedCase(100_000, 50, 10, 2, 1e4, 3, "extreme", "none", 3_003),
    GeneratedCase(1_000_000, 10, 10, 2, 1e-2, 1, "equal", "balanced", 3_004),
    GeneratedCase(1_000_000, 5, 2, 2, 1e6, None, "extreme", "none", 3_005),
]
