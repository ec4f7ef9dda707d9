"""Problems and arithmetics that the solver's tests share."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mnistlib.idx import read_idx
from mnistlib.linear.arithmetic import Arithmetic
from mnistlib.linear.objective import Objective
from mnistlib.linear.rows import Rows


@dataclass(frozen=True)
class Problem:
    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    classes: int

    def objective(self, arithmetic: Arithmetic, C: npt.ArrayLike = 1.0, **options: Any) -> Objective:
        return Objective(Rows(self.X, arithmetic), self.y, classes=self.classes, C=C, arithmetic=arithmetic, **options)


def make_problem(rows: int, columns: int, classes: int, *, seed: int = 0, noise: float = 2.0) -> Problem:
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, columns)) + random.normal(size=columns)
    y = (X @ random.normal(size=(columns, classes)) + noise * random.gumbel(size=(rows, classes))).argmax(axis=1)
    y[:classes] = np.arange(classes)
    return Problem(X, y, classes)


@pytest.fixture(params=["numpy", "torch"])
def namespace(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "torch":
        pytest.importorskip("torch", reason="PyTorch is not installed; the tox environment named torch has it")
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
