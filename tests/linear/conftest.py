"""Problems and arithmetics for the solver's tests."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mnistlib.idx import read_idx
from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.local import local_objective
from mnistlib.linear.minimize import minimize
from mnistlib.linear.objective import Objective
from mnistlib.linear.progress import Solution


@dataclass(frozen=True)
class Problem:
    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    classes: int

    def objective(self, arithmetic: Arithmetic, C: npt.ArrayLike = 1.0, **options: Any) -> Objective:
        return local_objective(self.X, self.y, classes=self.classes, C=C, arithmetic=arithmetic, **options)


def make_problem(rows: int, columns: int, classes: int, *, seed: int = 0, noise: float = 2.0) -> Problem:
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, columns)) + random.normal(size=columns)
    y = (X @ random.normal(size=(columns, classes)) + noise * random.gumbel(size=(rows, classes))).argmax(axis=1)
    y[:classes] = np.arange(classes)
    return Problem(X, y, classes)


@dataclass(frozen=True)
class Regime:
    """One of the strategies of `minimize`, and the size of a problem for it.

    Attributes
    ----------
    many : bool
        Whether the rows count as many, so that some are drawn.
    single : bool
        Whether the first steps are taken in single precision.
    """

    name: str
    rows: int
    columns: int
    many: bool = False
    single: bool = False

    def __str__(self) -> str:
        return self.name

    def problem(self, classes: int = 3) -> Problem:
        return make_problem(self.rows, self.columns, classes)

    def fit(
        self, arithmetic: Arithmetic, C: npt.ArrayLike = 1.0, *, problem: Problem | None = None, **options: Any
    ) -> list[Solution]:
        """Minimize a fresh objective, and return the solutions."""
        problem = problem or self.problem()
        coarse = None
        if self.single:
            coarse = problem.objective(replace(arithmetic, precision=np.dtype(np.float32)), C)
        return minimize(problem.objective(arithmetic, C), coarse=coarse, **options)


NEWTON = Regime("Newton", 300, 5)
LBFGS = Regime("L-BFGS, then Newton", 300, 30)
SINGLE_FIRST = Regime("single precision first", 300, 30, single=True)
SMALL_SINGLE_FIRST = Regime("small, single precision first", 3_000, 5, single=True)
MANY = Regime("many rows", 20_000, 8, many=True)
MANY_WITHOUT_SAMPLE = Regime("many rows without a sample", 300, 30, many=True)
REGIMES = [NEWTON, LBFGS, SINGLE_FIRST, SMALL_SINGLE_FIRST, MANY, MANY_WITHOUT_SAMPLE]


@pytest.fixture
def many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat any number of rows as many."""
    monkeypatch.setattr("mnistlib.linear.layout.CHEAP_NUMBERS", 0)
    monkeypatch.setattr("mnistlib.linear.layout.CHEAP_HESSIAN", 0)


@pytest.fixture(params=REGIMES, ids=str)
def regime(request: pytest.FixtureRequest) -> Regime:
    chosen: Regime = request.param
    if chosen.many:
        request.getfixturevalue("many_rows")
    return chosen


@pytest.fixture(params=["numpy", pytest.param("torch", marks=pytest.mark.needs("torch"))])
def namespace(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture
def double(namespace: ModuleType) -> Arithmetic:
    return Arithmetic(np.dtype(np.float64), threads=2, namespace=namespace)


@pytest.fixture
def single(namespace: ModuleType) -> Arithmetic:
    return Arithmetic(np.dtype(np.float32), threads=2, namespace=namespace)


@pytest.fixture(scope="session")
def digits(mnist_folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    images, labels = (read_idx(mnist_folder / f"train-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    return images.reshape(-1, 784), labels
